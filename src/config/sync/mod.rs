//! `[[sync]]`: which data moves from where to where, when, and what may go at the source afterwards.

mod check;
mod path;
mod value;

pub(super) use check::check;
pub use globus_sync::{SyncFilter, SyncLevel};
pub use path::{LabelTemplate, SyncPath, SyncScope};
pub use value::TimeOfDay;

use super::value as shared;
use crate::domain::{EmailAddress, Experiment, FieldError, YearMonth};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use uuid::Uuid;

/// `[[sync]]`: one pair of directories.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sync {
    /// What the pair is called on the screen and the command line, e.g. `raw`
    pub name: String,
    /// Where the data is
    pub source: SyncSource,
    /// Where it goes
    pub destination: SyncDestination,
    /// `files`: as files appear
    pub on: Option<SyncOn>,
    /// So long after the last run began
    #[serde(default, deserialize_with = "shared::some_duration")]
    pub every: Option<Duration>,
    /// Each day at this time, in the beamline's time zone
    #[serde(default, deserialize_with = "value::some_time_of_day")]
    pub at: Option<TimeOfDay>,
    /// How often the destination is compared with what was sent, so that what was removed or changed there is
    /// sent again
    #[serde(default, deserialize_with = "shared::some_duration")]
    pub compare: Option<Duration>,
    /// How long a file must not have changed: it may still be written
    #[serde(default = "value::default_quiet", deserialize_with = "shared::duration")]
    pub quiet: Duration,
    /// By what a file counts as there already
    #[serde(default)]
    pub level: SyncLevel,
    /// Whether checksums are compared after the transfer, and files sent again until they agree
    #[serde(default = "value::yes")]
    pub verify: bool,
    /// Whether the data is encrypted on its way
    #[serde(default)]
    pub encrypt: bool,
    /// Whether files keep their time of change
    #[serde(default = "value::yes")]
    pub preserve_times: bool,
    /// Which files are sent: the first whose pattern fits decides, what none fits is sent; see
    /// [`globus_sync::walk::Filters`]
    #[serde(default)]
    pub filters: Vec<SyncFilter>,
    /// Time limit of one task
    #[serde(default = "value::default_deadline", deserialize_with = "shared::duration")]
    pub deadline: Duration,
    /// What a task is called in the Globus web app
    pub label: Option<LabelTemplate>,
    /// Who is mailed about what was sent and what failed
    #[serde(default, deserialize_with = "shared::addresses")]
    pub notify: Vec<EmailAddress>,
    /// Whether the destination is shared with the experiment's people and they are mailed its link, once the
    /// first files are there
    #[serde(default)]
    pub share: bool,
    /// `[sync.clean_up]`; without it nothing is ever removed at the source
    pub clean_up: Option<CleanUp>,
}

impl Sync {
    /// What its directories differ by.
    pub fn scope(&self) -> SyncScope {
        self.source.path.scope()
    }

    /// Whether its directories are an experiment's own.
    pub fn is_per_experiment(&self) -> bool {
        self.scope() == SyncScope::Experiment
    }

    /// The directories of this owner.
    ///
    /// # Errors
    /// Names the field that a path needs and the owner lacks.
    pub fn resolve(&self, owner: PairOwner<'_>) -> Result<SyncPaths, FieldError> {
        let local = match &self.source.local {
            Some(path) => {
                let (fixed, whole) = (PathBuf::from(path.top()), PathBuf::from(path.render(owner)?));
                let below = whole.strip_prefix(&fixed).map(Path::to_owned).unwrap_or_default();
                Some(LocalPath { fixed, below })
            }
            None => None,
        };
        Ok(SyncPaths {
            source: self.source.path.render(owner)?,
            local,
            destination: self.destination.path.render(owner)?,
        })
    }
}

/// Whose data a pair moves.
#[derive(Clone, Copy, Debug)]
pub enum PairOwner<'e> {
    /// Everyone's: the paths are fixed
    Everyone,
    /// That of a month
    Month(YearMonth),
    /// An experiment's
    Experiment(&'e Experiment),
}

/// A pair's directories, without templates in them. Each ends with a `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncPaths {
    /// On the source collection
    pub source: String,
    /// The same directory on this machine
    pub local: Option<LocalPath>,
    /// On the destination collection
    pub destination: String,
}

/// A directory on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalPath {
    /// The fixed part of the path, which only administrators can write
    pub fixed: PathBuf,
    /// The part from the template, which the experiment's users may be able to write
    pub below: PathBuf,
}

/// `sync.source`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyncSource {
    /// The collection's id
    #[serde(deserialize_with = "shared::uuid")]
    pub collection: Uuid,
    /// The directory on the collection
    pub path: SyncPath,
    /// The same directory on this machine, where it is one
    pub local: Option<SyncPath>,
    /// Whether only the facility's own accounts can write below the directory, so that no user can put links
    /// there. Needed for an experiment's own directory without `local`
    #[serde(default)]
    pub trusted: bool,
}

/// `sync.destination`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyncDestination {
    /// The collection's id
    #[serde(deserialize_with = "shared::uuid")]
    pub collection: Uuid,
    /// The directory on the collection; made when it is missing
    pub path: SyncPath,
}

/// What starts a pair beside the clock and people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncOn {
    /// New and changed files
    Files,
}

/// `[sync.clean_up]`: what was sent may go at the source.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CleanUp {
    /// How long a file stays after it was sent
    #[serde(deserialize_with = "shared::duration")]
    pub keep: Duration,
    /// Only while the source's file system has less free space than this, in bytes
    #[serde(default, deserialize_with = "value::some_bytes")]
    pub below: Option<u64>,
}
