//! A group as the service describes it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::MemberRole;
use crate::lenient;

/// A group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Group {
    /// The id, as access rules name it.
    pub id: Uuid,
    /// The name.
    pub name: String,
    /// The description.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub description: Option<String>,
    /// The group that it is a subgroup of.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub parent_id: Option<Uuid>,
    /// The caller's own memberships, one for each identity.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub my_memberships: Vec<GroupMember>,
    /// All members that the caller may see, when they are asked for.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub memberships: Vec<GroupMember>,
    /// The policies, when the service shows them.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub policies: Option<Map<String, Value>>,
    /// The subscription that the group has.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub subscription_id: Option<Uuid>,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// One identity's place in a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GroupMember {
    /// The group.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub group_id: Option<Uuid>,
    /// The identity.
    pub identity_id: Uuid,
    /// Its username.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub username: Option<String>,
    /// What it may do.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub role: MemberRole,
    /// `active`, `invited`, `pending`, `declined`, `rejected`, `removed` or `left`.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub status: String,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The policies of a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupPolicies {
    /// Whether members must have signed in recently.
    #[serde(default)]
    pub is_high_assurance: bool,
    /// `private` or `authenticated`: who can find it.
    pub group_visibility: String,
    /// `managers` or `members`: who sees the members.
    pub group_members_visibility: String,
    /// Whether people can ask to join.
    #[serde(default)]
    pub join_requests: bool,
    /// Fields that members fill in, such as `institution`.
    #[serde(default)]
    pub signup_fields: Vec<String>,
    /// Seconds after which a sign-in is no longer recent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication_assurance_timeout: Option<u64>,
}

impl Default for GroupPolicies {
    /// Those of a new group: private, members seen by managers only, no requests to join.
    fn default() -> Self {
        Self {
            is_high_assurance: false,
            group_visibility: "private".to_owned(),
            group_members_visibility: "managers".to_owned(),
            join_requests: false,
            signup_fields: Vec::new(),
            authentication_assurance_timeout: None,
        }
    }
}
