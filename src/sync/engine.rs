//! The pairs of one beamline on one manifest.

use super::manifest::{Manifest, ManifestError, PairId};
use super::{CleanUpReport, Control, Ended, FailureCause, OnRemoval, Options, Pair, SyncReport};
use crate::config::{self, Config};
use crate::domain::{Field, FieldError, StepError};
use crate::globus::{client, explain};
use crate::journal::{Journal, JournalError, LockError, RunLock};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

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
    /// The pair can't be run for this experiment
    #[error("pair {pair}: {problem}")]
    Pair {
        /// The pair's name
        pair: String,
        /// Why
        problem: PairProblem,
    },
    /// Globus can't be reached for now
    #[error("{0}")]
    Away(String),
    /// It failed otherwise: what, why, and what to do
    #[error("{0}")]
    Source(String),
}

/// Why a pair can't be run for an experiment.
#[derive(Debug, thiserror::Error)]
pub enum PairProblem {
    /// The experiment lacks a field that the pair's paths need
    #[error(transparent)]
    Path(FieldError),
    /// The delivery has not made the directory that the pair shares
    #[error(
        "waits for {path}, which the experiment's delivery makes first, so that it is surely nobody else's; \
         press Run if that has ended"
    )]
    NotMade {
        /// The destination's directory
        path: String,
    },
    /// The experiment was accepted for another first directory than the settings now make
    #[error(
        "no pair begins for {experiment}, which was accepted for {accepted}: [directories] paths have changed. Put the \
         former paths back, or tag the group again"
    )]
    OtherPath {
        /// Whose it is
        experiment: String,
        /// The path that it was accepted for
        accepted: String,
    },
    /// The experiment's delivery is held
    #[error(
        "nothing is moved for {experiment}, whose delivery waits for the operator: its directories may be \
         another group's"
    )]
    Held {
        /// Whose it is
        experiment: String,
    },
    /// Another experiment has one of the directories
    #[error("{path} is another experiment's already ({other}); two groups' data must not be mixed. {remedy}")]
    Taken {
        /// The directory
        path: String,
        /// The other pair's name and its experiment
        other: String,
        /// What to do
        remedy: &'static str,
    },
}

impl PairProblem {
    /// The directory is another experiment's.
    pub(super) fn taken(settings: &config::Sync, path: String, other: String) -> PairProblem {
        let mut paths = [&settings.source.path, &settings.destination.path].into_iter();
        let have_number = paths
            .all(|path| path.of_experiment().is_none_or(|template| template.needs(Field::ProposalNumber)));
        let remedy = if have_number {
            "Give this pair other paths"
        } else {
            "Put {{ proposal_number }} into the paths of this pair"
        };
        PairProblem::Taken { path, other, remedy }
    }

    /// The problem as an error of this pair.
    pub(super) fn of(self, settings: &config::Sync) -> SyncError {
        SyncError::Pair { pair: settings.name.clone(), problem: self }
    }
}

impl From<globus_sync::Error> for SyncError {
    fn from(error: globus_sync::Error) -> SyncError {
        match error {
            globus_sync::Error::Manifest(error) => SyncError::Manifest(error),
            globus_sync::Error::Away(why) => SyncError::Away(why),
            globus_sync::Error::Failed(why) => SyncError::Source(why),
        }
    }
}

/// Moves the data of one settings file. Edited settings get a new engine on the same manifest.
pub struct Engine {
    pub(super) config: Arc<Config>,
    pub(super) settings: config::Globus,
    pub(super) journal: Journal,
    mover: globus_sync::Engine,
    mailer: Option<super::mail::MailSetup>,
    /// The cause that was mailed last, by pair, so that it is mailed once
    told: Mutex<HashMap<PairId, FailureCause>>,
}

