//! Where the access tokens of calls come from.

mod source;
mod token;

#[cfg(feature = "oauth")]
mod authorization_code;
#[cfg(feature = "oauth")]
mod client_credentials;
#[cfg(feature = "oauth")]
mod confidential;
#[cfg(feature = "oauth")]
mod dependent;
#[cfg(feature = "oauth")]
mod loopback;
#[cfg(feature = "oauth")]
mod native;
#[cfg(feature = "oauth")]
mod oauth;
#[cfg(feature = "oauth")]
mod renewing;
#[cfg(feature = "oauth")]
mod sign_in;
#[cfg(feature = "token-store")]
mod store;

use std::fmt;
use std::sync::Arc;

use secrecy::SecretString;

use crate::error::{Error, ErrorKind, Result};
use crate::service::Service;

pub use source::{Connection, TokenSource};
use source::{GivenTokens, NoTokens};
pub use token::{Token, Tokens};

#[cfg(feature = "oauth")]
pub use client_credentials::ClientCredentials;
#[cfg(feature = "oauth")]
pub use confidential::ConfidentialApp;
#[cfg(feature = "oauth")]
pub(crate) use dependent::dependent_tokens;
#[cfg(feature = "oauth")]
pub use loopback::LoopbackSignIn;
#[cfg(feature = "oauth")]
pub use native::NativeApp;
#[cfg(feature = "oauth")]
pub use sign_in::{PendingSignIn, SignIn};
#[cfg(feature = "token-store")]
pub use store::TokenStore;

/// Provides the access token of each call, and replaces tokens that expire. Cheap to clone; clones share
/// their tokens.
///
/// Tokens are replaced a minute before they expire, and after a `401`, once, however many calls are waiting.
/// [`Authorizer::source`] takes any [`TokenSource`]; the other constructors are the usual ones.
#[derive(Clone)]
pub struct Authorizer(Arc<dyn TokenSource>);

impl fmt::Debug for Authorizer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Authorizer").field(&self.0).finish()
    }
}

impl Authorizer {
    /// Takes the tokens from the application's own source, such as a vault or an agent.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// use std::sync::Arc;
    ///
    /// /// Reads the token that another program renews.
    /// #[derive(Debug)]
    /// struct TokenFile(std::path::PathBuf);
    ///
    /// impl TokenSource for TokenFile {
    ///     fn token<'a>(&'a self, _: &'a Connection<'a>, _: &'a Service) -> BoxFuture<'a, Result<Arc<Token>>> {
    ///         Box::pin(async move {
    ///             let text = std::fs::read_to_string(&self.0).map_err(|error| Error::not_signed_in(error.to_string()))?;
    ///             Ok(Arc::new(Token::new(text.trim())))
    ///         })
    ///     }
    /// }
    ///
    /// let authorizer = Authorizer::source(TokenFile("/run/globus-token".into()));
    /// ```
    pub fn source(source: impl TokenSource + 'static) -> Self {
        Self(Arc::new(source))
    }

    /// No account: only what Globus answers to everyone.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let authorizer = Authorizer::nobody();
    /// ```
    pub fn nobody() -> Self {
        Self::source(NoTokens)
    }

    /// One access token for all services. It is used until it is rejected.
    ///
    /// ```
    /// let authorizer = globus_transfer_client::Authorizer::access_token("Ag…");
    /// # let _ = authorizer;
    /// ```
    pub fn access_token(token: impl Into<SecretString>) -> Self {
        Self::source(GivenTokens::for_all(Token::new(token)))
    }

    /// One access token for Transfer and one for Auth, as Globus issues them.
    ///
    /// ```
    /// let authorizer = globus_transfer_client::Authorizer::access_tokens("Ag…", "Ag…");
    /// # let _ = authorizer;
    /// ```
    pub fn access_tokens(transfer: impl Into<SecretString>, auth: impl Into<SecretString>) -> Self {
        let name = |service: Service| service.resource_server().to_owned();
        let tokens =
            [(name(Service::transfer()), Token::new(transfer)), (name(Service::auth()), Token::new(auth))];
        Self::source(GivenTokens::new(tokens))
    }

    /// Access tokens by the names of their resource servers. They are used until they are rejected.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let authorizer = Authorizer::tokens([("groups.api.globus.org", Token::new("Ag…"))]);
    /// ```
    pub fn tokens(tokens: impl IntoIterator<Item = (impl Into<String>, Token)>) -> Self {
        Self::source(GivenTokens::new(tokens.into_iter().map(|(server, token)| (server.into(), token))))
    }

    /// A registered service that signs in as itself. Tokens are fetched with the first call.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let service = ClientCredentials::new(uuid::Uuid::from_u128(1), "the secret");
    /// let authorizer = Authorizer::client_credentials(service);
    /// ```
    #[cfg(feature = "oauth")]
    pub fn client_credentials(service: ClientCredentials) -> Self {
        Self::source(renewing::Renewing::new(renewing::Grant::Service(service)))
    }

    /// A person's sign-in that lives as long as this process. Its tokens are renewed in memory only.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, app: globus_transfer_client::NativeApp)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// use globus_transfer_client::{Authorizer, GlobusClient};
    ///
    /// let sign_in = client.auth().sign_in(&app)?.finish("the code").await?;
    /// let client = GlobusClient::builder().authorizer(Authorizer::signed_in(sign_in)).build()?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "oauth")]
    pub fn signed_in(sign_in: SignIn) -> Self {
        Self::source(renewing::Renewing::new(renewing::Grant::SignIn(Box::new(tokio::sync::Mutex::new(
            sign_in,
        )))))
    }

    /// A person's sign-in from a token store, by the name under which it was put there. It is read with the
    /// first call; renewed tokens are put back, and one that another process has put there in the meantime is
    /// used.
    ///
    /// ```
    /// use globus_transfer_client::{Authorizer, TokenStore};
    ///
    /// let authorizer = Authorizer::stored(TokenStore::at("globus.json"), "default");
    /// # let _ = authorizer;
    /// ```
    #[cfg(feature = "token-store")]
    pub fn stored(store: TokenStore, name: impl Into<String>) -> Self {
        let name = name.into();
        Self::source(renewing::Renewing::new(renewing::Grant::Stored { store, name }))
    }

    pub(crate) async fn token(&self, to: &Connection<'_>, service: &Service) -> Result<Arc<Token>> {
        self.0.token(to, service).await
    }

    pub(crate) async fn replacement(
        &self,
        to: &Connection<'_>,
        service: &Service,
        rejected: &Arc<Token>,
    ) -> Result<Option<Arc<Token>>> {
        self.0.replacement(to, service, rejected).await
    }

    pub(crate) async fn with_consent(
        &self,
        to: &Connection<'_>,
        service: &Service,
        lacking: &Arc<Token>,
        scopes: &[String],
    ) -> Result<Option<Arc<Token>>> {
        self.0.with_consent(to, service, lacking, scopes).await
    }
}

impl Error {
    /// The error of a [`TokenSource`] that has no token.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let error = Error::not_signed_in("the agent isn't running");
    /// assert_eq!(error.kind(), &ErrorKind::NotSignedIn);
    /// ```
    pub fn not_signed_in(why: impl Into<String>) -> Self {
        Self::local(ErrorKind::NotSignedIn, "get an access token", why)
    }
}
