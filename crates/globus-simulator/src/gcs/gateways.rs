//! Storage gateways: list, get, create, update, delete.

use axum::Json;
use axum::extract::{Path, RawQuery};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::reply::success;
use super::{GcsError, GcsSession, body, id_field, page};
use crate::auth::identities::pairs;
use crate::seed::Kind;
use crate::state::gcs::Gateway;
use crate::state::{Server, State};

/// The document of a gateway; its policies are for administrators who ask for them.
fn document(gateway: &Gateway, private: bool) -> Value {
    let mut document = json!({
        "DATA_TYPE": "storage_gateway#1.0.0",
        "id": gateway.id,
        "allowed_domains": [],
        "high_assurance": false,
        "require_high_assurance": false,
        "require_mfa": false,
        "authentication_assurance_timeout": 15840,
        "authentication_timeout_mins": 15840,
        "users_allow": null,
        "users_deny": null,
        "restrict_paths": null,
        "policies": {"DATA_TYPE": "posix_storage_policies#1.0.0"},
    });
    if let Some(fields) = document.as_object_mut() {
        fields.extend(gateway.fields.clone());
        if !private {
            for secret in ["users_allow", "users_deny", "restrict_paths", "policies", "identity_mappings"] {
                fields.remove(secret);
            }
        }
    }
    document
}

/// Whether the policies are asked for, and may be seen.
fn private(
    session: &GcsSession,
    state: &State,
    server: &Server,
    query: &[(String, String)],
) -> Result<bool, GcsError> {
    let asked =
        crate::auth::field(query, "include").is_some_and(|include| include.contains("private_policies"));
    if asked && !session.administers(state, server) {
        return Err(GcsError::denied("Only administrators of the endpoint may see private policies"));
    }
    Ok(asked)
}

fn find<'a>(server: &'a Server, id: &str) -> Result<&'a Gateway, GcsError> {
    Uuid::parse_str(id)
        .ok()
        .and_then(|id| server.gateways.get(&id))
        .ok_or_else(|| GcsError::not_found(format!("No storage gateway {id}")))
}

/// `GET /storage_gateways`
pub(super) async fn list(session: GcsSession, RawQuery(query): RawQuery) -> Result<Json<Value>, GcsError> {
    let query = pairs(query.as_deref());
    let state = session.world.state();
    let server = session.server(&state)?;
    let private = private(&session, &state, server, &query)?;
    page(server.gateways.values().map(|one| (one.id, document(one, private))).collect(), &query)
}

/// `GET /storage_gateways/{id}`
pub(super) async fn get(
    session: GcsSession,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, GcsError> {
    let query = pairs(query.as_deref());
    let state = session.world.state();
    let server = session.server(&state)?;
    let private = private(&session, &state, server, &query)?;
    Ok(success(StatusCode::OK, "success", Some(document(find(server, &id)?, private))))
}

fn without_read_only(mut fields: Map<String, Value>) -> Map<String, Value> {
    fields.remove("DATA_TYPE");
    fields.remove("id");
    fields
}

/// `POST /storage_gateways`, by an administrator of the endpoint.
pub(super) async fn create(session: GcsSession, given: String) -> Result<Response, GcsError> {
    let given = body(&given, "storage_gateway")?;
    if given.get("display_name").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err(GcsError::unprocessable("Missing field display_name"));
    }
    id_field(&given, "connector_id")?;
    let mut state = session.world.state();
    session.administered(&state)?;
    let gateway = Gateway { id: Uuid::new_v4(), fields: without_read_only(given) };
    let answer = document(&gateway, true);
    session.server_mut(&mut state)?.gateways.insert(gateway.id, gateway);
    Ok(success(StatusCode::CREATED, "Operation successful", Some(answer)))
}

/// `PATCH /storage_gateways/{id}`: the fields that are given.
pub(super) async fn update(
    session: GcsSession,
    Path(id): Path<String>,
    given: String,
) -> Result<Response, GcsError> {
    let given = body(&given, "storage_gateway")?;
    let mut state = session.world.state();
    let id = find(session.administered(&state)?, &id)?.id;
    let server = session.server_mut(&mut state)?;
    let answer = server.gateways.get_mut(&id).map(|gateway| {
        gateway.fields.extend(without_read_only(given));
        document(gateway, true)
    });
    Ok(success(StatusCode::OK, "Operation successful", answer))
}

/// `DELETE /storage_gateways/{id}`: one without collections.
pub(super) async fn delete(session: GcsSession, Path(id): Path<String>) -> Result<Response, GcsError> {
    let mut state = session.world.state();
    let id = find(session.administered(&state)?, &id)?.id;
    let used = state.collections.values().any(|of| of.kind == Kind::Mapped && of.gateway == Some(id));
    if used {
        return Err(GcsError::conflict(format!(
            "Storage gateway {id} has collections, which must be deleted first"
        )));
    }
    let server = session.server_mut(&mut state)?;
    server.gateways.remove(&id);
    server.credentials.retain(|_, credential| credential.gateway != id);
    Ok(success(StatusCode::OK, "Operation successful", Some(json!({}))))
}
