//! Access tokens as Globus Auth issues them: one for each service.

use std::collections::BTreeMap;
use std::sync::Arc;
#[cfg(feature = "oauth")]
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;

/// Tokens are replaced this long before they expire: clocks differ, and requests take time.
#[cfg(feature = "oauth")]
const RENEW_AHEAD: Duration = Duration::from_secs(60);

/// An access token of one service, with its refresh token and scopes. Its `Debug` form shows no secret.
#[derive(Debug, Clone)]
pub struct Token {
    pub(crate) access: SecretString,
    pub(crate) refresh: Option<SecretString>,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) scopes: Vec<String>,
}

impl Token {
    /// An access token that is used until the service rejects it.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let token = Token::new("Ag…");
    /// ```
    pub fn new(access_token: impl Into<SecretString>) -> Self {
        Self { access: access_token.into(), refresh: None, expires_at: None, scopes: Vec::new() }
    }

    /// Sets when it expires.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let token = Token::new("Ag…").expiring(jiff::Timestamp::now() + jiff::SignedDuration::from_hours(48));
    /// ```
    pub fn expiring(mut self, at: Timestamp) -> Self {
        self.expires_at = Some(at);
        self
    }

    /// The access token itself, for a request that this client doesn't make. Keep it out of logs.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// use secrecy::ExposeSecret;
    /// assert_eq!(Token::new("Ag…").access_token().expose_secret(), "Ag…");
    /// ```
    pub fn access_token(&self) -> &SecretString {
        &self.access
    }

    /// When the service stops accepting it; `None` when that isn't known.
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

    /// The scopes that Globus Auth issued it for, without their dependencies.
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

    /// Whether it can be renewed without a person.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # fn example(tokens: Tokens, token: Token) {
    /// if !token.is_refreshable() {
    ///     println!("expires at {:?}", token.expires_at());
    /// }
    /// # }
    /// ```
    pub fn is_refreshable(&self) -> bool {
        self.refresh.is_some()
    }

    #[cfg(feature = "oauth")]
    pub(crate) fn is_fresh(&self) -> bool {
        let Ok(soon) = Timestamp::now().checked_add(RENEW_AHEAD) else { return false };
        self.expires_at.is_none_or(|at| soon < at)
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

    /// Replaces tokens by newer ones. A refresh token that wasn't sent again stays valid.
    #[cfg(feature = "oauth")]
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
