//! Creating and changing access rules.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::access::same_directory;
use super::directories::Creation;
use super::{AccessRulesHandler, Changed, Permissions, PrincipalType};
use crate::error::{Error, ErrorKind, Result};
use crate::http::Call;
use crate::lenient;
use crate::path;

/// A rule to create; see [`AccessRulesHandler::create`](super::AccessRulesHandler::create).
#[must_use = "nothing is sent until `send` is awaited"]
pub struct CreateAccessRule<'a> {
    pub(super) rules: AccessRulesHandler<'a>,
    pub(super) principal_type: PrincipalType,
    pub(super) principal: String,
    pub(super) path: String,
    pub(super) permissions: Permissions,
    pub(super) notify: Option<(String, Option<String>)>,
    pub(super) expires: Option<Timestamp>,
}

impl CreateAccessRule<'_> {
    /// Sets what it allows; reading by default.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let rules = client.transfer().access_rules(collection);
    /// rules.create(id, "/in/").permissions(Permissions::ReadWrite).send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn permissions(mut self, permissions: Permissions) -> Self {
        self.permissions = permissions;
        self
    }

    /// Makes Globus send an e-mail about it, with an optional message.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let rules = client.transfer().access_rules(collection);
    /// rules.create(id, "/2026-03/Li/").notify("li@example.org", Some("Your data".to_owned())).send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn notify(mut self, email: impl Into<String>, message: Option<String>) -> Self {
        self.notify = Some((email.into(), message));
        self
    }

    /// Sets when Globus deletes it.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let rules = client.transfer().access_rules(collection);
    /// let end = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 90);
    /// rules.create(id, "/2026-03/Li/").expires(end).send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn expires(mut self, at: Timestamp) -> Self {
        self.expires = Some(at);
        self
    }

    /// Creates the rule and returns its id.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`] when there is a rule for the same principal and path (after a lost response,
    /// perhaps this one); [`ErrorKind::LimitExceeded`] when the collection has 1000 rules;
    /// [`ErrorKind::PermissionDenied`] without the role access manager; [`ErrorKind::InvalidRequest`] for a
    /// path with `..` in it.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let rules = client.transfer().access_rules(collection);
    /// println!("created the rule {}", rules.create(id, "/2026-03/Li/").send().await?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send(self) -> Result<String> {
        let path = path::directory(&self.path)?;
        let collection = self.rules.collection;
        let operation = format!("let {} read {path} on collection {collection}", self.whom());
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
            document["expiration_date"] = lenient::whole_seconds(at).into();
        }
        // A second attempt finds the rule, and the service says so: nothing is created twice.
        let call = Call::post(self.rules.url("access", None)?, operation.as_str(), &document)?.idempotent();
        let made: Changed = self.rules.core.transfer(call).await?;
        made.access_id.ok_or_else(|| {
            Error::local(ErrorKind::InvalidResponse, operation, "the response has no access_id")
        })
    }

    /// Creates the rule unless there is one for the same principal and path. Returns the id of the rule, and
    /// whether this call created it. An existing rule keeps its permissions: see
    /// [`AccessRulesHandler::get`](super::AccessRulesHandler::get).
    ///
    /// # Errors
    /// As [`CreateAccessRule::send`], without [`ErrorKind::Exists`].
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, collection: uuid::Uuid, li: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// let rules = client.transfer().access_rules(collection);
    /// let (id, creation) = rules.create(li, "/2026-03/Li/").ensure().await?;
    /// println!("{id}: {creation:?}");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn ensure(self) -> Result<(String, Creation)> {
        let (rules, kind, principal, path) =
            (self.rules, self.principal_type, self.principal.clone(), path::directory(&self.path)?);
        let error = match self.send().await {
            Ok(id) => return Ok((id, Creation::Created)),
            Err(error) if *error.kind() == ErrorKind::Exists => error,
            Err(error) => return Err(error),
        };
        let made = if error.may_have_been_done() { Creation::Unclear } else { Creation::Existed };
        rules
            .list()
            .await?
            .rules
            .into_iter()
            .find(|rule| {
                // A rule that a role implies has no id, and isn't the one that exists.
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

/// Changes to a rule; see [`AccessRulesHandler::update`](super::AccessRulesHandler::update).
#[must_use = "nothing is sent until `send` is awaited"]
pub struct UpdateAccessRule<'a> {
    pub(super) rules: AccessRulesHandler<'a>,
    pub(super) id: String,
    pub(super) changes: serde_json::Map<String, Value>,
}

impl UpdateAccessRule<'_> {
    /// Sets what it allows.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let rules = client.transfer().access_rules(collection);
    /// rules.update("0f1e2d3c-…").permissions(Permissions::Read).send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn permissions(mut self, permissions: Permissions) -> Self {
        self.changes.insert("permissions".to_owned(), permissions.as_str().into());
        self
    }

    /// Sets when Globus deletes it; `None` for never.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let rules = client.transfer().access_rules(collection);
    /// rules.update("0f1e2d3c-…").expires(None).send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn expires(mut self, at: Option<Timestamp>) -> Self {
        self.changes.insert(
            "expiration_date".to_owned(),
            at.map_or(Value::Null, |at| lenient::whole_seconds(at).into()),
        );
        self
    }

    /// Sends the changes.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when no rule has this id; [`ErrorKind::PermissionDenied`].
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let rules = client.transfer().access_rules(collection);
    /// rules.update("0f1e2d3c-…").permissions(Permissions::ReadWrite).send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send(mut self) -> Result<()> {
        self.changes.insert("DATA_TYPE".to_owned(), "access".into());
        let url = self.rules.url("access", Some(&self.id))?;
        let call = Call::put(url, self.rules.operation("change", &self.id), &self.changes)?;
        self.rules.core.transfer::<Value>(call).await.map(|_| ())
    }
}
