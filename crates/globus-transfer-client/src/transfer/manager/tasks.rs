//! Other accounts' tasks, as the administrators of their collections see them.

use futures::stream::BoxStream;
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use crate::core::Core;
use crate::error::Result;
use crate::http::Call;
use crate::lenient;
use crate::paging::pages;
use crate::transfer::{Events, PauseInfo, SkippedError, SuccessfulTransfer, Task, TaskHandler, TaskStatus};

/// A list of other accounts' tasks; see [`ManagerHandler::tasks`](super::ManagerHandler::tasks).
///
/// Globus needs a filter: either statuses of running tasks alone, or a collection or task ids.
#[derive(Clone)]
#[must_use = "call `stream`"]
pub struct ManagedTasks<'a> {
    core: &'a Core,
    filters: Vec<(&'static str, String)>,
}

#[derive(Deserialize)]
struct Page {
    #[serde(rename = "DATA", deserialize_with = "lenient::items")]
    data: Vec<Task>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    last_key: Option<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    has_next_page: bool,
}

impl<'a> ManagedTasks<'a> {
    pub(super) fn new(core: &'a Core) -> Self {
        Self { core, filters: Vec::new() }
    }

    /// Limits the list to tasks with one of these statuses.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # fn example(client: GlobusClient) {
    /// let running = client.transfer().manager().tasks().status(&[TaskStatus::Active, TaskStatus::Inactive]);
    /// # }
    /// ```
    pub fn status(self, any_of: &[TaskStatus]) -> Self {
        let names: Vec<&str> = any_of.iter().filter_map(|status| status.name()).collect();
        self.filter("filter_status", names.join(","))
    }

    /// Limits the list to tasks from or to a collection, or a collection that it hosts.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # fn example(client: GlobusClient, collection: uuid::Uuid) {
    /// let here = client.transfer().manager().tasks().collection(collection);
    /// # }
    /// ```
    pub fn collection(self, collection: Uuid) -> Self {
        self.filter("filter_endpoint", collection.to_string())
    }

    /// Limits the list to tasks of an identity.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # fn example(client: GlobusClient, collection: uuid::Uuid, owner: uuid::Uuid) {
    /// let theirs = client.transfer().manager().tasks().collection(collection).owner(owner);
    /// # }
    /// ```
    pub fn owner(self, identity: Uuid) -> Self {
        self.filter("filter_owner_id", identity.to_string())
    }

    /// Limits the list to these tasks, at most 50. It can't be combined with another filter.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # fn example(client: GlobusClient, task: uuid::Uuid) {
    /// let one = client.transfer().manager().tasks().ids(&[task]);
    /// # }
    /// ```
    pub fn ids(self, tasks: &[Uuid]) -> Self {
        let ids: Vec<String> = tasks.iter().map(Uuid::to_string).collect();
        self.filter("filter_task_id", ids.join(","))
    }

    /// Limits the list to tasks that are paused, or aren't.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # fn example(client: GlobusClient) {
    /// let paused = client.transfer().manager().tasks().status(&[TaskStatus::Active]).is_paused(true);
    /// # }
    /// ```
    pub fn is_paused(self, paused: bool) -> Self {
        self.filter("filter_is_paused", paused.to_string())
    }

    /// Limits the list to tasks that ended in this time, and those still running when there is no end.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # fn example(client: GlobusClient, collection: uuid::Uuid, since: jiff::Timestamp) {
    /// let lately = client.transfer().manager().tasks().collection(collection).completed(Some(since), None);
    /// # }
    /// ```
    pub fn completed(self, from: Option<Timestamp>, to: Option<Timestamp>) -> Self {
        let text = |at: Option<Timestamp>| at.map(lenient::whole_seconds).unwrap_or_default();
        self.filter("filter_completion_time", format!("{},{}", text(from), text(to)))
    }

    /// Adds another filter of the service, such as `filter_min_faults`.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # fn example(client: GlobusClient, collection: uuid::Uuid) {
    /// let faulty = client.transfer().manager().tasks().collection(collection).filter("filter_min_faults", "1");
    /// # }
    /// ```
    pub fn filter(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.filters.push((name, value.into()));
        self
    }

    /// All tasks; pages are fetched as they are needed.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// use futures::TryStreamExt;
    ///
    /// let tasks: Vec<_> = client.transfer().manager().tasks().collection(id).stream().try_collect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(self) -> BoxStream<'a, Result<Task>> {
        pages(None::<String>, move |last_key| {
            let list = self.clone();
            async move {
                let page = list.page(last_key).await?;
                let next = page.last_key.filter(|_| page.has_next_page);
                Ok((page.data, next.map(Some)))
            }
        })
    }

    async fn page(&self, last_key: Option<String>) -> Result<Page> {
        let url = self.core.transfer_endpoint(&["endpoint_manager", "task_list"])?;
        let mut call =
            Call::get(url, "list the tasks on the managed collections").query_if("last_key", last_key);
        for (name, value) in &self.filters {
            call = call.query(name, value);
        }
        self.core.transfer(call).await
    }
}

/// Another account's task; see [`ManagerHandler::task`](super::ManagerHandler::task).
#[derive(Clone, Copy)]
pub struct ManagedTaskHandler<'a> {
    task: TaskHandler<'a>,
}

impl<'a> ManagedTaskHandler<'a> {
    pub(super) fn new(core: &'a Core, id: Uuid) -> Self {
        Self { task: TaskHandler::managed(core, id) }
    }

    /// Gets its state.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// println!("{:?}", client.transfer().manager().task(id).get().await?.owner_id);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get(self) -> Result<Task> {
        self.task.get().await
    }

    /// Its events, the latest first.
    ///
    /// ```no_run
    /// # fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid) {
    /// let events = client.transfer().manager().task(id).events().errors_only().stream();
    /// # }
    /// ```
    pub fn events(self) -> Events<'a> {
        self.task.events()
    }

    /// Returns why it is paused.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// println!("{} rules", client.transfer().manager().task(id).pause_info().await?.pause_rules.len());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn pause_info(self) -> Result<PauseInfo> {
        self.task.pause_info().await
    }

    /// The files that it has transferred.
    ///
    /// ```no_run
    /// # fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid) {
    /// let files = client.transfer().manager().task(id).successful_transfers();
    /// # }
    /// ```
    pub fn successful_transfers(self) -> BoxStream<'a, Result<SuccessfulTransfer>> {
        self.task.successful_transfers()
    }

    /// The files that it skipped because of errors at the source.
    ///
    /// ```no_run
    /// # fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid) {
    /// let files = client.transfer().manager().task(id).skipped_errors();
    /// # }
    /// ```
    pub fn skipped_errors(self) -> BoxStream<'a, Result<SkippedError>> {
        self.task.skipped_errors()
    }
}
