//! The Globus collection as beamshare needs it: directories, access rules, identities, the link.

use crate::config::{self, Permissions};
use crate::domain::{EmailAddress, RelativePath, Retry, StepError};
use crate::globus::{client, place_name, step_error};
use crate::journal::AccessRow;
use crate::places::{CreateOutcome, DirectoryState, Place};
use async_trait::async_trait;
use globus_transfer_client as globus;
use globus_transfer_client::{AccessRule, ErrorKind, GlobusClient, PrincipalType};
use jiff::Timestamp;
use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;
use url::Url;
use uuid::Uuid;

/// The number of a directory's names that the operator sees.
pub(super) const NAMES_SHOWN: usize = 3;

/// A Globus collection, or the part of it below a directory.
pub struct Collection {
    client: GlobusClient,
    settings: config::Globus,
    /// In the journal's claims
    name: String,
    /// Identities by address; they never change.
    identities: Mutex<HashMap<String, Uuid>>,
}

impl Collection {
    /// The collection of `[globus]`; no request is made yet. An error names the file with the secret.
    pub fn from_config(settings: &config::Globus) -> Result<Collection, StepError> {
        Ok(Collection::new(client(settings)?, settings))
    }

    /// A collection with an existing client. The client must not retry by itself: the screen must show that a
    /// step waits.
    pub fn new(client: GlobusClient, settings: &config::Globus) -> Collection {
        let name = format!("globus:{}", settings.collection);
        Collection { client, settings: settings.clone(), name, identities: Mutex::default() }
    }

    /// The destination of a pair that is shared on the same terms as the first collection.
    pub(super) fn of_pair(
        client: GlobusClient,
        settings: &config::Globus,
        pair: &config::Sync,
    ) -> Collection {
        let destination = &pair.destination;
        let top = destination.path.top().to_owned();
        let settings = config::Globus { collection: destination.collection, top, ..settings.clone() };
        let name = place_name(destination.collection, &settings.top);
        Collection { client, settings, name, identities: Mutex::default() }
    }

    /// The client, e.g. to try the sign-in.
    pub fn client(&self) -> &GlobusClient {
        &self.client
    }

    pub(super) fn settings(&self) -> &config::Globus {
        &self.settings
    }

    /// The directory's path on the collection, with a `/` at both ends, as access rules have it.
    pub fn path(&self, path: &RelativePath) -> String {
        let top = self.settings.top.trim_matches('/');
        if top.is_empty() { format!("/{path}/") } else { format!("/{top}/{path}/") }
    }

    /// Whether a rule's path is the directory or lies below it. Capitals make no difference.
    pub(super) fn covers(&self, directory: &RelativePath, rule_path: &str) -> bool {
        let rule_path = format!("{}/", rule_path.trim_end_matches('/').to_lowercase());
        rule_path.starts_with(&self.path(directory).to_lowercase())
    }

    /// Whether an access is to a directory below the collection's top.
    pub(super) fn has(&self, row: &AccessRow) -> bool {
        row.collection == self.settings.collection && row.path.starts_with(&self.settings.top)
    }

    /// The link to the directory in the Globus web app.
    pub fn link(&self, path: &RelativePath) -> Url {
        let mut link = self.settings.file_manager_url.clone();
        link.query_pairs_mut()
            .append_pair("origin_id", &self.settings.collection.to_string())
            .append_pair("origin_path", &self.path(path));
        link
    }

    /// All access rules of the collection, in one request.
    pub(super) async fn rules(&self) -> Result<Vec<AccessRule>, StepError> {
        let listed = self.client.transfer().access_rules(self.settings.collection).list().await;
        Ok(self.result(listed)?.rules)
    }

    /// The Globus identities of these addresses, all in one request; addresses without one get one.
    pub(super) async fn identities(
        &self,
        people: &[EmailAddress],
    ) -> Result<HashMap<String, Uuid>, StepError> {
        self.look_up(people, true).await
    }

    /// The identities that these addresses have so far.
    pub(super) async fn known(&self, people: &[EmailAddress]) -> Result<Vec<Uuid>, StepError> {
        Ok(self.look_up(people, false).await?.into_values().collect())
    }

    async fn look_up(
        &self,
        people: &[EmailAddress],
        provision: bool,
    ) -> Result<HashMap<String, Uuid>, StepError> {
        let usernames: Vec<_> = people.iter().map(EmailAddress::username).collect();
        let unknown: Vec<_> = {
            let cached = self.cache();
            usernames.iter().filter(|name| !cached.contains_key(*name)).cloned().collect()
        };
        if !unknown.is_empty() {
            let found =
                self.client.auth().identities().by_usernames(&unknown).provision(provision).send().await;
            let found = self.result(found)?;
            let mut cached = self.cache();
            for name in unknown {
                if let Some(identity) = found.find(&name) {
                    cached.insert(name, identity.id);
                }
            }
        }
        let cached = self.cache();
        Ok(usernames.into_iter().filter_map(|name| cached.get(&name).map(|id| (name.clone(), *id))).collect())
    }

    /// The usernames of identities, for people; identities that can't be looked up are left out.
    pub(super) async fn names(&self, identities: impl Iterator<Item = Uuid>) -> HashMap<Uuid, String> {
        let identities: Vec<_> = identities.collect();
        if identities.is_empty() {
            return HashMap::new();
        }
        match self.client.auth().identities().by_ids(&identities).send().await {
            Ok(found) => found.iter().map(|identity| (identity.id, identity.username.clone())).collect(),
            Err(error) => {
                tracing::warn!("{error}");
                HashMap::new()
            }
        }
    }

