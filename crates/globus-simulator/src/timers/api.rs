//! Timers themselves: create, list, get, update, pause, resume, delete.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use uuid::Uuid;

use super::{TimersError, TimersSession, document, run, schedule};
use crate::state::timer::{Schedule, Timer, TimerState};
use crate::transfer::submit;

fn parsed(text: &str) -> Result<Value, TimersError> {
    serde_json::from_str::<Map<String, Value>>(text)
        .map(Value::Object)
        .map_err(|error| TimersError::field(&[], format!("no JSON object: {error}")))
}

/// Checks the transfer as Transfer does, and that the account allows Timers to do it.
fn check(session: &TimersSession, body: &Value) -> Result<(), TimersError> {
    if body["DATA_TYPE"] != "transfer" {
        return Err(TimersError::field(&["timer", "body", "DATA_TYPE"], "must be transfer"));
    }
    submit::check(&session.world, &session.caller, body).map_err(|error| {
        if error.more.contains_key("authorization_parameters") {
            TimersError::requirements(run::requirements(&error))
        } else {
            TimersError::field(&["timer", "body"], error.message)
        }
    })
}

fn add(session: &TimersSession, name: Option<String>, body: Value, schedule: Schedule) -> Value {
    let now = Timestamp::now();
    let timer = Timer {
        id: Uuid::new_v4(),
        caller: session.caller.clone(),
        name,
        body,
        next_run: schedule::next(&schedule, 0, now),
        schedule,
        submitted: now,
        state: TimerState::New,
        last_ran: None,
        runs: 0,
        errors: 0,
        results: Vec::new(),
        changed: watch::Sender::new(0),
    };
    let (id, answer) = (timer.id, json!({"timer": document::timer(&timer), "job": document::job(&timer)}));
    session.world.state().timers.insert(id, timer);
    run::start(&session.world, id);
    answer
}

/// `POST /v2/timer`
pub(super) async fn create(session: TimersSession, given: String) -> Result<Response, TimersError> {
    let given = parsed(&given)?;
    let timer = &given["timer"];
    if timer["timer_type"] != "transfer" {
        return Err(TimersError::field(
            &["timer", "timer_type"],
            "the simulator has timers of transfers only",
        ));
    }
    let shortest = session.world.state().limits.timer_seconds;
    let schedule = schedule::read(&timer["schedule"], shortest)?;
    check(&session, &timer["body"])?;
    let made = add(&session, timer["name"].as_str().map(str::to_owned), timer["body"].clone(), schedule);
    Ok((StatusCode::CREATED, Json(json!({"timer": made["timer"]}))).into_response())
}

/// `POST /jobs/`: the older form, with the transfer in the fields of an action.
pub(super) async fn create_job(session: TimersSession, given: String) -> Result<Response, TimersError> {
    let given = parsed(&given)?;
    for required in ["start", "callback_url"] {
        if !given[required].is_string() {
            let mut error = TimersError::field(&[required], "field required");
            error.body["detail"][0]["type"] = "value_error.missing".into();
            return Err(error);
        }
    }
    let action = &given["callback_body"]["body"];
    let mut body = json!({
        "DATA_TYPE": "transfer",
        "source_endpoint": action["source_endpoint_id"],
        "destination_endpoint": action["destination_endpoint_id"],
        "DATA": action["transfer_items"].as_array().map(|items| {
            items.iter().map(|item| with(item, json!({"DATA_TYPE": "transfer_item"}))).collect::<Vec<_>>()
        }),
    });
    for option in ["label", "sync_level", "verify_checksum", "skip_source_errors", "encrypt_data"] {
        if !action[option].is_null() {
            body[option] = action[option].clone();
        }
    }
    let shortest = session.world.state().limits.timer_seconds;
    let schedule = match given["interval"].as_f64() {
        None => json!({"type": "once", "datetime": given["start"]}),
        Some(seconds) => {
            let stop = &given["stop_after"];
            let end = match (stop["n_runs"].as_u64(), stop["date"].as_str()) {
                (Some(runs), _) => json!({"condition": "iterations", "iterations": runs}),
                (None, Some(date)) => json!({"condition": "time", "datetime": date}),
                (None, None) => Value::Null,
            };
            json!({"type": "recurring", "interval_seconds": seconds as u64, "start": given["start"], "end": end})
        }
    };
    let schedule = schedule::read(&schedule, shortest)?;
    check(&session, &body)?;
    let made = add(&session, given["name"].as_str().map(str::to_owned), body, schedule);
    Ok((StatusCode::CREATED, Json(made["job"].clone())).into_response())
}

