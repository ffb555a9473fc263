//! The account that a token was issued for.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::lenient;

/// The signed-in account, as OpenID Connect's `userinfo` returns it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UserInfo {
    /// The id of the identity.
    pub sub: Uuid,
    /// The username; needs the scope `profile`.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub preferred_username: Option<String>,
    /// The name; needs the scope `profile`.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub name: Option<String>,
    /// The e-mail address; needs the scope `email`.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub email: Option<String>,
    /// The organization; needs the scope `profile`.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub organization: Option<String>,
    /// All identities that the person has linked; needs the scope `view_identity_set`.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub identity_set: Vec<LinkedIdentity>,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// An identity that the person has linked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LinkedIdentity {
    /// The id of the identity.
    pub sub: Uuid,
    /// The username.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub username: Option<String>,
    /// The name.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub name: Option<String>,
    /// The e-mail address.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub email: Option<String>,
    /// The organization.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub organization: Option<String>,
    /// When it was last used, in seconds since 1970.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub last_authentication: Option<i64>,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// What Globus Auth knows about a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Introspection {
    /// Whether it is valid now. All other fields are missing when it isn't.
    pub active: bool,
    /// The scopes, separated by spaces.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub scope: Option<String>,
    /// The application that it was issued to.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub client_id: Option<Uuid>,
    /// The identity that it was issued for.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub sub: Option<Uuid>,
    /// The username.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub username: Option<String>,
    /// The name.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub name: Option<String>,
    /// The e-mail address.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub email: Option<String>,
    /// When it expires, in seconds since 1970.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub exp: Option<i64>,
    /// When it was issued, in seconds since 1970.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub iat: Option<i64>,
    /// The resource servers that it is for.
    #[serde(default, deserialize_with = "lenient::texts")]
    pub aud: Vec<String>,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
