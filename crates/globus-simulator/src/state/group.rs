//! Groups: policies and members.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use uuid::Uuid;

/// A group of Globus Groups.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub id: Uuid,
    pub name: String,
    pub description: Option<String>,
    pub parent: Option<Uuid>,
    pub terms: Option<String>,
    /// The policies document, as `PUT …/policies` takes it.
    pub policies: Map<String, Value>,
    /// Fields that a member must fill in; see `membership_fields`.
    pub fields: BTreeMap<Uuid, Value>,
    pub subscription: Option<Uuid>,
    pub subscription_admin_verified: Option<Uuid>,
    pub members: BTreeMap<Uuid, Membership>,
}

impl Group {
    /// A group without members, with the policies of a new one.
    pub fn new(id: Uuid, name: String) -> Self {
        let policies = [
            ("is_high_assurance", Value::Bool(false)),
            ("authentication_assurance_timeout", 28_800.into()),
            ("group_visibility", "private".into()),
            ("group_members_visibility", "managers".into()),
            ("join_requests", Value::Bool(false)),
            ("signup_fields", Value::Array(Vec::new())),
        ];
        Self {
            id,
            name,
            description: None,
            parent: None,
            terms: None,
            policies: policies.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            fields: BTreeMap::new(),
            subscription: None,
            subscription_admin_verified: None,
            members: BTreeMap::new(),
        }
    }

    /// Whether the identity is an active member.
    pub fn has(&self, identity: &Uuid) -> bool {
        self.members.get(identity).is_some_and(|member| member.status == "active")
    }
}

/// One identity's place in a group.
#[derive(Debug, Clone)]
pub(crate) struct Membership {
    /// `member`, `manager` or `admin`.
    pub role: &'static str,
    /// `active`, `invited`, `pending`, `declined`, `rejected`, `removed` or `left`.
    pub status: &'static str,
}
