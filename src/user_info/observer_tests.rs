//! What counts as a put, and what was not observed.

use super::observer::{Observer, Source};
use crate::domain::decision::{Gap, Watched, Window};
use crate::domain::{Field, Reading};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

const NAME: Field = Field::PiLastName;
const EMAIL: Field = Field::PiEmail;

/// A reading put this many seconds before now.
fn reading(text: &str, seconds_ago: i64) -> Reading {
    let time = Timestamp::now() - SignedDuration::from_secs(seconds_ago);
    Reading { text: text.into(), time: Some(time), invalid: false, possibly_cut: false }
}

/// Two PVs that were read, with a window at rest.
fn observer() -> Observer {
    let mut observer = Observer::new([NAME, EMAIL].into(), None);
    for (field, seconds_ago) in [(NAME, 100), (EMAIL, 0)] {
        assert!(observer.watched().is_none(), "not all PVs are read");
        observer.read(field, reading("Unknown", seconds_ago), "ioc:5064", Source::Monitor);
    }
    assert_eq!(observer.watched().unwrap().window, Window::at_rest());
    observer
}

fn puts(observer: &Observer) -> Vec<(Field, String)> {
    let window = observer.watched().unwrap().window;
    window.puts.into_iter().map(|put| (put.field, put.text)).collect()
}

fn gap(observer: &Observer) -> Option<Gap> {
    observer.watched().unwrap().window.unobserved.map(|unobserved| unobserved.gap)
}

#[test]
fn a_put_that_monitor_and_get_show_is_one_and_a_new_time_is_another() {
    let mut observer = observer();
    let first = reading("Li", 3);
    assert!(observer.read(NAME, first.clone(), "ioc:5064", Source::Monitor));
    assert!(!observer.read(NAME, first.clone(), "ioc:5064", Source::Get));
    assert!(!observer.read(NAME, first, "ioc:5064", Source::Monitor));
    assert!(observer.read(NAME, reading("Li", 1), "ioc:5064", Source::Get), "the same value, put again");
    assert_eq!(puts(&observer), [(NAME, "Li".into()), (NAME, "Li".into())]);
}

#[test]
fn a_put_that_only_a_get_shows_is_put_in_its_place() {
    let mut observer = observer();
    assert!(observer.read(NAME, reading("Li", 5), "ioc:5064", Source::Monitor));
    assert!(observer.read(NAME, reading("Garcia", 1), "ioc:5064", Source::Monitor));
    assert!(observer.read(EMAIL, reading("Unknown", 3), "ioc:5064", Source::Get));
    assert_eq!(puts(&observer), [(NAME, "Li".into()), (EMAIL, "Unknown".into()), (NAME, "Garcia".into())]);
}

#[test]
fn a_monitor_that_a_get_has_overtaken_does_not_bring_the_old_text_back() {
    let mut observer = observer();
    let (mut first, second) = (reading("Li", 3), reading("Garcia", 3));
    first.time = second.time.map(|time| time - SignedDuration::from_millis(20));
    assert!(observer.read(NAME, second, "ioc:5064", Source::Get));
    assert!(observer.read(NAME, first, "ioc:5064", Source::Monitor));
    assert_eq!(observer.watched().unwrap().readings.0[&NAME].text, "Garcia");
    assert_eq!(puts(&observer), [(NAME, "Li".into()), (NAME, "Garcia".into())]);
}

#[test]
fn after_a_disconnection_only_the_same_time_means_that_nothing_was_put() {
    let mut observer = observer();
    let li = reading("Li", 3);
    observer.read(NAME, li.clone(), "ioc:5064", Source::Monitor);
    observer.disconnected(NAME);
    observer.read(NAME, li.clone(), "ioc:5064", Source::Monitor);
    assert_eq!((gap(&observer), puts(&observer).len()), (None, 1));
    for after_boot in [reading("Li", 0), Reading { time: None, ..li.clone() }, Reading { time: None, ..li }] {
        observer.disconnected(NAME);
        observer.read(NAME, after_boot, "ioc:5064", Source::Get);
        assert_eq!((gap(&observer), puts(&observer).len()), (Some(Gap::Disconnected), 0));
    }
}

