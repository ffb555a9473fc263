//! Access tokens as Globus Auth gives them: one for each service.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;

/// A service that takes access tokens, as Globus Auth names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Service {
    Auth,
    Transfer,
}

impl Service {
    pub fn resource_server(self) -> &'static str {
        match self {
            Self::Auth => "auth.globus.org",
            Self::Transfer => "transfer.api.globus.org",
        }
    }
}

/// Tokens are replaced this long before they expire: clocks differ, and a request takes its time.
const AHEAD: Duration = Duration::from_secs(60);

/// An access token of one service, with what came with it. Its `Debug` form doesn't show it.
#[derive(Debug, Clone)]
pub struct Token {
    pub(crate) access: SecretString,
    pub(crate) refresh: Option<SecretString>,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) scopes: Vec<String>,
}

impl Token {
    /// When the service stops taking it; none for a token that was given as it is.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # fn example(tokens: Tokens, token: Token) {
    /// println!("valid until {:?}", token.expires_at());
    /// # }
    /// ```
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// The scopes that Globus Auth says it is for, without their dependencies.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # fn example(tokens: Tokens, token: Token) {
    /// println!("for {}", token.scopes().join(" "));
    /// # }
    /// ```
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// Whether it can be replaced without anybody signing in.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # fn example(tokens: Tokens, token: Token) {
    /// if !token.is_refreshable() {
    ///     println!("ends at {:?}", token.expires_at());
    /// }
    /// # }
    /// ```
    pub fn is_refreshable(&self) -> bool {
        self.refresh.is_some()
    }

    pub(crate) fn is_fresh(&self) -> bool {
        self.expires_at.is_none_or(|at| Timestamp::now() + AHEAD < at)
    }
}

/// The tokens of one sign-in, by the service's name (`transfer.api.globus.org`, `auth.globus.org`).
#[derive(Debug, Clone, Default)]
pub struct Tokens(pub(crate) BTreeMap<String, Arc<Token>>);

impl Tokens {
    /// The token of a service.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # fn example(tokens: Tokens, token: Token) {
    /// let transfer = tokens.get("transfer.api.globus.org");
    /// # }
    /// ```
    pub fn get(&self, resource_server: &str) -> Option<&Token> {
        self.0.get(resource_server).map(Arc::as_ref)
    }

    /// All services with their tokens.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # fn example(tokens: Tokens, token: Token) {
    /// for (service, token) in tokens.iter() {
    ///     println!("{service}: {}", token.scopes().join(" "));
    /// }
    /// # }
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Token)> {
        self.0.iter().map(|(server, token)| (server.as_str(), token.as_ref()))
    }

    /// Puts newer tokens in the place of these; a refresh token that wasn't sent again stays valid.
    pub(crate) fn replace_with(&mut self, newer: Tokens) {
        for (server, mut token) in newer.0 {
            if token.refresh.is_none()
                && let Some(old) = self.0.get(&server).and_then(|old| old.refresh.clone())
            {
                Arc::make_mut(&mut token).refresh = Some(old);
            }
            self.0.insert(server, token);
        }
    }
}
