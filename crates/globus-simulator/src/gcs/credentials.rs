//! User credentials: the local accounts by which identities use a storage gateway.

use axum::Json;
use axum::extract::{Path, RawQuery};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use uuid::Uuid;

use super::reply::success;
use super::{GcsError, GcsSession, body, id_field, optional_id, page};
use crate::auth::field;
use crate::auth::identities::pairs;
use crate::seed::Kind;
use crate::state::gcs::{Credential, POSIX};
use crate::state::{Server, State};

fn document(credential: &Credential) -> Value {
    json!({
        "DATA_TYPE": "user_credential#1.0.0",
        "connector_id": POSIX,
        "display_name": credential.name,
        "id": credential.id,
        "identity_id": credential.identity,
        "invalid": false,
        "policies": credential.policies,
        "provisioned": false,
        "storage_gateway_id": credential.gateway,
        "username": credential.username,
    })
}

/// The credential with this id, for the identity that it belongs to.
fn find<'a>(session: &GcsSession, server: &'a Server, id: &str) -> Result<&'a Credential, GcsError> {
    Uuid::parse_str(id)
        .ok()
        .and_then(|id| server.credentials.get(&id))
        .filter(|credential| session.caller.set.contains(&credential.identity))
        .ok_or_else(|| {
            GcsError::not_found(format!("No user credential {id}"))
                .detail(json!({"DATA_TYPE": "credential_not_found#1.0.0", "id": id}))
        })
}

/// `GET /user_credentials`: those of the caller.
pub(super) async fn list(session: GcsSession, RawQuery(query): RawQuery) -> Result<Json<Value>, GcsError> {
    let query = pairs(query.as_deref());
    let state = session.world.state();
    let server = session.server(&state)?;
    let gateway = field(&query, "storage_gateway");
    let mine = server.credentials.values().filter(|one| {
        session.caller.set.contains(&one.identity)
            && gateway.is_none_or(|wanted| one.gateway.to_string() == wanted)
    });
    page(mine.map(|one| (one.id, document(one))).collect(), &query)
}

/// `GET /user_credentials/{id}`
pub(super) async fn get(session: GcsSession, Path(id): Path<String>) -> Result<Response, GcsError> {
    let state = session.world.state();
    let found = find(&session, session.server(&state)?, &id)?;
    Ok(success(StatusCode::OK, "success", Some(document(found))))
}

/// `POST /user_credentials`: of the caller, on one gateway.
pub(super) async fn create(session: GcsSession, given: String) -> Result<Response, GcsError> {
    let given = body(&given, "user_credential")?;
    let identity = optional_id(&given, "identity_id")?.unwrap_or(session.caller.identity);
    own_identity(&session, identity)?;
    let gateway = id_field(&given, "storage_gateway_id")?;
    let mut state = session.world.state();
    if !session.server(&state)?.gateways.contains_key(&gateway) {
        return Err(GcsError::unprocessable(format!("No storage gateway {gateway}")));
    }
    if !may_log_in(&session, &state, gateway) {
        return Err(GcsError::denied("Your identities have no account on this storage gateway"));
    }
    let text = |name: &str| given.get(name).and_then(Value::as_str).map(str::to_owned);
    let credential = Credential {
        id: Uuid::new_v4(),
        identity,
        gateway,
        username: text("username").or_else(|| local_name(&state, identity)),
        name: text("display_name"),
        policies: given.get("policies").cloned().unwrap_or_else(default_policies),
    };
    let (id, answer) = (credential.id, document(&credential));
    session.server_mut(&mut state)?.credentials.insert(id, credential);
    Ok(success(StatusCode::CREATED, &format!("Created User Credential {id}"), Some(answer)))
}

/// The policies document of a credential on a file system.
fn default_policies() -> Value {
    json!({"DATA_TYPE": "posix_user_credential_policies#1.0.0"})
}

/// The local account of an identity: its username without the domain, as the usual mapping has it.
fn local_name(state: &State, identity: Uuid) -> Option<String> {
    state.username(identity).split('@').next().map(str::to_owned)
}

/// Refuses an identity that is not the caller's.
pub(super) fn own_identity(session: &GcsSession, identity: Uuid) -> Result<(), GcsError> {
    if session.caller.set.contains(&identity) {
        return Ok(());
    }
    Err(GcsError::denied(format!("The identity {identity} is not in your identity set"))
        .detail(json!({"DATA_TYPE": "id_not_in_identity_set#1.0.0", "identity_id": identity})))
}

/// Whether the caller may log in on a collection of the gateway, or the gateway has none yet.
fn may_log_in(session: &GcsSession, state: &State, gateway: Uuid) -> bool {
    let mut on_gateway = state
        .collections
        .values()
        .filter(|of| of.kind == Kind::Mapped && of.gateway == Some(gateway))
        .peekable();
    on_gateway.peek().is_none() || on_gateway.any(|of| session.caller.missing_domains(state, of).is_none())
}

/// `PATCH /user_credentials/{id}`: the fields that are given.
pub(super) async fn update(
    session: GcsSession,
    Path(id): Path<String>,
    given: String,
) -> Result<Response, GcsError> {
    let given = body(&given, "user_credential")?;
    let mut state = session.world.state();
    let id = find(&session, session.server(&state)?, &id)?.id;
    let answer = session.server_mut(&mut state)?.credentials.get_mut(&id).map(|credential| {
        let text = |name: &str| given.get(name).and_then(Value::as_str).map(str::to_owned);
        credential.username = text("username").or_else(|| credential.username.take());
        credential.name = text("display_name").or_else(|| credential.name.take());
        if let Some(policies) = given.get("policies") {
            credential.policies = policies.clone();
        }
        document(credential)
    });
    Ok(success(StatusCode::OK, &format!("Updated User Credential {id}"), answer))
}

/// `DELETE /user_credentials/{id}`: one that no guest collection uses.
pub(super) async fn delete(session: GcsSession, Path(id): Path<String>) -> Result<Response, GcsError> {
    let mut state = session.world.state();
    let id = find(&session, session.server(&state)?, &id)?.id;
    if state.collections.values().any(|of| of.credential == Some(id)) {
        return Err(GcsError::conflict(format!("User credential {id} is used by a guest collection")));
    }
    session.server_mut(&mut state)?.credentials.remove(&id);
    Ok(success(StatusCode::OK, &format!("Deleted User Credential {id}"), None))
}