#[test]
fn a_restart_continues_where_nothing_was_put_meanwhile() {
    let mut observer = observer();
    observer.read(NAME, reading("Li", 3), "ioc:5064", Source::Monitor);
    let earlier = observer.watched().unwrap();
    let restarted = |change: Option<Reading>| {
        let mut readings = earlier.readings.0.clone();
        readings.extend(change.map(|reading| (EMAIL, reading)));
        let mut observer = Observer::new([NAME, EMAIL].into(), Some(earlier.clone()));
        for (field, reading) in readings {
            observer.read(field, reading, "ioc:5064", Source::Get);
        }
        observer
    };
    let same = restarted(None);
    assert_eq!((gap(&same), puts(&same)), (None, vec![(NAME, "Li".into())]));
    let put = restarted(Some(reading("Unknown", 1)));
    assert_eq!((gap(&put), puts(&put).len()), (Some(Gap::Started), 0));
}

#[test]
fn a_clock_that_is_set_back_within_a_tagging_is_a_gap_and_after_a_rest_it_is_none() {
    let mut observer = observer();
    observer.read(NAME, reading("Li", 4000), "ioc:5064", Source::Monitor);
    assert_eq!((gap(&observer), puts(&observer).len()), (None, 1), "the window was at rest");
    observer.read(EMAIL, reading("li@example.org", 4000), "ioc:5064", Source::Monitor);
    assert_eq!((gap(&observer), puts(&observer).len()), (Some(Gap::ClockStepped), 1));
    observer.rest_after(Duration::ZERO);
    observer.read(NAME, reading("Garcia", 3999), "ioc:5064", Source::Monitor);
    observer.read(EMAIL, reading("ana@example.org", 3999), "ioc:5064", Source::Monitor);
    assert_eq!((gap(&observer), puts(&observer).len()), (None, 2), "one clock again");
}

#[test]
fn a_get_that_stays_ahead_of_the_monitors_is_noticed() {
    let mut observer = observer();
    observer.read(NAME, reading("Li", 1), "ioc:5064", Source::Get);
    assert_eq!(observer.without_monitor(Duration::from_secs(60)), []);
    assert_eq!(observer.without_monitor(Duration::ZERO), [NAME]);
    assert_eq!(observer.without_monitor(Duration::ZERO), [], "once");
    observer.read(EMAIL, reading("Unknown", 0), "ioc:5064", Source::Get);
    assert_eq!(observer.without_monitor(Duration::ZERO), [], "the same text may post no monitor");
}

#[test]
fn a_first_start_beside_a_group_was_not_observed() {
    let mut observer = Observer::new([NAME, EMAIL].into(), None);
    for field in [NAME, EMAIL] {
        observer.read(field, reading("Li", 100), "ioc:5064", Source::Monitor);
    }
    let Watched { window, .. } = observer.watched().unwrap();
    assert_eq!(window.unobserved.map(|unobserved| unobserved.gap), Some(Gap::Started));
    assert!(!window.rested);
}

/// The clock of an IOC falls behind, hour by hour.
#[test]
fn the_quiet_time_is_counted_by_this_hosts_clock() {
    let settle = SignedDuration::from_secs(10);
    let mut observer = observer();
    observer.advance(SignedDuration::from_secs(60));
    assert!(observer.read(NAME, reading("Li", 12 - 60), "ioc:5064", Source::Monitor));
    let wait = observer.quiet_in(settle).expect("it was put a moment ago");
    assert!(wait > Duration::from_secs(5), "{wait:?}");
}

#[test]
fn puts_on_two_iocs_stay_in_order_when_a_clock_falls_behind() {
    let mut observer = Observer::new([NAME, EMAIL].into(), None);
    observer.read(NAME, reading("Unknown", 0), "one:5064", Source::Monitor);
    observer.read(EMAIL, reading("Unknown", 0), "two:5064", Source::Monitor);
    observer.advance(SignedDuration::from_hours(400));
    let hours = 400 * 3600;
    // By now the second IOC's clock is 20 s behind.
    assert!(observer.read(NAME, reading("Li", -hours), "one:5064", Source::Monitor));
    assert!(observer.read(EMAIL, reading("li@example.org", 20 - hours), "two:5064", Source::Monitor));
    assert_eq!(puts(&observer), [(NAME, "Li".into()), (EMAIL, "li@example.org".into())]);
}
