//! The documents of the manager API.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::lenient;

/// What everybody may know of a server; see [`ConnectServer::info`](super::ConnectServer::info).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ManagerInfo {
    /// The id of the endpoint.
    pub endpoint_id: Uuid,
    /// The id of the server's client in Globus Auth; the same as the endpoint's.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub client_id: Option<Uuid>,
    /// The DNS name of the server.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub domain_name: Option<String>,
    /// The version of the manager API.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub api_version: Option<String>,
    /// The version of Globus Connect Server.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub manager_version: Option<String>,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The endpoint itself; see [`ConnectServer::endpoint`](super::ConnectServer::endpoint).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ManagerEndpoint {
    /// The id.
    pub id: Uuid,
    /// The name that people see.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub display_name: Option<String>,
    /// The address of its manager API.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub gcs_manager_url: Option<String>,
    /// The organization.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub organization: Option<String>,
    /// The subscription that it is managed under.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub subscription_id: Option<Uuid>,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A collection as its server knows it; Transfer's document of it is [`Collection`](crate::Collection).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ManagedCollection {
    /// The id.
    pub id: Uuid,
    /// `mapped` or `guest`.
    pub collection_type: String,
    /// The name that people see.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub display_name: Option<String>,
    /// The identity that owns it.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub identity_id: Option<Uuid>,
    /// The storage gateway that it is on.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub storage_gateway_id: Option<Uuid>,
    /// Guest: the mapped collection that it is a part of.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub mapped_collection_id: Option<Uuid>,
    /// Guest: the user credential by which its files are read and written.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub user_credential_id: Option<Uuid>,
    /// Mapped: whether guest collections may be created on it.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub allow_guest_collections: Option<bool>,
    /// Guest: the directory of the mapped collection that it shows; mapped: its directory on the storage. For
    /// its administrators only.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub collection_base_path: Option<String>,
    /// Whether others can find it.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub public: bool,
    /// Whether it is for data under special protection.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub high_assurance: bool,
    /// A description.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub description: Option<String>,
    /// The organization.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub organization: Option<String>,
    /// When it was last used.
    #[serde(default, deserialize_with = "lenient::time")]
    pub last_access: Option<Timestamp>,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A storage gateway: a storage system that collections are created on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StorageGateway {
    /// The id.
    pub id: Uuid,
    /// The name that people see.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub display_name: Option<String>,
    /// The kind of storage.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub connector_id: Option<Uuid>,
    /// Domains of the identities that may log in; empty for all.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub allowed_domains: Vec<String>,
    /// Whether it is for data under special protection.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub high_assurance: bool,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A user credential: the local account by which an identity uses a storage gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UserCredential {
    /// The id.
    pub id: Uuid,
    /// The identity.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub identity_id: Option<Uuid>,
    /// The storage gateway.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub storage_gateway_id: Option<Uuid>,
    /// The local account.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub username: Option<String>,
    /// The name that the person gave it.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub display_name: Option<String>,
    /// Whether it doesn't work any more.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub invalid: bool,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A role on a collection or on the endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ManagedRole {
    /// The id.
    pub id: Uuid,
    /// The collection; none for a role on the endpoint.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub collection: Option<Uuid>,
    /// `urn:globus:auth:identity:<id>` or `urn:globus:auth:group:<id>`.
    pub principal: String,
    /// `owner`, `administrator`, `access_manager`, `activity_manager` or `activity_monitor`.
    pub role: String,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
