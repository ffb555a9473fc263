//! One task: its state, waiting for its end, changing and cancelling it, its files.

use std::time::{Duration, Instant};

use futures::stream::BoxStream;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Task;
use super::task_details::{Events, PauseInfo, SkippedError, SuccessfulTransfer};
use crate::core::Core;
use crate::error::{ErrorKind, Result};
use crate::http::Call;
use crate::lenient;
use crate::paging::{next_marker, pages};

/// One task; see [`TransferHandler::task`](super::TransferHandler::task).
#[derive(Clone, Copy)]
pub struct TaskHandler<'a> {
    pub(super) core: &'a Core,
    id: Uuid,
    /// Whether it is read as an administrator of its collections.
    is_managed: bool,
}

impl<'a> TaskHandler<'a> {
    pub(super) fn new(core: &'a Core, id: Uuid) -> Self {
        Self { core, id, is_managed: false }
    }

    pub(super) fn managed(core: &'a Core, id: Uuid) -> Self {
        Self { core, id, is_managed: true }
    }

    /// Gets its state.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// let task = client.transfer().task(id).get().await?;
    /// println!("{:?}, {} bytes", task.status, task.bytes_transferred);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get(self) -> Result<Task> {
        self.core.transfer(Call::get(self.url(&[])?, self.operation("get"))).await
    }

    /// Its events, the latest first.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// use futures::TryStreamExt;
    ///
    /// let mut events = client.transfer().task(id).events().errors_only().stream();
    /// while let Some(event) = events.try_next().await? {
    ///     println!("{:?} {}: {}", event.time, event.code, event.details);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn events(self) -> Events<'a> {
        Events::new(self)
    }

    /// Waits until it ends.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// use std::time::Duration;
    ///
    /// let task = client.transfer().task(id).wait().limit(Duration::from_secs(3600)).send().await?;
    /// if !task.has_ended() {
    ///     println!("still running after an hour");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait(self) -> WaitForTask<'a> {
        WaitForTask { task: self, every: Duration::from_secs(10), limit: None }
    }

    /// Changes the label or deadline of a running task.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// client.transfer().task(id).update(Some("a better name"), None).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn update(self, label: Option<&str>, deadline: Option<Timestamp>) -> Result<()> {
        let mut document = json!({ "DATA_TYPE": "task" });
        if let Some(label) = label {
            document["label"] = label.into();
        }
        if let Some(at) = deadline {
            document["deadline"] = lenient::whole_seconds(at).into();
        }
        let call = Call::put(self.url(&[])?, self.operation("change"), &document)?;
        self.core.transfer::<Value>(call).await.map(|_| ())
    }

    /// Cancels it. Returns whether it was still running.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// if !client.transfer().task(id).cancel().await? {
    ///     println!("it had ended already");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn cancel(self) -> Result<bool> {
        let call = Call::post(self.url(&["cancel"])?, self.operation("cancel"), &json!({}))?.idempotent();
        let response: Value = match self.core.transfer(call).await {
            Ok(response) => response,
            Err(error) if *error.kind() == ErrorKind::Conflict => return Ok(false),
            Err(error) => return Err(error),
        };
        // `Canceled`, or `CancelAccepted` when it takes a while; `TaskComplete` when there was nothing to
        // cancel.
        Ok(response["code"] != "TaskComplete")
    }

    /// Returns the reasons why it is paused, or will be.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// for rule in client.transfer().task(id).pause_info().await?.pause_rules {
    ///     println!("{}", rule.message.unwrap_or_default());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn pause_info(self) -> Result<PauseInfo> {
        let call = Call::get(self.url(&["pause_info"])?, self.operation("get the pauses of"));
        self.core.transfer(call).await
    }

    /// The files that an ended transfer has transferred, without those that were up to date at the
    /// destination.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// use futures::TryStreamExt;
    ///
    /// let mut files = client.transfer().task(id).successful_transfers();
    /// while let Some(file) = files.try_next().await? {
    ///     println!("{} -> {}", file.source_path, file.destination_path);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn successful_transfers(self) -> BoxStream<'a, Result<SuccessfulTransfer>> {
        self.by_marker("successful_transfers", "list the transferred files of")
    }

    /// The files that an ended transfer skipped because of errors at the source.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// use futures::TryStreamExt;
    ///
    /// let mut files = client.transfer().task(id).skipped_errors();
    /// while let Some(file) = files.try_next().await? {
    ///     println!("{}: {}", file.source_path, file.error_code);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn skipped_errors(self) -> BoxStream<'a, Result<SkippedError>> {
        self.by_marker("skipped_errors", "list the skipped files of")
    }

    fn by_marker<T>(self, list: &'static str, verb: &'static str) -> BoxStream<'a, Result<T>>
    where
        T: serde::de::DeserializeOwned + Send + 'a,
    {
        #[derive(Deserialize)]
        #[serde(bound = "T: serde::de::DeserializeOwned")]
        struct Page<T> {
            #[serde(rename = "DATA", deserialize_with = "lenient::items")]
            data: Vec<T>,
            #[serde(default)]
            next_marker: Option<Value>,
        }
        pages(None::<String>, move |marker| async move {
            let call = Call::get(self.url(&[list])?, self.operation(verb)).query_if("marker", marker);
            let page: Page<T> = self.core.transfer(call).await?;
            Ok((page.data, next_marker(page.next_marker).map(Some)))
        })
    }

    pub(super) fn url(&self, below: &[&str]) -> Result<url::Url> {
        let id = self.id.to_string();
        let mut segments = if self.is_managed { vec!["endpoint_manager"] } else { Vec::new() };
        segments.extend(["task", id.as_str()]);
        segments.extend(below);
        self.core.transfer_endpoint(&segments)
    }

    pub(super) fn operation(&self, verb: &str) -> String {
        format!("{verb} task {}", self.id)
    }
}

