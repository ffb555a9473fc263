//! Submitting transfers and deletions, each under a submission id.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{DeleteTask, TransferTask};
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::http::Call;

/// The number of items that one task can have; [`TransferTask::split`] splits a larger one.
pub const ITEM_LIMIT: usize = 100_000;

/// The e-mails that Globus sends about a task.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Notify {
    #[serde(skip_serializing_if = "Option::is_none")]
    notify_on_succeeded: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notify_on_failed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notify_on_inactive: Option<bool>,
}

impl Notify {
    pub fn all(wanted: bool) -> Self {
        Self {
            notify_on_succeeded: Some(wanted),
            notify_on_failed: Some(wanted),
            notify_on_inactive: Some(wanted),
        }
    }
}

/// The result of a submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Submitted {
    /// The task.
    pub task_id: Uuid,
    /// The id under which it was submitted.
    pub submission_id: Uuid,
    /// `Accepted`, or `Duplicate` when a task with this submission id existed.
    pub code: String,
    /// The message of the service.
    pub message: String,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Submitted {
    /// Whether an earlier submission under the same id created the task.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # fn example(submitted: Submitted) {
    /// if submitted.is_duplicate() {
    ///     println!("it was submitted before, as {}", submitted.task_id);
    /// }
    /// # }
    /// ```
    pub fn is_duplicate(&self) -> bool {
        self.code == "Duplicate"
    }
}

pub(super) async fn submission_id(core: &Core) -> Result<Uuid> {
    #[derive(Deserialize)]
    struct Response {
        value: Uuid,
    }
    let url = core.transfer_endpoint(&["submission_id"])?;
    let response: Response = core.transfer(Call::get(url, "get a submission id")).await?;
    Ok(response.value)
}

pub(super) async fn submit_transfer(core: &Core, mut task: TransferTask) -> Result<Submitted> {
    let operation = format!(
        "submit a transfer from collection {} to {}",
        task.source_endpoint, task.destination_endpoint
    );
    check_size(&operation, task.len())?;
    if task.submission_id.is_none() {
        task.submission_id = Some(submission_id(core).await?);
    }
    submit(core, "transfer", operation, &task).await
}

pub(super) async fn submit_delete(core: &Core, mut task: DeleteTask) -> Result<Submitted> {
    let operation = format!("submit a deletion on collection {}", task.endpoint);
    check_size(&operation, task.items.len())?;
    if task.submission_id.is_none() {
        task.submission_id = Some(submission_id(core).await?);
    }
    submit(core, "delete", operation, &task).await
}

async fn submit(core: &Core, what: &str, operation: String, document: &impl Serialize) -> Result<Submitted> {
    // Idempotent, since all submissions under one id are one task.
    let call = Call::post(core.transfer_endpoint(&[what])?, operation, document)?.idempotent();
    core.transfer(call).await
}

fn check_size(operation: &str, items: usize) -> Result<()> {
    let why = match items {
        0 => "it has no items".to_owned(),
        items if items > ITEM_LIMIT => {
            format!("it has {items} items, and a task can have at most {ITEM_LIMIT}: split it")
        }
        _ => return Ok(()),
    };
    Err(Error::local(ErrorKind::InvalidRequest, operation, why))
}
