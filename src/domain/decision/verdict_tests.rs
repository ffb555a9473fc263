//! What is learnt, what is said, and what the search of small worlds does not contain.

use super::*;
use crate::domain::{Field, Reading, Readings};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;
use std::time::Duration;

const RUN_LIMIT: Duration = Duration::from_secs(60);

const ORDER: [Field; 5] =
    [Field::PiLastName, Field::PiEmail, Field::Esaf, Field::ProposalNumber, Field::YearMonth];

/// PVs that are put one after the other, a second apart.
struct Pvs {
    now: Timestamp,
    watched: Watched,
    state: DecisionState,
}

impl Pvs {
    fn new(orders: Orders) -> Pvs {
        let reading = || Reading { text: "before".into(), time: None, invalid: false, possibly_cut: false };
        let readings = Readings(ORDER.into_iter().map(|field| (field, reading())).collect());
        let watched = Watched { readings, window: Window::at_rest() };
        Pvs {
            now: Timestamp::UNIX_EPOCH,
            watched,
            state: DecisionState { orders, ..DecisionState::default() },
        }
    }

    fn put(&mut self, fields: &[Field], text: &str) -> &mut Pvs {
        for field in fields {
            self.now += SignedDuration::from_secs(1);
            self.watched.readings.0.get_mut(field).unwrap().text = text.to_owned();
            self.watched.window.put(Put {
                field: *field,
                text: text.into(),
                at: self.now,
                noticed: self.now,
            });
        }
        self
    }

    fn rest(&mut self) -> &mut Pvs {
        self.now += SignedDuration::from_secs(60);
        self.watched.window.rested = true;
        self
    }

    fn judge(&mut self) -> Wholeness {
        let wholeness = judge(&self.watched, &self.state, RUN_LIMIT);
        self.state.conclude(&self.watched, wholeness.clone());
        wholeness
    }

    fn held(&mut self) -> NotWhole {
        match self.judge() {
            Wholeness::NotWhole(not_whole) => not_whole,
            whole => panic!("{whole:?}"),
        }
    }

    /// An operator approves the held set.
    fn approve(&mut self) {
        let candidate = self.held().candidate;
        self.state.propose(&self.watched, candidate);
    }

    fn whole(&mut self) -> BTreeSet<Field> {
        match self.judge() {
            Wholeness::Whole { fields, .. } => fields,
            held => panic!("{held:?}"),
        }
    }
}

fn known() -> Orders {
    Orders::of(vec![Order::new(ORDER.to_vec(), &ORDER.into()).unwrap()])
}

fn without_esaf() -> Vec<Field> {
    ORDER.into_iter().filter(|field| *field != Field::Esaf).collect()
}

#[test]
fn a_tool_that_leaves_out_a_field_is_known_after_two_approvals() {
    let mut pvs = Pvs::new(Orders::default());
    for (group, judged) in [("a", 2), ("b", 1)] {
        pvs.put(&without_esaf(), group);
        // However often the same set is judged, it counts once.
        for _ in 0..judged {
            let held = pvs.held();
            assert!(
                matches!(&held.reason, Reason::Missing { missing, .. } if *missing == [Field::Esaf]),
                "{held:?}"
            );
            pvs.approve();
        }
        pvs.rest();
    }
    // The value of the field is another group's, so it does not count.
    assert_eq!(pvs.put(&without_esaf(), "c").whole(), without_esaf().into_iter().collect());
    assert_eq!(pvs.rest().put(&ORDER[..2], "d").held().remedy, Remedy::TagAgain);
}

#[test]
fn the_beginning_of_a_known_order_is_never_learnt() {
    let configured = BTreeSet::from(ORDER);
    let mut pvs = Pvs::new(known());
    for group in ["a", "b", "c"] {
        pvs.put(&ORDER[..4], group).approve();
        pvs.rest();
    }
    assert_eq!(pvs.state.orders.known(&configured).len(), 1);
}

