//! The client: where the services are, who calls, and one call from start to end.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use reqwest::Url;
use serde::de::DeserializeOwned;

use crate::auth::AuthHandler;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Answer, Call, Credentials, RetryPolicy, Transport, endpoint};
use crate::signin::{Authorizer, Connection, Service};
use crate::transfer::TransferHandler;

/// The Auth service of Globus.
pub const AUTH_URL: &str = "https://auth.globus.org";
/// The Transfer service of Globus.
pub const TRANSFER_URL: &str = "https://transfer.api.globus.org/v0.10";

type ConsentCommand = dyn Fn(&[String]) -> String + Send + Sync;

/// A client of Globus Auth and Transfer. Cheap to clone; clones share connections and tokens.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use globus_transfer_client::{Authorizer, ClientCredentials, GlobusClient};
///
/// let service = ClientCredentials::new("4de65cd7-4363-4510-b652-f8d15a43a0af".parse()?, "the secret");
/// let client = GlobusClient::builder().authorizer(Authorizer::client_credentials(service)).build()?;
///
/// let collection = "313ce13e-b597-5858-ae13-29e46fea26e6".parse()?;
/// for entry in client.transfer().ls(collection, "/").send().await?.entries {
///     println!("{} {}", entry.kind, entry.name);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct GlobusClient {
    core: Arc<Core>,
}

pub(crate) struct Core {
    transport: Arc<Transport>,
    authorizer: Authorizer,
    auth_url: Url,
    transfer_url: Url,
    consent_command: Option<Arc<ConsentCommand>>,
}

impl fmt::Debug for GlobusClient {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("GlobusClient")
            .field("auth_url", &self.core.auth_url.as_str())
            .field("transfer_url", &self.core.transfer_url.as_str())
            .field("authorizer", &self.core.authorizer)
            .finish_non_exhaustive()
    }
}

impl GlobusClient {
    /// Starts with the addresses of Globus, nobody signed in, and the default retries.
    ///
    /// ```
    /// # fn example() -> Result<(), globus_transfer_client::Error> {
    /// use globus_transfer_client::{Authorizer, GlobusClient};
    ///
    /// let client = GlobusClient::builder().authorizer(Authorizer::access_token("Ag…")).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> GlobusClientBuilder {
        GlobusClientBuilder::default()
    }

    /// Identities, and who is signed in.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), globus_transfer_client::Error> {
    /// let me = client.auth().userinfo().await?;
    /// println!("{}", me.preferred_username.unwrap_or_default());
    /// # Ok(())
    /// # }
    /// ```
    pub fn auth(&self) -> AuthHandler<'_> {
        AuthHandler::new(&self.core)
    }

    /// Collections, directories, access rules and tasks.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), Box<dyn std::error::Error>> {
    /// let collection = "313ce13e-b597-5858-ae13-29e46fea26e6".parse()?;
    /// client.transfer().mkdir(collection, "/2026-03/").send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn transfer(&self) -> TransferHandler<'_> {
        TransferHandler::new(&self.core)
    }

    /// The address of the Auth service.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// println!("signing in at {}", client.auth_url());
    /// # Ok(())
    /// # }
    /// ```
    pub fn auth_url(&self) -> &Url {
        &self.core.auth_url
    }

    /// The address of the Transfer service.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// println!("talking to {}", client.transfer_url());
    /// # Ok(())
    /// # }
    /// ```
    pub fn transfer_url(&self) -> &Url {
        &self.core.transfer_url
    }
}

impl Core {
    pub fn auth_endpoint(&self, segments: &[&str]) -> Result<Url> {
        endpoint(&self.auth_url, segments)
    }

    pub fn transfer_endpoint(&self, segments: &[&str]) -> Result<Url> {
        endpoint(&self.transfer_url, segments)
    }

    /// Makes a call with the caller's token, and reads its answer.
    pub async fn call<T: DeserializeOwned>(&self, service: Service, call: Call) -> Result<T> {
        // Boxed: callers' compilers can't see through the closures of the libraries below that the future is `Send`.
        let answer: BoxFuture<'_, Result<Answer>> = Box::pin(self.answer(service, &call));
        answer.await?.json(&call.tried)
    }

    /// Makes a call with the caller's token. A refused token and a missing consent are mended once each, where that
    /// needs no person.
    async fn answer(&self, service: Service, call: &Call) -> Result<Answer> {
        let to = Connection { transport: &self.transport, auth_url: &self.auth_url };
        let mut token = self.authorizer.token(&to, service).await?;
        let (mut renewed, mut consented) = (false, false);
        loop {
            let error = match self.transport.send(call, Credentials::Bearer(&token.access)).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let better = match error.kind() {
                ErrorKind::AuthenticationFailed if !renewed => {
                    renewed = true;
                    self.authorizer.after_refusal(&to, service, &token).await?
                }
                ErrorKind::ConsentRequired { required_scopes } if !consented => {
                    consented = true;
                    self.authorizer.with_consent(&to, service, &token, required_scopes).await?
                }
                _ => None,
            };
            match better {
                Some(better) => token = better,
                None => return Err(self.explain(error)),
            }
        }
    }

