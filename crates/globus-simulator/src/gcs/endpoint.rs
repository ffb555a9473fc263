//! The endpoint itself: what everybody may know of it, its document, and its update.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::reply::{envelope, success};
use super::{GcsError, GcsSession, ServerId, body};
use crate::state::gcs::POSIX;
use crate::state::{Server, World};
use crate::transfer::endpoint_document::VERSION;

/// The version of the manager API that the simulator stands for.
const API_VERSION: &str = "1.29.0";

/// `GET /info`, without a token.
pub(super) async fn info(
    Shared(world): Shared<Arc<World>>,
    Extension(ServerId(id)): Extension<ServerId>,
) -> Result<Json<Value>, GcsError> {
    let state = world.state();
    let server =
        state.servers.get(&id).ok_or_else(|| GcsError::not_found("There is no Connect Server here"))?;
    let data = json!([
        {
            "DATA_TYPE": "info#1.0.0",
            "api_version": API_VERSION,
            "client_id": server.id,
            "domain_name": server.hostname(),
            "endpoint_id": server.id,
            "manager_version": VERSION,
        },
        {"DATA_TYPE": "connector#1.1.0", "display_name": "POSIX", "id": POSIX, "is_baa": false, "is_ha": false},
    ]);
    Ok(Json(envelope(StatusCode::OK, "success", data)))
}

fn document(server: &Server) -> Value {
    let mut document = json!({
        "DATA_TYPE": "endpoint#1.2.0",
        "allow_udt": false,
        "contact_email": null,
        "display_name": server.name,
        "gcs_manager_url": server.url,
        "gridftp_control_channel_port": 443,
        "id": server.id,
        "network_use": "normal",
        "organization": server.organization,
        "public": true,
        "subscription_id": null,
    });
    if let Some(fields) = document.as_object_mut() {
        fields.extend(server.fields.clone());
    }
    document
}

/// `GET /endpoint`
pub(super) async fn get(session: GcsSession) -> Result<Response, GcsError> {
    let state = session.world.state();
    Ok(success(StatusCode::OK, "success", Some(document(session.server(&state)?))))
}

/// `PATCH /endpoint`: the fields that are given.
pub(super) async fn update(session: GcsSession, given: String) -> Result<Response, GcsError> {
    let mut given = body(&given, "endpoint")?;
    let mut state = session.world.state();
    session.administered(&state)?;
    let server = session.server_mut(&mut state)?;
    for read_only in ["DATA_TYPE", "id", "gcs_manager_url"] {
        given.remove(read_only);
    }
    if let Some(name) = given.remove("display_name").and_then(|name| name.as_str().map(str::to_owned)) {
        server.name = name;
    }
    if let Some(organization) = given.remove("organization") {
        server.organization = organization.as_str().map(str::to_owned);
    }
    server.fields.extend(given);
    let message = format!("Updated Endpoint {}", server.id);
    Ok(success(StatusCode::OK, &message, Some(document(server))))
}
