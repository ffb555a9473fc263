//! Bookmarks of version 2 of Transfer, in JSON:API documents.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use uuid::Uuid;

use super::bookmark::{checked_name, find, taken};
use super::{Session, collection, text};
use crate::reply::{TransferError, current_request_id};
use crate::state::{Bookmark, State};

fn data(bookmark: &Bookmark) -> Value {
    json!({
        "type": "Bookmark",
        "id": bookmark.id,
        "attributes": {"name": bookmark.name, "path": bookmark.path},
        "relationships": {"collection": {"data": {"type": "Collection", "id": bookmark.endpoint}}},
    })
}

fn included(state: &State, id: Uuid) -> Option<Value> {
    let found = state.collections.get(&id)?;
    let attributes = json!({"display_name": found.name, "high_assurance": false});
    Some(json!({"type": "Collection", "id": id, "attributes": attributes}))
}

fn meta() -> Value {
    json!({"request_id": current_request_id()})
}

fn parsed(text: &str) -> Result<Value, TransferError> {
    serde_json::from_str::<Value>(text)
        .ok()
        .filter(|body| body["data"]["type"] == "Bookmark")
        .ok_or_else(|| TransferError::bad_request("The body is no JSON:API document of a Bookmark"))
}

/// An absolute path; unlike in version 0.10, a slash at the end is not required.
fn checked_path(attributes: &Value) -> Result<String, TransferError> {
    let path = text(attributes, "path")?;
    if path.starts_with('/') || path.starts_with('~') {
        return Ok(path.to_owned());
    }
    Err(TransferError::invalid_path(format!("Invalid path '{path}': the path of a bookmark is absolute")))
}

/// `GET /v2/bookmarks`
pub(crate) async fn list(Session { world, caller }: Session) -> Json<Value> {
    let state = world.state();
    let mine: Vec<&Bookmark> = state.bookmarks.iter().filter(|one| caller.set.contains(&one.owner)).collect();
    let mut collections: Vec<Uuid> = mine.iter().map(|one| one.endpoint).collect();
    collections.sort();
    collections.dedup();
    Json(json!({
        "data": mine.iter().map(|one| data(one)).collect::<Vec<_>>(),
        "included": collections.into_iter().filter_map(|id| included(&state, id)).collect::<Vec<_>>(),
        "meta": meta(),
    }))
}

/// `POST /v2/bookmarks`
pub(crate) async fn create(
    Session { world, caller }: Session,
    given: String,
) -> Result<Response, TransferError> {
    let given = parsed(&given)?;
    let mut state = world.state();
    let attributes = &given["data"]["attributes"];
    let name = checked_name(attributes)?;
    let path = checked_path(attributes)?;
    let id = given["data"]["relationships"]["collection"]["data"]["id"].as_str().unwrap_or_default();
    let endpoint = collection(&state, &caller, id)?.id;
    taken(&state, &caller, &name)?;
    let bookmark =
        Bookmark { id: Uuid::new_v4(), owner: caller.identity, name, endpoint, path, pinned: false };
    let answer = json!({"data": data(&bookmark), "meta": meta()});
    state.bookmarks.push(bookmark);
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// `GET /v2/bookmarks/{id}`
pub(crate) async fn get(
    Session { world, caller }: Session,
    Path(id): Path<String>,
) -> Result<Json<Value>, TransferError> {
    let state = world.state();
    let found = &state.bookmarks[find(&state, &caller, &id)?];
    let included: Vec<Value> = included(&state, found.endpoint).into_iter().collect();
    Ok(Json(json!({"data": data(found), "included": included, "meta": meta()})))
}

/// `PATCH /v2/bookmarks/{id}`: name and path.
pub(crate) async fn update(
    Session { world, caller }: Session,
    Path(id): Path<String>,
    given: String,
) -> Result<Json<Value>, TransferError> {
    let given = parsed(&given)?;
    let attributes = &given["data"]["attributes"];
    let mut state = world.state();
    let at = find(&state, &caller, &id)?;
    if attributes.get("name").is_some() {
        let name = checked_name(attributes)?;
        if name != state.bookmarks[at].name {
            taken(&state, &caller, &name)?;
        }
        state.bookmarks[at].name = name;
    }
    if attributes.get("path").is_some() {
        state.bookmarks[at].path = checked_path(attributes)?;
    }
    Ok(Json(json!({"data": data(&state.bookmarks[at]), "meta": meta()})))
}

/// `DELETE /v2/bookmarks/{id}`
pub(crate) async fn delete(
    Session { world, caller }: Session,
    Path(id): Path<String>,
) -> Result<Json<Value>, TransferError> {
    let mut state = world.state();
    let at = find(&state, &caller, &id)?;
    state.bookmarks.remove(at);
    Ok(Json(json!({"meta": meta()})))
}
