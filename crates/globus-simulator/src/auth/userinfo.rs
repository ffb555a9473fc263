//! Who a token acts for: `GET /v2/oauth2/userinfo`, and the claims of an id token.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use axum::http::HeaderMap;
use serde_json::{Value, json};
use uuid::Uuid;

use super::bearer;
use crate::reply::AuthError;
use crate::state::{State, World};

pub(crate) const PROVIDER_NAME: &str = "Globus simulator";

/// What the scopes allow to be told of an identity.
pub(crate) fn claims(state: &State, identity: Uuid, scopes: &[&str]) -> Value {
    let mut claims = json!({"sub": identity});
    let Some(identity) = state.identities.get(&identity) else {
        return claims;
    };
    if scopes.contains(&"profile") {
        claims["name"] = json!(identity.name);
        claims["preferred_username"] = json!(identity.username);
        claims["organization"] = json!(identity.organization);
        claims["identity_provider"] = json!(identity.provider);
        claims["identity_provider_display_name"] = json!(PROVIDER_NAME);
    }
    if scopes.contains(&"email") {
        claims["email"] = json!(identity.email);
    }
    if scopes.contains(&"urn:globus:auth:scope:auth.globus.org:view_identity_set") {
        claims["identity_set"] = state
            .identity_set(identity.id)
            .into_iter()
            .filter_map(|id| state.identities.get(&id))
            .map(|identity| {
                json!({
                    "sub": identity.id,
                    "username": identity.username,
                    "name": identity.name,
                    "email": identity.email,
                    "organization": identity.organization,
                    "identity_provider": identity.provider,
                    "identity_provider_display_name": PROVIDER_NAME,
                    "last_authentication": null,
                })
            })
            .collect();
    }
    claims
}

/// `GET /v2/oauth2/userinfo`
pub(crate) async fn get(
    Shared(world): Shared<Arc<World>>,
    headers: HeaderMap,
) -> Result<Json<Value>, AuthError> {
    let state = world.state();
    let token = bearer(&state, &headers)?;
    if !token.scopes.iter().any(|scope| scope == "openid") {
        return Err(AuthError::forbidden("This call needs the scope openid"));
    }
    let scopes: Vec<&str> = token.scopes.iter().map(String::as_str).collect();
    Ok(Json(claims(&state, token.identity, &scopes)))
}
