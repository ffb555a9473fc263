//! Collections of a seed, with their roles and access rules.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Mapped: people come in as local users. Guest: a shared folder of a mapped collection, under access rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A mapped collection (`GCSv5_mapped_collection`).
    Mapped,
    /// A guest collection (`GCSv5_guest_collection`).
    Guest,
}

/// A collection on a real directory.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collection {
    /// Collection id.
    pub id: Uuid,
    /// Display name.
    pub name: String,
    /// Mapped or guest.
    pub kind: Kind,
    /// The directory that holds its files; relative to the simulator's root, made when missing.
    pub directory: PathBuf,
    /// Username or id of the owner (a service's client id too).
    pub owner: String,
    /// Roles beside the owner's.
    #[serde(default)]
    pub roles: Vec<Role>,
    /// Access rules of a guest collection.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// Mapped: who has a local account; absent means everyone.
    #[serde(default)]
    pub users: Option<Vec<String>>,
    /// Mapped: whether the `data_access` consent is asked for.
    #[serde(default)]
    pub data_access: bool,
    /// Mapped: the Connect Server that it is on; the first one when absent.
    #[serde(default)]
    pub server: Option<Uuid>,
    /// On a Globus Connect Personal instead of a Connect Server.
    #[serde(default)]
    pub personal: bool,
    /// Mapped: only identities of these domains may log in; empty for all.
    #[serde(default)]
    pub domains: Vec<String>,
    /// Mapped: whether guest collections may be made on it.
    #[serde(default = "yes")]
    pub allow_guest_collections: bool,
    /// Whether those without a role or rule can see it.
    #[serde(default = "yes")]
    pub public: bool,
    /// Guest: the mapped collection that it is a part of.
    #[serde(default)]
    pub host: Option<Uuid>,
    /// Where `/~/` leads; `/` when absent.
    #[serde(default)]
    pub default_directory: Option<String>,
    /// Description.
    #[serde(default)]
    pub description: Option<String>,
    /// Organization.
    #[serde(default)]
    pub organization: Option<String>,
    /// Keywords, found by the search.
    #[serde(default)]
    pub keywords: Vec<String>,
    /// Bytes that it holds at most; a transfer beyond is a quota error.
    #[serde(default)]
    pub quota: Option<u64>,
}

fn yes() -> bool {
    true
}

impl Collection {
    /// A mapped collection that everyone may use, without `data_access` consent.
    #[must_use]
    pub fn mapped(id: Uuid, name: &str, directory: impl Into<PathBuf>, owner: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            kind: Kind::Mapped,
            directory: directory.into(),
            owner: owner.to_owned(),
            roles: Vec::new(),
            rules: Vec::new(),
            users: None,
            data_access: false,
            server: None,
            personal: false,
            domains: Vec::new(),
            allow_guest_collections: true,
            public: true,
            host: None,
            default_directory: None,
            description: None,
            organization: None,
            keywords: Vec::new(),
            quota: None,
        }
    }

    /// A guest collection.
    #[must_use]
    pub fn guest(id: Uuid, name: &str, directory: impl Into<PathBuf>, owner: &str) -> Self {
        Self { kind: Kind::Guest, ..Self::mapped(id, name, directory, owner) }
    }

    /// Gives a role: `administrator`, `access_manager`, `activity_manager`, `activity_monitor`.
    #[must_use]
    pub fn role(mut self, principal: &str, role: &str) -> Self {
        self.roles.push(Role { principal: principal.to_owned(), role: role.to_owned() });
        self
    }

    /// Gives an access rule: `r` or `rw` on a path that starts and ends with `/`.
    #[must_use]
    pub fn rule(mut self, principal: &str, path: &str, permissions: &str) -> Self {
        self.rules.push(Rule {
            principal: principal.to_owned(),
            path: path.to_owned(),
            permissions: permissions.to_owned(),
        });
        self
    }

    /// Names the mapped collection that a guest collection is a part of.
    #[must_use]
    pub fn host(mut self, id: Uuid) -> Self {
        self.host = Some(id);
        self
    }

    /// On a Globus Connect Personal instead of a Connect Server.
    #[must_use]
    pub fn personal(mut self) -> Self {
        self.personal = true;
        self
    }

    /// Names the Connect Server that it is on.
    #[must_use]
    pub fn server(mut self, id: Uuid) -> Self {
        self.server = Some(id);
        self
    }

    /// Asks for the `data_access` consent.
    #[must_use]
    pub fn data_access(mut self) -> Self {
        self.data_access = true;
        self
    }
}

/// A role on a collection.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Username or identity id.
    pub principal: String,
    /// `administrator`, `access_manager`, `activity_manager`, `activity_monitor`.
    pub role: String,
}

/// An access rule of a guest collection.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Username or identity id, or `all_authenticated_users`, or `anonymous`.
    pub principal: String,
    /// Starts and ends with `/`.
    pub path: String,
    /// `r` or `rw`.
    pub permissions: String,
}
