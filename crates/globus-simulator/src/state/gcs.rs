//! What a Globus Connect Server knows: its storage gateways and user credentials.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::Role;

/// The connector of file systems, as every Connect Server knows it.
pub(crate) const POSIX: Uuid = Uuid::from_u128(0x1458_12c8_decc_41f1_83cf_bb2a_85a2_a70b);

/// A Globus Connect Server endpoint, with a manager API of its own.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub id: Uuid,
    pub name: String,
    pub organization: Option<String>,
    pub owner: Uuid,
    /// The base of its manager API, without `/api`.
    pub url: String,
    pub gateways: BTreeMap<Uuid, Gateway>,
    pub credentials: BTreeMap<Uuid, Credential>,
    /// Roles on the endpoint beside the owner's.
    pub roles: Vec<Role>,
    /// Further fields of the endpoint document that were set by an update.
    pub fields: Map<String, Value>,
}

impl Server {
    /// A server with one storage gateway on a file system.
    pub fn new(id: Uuid, name: String, organization: Option<String>, owner: Uuid) -> Self {
        let mut fields = Map::new();
        fields.insert("display_name".to_owned(), "File system".into());
        fields.insert("connector_id".to_owned(), POSIX.to_string().into());
        let gateway = Gateway { id: Self::default_gateway(id), fields };
        Self {
            id,
            name,
            organization,
            owner,
            url: String::new(),
            gateways: BTreeMap::from([(gateway.id, gateway)]),
            credentials: BTreeMap::new(),
            roles: Vec::new(),
            fields: Map::new(),
        }
    }

    /// Host and port of the manager API.
    pub fn hostname(&self) -> &str {
        self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest)
    }

    /// The id of the gateway that every server starts with.
    pub fn default_gateway(server: Uuid) -> Uuid {
        Uuid::new_v5(&server, b"storage gateway")
    }
}

/// A storage gateway: a file system that collections are made on.
#[derive(Debug, Clone)]
pub(crate) struct Gateway {
    pub id: Uuid,
    /// As it was created and updated, without `DATA_TYPE` and `id`.
    pub fields: Map<String, Value>,
}

/// A user credential: the local account of an identity on a storage gateway.
#[derive(Debug, Clone)]
pub(crate) struct Credential {
    pub id: Uuid,
    pub identity: Uuid,
    pub gateway: Uuid,
    pub username: Option<String>,
    pub name: Option<String>,
    pub policies: Value,
}
