//! Globus Groups: groups, their policies and members. An access rule for a group is for all of its members.

mod group;
mod membership;

use reqwest::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::core::Core;
use crate::error::{ErrorKind, Result};
use crate::http::Call;
use crate::lenient;
use crate::service::Service;

pub use group::{Group, GroupMember, GroupPolicies};
pub use membership::{ChangeMembers, MemberChanges, MemberRefusal, MemberRole};

/// The calls of Globus Groups; see [`GlobusClient::groups`](crate::GlobusClient::groups).
#[derive(Clone, Copy)]
pub struct GroupsHandler<'a> {
    core: &'a Core,
}

impl<'a> GroupsHandler<'a> {
    pub(crate) fn new(core: &'a Core) -> Self {
        Self { core }
    }

    /// The groups that the caller belongs to: as an active member, or in other states that are named, such as
    /// `invited` or `pending`.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), globus_transfer_client::Error> {
    /// for group in client.groups().mine(&["active"]).await? {
    ///     println!("{} {}", group.id, group.name);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn mine(self, statuses: &[&str]) -> Result<Vec<Group>> {
        let statuses = (!statuses.is_empty()).then(|| statuses.join(","));
        let call =
            Call::get(self.url(&["groups", "my_groups"])?, "list the groups").query_if("statuses", statuses);
        let groups: Value = self.core.call(&Service::groups(), call).await?;
        lenient::items(groups).map_err(|error: serde_json::Error| {
            crate::error::Error::local(ErrorKind::InvalidResponse, "list the groups", error.to_string())
        })
    }

    /// One group. `include` adds parts of it, such as `memberships` or `policies`.
    pub async fn get(self, id: Uuid, include: &[&str]) -> Result<Group> {
        let include = (!include.is_empty()).then(|| include.join(","));
        let call = Call::get(self.group(id, &[])?, format!("get group {id}")).query_if("include", include);
        self.core.call(&Service::groups(), call).await
    }

    /// The group that has a subscription, as `group_id`, with `subscription_info`.
    pub async fn by_subscription(self, subscription: Uuid) -> Result<Map<String, Value>> {
        let url = self.url(&["subscription_info", &subscription.to_string()])?;
        let call = Call::get(url, format!("find the group of subscription {subscription}"));
        self.core.call(&Service::groups(), call).await
    }

    /// Creates a group whose administrator is the caller.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, collection: uuid::Uuid, li: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// use globus_transfer_client::groups::MemberRole;
    ///
    /// let group = client.groups().create("2026-03 Li", "Users of this beam time").await?;
    /// client.groups().members(group.id).add(li, MemberRole::Member).send().await?;
    /// let rules = client.transfer().access_rules(collection);
    /// rules.create_for_group(group.id, "/2026-03/Li/").send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn create(self, name: &str, description: &str) -> Result<Group> {
        let document = json!({ "name": name, "description": description });
        self.create_with(document.as_object().cloned().unwrap_or_default()).await
    }

    /// Creates a group by its document, such as one with a `parent_id`.
    pub async fn create_with(self, document: Map<String, Value>) -> Result<Group> {
        let operation = format!("create the group {}", document.get("name").cloned().unwrap_or_default());
        let call = Call::post(self.url(&["groups"])?, operation, &document)?;
        self.core.call(&Service::groups(), call).await
    }

    /// Changes name, description, or terms and conditions.
    pub async fn update(self, id: Uuid, changes: &Map<String, Value>) -> Result<Group> {
        let call = Call::put(self.group(id, &[])?, format!("change group {id}"), changes)?;
        self.core.call(&Service::groups(), call).await
    }

    /// Deletes a group. Its access rules stay, and are for nobody.
    pub async fn delete(self, id: Uuid) -> Result<()> {
        let call = Call::delete(self.group(id, &[])?, format!("delete group {id}"));
        match self.core.call::<Value>(&Service::groups(), call).await {
            Err(error) if *error.kind() == ErrorKind::NotFound && error.may_have_been_done() => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// The policies of a group.
    pub async fn policies(self, id: Uuid) -> Result<GroupPolicies> {
        let call = Call::get(self.group(id, &["policies"])?, format!("get the policies of group {id}"));
        self.core.call(&Service::groups(), call).await
    }

    /// Sets the policies of a group, all of them.
    pub async fn set_policies(self, id: Uuid, policies: &GroupPolicies) -> Result<GroupPolicies> {
        let call =
            Call::put(self.group(id, &["policies"])?, format!("set the policies of group {id}"), policies)?;
        self.core.call(&Service::groups(), call).await
    }

    /// Changes of members: any number of actions in one call.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, group: uuid::Uuid, li: uuid::Uuid, kim: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// use globus_transfer_client::groups::MemberRole;
    ///
    /// let changes = client.groups().members(group).add(li, MemberRole::Member).remove(kim).send().await?;
    /// for refusal in changes.refused {
    ///     println!("{}: {}", refusal.action, refusal.detail);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn members(self, group: Uuid) -> ChangeMembers<'a> {
        ChangeMembers::new(self.core, group)
    }

    /// The preferences of the caller's identities, by identity.
    pub async fn preferences(self) -> Result<Map<String, Value>> {
        let call = Call::get(self.url(&["preferences"])?, "get the preferences of Groups");
        self.core.call(&Service::groups(), call).await
    }

    /// Sets the preferences of the caller's identities, by identity.
    pub async fn set_preferences(self, preferences: &Map<String, Value>) -> Result<Map<String, Value>> {
        let call = Call::put(self.url(&["preferences"])?, "set the preferences of Groups", preferences)?;
        self.core.call(&Service::groups(), call).await
    }

    /// What the caller's identities filled in for a group, by identity.
    pub async fn membership_fields(self, id: Uuid) -> Result<Map<String, Value>> {
        let url = self.group(id, &["membership_fields"])?;
        let call = Call::get(url, format!("get the membership fields of group {id}"));
        self.core.call(&Service::groups(), call).await
    }

    /// Fills in the fields that a group asks its members for, by identity.
    pub async fn set_membership_fields(
        self,
        id: Uuid,
        fields: &Map<String, Value>,
    ) -> Result<Map<String, Value>> {
        let url = self.group(id, &["membership_fields"])?;
        let call = Call::put(url, format!("set the membership fields of group {id}"), fields)?;
        self.core.call(&Service::groups(), call).await
    }

    /// Marks a group as verified by the administrators of a subscription, or not.
    pub async fn set_subscription_admin_verified(self, id: Uuid, subscription: Option<Uuid>) -> Result<()> {
        let url = self.group(id, &["subscription_admin_verified"])?;
        let document = json!({ "subscription_admin_verified_id": subscription });
        let call =
            Call::new(Method::PUT, url, format!("verify group {id} for a subscription")).json(&document)?;
        self.core.call::<Value>(&Service::groups(), call).await.map(|_| ())
    }

    fn url(self, segments: &[&str]) -> Result<url::Url> {
        self.core.endpoint(&Service::groups(), segments)
    }

    fn group(self, id: Uuid, below: &[&str]) -> Result<url::Url> {
        let id = id.to_string();
        let mut segments = vec!["groups", id.as_str()];
        segments.extend(below);
        self.url(&segments)
    }
}
