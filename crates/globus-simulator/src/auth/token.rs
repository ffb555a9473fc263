//! The token endpoint: client credentials, authorization code, refresh; revoke, introspect, validate.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::issue::{self, Grant};
use super::{client, field, scope};
use crate::reply::AuthError;
use crate::state::{State, World};

type Form = Vec<(String, String)>;

fn form(body: &str) -> Form {
    url::form_urlencoded::parse(body.as_bytes()).into_owned().collect()
}

fn refused(error: &str, detail: impl Into<String>) -> AuthError {
    AuthError::oauth(StatusCode::BAD_REQUEST, error, detail)
}

/// Parses a scope string and rejects unknown scopes.
pub(crate) fn scopes(state: &State, text: &str) -> Result<Vec<scope::Scope>, AuthError> {
    let scopes = scope::parse(text).map_err(|detail| refused("invalid_scope", detail))?;
    fn check(state: &State, scopes: &[scope::Scope]) -> Result<(), AuthError> {
        for scope in scopes {
            let unknown = || refused("unknown_scope", format!("Unknown scope: {}", scope.name));
            scope::resource_server(&scope.name).ok_or_else(unknown)?;
            if let Some(id) = scope
                .name
                .strip_prefix("https://auth.globus.org/scopes/")
                .and_then(|rest| rest.strip_suffix("/data_access"))
            {
                Uuid::parse_str(id).ok().and_then(|id| state.collections.get(&id)).ok_or_else(unknown)?;
            }
            check(state, &scope.beneath)?;
        }
        Ok(())
    }
    check(state, &scopes)?;
    if scopes.is_empty() {
        return Err(refused("invalid_scope", "No scopes were asked for"));
    }
    Ok(scopes)
}

/// `POST /v2/oauth2/token`
pub(crate) async fn token(
    Shared(world): Shared<Arc<World>>,
    headers: HeaderMap,
    body: String,
) -> Result<Json<Value>, AuthError> {
    // Signing an id token is computing of a moment, which must not stop the other requests.
    tokio::task::spawn_blocking(move || {
        let form = form(&body);
        let caller = client(&world.state(), &headers, &form)?;
        match field(&form, "grant_type") {
            Some("client_credentials") => client_credentials(&world, caller, &form),
            Some("authorization_code") => authorization_code(&world, caller, &form),
            Some("refresh_token") => refresh(&world, caller, &form),
            Some(other) => {
                Err(refused("unsupported_grant_type", format!("Unsupported grant type '{other}'")))
            }
            None => Err(refused("invalid_request", "Missing grant_type")),
        }
        .map(Json)
    })
    .await
    .unwrap_or_else(|_| {
        Err(AuthError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL_SERVER_ERROR",
            "Internal Server Error",
            "The token request failed inside the simulator",
        ))
    })
}

fn client_credentials(world: &World, caller: Uuid, form: &Form) -> Result<Value, AuthError> {
    let scopes = {
        let state = world.state();
        if state.apps.get(&caller).is_none_or(|app| app.secret.is_none()) {
            return Err(refused(
                "unauthorized_client",
                "A native app cannot use the client credentials grant",
            ));
        }
        scopes(&state, field(form, "scope").unwrap_or_default())?
    };
    Ok(issue::tokens(
        world,
        &Grant {
            client: caller,
            identity: caller,
            scopes: &scopes,
            offline: false,
            state: None,
            nonce: None,
        },
    ))
}

fn authorization_code(world: &World, caller: Uuid, form: &Form) -> Result<Value, AuthError> {
    let invalid = |detail: &str| refused("invalid_grant", detail);
    let (code, scopes) = {
        let mut state = world.state();
        // Used up by the attempt, right or wrong: RFC 6749, 4.1.2.
        let code = field(form, "code")
            .and_then(|code| state.codes.remove(code))
            .filter(|code| code.expires > Timestamp::now())
            .ok_or_else(|| invalid("The authorization code is unknown, used or expired"))?;
        let scopes = scopes(&state, &code.scope)?;
        (code, scopes)
    };
    if code.client != caller {
        return Err(invalid("The authorization code was made for another client"));
    }
    if field(form, "redirect_uri").unwrap_or_default() != code.redirect_uri {
        return Err(invalid("redirect_uri differs from the one of the sign-in"));
    }
    if let Some(challenge) = &code.challenge {
        let verifier = field(form, "code_verifier").unwrap_or_default();
        let shown = if challenge.plain {
            verifier.to_owned()
        } else {
            URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
        };
        // The Python SDK leaves the padding away as RFC 7636 says; others keep it.
        if shown != challenge.text.trim_end_matches('=') {
            return Err(invalid("code_verifier does not fit the code_challenge"));
        }
    }
    Ok(issue::tokens(
        world,
        &Grant {
            client: caller,
            identity: code.identity,
            scopes: &scopes,
            offline: code.offline,
            state: code.state,
            nonce: code.nonce,
        },
    ))
}

