//! Transfers a directory and waits for it: `cargo run --example transfer FROM /from/ TO /to/`.

mod common;

use std::error::Error;
use std::time::Duration;

use globus_transfer_client::{SyncLevel, TaskStatus, TransferTask};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [from, from_path, to, to_path] = common::arguments("transfer FROM /from/ TO /to/")?;
    let client = common::client()?;
    let transfer = client.transfer();
    // A program that may be restarted stores this id first: submitting again under the same id creates no
    // second task.
    let id = transfer.submission_id().await?;
    let task = TransferTask::new(from.parse()?, to.parse()?)
        .submission_id(id)
        .label("example")
        .sync_level(SyncLevel::Checksum)
        .verify_checksum(true)
        .directory(from_path, to_path);
    let submitted = transfer.submit_transfer(task).await?;
    println!("task {}", submitted.task_id);

    let every = Duration::from_secs(2);
    let show = |task: &globus_transfer_client::Task| {
        println!("{:?}: {} of {} files", task.status, task.files_transferred.unwrap_or(0), task.files);
    };
    let ended = transfer.task(submitted.task_id).wait().every(every).send_with(show).await?;
    match ended.status {
        TaskStatus::Succeeded => Ok(()),
        _ => Err(format!("the task failed: {:?}", ended.fatal_error).into()),
    }
}