fn with(document: &Value, more: Value) -> Value {
    let mut document = document.clone();
    if let (Some(fields), Value::Object(more)) = (document.as_object_mut(), more) {
        fields.extend(more);
    }
    document
}

/// `GET /jobs/`
pub(super) async fn list(session: TimersSession) -> Json<Value> {
    let state = session.world.state();
    let mut mine: Vec<&Timer> =
        state.timers.values().filter(|timer| session.caller.set.contains(&timer.caller.identity)).collect();
    mine.sort_by_key(|timer| timer.submitted);
    Json(json!({"jobs": mine.into_iter().map(document::job).collect::<Vec<_>>()}))
}

/// `GET /jobs/{id}`
pub(super) async fn get(session: TimersSession, Path(id): Path<String>) -> Result<Json<Value>, TimersError> {
    let state = session.world.state();
    Ok(Json(document::job(session.timer(&state, &id)?)))
}

/// `PATCH /jobs/{id}`: name, schedule, or interval.
pub(super) async fn update(
    session: TimersSession,
    Path(id): Path<String>,
    given: String,
) -> Result<Json<Value>, TimersError> {
    let given = parsed(&given)?;
    let mut state = session.world.state();
    let shortest = state.limits.timer_seconds;
    let timer = session.timer_mut(&mut state, &id)?;
    if let Some(name) = given["name"].as_str() {
        timer.name = Some(name.to_owned());
    }
    if given.get("schedule").is_some() {
        timer.schedule = schedule::read(&given["schedule"], shortest)?;
    }
    if let (Some(interval), Schedule::Recurring { seconds, .. }) =
        (given["interval"].as_u64(), &mut timer.schedule)
    {
        if interval < shortest {
            return Err(TimersError::field(&["interval"], format!("must be at least {shortest}")));
        }
        *seconds = interval;
    }
    timer.next_run = schedule::next(&timer.schedule, timer.runs, Timestamp::now());
    timer.changed.send_modify(|changes| *changes += 1);
    Ok(Json(document::job(timer)))
}

/// `DELETE /jobs/{id}`
pub(super) async fn delete(
    session: TimersSession,
    Path(id): Path<String>,
) -> Result<Json<Value>, TimersError> {
    let mut state = session.world.state();
    let timer = session.timer(&state, &id)?;
    let (id, answer) = (timer.id, document::job(timer));
    state.timers.remove(&id);
    Ok(Json(answer))
}

/// `POST /jobs/{id}/pause`
pub(super) async fn pause(
    session: TimersSession,
    Path(id): Path<String>,
) -> Result<Json<Value>, TimersError> {
    let mut state = session.world.state();
    let timer = session.timer_mut(&mut state, &id)?;
    if timer.state == TimerState::Ended {
        return Err(TimersError::new(StatusCode::CONFLICT, "CONFLICT", format!("The timer {id} has ended")));
    }
    timer.state = TimerState::Inactive(json!({"cause": "user", "detail": null}));
    timer.changed.send_modify(|changes| *changes += 1);
    Ok(Json(json!({"message": format!("Successfully paused job {id}.")})))
}

/// `POST /jobs/{id}/resume`: by the credentials of this call, when a requirement was not met or the call says
/// so.
pub(super) async fn resume(
    session: TimersSession,
    Path(id): Path<String>,
    given: String,
) -> Result<Json<Value>, TimersError> {
    let given = if given.trim().is_empty() { json!({}) } else { parsed(&given)? };
    let mut state = session.world.state();
    let timer = session.timer_mut(&mut state, &id)?;
    let TimerState::Inactive(reason) = &timer.state else {
        return Err(TimersError::new(
            StatusCode::CONFLICT,
            "CONFLICT",
            format!("The timer {id} is not paused"),
        ));
    };
    if given["update_credentials"].as_bool().unwrap_or(reason["cause"] == "globus_auth_requirements") {
        timer.caller = session.caller.clone();
    }
    timer.state = TimerState::Loaded;
    timer.next_run = schedule::next(&timer.schedule, timer.runs, Timestamp::now());
    if timer.next_run.is_none() {
        timer.state = TimerState::Ended;
    }
    timer.changed.send_modify(|changes| *changes += 1);
    Ok(Json(json!({"message": format!("Successfully resumed job {id}.")})))
}
