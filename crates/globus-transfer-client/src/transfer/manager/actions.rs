//! Cancelling, pausing and resuming other accounts' tasks.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::ManagerHandler;
use crate::error::Result;
use crate::http::Call;
use crate::lenient;

/// A request to cancel tasks, which Globus works off by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AdminCancel {
    /// The id; see [`ManagerHandler::cancel_status`].
    pub id: Uuid,
    /// Whether all tasks are cancelled or have ended.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub done: bool,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl ManagerHandler<'_> {
    /// Cancels tasks, with a message for their owners.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, task: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// let cancel = client.transfer().manager().cancel_tasks(&[task], "the disk is replaced today").await?;
    /// println!("{}", client.transfer().manager().cancel_status(cancel.id).await?.done);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn cancel_tasks(self, tasks: &[Uuid], message: &str) -> Result<AdminCancel> {
        let document = json!({ "message": message, "task_id_list": tasks });
        let operation = format!("cancel {} tasks as an administrator", tasks.len());
        let call = Call::post(self.url(&["admin_cancel"])?, operation, &document)?;
        self.core.transfer(call.idempotent()).await
    }

    /// Returns how far a request to cancel tasks is.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// println!("{}", client.transfer().manager().cancel_status(id).await?.done);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn cancel_status(self, id: Uuid) -> Result<AdminCancel> {
        let url = self.url(&["admin_cancel", &id.to_string()])?;
        self.core.transfer(Call::get(url, format!("get the status of the cancellation {id}"))).await
    }

    /// Pauses tasks, with a message for their owners.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, task: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// client.transfer().manager().pause_tasks(&[task], "wait for the beam").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn pause_tasks(self, tasks: &[Uuid], message: &str) -> Result<()> {
        let document = json!({ "message": message, "task_id_list": tasks });
        let operation = format!("pause {} tasks as an administrator", tasks.len());
        let call = Call::post(self.url(&["admin_pause"])?, operation, &document)?;
        self.core.transfer::<Value>(call.idempotent()).await.map(|_| ())
    }

    /// Resumes tasks that an administrator paused.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, task: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// client.transfer().manager().resume_tasks(&[task]).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn resume_tasks(self, tasks: &[Uuid]) -> Result<()> {
        let document = json!({ "task_id_list": tasks });
        let operation = format!("resume {} tasks as an administrator", tasks.len());
        let call = Call::post(self.url(&["admin_resume"])?, operation, &document)?;
        self.core.transfer::<Value>(call.idempotent()).await.map(|_| ())
    }
}
