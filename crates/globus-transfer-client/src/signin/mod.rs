//! Where the access tokens of calls come from.

mod native;
mod oauth;
mod renewing;
mod scope;
mod service;
mod store;
mod token;

use std::fmt;
use std::sync::Arc;

use reqwest::Url;
use secrecy::SecretString;

use crate::error::{Error, ErrorKind, Result};
use crate::http::Transport;

use renewing::{Grant, Renewing};

pub use native::{NativeApp, PendingSignIn, SignIn};
pub use scope::Scope;
pub use service::ClientCredentials;
pub use store::TokenStore;
pub(crate) use token::Service;
pub use token::{Token, Tokens};

/// Gives each call its access token, and gets new ones when they end. Cheap to clone; clones share their tokens.
///
/// Tokens are replaced a minute before they expire, and after a `401`, once, however many calls are waiting.
#[derive(Clone)]
pub struct Authorizer(Arc<Source>);

enum Source {
    Nobody,
    Given { transfer: Option<Arc<Token>>, auth: Option<Arc<Token>> },
    Renewing(Renewing),
}

impl fmt::Debug for Authorizer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match &*self.0 {
            Source::Nobody => "Authorizer(nobody)",
            Source::Given { .. } => "Authorizer(given tokens)",
            Source::Renewing(renewing) => renewing.name(),
        })
    }
}

impl Authorizer {
    /// Nobody: only what Globus answers to everyone.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let authorizer = Authorizer::nobody();
    /// ```
    pub fn nobody() -> Self {
        Self(Arc::new(Source::Nobody))
    }

    /// One access token as it is, for all services. It is used until it is refused.
    ///
    /// ```
    /// let authorizer = globus_transfer_client::Authorizer::access_token("Ag…");
    /// # let _ = authorizer;
    /// ```
    pub fn access_token(token: impl Into<SecretString>) -> Self {
        let token = given(token.into());
        Self(Arc::new(Source::Given { transfer: Some(token.clone()), auth: Some(token) }))
    }

    /// Access tokens as they are, one for Transfer and one for Auth, as Globus gives them out.
    ///
    /// ```
    /// let authorizer = globus_transfer_client::Authorizer::access_tokens("Ag…", "Ag…");
    /// # let _ = authorizer;
    /// ```
    pub fn access_tokens(transfer: impl Into<SecretString>, auth: impl Into<SecretString>) -> Self {
        Self(Arc::new(Source::Given { transfer: Some(given(transfer.into())), auth: Some(given(auth.into())) }))
    }

    /// A registered service that signs in as itself; tokens are fetched with the first call.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let service = ClientCredentials::new(uuid::Uuid::from_u128(1), "the secret");
    /// let authorizer = Authorizer::client_credentials(service);
    /// ```
    pub fn client_credentials(service: ClientCredentials) -> Self {
        Self(Arc::new(Source::Renewing(Renewing::new(Grant::Service(service)))))
    }

    /// A person's sign-in from a token store, by the name that it was put there under. It is read with the first call;
    /// new tokens are put back, and one that another process has put there in the meantime is used.
    ///
    /// ```
    /// use globus_transfer_client::{Authorizer, TokenStore};
    ///
    /// let authorizer = Authorizer::stored(TokenStore::at("globus.json"), "default");
    /// # let _ = authorizer;
    /// ```
    pub fn stored(store: TokenStore, name: impl Into<String>) -> Self {
        let name = name.into();
        Self(Arc::new(Source::Renewing(Renewing::new(Grant::Stored { store, name }))))
    }

    /// The token for a call to this service.
    pub(crate) async fn token(&self, to: &Connection<'_>, service: Service) -> Result<Arc<Token>> {
        match &*self.0 {
            Source::Nobody => Err(not_signed_in("nobody is signed in")),
            Source::Given { transfer, auth } => match service {
                Service::Transfer => transfer.clone(),
                Service::Auth => auth.clone(),
            }
            .ok_or_else(|| not_signed_in(&format!("no token was given for {}", service.resource_server()))),
            Source::Renewing(renewing) => renewing.token(to, service).await,
        }
    }

    /// Another token after this one was refused with 401; none if there can't be a better one.
    pub(crate) async fn after_refusal(
        &self,
        to: &Connection<'_>,
        service: Service,
        refused: &Arc<Token>,
    ) -> Result<Option<Arc<Token>>> {
        match &*self.0 {
            Source::Renewing(renewing) => renewing.after_refusal(to, service, refused).await.map(Some),
            _ => Ok(None),
        }
    }

    /// Another token that has these scopes too; none if only a person can consent.
    pub(crate) async fn with_consent(
        &self,
        to: &Connection<'_>,
        service: Service,
        lacking: &Arc<Token>,
        scopes: &[String],
    ) -> Result<Option<Arc<Token>>> {
        match &*self.0 {
            Source::Renewing(renewing) => renewing.with_consent(to, service, lacking, scopes).await,
            _ => Ok(None),
        }
    }
}

/// What an authorizer needs to reach the Auth service.
pub(crate) struct Connection<'a> {
    pub transport: &'a Arc<Transport>,
    pub auth_url: &'a Url,
}

fn given(access: SecretString) -> Arc<Token> {
    Arc::new(Token { access, refresh: None, expires_at: None, scopes: Vec::new() })
}

fn not_signed_in(why: &str) -> Error {
    Error::local(ErrorKind::NotSignedIn, "get an access token", why)
}
