//! Identities by username and by id, many in one request.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::IdentityProvider;
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::http::Call;
use crate::lenient;
use crate::service::Service;

/// How many identities one request looks up, as in the Python SDK's `IdentityMap`: more make the URL too
/// long.
const BATCH: usize = 100;

/// One identity of Globus Auth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Identity {
    /// The id, which access rules and roles name.
    pub id: Uuid,
    /// The username, such as `li@example.org`.
    pub username: String,
    /// The person's name, once they have signed in.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub name: Option<String>,
    /// The e-mail address, once they have signed in.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub email: Option<String>,
    /// The organization.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub organization: Option<String>,
    /// The id of the login service that vouches for it.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub identity_provider: Option<Uuid>,
    /// `used`, `unused` (provisioned, but never signed in), `private` or `closed`.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub status: Option<String>,
    /// `login`, `client` and so on.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub identity_type: Option<String>,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The identities that were found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Identities {
    found: Vec<Identity>,
    /// Their login services; see [`GetIdentities::include_providers`].
    pub identity_providers: Vec<IdentityProvider>,
}

impl Identities {
    /// The identity with a username, in any letter case.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let found = client.auth().identities().by_usernames(&["li@example.org"]).send().await?;
    /// if let Some(li) = found.find("Li@Example.org") {
    ///     println!("{}", li.id);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn find(&self, username: &str) -> Option<&Identity> {
        let wanted = fold(username);
        self.found.iter().find(|identity| fold(&identity.username) == wanted)
    }

    /// The usernames that have no identity.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let found = client.auth().identities().by_usernames(&["li@example.org"]).send().await?;
    /// for name in found.missing(&["li@example.org"]) {
    ///     println!("there is no identity {name}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn missing<'u, S: AsRef<str>>(&self, usernames: &'u [S]) -> Vec<&'u str> {
        let have: HashSet<String> = self.found.iter().map(|identity| fold(&identity.username)).collect();
        usernames.iter().map(AsRef::as_ref).filter(|name| !have.contains(&fold(name))).collect()
    }

    /// Iterates over the identities.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// # let found = client.auth().identities().by_usernames(&["li@example.org"]).send().await?;
    /// for identity in found.iter() {
    ///     println!("{}", identity.username);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn iter(&self) -> std::slice::Iter<'_, Identity> {
        self.found.iter()
    }

    /// The number of identities.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// # let found = client.auth().identities().by_usernames(&["li@example.org"]).send().await?;
    /// println!("{} found", found.len());
    /// # Ok(())
    /// # }
    /// ```
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether none was found.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// # let found = client.auth().identities().by_usernames(&["li@example.org"]).send().await?;
    /// if found.is_empty() {
    ///     println!("none found");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}

impl IntoIterator for Identities {
    type Item = Identity;
    type IntoIter = std::vec::IntoIter<Identity>;

    fn into_iter(self) -> Self::IntoIter {
        self.found.into_iter()
    }
}

/// The form in which Globus Auth compares usernames: letter case and spaces around them don't matter.
fn fold(username: &str) -> String {
    username.trim().to_lowercase()
}

/// Starts a look-up of identities; see [`AuthHandler::identities`](super::AuthHandler::identities).
#[derive(Clone, Copy)]
pub struct IdentitiesHandler<'a> {
    core: &'a Core,
}

impl<'a> IdentitiesHandler<'a> {
    pub(super) fn new(core: &'a Core) -> Self {
        Self { core }
    }

