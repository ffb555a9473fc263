//! The token endpoint of Globus Auth: the crate `oauth2` over this crate's HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType,
};
use oauth2::{
    AsyncHttpClient, AuthUrl, ClientId, EndpointNotSet, EndpointSet, ExtraTokenFields, HttpRequest,
    HttpResponse, RequestTokenError, StandardRevocableToken, StandardTokenResponse, TokenResponse, TokenUrl,
};
use reqwest::Url;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::token::{Token, Tokens};
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Body, Call, Credentials, Repeat, Response, Transport, endpoint};

/// The fields that Globus adds to the token response of RFC 6749: one response can carry tokens of several
/// services.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct GlobusFields {
    #[serde(default)]
    resource_server: Option<String>,
    #[serde(default)]
    other_tokens: Vec<StandardTokenResponse<OtherFields, BasicTokenType>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct OtherFields {
    #[serde(default)]
    resource_server: Option<String>,
}

impl ExtraTokenFields for GlobusFields {}
impl ExtraTokenFields for OtherFields {}

type GlobusTokens = StandardTokenResponse<GlobusFields, BasicTokenType>;

/// An OAuth client of Globus Auth.
pub(super) type OauthClient = oauth2::Client<
    BasicErrorResponse,
    GlobusTokens,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// Makes a client of the Auth service at this URL.
pub(super) fn oauth_client(auth_url: &Url, client_id: &str) -> Result<OauthClient> {
    Ok(oauth2::Client::new(ClientId::new(client_id.to_owned()))
        .set_auth_uri(AuthUrl::from_url(endpoint(auth_url, &["v2", "oauth2", "authorize"])?))
        .set_token_uri(TokenUrl::from_url(endpoint(auth_url, &["v2", "oauth2", "token"])?)))
}

/// Sends the token requests of the crate `oauth2` over this crate's HTTP, with its retries and errors.
pub(super) struct TokenEndpoint<'a> {
    pub transport: &'a Transport,
    pub operation: &'a str,
    pub repeat: Repeat,
    /// A service's id and secret. The secret goes into the Basic header as it is, as the Python SDK sends it:
    /// RFC 6749 wants it form-encoded first, and Globus secrets have characters that this would change.
    pub basic: Option<(&'a str, &'a SecretString)>,
}

impl<'c> AsyncHttpClient<'c> for TokenEndpoint<'_> {
    type Error = Error;
    type Future = BoxFuture<'c, Result<HttpResponse>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

impl TokenEndpoint<'_> {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse> {
        let operation = self.operation;
        let unusable = |why: String| Error::local(ErrorKind::InvalidRequest, operation, why);
        let (parts, body) = request.into_parts();
        let form = String::from_utf8(body).map_err(|error| unusable(error.to_string()))?;
        let url: Url =
            parts.uri.to_string().parse().map_err(|error: url::ParseError| unusable(error.to_string()))?;
        let call = Call {
            operation: operation.to_owned(),
            method: parts.method,
            url,
            body: Body::Form(form.into()),
            repeat: self.repeat,
        };
        let credentials = match self.basic {
            Some((id, secret)) => Credentials::Basic { id, secret },
            None => Credentials::None,
        };
        let received = self.transport.send(&call, credentials).await?;
        let mut response = HttpResponse::new(received.body);
        *response.status_mut() = received.status;
        *response.headers_mut() = received.headers;
        Ok(response)
    }
}

/// Converts an error of the crate `oauth2`. Bodies are left out: they can hold tokens.
pub(super) fn failed(operation: &str, error: RequestTokenError<Error, BasicErrorResponse>) -> Error {
    match error {
        RequestTokenError::Request(error) => error,
        RequestTokenError::ServerResponse(response) => {
            Error::local(ErrorKind::InvalidResponse, operation, response.error().to_string())
        }
        RequestTokenError::Parse(error, _) => Error::local(
            ErrorKind::InvalidResponse,
            operation,
            format!("the token response can't be read at {}", error.path()),
        ),
        RequestTokenError::Other(_) => {
            Error::local(ErrorKind::InvalidResponse, operation, "the response has no tokens")
        }
    }
}

/// The tokens of a response that is a list, as the dependent token grant returns it.
pub(super) fn read_tokens(operation: &str, response: &Response) -> Result<Tokens> {
    // The error names no part of the body: it can hold tokens.
    let unreadable = |_| Error::unreadable(operation, response.status, "the response isn't a list of tokens");
    let list: Vec<GlobusTokens> = serde_json::from_slice(&response.body).map_err(unreadable)?;
    let mut tokens = Tokens::default();
    for one in &list {
        tokens.0.extend(tokens_of(operation, one)?.0);
    }
    Ok(tokens)
}

/// All the tokens of a response, by resource server.
pub(super) fn tokens_of(operation: &str, response: &GlobusTokens) -> Result<Tokens> {
    let fields = response.extra_fields();
    let mut tokens = BTreeMap::new();
    let first = (fields.resource_server.as_ref(), token_of(response));
    let others = fields
        .other_tokens
        .iter()
        .map(|other| (other.extra_fields().resource_server.as_ref(), token_of(other)));
    for (server, token) in std::iter::once(first).chain(others) {
        let server = server.ok_or_else(|| {
            Error::local(ErrorKind::InvalidResponse, operation, "a token came without its resource_server")
        })?;
        tokens.insert(server.clone(), Arc::new(token));
    }
    Ok(Tokens(tokens))
}

fn token_of(response: &impl TokenResponse) -> Token {
    // Globus issues tokens for 48 hours; a response without a lifetime is treated as such a one.
    let lifetime = response.expires_in().unwrap_or(Duration::from_secs(172_800));
    Token {
        access: response.access_token().secret().clone().into(),
        refresh: response.refresh_token().map(|token| token.secret().clone().into()),
        expires_at: Timestamp::now().checked_add(lifetime).ok(),
        scopes: response
            .scopes()
            .map(|scopes| scopes.iter().map(|scope| scope.to_string()).collect())
            .unwrap_or_default(),
    }
}
