//! The two documents of a timer: that of version 2, and the older one of a job.

use serde_json::{Value, json};

use super::schedule;
use crate::state::timer::{End, Schedule, Timer, TimerState};
use crate::time::time;

/// What jobs of transfers call back.
pub(super) const CALLBACK: &str = "https://transfer.actions.globus.org/transfer/run";

fn status(timer: &Timer) -> &'static str {
    match timer.state {
        TimerState::New => "new",
        TimerState::Loaded => "loaded",
        TimerState::Inactive(_) => "inactive",
        TimerState::Ended => "ended",
    }
}

fn inactive_reason(timer: &Timer) -> Value {
    match &timer.state {
        TimerState::Inactive(reason) => reason.clone(),
        _ => Value::Null,
    }
}

/// The document of version 2.
pub(super) fn timer(of: &Timer) -> Value {
    json!({
        "body": of.body,
        "inactive_reason": inactive_reason(of),
        "job_id": of.id,
        "last_ran_at": of.last_ran.map(time),
        "name": of.name,
        "next_run": of.next_run.map(time),
        "number_of_errors": of.errors,
        "number_of_runs": of.runs,
        "schedule": schedule::document(&of.schedule, of.submitted),
        "status": status(of),
        "submitted_at": time(of.submitted),
        "timer_type": "transfer",
    })
}

/// The document of a job.
pub(super) fn job(of: &Timer) -> Value {
    let (start, interval, stop_after) = match &of.schedule {
        Schedule::Once { at } => {
            (at.unwrap_or(of.submitted), Value::Null, json!({"date": null, "n_runs": 1}))
        }
        Schedule::Recurring { start, seconds, end } => {
            let stop_after = match end {
                End::Never => Value::Null,
                End::At(at) => json!({"date": time(*at), "n_runs": null}),
                End::After(count) => json!({"date": null, "n_runs": count}),
            };
            (*start, json!(*seconds as f64), stop_after)
        }
    };
    let activity = match of.state {
        TimerState::New | TimerState::Loaded => json!({"code": "awaiting_next_run"}),
        TimerState::Inactive(_) => json!({"code": "paused"}),
        TimerState::Ended => Value::Null,
    };
    json!({
        "activity": activity,
        "callback_body": {"body": of.body},
        "callback_url": CALLBACK,
        "inactive_reason": inactive_reason(of),
        "interval": interval,
        "job_id": of.id,
        "last_ran_at": of.last_ran.map(time),
        "n_errors": of.errors,
        "n_runs": of.runs,
        "name": of.name,
        "next_run": of.next_run.map(time),
        "results": {"data": of.results, "page_next": null},
        "schedule": schedule::document(&of.schedule, of.submitted),
        "scope": null,
        "start": time(start),
        "status": status(of),
        "stop_after": stop_after,
        "submitted_at": time(of.submitted),
        "timer_type": "transfer",
    })
}
