//! Access rules of guest collections ("permissions" in the web interface).

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::directories::Made;
use super::{Changed, DataList};
use crate::client::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::http::Call;
use crate::lenient;
use crate::path;
use crate::signin::Service;

/// How many access rules a collection can have.
pub const ACCESS_RULE_LIMIT: usize = 1000;

/// What a rule allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Permissions {
    /// Reading (`r`).
    #[serde(rename = "r")]
    Read,
    /// Reading and writing (`rw`).
    #[serde(rename = "rw")]
    ReadWrite,
}

impl Permissions {
    /// As Transfer writes it: `r` or `rw`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "r",
            Self::ReadWrite => "rw",
        }
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// Whom a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
    #[serde(other)]
    Unknown,
}

/// One access rule.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct AccessRule {
    /// The id; none for what a role on the collection implies.
    #[serde(default)]
    pub id: Option<String>,
    /// Whom it is for.
    pub principal_type: PrincipalType,
    /// The id of the identity or group; empty for everyone.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub principal: String,
    /// The directory, with everything below it.
    pub path: String,
    /// What it allows.
    pub permissions: Permissions,
    /// The role that implies it.
    #[serde(default)]
    pub role_id: Option<String>,
    /// When it ends by itself.
    #[serde(default, deserialize_with = "lenient::time")]
    pub expiration_date: Option<Timestamp>,
    /// When it was made.
    #[serde(default, deserialize_with = "lenient::time")]
    pub create_time: Option<Timestamp>,
}

impl AccessRule {
    /// Whether it is for this identity.
    pub fn is_for(&self, identity: Uuid) -> bool {
        self.principal_type == PrincipalType::Identity
            && self.principal.parse::<Uuid>().is_ok_and(|principal| principal == identity)
    }
}

/// All access rules of a collection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessRules {
    /// The rules, those implied by roles included.
    pub rules: Vec<AccessRule>,
}

impl AccessRules {
    /// How many of the [`ACCESS_RULE_LIMIT`] rules are used; what roles imply isn't counted.
    pub fn used(&self) -> usize {
        self.rules.iter().filter(|rule| rule.role_id.is_none()).count()
    }

    /// The rule for an identity on exactly this directory.
    pub fn find(&self, identity: Uuid, path: &str) -> Option<&AccessRule> {
        let wanted = path::directory(path).ok()?;
        self.rules
            .iter()
            .find(|rule| rule.is_for(identity) && rule.role_id.is_none() && same_directory(&rule.path, &wanted))
    }
}

fn same_directory(path: &str, wanted: &str) -> bool {
    path::directory(path).is_ok_and(|path| path == wanted)
}

/// The access rules of one collection; see [`TransferHandler::access_rules`](super::TransferHandler::access_rules).
#[derive(Clone, Copy)]
pub struct AccessRulesHandler<'a> {
    core: &'a Core,
    collection: Uuid,
}

impl<'a> AccessRulesHandler<'a> {
    pub(super) fn new(core: &'a Core, collection: Uuid) -> Self {
        Self { core, collection }
    }

    /// All rules, in one request.
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
        let answer: DataList<AccessRule> = self.core.call(Service::Transfer, call).await?;
        Ok(AccessRules { rules: answer.data })
    }

    /// One rule by its id.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none of this id.
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
        self.core.call(Service::Transfer, Call::get(url, self.about("get", id))).await
    }

    /// A rule for an identity on a directory: reading, until it is changed.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, collection: uuid::Uuid, li: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// let rules = client.transfer().access_rules(collection);
    /// let id = rules.create(li, "/2026-03/Li/").send().await?;
    /// println!("made the rule {id}");
    /// # Ok(())
    /// # }
    /// ```
    pub fn create(self, identity: Uuid, path: impl Into<String>) -> CreateAccessRule<'a> {
        self.create_for(PrincipalType::Identity, Some(identity), path)
    }

    /// A rule for a group, for everyone who is signed in, or for everyone.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, collection: uuid::Uuid, group: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// use globus_transfer_client::PrincipalType;
    ///
    /// let rules = client.transfer().access_rules(collection);
    /// rules.create_for(PrincipalType::Group, Some(group), "/staff/").send().await?;
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

    /// Deletes a rule. A rule that isn't there any more, after a lost answer, is deleted.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none of this id.
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
        let call = Call::delete(url, self.about("delete", id));
        super::deleted(self.core.call::<Value>(Service::Transfer, call).await)
    }

    fn url(&self, what: &str, id: Option<&str>) -> Result<url::Url> {
        let collection = self.collection.to_string();
        match id {
            Some(id) => self.core.transfer_endpoint(&["endpoint", &collection, what, id]),
            None => self.core.transfer_endpoint(&["endpoint", &collection, what]),
        }
    }

    fn about(&self, verb: &str, id: &str) -> String {
        format!("{verb} the access rule {id} of collection {}", self.collection)
    }
}

/// A rule to make; see [`AccessRulesHandler::create`].
pub struct CreateAccessRule<'a> {
    rules: AccessRulesHandler<'a>,
    principal_type: PrincipalType,
    principal: String,
    path: String,
    permissions: Permissions,
    notify: Option<(String, Option<String>)>,
    expires: Option<Timestamp>,
}

