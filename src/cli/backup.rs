use super::failure::Exit;
use super::history::open_journal;
use super::{Outcome, print};
use beamshare::config::Config;
use beamshare::journal::Journal;
use clap::Args;
use std::path::PathBuf;

/// Write a copy of the journal to a new file, while the service runs
///
/// The journal's file alone, copied by other means, lacks the newest rows. docs/operation.md tells how to
/// restore it.
#[derive(Args)]
pub struct Backup {
    /// The copy; must not exist yet
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Backup {
    pub async fn act(self, config: &Config) -> Outcome {
        let journal = open_journal(config).await?;
        journal.back_up(&self.file).await?;
        journal.close().await;
        let copy = Journal::open(&self.file).await?;
        let rows = copy.check_integrity().await?;
        copy.close().await;
        print::line(format_args!("{}: {rows} experiments and deliveries", self.file.display()));
        Ok(Exit::Done)
    }
}
