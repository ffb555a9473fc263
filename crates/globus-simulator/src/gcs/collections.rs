//! Collections of a Connect Server: list, get, create, update, delete.

use axum::Json;
use axum::extract::{Path, RawQuery};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::collection_document::{apply, document};
use super::credentials::own_identity;
use super::reply::success;
use super::{GcsError, GcsSession, body, id_field, optional_id, page};
use crate::auth::identities::pairs;
use crate::auth::{field, scope};
use crate::sandbox::{Sandbox, Virtual};
use crate::seed::Kind;
use crate::state::{Collection, State};

/// The collection with this id, if it is on this server and the caller may know of it.
fn find<'a>(session: &GcsSession, state: &'a State, id: &str) -> Result<&'a Collection, GcsError> {
    Uuid::parse_str(id)
        .ok()
        .and_then(|id| state.collections.get(&id))
        .filter(|of| of.server == Some(session.server))
        .filter(|of| session.caller.sees(state, of) || administers(session, state, of).unwrap_or(false))
        .ok_or_else(|| GcsError::not_found(format!("No collection {id}")))
}

/// Whether the caller administers the collection, or the endpoint that it is on.
fn administers(session: &GcsSession, state: &State, of: &Collection) -> Result<bool, GcsError> {
    Ok(session.caller.administers(state, of) || session.administers(state, session.server(state)?))
}

/// `GET /collections`, in pages by `marker`.
pub(super) async fn list(session: GcsSession, RawQuery(query): RawQuery) -> Result<Json<Value>, GcsError> {
    let query = pairs(query.as_deref());
    let state = session.world.state();
    let server = session.server(&state)?;
    let filters: Vec<&str> =
        field(&query, "filter").unwrap_or_default().split(',').filter(|f| !f.is_empty()).collect();
    let host = field(&query, "mapped_collection_id");
    let asked = field(&query, "include").is_some_and(|include| include.contains("private_policies"));
    let mut found = Vec::new();
    for of in state.collections.values().filter(|of| of.server == Some(session.server)) {
        let manages = administers(&session, &state, of)?;
        let mut wanted = manages || session.caller.sees(&state, of);
        for filter in &filters {
            wanted &= match *filter {
                "mapped_collections" => of.kind == Kind::Mapped,
                "guest_collections" => of.kind == Kind::Guest,
                "managed_by_me" => manages,
                "created_by_me" => session.caller.set.contains(&of.owner),
                other => return Err(GcsError::unprocessable(format!("Unknown filter '{other}'"))),
            };
        }
        wanted &= host.is_none_or(|host| of.host.is_some_and(|id| id.to_string() == host));
        if wanted {
            found.push((of.id, document(server, of, asked && manages)));
        }
    }
    page(found, &query)
}

/// `GET /collections/{id}`
pub(super) async fn get(session: GcsSession, Path(id): Path<String>) -> Result<Response, GcsError> {
    let state = session.world.state();
    let found = find(&session, &state, &id)?;
    let private = administers(&session, &state, found)?;
    Ok(success(StatusCode::OK, "success", Some(document(session.server(&state)?, found, private))))
}

/// `POST /collections`: a guest collection by whoever has a mapped one, a mapped collection by an
/// administrator.
pub(super) async fn create(session: GcsSession, given: String) -> Result<Response, GcsError> {
    let given = body(&given, "collection")?;
    let mut state = session.world.state();
    let mut made = match given.get("collection_type").and_then(Value::as_str) {
        Some("guest") => guest(&session, &state, &given)?,
        Some("mapped") => mapped(&session, &state, &given)?,
        other => {
            return Err(GcsError::unprocessable(format!(
                "collection_type must be guest or mapped, not {other:?}"
            )));
        }
    };
    if !given.contains_key("display_name") {
        return Err(GcsError::unprocessable("Missing field display_name"));
    }
    apply(&mut made, &given)?;
    let id = made.id;
    let answer = document(session.server(&state)?, &made, true);
    state.collections.insert(id, made);
    Ok(success(StatusCode::CREATED, &format!("Created Collection {id}"), Some(answer)))
}

fn base_path(given: &Map<String, Value>) -> Result<Virtual, GcsError> {
    given
        .get("collection_base_path")
        .and_then(Value::as_str)
        .and_then(|path| Virtual::parse(path, "/"))
        .ok_or_else(|| GcsError::unprocessable("Missing or invalid field collection_base_path"))
}

