//! Identities by username and by id, many in one call.

use std::collections::HashSet;

use serde::Deserialize;
use uuid::Uuid;

use crate::client::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::http::Call;
use crate::signin::Service;

/// How many identities one request asks for, as in the Python SDK's `IdentityMap`: more make the address too long.
const BATCH: usize = 100;

/// One identity of Globus Auth.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Identity {
    /// The id, which access rules and roles name.
    pub id: Uuid,
    /// The username, such as `li@example.org`.
    pub username: String,
    /// The person's name, once they have signed in.
    #[serde(default)]
    pub name: Option<String>,
    /// The e-mail address, once they have signed in.
    #[serde(default)]
    pub email: Option<String>,
    /// The organization.
    #[serde(default)]
    pub organization: Option<String>,
    /// Which login service vouches for it.
    #[serde(default)]
    pub identity_provider: Option<Uuid>,
    /// `used`, `unused` (provisioned, nobody signed in with it yet), `private` or `closed`.
    #[serde(default)]
    pub status: Option<String>,
    /// `login`, `client` and so on.
    #[serde(default)]
    pub identity_type: Option<String>,
}

/// The identities that were found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identities(Vec<Identity>);

impl Identities {
    /// The identity of a username, whatever its capitals.
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
        self.0.iter().find(|identity| fold(&identity.username) == wanted)
    }

    /// Those of the usernames that have no identity.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let found = client.auth().identities().by_usernames(&["li@example.org"]).send().await?;
    /// for name in found.missing(&["li@example.org"]) {
    ///     println!("nobody is called {name}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn missing<'u, S: AsRef<str>>(&self, usernames: &'u [S]) -> Vec<&'u str> {
        let have: HashSet<String> = self.0.iter().map(|identity| fold(&identity.username)).collect();
        usernames.iter().map(AsRef::as_ref).filter(|name| !have.contains(&fold(name))).collect()
    }

    /// All of them.
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
        self.0.iter()
    }

    /// How many there are.
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
        self.0.len()
    }

    /// Whether there are none.
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
        self.0.is_empty()
    }
}

impl IntoIterator for Identities {
    type Item = Identity;
    type IntoIter = std::vec::IntoIter<Identity>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Usernames are compared as Globus Auth does: capitals and spaces around them don't matter.
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

    /// By usernames, which look like e-mail addresses and often are; capitals don't matter.
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
        let wanted =
            usernames.iter().map(|name| name.as_ref().trim().to_owned()).filter(|name| seen.insert(fold(name)));
        GetIdentities { core: self.core, key: "usernames", wanted: wanted.collect(), provision: false }
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
        GetIdentities { core: self.core, key: "ids", wanted, provision: false }
    }
}

/// A look-up of identities; [`GetIdentities::send`] makes one request for each hundred.
pub struct GetIdentities<'a> {
    core: &'a Core,
    key: &'static str,
    wanted: Vec<String>,
    provision: bool,
}

impl GetIdentities<'_> {
    /// Whether a username without an identity gets one, so that things can be shared with people who never signed in.
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

    /// Asks the service. Who isn't found is left out: see [`Identities::missing`].
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
        let tried =
            format!("look up {} {}", self.wanted.len(), if self.key == "ids" { "identities" } else { "usernames" });
        // A comma separates usernames in the request, so one inside a name would ask for somebody else.
        if let Some(bad) = self.wanted.iter().find(|name| name.is_empty() || name.contains(',')) {
            return Err(Error::local(ErrorKind::InvalidRequest, tried, format!("{bad:?} can't be a username")));
        }
        let mut found = Identities::default();
        for batch in self.wanted.chunks(BATCH) {
            let url = self.core.auth_endpoint(&["v2", "api", "identities"])?;
            let mut call = Call::get(url, tried.as_str()).query(self.key, batch.join(","));
            if self.key == "usernames" {
                call = call.query("provision", if self.provision { "true" } else { "false" });
            }
            let answer: Answer = self.core.call(Service::Auth, call).await?;
            found.0.extend(answer.identities);
        }
        Ok(found)
    }
}

#[derive(Deserialize)]
struct Answer {
    identities: Vec<Identity>,
}
