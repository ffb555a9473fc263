//! Roles on collections: list, get, create, delete.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Session, administered, body, collection, collection_mut, text};
use crate::reply::{TransferError, result};
use crate::state::{Collection, ROLES, Role};

fn document(role: &Role) -> Value {
    json!({
        "DATA_TYPE": "role",
        "id": role.id,
        "principal_type": role.principal_type,
        "principal": role.principal,
        "role": role.role,
    })
}

/// The owner's is the first, with an id of its own.
fn all(of: &Collection) -> Vec<Role> {
    let owner = Role {
        id: Uuid::new_v5(&of.id, b"owner"),
        principal_type: "identity".to_owned(),
        principal: of.owner,
        role: "administrator".to_owned(),
    };
    std::iter::once(owner).chain(of.roles.iter().cloned()).collect()
}

fn no_role(id: &str) -> TransferError {
    TransferError::not_found("RoleNotFound", format!("No such role '{id}'"))
}

/// `GET /endpoint/{id}/role_list`: all roles for an administrator, their own for others.
pub(crate) async fn list(
    Session { world, caller }: Session,
    Path(id): Path<String>,
) -> Result<Json<Value>, TransferError> {
    let state = world.state();
    let found = collection(&state, &caller, &id)?;
    let whole = caller.administers(&state, found);
    let roles: Vec<Value> = all(found)
        .iter()
        .filter(|role| whole || caller.set.contains(&role.principal))
        .map(document)
        .collect();
    Ok(Json(json!({"DATA_TYPE": "role_list", "DATA": roles})))
}

/// `GET /endpoint/{id}/role/{role}`
pub(crate) async fn get(
    Session { world, caller }: Session,
    Path((id, role)): Path<(String, String)>,
) -> Result<Json<Value>, TransferError> {
    let state = world.state();
    let found = collection(&state, &caller, &id)?;
    let whole = caller.administers(&state, found);
    all(found)
        .iter()
        .find(|given| given.id.to_string() == role && (whole || caller.set.contains(&given.principal)))
        .map(|given| Json(document(given)))
        .ok_or_else(|| no_role(&role))
}

/// `POST /endpoint/{id}/role`
pub(crate) async fn create(
    Session { world, caller }: Session,
    Path(id): Path<String>,
    given: String,
) -> Result<Response, TransferError> {
    let given = body(&given, "role")?;
    let mut state = world.state();
    administered(&state, &caller, &id)?;
    let (kind, name) = (text(&given, "principal_type")?, text(&given, "role")?);
    let principal = Uuid::parse_str(text(&given, "principal")?)
        .ok()
        .filter(|id| match kind {
            "identity" => state.identities.contains_key(id),
            "group" => state.groups.contains_key(id),
            _ => false,
        })
        .ok_or_else(|| TransferError::bad_request(format!("Invalid {kind} principal")))?;
    if !ROLES.contains(&name) {
        return Err(TransferError::bad_request(format!("Unknown role '{name}'")));
    }
    let found = collection_mut(&mut state, &caller, &id)?;
    if all(found).iter().any(|other| other.principal == principal && other.role == name) {
        return Err(TransferError::conflict(
            "Exists",
            format!("The {kind} already has the role {name} on endpoint '{id}'"),
        ));
    }
    let role = Role { id: Uuid::new_v4(), principal_type: kind.to_owned(), principal, role: name.to_owned() };
    let answer = document(&role);
    found.roles.push(role);
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// `DELETE /endpoint/{id}/role/{role}`
pub(crate) async fn delete(
    Session { world, caller }: Session,
    Path((id, role)): Path<(String, String)>,
) -> Result<Response, TransferError> {
    let mut state = world.state();
    administered(&state, &caller, &id)?;
    let found = collection_mut(&mut state, &caller, &id)?;
    let before = found.roles.len();
    found.roles.retain(|given| given.id.to_string() != role);
    if found.roles.len() == before {
        return Err(no_role(&role));
    }
    Ok(result(StatusCode::OK, "result", "Deleted", format!("Role '{role}' deleted successfully"), json!({})))
}
