//! Handing in transfers and deletions, each under a submission id.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{DeleteTask, TransferTask};
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::http::Call;

/// How many items one task can have; [`TransferTask::split`] makes several of a larger one.
pub const ITEM_LIMIT: usize = 100_000;

/// Which e-mails Globus sends about a task.
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
        Self { notify_on_succeeded: Some(wanted), notify_on_failed: Some(wanted), notify_on_inactive: Some(wanted) }
    }
}

/// What came of a submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Submitted {
    /// The task.
    pub task_id: Uuid,
    /// The id under which it was handed in.
    pub submission_id: Uuid,
    /// `Accepted`, or `Duplicate` when there was a task of this submission id.
    pub code: String,
    /// What the service says.
    pub message: String,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Submitted {
    /// Whether an earlier submission under the same id had made the task.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # fn example(submitted: Submitted) {
    /// if submitted.is_duplicate() {
    ///     println!("it was handed in before, as {}", submitted.task_id);
    /// }
    /// # }
    /// ```
    pub fn is_duplicate(&self) -> bool {
        self.code == "Duplicate"
    }
}

pub(super) async fn submission_id(core: &Core) -> Result<Uuid> {
    #[derive(Deserialize)]
    struct Answer {
        value: Uuid,
    }
    let url = core.transfer_endpoint(&["submission_id"])?;
    let answer: Answer = core.transfer(Call::get(url, "get a submission id")).await?;
    Ok(answer.value)
}

pub(super) async fn submit_transfer(core: &Core, mut task: TransferTask) -> Result<Submitted> {
    let tried = format!("hand in a transfer from collection {} to {}", task.source_endpoint, task.destination_endpoint);
    refuse_wrong_size(&tried, task.len())?;
    if task.submission_id.is_none() {
        task.submission_id = Some(submission_id(core).await?);
    }
    submit(core, "transfer", tried, &task).await
}

pub(super) async fn submit_delete(core: &Core, mut task: DeleteTask) -> Result<Submitted> {
    let tried = format!("hand in a deletion on collection {}", task.endpoint);
    refuse_wrong_size(&tried, task.items.len())?;
    if task.submission_id.is_none() {
        task.submission_id = Some(submission_id(core).await?);
    }
    submit(core, "delete", tried, &task).await
}

async fn submit(core: &Core, what: &str, tried: String, document: &impl Serialize) -> Result<Submitted> {
    // The submission id makes it safe: all submissions under one id are one task.
    let call = Call::post(core.transfer_endpoint(&[what])?, tried, document)?.idempotent();
    core.transfer(call).await
}

fn refuse_wrong_size(tried: &str, items: usize) -> Result<()> {
    let why = match items {
        0 => "there is nothing in it".to_owned(),
        items if items > ITEM_LIMIT => format!("it has {items} items, and a task can have {ITEM_LIMIT}: split it"),
        _ => return Ok(()),
    };
    Err(Error::local(ErrorKind::InvalidRequest, tried, why))
}
