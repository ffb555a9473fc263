//! Storage gateways: list and get for everyone; create, update and delete for administrators of the endpoint.

use futures::stream::BoxStream;
use reqwest::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{ConnectServer, StorageGateway};
use crate::error::Result;
use crate::http::Call;

impl<'a> ConnectServer<'a> {
    /// Lists the storage gateways, each page fetched when it is wanted.
    pub fn storage_gateways(&self) -> BoxStream<'a, Result<StorageGateway>> {
        let operation = format!("list the storage gateways of Connect Server {}", self.endpoint);
        self.clone().list("storage_gateways", Vec::new(), operation)
    }

    /// One storage gateway; with the policies that only administrators of the endpoint see, where they are
    /// asked for.
    pub async fn storage_gateway(&self, id: Uuid, private_policies: bool) -> Result<StorageGateway> {
        let url = self.url(&["storage_gateways", &id.to_string()])?;
        let call = Call::get(url, format!("get storage gateway {id}"))
            .query_if("include", private_policies.then_some("private_policies"));
        self.one(call, "storage_gateway").await
    }

    /// Creates a storage gateway for a kind of storage. `fields` are those of the document, such as
    /// `allowed_domains`.
    pub async fn create_storage_gateway(
        &self,
        display_name: &str,
        connector: Uuid,
        mut fields: Map<String, Value>,
    ) -> Result<StorageGateway> {
        fields.insert("display_name".to_owned(), display_name.into());
        fields.insert("connector_id".to_owned(), json!(connector));
        fields.entry("DATA_TYPE").or_insert_with(|| "storage_gateway#1.0.0".into());
        let operation = format!("create the storage gateway '{display_name}'");
        let call = Call::post(self.url(&["storage_gateways"])?, operation, &fields)?;
        self.one(call, "storage_gateway").await
    }

    /// Changes fields of a storage gateway.
    pub async fn update_storage_gateway(&self, id: Uuid, mut changes: Map<String, Value>) -> Result<()> {
        changes.entry("DATA_TYPE").or_insert_with(|| "storage_gateway#1.0.0".into());
        let url = self.url(&["storage_gateways", &id.to_string()])?;
        let call = Call::new(Method::PATCH, url, format!("change storage gateway {id}"))
            .json(&changes)?
            .idempotent();
        self.done(call).await
    }

    /// Deletes a storage gateway.
    ///
    /// # Errors
    /// [`Conflict`](crate::ErrorKind::Conflict) when it has collections.
    pub async fn delete_storage_gateway(&self, id: Uuid) -> Result<()> {
        self.delete("storage_gateways", id, &format!("delete storage gateway {id}")).await
    }
}
