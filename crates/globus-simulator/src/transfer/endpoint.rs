//! Collections: showing, changing and deleting them, and guest collections of Globus Connect Personal.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use uuid::Uuid;

use super::endpoint_document::{data_server, document, server_document};
use super::{Caller, Session, administered, body, collection, collection_mut, text};
use crate::reply::{TransferError, result};
use crate::sandbox::Virtual;
use crate::seed::Kind;
use crate::state::{Collection, State};

/// `GET /endpoint/{id}`
pub(crate) async fn get(
    Session { world, caller }: Session,
    Path(id): Path<String>,
) -> Result<Json<Value>, TransferError> {
    let state = world.state();
    if let Some(server) = Uuid::parse_str(&id).ok().and_then(|id| state.servers.get(&id)) {
        return Ok(Json(server_document(&state, &caller, server)));
    }
    Ok(Json(document(&state, &caller, collection(&state, &caller, &id)?)))
}

/// `PUT /endpoint/{id}`: the fields that are given, by an administrator.
pub(crate) async fn update(
    Session { world, caller }: Session,
    Path(id): Path<String>,
    given: String,
) -> Result<Response, TransferError> {
    let given = body(&given, "endpoint")?;
    let mut state = world.state();
    administered(&state, &caller, &id)?;
    let found = collection_mut(&mut state, &caller, &id)?;
    let optional = |field: &str| given[field].as_str().map(str::to_owned);
    if let Some(name) = given.get("display_name") {
        match name.as_str().filter(|name| !name.is_empty()) {
            Some(name) => found.name = name.to_owned(),
            None => return Err(TransferError::bad_request("display_name must not be empty")),
        }
    }
    for (field, place) in [
        ("description", &mut found.description),
        ("organization", &mut found.organization),
        ("department", &mut found.department),
        ("contact_email", &mut found.contact_email),
        ("contact_info", &mut found.contact_info),
        ("info_link", &mut found.info_link),
        ("default_directory", &mut found.default_directory),
    ] {
        if given.get(field).is_some() {
            *place = optional(field);
        }
    }
    if let Some(keywords) = given["keywords"].as_str() {
        found.keywords = keywords.split(',').map(|word| word.trim().to_owned()).collect();
    }
    for (field, place) in [
        ("public", &mut found.public),
        ("force_encryption", &mut found.force_encryption),
        ("force_verify", &mut found.force_verify),
        ("disable_verify", &mut found.disable_verify),
    ] {
        if let Some(value) = given[field].as_bool() {
            *place = value;
        }
    }
    Ok(result(StatusCode::OK, "result", "Updated", "Endpoint updated successfully", json!({})))
}

/// `DELETE /endpoint/{id}`: the collection goes, its files stay.
pub(crate) async fn delete(
    Session { world, caller }: Session,
    Path(id): Path<String>,
) -> Result<Response, TransferError> {
    let mut state = world.state();
    administered(&state, &caller, &id)?;
    let found = collection(&state, &caller, &id)?.id;
    if state.collections.values().any(|other| other.host == Some(found)) {
        return Err(TransferError::conflict(
            "Conflict",
            format!("Endpoint '{id}' has guest collections, which must be deleted first"),
        ));
    }
    state.remove_collection(found);
    Ok(result(StatusCode::OK, "result", "Deleted", "Endpoint deleted successfully", json!({})))
}

/// `POST /shared_endpoint`: a guest collection on a directory of a Globus Connect Personal, owned by the
/// caller.
///
/// On a Connect Server, guest collections are made through its own manager API.
pub(crate) async fn share(
    Session { world, caller }: Session,
    given: String,
) -> Result<Response, TransferError> {
    let given = body(&given, "shared_endpoint")?;
    let mut state = world.state();
    let id = create_guest(
        &mut state,
        &caller,
        text(&given, "host_endpoint")?,
        text(&given, "host_path")?,
        text(&given, "display_name")?,
        &given,
    )?;
    Ok(result(
        StatusCode::CREATED,
        "endpoint_create_result",
        "Created",
        "Shared endpoint created",
        json!({"id": id, "globus_connect_setup_key": null}),
    ))
}

/// Makes a guest collection; the directory must exist.
pub(crate) fn create_guest(
    state: &mut State,
    caller: &Caller,
    host_id: &str,
    host_path: &str,
    name: &str,
    more: &Value,
) -> Result<Uuid, TransferError> {
    let host = collection(state, caller, host_id)?;
    if host.kind == Kind::Guest {
        return Err(TransferError::conflict(
            "NotSupported",
            format!("Endpoint '{host_id}' is a guest collection, which can't be shared again"),
        ));
    }
    if host.server.is_some() {
        return Err(TransferError::conflict(
            "NotSupported",
            format!(
                "Endpoint '{host_id}' is on a Globus Connect Server: \
                 create its guest collections through the server's GCS Manager API"
            ),
        ));
    }
    caller.may_enter(state, host, "Sharing")?;
    if name.is_empty() {
        return Err(TransferError::bad_request("display_name must not be empty"));
    }
    let path = Virtual::parse(host_path, host.default_directory.as_deref().unwrap_or("/"))
        .ok_or_else(|| TransferError::invalid_path(format!("Invalid path '{host_path}'")))?;
    if crate::sandbox::Sandbox::open(&host.directory, Some(path.as_str())).is_err() {
        return Err(TransferError::not_found(
            "ClientError.NotFound",
            format!("Directory '{host_path}' not found on endpoint '{host_id}'"),
        ));
    }
    let field = |name: &str| more[name].as_str().map(str::to_owned);
    let guest = Collection {
        name: name.to_owned(),
        public: more["public"].as_bool().unwrap_or(true),
        default_directory: field("default_directory"),
        description: field("description"),
        organization: field("organization"),
        department: field("department"),
        contact_email: field("contact_email"),
        contact_info: field("contact_info"),
        info_link: field("info_link"),
        ..host.new_guest(caller.identity, path.as_directory(), None)
    };
    let id = guest.id;
    state.collections.insert(id, guest);
    Ok(id)
}

/// `GET /endpoint/{id}/server_list`
pub(crate) async fn servers(
    Session { world, caller }: Session,
    Path(id): Path<String>,
) -> Result<Json<Value>, TransferError> {
    let state = world.state();
    let found = collection(&state, &caller, &id)?;
    let server = found.server.and_then(|id| state.servers.get(&id));
    Ok(Json(json!({
        "DATA_TYPE": "endpoint_server_list",
        "endpoint": id,
        "DATA": [data_server(found, server)],
    })))
}

/// `GET /endpoint/{id}/my_effective_pause_rule_list`: nothing is ever paused by a rule here.
pub(crate) async fn pause_rules(
    Session { world, caller }: Session,
    Path(id): Path<String>,
) -> Result<Json<Value>, TransferError> {
    let state = world.state();
    collection(&state, &caller, &id)?;
    Ok(Json(json!({"DATA_TYPE": "pause_rule_limited_list", "endpoint": id, "DATA": []})))
}
