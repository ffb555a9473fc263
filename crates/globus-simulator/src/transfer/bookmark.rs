//! Bookmarks of a caller: list, get, create, rename, delete.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Caller, Session, body, collection, text};
use crate::reply::{TransferError, result};
use crate::state::{Bookmark, State};

fn document(bookmark: &Bookmark) -> Value {
    json!({
        "DATA_TYPE": "bookmark",
        "id": bookmark.id,
        "name": bookmark.name,
        "endpoint_id": bookmark.endpoint,
        "path": bookmark.path,
        "pinned": bookmark.pinned,
    })
}

pub(super) fn find(state: &State, caller: &Caller, id: &str) -> Result<usize, TransferError> {
    state
        .bookmarks
        .iter()
        .position(|bookmark| bookmark.id.to_string() == id && caller.set.contains(&bookmark.owner))
        .ok_or_else(|| TransferError::not_found("BookmarkNotFound", format!("No such bookmark '{id}'")))
}

pub(super) fn taken(state: &State, caller: &Caller, name: &str) -> Result<(), TransferError> {
    let taken = state.bookmarks.iter().any(|other| caller.set.contains(&other.owner) && other.name == name);
    if taken {
        return Err(TransferError::conflict("Exists", format!("There is already a bookmark named '{name}'")));
    }
    Ok(())
}

/// A name of 1 to 128 characters.
pub(super) fn checked_name(given: &Value) -> Result<String, TransferError> {
    let name = text(given, "name")?.trim().to_owned();
    if name.is_empty() || name.chars().count() > 128 {
        return Err(TransferError::bad_request("A bookmark's name has 1 to 128 characters"));
    }
    Ok(name)
}

/// An absolute path of a directory.
fn checked_path(given: &Value) -> Result<String, TransferError> {
    let path = text(given, "path")?.to_owned();
    if (path.starts_with('/') || path.starts_with('~')) && path.ends_with('/') {
        return Ok(path);
    }
    Err(TransferError::invalid_path(format!(
        "Invalid path '{path}': the path of a bookmark is absolute and ends with '/'"
    )))
}

/// `GET /bookmark_list`
pub(crate) async fn list(Session { world, caller }: Session) -> Result<Json<Value>, TransferError> {
    let state = world.state();
    let mut mine: Vec<&Bookmark> =
        state.bookmarks.iter().filter(|bookmark| caller.set.contains(&bookmark.owner)).collect();
    mine.sort_by(|a, b| a.name.cmp(&b.name));
    let documents: Vec<Value> = mine.into_iter().map(document).collect();
    Ok(Json(json!({"DATA_TYPE": "bookmark_list", "DATA": documents})))
}

/// `POST /bookmark`
pub(crate) async fn create(
    Session { world, caller }: Session,
    given: String,
) -> Result<Response, TransferError> {
    // The official tools send no DATA_TYPE here.
    let given: Value = serde_json::from_str(&given)
        .map_err(|error| TransferError::bad_request(format!("Invalid JSON: {error}")))?;
    let mut state = world.state();
    let name = checked_name(&given)?;
    let path = checked_path(&given)?;
    let endpoint = collection(&state, &caller, text(&given, "endpoint_id")?)?.id;
    taken(&state, &caller, &name)?;
    let bookmark = Bookmark {
        id: Uuid::new_v4(),
        owner: caller.identity,
        name,
        endpoint,
        path,
        pinned: given["pinned"].as_bool().unwrap_or(false),
    };
    let answer = document(&bookmark);
    state.bookmarks.push(bookmark);
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// `GET /bookmark/{id}`
pub(crate) async fn get(
    Session { world, caller }: Session,
    Path(id): Path<String>,
) -> Result<Json<Value>, TransferError> {
    let state = world.state();
    let at = find(&state, &caller, &id)?;
    Ok(Json(document(&state.bookmarks[at])))
}

/// `PUT /bookmark/{id}`: its name.
pub(crate) async fn update(
    Session { world, caller }: Session,
    Path(id): Path<String>,
    given: String,
) -> Result<Json<Value>, TransferError> {
    let given = body(&given, "bookmark").or_else(|_| {
        serde_json::from_str::<Value>(&given)
            .map_err(|error| TransferError::bad_request(format!("Invalid JSON: {error}")))
    })?;
    let mut state = world.state();
    let at = find(&state, &caller, &id)?;
    let name = checked_name(&given)?;
    if name != state.bookmarks[at].name {
        taken(&state, &caller, &name)?;
    }
    state.bookmarks[at].name = name;
    Ok(Json(document(&state.bookmarks[at])))
}

/// `DELETE /bookmark/{id}`
pub(crate) async fn delete(
    Session { world, caller }: Session,
    Path(id): Path<String>,
) -> Result<Response, TransferError> {
    let mut state = world.state();
    let at = find(&state, &caller, &id)?;
    state.bookmarks.remove(at);
    Ok(result(
        StatusCode::OK,
        "result",
        "Deleted",
        format!("Bookmark '{id}' deleted successfully"),
        json!({}),
    ))
}
