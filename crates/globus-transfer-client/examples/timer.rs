//! Copies a directory every night: `cargo run --example timer FROM-COLLECTION /raw/ TO-COLLECTION /raw/`.

mod common;

use std::error::Error;
use std::time::Duration;

use globus_transfer_client::timers::NewTimer;
use globus_transfer_client::{SyncLevel, TransferTask};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [from, source, to, destination] = common::arguments("timer FROM /directory/ TO /directory/")?;
    let client = common::client()?;
    let task = TransferTask::new(from.parse()?, to.parse()?)
        .sync_level(SyncLevel::Mtime)
        .directory(source.as_str(), destination.as_str());
    let nightly = NewTimer::every(Duration::from_secs(24 * 3600), task).name("nightly copy");
    let timer = client.timers().create(nightly).await?;
    println!("timer {} runs next at {:?}", timer.id, timer.next_run);
    for timer in client.timers().list().await? {
        println!(
            "{} {:?} {:?}: {} runs, {} errors",
            timer.id, timer.name, timer.status, timer.runs, timer.errors
        );
    }
    Ok(())
}