impl CreateAccessRule<'_> {
    /// What it allows; reading by default.
    pub fn permissions(mut self, permissions: Permissions) -> Self {
        self.permissions = permissions;
        self
    }

    /// Lets Globus send an e-mail about it, with a message of your own.
    pub fn notify(mut self, email: impl Into<String>, message: Option<String>) -> Self {
        self.notify = Some((email.into(), message));
        self
    }

    /// When it ends by itself.
    pub fn expires(mut self, at: Timestamp) -> Self {
        self.expires = Some(at);
        self
    }

    /// Makes it, and gives its id.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`] when there is one for the same principal and path (after a lost answer, perhaps this one);
    /// [`ErrorKind::LimitExceeded`] when the collection has its 1000 rules; [`ErrorKind::PermissionDenied`] without the
    /// role of access manager; [`ErrorKind::InvalidRequest`] for a path with `..` in it.
    pub async fn send(self) -> Result<String> {
        let path = path::directory(&self.path)?;
        let collection = self.rules.collection;
        let tried = format!("let {} read {path} on collection {collection}", self.whom());
        let mut document = json!({
            "DATA_TYPE": "access",
            "principal_type": self.principal_type,
            "principal": self.principal,
            "path": path,
            "permissions": self.permissions,
        });
        if let Some((email, message)) = &self.notify {
            document["notify_email"] = email.as_str().into();
            if let Some(message) = message {
                document["notify_message"] = message.as_str().into();
            }
        }
        if let Some(at) = self.expires {
            document["expiration_date"] = at.to_string().into();
        }
        // A second time the rule is there, and the service says so: nothing is doubled.
        let call = Call::post(self.rules.url("access", None)?, tried.as_str(), &document)?.harmless();
        let made: Changed = self.rules.core.call(Service::Transfer, call).await?;
        made.access_id.ok_or_else(|| Error::local(ErrorKind::UnexpectedAnswer, tried, "the answer has no access_id"))
    }

    /// Makes it unless there is one for the same principal and path, and gives the rule's id with how it came to be.
    /// A rule that was there is left as it is: look at its permissions with [`AccessRulesHandler::get`].
    ///
    /// # Errors
    /// As [`CreateAccessRule::send`], without [`ErrorKind::Exists`].
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, collection: uuid::Uuid, li: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// let rules = client.transfer().access_rules(collection);
    /// let (id, made) = rules.create(li, "/2026-03/Li/").ensure().await?;
    /// println!("{id}: {made:?}");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn ensure(self) -> Result<(String, Made)> {
        let (rules, kind, principal, path) =
            (self.rules, self.principal_type, self.principal.clone(), path::directory(&self.path)?);
        let error = match self.send().await {
            Ok(id) => return Ok((id, Made::New)),
            Err(error) if *error.kind() == ErrorKind::Exists => error,
            Err(error) => return Err(error),
        };
        let made = if error.may_have_been_done() { Made::Unclear } else { Made::Existed };
        rules
            .list()
            .await?
            .rules
            .into_iter()
            .find(|rule| {
                // What a role implies has no id, and isn't the rule that was refused.
                rule.id.is_some()
                    && rule.principal_type == kind
                    && rule.principal == principal
                    && same_directory(&rule.path, &path)
            })
            .and_then(|rule| rule.id)
            .map(|id| (id, made))
            .ok_or(error)
    }

    fn whom(&self) -> String {
        match self.principal_type {
            PrincipalType::Identity => format!("the identity {}", self.principal),
            PrincipalType::Group => format!("the group {}", self.principal),
            PrincipalType::AllAuthenticatedUsers => "everyone who is signed in".to_owned(),
            PrincipalType::Anonymous | PrincipalType::Unknown => "everyone".to_owned(),
        }
    }
}

/// Changes to a rule; see [`AccessRulesHandler::update`].
pub struct UpdateAccessRule<'a> {
    rules: AccessRulesHandler<'a>,
    id: String,
    changes: serde_json::Map<String, Value>,
}

impl UpdateAccessRule<'_> {
    /// What it allows.
    pub fn permissions(mut self, permissions: Permissions) -> Self {
        self.changes.insert("permissions".to_owned(), permissions.as_str().into());
        self
    }

    /// When it ends by itself; none for never.
    pub fn expires(mut self, at: Option<Timestamp>) -> Self {
        self.changes.insert("expiration_date".to_owned(), at.map_or(Value::Null, |at| at.to_string().into()));
        self
    }

    /// Makes the changes.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no rule of this id; [`ErrorKind::PermissionDenied`].
    pub async fn send(mut self) -> Result<()> {
        self.changes.insert("DATA_TYPE".to_owned(), "access".into());
        let url = self.rules.url("access", Some(&self.id))?;
        let call = Call::put(url, self.rules.about("change", &self.id), &self.changes)?;
        self.rules.core.call::<Value>(Service::Transfer, call).await.map(|_| ())
    }
}
