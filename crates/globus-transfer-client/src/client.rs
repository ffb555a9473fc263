//! The client and its settings.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use url::Url;
use uuid::Uuid;

use crate::auth::AuthHandler;
use crate::core::Core;
use crate::error::Result;
use crate::gcs::ConnectServer;
use crate::groups::GroupsHandler;
use crate::http::{HttpSettings, RetryPolicy, Transport, base_url};
use crate::request::Request;
use crate::service::{AUTH_URL, Service, TRANSFER_URL};
use crate::signin::Authorizer;
use crate::timers::TimersHandler;
use crate::transcript::Transcript;
use crate::transfer::TransferHandler;

/// A client of Globus. Cheap to clone; clones share connections and tokens.
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
    /// Starts with the addresses of Globus, no account, and the default retries.
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

    /// Identities and sign-in.
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

    /// Globus Groups: groups, their policies and members.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), globus_transfer_client::Error> {
    /// println!("{} groups", client.groups().mine(&["active"]).await?.len());
    /// # Ok(())
    /// # }
    /// ```
    pub fn groups(&self) -> GroupsHandler<'_> {
        GroupsHandler::new(&self.core)
    }

    /// Globus Timers: transfers on a schedule.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), globus_transfer_client::Error> {
    /// println!("{} timers", client.timers().list().await?.len());
    /// # Ok(())
    /// # }
    /// ```
    pub fn timers(&self) -> TimersHandler<'_> {
        TimersHandler::new(&self.core)
    }

    /// The manager API of a Globus Connect Server, by the endpoint's id and the address that its collections
    /// have as `gcs_manager_url`.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), Box<dyn std::error::Error>> {
    /// let endpoint = "313ce13e-b597-5858-ae13-29e46fea26e6".parse()?;
    /// let server = client.connect_server(endpoint, "https://abc.data.globus.org");
    /// println!("{}", server.info().await?.manager_version.unwrap_or_default());
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect_server(&self, endpoint: Uuid, url: &str) -> ConnectServer<'_> {
        ConnectServer::new(&self.core, endpoint, url)
    }

    /// The manager API of the Globus Connect Server that a collection is on, found by one call of Transfer.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) for a collection of Globus Connect
    /// Personal.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, mapped: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// let server = client.connect_server_of(mapped).await?;
    /// let guest = server.create_guest(mapped, "/data/2bm/", "2-BM data").send().await?;
    /// println!("created {}", guest.id);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect_server_of(&self, collection: Uuid) -> Result<ConnectServer<'_>> {
        ConnectServer::of(&self.core, collection).await
    }

    /// Any call of any service, with this client's tokens, retries and errors. `path` lies below the
    /// service's base URL; its segments are percent-encoded.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), globus_transfer_client::Error> {
    /// use globus_transfer_client::{Method, Service};
    ///
    /// let found: serde_json::Value = client
    ///     .request(Method::GET, Service::transfer(), "endpoint_search")
    ///     .query("filter_scope", "shared-with-me")
    ///     .send()
    ///     .await?;
    /// println!("{} collections", found["DATA"].as_array().map_or(0, Vec::len));
    /// # Ok(())
    /// # }
    /// ```
    pub fn request(&self, method: Method, service: Service, path: &str) -> Request<'_> {
        Request::new(&self.core, service, method, path)
    }

    /// The address of the Auth service.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # fn example(client: GlobusClient) {
    /// println!("signing in at {}", client.auth_url());
    /// # }
    /// ```
    pub fn auth_url(&self) -> &Url {
        &self.core.auth_url
    }

    /// The address of the Transfer service.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # fn example(client: GlobusClient) {
    /// println!("Transfer at {}", client.transfer_url());
    /// # }
    /// ```
    pub fn transfer_url(&self) -> &Url {
        &self.core.transfer_url
    }
}

/// Builds a [`GlobusClient`].
#[derive(Debug)]
#[must_use = "call `build`"]
pub struct GlobusClientBuilder {
    auth_url: Option<Url>,
    transfer_url: Option<Url>,
    service_urls: BTreeMap<String, Url>,
    authorizer: Authorizer,
    request_timeout: Duration,
    body_limit: usize,
    retry: RetryPolicy,
    http: HttpSettings,
    http_client: Option<reqwest::Client>,
    transcript: Option<Transcript>,
}

/// A listing of 100,000 entries has some 50 MB.
const BODY_LIMIT: usize = 256 * 1024 * 1024;

impl Default for GlobusClientBuilder {
    fn default() -> Self {
        Self {
            auth_url: None,
            transfer_url: None,
            service_urls: BTreeMap::new(),
            authorizer: Authorizer::nobody(),
            request_timeout: Duration::from_secs(60),
            body_limit: BODY_LIMIT,
            retry: RetryPolicy::default(),
            http: HttpSettings::default(),
            http_client: None,
            transcript: None,
        }
    }
}

impl GlobusClientBuilder {
    /// Sets the address of the Auth service, without `/v2`; the default is [`AUTH_URL`].
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let builder = GlobusClient::builder().auth_url("http://127.0.0.1:9700".parse().unwrap());
    /// ```
    pub fn auth_url(mut self, url: Url) -> Self {
        self.auth_url = Some(url);
        self
    }

