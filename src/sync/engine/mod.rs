//! Moving a pair's files: one task at a time, each written down before it is handed in, followed to its end.

mod ask;
mod claims;
mod control;
mod foreign;
mod inspection;
mod look;
mod pair;
mod repair;
mod report;
mod request;
mod run;
mod task;

pub use control::{Control, Controller, controls};
pub use pair::Pair;
pub(crate) use repair::due_at as repair_due_at;
use repair::is_due as repair_is_due;
pub(super) use report::amount;
pub use report::{Ended, RunResult, SyncReport, SyncState};
pub(super) use report::{Halt, Progress};
pub(super) use request::with_slash;
pub(super) use run::Run;

use super::manifest::{Manifest, ManifestError, PairId};
use crate::config::{self, Config};
use crate::delivery::{self};
use crate::domain::{FieldError, StepError};
use crate::journal::{Journal, JournalError, LockError, RunLock};
use globus_transfer_client as globus;
use globus_transfer_client::GlobusClient;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Why a pair can't be run.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The settings have no `[globus]`
    #[error("there is no [globus] in the settings, so there is no account to move data by")]
    NoGlobus,
    /// The sign-in can't be used
    #[error(transparent)]
    SignIn(#[from] StepError),
    /// The manifest can't be read or written
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The journal can't be read
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Another process runs the pair
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The experiment lacks a field that the pair's paths need
    #[error("pair {pair}: {error}")]
    Path {
        /// The pair's name
        pair: String,
        /// Which field, and why
        error: FieldError,
    },
    /// The delivery has not made the directory that the pair shares
    #[error(
        "pair {pair}: waits for {path}, which the experiment's delivery makes first, so that it is surely nobody else's; \
         press Run if that has ended"
    )]
    NotMade {
        /// The pair's name
        pair: String,
        /// The destination's directory
        path: String,
    },
    /// The experiment's delivery is held
    #[error(
        "pair {pair}: nothing is moved for {experiment}, whose delivery waits for the operator: its directories may be \
         another group's"
    )]
    Held {
        /// The pair's name
        pair: String,
        /// Whose it is
        experiment: String,
    },
    /// Another experiment has one of the directories
    #[error(
        "pair {pair}: {path} is another experiment's already ({other}); two groups' data must not be mixed. \
         Put {{{{ proposal_number }}}} into the paths of this pair"
    )]
    Taken {
        /// The pair's name
        pair: String,
        /// The directory
        path: String,
        /// The other pair's name and its experiment
        other: String,
    },
    /// Globus can't be reached for now
    #[error("{0}")]
    Away(String),
    /// It failed otherwise: what, why, and what to do
    #[error("{0}")]
    Source(String),
}

/// How a run is to be made.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who runs it, as others are told, e.g. `beamshare run`
    pub who: String,
    /// A person asked for it: a pair that was stopped goes on
    pub by_hand: bool,
    /// Compare the whole source with the manifest first; without it, only what events told is known
    pub walk: bool,
    /// Wait, once, for files that changed a moment ago. Without it, [`Ended::waiting_until`] says when they can go.
    pub wait_for_quiet: bool,
    /// How long a service may be away before the run ends; the next run goes on
    pub patience: Duration,
    /// Most files of one task
    pub files_a_task: usize,
    /// Compare the destination with what was sent, and send again what is missing or different there
    pub repair: bool,
}

impl Options {
    /// A run by the daemon, with a walk.
    pub fn of_service(config: &Config) -> Options {
        Options {
            who: "beamshare run".to_owned(),
            by_hand: false,
            walk: true,
            wait_for_quiet: true,
            patience: config.rules.retry_for,
            files_a_task: FILES_A_TASK,
            repair: false,
        }
    }

    /// A run by a person.
    pub fn by_hand(patience: Duration) -> Options {
        Options {
            who: format!("beamshare on the command line (process {})", std::process::id()),
            by_hand: true,
            walk: true,
            wait_for_quiet: true,
            patience,
            files_a_task: FILES_A_TASK,
            repair: false,
        }
    }
}

/// A fifth of what Transfer takes: a task's list stays a few megabytes, and what failed is told soon.
const FILES_A_TASK: usize = 20_000;

/// Moves the data of one beamline. A changed configuration makes a new one on the same manifest.
pub struct Engine {
    config: Arc<Config>,
    settings: config::Globus,
    client: GlobusClient,
    journal: Journal,
    manifest: Manifest,
    mailer: Option<super::mail::Post>,
    /// The failure that was mailed last, by pair, so that it is mailed once
    told: Mutex<HashMap<PairId, String>>,
}

impl Engine {
    /// Opens the manifest beside the journal; nothing is asked of Globus yet.
    ///
    /// # Errors
    /// Names the file (manifest, secret) that can't be used.
    pub async fn open(config: Arc<Config>, journal: Journal) -> Result<Engine, SyncError> {
        let settings = config.globus.clone().ok_or(SyncError::NoGlobus)?;
        let client = delivery::client(&settings)?;
        let manifest = Manifest::open(&Manifest::beside(&config.journal.path)).await?;
        let mailer = config.email.as_ref().map(super::mail::Post::new).transpose()?;
        Ok(Engine { settings, client, journal, manifest, mailer, told: Mutex::default(), config })
    }

    /// What was moved, to be read.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The journal of the beamline.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The settings that it works by.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    pub(super) fn client(&self) -> &GlobusClient {
        &self.client
    }

    pub(super) fn post(&self) -> Option<&super::mail::Post> {
        self.mailer.as_ref()
    }

    pub(super) fn told(&self) -> std::sync::MutexGuard<'_, HashMap<PairId, String>> {
        self.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(super) fn explain(&self, error: &globus::Error) -> String {
        delivery::explain(error, &self.settings)
    }

    /// The right to run a pair, or to change what is known of it, for as long as it lives.
    pub fn lock(&self, pair: &Pair, who: &str) -> Result<RunLock, SyncError> {
        Ok(self.journal.lock_pair(pair.row.id.number(), who)?)
    }
}
