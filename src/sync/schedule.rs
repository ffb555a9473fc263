//! When a pair runs by the clock.

use crate::config;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// When a pair runs by itself beside the events of its files.
#[derive(Clone, Debug)]
pub struct Schedule {
    every: Option<SignedDuration>,
    at: Option<config::TimeOfDay>,
    zone: TimeZone,
}

impl Schedule {
    /// The pair's `every` or `at`, in this time zone.
    pub fn new(settings: &config::Sync, zone: TimeZone) -> Schedule {
        let every =
            settings.every.map(|every| SignedDuration::try_from(every).unwrap_or(SignedDuration::MAX));
        Schedule { every, at: settings.at, zone }
    }

    /// When the next run is due, after one that began then; none where the clock starts nothing. Without an
    /// earlier run, `every` is due at once. A time of day that a change of the clocks leaves out counts as
    /// the moment after the gap; one that comes twice counts once.
    pub fn next(&self, last: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        if let Some(every) = self.every {
            return Some(last.map_or(now, |last| last.saturating_add(every).unwrap_or(Timestamp::MAX)));
        }
        let after = last.unwrap_or(now);
        let at = self.at?.time();
        let mut day = after.to_zoned_datetime(self.zone.clone()).date();
        loop {
            let due = day.to_datetime(at).to_zoned_datetime(self.zone.clone()).ok()?.timestamp();
            if due > after {
                return Some(due);
            }
            day = day.tomorrow().ok()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(text: &str) -> Schedule {
        let id = "00000000-0000-0000-0000-000000000000";
        let end = format!("{{ collection = \"{id}\", path = \"/\" }}");
        let text = format!("name = \"raw\"\nsource = {end}\ndestination = {end}\n{text}");
        Schedule::new(&toml::from_str(&text).unwrap(), TimeZone::get("America/Chicago").unwrap())
    }

    fn next(schedule: &Schedule, last: Option<&str>, now: &str) -> Option<String> {
        schedule.next(last.map(|last| last.parse().unwrap()), now.parse().unwrap()).map(|at| at.to_string())
    }

    #[test]
    fn every_hour_and_each_night() {
        let hourly = schedule("every = \"1h\"");
        assert_eq!(next(&hourly, None, "2026-03-01T10:00:00Z").as_deref(), Some("2026-03-01T10:00:00Z"));
        let last = Some("2026-03-01T09:30:00Z");
        assert_eq!(next(&hourly, last, "2026-03-01T10:00:00Z").as_deref(), Some("2026-03-01T10:30:00Z"));
        // Half past two in Chicago: UTC-6 in winter.
        let nightly = schedule("at = \"02:30\"");
        assert_eq!(next(&nightly, None, "2026-03-01T08:29:00Z").as_deref(), Some("2026-03-01T08:30:00Z"));
        assert_eq!(next(&nightly, None, "2026-03-01T08:30:00Z").as_deref(), Some("2026-03-02T08:30:00Z"));
        // On 8 March there is no half past two: the clocks go from two to three. On 1 November there is,
        // once.
        assert_eq!(next(&nightly, None, "2026-03-08T05:00:00Z").as_deref(), Some("2026-03-08T08:30:00Z"));
        assert_eq!(next(&nightly, None, "2026-03-08T09:00:00Z").as_deref(), Some("2026-03-09T07:30:00Z"));
        // Missed while beamshare was down: due at once.
        assert_eq!(
            next(&nightly, Some("2026-03-01T08:30:00Z"), "2026-03-05T00:00:00Z").as_deref(),
            Some("2026-03-02T08:30:00Z")
        );
        assert_eq!(next(&schedule(""), None, "2026-03-01T00:00:00Z"), None);
    }
}
