//! Sends a pair's files: one task at a time, recorded before it is submitted, followed to its end.

mod ask;
mod control;
mod foreign;
mod inspection;
mod look;
mod repair;
mod report;
mod request;
mod run_pair;
mod task;

pub use control::{Control, Controller, controls};
pub use repair::next_repair;
pub use report::{Ended, FailureCause, RunFailure, RunResult, SyncReport, SyncState, amount};
pub(crate) use report::{Progress, RunAborted};
pub use request::with_slash;
pub(crate) use run_pair::Run;

use crate::manifest::{Manifest, ManifestError};
use globus_transfer_client as globus;
use globus_transfer_client::GlobusClient;
use std::time::Duration;

/// Why a pair can't be run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The manifest can't be read or written
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Globus can't be reached for now
    #[error("{0}")]
    Away(String),
    /// It failed otherwise: what, why, and what to do
    #[error("{0}")]
    Failed(String),
}

/// How a run is to be made.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who runs it, as the caller's lock tells other processes, e.g. `beamshare run`
    pub who: String,
    /// A person asked for it: a pair that was stopped goes on
    pub by_hand: bool,
    /// Compare the whole source with the manifest first; without it, only what events told is known
    pub walk: bool,
    /// Wait, once, for files that changed a moment ago. Without it, [`Ended::waiting_until`] says when they
    /// can go.
    pub wait_for_quiet: bool,
    /// How long a service may be away before the run ends; the next run goes on
    pub patience: Duration,
    /// Most files of one task
    pub files_a_task: usize,
    /// Compare the destination with what was sent, and send again what is missing or different there
    pub repair: bool,
}

impl Options {
    /// A run by a service, with a walk.
    pub fn of_service(who: impl Into<String>, patience: Duration) -> Options {
        Options {
            who: who.into(),
            by_hand: false,
            walk: true,
            wait_for_quiet: true,
            patience,
            files_a_task: FILES_A_TASK,
            repair: false,
        }
    }

    /// A run by a person.
    pub fn by_hand(patience: Duration) -> Options {
        let who = format!("the command line (process {})", std::process::id());
        Options { by_hand: true, ..Options::of_service(who, patience) }
    }
}

/// A fifth of what Transfer takes: a task's list stays a few megabytes, and failed files are reported early.
const FILES_A_TASK: usize = 20_000;

/// Explains an error of Globus to a person: what to do about it.
pub type Explain = dyn Fn(&globus::Error) -> String + Send + Sync;

/// Runs pairs by one Globus account on one manifest.
pub struct Engine {
    client: GlobusClient,
    manifest: Manifest,
    explain: Box<Explain>,
}

impl Engine {
    /// Nothing is asked of Globus yet. `explain` turns an error of Globus into a sentence for a person.
    pub fn new(
        client: GlobusClient,
        manifest: Manifest,
        explain: impl Fn(&globus::Error) -> String + Send + Sync + 'static,
    ) -> Engine {
        Engine { client, manifest, explain: Box::new(explain) }
    }

    /// What was moved, to be read.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub(crate) fn client(&self) -> &GlobusClient {
        &self.client
    }

    pub(crate) fn explain(&self, error: &globus::Error) -> String {
        (self.explain)(error)
    }

    /// A request that Globus has rejected, as the failure of a run.
    pub(crate) fn rejected(&self, error: &globus::Error) -> RunFailure {
        RunFailure::new(FailureCause::Rejected(error.code().map(str::to_owned)), self.explain(error))
    }
}