impl Engine {
    /// Opens the manifest beside the journal. No request to Globus is made yet.
    ///
    /// # Errors
    /// Names the file (manifest, secret) that can't be used.
    pub async fn open(config: Arc<Config>, journal: Journal) -> Result<Engine, SyncError> {
        let settings = config.globus.clone().ok_or(SyncError::NoGlobus)?;
        let client = client(&settings)?;
        let manifest = Manifest::open(&Manifest::beside(&config.journal.path)).await?;
        let mailer = config.sender.as_ref().map(super::mail::MailSetup::new).transpose()?;
        let globus = settings.clone();
        let mover = globus_sync::Engine::new(client, manifest, move |error| explain(error, &globus));
        Ok(Engine { settings, mover, journal, mailer, told: Mutex::default(), config })
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        self.mover.manifest()
    }

    /// The journal of the beamline.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The settings that it works by.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    pub(super) fn post(&self) -> Option<&super::mail::MailSetup> {
        self.mailer.as_ref()
    }

    pub(super) fn told(&self) -> std::sync::MutexGuard<'_, HashMap<PairId, FailureCause>> {
        self.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Locks a pair, for running it or changing its rows, for as long as the lock lives.
    pub fn lock(&self, pair: &Pair, who: &str) -> Result<RunLock, SyncError> {
        Ok(self.journal.lock_pair(pair.row.id.number(), who)?)
    }

    /// Runs a pair, and mails its result if it is worth a message. If the future is dropped, the task
    /// continues at Globus; the next run follows it.
    ///
    /// # Errors
    /// Where nothing could be begun: another process runs the pair, or the manifest can't be used. What goes
    /// wrong later is in [`Ended::result`].
    pub async fn run(
        &self,
        pair: &Pair,
        options: &Options,
        control: Control,
        report: watch::Sender<SyncReport>,
    ) -> Result<Ended, SyncError> {
        let _lock = self.lock(pair, &options.who)?;
        let moved = pair.for_moving(&self.config);
        let mut ended = self.mover.run_pair(&moved, options, control, report).await?;
        if let Err(why) = self.tell(pair, &ended).await {
            ended.remarks.push(why);
        }
        Ok(ended)
    }

    /// Stops a pair: nothing starts until a run by hand. Its task is cancelled by the process that follows
    /// it; where none does, by this call, which then waits for its end.
    ///
    /// # Errors
    /// Where the manifest can't be written, or Globus not cancel the task.
    pub async fn stop(&self, pair: &Pair, options: &Options) -> Result<(), SyncError> {
        self.manifest().set_stopped(pair.row.id, true).await?;
        let Ok(_lock) = self.lock(pair, &options.who) else { return Ok(()) };
        Ok(self.mover.cancel_task(&pair.for_moving(&self.config), options).await?)
    }

    /// Deletes the state of the pair's files. All of them are compared with the destination again, and none
    /// is removed at the source until it is sent again.
    ///
    /// # Errors
    /// While another process runs the pair, or a task has not ended.
    pub async fn reset(&self, pair: &Pair, who: &str) -> Result<(), SyncError> {
        let _lock = self.lock(pair, who)?;
        Ok(self.manifest().reset(pair.row.id).await?)
    }

    /// Removes at the pair's source what may be removed, by `[sync.clean_up]`; a dry run only reports it.
    /// `on_removal` is called for each file that is (or would be) removed.
    ///
    /// # Errors
    /// Where the pair has no `clean_up`, another process runs it, or Globus or the source can't be asked.
    pub async fn clean_up(
        &self,
        pair: &Pair,
        options: &Options,
        dry_run: bool,
        control: Control,
        report: watch::Sender<SyncReport>,
        on_removal: OnRemoval<'_>,
    ) -> Result<CleanUpReport, SyncError> {
        let _lock = if dry_run { None } else { Some(self.lock(pair, &options.who)?) };
        let moved = pair.for_moving(&self.config);
        Ok(self.mover.clean_up(&moved, options, dry_run, control, report, on_removal).await?)
    }
}
