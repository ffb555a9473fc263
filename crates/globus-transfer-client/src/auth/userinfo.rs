//! Who a token stands for.

use serde::Deserialize;
use uuid::Uuid;

/// The signed-in account, as OpenID Connect's `userinfo` says it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct UserInfo {
    /// The id of the identity.
    pub sub: Uuid,
    /// The username; needs the scope `profile`.
    #[serde(default)]
    pub preferred_username: Option<String>,
    /// The name; needs the scope `profile`.
    #[serde(default)]
    pub name: Option<String>,
    /// The e-mail address; needs the scope `email`.
    #[serde(default)]
    pub email: Option<String>,
    /// The organization; needs the scope `profile`.
    #[serde(default)]
    pub organization: Option<String>,
    /// All identities that the person has linked; needs the scope `view_identity_set`.
    #[serde(default)]
    pub identity_set: Vec<LinkedIdentity>,
}

/// An identity that belongs to the same person.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct LinkedIdentity {
    /// The id of the identity.
    pub sub: Uuid,
    /// The username.
    #[serde(default)]
    pub username: Option<String>,
    /// The name.
    #[serde(default)]
    pub name: Option<String>,
    /// The e-mail address.
    #[serde(default)]
    pub email: Option<String>,
    /// The organization.
    #[serde(default)]
    pub organization: Option<String>,
    /// When it was last used, in seconds since 1970.
    #[serde(default)]
    pub last_authentication: Option<i64>,
}

/// What Globus Auth says about a token.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Introspection {
    /// Whether it is valid now; everything else is missing when it isn't.
    pub active: bool,
    /// The scopes, separated by spaces.
    #[serde(default)]
    pub scope: Option<String>,
    /// The application that it was given to.
    #[serde(default)]
    pub client_id: Option<Uuid>,
    /// The identity that it stands for.
    #[serde(default)]
    pub sub: Option<Uuid>,
    /// The username.
    #[serde(default)]
    pub username: Option<String>,
    /// The name.
    #[serde(default)]
    pub name: Option<String>,
    /// The e-mail address.
    #[serde(default)]
    pub email: Option<String>,
    /// When it expires, in seconds since 1970.
    #[serde(default)]
    pub exp: Option<i64>,
    /// When it was given, in seconds since 1970.
    #[serde(default)]
    pub iat: Option<i64>,
    /// The services that it is for.
    #[serde(default, deserialize_with = "names")]
    pub aud: Vec<String>,
}

/// A token without an application has a null among them.
fn names<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Ok(Vec::<Option<String>>::deserialize(from)?.into_iter().flatten().collect())
}