    /// By usernames, which look like e-mail addresses and often are. Letter case doesn't matter.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), globus_transfer_client::Error> {
    /// let people = ["Li@example.org", "kim@example.org"];
    /// let found = client.auth().identities().by_usernames(&people).provision(true).send().await?;
    /// let li = found.find("li@example.org").expect("provisioned");
    /// println!("{}", li.id);
    /// # Ok(())
    /// # }
    /// ```
    pub fn by_usernames<S: AsRef<str>>(self, usernames: &[S]) -> GetIdentities<'a> {
        let mut seen = HashSet::new();
        let wanted = usernames
            .iter()
            .map(|name| name.as_ref().trim().to_owned())
            .filter(|name| seen.insert(fold(name)));
        GetIdentities::new(self.core, "usernames", wanted.collect())
    }

    /// By ids.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), Box<dyn std::error::Error>> {
    /// let id = "ae341a98-d274-11e5-b888-dbae3a8ba545".parse()?;
    /// for identity in client.auth().identities().by_ids(&[id]).send().await? {
    ///     println!("{}", identity.username);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn by_ids(self, ids: &[Uuid]) -> GetIdentities<'a> {
        let wanted = ids.iter().map(Uuid::to_string).collect();
        GetIdentities::new(self.core, "ids", wanted)
    }
}

/// A look-up of identities; [`GetIdentities::send`] makes one request for each hundred.
#[must_use = "nothing is sent until `send` is awaited"]
pub struct GetIdentities<'a> {
    core: &'a Core,
    key: &'static str,
    wanted: Vec<String>,
    provision: bool,
    include_providers: bool,
}

impl<'a> GetIdentities<'a> {
    fn new(core: &'a Core, key: &'static str, wanted: Vec<String>) -> Self {
        Self { core, key, wanted, provision: false, include_providers: false }
    }

    /// Returns the identity providers of the identities as well, in [`Identities::identity_providers`].
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, id: uuid::Uuid) -> Result<()> {
    /// let found = client.auth().identities().by_ids(&[id]).include_providers().send().await?;
    /// for provider in &found.identity_providers {
    ///     println!("{}", provider.name);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn include_providers(mut self) -> Self {
        self.include_providers = true;
        self
    }

    /// Sets whether a username without an identity gets one, so that data can be shared with people who have
    /// never signed in to Globus; not by default.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let people = client.auth().identities().by_usernames(&["new@example.org"]).provision(true).send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn provision(mut self, provision: bool) -> Self {
        self.provision = provision;
        self
    }

    /// Sends the request. Identities that aren't found are left out: see [`Identities::missing`].
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] for a username that can't be one (empty, or with a comma in it).
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let found = client.auth().identities().by_usernames(&["li@example.org"]).send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send(self) -> Result<Identities> {
        let operation = format!(
            "look up {} {}",
            self.wanted.len(),
            if self.key == "ids" { "identities" } else { "usernames" }
        );
        // A comma separates usernames in the request, so one inside a name would ask for another person.
        if let Some(bad) = self.wanted.iter().find(|name| name.is_empty() || name.contains(',')) {
            return Err(Error::local(
                ErrorKind::InvalidRequest,
                operation,
                format!("{bad:?} can't be a username"),
            ));
        }
        let mut found = Identities::default();
        for batch in self.wanted.chunks(BATCH) {
            let url = self.core.auth_endpoint(&["v2", "api", "identities"])?;
            let mut call = Call::get(url, operation.as_str()).query(self.key, batch.join(","));
            if self.key == "usernames" {
                call = call.query("provision", if self.provision { "true" } else { "false" });
            }
            if self.include_providers {
                call = call.query("include", "identity_provider");
            }
            let page: Page = self.core.call(&Service::auth(), call).await?;
            found.found.extend(page.identities);
            for provider in page.included.identity_providers {
                if !found.identity_providers.contains(&provider) {
                    found.identity_providers.push(provider);
                }
            }
        }
        Ok(found)
    }
}

#[derive(Deserialize)]
struct Page {
    #[serde(deserialize_with = "lenient::items")]
    identities: Vec<Identity>,
    #[serde(default)]
    included: Included,
}

#[derive(Default, Deserialize)]
struct Included {
    #[serde(default, deserialize_with = "lenient::items")]
    identity_providers: Vec<IdentityProvider>,
}
