//! Changes of memberships, any number in one call.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::GroupMember;
use crate::core::Core;
use crate::error::Result;
use crate::http::Call;
use crate::service::Service;

/// What a member may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MemberRole {
    /// Use what the group is given.
    Member,
    /// Add, invite, approve and remove members.
    Manager,
    /// Everything.
    Admin,
    /// A role that this version doesn't know.
    #[default]
    #[serde(other)]
    Unknown,
}

/// Changes of memberships; see [`GroupsHandler::members`](super::GroupsHandler::members).
#[must_use = "call `send`"]
pub struct ChangeMembers<'a> {
    core: &'a Core,
    group: Uuid,
    actions: Map<String, Value>,
}

/// What came of the changes: each is carried out or refused by itself.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct MemberChanges {
    /// The memberships as they are now.
    pub done: Vec<GroupMember>,
    /// What was refused.
    pub refused: Vec<MemberRefusal>,
}

/// A change that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberRefusal {
    /// `add`, `remove` …
    pub action: String,
    /// The identity.
    pub identity_id: Option<Uuid>,
    /// The code, such as `ALREADY_ACTIVE`.
    pub code: String,
    /// The reason in words.
    pub detail: String,
}

impl<'a> ChangeMembers<'a> {
    pub(super) fn new(core: &'a Core, group: Uuid) -> Self {
        Self { core, group, actions: Map::new() }
    }

    fn act(mut self, action: &str, item: Value) -> Self {
        if let Value::Array(items) = self.actions.entry(action).or_insert_with(|| Value::Array(Vec::new())) {
            items.push(item);
        }
        self
    }

    /// Adds an identity at once.
    pub fn add(self, identity: Uuid, role: MemberRole) -> Self {
        self.act("add", json!({ "identity_id": identity, "role": role }))
    }

    /// Invites an identity, which then accepts or declines.
    pub fn invite(self, identity: Uuid, role: MemberRole) -> Self {
        self.act("invite", json!({ "identity_id": identity, "role": role }))
    }

    /// Accepts an invitation of one of the caller's identities.
    pub fn accept(self, identity: Uuid) -> Self {
        self.act("accept", json!({ "identity_id": identity }))
    }

    /// Declines an invitation of one of the caller's identities.
    pub fn decline(self, identity: Uuid) -> Self {
        self.act("decline", json!({ "identity_id": identity }))
    }

    /// Joins an open group with one of the caller's identities.
    pub fn join(self, identity: Uuid) -> Self {
        self.act("join", json!({ "identity_id": identity }))
    }

    /// Asks to join with one of the caller's identities.
    pub fn request_join(self, identity: Uuid) -> Self {
        self.act("request_join", json!({ "identity_id": identity }))
    }

    /// Approves an identity that asked to join.
    pub fn approve(self, identity: Uuid) -> Self {
        self.act("approve", json!({ "identity_id": identity }))
    }

    /// Rejects an identity that asked to join.
    pub fn reject(self, identity: Uuid) -> Self {
        self.act("reject", json!({ "identity_id": identity }))
    }

    /// Leaves with one of the caller's identities.
    pub fn leave(self, identity: Uuid) -> Self {
        self.act("leave", json!({ "identity_id": identity }))
    }

    /// Removes a member.
    pub fn remove(self, identity: Uuid) -> Self {
        self.act("remove", json!({ "identity_id": identity }))
    }

    /// Gives a member another role.
    pub fn change_role(self, identity: Uuid, role: MemberRole) -> Self {
        self.act("change_role", json!({ "identity_id": identity, "role": role }))
    }

    /// Carries the changes out. A change that is refused doesn't stop the others, and isn't an error of the
    /// call.
    pub async fn send(self) -> Result<MemberChanges> {
        let url = self.core.endpoint(&Service::groups(), &["groups", &self.group.to_string()])?;
        let call = Call::post(url, format!("change the members of group {}", self.group), &self.actions)?;
        let answer: Map<String, Value> = self.core.call(&Service::groups(), call).await?;
        let mut changes = MemberChanges::default();
        for (action, value) in answer {
            if action == "errors" {
                changes.refused.extend(refusals(&value));
            } else {
                let members = value.as_array().map(Vec::as_slice).unwrap_or_default();
                changes
                    .done
                    .extend(members.iter().filter_map(|one| serde_json::from_value(one.clone()).ok()));
            }
        }
        Ok(changes)
    }
}

fn refusals(errors: &Value) -> Vec<MemberRefusal> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of_action = |(action, items): (&String, &Value)| -> Vec<MemberRefusal> {
        let items = items.as_array().map(Vec::as_slice).unwrap_or_default();
        items
            .iter()
            .map(|item| MemberRefusal {
                action: action.clone(),
                identity_id: item["identity_id"].as_str().and_then(|id| id.parse().ok()),
                code: text(&item["code"]),
                detail: text(&item["detail"]),
            })
            .collect()
    };
    errors.as_object().map(|errors| errors.iter().flat_map(of_action).collect()).unwrap_or_default()
}
