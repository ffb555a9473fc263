//! All that the simulated services know, in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::watch;
use uuid::Uuid;

use crate::faults::Orders;
use crate::seed::{Kind, Limits};
use crate::transfer::task::Task;

/// The simulated services, shared by all requests.
pub(crate) struct World {
    /// `http://127.0.0.1:9700`, without a slash at the end.
    pub base: String,
    pub key: crate::auth::id_token::Key,
    /// Says true when the simulator ends, so that running tasks do too.
    pub closing: watch::Sender<bool>,
    state: Mutex<State>,
}

impl World {
    pub fn new(base: String, state: State) -> Arc<Self> {
        Arc::new(Self {
            base,
            key: crate::auth::id_token::Key::default(),
            closing: watch::Sender::new(false),
            state: Mutex::new(state),
        })
    }

    /// Never held across an await. A handler that panicked in a test must not take the others along.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
pub(crate) struct State {
    pub identities: BTreeMap<Uuid, Identity>,
    pub apps: HashMap<Uuid, App>,
    pub groups: HashMap<Uuid, HashSet<Uuid>>,
    pub tokens: HashMap<String, Token>,
    pub codes: HashMap<String, AuthorizationCode>,
    pub consents: Vec<Consent>,
    pub collections: BTreeMap<Uuid, Collection>,
    pub bookmarks: Vec<Bookmark>,
    pub tasks: BTreeMap<Uuid, Task>,
    pub submissions: HashMap<Uuid, Submission>,
    pub notifications: Vec<Notification>,
    pub faults: Orders,
    pub log: Vec<Request>,
    /// Requests ever, those cleared from the log included.
    pub requests: u64,
    pub recent: HashMap<String, VecDeque<Instant>>,
    pub limits: Limits,
}

#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub id: Uuid,
    /// Lower case.
    pub username: String,
    pub name: Option<String>,
    pub email: Option<String>,
    pub organization: Option<String>,
    pub status: Status,
    /// The person: identities with the same person are linked.
    pub person: Uuid,
    pub provider: Uuid,
}

/// Whether anybody ever signed in with the identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Unused,
    Used,
}

#[derive(Clone)]
pub(crate) struct App {
    pub name: String,
    pub secret: Option<String>,
    /// The app that this one was made from, which may revoke its tokens.
    pub parent: Option<Uuid>,
}

#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub refresh: bool,
    pub client: Option<Uuid>,
    pub identity: Uuid,
    pub resource_server: String,
    /// Scopes of this resource server, without what depends on them.
    pub scopes: Vec<String>,
    pub issued: Timestamp,
    pub expires: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) struct AuthorizationCode {
    pub client: Uuid,
    pub identity: Uuid,
    pub scope: String,
    pub redirect_uri: String,
    pub challenge: Option<Challenge>,
    pub offline: bool,
    pub state: Option<String>,
    pub nonce: Option<String>,
    pub expires: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) struct Challenge {
    pub text: String,
    pub plain: bool,
}

/// That an account allows an app a scope, or a scope beneath a scope.
#[derive(Debug, Clone)]
pub(crate) struct Consent {
    pub id: u64,
    pub client: Uuid,
    pub identity: Uuid,
    /// From the top scope down, the last one being what is allowed.
    pub path: Vec<String>,
    /// The ids of the consents along `path`.
    pub dependency_path: Vec<u64>,
    pub offline: bool,
    pub created: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) struct Collection {
    pub id: Uuid,
    pub name: String,
    pub kind: Kind,
    /// Its directory on this machine.
    pub directory: PathBuf,
    /// Of a guest collection made by a call: the path in its host that it shares.
    pub host_path: Option<String>,
    pub host: Option<Uuid>,
    pub owner: Uuid,
    pub roles: Vec<Role>,
    pub rules: Vec<Rule>,
    pub users: Option<HashSet<Uuid>>,
    pub data_access: bool,
    pub public: bool,
    pub default_directory: Option<String>,
    pub description: Option<String>,
    pub organization: Option<String>,
    pub department: Option<String>,
    pub contact_email: Option<String>,
    pub contact_info: Option<String>,
    pub info_link: Option<String>,
    pub keywords: Vec<String>,
    pub subscription: Option<Uuid>,
    pub force_encryption: bool,
    pub force_verify: bool,
    pub disable_verify: bool,
    pub quota: Option<u64>,
    pub last_accessed: Option<Timestamp>,
    /// Who used it last, newest at the end: the search scope `recently-used`.
    pub used_by: Vec<Uuid>,
}

