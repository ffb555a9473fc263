//! Managing tasks: list, get, update, cancel, events, successful transfers, skipped errors.

use axum::Json;
use axum::extract::{Path, RawQuery};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::listing::wildcard;
use super::submit::{deadline, label};
use super::task_document::document;
use super::{Caller, Session, body, number, page_range};
use crate::auth::field;
use crate::auth::identities::pairs;
use crate::reply::{TransferError, result};
use crate::state::task::{Kind, Status, Task};
use crate::state::{State, World};
use crate::time::{parse_time, time};

/// Entries of one page of tasks or events.
const PAGE: usize = 1000;

fn find<'a>(state: &'a State, caller: &Caller, id: &str) -> Result<&'a Task, TransferError> {
    Uuid::parse_str(id)
        .ok()
        .and_then(|id| state.tasks.get(&id))
        .filter(|task| caller.set.contains(&task.owner))
        .ok_or_else(|| TransferError::not_found("TaskNotFound", format!("No such task '{id}'")))
}

fn find_mut<'a>(state: &'a mut State, caller: &Caller, id: &str) -> Result<&'a mut Task, TransferError> {
    let found = find(state, caller, id)?.id;
    state
        .tasks
        .get_mut(&found)
        .ok_or_else(|| TransferError::not_found("TaskNotFound", format!("No such task '{id}'")))
}

/// All tasks, oldest first.
pub(crate) fn documents(world: &World) -> Vec<Value> {
    let state = world.state();
    let mut tasks: Vec<&Task> = state.tasks.values().collect();
    tasks.sort_by_key(|task| task.requested);
    tasks.into_iter().map(|task| document(&state, task)).collect()
}

/// Only the fields that `fields=a,b` names.
fn chosen(mut document: Value, query: &[(String, String)]) -> Value {
    if let (Some(fields), Some(map)) = (field(query, "fields"), document.as_object_mut()) {
        let fields: Vec<&str> = fields.split(',').collect();
        map.retain(|name, _| fields.contains(&name.as_str()));
    }
    document
}

/// Resumes all tasks that are held.
pub(crate) fn resume(world: &World) {
    world.state().tasks.values_mut().for_each(Task::resume);
}

