//! Submitting tasks: submission ids, transfers, deletions.

use std::sync::Arc;

use axum::Json;
use axum::extract::Extension;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::watch;
use uuid::Uuid;

use super::{Caller, Session, body, collection, operation, run, text};
use crate::faults::TaskOrder;
use crate::reply::{TransferError, result};
use crate::state::task::{Counts, FilterRule, Item, Kind, Links, Options, Status, Task};
use crate::state::{State, Submission, World};
use crate::time::parse_time;

/// Items of one submission at most.
const MOST: usize = 100_000;

/// A task without a deadline of its own is given a day.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// `GET /submission_id`
pub(crate) async fn submission_id(Session { world, caller }: Session) -> Result<Json<Value>, TransferError> {
    let mut state = world.state();
    let id = Uuid::new_v4();
    state.submissions.insert(id, Submission { owner: caller.identity, task: None });
    Ok(Json(json!({"DATA_TYPE": "submission_id", "value": id})))
}

/// `POST /transfer`
pub(crate) async fn transfer(
    Session { world, caller }: Session,
    order: Option<Extension<TaskOrder>>,
    given: String,
) -> Result<Response, TransferError> {
    submit(&world, caller, &given, Kind::Transfer, order.map(|Extension(order)| order))
}

/// `POST /delete`
pub(crate) async fn delete(
    Session { world, caller }: Session,
    order: Option<Extension<TaskOrder>>,
    given: String,
) -> Result<Response, TransferError> {
    submit(&world, caller, &given, Kind::Delete, order.map(|Extension(order)| order))
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Transfer => "transfer",
        Kind::Delete => "delete",
    }
}

fn submit(
    world: &Arc<World>,
    caller: Caller,
    given: &str,
    kind: Kind,
    order: Option<TaskOrder>,
) -> Result<Response, TransferError> {
    let given = body(given, word(kind))?;
    let submission = Uuid::parse_str(text(&given, "submission_id")?)
        .map_err(|_| TransferError::bad_request("submission_id must be a UUID from GET /submission_id"))?;
    let (code, task) = accept(world, caller, &given, kind, submission, order)?;
    Ok(answer(word(kind), code, submission, task))
}

/// Accepts a submission and starts its task, or finds the task that the same submission started before.
pub(crate) fn accept(
    world: &Arc<World>,
    caller: Caller,
    given: &Value,
    kind: Kind,
    submission: Uuid,
    order: Option<TaskOrder>,
) -> Result<(&'static str, Uuid), TransferError> {
    let task = {
        let mut state = world.state();
        if let Some(earlier) = state.submissions.get(&submission) {
            if earlier.owner != caller.identity {
                return Err(TransferError::conflict(
                    "Conflict",
                    "This submission_id belongs to another user",
                ));
            }
            if let Some(task) = earlier.task {
                return Ok(("Duplicate", task));
            }
        }
        let task = make(&mut state, caller, given, kind)?;
        let id = task.id;
        state.submissions.insert(submission, Submission { owner: task.owner, task: Some(id) });
        state.tasks.insert(id, task);
        id
    };
    run::start(world, task, order);
    Ok(("Accepted", task))
}

/// Checks a transfer that is to be submitted later, by a timer.
pub(crate) fn check(world: &World, caller: &Caller, given: &Value) -> Result<(), TransferError> {
    items(given, Kind::Transfer)?;
    options(given)?;
    label(given)?;
    let state = world.state();
    for side in ["source_endpoint", "destination_endpoint"] {
        caller.consent(&state, collection(&state, caller, text(given, side)?)?)?;
    }
    Ok(())
}

fn answer(word: &str, code: &str, submission: Uuid, task: Uuid) -> Response {
    let (status, message) = if code == "Accepted" {
        (
            StatusCode::ACCEPTED,
            format!("The {word} has been accepted and a task has been created and queued for execution"),
        )
    } else {
        (StatusCode::OK, format!("A {word} with this submission_id was accepted before; this is its task"))
    };
    result(
        status,
        &format!("{word}_result"),
        code,
        message,
        json!({
            "submission_id": submission,
            "task_id": task,
            "task_link": {
                "DATA_TYPE": "link",
                "href": format!("task/{task}?format=json"),
                "rel": "related",
                "resource": "task",
                "title": "related task",
            },
        }),
    )
}

