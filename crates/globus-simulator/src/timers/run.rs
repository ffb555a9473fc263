//! Running timers: each has a loop of its own that sleeps until the next run, and wakes when the timer is
//! changed.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::schedule;
use crate::reply::TransferError;
use crate::state::World;
use crate::state::task::Kind;
use crate::state::timer::TimerState;
use crate::time::time;
use crate::transfer::submit;

/// Starts the loop of a timer; it ends with the timer and with the simulator.
pub(super) fn start(world: &Arc<World>, id: Uuid) {
    tokio::spawn(run(world.clone(), id));
}

async fn run(world: Arc<World>, id: Uuid) {
    let mut closing = world.closing.subscribe();
    loop {
        let Some((wait, mut changed)) = next(&world, id) else { return };
        let due = async {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due => carry_out(&world, id),
            // An error is a timer that was deleted, which the next look finds out.
            _ = changed.changed() => {}
            _ = closing.wait_for(|closing| *closing) => return,
        }
    }
}

type Changes = tokio::sync::watch::Receiver<u64>;

/// How long it is to the next run, which is none while the timer is paused; nothing when it has ended or is
/// gone.
fn next(world: &World, id: Uuid) -> Option<(Option<Duration>, Changes)> {
    let mut state = world.state();
    let timer = state.timers.get_mut(&id)?;
    let changed = timer.changed.subscribe();
    match timer.state {
        TimerState::Ended => None,
        TimerState::Inactive(_) => Some((None, changed)),
        TimerState::New | TimerState::Loaded => {
            let now = Timestamp::now();
            let at = timer.next_run?;
            let wait = u64::try_from(at.as_millisecond() - now.as_millisecond()).unwrap_or(0);
            Some((Some(Duration::from_millis(wait)), changed))
        }
    }
}

/// One run: a transfer is submitted, and the timer remembers how that went.
fn carry_out(world: &Arc<World>, id: Uuid) {
    let started = Timestamp::now();
    let Some((caller, body)) = ({
        let state = world.state();
        state.timers.get(&id).map(|timer| {
            let mut body = timer.body.clone();
            if body["label"].is_null() {
                let name = timer.name.as_deref().unwrap_or("timer");
                let name: String =
                    name.chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).take(100).collect();
                body["label"] = json!(format!("{name}, run {}", timer.runs + 1));
            }
            (timer.caller.clone(), body)
        })
    }) else {
        return;
    };
    let outcome = submit::accept(world, caller, &body, Kind::Transfer, Uuid::new_v4(), None);
    let mut state = world.state();
    let Some(timer) = state.timers.get_mut(&id) else { return };
    timer.last_ran = Some(started);
    timer.runs += 1;
    timer.state = TimerState::Loaded;
    timer.results.push(result(&outcome, started));
    if let Err(error) = &outcome {
        timer.errors += 1;
        if error.status == StatusCode::FORBIDDEN && error.more.contains_key("authorization_parameters") {
            timer.state = TimerState::Inactive(json!({
                "cause": "globus_auth_requirements",
                "detail": requirements(error),
            }));
        }
    }
    timer.next_run = schedule::next(&timer.schedule, timer.runs, Timestamp::now());
    if timer.next_run.is_none() && timer.state == TimerState::Loaded {
        timer.state = TimerState::Ended;
    }
}

/// What is missing, in the form of Globus Auth's requirements.
pub(super) fn requirements(error: &TransferError) -> Value {
    json!({
        "code": error.code,
        "authorization_parameters": error.more.get("authorization_parameters").cloned().unwrap_or_default(),
    })
}

fn result(outcome: &Result<(&'static str, Uuid), TransferError>, at: Timestamp) -> Value {
    match outcome {
        Ok((_, task)) => json!({
            "data": {"action_id": task, "details": {"DATA_TYPE": "task", "task_id": task}, "status": "ACTIVE"},
            "errors": null,
            "status": 202,
            "ran_at": time(at),
        }),
        Err(error) => json!({
            "data": null,
            "errors": [{"code": error.code, "message": error.message}],
            "status": error.status.as_u16(),
            "ran_at": time(at),
        }),
    }
}
