//! Access rules of guest collections ("permissions" in the web interface).

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{CreateAccessRule, DataList, UpdateAccessRule};
use crate::core::Core;
use crate::error::Result;
use crate::http::Call;
use crate::lenient;
use crate::path;

/// The number of access rules that a collection can have.
pub const ACCESS_RULE_LIMIT: usize = 1000;

/// What an access rule allows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Permissions {
    /// Reading (`r`).
    #[serde(rename = "r")]
    Read,
    /// Reading and writing (`rw`).
    #[serde(rename = "rw")]
    ReadWrite,
    /// Permissions that this version doesn't know.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Permissions {
    /// As Transfer writes it: `r` or `rw`.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// assert_eq!(Permissions::ReadWrite.as_str(), "rw");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "r",
            Self::ReadWrite => "rw",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// The kind of principal of an access rule or role.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PrincipalType {
    /// One identity.
    Identity,
    /// A Globus group.
    Group,
    /// Everyone who is signed in to Globus.
    AllAuthenticatedUsers,
    /// Everyone.
    Anonymous,
    /// A kind that this version doesn't know.
    #[default]
    #[serde(other)]
    Unknown,
}

/// One access rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AccessRule {
    /// The id; `None` for a rule that a role on the collection implies.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub id: Option<String>,
    /// The kind of principal.
    #[serde(default)]
    pub principal_type: PrincipalType,
    /// The id of the identity or group; empty for everyone.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub principal: String,
    /// The directory, with everything below it.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub path: String,
    /// What it allows.
    #[serde(default)]
    pub permissions: Permissions,
    /// The role that implies it.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub role_id: Option<String>,
    /// When Globus deletes it.
    #[serde(default, deserialize_with = "lenient::time")]
    pub expiration_date: Option<Timestamp>,
    /// When it was created.
    #[serde(default, deserialize_with = "lenient::time")]
    pub create_time: Option<Timestamp>,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl AccessRule {
    /// Whether it is for this identity.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let rules = client.transfer().access_rules(collection).list().await?;
    /// let theirs = rules.rules.iter().filter(|rule| rule.is_for(id)).count();
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_for(&self, identity: Uuid) -> bool {
        self.principal_type == PrincipalType::Identity
            && self.principal.parse::<Uuid>().is_ok_and(|principal| principal == identity)
    }
}

/// All access rules of a collection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AccessRules {
    /// The rules, including those that roles imply.
    pub rules: Vec<AccessRule>,
}

impl AccessRules {
    /// The number of the [`ACCESS_RULE_LIMIT`] rules that are used. Rules that roles imply don't count.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let rules = client.transfer().access_rules(collection).list().await?;
    /// println!("{} of {ACCESS_RULE_LIMIT}", rules.used());
    /// # Ok(())
    /// # }
    /// ```
    pub fn used(&self) -> usize {
        self.rules.iter().filter(|rule| rule.role_id.is_none()).count()
    }

    /// Finds the rule for an identity on exactly this directory.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let rules = client.transfer().access_rules(collection).list().await?;
    /// let may_read = rules.find(id, "/2026-03/Li/").is_some();
    /// # Ok(())
    /// # }
    /// ```
    pub fn find(&self, identity: Uuid, path: &str) -> Option<&AccessRule> {
        let wanted = path::directory(path).ok()?;
        self.rules.iter().find(|rule| {
            rule.is_for(identity) && rule.role_id.is_none() && same_directory(&rule.path, &wanted)
        })
    }
}

pub(super) fn same_directory(path: &str, wanted: &str) -> bool {
    path::directory(path).is_ok_and(|path| path == wanted)
}

/// The access rules of one collection; see
/// [`TransferHandler::access_rules`](super::TransferHandler::access_rules).
#[derive(Clone, Copy)]
pub struct AccessRulesHandler<'a> {
    pub(super) core: &'a Core,
    pub(super) collection: Uuid,
}

impl<'a> AccessRulesHandler<'a> {
    pub(super) fn new(core: &'a Core, collection: Uuid) -> Self {
        Self { core, collection }
    }