    /// Makes an access rule and returns its id. Globus mails `notify`.
    pub(super) async fn grant(
        &self,
        identity: Uuid,
        path: &str,
        ends: Option<Timestamp>,
        notify: Option<&EmailAddress>,
    ) -> Result<String, StepError> {
        let transfer = self.client.transfer();
        let mut rule = transfer
            .access_rules(self.settings.collection)
            .create(identity, path)
            .permissions(self.permissions());
        if let Some(ends) = ends {
            rule = rule.expires(ends);
        }
        if let Some(email) = notify {
            rule = rule.notify(email.as_str(), self.settings.notify_message.clone());
        }
        match rule.send().await {
            Ok(id) => Ok(id),
            // It was made a moment ago, by our own request whose answer was lost: the next attempt finds it
            // in the list.
            Err(error) if *error.kind() == ErrorKind::Exists => {
                Err(StepError { message: error.to_string(), retry: Retry::Backoff })
            }
            Err(error) => Err(self.step_error(&error)),
        }
    }

    /// Gives one of our rules the configured permissions and this expiry. Globus removes the rule when it
    /// comes.
    pub(super) async fn change(&self, rule: &str, ends: Option<Timestamp>) -> Result<(), StepError> {
        let transfer = self.client.transfer();
        let rules = transfer.access_rules(self.settings.collection);
        self.result(rules.update(rule).permissions(self.permissions()).expires(ends).send().await)
    }

    /// Deletes one of our rules; one that is gone is fine.
    pub(super) async fn revoke(&self, rule: &str) -> Result<(), StepError> {
        match self.client.transfer().access_rules(self.settings.collection).delete(rule).await {
            // The access must really be gone, so "not found" is verified with the list.
            Err(error) if is_missing(&error) => {
                let listed = self.rules().await?.iter().any(|other| other.id.as_deref() == Some(rule));
                if listed {
                    Err(StepError { message: error.to_string(), retry: Retry::Backoff })
                } else {
                    Ok(())
                }
            }
            other => self.result(other),
        }
    }

    pub(super) fn permissions(&self) -> globus::Permissions {
        match self.settings.permissions {
            Permissions::R => globus::Permissions::Read,
            Permissions::Rw => globus::Permissions::ReadWrite,
        }
    }

    /// An error of Globus as a step reports it.
    pub(super) fn step_error(&self, error: &globus::Error) -> StepError {
        step_error(error, &self.settings)
    }

    fn result<T>(&self, result: globus::Result<T>) -> Result<T, StepError> {
        result.map_err(|error| self.step_error(&error))
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, HashMap<String, Uuid>> {
        self.identities.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[async_trait]
impl Place for Collection {
    /// `globus:` and the collection's id.
    fn name(&self) -> &str {
        &self.name
    }

    async fn look(&self, path: &RelativePath) -> Result<DirectoryState, StepError> {
        let ls = self.client.transfer().ls(self.settings.collection, self.path(path));
        match ls.show_hidden(true).limit(NAMES_SHOWN as u64 + 1).send().await {
            Ok(listing) if listing.entries.is_empty() => Ok(DirectoryState::Empty),
            Ok(listing) => {
                let names = listing.entries.into_iter().take(NAMES_SHOWN).map(|entry| entry.name);
                Ok(DirectoryState::Occupied(names.collect()))
            }
            Err(error) if is_missing(&error) => Ok(DirectoryState::Missing),
            Err(error) if *error.kind() == ErrorKind::NotDirectory => {
                Ok(DirectoryState::Occupied(vec!["a file, not a directory".to_owned()]))
            }
            Err(error) => Err(self.step_error(&error)),
        }
    }

    async fn make(&self, path: &RelativePath) -> Result<CreateOutcome, StepError> {
        let transfer = self.client.transfer();
        let make =
            transfer.create_dir_all(self.settings.collection, self.path(path)).below(&self.settings.top);
        let made = self.result(make.send().await)?;
        match made.last().map(|directory| directory.creation) {
            Some(globus::Creation::Created) => Ok(CreateOutcome::Created),
            _ => Ok(CreateOutcome::Existed),
        }
    }

    async fn probe(&self) -> Result<String, StepError> {
        let top = self.client.transfer().ls(self.settings.collection, &self.settings.top).limit(1);
        let (_, rules) = tokio::try_join!(async { self.result(top.send().await) }, self.rules())?;
        let used = rules.iter().filter(|rule| rule.role_id.is_none()).count();
        Ok(format!(
            "{} can be read; {used} of {} access rules used",
            self.settings.top,
            globus::ACCESS_RULE_LIMIT
        ))
    }
}

/// The path or rule is missing, and not the collection.
fn is_missing(error: &globus::Error) -> bool {
    *error.kind() == ErrorKind::NotFound && error.code() != Some("EndpointNotFound")
}

/// The principal of an access rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Principal {
    Identity(Uuid),
    Group(Uuid),
    Everyone,
    Other,
}

impl Principal {
    pub fn of(rule: &AccessRule) -> Principal {
        let id = rule.principal.parse().ok();
        match (rule.principal_type, id) {
            (PrincipalType::Identity, Some(id)) => Principal::Identity(id),
            (PrincipalType::Group, Some(id)) => Principal::Group(id),
            (PrincipalType::AllAuthenticatedUsers | PrincipalType::Anonymous, _) => Principal::Everyone,
            _ => Principal::Other,
        }
    }

    pub fn identity(self) -> Option<Uuid> {
        match self {
            Principal::Identity(id) => Some(id),
            _ => None,
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Principal::Identity(id) => write!(f, "the Globus identity {id}"),
            Principal::Group(id) => write!(f, "the Globus group {id}"),
            Principal::Everyone => f.write_str("everyone"),
            Principal::Other => f.write_str("someone"),
        }
    }
}