    /// Makes a call without a token.
    pub async fn answer_with(&self, call: &Call, credentials: Credentials<'_>) -> Result<Answer> {
        self.transport.send(call, credentials).await
    }

    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    pub fn auth_url(&self) -> &Url {
        &self.auth_url
    }

    fn explain(&self, error: Error) -> Error {
        match (error.kind(), &self.consent_command) {
            (ErrorKind::ConsentRequired { required_scopes }, Some(command)) => {
                let advice = format!("consent to it by running: {}", command(required_scopes));
                error.advise(advice)
            }
            _ => error,
        }
    }
}

/// Sets up a [`GlobusClient`].
pub struct GlobusClientBuilder {
    auth_url: Option<Url>,
    transfer_url: Option<Url>,
    authorizer: Authorizer,
    request_timeout: Duration,
    retry: RetryPolicy,
    user_agent: String,
    consent_command: Option<Arc<ConsentCommand>>,
}

impl Default for GlobusClientBuilder {
    fn default() -> Self {
        Self {
            auth_url: None,
            transfer_url: None,
            authorizer: Authorizer::nobody(),
            request_timeout: Duration::from_secs(60),
            retry: RetryPolicy::default(),
            user_agent: concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")).to_owned(),
            consent_command: None,
        }
    }
}

impl GlobusClientBuilder {
    /// The address of the Auth service, without `/v2`; the default is [`AUTH_URL`].
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let builder = GlobusClient::builder().auth_url("http://127.0.0.1:9700".parse().unwrap());
    /// ```
    pub fn auth_url(mut self, url: Url) -> Self {
        self.auth_url = Some(url);
        self
    }

    /// The address of the Transfer service, with `/v0.10`; the default is [`TRANSFER_URL`].
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let builder = GlobusClient::builder().transfer_url("http://127.0.0.1:9700/v0.10".parse().unwrap());
    /// ```
    pub fn transfer_url(mut self, url: Url) -> Self {
        self.transfer_url = Some(url);
        self
    }

    /// Who calls.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let builder = GlobusClient::builder().authorizer(Authorizer::access_token("Ag…"));
    /// ```
    pub fn authorizer(mut self, authorizer: Authorizer) -> Self {
        self.authorizer = authorizer;
        self
    }

    /// The longest time for one attempt, from connecting to the last byte; 60 s by default.
    ///
    /// Listing a large directory on a slow storage system takes Globus up to its own limit of 30 s.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let builder = GlobusClient::builder().request_timeout(std::time::Duration::from_secs(20));
    /// ```
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// How failed calls are repeated.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let builder = GlobusClient::builder().retry(RetryPolicy::none());
    /// ```
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// The name under which the service sees the application.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let builder = GlobusClient::builder().user_agent("mytool/1.0");
    /// ```
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.user_agent = name.into();
        self
    }

    /// Makes the command that a person runs to consent to the given scopes, for the message of
    /// [`ErrorKind::ConsentRequired`].
    ///
    /// ```
    /// use globus_transfer_client::GlobusClient;
    ///
    /// let builder = GlobusClient::builder()
    ///     .consent_command(|scopes| format!("mytool login --scope '{}'", scopes.join(" ")));
    /// # let _ = builder;
    /// ```
    pub fn consent_command(mut self, command: impl Fn(&[String]) -> String + Send + Sync + 'static) -> Self {
        self.consent_command = Some(Arc::new(command));
        self
    }

    /// Makes the client. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] for an address that isn't HTTP, [`ErrorKind::Network`] when TLS can't be set up
    /// because the machine has no root certificates.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example() -> Result<()> {
    /// let client = GlobusClient::builder().authorizer(Authorizer::access_token("Ag…")).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn build(self) -> Result<GlobusClient> {
        let auth_url = address(self.auth_url, AUTH_URL)?;
        let transfer_url = address(self.transfer_url, TRANSFER_URL)?;
        let transport =
            Transport::new(&[&auth_url, &transfer_url], &self.user_agent, self.request_timeout, self.retry)?;
        Ok(GlobusClient {
            core: Arc::new(Core {
                transport: Arc::new(transport),
                authorizer: self.authorizer,
                auth_url,
                transfer_url,
                consent_command: self.consent_command,
            }),
        })
    }
}

fn address(given: Option<Url>, default: &str) -> Result<Url> {
    let refuse =
        |url: &str, why: String| Error::local(ErrorKind::InvalidRequest, format!("use the address {url}"), why);
    let url = match given {
        Some(url) => url,
        None => default.parse().map_err(|error: url::ParseError| refuse(default, error.to_string()))?,
    };
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(refuse(url.as_str(), "it must begin with https:// (or http:// for a local service)".to_owned()));
    }
    Ok(url)
}