/// `GET /task_list`: the caller's tasks, newest first.
pub(crate) async fn list(
    Session { world, caller }: Session,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, TransferError> {
    let query = pairs(query.as_deref());
    let state = world.state();
    let filter = field(&query, "filter").unwrap_or_default();
    let mut found: Vec<&Task> = Vec::new();
    for task in state.tasks.values() {
        if caller.set.contains(&task.owner) && passes(task, filter)? {
            found.push(task);
        }
    }
    order(&mut found, field(&query, "orderby"))?;
    let (limit, offset) = page_range(&query, 10, PAGE)?;
    let page: Vec<Value> =
        found.iter().skip(offset).take(limit).map(|task| chosen(document(&state, task), &query)).collect();
    Ok(Json(json!({
        "DATA_TYPE": "task_list",
        "length": page.len(),
        "limit": limit,
        "offset": offset,
        "total": found.len(),
        "DATA": page,
    })))
}

/// Reads `status:ACTIVE,FAILED/type:TRANSFER/label:~scan*/request_time:2026-01-01,`.
fn passes(task: &Task, filter: &str) -> Result<bool, TransferError> {
    let mut all = true;
    for part in clauses(filter) {
        let (name, value) = part
            .split_once(':')
            .ok_or_else(|| TransferError::bad_request(format!("Invalid filter '{part}': no ':' in it")))?;
        let any = |of: &str| value.split(',').any(|wanted| wanted == of);
        all &= match name {
            "task_id" => any(&task.id.to_string()),
            "status" => any(task.status.name()),
            "type" => any(match task.kind {
                Kind::Transfer => "TRANSFER",
                Kind::Delete => "DELETE",
            }),
            "is_paused" => matches!(value, "0" | "false") != task.paused.is_some(),
            "label" => labelled(task.label.as_deref().unwrap_or_default(), value),
            "request_time" => within(Some(task.requested), value)?,
            "completion_time" => within(task.completed, value)?,
            other => {
                return Err(TransferError::bad_request(format!(
                    "Invalid filter: there is no field '{other}'"
                )));
            }
        };
    }
    Ok(all)
}

/// A slash inside of a label is no separator: a clause begins with a name and a colon.
fn clauses(filter: &str) -> Vec<String> {
    let mut clauses: Vec<String> = Vec::new();
    for part in filter.split('/').filter(|part| !part.is_empty()) {
        let begins = part
            .split_once(':')
            .is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
        match clauses.last_mut() {
            Some(last) if !begins => {
                last.push('/');
                last.push_str(part);
            }
            _ => clauses.push(part.to_owned()),
        }
    }
    clauses
}

fn labelled(label: &str, wanted: &str) -> bool {
    let (exclude, choose): (Vec<&str>, Vec<&str>) = wanted.split(',').partition(|one| one.starts_with('!'));
    let fits = |pattern: &str| match pattern.strip_prefix('~') {
        Some(pattern) => wildcard(pattern, label),
        None => pattern.trim_start_matches('=') == label,
    };
    exclude.iter().all(|one| !fits(&one[1..])) && (choose.is_empty() || choose.iter().any(|one| fits(one)))
}

/// `from,to`; either can be omitted.
fn within(at: Option<Timestamp>, range: &str) -> Result<bool, TransferError> {
    let end = |text: &str| -> Result<Option<Timestamp>, TransferError> {
        if text.is_empty() {
            return Ok(None);
        }
        parse_time(text)
            .map(Some)
            .ok_or_else(|| TransferError::bad_request(format!("Invalid filter: '{text}' is not a time")))
    };
    let (from, to) = range.split_once(',').unwrap_or((range, ""));
    let (from, to) = (end(from)?, end(to)?);
    Ok(at.is_some_and(|at| from.is_none_or(|from| at >= from) && to.is_none_or(|to| at < to)))
}

fn order(tasks: &mut [&Task], orderby: Option<&str>) -> Result<(), TransferError> {
    let orderby = orderby.unwrap_or("request_time DESC");
    for part in orderby.rsplit(',') {
        let mut words = part.split_whitespace();
        let name = words.next().unwrap_or_default();
        match name {
            "request_time" => tasks.sort_by_key(|task| task.requested),
            "completion_time" => tasks.sort_by_key(|task| task.completed),
            "status" => tasks.sort_by_key(|task| task.status.name()),
            "label" => tasks.sort_by_key(|task| task.label.clone()),
            "type" => tasks.sort_by_key(|task| task.kind as u8),
            other => {
                return Err(TransferError::bad_request(format!(
                    "Invalid orderby: there is no field '{other}'"
                )));
            }
        }
        if words.next().is_some_and(|word| word.eq_ignore_ascii_case("desc")) {
            tasks.reverse();
        }
    }
    Ok(())
}

/// `GET /task/{id}`
pub(crate) async fn get(
    Session { world, caller }: Session,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, TransferError> {
    let query = pairs(query.as_deref());
    let state = world.state();
    let task = find(&state, &caller, &id)?;
    Ok(Json(chosen(document(&state, task), &query)))
}

fn complete(id: &str) -> TransferError {
    TransferError::conflict("TaskComplete", format!("The task '{id}' has already completed"))
}

/// `PUT /task/{id}`: label and deadline.
pub(crate) async fn update(
    Session { world, caller }: Session,
    Path(id): Path<String>,
    given: String,
) -> Result<Response, TransferError> {
    let given = body(&given, "task")?;
    let mut state = world.state();
    let task = find_mut(&mut state, &caller, &id)?;
    if !task.active() && given.get("deadline").is_some() {
        return Err(complete(&id));
    }
    if given["deadline"].is_string() {
        task.deadline = deadline(&given)?;
    }
    if given.get("label").is_some() {
        task.label = label(&given)?;
    }
    Ok(result(StatusCode::OK, "result", "Updated", "The task has been updated successfully.", json!({})))
}

/// `POST /task/{id}/cancel`
pub(crate) async fn cancel(
    Session { world, caller }: Session,
    Path(id): Path<String>,
) -> Result<Response, TransferError> {
    let mut state = world.state();
    let task = find_mut(&mut state, &caller, &id)?;
    if !task.active() {
        return Err(complete(&id));
    }
    task.end(Status::Failed, Some(("CANCELED", "canceled")));
    if let Some(last) = task.events.last_mut() {
        last.details = "Canceled by the task owner".to_owned();
    }
    Ok(result(StatusCode::OK, "result", "Canceled", "The task has been cancelled successfully.", json!({})))
}

/// `GET /task/{id}/event_list`: newest first.
pub(crate) async fn events(
    Session { world, caller }: Session,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, TransferError> {
    let query = pairs(query.as_deref());
    let state = world.state();
    let task = find(&state, &caller, &id)?;
    let errors = match field(&query, "filter").unwrap_or_default() {
        "" => None,
        "is_error:1" | "is_error:true" => Some(true),
        "is_error:0" | "is_error:false" => Some(false),
        other => {
            return Err(TransferError::bad_request(format!("Invalid filter '{other}'")));
        }
    };
    let found: Vec<_> = task
        .events
        .iter()
        .rev()
        .filter(|event| errors.is_none_or(|errors| errors == event.is_error))
        .collect();
    let limit = number(&query, "limit", 10)?.min(PAGE);
    let offset = number(&query, "offset", 0)?;
    let page: Vec<Value> = found
        .iter()
        .skip(offset)
        .take(limit)
        .map(|event| {
            json!({
                "DATA_TYPE": "event",
                "code": event.code,
                "description": event.description,
                "details": event.details,
                "is_error": event.is_error,
                "time": time(event.time),
            })
        })
        .collect();
    Ok(Json(json!({
        "DATA_TYPE": "event_list",
        "length": page.len(),
        "limit": limit,
        "offset": offset,
        "total": found.len(),
        "DATA": page,
    })))
}

/// `GET /task/{id}/pause_info`: nothing is ever paused by a rule here, only by an activity manager of the
/// destination.
pub(crate) async fn pause_info(
    Session { world, caller }: Session,
    Path(id): Path<String>,
) -> Result<Json<Value>, TransferError> {
    let state = world.state();
    let task = find(&state, &caller, &id)?;
    Ok(Json(json!({
        "DATA_TYPE": "pause_info_limited",
        "pause_rules": [],
        "source_pause_message": null,
        "source_pause_message_share": null,
        "destination_pause_message": task.paused,
        "destination_pause_message_share": null,
    })))
}

/// One page from `marker` on, and the marker of the next.
fn page<T>(
    world_page: usize,
    query: &[(String, String)],
    data_type: &str,
    of: &[T],
    document: impl Fn(&T) -> Value,
) -> Result<Json<Value>, TransferError> {
    let marker = match field(query, "marker") {
        None | Some("null") => 0,
        Some(_) => number(query, "marker", 0)?,
    };
    let end = marker.saturating_add(world_page.max(1)).min(of.len());
    let documents: Vec<Value> = of.get(marker..end).unwrap_or_default().iter().map(document).collect();
    Ok(Json(json!({
        "DATA_TYPE": data_type,
        "marker": marker,
        "next_marker": (end < of.len()).then_some(end),
        "DATA": documents,
    })))
}

/// `GET /task/{id}/successful_transfers`: of a transfer that has ended.
pub(crate) async fn successful_transfers(
    Session { world, caller }: Session,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, TransferError> {
    let state = world.state();
    let task = find(&state, &caller, &id)?;
    if task.kind == Kind::Delete {
        return Err(TransferError::bad_request(format!("The task '{id}' is not a transfer")));
    }
    if task.active() {
        return Err(TransferError::conflict("Conflict", format!("The task '{id}' has not completed yet")));
    }
    page(state.limits.page, &pairs(query.as_deref()), "successful_transfers", &task.successful, |one| {
        json!({
            "DATA_TYPE": "successful_transfer",
            "source_path": one.source,
            "destination_path": one.destination,
            "size": one.size,
            "checksum": one.checksum,
            "checksum_algorithm": one.algorithm,
            "dynamic": false,
        })
    })
}

/// `GET /task/{id}/skipped_errors`
pub(crate) async fn skipped_errors(
    Session { world, caller }: Session,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, TransferError> {
    let state = world.state();
    let task = find(&state, &caller, &id)?;
    page(state.limits.page, &pairs(query.as_deref()), "skipped_errors", &task.skipped, |one| {
        json!({
            "DATA_TYPE": "skipped_error",
            "error_code": one.code,
            "error_details": one.details,
            "error_time": time(one.time),
            "source_path": one.source,
            "destination_path": one.destination,
            "is_directory": one.directory,
            "is_symlink": false,
            "is_delete_destination_extra": false,
            "external_checksum": null,
            "checksum_algorithm": null,
        })
    })
}
