//! What can be done with a task: look, wait, change, cancel, and read what happened to it.

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
use crate::paging::pages;

/// One task; see [`TransferHandler::task`](super::TransferHandler::task).
#[derive(Clone, Copy)]
pub struct TaskHandler<'a> {
    core: &'a Core,
    id: Uuid,
}

impl<'a> TaskHandler<'a> {
    pub(super) fn new(core: &'a Core, id: Uuid) -> Self {
        Self { core, id }
    }

    /// How it is now.
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
        self.core.transfer(Call::get(self.url(&[])?, self.about("look at"))).await
    }

    /// What happened to it, the latest first.
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
        Events::new(self.core, self.id)
    }

    /// Waits for its end.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// use std::time::Duration;
    ///
    /// let task = client.transfer().task(id).wait().limit(Duration::from_secs(3600)).send().await?;
    /// if !task.has_ended() {
    ///     println!("still at it after an hour");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait(self) -> WaitForTask<'a> {
        WaitForTask { task: self, every: Duration::from_secs(10), limit: None }
    }

    /// Gives it another label or deadline while it runs.
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
        let call = Call::put(self.url(&[])?, self.about("change"), &document)?;
        self.core.transfer::<Value>(call).await.map(|_| ())
    }

    /// Cancels it, and says whether it was still running.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// if !client.transfer().task(id).cancel().await? {
    ///     println!("it had ended");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn cancel(self) -> Result<bool> {
        let call = Call::post(self.url(&["cancel"])?, self.about("cancel"), &json!({}))?.idempotent();
        let answer: Value = match self.core.transfer(call).await {
            Ok(answer) => answer,
            Err(error) if *error.kind() == ErrorKind::Conflict => return Ok(false),
            Err(error) => return Err(error),
        };
        // `Canceled`, or `CancelAccepted` when it takes a while; `TaskComplete` when there was nothing to cancel.
        Ok(answer["code"] != "TaskComplete")
    }

    /// Why it is paused, or will be.
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
        let call = Call::get(self.url(&["pause_info"])?, self.about("ask why it is paused:"));
        self.core.transfer(call).await
    }

    /// The files that a finished transfer has transferred; not those that were the same at the destination.
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

    /// The files that a finished transfer left out because of errors at the source.
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
            let call = Call::get(self.url(&[list])?, self.about(verb)).query_if("marker", marker);
            let page: Page<T> = self.core.transfer(call).await?;
            // The service writes it as a number; it is passed back as it came.
            let next = match page.next_marker {
                None | Some(Value::Null) => None,
                Some(Value::String(marker)) => Some(marker),
                Some(marker) => Some(marker.to_string()),
            };
            Ok((page.data, next.map(Some)))
        })
    }

    fn url(&self, below: &[&str]) -> Result<url::Url> {
        let id = self.id.to_string();
        let mut segments = vec!["task", id.as_str()];
        segments.extend(below);
        self.core.transfer_endpoint(&segments)
    }

    fn about(&self, verb: &str) -> String {
        format!("{verb} task {}", self.id)
    }
}

/// Waits for the end of a task; see [`TaskHandler::wait`].
pub struct WaitForTask<'a> {
    task: TaskHandler<'a>,
    every: Duration,
    limit: Option<Duration>,
}

impl WaitForTask<'_> {
    /// How often it is looked at; every 10 s by default.
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

    /// How long to wait at most; without it, until the end.
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

    /// Waits, and gives the task as it is at the end, or when the limit is reached. While the service can't be reached,
    /// waiting goes on.
    ///
    /// # Errors
    /// What waiting can't help, such as [`ErrorKind::NotFound`]; at the limit, why the service couldn't be reached.
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

    /// As [`WaitForTask::send`], and shows the task each time that it was looked at.
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
            let goes_on = match &outcome {
                Ok(task) => !task.has_ended(),
                Err(error) => error.is_transient(),
            };
            let wait = match self.limit {
                Some(limit) => self.every.min(limit.saturating_sub(began.elapsed())),
                None => self.every,
            };
            if !goes_on || (self.limit.is_some() && wait.is_zero()) {
                return outcome;
            }
            if let Err(error) = &outcome {
                tracing::warn!("{error}; waiting on");
            }
            tokio::time::sleep(wait).await;
        }
    }
}