    /// Sets the address of the Transfer service, with `/v0.10`; the default is [`TRANSFER_URL`].
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let builder = GlobusClient::builder().transfer_url("http://127.0.0.1:9700/v0.10".parse().unwrap());
    /// ```
    pub fn transfer_url(mut self, url: Url) -> Self {
        self.transfer_url = Some(url);
        self
    }

    /// Sets the address of another service than Auth and Transfer.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let url = "http://127.0.0.1:9700/groups/v2".parse().unwrap();
    /// let builder = GlobusClient::builder().service_url(&Service::groups(), url);
    /// ```
    pub fn service_url(mut self, service: &Service, url: Url) -> Self {
        self.service_urls.insert(service.resource_server().to_owned(), url);
        self
    }

    /// Sets the source of access tokens; the default is [`Authorizer::nobody`].
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let builder = GlobusClient::builder().authorizer(Authorizer::access_token("Ag…"));
    /// ```
    pub fn authorizer(mut self, authorizer: Authorizer) -> Self {
        self.authorizer = authorizer;
        self
    }

    /// Sets the longest time for one attempt, from connecting to the last byte; 60 s by default.
    ///
    /// Globus itself takes up to 30 s to list a large directory on a slow storage system.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let builder = GlobusClient::builder().request_timeout(std::time::Duration::from_secs(20));
    /// ```
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// Sets the longest time for connecting; 15 s by default.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let builder = GlobusClient::builder().connect_timeout(std::time::Duration::from_secs(5));
    /// ```
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.http.connect_timeout = timeout;
        self
    }

    /// Sets the largest response body in bytes, after decompression; 256 MiB by default.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let builder = GlobusClient::builder().response_limit(64 * 1024 * 1024);
    /// ```
    pub fn response_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Sets how failed calls are retried.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let builder = GlobusClient::builder().retry(RetryPolicy::none());
    /// ```
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Sets the `User-Agent` of the requests.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let builder = GlobusClient::builder().user_agent("mytool/1.0");
    /// ```
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.http.user_agent = name.into();
        self
    }

    /// Sends all requests through a proxy. The default is the proxy of the environment (`HTTPS_PROXY`).
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let builder = GlobusClient::builder().proxy("http://proxy.example.org:3128".parse().unwrap());
    /// ```
    pub fn proxy(mut self, proxy: Url) -> Self {
        self.http.proxy = Some(proxy);
        self
    }

    /// Trusts the CA certificates of a PEM document beside those of the system.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// let pem = std::fs::read("/etc/facility-ca.pem").unwrap();
    /// let builder = GlobusClient::builder().ca_certificates(pem);
    /// ```
    pub fn ca_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.http.ca_certificates.push(pem.into());
        self
    }

    /// Uses the application's own HTTP client. Its redirect policy should be `none`: a token must not follow
    /// a redirect to another host. [`user_agent`](Self::user_agent), [`proxy`](Self::proxy),
    /// [`ca_certificates`](Self::ca_certificates) and [`connect_timeout`](Self::connect_timeout) then have no
    /// effect.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # fn example(http: reqwest::Client) {
    /// let builder = GlobusClient::builder().http_client(http);
    /// # }
    /// ```
    pub fn http_client(mut self, client: reqwest::Client) -> Self {
        self.http_client = Some(client);
        self
    }

    /// Writes each request and response to a [`Transcript`], with secrets, names and addresses replaced.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # fn example() -> std::io::Result<()> {
    /// let builder = GlobusClient::builder().transcript(Transcript::create("globus.transcript")?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn transcript(mut self, transcript: Transcript) -> Self {
        self.transcript = Some(transcript);
        self
    }

    /// Builds the client. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) for an address that isn't HTTP,
    /// [`ErrorKind::Network`](crate::ErrorKind::Network) when TLS can't be set up, such as without root
    /// certificates.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # fn example() -> Result<()> {
    /// let client = GlobusClient::builder().authorizer(Authorizer::access_token("Ag…")).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn build(self) -> Result<GlobusClient> {
        let checked =
            |given: Option<Url>, default: &str| base_url(given.as_ref().map_or(default, Url::as_str));
        let auth_url = checked(self.auth_url, AUTH_URL)?;
        let transfer_url = checked(self.transfer_url, TRANSFER_URL)?;
        let mut urls = vec![&auth_url, &transfer_url];
        urls.extend(self.service_urls.values());
        let http = match self.http_client {
            Some(client) => client,
            None => self.http.build(&urls)?,
        };
        let (timeout, retry, body_limit) = (self.request_timeout, self.retry, self.body_limit);
        Ok(GlobusClient {
            core: Arc::new(Core {
                transport: Arc::new(Transport {
                    http,
                    timeout,
                    retry,
                    body_limit,
                    transcript: self.transcript,
                }),
                authorizer: self.authorizer,
                auth_url,
                transfer_url,
                service_urls: self.service_urls,
            }),
        })
    }
}
