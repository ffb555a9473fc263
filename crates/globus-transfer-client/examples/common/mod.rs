//! What the examples share: a client for the real Globus, or for the addresses in `GLOBUS_AUTH_URL`,
//! `GLOBUS_TRANSFER_URL`, `GLOBUS_GROUPS_URL` and `GLOBUS_TIMERS_URL`. A `globus-simulator` prints its own:
//! Transfer is below it at `v0.10`, Groups at `v2`.

use std::error::Error;

use globus_transfer_client::{
    Authorizer, ClientCredentials, GlobusClient, GlobusClientBuilder, Service, TokenStore,
};

/// The file that the example `sign_in` writes.
pub const STORE: &str = "globus-tokens.json";

pub fn builder() -> Result<GlobusClientBuilder, Box<dyn Error>> {
    let mut builder = GlobusClient::builder().user_agent("globus-transfer-client-examples");
    if let Ok(url) = std::env::var("GLOBUS_AUTH_URL") {
        builder = builder.auth_url(url.parse()?);
    }
    if let Ok(url) = std::env::var("GLOBUS_TRANSFER_URL") {
        builder = builder.transfer_url(url.parse()?);
    }
    for (variable, service) in
        [("GLOBUS_GROUPS_URL", Service::groups()), ("GLOBUS_TIMERS_URL", Service::timers())]
    {
        if let Ok(url) = std::env::var(variable) {
            builder = builder.service_url(&service, url.parse()?);
        }
    }
    Ok(builder)
}

/// A client with an account: the service of `GLOBUS_CLIENT_ID` and `GLOBUS_CLIENT_SECRET`, the token of
/// `GLOBUS_ACCESS_TOKEN`, or the person of the example `sign_in`.
#[allow(dead_code, reason = "not every example has an account")]
pub fn client() -> Result<GlobusClient, Box<dyn Error>> {
    let variable = |name: &str| std::env::var(name).ok();
    let authorizer = match (variable("GLOBUS_CLIENT_ID"), variable("GLOBUS_CLIENT_SECRET")) {
        (Some(id), Some(secret)) => {
            Authorizer::client_credentials(ClientCredentials::new(id.parse()?, secret))
        }
        _ => match variable("GLOBUS_ACCESS_TOKEN") {
            Some(token) => Authorizer::access_token(token),
            None => Authorizer::stored(TokenStore::at(STORE), "default"),
        },
    };
    Ok(builder()?.authorizer(authorizer).build()?)
}

/// The arguments of the command line, exactly as many as `usage` names.
#[allow(dead_code, reason = "not every example has arguments")]
pub fn arguments<const N: usize>(usage: &str) -> Result<[String; N], Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    arguments.try_into().map_err(|_| format!("usage: cargo run --example {usage}").into())
}