/// Waits for the end of a task; see [`TaskHandler::wait`].
#[must_use = "nothing is sent until `send` is awaited"]
pub struct WaitForTask<'a> {
    task: TaskHandler<'a>,
    every: Duration,
    limit: Option<Duration>,
}

impl WaitForTask<'_> {
    /// Sets the polling interval; 10 s by default.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, id: uuid::Uuid) -> Result<()> {
    /// let task = client.transfer().task(id).wait().every(std::time::Duration::from_secs(2)).send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn every(mut self, interval: Duration) -> Self {
        self.every = interval;
        self
    }

    /// Limits the wait; without a limit it lasts until the task ends.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, id: uuid::Uuid) -> Result<()> {
    /// let task = client.transfer().task(id).wait().limit(std::time::Duration::from_secs(600)).send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Waits, and returns the task as it is at its end or at the limit. Transient failures don't end the
    /// wait.
    ///
    /// # Errors
    /// A failure that isn't transient, such as [`ErrorKind::NotFound`]; at the limit, the last failure.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, id: uuid::Uuid) -> Result<()> {
    /// let task = client.transfer().task(id).wait().send().await?;
    /// println!("{:?}", task.status);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send(self) -> Result<Task> {
        self.send_with(|_| ()).await
    }

    /// As [`WaitForTask::send`], and calls `look` with the task after every poll.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// let done = client.transfer().task(id).wait().send_with(|task| println!("{}", task.files)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`WaitForTask::send`].
    pub async fn send_with(self, mut look: impl FnMut(&Task)) -> Result<Task> {
        let began = Instant::now();
        loop {
            let outcome = self.task.get().await;
            if let Ok(task) = &outcome {
                look(task);
            }
            let continues = match &outcome {
                Ok(task) => !task.has_ended(),
                Err(error) => error.is_transient(),
            };
            let wait = match self.limit {
                Some(limit) => self.every.min(limit.saturating_sub(began.elapsed())),
                None => self.every,
            };
            if !continues || (self.limit.is_some() && wait.is_zero()) {
                return outcome;
            }
            if let Err(error) = &outcome {
                tracing::warn!("{error}; still waiting");
            }
            tokio::time::sleep(wait).await;
        }
    }
}
