//! Identities: by username (many at once, provisioned on request) and by id; consents of one.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{bearer, client, field, userinfo::PROVIDER_NAME};
use crate::reply::AuthError;
use crate::state::{Identity, State, Status, World};

/// More in one call is refused, as by the service.
const MOST: usize = 100;

/// The identity provider of every simulated account.
pub(crate) const PROVIDER: Uuid = Uuid::from_u128(0x5151_7000_0000_4000_8000_0000_0000_0001);

pub(crate) fn document(identity: &Identity) -> Value {
    json!({
        "id": identity.id,
        "username": identity.username,
        "name": identity.name,
        "email": identity.email,
        "organization": identity.organization,
        "status": identity.status,
        "identity_provider": identity.provider,
        "identity_type": if identity.username.ends_with("@clients.auth.globus.org") { "client" } else { "login" },
    })
}

/// Any token for Auth will do; so will an app's own credentials.
fn authorized(state: &State, headers: &HeaderMap) -> Result<(), AuthError> {
    bearer(state, headers)
        .map(|_| ())
        .or_else(|refusal| client(state, headers, &[]).map(|_| ()).map_err(|_| refusal))
}

/// `GET /v2/api/identities?usernames=a,b&provision=true` or `?ids=`
pub(crate) async fn list(
    Shared(world): Shared<Arc<World>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, AuthError> {
    let query = pairs(query.as_deref());
    let mut state = world.state();
    authorized(&state, &headers)?;
    let usernames = list_of(&query, "usernames");
    let ids = list_of(&query, "ids");
    let wanted = match (&usernames, &ids) {
        (Some(wanted), None) | (None, Some(wanted)) => wanted,
        _ => {
            return Err(AuthError::bad_request(
                "Exactly one of the parameters usernames and ids must be given",
            ));
        }
    };
    if wanted.len() > MOST {
        return Err(AuthError::bad_request(format!(
            "At most {MOST} identities can be asked for in one call, not {}",
            wanted.len()
        )));
    }
    let mut found: Vec<Identity> = Vec::new();
    let add = |identity: Identity, found: &mut Vec<Identity>| {
        if found.iter().all(|other| other.id != identity.id) {
            found.push(identity);
        }
    };
    if let Some(usernames) = usernames {
        let provision = field(&query, "provision").is_some_and(|v| v.eq_ignore_ascii_case("true"));
        for username in usernames {
            if let Some(identity) = state.by_username(&username) {
                add(identity.clone(), &mut found);
            } else if provision && is_username(&username) {
                let identity = provisioned(&username);
                state.identities.insert(identity.id, identity.clone());
                add(identity, &mut found);
            }
        }
    } else {
        for id in wanted {
            let id = Uuid::parse_str(id)
                .map_err(|_| AuthError::bad_request(format!("'{id}' in the parameter ids is not a UUID")))?;
            if let Some(identity) = state.identities.get(&id) {
                add(identity.clone(), &mut found);
            }
        }
    }
    let mut answer = json!({"identities": found.iter().map(document).collect::<Vec<_>>()});
    if field(&query, "include") == Some("identity_provider") {
        answer["included"] = json!({"identity_providers": [provider()]});
    }
    Ok(Json(answer))
}

/// `GET /v2/api/identities/{id}`
pub(crate) async fn get(
    Shared(world): Shared<Arc<World>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<Value>, AuthError> {
    let state = world.state();
    authorized(&state, &headers)?;
    Uuid::parse_str(&id)
        .ok()
        .and_then(|id| state.identities.get(&id))
        .map(|identity| Json(json!({"identity": document(identity)})))
        .ok_or_else(|| not_found(&id))
}

fn not_found(id: &str) -> AuthError {
    AuthError::new(StatusCode::NOT_FOUND, "NOT_FOUND", "Not Found", format!("No identity {id}"))
}

/// `GET /v2/api/identities/{id}/consents`
pub(crate) async fn consents(
    Shared(world): Shared<Arc<World>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<Value>, AuthError> {
    let state = world.state();
    let token = bearer(&state, &headers)?;
    let id = Uuid::parse_str(&id).map_err(|_| not_found(&id))?;
    if !state.identity_set(token.identity).contains(&id) {
        return Err(AuthError::forbidden("These are not your consents"));
    }
    let documents: Vec<Value> = state
        .consents
        .iter()
        .filter(|consent| consent.identity == id)
        .map(|consent| {
            let name = consent.path.last().cloned().unwrap_or_default();
            let time = consent.created.strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00").to_string();
            json!({
                "id": consent.id,
                "client": consent.client,
                "effective_identity": consent.identity,
                "scope": Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()),
                "scope_name": name,
                "dependency_path": consent.dependency_path,
                "status": "approved",
                "allows_refresh": consent.offline,
                "atomically_revocable": consent.path.len() > 1,
                "auto_approved": false,
                "created": time,
                "updated": time,
                "last_used": time,
            })
        })
        .collect();
    Ok(Json(json!({"consents": documents})))
}

/// `GET /v2/api/identity_providers`
pub(crate) async fn providers(
    Shared(world): Shared<Arc<World>>,
    headers: HeaderMap,
) -> Result<Json<Value>, AuthError> {
    authorized(&world.state(), &headers)?;
    Ok(Json(json!({"identity_providers": [provider()]})))
}

fn provider() -> Value {
    json!({
        "id": PROVIDER,
        "name": PROVIDER_NAME,
        "short_name": "simulator",
        "domains": [],
        "alternative_names": [],
    })
}

/// The service makes an identity for whatever has the form of an address at a domain.
fn is_username(text: &str) -> bool {
    text.split_once('@').is_some_and(|(user, domain)| {
        !user.is_empty()
            && domain.contains('.')
            && !domain.starts_with('.')
            && !domain.ends_with('.')
            && !text.contains(char::is_whitespace)
            && !domain.contains('@')
    })
}

fn provisioned(username: &str) -> Identity {
    let id = Uuid::new_v4();
    Identity {
        id,
        username: username.to_lowercase(),
        name: None,
        email: None,
        organization: None,
        status: Status::Unused,
        person: id,
        provider: PROVIDER,
    }
}

/// A query string as pairs.
pub(crate) fn pairs(query: Option<&str>) -> Vec<(String, String)> {
    url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect()
}

fn list_of(query: &[(String, String)], name: &str) -> Option<Vec<String>> {
    field(query, name).map(|text| {
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    })
}
