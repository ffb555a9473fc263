//! The GCS Manager API of a Globus Connect Server: collections, storage gateways, user credentials, roles.

use std::sync::Arc;

use axum::extract::{Extension, FromRequestParts};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::{delete, get, patch, post};
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use uuid::Uuid;

mod collection_document;
mod collections;
mod credentials;
mod endpoint;
mod gateways;
mod reply;
mod roles;

pub(crate) use reply::GcsError;

use crate::auth::{access_token, field, scope};
use crate::server::named;
use crate::state::{Caller, Server, State, World};

/// The server whose API a request is for.
#[derive(Debug, Clone, Copy)]
struct ServerId(Uuid);

/// Every route of one server's API, from `/api` on.
pub(crate) fn router(world: &Arc<World>, server: Uuid) -> Router<Arc<World>> {
    let named = |name, route| named(world, name, route);
    Router::new()
        .route("/api/info", named("gcs_info", get(endpoint::info)))
        .route(
            "/api/endpoint",
            named("gcs_endpoint_get", get(endpoint::get))
                .merge(named("gcs_endpoint_update", patch(endpoint::update))),
        )
        .route(
            "/api/collections",
            named("gcs_collection_list", get(collections::list))
                .merge(named("gcs_collection_create", post(collections::create))),
        )
        .route(
            "/api/collections/{id}",
            named("gcs_collection_get", get(collections::get))
                .merge(named("gcs_collection_update", patch(collections::update)))
                .merge(named("gcs_collection_delete", delete(collections::delete))),
        )
        .route(
            "/api/storage_gateways",
            named("gcs_gateway_list", get(gateways::list))
                .merge(named("gcs_gateway_create", post(gateways::create))),
        )
        .route(
            "/api/storage_gateways/{id}",
            named("gcs_gateway_get", get(gateways::get))
                .merge(named("gcs_gateway_update", patch(gateways::update)))
                .merge(named("gcs_gateway_delete", delete(gateways::delete))),
        )
        .route(
            "/api/user_credentials",
            named("gcs_credential_list", get(credentials::list))
                .merge(named("gcs_credential_create", post(credentials::create))),
        )
        .route(
            "/api/user_credentials/{id}",
            named("gcs_credential_get", get(credentials::get))
                .merge(named("gcs_credential_update", patch(credentials::update)))
                .merge(named("gcs_credential_delete", delete(credentials::delete))),
        )
        .route(
            "/api/roles",
            named("gcs_role_list", get(roles::list)).merge(named("gcs_role_create", post(roles::create))),
        )
        .route(
            "/api/roles/{id}",
            named("gcs_role_get", get(roles::get)).merge(named("gcs_role_delete", delete(roles::delete))),
        )
        .layer(Extension(ServerId(server)))
}

/// A call to one server's API with a good token: what every handler starts from.
struct GcsSession {
    world: Arc<World>,
    server: Uuid,
    caller: Caller,
}

impl FromRequestParts<Arc<World>> for GcsSession {
    type Rejection = GcsError;

    async fn from_request_parts(parts: &mut Parts, world: &Arc<World>) -> Result<Self, GcsError> {
        let server = server_id(parts)?;
        let state = world.state();
        let token = access_token(&state, &parts.headers)
            .map_err(|refusal| GcsError::new(StatusCode::UNAUTHORIZED, "unauthorized", refusal.message()))?;
        let needed = scope::manage_collections(server);
        if !token.scopes.contains(&needed) {
            return Err(GcsError::denied(format!("The token does not have the scope {needed}")));
        }
        let caller = state.caller(&token);
        drop(state);
        Ok(Self { world: world.clone(), server, caller })
    }
}

fn server_id(parts: &Parts) -> Result<Uuid, GcsError> {
    let id = parts.extensions.get::<ServerId>().map(|ServerId(id)| *id);
    id.ok_or_else(|| GcsError::not_found("There is no Connect Server here"))
}

