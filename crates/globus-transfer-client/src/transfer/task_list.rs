//! Lists of the caller's tasks.

use futures::stream::BoxStream;
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use super::{Task, TaskStatus};
use crate::core::Core;
use crate::error::Result;
use crate::http::Call;
use crate::lenient::{self, Items};
use crate::paging::{next_offset, pages};

/// The most tasks that the service returns, in one page and in all pages together.
const MOST: u64 = 1000;

/// A list of tasks; see [`TransferHandler::tasks`](super::TransferHandler::tasks).
#[derive(Clone)]
#[must_use = "call `stream`"]
pub struct Tasks<'a> {
    core: &'a Core,
    filters: Vec<String>,
    order: Option<String>,
    page: u64,
}

#[derive(Deserialize)]
struct Page {
    #[serde(rename = "DATA")]
    data: Items<Task>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    total: u64,
}

impl<'a> Tasks<'a> {
    pub(super) fn new(core: &'a Core) -> Self {
        Self { core, filters: Vec::new(), order: None, page: 100 }
    }

    /// Limits the list to tasks with one of these statuses.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, id: uuid::Uuid) -> Result<()> {
    /// let tasks = client.transfer().tasks().status(&[TaskStatus::Active, TaskStatus::Inactive]).stream();
    /// # Ok(())
    /// # }
    /// ```
    pub fn status(self, any_of: &[TaskStatus]) -> Self {
        let names: Vec<&str> = any_of.iter().filter_map(|status| status.name()).collect();
        self.filter(format!("status:{}", names.join(",")))
    }

    /// Limits the list to these tasks.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, id: uuid::Uuid) -> Result<()> {
    /// let tasks = client.transfer().tasks().ids(&[id]).stream();
    /// # Ok(())
    /// # }
    /// ```
    pub fn ids(self, any_of: &[Uuid]) -> Self {
        let ids: Vec<String> = any_of.iter().map(Uuid::to_string).collect();
        self.filter(format!("task_id:{}", ids.join(",")))
    }

    /// Limits the list to labels that match a pattern with `*`, in any letter case.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, id: uuid::Uuid) -> Result<()> {
    /// let tasks = client.transfer().tasks().label("2026-03*").stream();
    /// # Ok(())
    /// # }
    /// ```
    pub fn label(self, pattern: &str) -> Self {
        self.filter(format!("label:~{pattern}"))
    }

    /// Limits the list to tasks submitted since a time.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, id: uuid::Uuid) -> Result<()> {
    /// let tasks = client.transfer().tasks().since(jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24)).stream();
    /// # Ok(())
    /// # }
    /// ```
    pub fn since(self, time: Timestamp) -> Self {
        self.filter(format!("request_time:{},", lenient::whole_seconds(time)))
    }

    /// Adds a filter of the service, such as `type:TRANSFER`. All filters must match.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, id: uuid::Uuid) -> Result<()> {
    /// let tasks = client.transfer().tasks().filter("type:TRANSFER").stream();
    /// # Ok(())
    /// # }
    /// ```
    pub fn filter(mut self, filter: impl Into<String>) -> Self {
        self.filters.push(filter.into());
        self
    }

    /// Sorts by a field, such as `request_time ASC`; by default the latest come first.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, id: uuid::Uuid) -> Result<()> {
    /// let tasks = client.transfer().tasks().order_by("completion_time DESC").stream();
    /// # Ok(())
    /// # }
    /// ```
    pub fn order_by(mut self, field: impl Into<String>) -> Self {
        self.order = Some(field.into());
        self
    }

    /// Sets how many tasks one request returns, 1 to 1000; 100 by default.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, id: uuid::Uuid) -> Result<()> {
    /// let tasks = client.transfer().tasks().page_size(10).stream();
    /// # Ok(())
    /// # }
    /// ```
    pub fn page_size(mut self, tasks: u64) -> Self {
        self.page = tasks.clamp(1, MOST);
        self
    }

    /// All tasks, up to the service's 1000; pages are fetched as they are needed.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), globus_transfer_client::Error> {
    /// use futures::TryStreamExt;
    /// use globus_transfer_client::TaskStatus;
    ///
    /// let mut tasks = client.transfer().tasks().status(&[TaskStatus::Active]).stream();
    /// while let Some(task) = tasks.try_next().await? {
    ///     println!("{} {}", task.task_id, task.label.unwrap_or_default());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(self) -> BoxStream<'a, Result<Task>> {
        pages(0, move |offset| {
            let list = self.clone();
            async move {
                let page = list.page(offset).await?;
                let is_more = offset + (page.data.count as u64) < page.total.min(MOST);
                let next = next_offset(offset, page.data.count, is_more);
                Ok((page.data.known, next))
            }
        })
    }

    async fn page(&self, offset: u64) -> Result<Page> {
        let url = self.core.transfer_endpoint(&["task_list"])?;
        let call = Call::get(url, "list the tasks")
            .query("limit", self.page.min(MOST - offset).to_string())
            .query("offset", offset.to_string())
            .query_if("orderby", self.order.as_deref())
            .query_if("filter", (!self.filters.is_empty()).then(|| self.filters.join("/")));
        self.core.transfer(call).await
    }
}
