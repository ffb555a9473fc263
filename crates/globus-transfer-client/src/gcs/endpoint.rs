//! The endpoint: what everybody may know of it, its document, and its update.

use reqwest::Method;
use serde_json::{Map, Value};

use super::{Answer, ConnectServer, ManagerEndpoint, ManagerInfo};
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Call, Credentials};

impl ConnectServer<'_> {
    /// What everybody may know of the server, without a token.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, collection: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// let info = client.connect_server_of(collection).await?.info().await?;
    /// println!("Globus Connect Server {}", info.manager_version.unwrap_or_default());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn info(&self) -> Result<ManagerInfo> {
        let call =
            Call::get(self.url(&["info"])?, format!("get the version of Connect Server {}", self.endpoint));
        let response = self.core.send_as(&call, Credentials::None).await?;
        let answer: Answer<Value> = response.json(&call.operation)?;
        let found = answer.data.into_iter().find(|document| document["endpoint_id"].is_string());
        let unreadable = |why: &str| Error::local(ErrorKind::InvalidResponse, call.operation.as_str(), why);
        serde_json::from_value(found.ok_or_else(|| unreadable("the response has no info document"))?)
            .map_err(|error| unreadable(&error.to_string()))
    }

    /// The endpoint's document.
    pub async fn endpoint(&self) -> Result<ManagerEndpoint> {
        let call = Call::get(self.url(&["endpoint"])?, format!("get the endpoint {}", self.endpoint));
        self.one(call, "endpoint").await
    }

    /// Changes fields of the endpoint's document, such as `display_name`.
    ///
    /// # Errors
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied) for all but its administrators.
    pub async fn update_endpoint(&self, mut changes: Map<String, Value>) -> Result<ManagerEndpoint> {
        changes.entry("DATA_TYPE").or_insert_with(|| "endpoint#1.2.0".into());
        let url = self.url(&["endpoint"])?;
        let call = Call::new(Method::PATCH, url, format!("change the endpoint {}", self.endpoint))
            .json(&changes)?
            .query("include", "endpoint")
            .idempotent();
        self.one(call, "endpoint").await
    }
}
