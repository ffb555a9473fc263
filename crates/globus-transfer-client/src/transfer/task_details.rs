//! The events, files and pauses of a task.

use futures::stream::BoxStream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{PauseRule, TaskHandler};
use crate::error::Result;
use crate::http::Call;
use crate::lenient::{self, Items};
use crate::paging::{next_offset, pages};

/// The most events that the service returns, in one page and in all pages together.
const MOST: u64 = 1000;

/// An event of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// Such as `STARTED`, `PROGRESS`, `SUCCEEDED`, `PERMISSION_DENIED`, `ENDPOINT_TOO_BUSY`.
    pub code: String,
    /// A short description.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub description: String,
    /// The details: a text, or a JSON document as text.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub details: String,
    /// Whether it is an error. The task may have continued after it.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub is_error: bool,
    /// The time.
    #[serde(default, deserialize_with = "lenient::time")]
    pub time: Option<Timestamp>,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The events of a task; see [`TaskHandler::events`](super::TaskHandler::events).
#[derive(Clone)]
#[must_use = "call `stream`"]
pub struct Events<'a> {
    task: TaskHandler<'a>,
    errors_only: bool,
}

#[derive(Deserialize)]
struct EventPage {
    #[serde(rename = "DATA")]
    data: Items<Event>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    total: u64,
}

impl<'a> Events<'a> {
    pub(super) fn new(task: TaskHandler<'a>) -> Self {
        Self { task, errors_only: false }
    }

    /// Limits the list to errors.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, id: uuid::Uuid) -> Result<()> {
    /// let errors = client.transfer().task(id).events().errors_only().stream();
    /// # Ok(())
    /// # }
    /// ```
    pub fn errors_only(mut self) -> Self {
        self.errors_only = true;
        self
    }

    /// All events, the latest first, up to the service's 1000.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// use futures::TryStreamExt;
    ///
    /// let events: Vec<_> = client.transfer().task(id).events().stream().try_collect().await?;
    /// println!("{} events", events.len());
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(self) -> BoxStream<'a, Result<Event>> {
        pages(0, move |offset| {
            let events = self.clone();
            async move {
                let page = events.page(offset).await?;
                let is_more = offset + (page.data.count as u64) < page.total.min(MOST);
                let next = next_offset(offset, page.data.count, is_more);
                Ok((page.data.known, next))
            }
        })
    }

    async fn page(&self, offset: u64) -> Result<EventPage> {
        let call = Call::get(self.task.url(&["event_list"])?, self.task.operation("list the events of"))
            .query("limit", (MOST - offset).to_string())
            .query("offset", offset.to_string())
            .query_if("filter", self.errors_only.then_some("is_error:1"));
        self.task.core.transfer(call).await
    }
}

/// A file that was transferred.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SuccessfulTransfer {
    /// Its path on the source collection.
    pub source_path: String,
    /// Its path on the destination collection.
    pub destination_path: String,
    /// Its checksum, where it was computed.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub checksum: Option<String>,
    /// The algorithm of the checksum.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub checksum_algorithm: Option<String>,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A file that was skipped because of an error at the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SkippedError {
    /// Its path on the source collection.
    pub source_path: String,
    /// Its path on the destination collection.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub destination_path: Option<String>,
    /// Such as `FILE_NOT_FOUND` or `PERMISSION_DENIED`.
    pub error_code: String,
    /// A description.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub error_details: Option<String>,
    /// The time.
    #[serde(default, deserialize_with = "lenient::time")]
    pub error_time: Option<Timestamp>,
    /// Whether it is a directory.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub is_directory: bool,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The reasons why a task is paused, or will be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PauseInfo {
    /// The pause rules of the collections' administrators.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub pause_rules: Vec<PauseRule>,
    /// The message of the source's administrator.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub source_pause_message: Option<String>,
    /// The message of the destination's administrator.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub destination_pause_message: Option<String>,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