#[derive(Debug, Clone)]
pub(crate) struct Role {
    pub id: Uuid,
    pub principal_type: String,
    pub principal: Uuid,
    pub role: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub id: Uuid,
    pub principal_type: String,
    /// Empty for all_authenticated_users and anonymous.
    pub principal: String,
    pub path: String,
    pub permissions: String,
    pub created: Timestamp,
    pub expires: Option<Timestamp>,
}

impl Rule {
    pub fn live(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| expires > now)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Bookmark {
    pub id: Uuid,
    pub owner: Uuid,
    pub name: String,
    pub endpoint: Uuid,
    pub path: String,
    pub pinned: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Submission {
    pub owner: Uuid,
    pub task: Option<Uuid>,
}

/// An e-mail that Globus would have sent.
#[derive(Debug, Clone, Serialize)]
pub struct Notification {
    /// Address.
    pub to: String,
    /// Subject.
    pub subject: String,
    /// Text, with the message that the caller gave.
    pub text: String,
}

/// One request that came in, as the request log keeps it.
#[derive(Debug, Clone, Serialize)]
pub struct Request {
    /// 1 for the first.
    pub number: u64,
    /// Name of the call, such as `mkdir`; `unknown` for a path that the services don't have.
    pub call: String,
    /// HTTP method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// HTTP status of the answer; none while it is under way, hung or cut.
    pub status: Option<u16>,
}

impl State {
    /// The identity with this username, whatever its capitals.
    pub fn by_username(&self, username: &str) -> Option<&Identity> {
        let username = username.to_lowercase();
        self.identities.values().find(|identity| identity.username == username)
    }

    /// A username or an id.
    pub fn resolve(&self, principal: &str) -> Option<Uuid> {
        Uuid::parse_str(principal).ok().or_else(|| self.by_username(principal).map(|identity| identity.id))
    }

    /// The identity and those linked to it.
    pub fn identity_set(&self, id: Uuid) -> BTreeSet<Uuid> {
        let Some(identity) = self.identities.get(&id) else {
            return BTreeSet::from([id]);
        };
        self.identities.values().filter(|other| other.person == identity.person).map(|other| other.id).collect()
    }

    pub fn username(&self, id: Uuid) -> String {
        self.identities.get(&id).map_or_else(|| id.to_string(), |identity| identity.username.clone())
    }

    /// Whether the account lets the app have the last scope of `path` beneath the others.
    pub fn consented(&self, client: Option<Uuid>, identity: Uuid, path: &[String]) -> bool {
        client.is_some_and(|client| {
            self.consents
                .iter()
                .any(|consent| consent.client == client && consent.identity == identity && consent.path == path)
        })
    }
}

/// `2026-11-22T01:02:03+00:00`, the way Transfer writes times.
pub(crate) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

/// Reads the ISO 8601 forms that Transfer takes: with and without zone (then UTC), date alone, `T` or a blank.
pub(crate) fn parse_time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let with_seconds = regular_offset(text);
    for candidate in [text.to_owned(), with_seconds] {
        if let Ok(at) = candidate.parse::<Timestamp>() {
            return Some(at);
        }
        if let Ok(local) = candidate.parse::<jiff::civil::DateTime>()
            && let Ok(at) = local.to_zoned(jiff::tz::TimeZone::UTC)
        {
            return Some(at.timestamp());
        }
    }
    None
}

/// `2017-10-12 09:30Z` has no seconds, which `Timestamp` may refuse with a zone.
fn regular_offset(text: &str) -> String {
    let Some((date, clock)) = text.split_once(['T', ' ']) else {
        return text.to_owned();
    };
    let zone = clock.find(['Z', 'z', '+', '-']).map_or("", |at| &clock[at..]);
    let clock = &clock[..clock.len() - zone.len()];
    if clock.matches(':').count() == 1 { format!("{date}T{clock}:00{zone}") } else { format!("{date}T{clock}{zone}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_every_form_that_transfer_takes() {
        for (text, expected) in [
            ("2017-10-12 09:30Z", "2017-10-12T09:30:00+00:00"),
            ("2017-10-12 12:33:54+00:00", "2017-10-12T12:33:54+00:00"),
            ("2017-10-12T12:33:54+02:00", "2017-10-12T10:33:54+00:00"),
            ("2017-10-12T12:33:54", "2017-10-12T12:33:54+00:00"),
            ("2017-10-12", "2017-10-12T00:00:00+00:00"),
        ] {
            assert_eq!(parse_time(text).map(time).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(parse_time("tomorrow"), None);
    }
}
