//! The trait behind every [`Authorizer`](super::Authorizer), and the sources that hold given tokens.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use url::Url;

use super::Token;
use crate::error::{Error, Result};
use crate::http::Transport;
use crate::service::Service;

/// A source of access tokens.
///
/// A client asks it for a token before every call, so it keeps tokens while they are valid. Its `Debug` form
/// must not show them.
pub trait TokenSource: fmt::Debug + Send + Sync {
    /// Returns the token for a call of `service`.
    ///
    /// # Errors
    /// [`Error::not_signed_in`], or why no token could be fetched.
    fn token<'a>(&'a self, to: &'a Connection<'a>, service: &'a Service)
    -> BoxFuture<'a, Result<Arc<Token>>>;

    /// Returns another token after the service rejected this one with 401; `None`, the default, when there is
    /// none.
    ///
    /// # Errors
    /// Why no other token could be fetched.
    fn replacement<'a>(
        &'a self,
        to: &'a Connection<'a>,
        service: &'a Service,
        rejected: &'a Arc<Token>,
    ) -> BoxFuture<'a, Result<Option<Arc<Token>>>> {
        let _ = (to, service, rejected);
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Returns another token that has these scopes as well; `None`, the default, when only a person can
    /// consent.
    ///
    /// # Errors
    /// Why no such token could be fetched.
    fn with_consent<'a>(
        &'a self,
        to: &'a Connection<'a>,
        service: &'a Service,
        lacking: &'a Arc<Token>,
        scopes: &'a [String],
    ) -> BoxFuture<'a, Result<Option<Arc<Token>>>> {
        let _ = (to, service, lacking, scopes);
        Box::pin(std::future::ready(Ok(None)))
    }
}

/// The client's connection to Globus Auth, for sources that fetch their tokens there.
pub struct Connection<'a> {
    #[cfg_attr(not(feature = "oauth"), expect(dead_code, reason = "only the OAuth flows fetch tokens"))]
    pub(crate) transport: &'a Arc<Transport>,
    pub(crate) auth_url: &'a Url,
}

impl Connection<'_> {
    /// The address of the Auth service that the client uses.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # fn example(to: &Connection<'_>) {
    /// println!("tokens of {}", to.auth_url());
    /// # }
    /// ```
    pub fn auth_url(&self) -> &Url {
        self.auth_url
    }
}

impl fmt::Debug for Connection<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Connection").field("auth_url", &self.auth_url.as_str()).finish_non_exhaustive()
    }
}

/// No tokens at all.
#[derive(Debug)]
pub(super) struct NoTokens;

impl TokenSource for NoTokens {
    fn token<'a>(&'a self, _: &'a Connection<'a>, _: &'a Service) -> BoxFuture<'a, Result<Arc<Token>>> {
        Box::pin(std::future::ready(Err(Error::not_signed_in("the client has no account"))))
    }
}

/// Tokens as they were given.
pub(super) struct GivenTokens {
    by_server: BTreeMap<String, Arc<Token>>,
    for_all: Option<Arc<Token>>,
}

impl GivenTokens {
    pub fn new(tokens: impl IntoIterator<Item = (String, Token)>) -> Self {
        let by_server = tokens.into_iter().map(|(server, token)| (server, Arc::new(token))).collect();
        Self { by_server, for_all: None }
    }

    pub fn for_all(token: Token) -> Self {
        Self { by_server: BTreeMap::new(), for_all: Some(Arc::new(token)) }
    }
}

impl fmt::Debug for GivenTokens {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("given tokens")
    }
}

impl TokenSource for GivenTokens {
    fn token<'a>(&'a self, _: &'a Connection<'a>, service: &'a Service) -> BoxFuture<'a, Result<Arc<Token>>> {
        let server = service.resource_server();
        let token = self.by_server.get(server).or(self.for_all.as_ref()).cloned();
        Box::pin(std::future::ready(
            token.ok_or_else(|| Error::not_signed_in(format!("no token was given for {server}"))),
        ))
    }
}
