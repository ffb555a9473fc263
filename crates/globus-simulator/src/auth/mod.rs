//! Globus Auth: tokens, identities, consents, the sign-in page.

use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use uuid::Uuid;

use crate::reply::AuthError;
use crate::state::{State, Token};

pub(crate) mod apps;
pub(crate) mod identities;
pub(crate) mod issue;
pub(crate) mod scope;
pub(crate) mod sign_in;
pub(crate) mod token;
pub(crate) mod userinfo;

/// The value after `Bearer ` of the header Authorization.
pub(crate) fn bearer_text(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (kind, token) = value.split_once(' ')?;
    kind.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Why a request has no usable access token.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TokenRefusal {
    Missing,
    Inactive,
}

impl TokenRefusal {
    pub fn message(self) -> &'static str {
        match self {
            Self::Missing => "No access token in the request",
            Self::Inactive => "Token is not active",
        }
    }
}

/// The access token of a request: known and not expired.
pub(crate) fn access_token(state: &State, headers: &HeaderMap) -> Result<Token, TokenRefusal> {
    let text = bearer_text(headers).ok_or(TokenRefusal::Missing)?;
    state
        .tokens
        .get(text)
        .filter(|token| !token.refresh && token.expires > Timestamp::now())
        .cloned()
        .ok_or(TokenRefusal::Inactive)
}

/// The access token of a call to Auth.
pub(crate) fn bearer(state: &State, headers: &HeaderMap) -> Result<Token, AuthError> {
    let token = access_token(state, headers).map_err(|_| AuthError::unauthorized())?;
    if token.resource_server == scope::AUTH_SERVER {
        Ok(token)
    } else {
        Err(AuthError::forbidden(format!(
            "This token is for {}, not for {}",
            token.resource_server,
            scope::AUTH_SERVER
        )))
    }
}

/// The app behind a call, by HTTP Basic or by `client_id` and `client_secret` in the form.
///
/// A service must show its secret; a native app only says who it is.
pub(crate) fn client(
    state: &State,
    headers: &HeaderMap,
    form: &[(String, String)],
) -> Result<Uuid, AuthError> {
    let refused = |detail: &str| AuthError::oauth(StatusCode::UNAUTHORIZED, "invalid_client", detail);
    let (id, secret) = match basic(headers) {
        Some((id, secret)) => (id, Some(secret)),
        None => (
            field(form, "client_id").ok_or_else(|| refused("No client credentials"))?.to_owned(),
            field(form, "client_secret").map(str::to_owned),
        ),
    };
    let id = Uuid::parse_str(&id).map_err(|_| refused("The client id is not a UUID"))?;
    let app = state.apps.get(&id).ok_or_else(|| refused("No such client"))?;
    let right = match (&app.secret, secret) {
        // RFC 6749, 2.3.1: both halves are form-encoded inside Basic. The crate `oauth2` does so, the Python
        // SDK doesn't, and the service takes both.
        (Some(expected), Some(secret)) => *expected == secret || *expected == form_decoded(&secret),
        (None, secret) => secret.is_none_or(|secret| secret.is_empty()),
        (Some(_), None) => false,
    };
    if right { Ok(id) } else { Err(refused("Invalid client secret")) }
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (kind, text) = value.split_once(' ')?;
    if !kind.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(text.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

fn form_decoded(text: &str) -> String {
    url::form_urlencoded::parse(format!("v={}", text.replace('&', "%26")).as_bytes())
        .next()
        .map_or_else(|| text.to_owned(), |(_, value)| value.into_owned())
}

/// The first value of a form field.
pub(crate) fn field<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a str> {
    form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}
