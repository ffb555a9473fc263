//! Schedules: reading, writing, and when the next run is.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::TimersError;
use crate::state::timer::{End, Schedule};
use crate::time::{parse_time, time};

/// Reads `{"type": "once"}` or `{"type": "recurring", "interval_seconds": …}`.
pub(super) fn read(given: &Value, shortest: u64) -> Result<Schedule, TimersError> {
    let place = |field: &'static str| ["timer", "schedule", field];
    let at = |value: &Value, field: &'static str| match value {
        Value::Null => Ok(None),
        Value::String(text) => parse_time(text)
            .map(Some)
            .ok_or_else(|| TimersError::field(&place(field), format!("'{text}' is not a time"))),
        other => Err(TimersError::field(&place(field), format!("{other} is not a time"))),
    };
    match given["type"].as_str() {
        Some("once") => Ok(Schedule::Once { at: at(&given["datetime"], "datetime")? }),
        Some("recurring") => {
            let seconds =
                given["interval_seconds"].as_u64().filter(|seconds| *seconds >= shortest).ok_or_else(
                    || TimersError::field(&place("interval_seconds"), format!("must be at least {shortest}")),
                )?;
            let end = &given["end"];
            let end = match end["condition"].as_str() {
                None if end.is_null() => End::Never,
                Some("time") => End::At(
                    at(&end["datetime"], "end")?
                        .ok_or_else(|| TimersError::field(&place("end"), "datetime: field required"))?,
                ),
                Some("iterations") => End::After(
                    end["iterations"]
                        .as_u64()
                        .filter(|count| *count > 0)
                        .ok_or_else(|| TimersError::field(&place("end"), "iterations must be at least 1"))?,
                ),
                _ => return Err(TimersError::field(&place("end"), "condition must be time or iterations")),
            };
            let start = at(&given["start"], "start")?.unwrap_or_else(Timestamp::now);
            Ok(Schedule::Recurring { start, seconds, end })
        }
        other => Err(TimersError::field(&place("type"), format!("must be once or recurring, not {other:?}"))),
    }
}

/// The schedule as documents show it: the end without its condition.
pub(super) fn document(schedule: &Schedule, submitted: Timestamp) -> Value {
    match schedule {
        Schedule::Once { at } => json!({"type": "once", "datetime": time(at.unwrap_or(submitted))}),
        Schedule::Recurring { start, seconds, end } => json!({
            "type": "recurring",
            "start": time(*start),
            "interval_seconds": seconds,
            "end": match end {
                End::Never => Value::Null,
                End::At(at) => json!({"datetime": time(*at)}),
                End::After(count) => json!({"count": count}),
            },
        }),
    }
}

/// When a timer that has run so often runs next, at the earliest; none when it has ended.
///
/// Times that were missed, while the timer was paused for example, are left out.
pub(super) fn next(schedule: &Schedule, runs: u64, now: Timestamp) -> Option<Timestamp> {
    match schedule {
        Schedule::Once { at } => (runs == 0).then(|| at.unwrap_or(now)),
        Schedule::Recurring { start, seconds, end } => {
            if matches!(end, End::After(count) if runs >= *count) {
                return None;
            }
            let step = i64::try_from(*seconds).unwrap_or(i64::MAX).max(1);
            let late = now.as_second().saturating_sub(start.as_second()).max(0);
            // The first run is at the start itself; a later one is the first step that lies ahead.
            let steps = if runs == 0 && late == 0 {
                0
            } else {
                late / step + i64::from(runs > 0 || late % step != 0)
            };
            let ahead = steps.checked_mul(step).map(SignedDuration::from_secs)?;
            let next = start.checked_add(ahead).ok()?;
            let next = if runs == 0 && late < step { *start } else { next };
            (!matches!(end, End::At(at) if next > *at)).then_some(next)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_run() {
        let at = |seconds: i64| Timestamp::from_second(1_000_000 + seconds).unwrap();
        let every = |end| Schedule::Recurring { start: at(0), seconds: 60, end };
        for (schedule, runs, now, expected) in [
            (Schedule::Once { at: None }, 0, 5, Some(5)),
            (Schedule::Once { at: Some(at(9)) }, 0, 5, Some(9)),
            (Schedule::Once { at: Some(at(9)) }, 1, 9, None),
            (every(End::Never), 0, -30, Some(0)),
            (every(End::Never), 0, 0, Some(0)),
            (every(End::Never), 0, 10, Some(0)),
            (every(End::Never), 1, 0, Some(60)),
            (every(End::Never), 1, 59, Some(60)),
            (every(End::Never), 1, 130, Some(180)),
            (every(End::After(2)), 1, 10, Some(60)),
            (every(End::After(2)), 2, 70, None),
            (every(End::At(at(100))), 1, 10, Some(60)),
            (every(End::At(at(100))), 2, 70, None),
        ] {
            assert_eq!(next(&schedule, runs, at(now)), expected.map(at), "{schedule:?} {runs} {now}");
        }
    }

    #[test]
    fn what_is_no_schedule() {
        for wrong in [
            json!({}),
            json!({"type": "often"}),
            json!({"type": "once", "datetime": "soon"}),
            json!({"type": "recurring"}),
            json!({"type": "recurring", "interval_seconds": 59}),
            json!({"type": "recurring", "interval_seconds": 60, "end": {"condition": "never"}}),
            json!({"type": "recurring", "interval_seconds": 60, "end": {"condition": "iterations"}}),
        ] {
            assert!(read(&wrong, 60).is_err(), "{wrong}");
        }
    }
}
