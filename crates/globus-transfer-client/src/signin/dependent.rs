//! Dependent tokens: a service that received a token calls further services on behalf of the same account.

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::client_credentials::ClientCredentials;
use super::oauth::read_tokens;
use super::token::Tokens;
use crate::error::Result;
use crate::http::{Call, Credentials, Transport, endpoint};
use crate::scope::Scope;

/// Exchanges a token that `service` received for tokens of the services that it depends on.
pub(crate) async fn dependent_tokens(
    transport: &Transport,
    auth_url: &Url,
    service: &ClientCredentials,
    token: &SecretString,
    scopes: &[Scope],
    refresh_tokens: bool,
) -> Result<Tokens> {
    let operation = format!("get dependent tokens for the service {}", service.client_id);
    let scope = Scope::join(scopes);
    let mut fields =
        vec![("grant_type", "urn:globus:auth:grant_type:dependent_token"), ("token", token.expose_secret())];
    if !scopes.is_empty() {
        fields.push(("scope", &scope));
    }
    if refresh_tokens {
        fields.push(("access_type", "offline"));
    }
    let call = Call::post_form(endpoint(auth_url, &["v2", "oauth2", "token"])?, operation.as_str(), &fields);
    let credentials = Credentials::Basic { id: &service.client_id, secret: &service.secret };
    read_tokens(&operation, &transport.send(&call, credentials).await?)
}
