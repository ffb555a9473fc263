//! Roles on the endpoint and on its collections: list, get, create, delete.

use axum::Json;
use axum::extract::{Path, RawQuery};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use uuid::Uuid;

use super::reply::success;
use super::{GcsError, GcsSession, body, optional_id, page};
use crate::auth::field;
use crate::auth::identities::pairs;
use crate::state::{Collection, ROLES, Role, State};

/// A role, and the collection that it is on; none for the endpoint itself.
type Place = (Option<Uuid>, Role);

fn document((collection, role): &Place) -> Value {
    json!({
        "DATA_TYPE": "role#1.0.0",
        "collection": collection,
        "id": role.id,
        "principal": format!("urn:globus:auth:{}:{}", role.principal_type, role.principal),
        "role": role.role,
    })
}

fn owner(of: Uuid, principal: Uuid) -> Role {
    Role {
        id: Uuid::new_v5(&of, b"owner"),
        principal_type: "identity".to_owned(),
        principal,
        role: "owner".to_owned(),
    }
}

/// Every role of the endpoint and its collections that the caller may see.
fn visible(session: &GcsSession, state: &State) -> Result<Vec<Place>, GcsError> {
    let server = session.server(state)?;
    let whole = session.administers(state, server);
    let mine = |role: &Role| session.caller.holds(state, role);
    let on_endpoint = std::iter::once(owner(server.id, server.owner)).chain(server.roles.iter().cloned());
    let mut all: Vec<Place> =
        on_endpoint.filter(|role| whole || mine(role)).map(|role| (None, role)).collect();
    for of in state.collections.values().filter(|of| of.server == Some(session.server)) {
        let whole = whole || session.caller.administers(state, of);
        let roles = std::iter::once(owner(of.id, of.owner)).chain(of.roles.iter().cloned());
        all.extend(roles.filter(|role| whole || mine(role)).map(|role| (Some(of.id), role)));
    }
    Ok(all)
}

fn find(session: &GcsSession, state: &State, id: &str) -> Result<Place, GcsError> {
    visible(session, state)?
        .into_iter()
        .find(|(_, role)| role.id.to_string() == id)
        .ok_or_else(|| GcsError::not_found(format!("No role {id}")))
}

/// `GET /roles`: on a collection, or on the endpoint without `collection_id`.
pub(super) async fn list(session: GcsSession, RawQuery(query): RawQuery) -> Result<Json<Value>, GcsError> {
    let query = pairs(query.as_deref());
    let state = session.world.state();
    let wanted = field(&query, "collection_id");
    let whole = field(&query, "include").is_some_and(|include| include.contains("all_roles"));
    let roles = visible(&session, &state)?.into_iter().filter(|(collection, role)| {
        collection.map(|id| id.to_string()).as_deref() == wanted
            && (whole || session.caller.holds(&state, role))
    });
    page(roles.map(|place| (place.1.id, document(&place))).collect(), &query)
}

/// `GET /roles/{id}`
pub(super) async fn get(session: GcsSession, Path(id): Path<String>) -> Result<Response, GcsError> {
    let state = session.world.state();
    let found = find(&session, &state, &id)?;
    Ok(success(StatusCode::OK, "success", Some(document(&found))))
}

/// The roles of a collection or of the endpoint, for those who may change them.
fn changeable<'a>(
    session: &GcsSession,
    state: &'a mut State,
    collection: Option<Uuid>,
) -> Result<&'a mut Vec<Role>, GcsError> {
    let Some(id) = collection else {
        session.administered(state)?;
        return Ok(&mut session.server_mut(state)?.roles);
    };
    let found: Option<&Collection> =
        state.collections.get(&id).filter(|of| of.server == Some(session.server));
    let missing = || GcsError::not_found(format!("No collection {id}"));
    let found = found.ok_or_else(missing)?;
    if !session.caller.administers(state, found) && !session.administers(state, session.server(state)?) {
        return Err(GcsError::denied(format!("You do not have the administrator role on collection {id}")));
    }
    state.collections.get_mut(&id).map(|of| &mut of.roles).ok_or_else(missing)
}

/// `POST /roles`
pub(super) async fn create(session: GcsSession, given: String) -> Result<Response, GcsError> {
    let given = body(&given, "role")?;
    let text = |name: &str| given.get(name).and_then(Value::as_str).unwrap_or_default();
    let role = text("role");
    if !ROLES.contains(&role) {
        return Err(GcsError::unprocessable(format!(
            "role must be one of {}, not '{role}'",
            ROLES.join(", ")
        )));
    }
    let collection = optional_id(&given, "collection")?;
    let mut state = session.world.state();
    let (principal_type, principal) = principal(&state, text("principal"))?;
    let roles = changeable(&session, &mut state, collection)?;
    if roles.iter().any(|other| other.principal == principal && other.role == role) {
        return Err(GcsError::conflict(format!("{} already has the role {role}", text("principal"))));
    }
    let made = Role { id: Uuid::new_v4(), principal_type, principal, role: role.to_owned() };
    roles.push(made.clone());
    let message = format!("Created Role {}", made.id);
    Ok(success(StatusCode::CREATED, &message, Some(document(&(collection, made)))))
}

/// Reads `urn:globus:auth:identity:<id>` or `urn:globus:auth:group:<id>`.
fn principal(state: &State, urn: &str) -> Result<(String, Uuid), GcsError> {
    urn.strip_prefix("urn:globus:auth:")
        .and_then(|rest| rest.split_once(':'))
        .and_then(|(kind, id)| Some((kind, Uuid::parse_str(id).ok()?)))
        .filter(|(kind, id)| match *kind {
            "identity" => state.identities.contains_key(id),
            "group" => state.groups.contains_key(id),
            _ => false,
        })
        .map(|(kind, id)| (kind.to_owned(), id))
        .ok_or_else(|| {
            GcsError::unprocessable(format!("principal '{urn}' is no URN of an identity or group"))
        })
}

/// `DELETE /roles/{id}`
pub(super) async fn delete(session: GcsSession, Path(id): Path<String>) -> Result<Response, GcsError> {
    let mut state = session.world.state();
    let (collection, role) = find(&session, &state, &id)?;
    if role.role == "owner" {
        return Err(GcsError::denied("The role of the owner cannot be deleted"));
    }
    changeable(&session, &mut state, collection)?.retain(|other| other.id != role.id);
    Ok(success(StatusCode::OK, &format!("Deleted Role {id}"), None))
}
