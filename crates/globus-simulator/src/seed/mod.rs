//! The initial state of a simulator: accounts, apps, groups, servers, collections, tokens.
//!
//! A program reads it from a TOML file; a test builds it in code. Nothing in it guards anything real, so its
//! secrets are plain text; `Debug` omits them all the same, so that a search for leaked secrets finds none.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

mod collection;

pub use collection::{Collection, Kind, Role, Rule};

/// The initial state of a simulator.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Seed {
    /// People who can sign in.
    pub accounts: Vec<Account>,
    /// Registered apps: services with a secret, native apps without.
    pub apps: Vec<App>,
    /// Groups whose members can be named by an access rule.
    pub groups: Vec<Group>,
    /// Globus Connect Servers.
    pub servers: Vec<Server>,
    /// Mapped and guest collections, each on a real directory.
    pub collections: Vec<Collection>,
    /// Access tokens that are valid from the start.
    pub tokens: Vec<GivenToken>,
    /// Pace and limits.
    pub limits: Limits,
}

impl Seed {
    /// Reads a seed from TOML text.
    ///
    /// # Errors
    /// When the text isn't TOML or has a key that a seed doesn't know; the error names line and key.
    pub fn from_toml(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// Adds an account.
    #[must_use]
    pub fn account(mut self, account: Account) -> Self {
        self.accounts.push(account);
        self
    }

    /// Adds an app.
    #[must_use]
    pub fn app(mut self, app: App) -> Self {
        self.apps.push(app);
        self
    }

    /// Adds a collection.
    #[must_use]
    pub fn collection(mut self, collection: Collection) -> Self {
        self.collections.push(collection);
        self
    }

    /// Adds a group.
    #[must_use]
    pub fn group(mut self, group: Group) -> Self {
        self.groups.push(group);
        self
    }

    /// Adds a Globus Connect Server.
    #[must_use]
    pub fn server(mut self, server: Server) -> Self {
        self.servers.push(server);
        self
    }

    /// Adds a token that is valid from the start.
    #[must_use]
    pub fn token(mut self, token: GivenToken) -> Self {
        self.tokens.push(token);
        self
    }
}

/// A person, with one identity; `linked` names further accounts of the same person.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// `ada@example.org`; compared without regard to capitals, as Globus does.
    pub username: String,
    /// Full name; none for an identity without a sign-in so far.
    #[serde(default)]
    pub name: Option<String>,
    /// Defaults to the username.
    #[serde(default)]
    pub email: Option<String>,
    /// Made from the username when absent, the same in every run.
    #[serde(default)]
    pub id: Option<Uuid>,
    /// Organization, shown by userinfo and in identities.
    #[serde(default)]
    pub organization: Option<String>,
    /// Usernames of accounts that are the same person's: an access rule for one counts for all.
    #[serde(default)]
    pub linked: Vec<String>,
}

impl Account {
    /// An account with a username and a full name.
    #[must_use]
    pub fn new(username: &str, name: &str) -> Self {
        Self { username: username.to_owned(), name: Some(name.to_owned()), ..Self::default() }
    }

    /// Sets the identity id.
    #[must_use]
    pub fn id(mut self, id: Uuid) -> Self {
        self.id = Some(id);
        self
    }
}

/// A registered app. With a secret it is a service, whose own identity is `<id>@clients.auth.globus.org`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// Client id.
    pub id: Uuid,
    /// Shown on the sign-in page.
    #[serde(default)]
    pub name: Option<String>,
    /// Client secret; none makes it a native app, which must use PKCE.
    #[serde(default)]
    pub secret: Option<String>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}

impl App {
    /// A service that signs in with its secret.
    #[must_use]
    pub fn service(id: Uuid, secret: &str) -> Self {
        Self { id, name: None, secret: Some(secret.to_owned()) }
    }

    /// A native app: no secret, authorization code with PKCE.
    #[must_use]
    pub fn native(id: Uuid) -> Self {
        Self { id, name: None, secret: None }
    }
}