fn make(state: &mut State, caller: Caller, given: &Value, kind: Kind) -> Result<Task, TransferError> {
    let items = items(given, kind)?;
    let deadline = deadline(given)?;
    let options = options(given)?;
    let running = state.tasks.values().filter(|task| task.active() && task.owner == caller.identity).count();
    if running >= state.limits.tasks {
        return Err(TransferError::conflict(
            "Conflict",
            format!("You already have {running} active tasks, which is the limit"),
        ));
    }
    let enter = |state: &mut State, field: &str| -> Result<(Uuid, String), TransferError> {
        let found = collection(state, &caller, text(given, field)?)?.clone();
        caller.consent(state, &found)?;
        operation::touch(state, &caller, &found);
        Ok((found.id, found.name))
    };
    let ((source, source_name), destination) = match kind {
        Kind::Transfer => (enter(state, "source_endpoint")?, Some(enter(state, "destination_endpoint")?)),
        Kind::Delete => (enter(state, "endpoint")?, None),
    };
    Ok(Task {
        id: Uuid::new_v4(),
        kind,
        owner: caller.identity,
        caller,
        label: label(given)?,
        status: Status::Active,
        fatal: None,
        requested: Timestamp::now(),
        completed: None,
        deadline,
        source,
        source_name,
        destination,
        options,
        counts: Counts { total: items.len() as u64, ..Counts::default() },
        items,
        events: Vec::new(),
        successful: Vec::new(),
        skipped: Vec::new(),
        nice: None,
        paused: None,
        stop: watch::Sender::new(false),
    })
}

/// A label: at most 128 letters, digits, spaces, commas, hyphens and underscores.
pub(crate) fn label(given: &Value) -> Result<Option<String>, TransferError> {
    const LONGEST: usize = 128;
    let text = match &given["label"] {
        Value::Null => return Ok(None),
        Value::String(text) => text,
        other => return Err(TransferError::bad_request(format!("label must be a text, not {other}"))),
    };
    if text.chars().count() > LONGEST {
        return Err(TransferError::bad_request(format!("label is longer than {LONGEST} characters")));
    }
    if !text.chars().all(|c| c.is_alphanumeric() || matches!(c, ' ' | ',' | '-' | '_')) {
        return Err(TransferError::bad_request(
            "label may only contain letters, numbers, spaces, commas, hyphens and underscores",
        ));
    }
    Ok(Some(text.clone()))
}

/// A time in the future; a day from now when none is given.
pub(crate) fn deadline(given: &Value) -> Result<Timestamp, TransferError> {
    let now = Timestamp::now();
    let Some(text) = given["deadline"].as_str() else {
        return Ok(now.saturating_add(DAY).unwrap_or(Timestamp::MAX));
    };
    let at = parse_time(text)
        .ok_or_else(|| TransferError::bad_request(format!("deadline '{text}' is not an ISO 8601 time")))?;
    if at <= now {
        return Err(TransferError::bad_request(format!("deadline '{text}' has passed")));
    }
    Ok(at)
}