#[test]
fn a_run_without_the_proposal_number_teaches_nothing() {
    let mut pvs = Pvs::new(Orders::default());
    let fields: Vec<Field> = ORDER.into_iter().filter(|field| *field != Field::ProposalNumber).collect();
    assert_eq!(pvs.put(&fields, "a").held().candidate, None);
}

#[test]
fn a_second_order_must_be_seen_twice() {
    let mut reversed = ORDER;
    reversed.swap(1, 2);
    let mut pvs = Pvs::new(known());
    let held = pvs.put(&reversed, "a").held();
    assert!(matches!(held.reason, Reason::UnknownOrder { .. }), "{held:?}");
    assert_eq!(held.remedy, Remedy::TagAgain);
    assert_eq!(pvs.rest().put(&reversed, "b").whole().len(), 5);
    assert_eq!(pvs.rest().put(&ORDER, "c").whole().len(), 5);
}

/// Whichever field it begins with: that of the known order then comes somewhere in the middle.
#[test]
fn a_second_order_may_begin_with_any_field() {
    let order = [1, 0, 2, 4, 3].map(|place: usize| ORDER[place]);
    let mut pvs = Pvs::new(known());
    let held = pvs.put(&order, "a").held();
    assert!(matches!(held.reason, Reason::UnknownOrder { .. }), "{held:?}");
    assert_eq!(pvs.rest().put(&order, "b").whole().len(), 5);
    let fields = [1, 0, 4, 3].map(|place: usize| ORDER[place]);
    let mut pvs = Pvs::new(known());
    for group in ["a", "b"] {
        pvs.put(&fields, group).approve();
        pvs.rest();
    }
    assert_eq!(pvs.put(&fields, "c").whole().len(), 4);
}

#[test]
fn a_run_that_pauses_for_less_than_the_limit_is_whole_and_one_that_pauses_longer_is_not() {
    for (pause, is_whole) in [(58, true), (61, false)] {
        let mut pvs = Pvs::new(known());
        pvs.put(&ORDER[..2], "a").now += SignedDuration::from_secs(pause);
        assert_eq!(
            matches!(pvs.put(&ORDER[2..], "a").judge(), Wholeness::Whole { .. }),
            is_whole,
            "{pause} s"
        );
    }
}

#[test]
fn a_flood_of_puts_is_never_whole() {
    let mut pvs = Pvs::new(known());
    for number in 0..300 {
        pvs.put(&[ORDER[number % 5], ORDER[number % 3]], &number.to_string());
        pvs.held();
    }
}

#[test]
fn the_sentence_names_the_put_the_fields_and_what_helps() {
    let told = |pvs: &mut Pvs| pvs.held().hold(&TimeZone::UTC).to_string();
    let mut pvs = Pvs::new(known());
    assert_eq!(
        told(pvs.put(&ORDER[..1], "Li")),
        "Not one whole tagging: the tagging of 00:00:01 has put only the PI last name. Tag the group again, \
         or Approve if every value is right"
    );
    assert!(
        told(pvs.put(&ORDER[1..4], "Li")).contains("00:00:01 has not put the year-month. Tag"),
        "{}",
        told(&mut pvs)
    );
    let overlap = told(pvs.put(&ORDER[..1], "Garcia").put(&ORDER[4..], "Garcia").put(&ORDER[1..4], "Garcia"));
    assert!(overlap.contains("Tag the group again after 00:01:09"), "{overlap}");
    let mut pvs = Pvs::new(known());
    pvs.watched.window = Window::unobserved(Gap::Disconnected, pvs.now);
    assert_eq!(
        told(pvs.put(&ORDER, "Li")),
        "Not one whole tagging: the connection to the IOC was restored at 00:00:00, and earlier puts may \
         have been missed. Tag the group again after 00:01:05, or Approve if every value is right"
    );
}
