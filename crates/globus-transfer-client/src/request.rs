//! A call that this crate has no method for.

use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::core::Core;
use crate::error::Result;
use crate::http::{Call, Response};
use crate::service::Service;

/// Any call of any service, with this client's tokens, retries and errors; see
/// [`GlobusClient::request`](crate::GlobusClient::request).
#[must_use = "nothing is sent until `send` is awaited"]
pub struct Request<'a> {
    core: &'a Core,
    service: Service,
    call: Result<Call>,
}

impl<'a> Request<'a> {
    pub(crate) fn new(core: &'a Core, service: Service, method: Method, path: &str) -> Self {
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let operation = format!("{method} /{}", segments.join("/"));
        let call = core.endpoint(&service, &segments).map(|url| Call::new(method, url, operation));
        Self { core, service, call }
    }

    /// Adds a query parameter; a parameter that is added twice is sent twice.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient) -> Result<()> {
    /// let search = client.request(Method::GET, Service::transfer(), "endpoint_search").query("filter_scope", "in-use");
    /// # Ok(())
    /// # }
    /// ```
    pub fn query(self, key: &str, value: impl AsRef<str>) -> Self {
        Self { call: self.call.map(|call| call.query(key, value)), ..self }
    }

    /// Sends a JSON document.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, task: uuid::Uuid) -> Result<()> {
    /// let update = serde_json::json!({ "DATA_TYPE": "task", "label": "scan 12" });
    /// let update = client.request(Method::PUT, Service::transfer(), &format!("task/{task}")).json(&update);
    /// # Ok(())
    /// # }
    /// ```
    pub fn json(self, document: &impl Serialize) -> Self {
        Self { call: self.call.and_then(|call| call.json(document)), ..self }
    }

    /// Declares that sending the call twice has the effect of sending it once, so that it is retried even
    /// when the response to the first attempt is lost. The default for every method but POST and PATCH.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, task: uuid::Uuid) -> Result<()> {
    /// let path = format!("task/{task}/cancel");
    /// client.request(Method::POST, Service::transfer(), &path).idempotent().send::<serde_json::Value>().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn idempotent(self) -> Self {
        Self { call: self.call.map(Call::idempotent), ..self }
    }

    /// Sends the request and reads the JSON response. An empty response body reads as JSON `null`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) for a path with `.` or `..` in it;
    /// everything that the service can respond.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient) -> Result<()> {
    /// let tasks: serde_json::Value = client.request(Method::GET, Service::transfer(), "task_list").send().await?;
    /// println!("{} tasks", tasks["total"]);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send<T: DeserializeOwned>(self) -> Result<T> {
        self.core.call(&self.service, self.call?).await
    }

    /// Sends the request and returns the response with its status and headers.
    ///
    /// # Errors
    /// As [`Request::send`].
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient) -> Result<()> {
    /// let response = client.request(Method::GET, Service::transfer(), "task_list").send_raw().await?;
    /// println!("{} bytes", response.body.len());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send_raw(self) -> Result<Response> {
        self.core.send(&self.service, &self.call?).await
    }
}
