//! The document of a task.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::endpoint_document as endpoint;
use crate::state::State;
use crate::state::task::{FilterRule, Kind, Links, Task, described};
use crate::time::time;

/// The task document, as its owner sees it.
pub(crate) fn document(state: &State, task: &Task) -> Value {
    let transfer = task.kind == Kind::Transfer;
    let options = &task.options;
    let counts = &task.counts;
    let rate = counts.bytes_transferred as f64 / seconds(task).max(0.001);
    let destination = task.destination.as_ref();
    let mut document = json!({
        "DATA_TYPE": "task",
        "task_id": task.id,
        "type": if transfer { "TRANSFER" } else { "DELETE" },
        "status": task.status.name(),
        "fatal_error": task.fatal.as_ref().map(|(code, description)| {
            json!({"code": code, "description": description})
        }),
        "label": task.label,
        "username": endpoint::owner_name(task.owner),
        "owner_string": state.username(task.owner),
        "owner_id": task.owner,
        "request_time": time(task.requested),
        "completion_time": task.completed.map(time),
        "deadline": time(task.deadline),
        "source_endpoint": canonical(state, task.source),
        "source_endpoint_id": task.source,
        "source_endpoint_display_name": task.source_name,
        "destination_endpoint": destination.map(|(id, _)| canonical(state, *id)),
        "destination_endpoint_id": destination.map(|(id, _)| id),
        "destination_endpoint_display_name": destination.map(|(_, name)| name),
        "source_local_user": null,
        "source_local_user_status": "OK",
        "destination_local_user": null,
        "destination_local_user_status": "OK",
        "sync_level": options.sync_level,
        "encrypt_data": options.encrypt_data,
        "verify_checksum": transfer && options.verify_checksum,
        "delete_destination_extra": options.delete_destination_extra,
        "recursive_symlinks": transfer.then_some(match options.links {
            Links::Ignore => "ignore",
            Links::Keep => "keep",
            Links::Copy => "copy",
        }),
        "preserve_timestamp": options.preserve_timestamp,
        "skip_source_errors": options.skip_source_errors,
        "fail_on_quota_errors": options.fail_on_quota_errors,
        "filter_rules": (!options.filter_rules.is_empty()).then(|| {
            options.filter_rules.iter().map(filter_rule).collect::<Vec<_>>()
        }),
        "command": "API 0.10",
        "history_deleted": false,
        "faults": counts.faults,
        "files": counts.files,
        "directories": counts.directories,
        "symlinks": counts.symlinks,
        "files_skipped": counts.files_skipped,
        "files_transferred": counts.files_transferred,
        "subtasks_total": counts.total,
        "subtasks_pending": task.pending(),
        "subtasks_retrying": counts.retrying,
        "subtasks_succeeded": counts.succeeded,
        "subtasks_expired": counts.expired,
        "subtasks_canceled": counts.canceled,
        "subtasks_failed": counts.failed,
        "subtasks_skipped_errors": counts.skipped_errors,
        "bytes_transferred": counts.bytes_transferred,
        "bytes_checksummed": counts.bytes_checksummed,
        "effective_bytes_per_second": rate as u64,
        "nice_status": task.active().then(|| task.nice.as_ref().map_or("OK", |nice| nice.code.as_str())),
        "nice_status_details": task.nice.as_ref().map(|nice| nice.details.as_str()),
        "nice_status_short_description": task.active().then(|| {
            task.nice.as_ref().map_or_else(|| "OK".to_owned(), |nice| described(&nice.code))
        }),
        "nice_status_expires_in": task.active().then_some(-1),
        "is_ok": task.active().then_some(task.nice.is_none()),
        "is_paused": task.paused.is_some(),
        "canceled_by_admin": null,
        "canceled_by_admin_message": null,
    });
    if let Some(fields) = document.as_object_mut() {
        fields.extend(end(state, "source", Some(task.source), base_path(task, |item| &item.source)));
        let id = destination.map(|(id, _)| *id);
        fields.extend(end(state, "destination", id, base_path(task, |item| &item.destination)));
    }
    document
}

fn seconds(task: &Task) -> f64 {
    let end = task.completed.unwrap_or_else(Timestamp::now);
    (end.as_millisecond() - task.requested.as_millisecond()) as f64 / 1000.0
}

fn canonical(state: &State, id: Uuid) -> String {
    state.collections.get(&id).map_or_else(|| id.to_string(), endpoint::canonical_name)
}

/// Where one end of a task lies: its mapped collection, and the directory that the items have in common.
///
/// The fields about a host are those of shared endpoints of version 4, which are always null here.
fn end(state: &State, side: &str, id: Option<Uuid>, base_path: Option<String>) -> Map<String, Value> {
    let host = id.and_then(|id| state.collections.get(&id)).and_then(|of| of.host);
    let host_name = host.and_then(|id| state.collections.get(&id)).map(|host| host.name.clone());
    [
        ("base_path", json!(base_path)),
        ("host_endpoint", Value::Null),
        ("host_endpoint_id", Value::Null),
        ("host_endpoint_display_name", Value::Null),
        ("host_path", Value::Null),
        ("mapped_collection_id", json!(host)),
        ("mapped_collection_display_name", json!(host_name)),
    ]
    .into_iter()
    .map(|(field, value)| (format!("{side}_{field}"), value))
    .collect()
}

/// The deepest directory that holds all items, for a task that was submitted with `store_base_path_info`.
fn base_path<'a>(
    task: &'a Task,
    path: impl Fn(&'a crate::state::task::Item) -> &'a String,
) -> Option<String> {
    let mut items = task.items.iter().map(path).filter(|path| !path.is_empty());
    let first = items.next().filter(|_| task.options.store_base_path_info)?;
    let directory = |path: &str| {
        path.trim_end_matches('/').rsplit_once('/').map_or(String::new(), |(up, _)| up.to_owned())
    };
    let mut common = directory(first);
    for other in items {
        while !other.starts_with(&format!("{common}/")) && !common.is_empty() {
            common = directory(&common);
        }
    }
    Some(format!("{common}/"))
}

fn filter_rule(rule: &FilterRule) -> Value {
    json!({
        "DATA_TYPE": "filter_rule",
        "method": if rule.include { "include" } else { "exclude" },
        "name": rule.name,
        "type": rule.kind,
    })
}
