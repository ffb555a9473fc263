//! What a task has to tell: events, files, pauses.

use futures::stream::BoxStream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::core::Core;
use crate::error::Result;
use crate::http::Call;
use crate::lenient::{self, Items};
use crate::paging::{next_offset, pages};

/// Events of one page, and of all pages together, that the service gives at most.
const MOST: u64 = 1000;

/// Something that happened to a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// Such as `STARTED`, `PROGRESS`, `SUCCEEDED`, `PERMISSION_DENIED`, `ENDPOINT_TOO_BUSY`.
    pub code: String,
    /// In a few words.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub description: String,
    /// In many words, or a JSON text.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub details: String,
    /// Whether it is an error; the task may have gone on after it.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub is_error: bool,
    /// When.
    #[serde(default, deserialize_with = "lenient::time")]
    pub time: Option<Timestamp>,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The events of a task; see [`TaskHandler::events`](super::TaskHandler::events).
#[derive(Clone)]
pub struct Events<'a> {
    core: &'a Core,
    task: Uuid,
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
    pub(super) fn new(core: &'a Core, task: Uuid) -> Self {
        Self { core, task, errors_only: false }
    }

    /// Only the errors.
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
        let id = self.task.to_string();
        let url = self.core.transfer_endpoint(&["task", &id, "event_list"])?;
        let call = Call::get(url, format!("list the events of task {id}"))
            .query("limit", (MOST - offset).to_string())
            .query("offset", offset.to_string())
            .query_if("filter", self.errors_only.then_some("is_error:1"));
        self.core.transfer(call).await
    }
}

/// A file that was transferred.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SuccessfulTransfer {
    /// Where it was.
    pub source_path: String,
    /// Where it is now.
    pub destination_path: String,
    /// Its checksum, where it was computed.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub checksum: Option<String>,
    /// How that was computed.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub checksum_algorithm: Option<String>,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A file that was left out because of an error at the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SkippedError {
    /// Where it is.
    pub source_path: String,
    /// Where it should have gone.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub destination_path: Option<String>,
    /// Such as `FILE_NOT_FOUND` or `PERMISSION_DENIED`.
    pub error_code: String,
    /// In words.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub error_details: Option<String>,
    /// When.
    #[serde(default, deserialize_with = "lenient::time")]
    pub error_time: Option<Timestamp>,
    /// Whether it is a directory.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub is_directory: bool,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Why a task is paused, or will be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PauseInfo {
    /// The rules of the collections' administrators.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub pause_rules: Vec<PauseRule>,
    /// Why it was paused at the source.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub source_pause_message: Option<String>,
    /// Why it was paused at the destination.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub destination_pause_message: Option<String>,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// An administrator's rule that pauses tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PauseRule {
    /// The id.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub id: Option<String>,
    /// What the administrator says.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub message: Option<String>,
    /// The collection that it is for.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub endpoint_id: Option<Uuid>,
    /// Since or from when.
    #[serde(default, deserialize_with = "lenient::time")]
    pub start_time: Option<Timestamp>,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
