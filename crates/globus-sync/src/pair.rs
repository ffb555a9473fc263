use crate::manifest::PairRow;
use crate::openat::SourceDirectory;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Most characters of a task's label.
const LABEL_MAX: usize = 128;

/// A pair of the manifest and how its files are sent.
#[derive(Clone, Debug)]
pub struct Pair {
    /// As the manifest has it
    pub row: PairRow,
    /// How its files are sent
    pub settings: PairSettings,
    /// The source's directory on this machine, where it is one
    pub local: Option<SourceDirectory>,
}

/// How a pair's files are sent.
#[derive(Clone, Debug)]
pub struct PairSettings {
    /// Its name, for log messages
    pub name: String,
    /// What its tasks are called in the Globus web app: letters, digits, blanks, commas, hyphens and
    /// underscores
    pub label: String,
    /// The part of the source's path on its collection that only administrators can write, with a `/` at both
    /// ends
    pub fixed_source: String,
    /// Whether files are held back that have a name (hard link) outside of the source
    pub holds_hard_links: bool,
    /// Which files are sent
    pub filters: Vec<SyncFilter>,
    /// How long a file must not have changed before it is sent
    pub quiet: Duration,
    /// How files at the destination are compared
    pub level: SyncLevel,
    /// Whether checksums are compared after the transfer
    pub verify: bool,
    /// Whether the data is encrypted on its way
    pub encrypt: bool,
    /// Whether files keep their modification times
    pub preserve_times: bool,
    /// Time limit of one task
    pub deadline: Duration,
    /// How often the destination is compared with what was sent
    pub compare: Option<Duration>,
    /// What is removed at the source; nothing without it
    pub clean_up: Option<CleanUp>,
}

impl PairSettings {
    /// The label of a task that is not a transfer.
    pub(crate) fn label_for(&self, purpose: &str) -> String {
        let room = LABEL_MAX.saturating_sub(purpose.len() + 1);
        let label: String = self.label.chars().take(room).collect();
        format!("{label} {purpose}")
    }
}

/// What is removed at the source once it is sent and verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanUp {
    /// How long a file stays after it was sent
    pub keep: Duration,
    /// Only while the source's file system has less free space than this, in bytes
    pub below: Option<u64>,
}

/// How a file at the destination is compared with the source's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncLevel {
    /// It is there
    Exists,
    /// It has the same size
    Size,
    /// The source's is not newer, and the size is the same
    Mtime,
    /// It has the same checksum
    #[default]
    Checksum,
}

impl From<SyncLevel> for globus_transfer_client::SyncLevel {
    fn from(level: SyncLevel) -> Self {
        match level {
            SyncLevel::Exists => Self::Exists,
            SyncLevel::Size => Self::Size,
            SyncLevel::Mtime => Self::Mtime,
            SyncLevel::Checksum => Self::Checksum,
        }
    }
}

/// One filter on file names: `*` stands for any characters, `?` for one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum SyncFilter {
    /// Files of such names are sent
    Include(String),
    /// Files of such names stay
    Exclude(String),
}