impl GcsSession {
    fn server<'a>(&self, state: &'a State) -> Result<&'a Server, GcsError> {
        state.servers.get(&self.server).ok_or_else(|| GcsError::not_found("There is no Connect Server here"))
    }

    fn server_mut<'a>(&self, state: &'a mut State) -> Result<&'a mut Server, GcsError> {
        state
            .servers
            .get_mut(&self.server)
            .ok_or_else(|| GcsError::not_found("There is no Connect Server here"))
    }

    /// Whether the caller administers the endpoint: its owner, and those with the role.
    fn administers(&self, state: &State, server: &Server) -> bool {
        self.caller.set.contains(&server.owner)
            || server.roles.iter().any(|role| role.role == "administrator" && self.caller.holds(state, role))
    }

    fn administered<'a>(&self, state: &'a State) -> Result<&'a Server, GcsError> {
        let server = self.server(state)?;
        if self.administers(state, server) {
            Ok(server)
        } else {
            Err(GcsError::denied("You do not have the administrator role on this endpoint"))
        }
    }
}

/// The JSON object of a request, whose `DATA_TYPE` must be a version of the given one.
fn body(text: &str, data_type: &str) -> Result<Map<String, Value>, GcsError> {
    let value: Value = serde_json::from_str(text).map_err(|error| {
        GcsError::new(StatusCode::BAD_REQUEST, "bad_request", format!("Invalid JSON: {error}"))
    })?;
    let Value::Object(fields) = value else {
        return Err(GcsError::unprocessable("The body is no JSON object"));
    };
    let given = fields.get("DATA_TYPE").and_then(Value::as_str).unwrap_or_default();
    if given.split_once('#').is_some_and(|(name, _)| name == data_type) {
        Ok(fields)
    } else {
        Err(GcsError::unprocessable(format!("DATA_TYPE '{given}' is no version of {data_type}")))
    }
}

/// An id that a document must have.
fn id_field(fields: &Map<String, Value>, name: &str) -> Result<Uuid, GcsError> {
    optional_id(fields, name)?.ok_or_else(|| GcsError::unprocessable(format!("Missing field {name}")))
}

/// An id that a document can have.
fn optional_id(fields: &Map<String, Value>, name: &str) -> Result<Option<Uuid>, GcsError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_str()
            .and_then(|text| Uuid::parse_str(text).ok())
            .map(Some)
            .ok_or_else(|| GcsError::unprocessable(format!("The field {name} is no UUID: {value}"))),
    }
}

/// One page of a list: those after the marker, which is the id of the last one before.
fn page(items: Vec<(Uuid, Value)>, query: &[(String, String)]) -> Result<Json<Value>, GcsError> {
    const MOST: usize = 1000;
    let size =
        match field(query, "page_size") {
            None => 100,
            Some(text) => text.parse().ok().filter(|size| (1..=MOST).contains(size)).ok_or_else(|| {
                GcsError::unprocessable(format!("page_size must be 1 to {MOST}, not '{text}'"))
            })?,
        };
    let start = match field(query, "marker").filter(|marker| !marker.is_empty()) {
        None => 0,
        Some(marker) => items
            .iter()
            .position(|(id, _)| id.to_string() == marker)
            .map(|at| at + 1)
            .ok_or_else(|| GcsError::unprocessable(format!("Unknown marker '{marker}'")))?,
    };
    let is_more = start + size < items.len();
    let page = &items[start..items.len().min(start + size)];
    let marker = page.last().filter(|_| is_more).map_or(String::new(), |(id, _)| id.to_string());
    let data: Vec<&Value> = page.iter().map(|(_, document)| document).collect();
    let mut answer = reply::envelope(StatusCode::OK, "success", json!(data));
    answer["has_next_page"] = is_more.into();
    answer["marker"] = marker.into();
    Ok(Json(answer))
}
