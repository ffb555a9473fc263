use super::super::failure::{Exit, Failure};
use super::super::rerun::duration;
use super::super::{Format, Outcome, print};
use super::{Account, task};
use beamshare::config::Config;
use clap::{Args, ValueEnum};
use globus_transfer_client as globus;
use globus_transfer_client::TransferTask;
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

/// Transfer a file or directory between two Globus collections
///
/// Prints the task id at once and waits until the task has ended: exit code 1 if it failed, 5 if it is still
/// running after --timeout. Interrupting the command does not stop the transfer; `beamshare task cancel ID`
/// does.
#[derive(Args)]
pub struct Transfer {
    /// Source, as COLLECTION:PATH; :PATH is on the collection of the settings
    source: Location,
    /// Destination, as COLLECTION:PATH: the full new path
    destination: Location,
    /// Transfer a directory with its contents
    #[arg(short, long)]
    recursive: bool,
    /// Name of the task in the list of tasks
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
    /// Skip files that are up to date at the destination, compared by this
    #[arg(long, value_enum, value_name = "HOW")]
    sync: Option<Compare>,
    /// Do not compare checksums after the transfer
    #[arg(long)]
    no_verify: bool,
    /// Only submit the task, and print its id
    #[arg(long, conflicts_with = "timeout")]
    no_wait: bool,
    /// Maximum time to wait
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
    #[command(flatten)]
    format: Format,
}

/// A path on a collection.
#[derive(Clone, Debug, PartialEq)]
struct Location {
    /// None for the collection of the settings
    collection: Option<Uuid>,
    path: String,
}

impl std::str::FromStr for Location {
    type Err = String;

    fn from_str(text: &str) -> Result<Location, String> {
        let (collection, path) = text.split_once(':').ok_or("it has no ':': write COLLECTION:PATH")?;
        let collection = match collection {
            "" => None,
            id => Some(
                id.parse()
                    .map_err(|_| format!("{id:?} is no collection id (app.globus.org shows it as UUID)"))?,
            ),
        };
        if !path.starts_with('/') && !path.starts_with("~/") {
            return Err(format!("the path {path:?} does not begin with / or ~/"));
        }
        Ok(Location { collection, path: path.to_owned() })
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Compare {
    /// A file of that name exists
    Exists,
    /// The same size
    Size,
    /// Not older
    Mtime,
    /// The same checksum
    Checksum,
}

impl From<Compare> for globus::SyncLevel {
    fn from(compare: Compare) -> globus::SyncLevel {
        match compare {
            Compare::Exists => globus::SyncLevel::Exists,
            Compare::Size => globus::SyncLevel::Size,
            Compare::Mtime => globus::SyncLevel::Mtime,
            Compare::Checksum => globus::SyncLevel::Checksum,
        }
    }
}

impl Transfer {
    pub async fn act(self, config: &Config) -> Outcome {
        let account = Account::of(config)?;
        let default = account.settings.collection;
        let (from, to) = (self.source.path.as_str(), self.destination.path.as_str());
        if from.ends_with('/') && !self.recursive {
            return Err(Failure::usage(format!("{from} is a directory: add --recursive")));
        }
        let (source, destination) =
            (self.source.collection.unwrap_or(default), self.destination.collection.unwrap_or(default));
        let mut transfer = TransferTask::new(source, destination).verify_checksum(!self.no_verify);
        transfer = if self.recursive { transfer.directory(from, to) } else { transfer.file(from, to) };
        if let Some(label) = &self.label {
            transfer = transfer.label(label);
        }
        if let Some(compare) = self.sync {
            transfer = transfer.sync_level(compare.into());
        }
        let id = account.result(account.transfer().submission_id().await)?;
        let submitted =
            account.result(account.transfer().submit_transfer(transfer.submission_id(id)).await)?;
        if self.no_wait {
            if self.format.json {
                print::json(&json!({ "task_id": submitted.task_id, "submission_id": id }))?
            } else {
                print::line(format_args!("task {}", submitted.task_id))
            }
            return Ok(Exit::Done);
        }
        if !self.format.json {
            print::line(format_args!("task {}", submitted.task_id));
        }
        task::wait(&account, submitted.task_id, self.timeout, &self.format).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_parsed() {
        let id = "6f7ad9ab-29a7-4de9-a0ae-10d4b2c0e5c5";
        let found: Location = format!("{id}:/a b/c:d").parse().unwrap();
        assert_eq!((found.collection, found.path.as_str()), (Some(id.parse().unwrap()), "/a b/c:d"));
        assert_eq!(":~/x".parse(), Ok(Location { collection: None, path: "~/x".to_owned() }));
        for wrong in ["/a", "x:/a", ":a", "", ":"] {
            assert!(wrong.parse::<Location>().is_err(), "{wrong:?}");
        }
    }
}
