//! Tunnels: streams of data between two access points. The API is a beta version, so the documents are plain
//! JSON.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::http::Call;

/// The calls for tunnels; see [`TransferHandler::tunnels`](super::TransferHandler::tunnels). They return the
/// `data` of the service's JSON:API document.
#[derive(Clone, Copy)]
pub struct TunnelsHandler<'a> {
    core: &'a Core,
}

impl<'a> TunnelsHandler<'a> {
    pub(super) fn new(core: &'a Core) -> Self {
        Self { core }
    }

    /// Lists the caller's tunnels.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), globus_transfer_client::Error> {
    /// println!("{}", client.transfer().tunnels().list().await?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn list(self) -> Result<Value> {
        self.data(Call::get(self.url(&["tunnels"])?, "list the tunnels")).await
    }

    /// Gets a tunnel.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// println!("{}", client.transfer().tunnels().get(id).await?["attributes"]["state"]);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get(self, id: Uuid) -> Result<Value> {
        self.data(Call::get(self.url(&["tunnels", &id.to_string()])?, format!("get the tunnel {id}"))).await
    }

    /// Creates a tunnel between two stream access points. `attributes` can set `label`, `lifetime_mins`,
    /// `restartable` and `submission_id`; with a submission id a retry creates no second tunnel.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, from: uuid::Uuid, to: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// let attributes = serde_json::json!({ "label": "detector stream", "lifetime_mins": 60 });
    /// println!("{}", client.transfer().tunnels().create(from, to, attributes).await?["id"]);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn create(self, initiator: Uuid, listener: Uuid, attributes: Value) -> Result<Value> {
        let point = |id: Uuid| json!({ "data": { "type": "StreamAccessPoint", "id": id } });
        let relationships = json!({ "initiator": point(initiator), "listener": point(listener) });
        let has_id = attributes["submission_id"].is_string();
        let document =
            json!({ "data": { "type": "Tunnel", "relationships": relationships, "attributes": attributes } });
        let call = Call::post(self.url(&["tunnels"])?, "create a tunnel", &document)?;
        self.data(if has_id { call.idempotent() } else { call }).await
    }

    /// Changes attributes of a tunnel, such as `{"state": "STOPPING"}`.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// client.transfer().tunnels().update(id, serde_json::json!({ "state": "STOPPING" })).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn update(self, id: Uuid, attributes: Value) -> Result<Value> {
        let document = json!({ "data": { "type": "Tunnel", "attributes": attributes } });
        let url = self.url(&["tunnels", &id.to_string()])?;
        self.data(Call::new(reqwest::Method::PATCH, url, format!("change the tunnel {id}")).json(&document)?)
            .await
    }

    /// Deletes a tunnel.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// client.transfer().tunnels().delete(id).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn delete(self, id: Uuid) -> Result<()> {
        let url = self.url(&["tunnels", &id.to_string()])?;
        super::deleted(
            self.core.transfer::<Value>(Call::delete(url, format!("delete the tunnel {id}"))).await,
        )
    }

    /// Lists the events of a tunnel.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// println!("{}", client.transfer().tunnels().events(id).await?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn events(self, id: Uuid) -> Result<Value> {
        let url = self.url(&["tunnels", &id.to_string(), "events"])?;
        self.data(Call::get(url, format!("list the events of the tunnel {id}"))).await
    }

    /// Gets a stream access point.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// println!("{}", client.transfer().tunnels().access_point(id).await?["attributes"]);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn access_point(self, id: Uuid) -> Result<Value> {
        let url = self.url(&["stream_access_points", &id.to_string()])?;
        self.data(Call::get(url, format!("get the stream access point {id}"))).await
    }

    async fn data(self, call: Call) -> Result<Value> {
        let operation = call.operation.clone();
        let mut document: Value = self.core.transfer(call).await?;
        match document.get_mut("data") {
            Some(data) => Ok(data.take()),
            None => Err(Error::local(ErrorKind::InvalidResponse, operation, "the response has no data")),
        }
    }

    /// Version 2 of the API lies beside version 0.10.
    fn url(&self, segments: &[&str]) -> Result<url::Url> {
        let mut base = self.core.transfer_url.clone();
        if let Ok(mut path) = base.path_segments_mut() {
            path.pop_if_empty().pop().push("v2");
        }
        crate::http::endpoint(&base, segments)
    }
}
