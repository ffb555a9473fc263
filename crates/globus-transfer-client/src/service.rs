//! A Globus service: its address, its name as a resource server, and the scopes that its tokens need.

use std::borrow::Cow;

use url::Url;
use uuid::Uuid;

use crate::scope::Scope;

/// The address of Globus Auth.
pub const AUTH_URL: &str = "https://auth.globus.org";
/// The address of Globus Transfer.
pub const TRANSFER_URL: &str = "https://transfer.api.globus.org/v0.10";
/// The address of Globus Groups.
pub const GROUPS_URL: &str = "https://groups.api.globus.org/v2";
/// The address of Globus Timers.
pub const TIMERS_URL: &str = "https://timer.automate.globus.org";

/// A service that accepts access tokens of Globus Auth.
///
/// ```
/// use globus_transfer_client::{Scope, Service};
///
/// let transfer = Service::transfer();
/// assert_eq!(transfer.resource_server(), "transfer.api.globus.org");
///
/// let flows = Service::new("flows.globus.org", "https://flows.globus.org/")
///     .scope(Scope::named("https://auth.globus.org/scopes/eec9b274-0c81-4334-bdc2-54e90e689b9a/view_flows")?);
/// # let _ = flows;
/// # Ok::<(), globus_transfer_client::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    resource_server: Cow<'static, str>,
    url: Cow<'static, str>,
    scopes: Vec<Scope>,
}

impl Service {
    /// A service by its name as a resource server in Globus Auth, and the base URL of its API.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let search = Service::new("search.api.globus.org", "https://search.api.globus.org/v1");
    /// ```
    pub fn new(resource_server: impl Into<Cow<'static, str>>, url: impl Into<Cow<'static, str>>) -> Self {
        Self { resource_server: resource_server.into(), url: url.into(), scopes: Vec::new() }
    }

    /// Adds a scope that calls of this service need. A registered service requests it with its first call; a
    /// person is reported as [`ConsentRequired`](crate::ErrorKind::ConsentRequired) with these scopes.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let service = Service::new("example.org", "https://example.org/api").scope(Scope::named("all")?);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scopes.push(scope);
        self
    }

    /// Globus Auth: identities and sign-in.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// assert_eq!(Service::auth().resource_server(), "auth.globus.org");
    /// ```
    pub fn auth() -> Self {
        Self::new("auth.globus.org", AUTH_URL).scope(Scope::view_identities())
    }

    /// Globus Transfer: collections, access rules, tasks.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// assert_eq!(Service::transfer().resource_server(), "transfer.api.globus.org");
    /// ```
    pub fn transfer() -> Self {
        Self::new("transfer.api.globus.org", TRANSFER_URL).scope(Scope::transfer_all())
    }

    /// Globus Groups.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// assert_eq!(Service::groups().resource_server(), "groups.api.globus.org");
    /// ```
    pub fn groups() -> Self {
        Self::new("groups.api.globus.org", GROUPS_URL).scope(Scope::groups_all())
    }

    /// Globus Timers. Its scope includes Transfer, since timers start transfers.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// assert_eq!(Service::timers().resource_server(), "524230d7-ea86-4a52-8312-86065a9e0417");
    /// ```
    pub fn timers() -> Self {
        // Timers is registered by its client id, not by a host name.
        Self::new("524230d7-ea86-4a52-8312-86065a9e0417", TIMERS_URL).scope(Scope::timers())
    }

    /// The manager API of a Globus Connect Server endpoint. `url` is the `gcs_manager_url` of its
    /// collections, without the trailing `/api`.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let endpoint = "313ce13e-b597-5858-ae13-29e46fea26e6".parse().unwrap();
    /// let server = Service::connect_server(endpoint, "https://abc.data.globus.org");
    /// assert_eq!(server.resource_server(), endpoint.to_string());
    /// ```
    pub fn connect_server(endpoint: Uuid, url: impl AsRef<str>) -> Self {
        let url = format!("{}/api", url.as_ref().trim_end_matches('/'));
        Self::new(endpoint.to_string(), url).scope(Scope::manage_collections(endpoint))
    }

    /// The name under which Globus Auth issues its tokens.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// println!("{}", Service::transfer().resource_server());
    /// ```
    pub fn resource_server(&self) -> &str {
        &self.resource_server
    }

    /// The default address of its API.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// assert_eq!(Service::transfer().default_url(), TRANSFER_URL);
    /// ```
    pub fn default_url(&self) -> &str {
        &self.url
    }

    /// The scopes that its calls need.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// assert_eq!(Service::transfer().scopes(), [Scope::transfer_all()]);
    /// ```
    pub fn scopes(&self) -> &[Scope] {
        &self.scopes
    }

    pub(crate) fn parsed_url(&self) -> crate::Result<Url> {
        crate::http::base_url(&self.url)
    }
}
