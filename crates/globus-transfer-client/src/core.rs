//! What all handlers share: addresses, tokens, and one call from start to end.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use url::Url;

use crate::error::{ErrorKind, Result};
use crate::http::{Call, Credentials, Response, Transport, endpoint};
use crate::service::Service;
use crate::signin::{Authorizer, Connection};

pub(crate) struct Core {
    pub transport: Arc<Transport>,
    pub authorizer: Authorizer,
    pub auth_url: Url,
    pub transfer_url: Url,
    /// Addresses that replace the default ones, by resource server.
    pub service_urls: BTreeMap<String, Url>,
}

impl Core {
    /// The base URL of a service: as configured, or its default.
    pub fn base_url(&self, service: &Service) -> Result<Url> {
        match service.resource_server() {
            "auth.globus.org" => Ok(self.auth_url.clone()),
            "transfer.api.globus.org" => Ok(self.transfer_url.clone()),
            name => self.service_urls.get(name).cloned().map_or_else(|| service.parsed_url(), Ok),
        }
    }

    /// The URL of a resource of a service. Each segment is percent-encoded.
    pub fn endpoint(&self, service: &Service, segments: &[&str]) -> Result<Url> {
        endpoint(&self.base_url(service)?, segments)
    }

    pub fn auth_endpoint(&self, segments: &[&str]) -> Result<Url> {
        endpoint(&self.auth_url, segments)
    }

    pub fn transfer_endpoint(&self, segments: &[&str]) -> Result<Url> {
        endpoint(&self.transfer_url, segments)
    }

    /// Makes a call of Transfer and reads its JSON response.
    pub async fn transfer<T: DeserializeOwned>(&self, call: Call) -> Result<T> {
        self.call(&Service::transfer(), call).await
    }

    /// Makes a call with the caller's token and reads its JSON response.
    pub async fn call<T: DeserializeOwned>(&self, service: &Service, call: Call) -> Result<T> {
        self.send(service, &call).await?.json(&call.operation)
    }

    /// Makes a call with the caller's token. A rejected token and a missing consent are replaced once each,
    /// where that needs no person. A response that isn't JSON is retried like any transient failure.
    ///
    /// Boxed: the compiler can't prove through the closures of the libraries below that the future is `Send`.
    pub fn send<'a>(&'a self, service: &'a Service, call: &'a Call) -> BoxFuture<'a, Result<Response>> {
        Box::pin(self.send_with_tokens(service, call))
    }

    async fn send_with_tokens(&self, service: &Service, call: &Call) -> Result<Response> {
        let to = Connection { transport: &self.transport, auth_url: &self.auth_url };
        let mut token = self.authorizer.token(&to, service).await?;
        let (mut replaced, mut consented) = (false, false);
        loop {
            let error = match self.transport.send(call, Credentials::Bearer(&token.access)).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let better = match error.kind() {
                ErrorKind::AuthenticationFailed if !replaced => {
                    replaced = true;
                    self.authorizer.replacement(&to, service, &token).await?
                }
                ErrorKind::ConsentRequired { required_scopes } if !consented => {
                    consented = true;
                    self.authorizer.with_consent(&to, service, &token, required_scopes).await?
                }
                _ => None,
            };
            match better {
                Some(better) => token = better,
                None => return Err(error),
            }
        }
    }

    /// Makes a call with other credentials than the caller's token.
    pub async fn send_as(&self, call: &Call, credentials: Credentials<'_>) -> Result<Response> {
        self.transport.send(call, credentials).await
    }
}
