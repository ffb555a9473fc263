//! Apps: the registration that the official command line makes for itself, and the documents of OpenID
//! Connect.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{client, issue};
use crate::reply::AuthError;
use crate::state::{App, World};

/// `POST /v2/api/clients`: a new app, made from a template or by name, with a secret unless it is public.
pub(crate) async fn create(
    Shared(world): Shared<Arc<World>>,
    body: Option<Json<Value>>,
) -> Result<Response, AuthError> {
    let body = body.map(|Json(body)| body).unwrap_or_default();
    let wanted = &body["client"];
    let name = wanted["name"].as_str().unwrap_or_default();
    if name.is_empty() {
        return Err(AuthError::bad_request("A client needs a name"));
    }
    let public = wanted["public_client"].as_bool().unwrap_or(false);
    let id = Uuid::new_v4();
    let secret = (!public).then(|| issue::secret("simulated"));
    world.state().apps.insert(
        id,
        App {
            name: name.to_owned(),
            secret: secret.clone(),
            parent: wanted["template_id"].as_str().and_then(|id| Uuid::parse_str(id).ok()),
        },
    );
    let mut answer = json!({"client": document(id, name, public)});
    answer["client"]["parent_client"] = wanted["template_id"].clone();
    if let Some(secret) = secret {
        answer["included"] = json!({
            "client_credential": {
                "id": Uuid::new_v4(),
                "client": id,
                "name": "Auto-created at client creation",
                "secret": secret,
            }
        });
    }
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

fn document(id: Uuid, name: &str, public: bool) -> Value {
    json!({
        "id": id,
        "name": name,
        "public_client": public,
        "visibility": "private",
        "grant_types": if public {
            json!(["authorization_code", "refresh_token"])
        } else {
            json!(["authorization_code", "client_credentials", "refresh_token"])
        },
        "redirect_uris": [],
        "scopes": [],
        "fqdns": [],
        "links": {"privacy_policy": null, "terms_and_conditions": null},
        "parent_client": null,
        "preselect_idp": null,
        "required_idp": null,
        "project": null,
        "prompt_for_named_grant": true,
        "userinfo_from_effective_identity": true,
    })
}

/// `GET /v2/api/clients/{id}`, by the app itself.
pub(crate) async fn get(
    Shared(world): Shared<Arc<World>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<Value>, AuthError> {
    let state = world.state();
    let caller = client(&state, &headers, &[])?;
    match state.apps.get(&caller) {
        Some(app) if caller.to_string() == id => {
            Ok(Json(json!({"client": document(caller, &app.name, app.secret.is_none())})))
        }
        _ => Err(AuthError::forbidden("This is not your client")),
    }
}

/// `DELETE /v2/api/clients/{id}`, by the app itself; its tokens end with it.
pub(crate) async fn delete(
    Shared(world): Shared<Arc<World>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<Value>, AuthError> {
    let mut state = world.state();
    let caller = client(&state, &headers, &[])?;
    if caller.to_string() != id {
        return Err(AuthError::forbidden("This is not your client"));
    }
    let app = state.apps.remove(&caller);
    state.tokens.retain(|_, token| token.client != Some(caller));
    let (name, public) = app.map_or((String::new(), false), |app| (app.name, app.secret.is_none()));
    Ok(Json(json!({"client": document(caller, &name, public)})))
}

/// `GET /.well-known/openid-configuration`
pub(crate) async fn openid_configuration(Shared(world): Shared<Arc<World>>) -> Json<Value> {
    let base = &world.base;
    Json(json!({
        "issuer": base,
        "authorization_endpoint": format!("{base}/v2/oauth2/authorize"),
        "token_endpoint": format!("{base}/v2/oauth2/token"),
        "revocation_endpoint": format!("{base}/v2/oauth2/token/revoke"),
        "userinfo_endpoint": format!("{base}/v2/oauth2/userinfo"),
        "jwks_uri": format!("{base}/jwk.json"),
        "scopes_supported": ["openid", "email", "profile"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS512"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256", "plain"],
        "claims_supported": [
            "at_hash", "aud", "email", "exp", "name", "nonce", "preferred_username", "iat", "iss", "sub"
        ],
    }))
}

/// `GET /jwk.json`
pub(crate) async fn jwk(Shared(world): Shared<Arc<World>>) -> Result<Json<Value>, AuthError> {
    // Making the key takes a moment of computing, which must not stop the other requests.
    let keys = tokio::task::spawn_blocking(move || world.key.jwks()).await;
    keys.ok().flatten().map(Json).ok_or_else(|| {
        AuthError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL_SERVER_ERROR",
            "Internal Server Error",
            "The signing key could not be made",
        )
    })
}