    /// Lists all rules, in one request.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, collection: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// for rule in client.transfer().access_rules(collection).list().await?.rules {
    ///     println!("{} {} {}", rule.principal, rule.permissions, rule.path);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn list(self) -> Result<AccessRules> {
        let url = self.url("access_list", None)?;
        let call = Call::get(url, format!("list the access rules of collection {}", self.collection));
        let list: DataList<AccessRule> = self.core.transfer(call).await?;
        Ok(AccessRules { rules: list.data })
    }

    /// Gets a rule by its id.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) when no rule has this id.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, collection: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// let rule = client.transfer().access_rules(collection).get("0f1e2d3c-…").await?;
    /// println!("{}", rule.path);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get(self, id: &str) -> Result<AccessRule> {
        let url = self.url("access", Some(id))?;
        self.core.transfer(Call::get(url, self.operation("get", id))).await
    }

    /// Creates a rule for an identity on a directory. It allows reading unless
    /// [`CreateAccessRule::permissions`] says otherwise.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, collection: uuid::Uuid, li: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// let rules = client.transfer().access_rules(collection);
    /// let id = rules.create(li, "/2026-03/Li/").send().await?;
    /// println!("created the rule {id}");
    /// # Ok(())
    /// # }
    /// ```
    pub fn create(self, identity: Uuid, path: impl Into<String>) -> CreateAccessRule<'a> {
        self.create_for(PrincipalType::Identity, Some(identity), path)
    }

    /// Creates a rule for the members of a group: those who join later get access, those who leave lose it.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, collection: uuid::Uuid, group: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// let rules = client.transfer().access_rules(collection);
    /// let id = rules.create_for_group(group, "/2026-03/Li/").send().await?;
    /// println!("created the rule {id}");
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_for_group(self, group: Uuid, path: impl Into<String>) -> CreateAccessRule<'a> {
        self.create_for(PrincipalType::Group, Some(group), path)
    }

    /// Creates a rule for a principal of any type: a person, a group, everyone who is signed in, or everyone.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, collection: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// use globus_transfer_client::PrincipalType;
    ///
    /// let rules = client.transfer().access_rules(collection);
    /// rules.create_for(PrincipalType::AllAuthenticatedUsers, None, "/public/").send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_for(
        self,
        principal_type: PrincipalType,
        principal: Option<Uuid>,
        path: impl Into<String>,
    ) -> CreateAccessRule<'a> {
        CreateAccessRule {
            rules: self,
            principal_type,
            principal: principal.map(|id| id.to_string()).unwrap_or_default(),
            path: path.into(),
            permissions: Permissions::Read,
            notify: None,
            expires: None,
        }
    }

    /// Changes a rule.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, collection: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// use globus_transfer_client::Permissions;
    ///
    /// let rules = client.transfer().access_rules(collection);
    /// rules.update("0f1e2d3c-…").permissions(Permissions::ReadWrite).send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn update(self, id: impl Into<String>) -> UpdateAccessRule<'a> {
        UpdateAccessRule { rules: self, id: id.into(), changes: serde_json::Map::new() }
    }

    /// Deletes a rule. Not found after a lost response counts as deleted.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) when no rule has this id.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, collection: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// client.transfer().access_rules(collection).delete("0f1e2d3c-…").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn delete(self, id: &str) -> Result<()> {
        let url = self.url("access", Some(id))?;
        let call = Call::delete(url, self.operation("delete", id));
        super::deleted(self.core.transfer::<Value>(call).await)
    }

    pub(super) fn url(&self, what: &str, id: Option<&str>) -> Result<url::Url> {
        let collection = self.collection.to_string();
        match id {
            Some(id) => self.core.transfer_endpoint(&["endpoint", &collection, what, id]),
            None => self.core.transfer_endpoint(&["endpoint", &collection, what]),
        }
    }

    pub(super) fn operation(&self, verb: &str, id: &str) -> String {
        format!("{verb} the access rule {id} of collection {}", self.collection)
    }
}