fn refresh(world: &World, caller: Uuid, form: &Form) -> Result<Value, AuthError> {
    let text = field(form, "refresh_token").unwrap_or_default();
    let token = world
        .state()
        .tokens
        .get(text)
        .filter(|token| token.refresh && token.client == Some(caller) && token.expires > Timestamp::now())
        .cloned()
        .ok_or_else(|| refused("invalid_grant", "The refresh token is unknown, revoked or expired"))?;
    let scopes: Vec<scope::Scope> = token
        .scopes
        .iter()
        .map(|name| scope::Scope { name: name.clone(), optional: false, beneath: Vec::new() })
        .collect();
    let mut answer = issue::tokens(
        world,
        &Grant {
            client: caller,
            identity: token.identity,
            scopes: &scopes,
            offline: false,
            state: None,
            nonce: None,
        },
    );
    // The refresh token stays valid and is returned again, as by the service.
    answer["refresh_token"] = text.into();
    Ok(answer)
}

/// `POST /v2/oauth2/token/revoke`: of a refresh token, with the access tokens made from it.
pub(crate) async fn revoke(
    Shared(world): Shared<Arc<World>>,
    headers: HeaderMap,
    body: String,
) -> Result<Json<Value>, AuthError> {
    let form = form(&body);
    let mut state = world.state();
    let caller = client(&state, &headers, &form)?;
    let text = field(&form, "token").ok_or_else(|| refused("invalid_request", "Missing token"))?;
    let own = |client: Option<Uuid>| {
        client == Some(caller)
            || client.and_then(|id| state.apps.get(&id)).is_some_and(|app| app.parent == Some(caller))
    };
    if state.tokens.get(text).is_some_and(|token| own(token.client))
        && let Some(gone) = state.tokens.remove(text)
        && gone.refresh
    {
        state.tokens.retain(|_, token| {
            token.client != gone.client
                || token.identity != gone.identity
                || token.resource_server != gone.resource_server
        });
    }
    Ok(Json(json!({"active": false})))
}

/// `POST /v2/oauth2/token/introspect`
pub(crate) async fn introspect(
    Shared(world): Shared<Arc<World>>,
    headers: HeaderMap,
    body: String,
) -> Result<Json<Value>, AuthError> {
    let form = form(&body);
    let state = world.state();
    client(&state, &headers, &form)?;
    let text = field(&form, "token").ok_or_else(|| refused("invalid_request", "Missing token"))?;
    let Some(token) = state.tokens.get(text).filter(|token| token.expires > Timestamp::now()) else {
        return Ok(Json(json!({"active": false})));
    };
    let identity = state.identities.get(&token.identity);
    let mut answer = json!({
        "active": true,
        "token_type": "Bearer",
        "scope": token.scopes.join(" "),
        "client_id": token.client,
        "username": identity.map(|identity| identity.username.clone()),
        "name": identity.and_then(|identity| identity.name.clone()),
        "email": identity.and_then(|identity| identity.email.clone()),
        "exp": token.expires.as_second(),
        "iat": token.issued.as_second(),
        "nbf": token.issued.as_second(),
        "sub": token.identity,
        "aud": [token.resource_server, token.client],
        "iss": world.base,
    });
    if field(&form, "include").is_some_and(|include| include.contains("identity_set")) {
        answer["identity_set"] = json!(state.identity_set(token.identity));
    }
    Ok(Json(answer))
}

/// `POST /v2/oauth2/token/validate`
pub(crate) async fn validate(
    Shared(world): Shared<Arc<World>>,
    headers: HeaderMap,
    body: String,
) -> Result<Json<Value>, AuthError> {
    let form = form(&body);
    let state = world.state();
    client(&state, &headers, &form)?;
    let active = field(&form, "token")
        .and_then(|text| state.tokens.get(text))
        .is_some_and(|token| token.expires > Timestamp::now());
    Ok(Json(json!({"active": active})))
}