/// A group and its members.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Group id.
    pub id: Uuid,
    /// Name.
    #[serde(default)]
    pub name: Option<String>,
    /// Usernames or identity ids of members.
    #[serde(default)]
    pub members: Vec<String>,
    /// Usernames or identity ids of administrators, who are members too.
    #[serde(default)]
    pub admins: Vec<String>,
    /// The subscription that the group has.
    #[serde(default)]
    pub subscription: Option<Uuid>,
}

/// A Globus Connect Server. Mapped collections that name none are on the first one, which is made when
/// absent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Endpoint id, which is the id of the server's own Globus Auth client too.
    pub id: Uuid,
    /// Display name.
    pub name: String,
    /// Username or id of the owner, who is its administrator.
    pub owner: String,
    /// Organization.
    #[serde(default)]
    pub organization: Option<String>,
}

/// An access token that is valid from the start.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GivenToken {
    /// The token as a client sends it.
    pub token: String,
    /// Username or identity id (a service's client id too) that it acts for.
    pub account: String,
    /// Scopes of one service, such as `urn:globus:auth:scope:transfer.api.globus.org:all`.
    pub scopes: Vec<String>,
    /// Seconds until it expires; two days when absent.
    #[serde(default)]
    pub expires_in: Option<u64>,
}

impl std::fmt::Debug for GivenToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GivenToken")
            .field("account", &self.account)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

impl GivenToken {
    /// A token for Transfer, valid for two days.
    #[must_use]
    pub fn transfer(token: &str, account: &str) -> Self {
        Self::scoped(token, account, crate::auth::scope::TRANSFER_ALL)
    }

    /// A token for the manager API of a Connect Server, valid for two days.
    #[must_use]
    pub fn manage_collections(token: &str, account: &str, server: Uuid) -> Self {
        Self::scoped(token, account, &crate::auth::scope::manage_collections(server))
    }

    /// A token for Groups, valid for two days.
    #[must_use]
    pub fn groups(token: &str, account: &str) -> Self {
        Self::scoped(token, account, crate::auth::scope::GROUPS_ALL)
    }

    /// A token for Timers, valid for two days.
    #[must_use]
    pub fn timers(token: &str, account: &str) -> Self {
        Self::scoped(token, account, crate::auth::scope::TIMER)
    }

    /// A token for Auth (identities, userinfo), valid for two days.
    #[must_use]
    pub fn auth(token: &str, account: &str) -> Self {
        Self::scoped(
            token,
            account,
            "openid profile email urn:globus:auth:scope:auth.globus.org:view_identities",
        )
    }

    fn scoped(token: &str, account: &str, scopes: &str) -> Self {
        Self {
            token: token.to_owned(),
            account: account.to_owned(),
            scopes: scopes.split(' ').map(str::to_owned).collect(),
            expires_in: None,
        }
    }
}

/// Pace and limits; the defaults are the service's, without its slowness.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Lifetime of an access token, seconds (the service's: two days).
    pub token_seconds: u64,
    /// Access rules that one collection holds at most.
    pub rules: usize,
    /// Requests of one token within any one second before 429; none means no limit.
    pub requests_per_second: Option<u32>,
    /// Bytes per second that a task moves at most; none means as fast as the disk.
    pub bytes_per_second: Option<u64>,
    /// Milliseconds that a task takes at least.
    pub task_milliseconds: u64,
    /// Milliseconds before a task tries again what failed.
    pub retry_milliseconds: u64,
    /// Tasks that one account may have running or waiting at once (the service's: 100).
    pub tasks: usize,
    /// Shortest interval of a recurring timer in seconds (the service's: 60).
    pub timer_seconds: u64,
    /// Entries of one page of successful transfers and skipped errors (the service's: 1000).
    pub page: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            token_seconds: 172_800,
            rules: 1000,
            requests_per_second: None,
            bytes_per_second: None,
            task_milliseconds: 0,
            retry_milliseconds: 500,
            tasks: 100,
            timer_seconds: 60,
            page: 1000,
        }
    }
}

impl Limits {
    pub(crate) fn task_time(&self) -> Duration {
        Duration::from_millis(self.task_milliseconds)
    }
}
