//! User credentials: the local accounts by which the caller uses storage gateways.

use futures::stream::BoxStream;
use reqwest::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{ConnectServer, UserCredential};
use crate::error::Result;
use crate::http::Call;

/// A list of user credentials; see [`ConnectServer::user_credentials`].
#[must_use = "call `stream`"]
pub struct UserCredentials<'a> {
    server: ConnectServer<'a>,
    gateway: Option<Uuid>,
}

impl<'a> UserCredentials<'a> {
    /// Only those on this storage gateway.
    pub fn on(mut self, gateway: Uuid) -> Self {
        self.gateway = Some(gateway);
        self
    }

    /// The caller's credentials, each page fetched when it is wanted.
    pub fn stream(self) -> BoxStream<'a, Result<UserCredential>> {
        let query = self.gateway.map(|id| ("storage_gateway", id.to_string())).into_iter().collect();
        let operation = format!("list the user credentials on Connect Server {}", self.server.endpoint);
        self.server.list("user_credentials", query, operation)
    }
}

/// A user credential to create; see [`ConnectServer::create_user_credential`].
#[must_use = "call `send`"]
pub struct CreateUserCredential<'a> {
    server: ConnectServer<'a>,
    gateway: Uuid,
    fields: Map<String, Value>,
}

impl CreateUserCredential<'_> {
    /// Sets the local account; the server's own mapping decides without it.
    pub fn username(self, name: &str) -> Self {
        self.field("username", name)
    }

    /// Sets the identity, one of the caller's.
    pub fn identity(self, id: Uuid) -> Self {
        self.field("identity_id", id.to_string())
    }

    /// Sets any field of the document, such as `display_name` or the connector's `policies`.
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// Creates it.
    pub async fn send(mut self) -> Result<UserCredential> {
        self.fields.insert("DATA_TYPE".to_owned(), "user_credential#1.0.0".into());
        self.fields.insert("storage_gateway_id".to_owned(), json!(self.gateway));
        let operation = format!("create a user credential on storage gateway {}", self.gateway);
        let call = Call::post(self.server.url(&["user_credentials"])?, operation, &self.fields)?;
        self.server.one(call, "user_credential").await
    }
}

impl<'a> ConnectServer<'a> {
    /// Lists the caller's user credentials.
    pub fn user_credentials(&self) -> UserCredentials<'a> {
        UserCredentials { server: self.clone(), gateway: None }
    }

    /// One user credential of the caller.
    pub async fn user_credential(&self, id: Uuid) -> Result<UserCredential> {
        let call =
            Call::get(self.url(&["user_credentials", &id.to_string()])?, format!("get user credential {id}"));
        self.one(call, "user_credential").await
    }

    /// Creates a user credential of the caller on a storage gateway.
    pub fn create_user_credential(&self, gateway: Uuid) -> CreateUserCredential<'a> {
        CreateUserCredential { server: self.clone(), gateway, fields: Map::new() }
    }

    /// Changes fields of a user credential, such as `username`.
    pub async fn update_user_credential(
        &self,
        id: Uuid,
        mut changes: Map<String, Value>,
    ) -> Result<UserCredential> {
        changes.entry("DATA_TYPE").or_insert_with(|| "user_credential#1.0.0".into());
        let url = self.url(&["user_credentials", &id.to_string()])?;
        let call = Call::new(Method::PATCH, url, format!("change user credential {id}"))
            .json(&changes)?
            .idempotent();
        self.one(call, "user_credential").await
    }

    /// Deletes a user credential.
    ///
    /// # Errors
    /// [`Conflict`](crate::ErrorKind::Conflict) when a guest collection uses it.
    pub async fn delete_user_credential(&self, id: Uuid) -> Result<()> {
        self.delete("user_credentials", id, &format!("delete user credential {id}")).await
    }
}
