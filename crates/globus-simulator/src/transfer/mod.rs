//! Globus Transfer, version 0.10: collections, access rules, files, tasks.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde_json::Value;
use uuid::Uuid;

use crate::auth::{access_token, scope};
use crate::reply::TransferError;
use crate::state::{Collection, State, World};

pub(crate) mod access;
pub(crate) mod bookmark;
pub(crate) mod bookmark_v2;
pub(crate) mod caller;
pub(crate) mod endpoint;
pub(crate) mod endpoint_document;
pub(crate) mod file;
pub(crate) mod listing;
pub(crate) mod operation;
pub(crate) mod role;
pub(crate) mod run;
pub(crate) mod search;
pub(crate) mod submit;
pub(crate) mod task_document;
pub(crate) mod tasks;

pub(crate) use crate::state::Caller;

/// A call to Transfer with a good token: what every handler starts from.
pub(crate) struct Session {
    pub world: Arc<World>,
    pub caller: Caller,
}

impl FromRequestParts<Arc<World>> for Session {
    type Rejection = TransferError;

    async fn from_request_parts(parts: &mut Parts, world: &Arc<World>) -> Result<Self, TransferError> {
        let token = access_token(&world.state(), &parts.headers).map_err(|refusal| {
            TransferError::new(
                StatusCode::UNAUTHORIZED,
                "ClientError.AuthenticationFailed",
                refusal.message(),
            )
        })?;
        if !token.scopes.iter().any(|name| name == scope::TRANSFER_ALL) {
            return Err(TransferError::new(
                StatusCode::FORBIDDEN,
                "Forbidden",
                format!("The token does not have the scope {}", scope::TRANSFER_ALL),
            ));
        }
        let caller = world.state().caller(&token);
        Ok(Self { world: world.clone(), caller })
    }
}

/// The collection with this id, for its administrators.
pub(crate) fn administered<'a>(
    state: &'a State,
    caller: &Caller,
    id: &str,
) -> Result<&'a Collection, TransferError> {
    let found = collection(state, caller, id)?;
    if caller.administers(state, found) {
        Ok(found)
    } else {
        Err(TransferError::permission_denied(format!(
            "You do not have the administrator role on endpoint '{id}'"
        )))
    }
}

/// The collection with this id, if the caller may know of it.
pub(crate) fn collection<'a>(
    state: &'a State,
    caller: &Caller,
    id: &str,
) -> Result<&'a Collection, TransferError> {
    let collection = Uuid::parse_str(id)
        .ok()
        .and_then(|id| state.collections.get(&id))
        .ok_or_else(|| TransferError::endpoint_not_found(id))?;
    if caller.sees(state, collection) {
        Ok(collection)
    } else {
        Err(TransferError::permission_denied(format!("You do not have permission to view endpoint '{id}'")))
    }
}

/// Like [`collection`], to change it.
pub(crate) fn collection_mut<'a>(
    state: &'a mut State,
    caller: &Caller,
    id: &str,
) -> Result<&'a mut Collection, TransferError> {
    let id_found = collection(state, caller, id)?.id;
    state.collections.get_mut(&id_found).ok_or_else(|| TransferError::endpoint_not_found(id))
}

/// The JSON body of a call, whose `DATA_TYPE` must be the one that the call takes.
pub(crate) fn body(text: &str, data_type: &str) -> Result<Value, TransferError> {
    let value: Value = serde_json::from_str(text).map_err(|error| {
        TransferError::new(
            StatusCode::BAD_REQUEST,
            "ClientError.BadRequest",
            format!("The request body is not valid JSON: {error}"),
        )
    })?;
    match value["DATA_TYPE"].as_str() {
        Some(given) if given == data_type => Ok(value),
        Some(given) => Err(TransferError::bad_request(format!("DATA_TYPE '{given}' is not '{data_type}'"))),
        None => Err(TransferError::bad_request(format!("Missing DATA_TYPE, which must be '{data_type}'"))),
    }
}

/// A text field that must be there.
pub(crate) fn text<'a>(body: &'a Value, field: &str) -> Result<&'a str, TransferError> {
    body[field]
        .as_str()
        .ok_or_else(|| TransferError::bad_request(format!("Missing or invalid field '{field}'")))
}

/// The limit and the offset of a page, of at most `most` documents.
pub(crate) fn page_range(
    query: &[(String, String)],
    default: usize,
    most: usize,
) -> Result<(usize, usize), TransferError> {
    let (limit, offset) = (number(query, "limit", default)?, number(query, "offset", 0)?);
    if limit == 0 || limit > most {
        return Err(TransferError::bad_request(format!("limit must be 1 to {most}, not {limit}")));
    }
    Ok((limit, offset))
}

/// A number of a query, such as `limit`, or its default; any other text is rejected.
pub(crate) fn number(query: &[(String, String)], name: &str, default: usize) -> Result<usize, TransferError> {
    crate::auth::field(query, name).map_or(Ok(default), |text| {
        text.parse().map_err(|_| {
            TransferError::bad_request(format!("Parameter {name} must be a number, not '{text}'"))
        })
    })
}
