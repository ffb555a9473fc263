//! The state of the simulated services, in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;
use uuid::Uuid;

use crate::faults::Orders;
use crate::seed::{Kind, Limits};

pub(crate) mod gcs;
pub(crate) mod group;
pub(crate) mod task;
pub(crate) mod timer;

pub(crate) use gcs::Server;
use group::Group;
use task::Task;
use timer::Timer;

/// The simulated services, shared by all requests.
pub(crate) struct World {
    /// `http://127.0.0.1:9700`, without a slash at the end.
    pub base: String,
    pub key: crate::signing::Key,
    /// Becomes true when the simulator ends, which stops running tasks.
    pub closing: watch::Sender<bool>,
    state: Mutex<State>,
}

impl World {
    pub fn new(base: String, state: State) -> Arc<Self> {
        Arc::new(Self {
            base,
            key: crate::signing::Key::default(),
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
    pub groups: BTreeMap<Uuid, Group>,
    /// Preferences of Groups, by identity.
    pub preferences: BTreeMap<Uuid, Value>,
    pub timers: BTreeMap<Uuid, Timer>,
    pub servers: BTreeMap<Uuid, Server>,
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

/// The account behind a call, with all its linked identities.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub identity: Uuid,
    pub set: BTreeSet<Uuid>,
    /// The app that the token was issued to; none for a token of the seed.
    pub client: Option<Uuid>,
    /// The scopes above Transfer's by which the call comes: none for a direct one, that of Timers for a
    /// timer's.
    pub through: Vec<String>,
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
    /// The Connect Server that it is on; none for Globus Connect Personal.
    pub server: Option<Uuid>,
    /// The storage gateway that it is on; none for Globus Connect Personal.
    pub gateway: Option<Uuid>,
    /// Guest: the user credential by which it reads and writes.
    pub credential: Option<Uuid>,
    /// Mapped: whether guest collections may be made on it.
    pub allow_guests: bool,
    /// Mapped: domains of identities that may log in; empty for all.
    pub domains: Vec<String>,
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
    pub user_message: Option<String>,
    pub user_message_link: Option<String>,
    pub keywords: Vec<String>,
    pub subscription: Option<Uuid>,
    pub force_encryption: bool,
    pub force_verify: bool,
    pub disable_verify: bool,
    pub quota: Option<u64>,
    pub created: Timestamp,
    pub last_accessed: Option<Timestamp>,
    /// Who used it last, newest at the end: the search scope `recently-used`.
    pub used_by: Vec<Uuid>,
}

impl Collection {
    /// A guest collection on a directory of this mapped one, without roles, rules and texts of its own.
    pub fn new_guest(&self, owner: Uuid, host_path: String, credential: Option<Uuid>) -> Self {
        Self {
            id: Uuid::new_v4(),
            name: String::new(),
            kind: Kind::Guest,
            host_path: Some(host_path),
            host: Some(self.id),
            credential,
            owner,
            roles: Vec::new(),
            rules: Vec::new(),
            users: None,
            domains: Vec::new(),
            data_access: false,
            public: true,
            default_directory: None,
            description: None,
            organization: None,
            department: None,
            contact_email: None,
            contact_info: None,
            info_link: None,
            user_message: None,
            user_message_link: None,
            keywords: Vec::new(),
            subscription: None,
            created: Timestamp::now(),
            last_accessed: None,
            used_by: Vec::new(),
            ..self.clone()
        }
    }
}

/// The roles that can be given on a collection.
pub(crate) const ROLES: [&str; 4] =
    ["administrator", "access_manager", "activity_manager", "activity_monitor"];

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
        self.identities
            .values()
            .filter(|other| other.person == identity.person)
            .map(|other| other.id)
            .collect()
    }

    /// The account that a token acts for.
    pub fn caller(&self, token: &Token) -> Caller {
        Caller {
            identity: token.identity,
            set: self.identity_set(token.identity),
            client: token.client,
            through: Vec::new(),
        }
    }

    /// Forgets a collection, and the bookmarks on it.
    pub fn remove_collection(&mut self, id: Uuid) {
        self.collections.remove(&id);
        self.bookmarks.retain(|bookmark| bookmark.endpoint != id);
    }

    pub fn username(&self, id: Uuid) -> String {
        self.identities.get(&id).map_or_else(|| id.to_string(), |identity| identity.username.clone())
    }

    /// Whether the account lets the app have the last scope of `path` beneath the others.
    pub fn consented(&self, client: Option<Uuid>, identity: Uuid, path: &[String]) -> bool {
        client.is_some_and(|client| {
            self.consents.iter().any(|consent| {
                consent.client == client && consent.identity == identity && consent.path == path
            })
        })
    }
}