/// A guest collection: on a directory of a mapped one, by a user credential of its owner.
fn guest(session: &GcsSession, state: &State, given: &Map<String, Value>) -> Result<Collection, GcsError> {
    let host_id = id_field(given, "mapped_collection_id")?;
    let host = find(session, state, &host_id.to_string())?;
    if host.kind == Kind::Guest {
        return Err(GcsError::unprocessable(format!("{host_id} is not a mapped collection")));
    }
    consent(session, state, host)?;
    if !host.allow_guests {
        return Err(GcsError::denied(format!(
            "The mapped collection {host_id} does not allow guest collections"
        )));
    }
    if let Some(domains) = session.caller.missing_domains(state, host) {
        return Err(GcsError::denied(
            "None of your authenticated identities are from domains allowed by resource policies",
        )
        .detail(json!({"DATA_TYPE": "not_from_allowed_domain#1.0.0", "allowed_domains": domains}))
        .parameters(json!({"session_required_single_domain": domains})));
    }
    let owner = optional_id(given, "identity_id")?.unwrap_or(session.caller.identity);
    own_identity(session, owner)?;
    let credential = id_field(given, "user_credential_id")?;
    let found = session.server(state)?.credentials.get(&credential);
    let usable = found.is_some_and(|one| one.identity == owner && Some(one.gateway) == host.gateway);
    if !usable {
        return Err(GcsError::unprocessable(format!(
            "{owner} has no user credential {credential} on the storage gateway of {host_id}"
        ))
        .detail(json!({"DATA_TYPE": "credential_not_found#1.0.0", "id": credential})));
    }
    let path = base_path(given)?;
    if Sandbox::open(&host.directory, Some(path.as_str())).is_err() {
        return Err(GcsError::not_found(format!(
            "No directory {} on the collection {host_id}",
            path.as_str()
        )));
    }
    Ok(host.new_guest(owner, path.as_directory(), Some(credential)))
}

/// The consent `data_access` of the mapped collection, beneath the scope of the manager API.
fn consent(session: &GcsSession, state: &State, host: &Collection) -> Result<(), GcsError> {
    let path = [scope::manage_collections(session.server), scope::data_access(host.id)];
    let caller = &session.caller;
    // A token of the seed has no app behind it, so no consent that could be missing.
    if !host.data_access || caller.client.is_none() || state.consented(caller.client, caller.identity, &path)
    {
        return Ok(());
    }
    let scopes = json!([format!("{}[{}]", path[0], path[1])]);
    Err(GcsError::denied("Missing required data_access consent")
        .detail(json!({"DATA_TYPE": "consent_required#1.0.0", "required_scopes": scopes}))
        .parameters(json!({"required_scopes": scopes})))
}

/// A mapped collection on a storage gateway, on a directory of the first collection of that gateway.
fn mapped(session: &GcsSession, state: &State, given: &Map<String, Value>) -> Result<Collection, GcsError> {
    let server = session.server(state)?;
    if !session.administers(state, server) {
        return Err(GcsError::denied("You do not have the administrator role on this endpoint"));
    }
    let gateway = id_field(given, "storage_gateway_id")?;
    if !server.gateways.contains_key(&gateway) {
        return Err(GcsError::unprocessable(format!("No storage gateway {gateway}")));
    }
    let storage = state
        .collections
        .values()
        .find(|of| of.kind == Kind::Mapped && of.server == Some(session.server))
        .ok_or_else(|| {
            GcsError::unprocessable("The simulated endpoint has no storage: seed a mapped collection")
        })?;
    let path = base_path(given)?;
    let directory = storage.directory.join(path.relative());
    if Sandbox::open(&storage.directory, Some(path.as_str())).is_err() {
        return Err(GcsError::not_found(format!("No directory {} on the storage gateway", path.as_str())));
    }
    let owner = optional_id(given, "identity_id")?.unwrap_or(session.caller.identity);
    let blank = storage.new_guest(owner, "/".to_owned(), None);
    Ok(Collection {
        kind: Kind::Mapped,
        host: None,
        host_path: None,
        directory,
        gateway: Some(gateway),
        ..blank
    })
}

/// `PATCH /collections/{id}`: the fields that are given.
pub(super) async fn update(
    session: GcsSession,
    Path(id): Path<String>,
    given: String,
) -> Result<Response, GcsError> {
    let given = body(&given, "collection")?;
    let mut state = session.world.state();
    let found = find(&session, &state, &id)?;
    if !administers(&session, &state, found)? {
        return Err(GcsError::denied(format!("You do not have the administrator role on collection {id}")));
    }
    let mut changed = found.clone();
    apply(&mut changed, &given)?;
    let answer = document(session.server(&state)?, &changed, true);
    state.collections.insert(changed.id, changed);
    Ok(success(StatusCode::OK, &format!("Updated Collection {id}"), Some(answer)))
}

/// `DELETE /collections/{id}`: the collection; its files stay.
pub(super) async fn delete(session: GcsSession, Path(id): Path<String>) -> Result<Response, GcsError> {
    let mut state = session.world.state();
    let found = find(&session, &state, &id)?;
    let restricted = session.caller.roles(&state, found).contains(&"restricted_administrator");
    if !restricted && !administers(&session, &state, found)? {
        return Err(GcsError::denied(format!("You do not have the administrator role on collection {id}")));
    }
    let found = found.id;
    if state.collections.values().any(|other| other.host == Some(found)) {
        return Err(GcsError::conflict(format!(
            "Collection {id} has guest collections, which must be deleted first"
        )));
    }
    state.remove_collection(found);
    Ok(success(StatusCode::OK, &format!("Deleted Collection {id}"), None))
}