fn items(given: &Value, kind: Kind) -> Result<Vec<Item>, TransferError> {
    let (word, name) = match kind {
        Kind::Transfer => ("transfer", "NoTransferItems"),
        Kind::Delete => ("delete", "NoDeleteItems"),
    };
    let data = given["DATA"].as_array().map(Vec::as_slice).unwrap_or_default();
    if data.is_empty() {
        return Err(TransferError::new(
            StatusCode::BAD_REQUEST,
            &format!("ClientError.BadRequest.{name}"),
            format!("A {word} requires at least one item"),
        ));
    }
    if data.len() > MOST {
        return Err(TransferError::new(
            StatusCode::BAD_REQUEST,
            "ClientError.BadRequest.TooManyItems",
            format!("A {word} has at most {MOST} items, not {}", data.len()),
        ));
    }
    data.iter()
        .map(|item| match (kind, item["DATA_TYPE"].as_str()) {
            (Kind::Transfer, Some(name @ ("transfer_item" | "transfer_symlink_item"))) => Ok(Item {
                source: path(item, "source_path")?,
                destination: path(item, "destination_path")?,
                recursive: item["recursive"].as_bool(),
                external_checksum: item["external_checksum"].as_str().map(str::to_lowercase),
                algorithm: algorithm(item)?,
                link: name == "transfer_symlink_item",
            }),
            (Kind::Delete, Some("delete_item")) => Ok(Item {
                source: path(item, "path")?,
                destination: String::new(),
                recursive: Some(given["recursive"].as_bool().unwrap_or(false)),
                external_checksum: None,
                algorithm: None,
                link: false,
            }),
            (_, other) => {
                Err(TransferError::bad_request(format!("DATA_TYPE {other:?} is no item of a {word}")))
            }
        })
        .collect()
}

fn path(item: &Value, field: &str) -> Result<String, TransferError> {
    let path = text(item, field)?;
    if path.is_empty() || crate::sandbox::Virtual::parse(path, "/").is_none() {
        return Err(TransferError::invalid_path(format!("Invalid {field} '{}'", path.escape_debug())));
    }
    Ok(path.to_owned())
}

fn algorithm(item: &Value) -> Result<Option<String>, TransferError> {
    let Some(name) = item["checksum_algorithm"].as_str() else {
        return Ok(None);
    };
    match run::checksum::hasher(name) {
        Some(_) => Ok(Some(name.to_uppercase())),
        None => Err(TransferError::bad_request(format!("Unknown checksum_algorithm '{name}'"))),
    }
}

fn options(given: &Value) -> Result<Options, TransferError> {
    let flag = |name: &str, default: bool| given[name].as_bool().unwrap_or(default);
    let sync_level = match &given["sync_level"] {
        Value::Null => None,
        value => Some(
            value
                .as_u64()
                .and_then(|level| u8::try_from(level).ok())
                .filter(|level| *level <= 3)
                .ok_or_else(|| {
                    TransferError::bad_request(format!("sync_level must be 0 to 3, not {value}"))
                })?,
        ),
    };
    let links = match given["recursive_symlinks"].as_str() {
        None | Some("ignore") => Links::Ignore,
        Some("keep") => Links::Keep,
        Some("copy") => Links::Copy,
        Some(other) => {
            return Err(TransferError::bad_request(format!(
                "recursive_symlinks must be ignore, keep or copy, not '{other}'"
            )));
        }
    };
    let rules = given["filter_rules"].as_array().map(Vec::as_slice).unwrap_or_default();
    let filter_rules = rules
        .iter()
        .map(|rule| {
            Ok(FilterRule {
                include: match rule["method"].as_str() {
                    Some("include") => true,
                    Some("exclude") => false,
                    other => {
                        return Err(TransferError::bad_request(format!(
                            "method of a filter rule must be include or exclude, not {other:?}"
                        )));
                    }
                },
                name: text(rule, "name")?.to_owned(),
                kind: rule["type"].as_str().map(str::to_owned),
            })
        })
        .collect::<Result<_, TransferError>>()?;
    Ok(Options {
        sync_level,
        verify_checksum: flag("verify_checksum", false),
        preserve_timestamp: flag("preserve_timestamp", false),
        encrypt_data: flag("encrypt_data", false),
        skip_source_errors: flag("skip_source_errors", false),
        fail_on_quota_errors: flag("fail_on_quota_errors", false),
        delete_destination_extra: flag("delete_destination_extra", false),
        links,
        filter_rules,
        ignore_missing: flag("ignore_missing", false),
        interpret_globs: flag("interpret_globs", false),
        notify_on_succeeded: flag("notify_on_succeeded", true),
        notify_on_failed: flag("notify_on_failed", true),
        store_base_path_info: flag("store_base_path_info", false),
    })
}
