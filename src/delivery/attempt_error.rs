//! Why an attempt at a unit did not succeed. Errors stay typed until they are journalled and shown.

use super::obstacle::Obstacle;
use super::people::RefreshError;
use crate::domain::{EmailAddress, FieldError, RelativePath, Retry, StepError};
use crate::journal::JournalError;
use crate::mail::{MailError, TemplateError};
use crate::schedule::ScheduleError;
use crate::sync::manifest::ManifestError;
use globus_transfer_client::Permissions;
use std::path::PathBuf;
use std::time::Duration;

/// Why an attempt did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// The attempt would enter what may be another group's
    #[error("{}", Obstacle::sentences(.0))]
    Obstacles(Vec<Obstacle>),
    /// A place or the Globus collection
    #[error(transparent)]
    Place(#[from] StepError),
    /// The journal can't be read or written
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The manifest of moved files can't be read
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The schedule can't be asked who is on the proposal
    #[error(transparent)]
    People(#[from] RefreshError),
    /// The mail server did not take a message
    #[error(transparent)]
    Mail(#[from] MailError),
    /// A message can't be composed
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A path can't be made from the experiment's fields
    #[error(transparent)]
    Path(FieldError),
    /// A replica's directory can't be named
    #[error("its destination can't be named: {0}")]
    ReplicaPath(FieldError),
    /// An address has no Globus identity
    #[error(
        "Globus Auth has no identity for {0} and gave it none; check the address, or ask the person to sign \
         in to Globus once"
    )]
    NoIdentity(EmailAddress),
    /// Another one's access rule allows less than is configured
    #[error(
        "{email} has {allowed} access to {path} by a rule that beamshare did not make, and {wanted} is \
         configured; change that rule on Globus, then put 1 to Run"
    )]
    ForeignRule {
        /// The person
        email: EmailAddress,
        /// What the rule allows
        allowed: Permissions,
        /// What is configured
        wanted: Permissions,
        /// The rule's path
        path: String,
    },
    /// A message would announce data that its addressee can't read
    #[error("{path} is not shared with {email} yet; run `beamshare share` first")]
    NotShared {
        /// The directory
        path: RelativePath,
        /// The addressee
        email: EmailAddress,
    },
    /// A message would announce a directory that is not there
    #[error("{path} is not there on {place} yet; run `beamshare dirs` first")]
    NotMade {
        /// The directory
        path: RelativePath,
        /// The place
        place: String,
    },
    /// The limit of messages per hour
    #[error(
        "the limit of {per_hour} messages per hour is reached (messages_per_hour): the next ones wait until \
         {ends}"
    )]
    MessageLimit {
        /// The limit
        per_hour: u32,
        /// How long until the next one is allowed
        wait: Duration,
        /// The same as a time of day
        ends: String,
    },
    /// A hook did not succeed
    #[error(transparent)]
    Hook(#[from] HookError),
}

/// Why a hook did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// The settings' command can't be parsed
    #[error("{0}")]
    Command(String),
    /// The program can't be started
    #[error("can't run {}: {source}; `beamshare check` tries it", program.display())]
    Start {
        /// The program
        program: PathBuf,
        /// What the system said
        source: std::io::Error,
    },
    /// The program asks to be run again (EX_TEMPFAIL)
    #[error("{} asks to be run again later (exit code {code}){said}", program.display())]
    TryAgain {
        /// The program
        program: PathBuf,
        /// Its exit code
        code: i32,
        /// Its last line, after a colon
        said: String,
    },
    /// The program failed
    #[error("{} ended with exit code {code}{said}", program.display())]
    Failed {
        /// The program
        program: PathBuf,
        /// Its exit code
        code: i32,
        /// Its last line, after a colon
        said: String,
    },
    /// A signal ended the program
    #[error("{} was ended by signal {signal}{said}", program.display())]
    Signal {
        /// The program
        program: PathBuf,
        /// The signal's number
        signal: i32,
        /// Its last line, after a colon
        said: String,
    },
    /// The program exceeded its time limit
    #[error("{} did not end within {limit:?} and was killed{said}", program.display())]
    TimedOut {
        /// The program
        program: PathBuf,
        /// The limit
        limit: Duration,
        /// Its last line, after a colon
        said: String,
    },
    /// The input of the hook can't be read
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl AttemptError {
    /// Whether another attempt can help.
    pub fn retry(&self) -> Retry {
        match self {
            AttemptError::Place(error) => error.retry,
            AttemptError::Journal(error) => retry_if(error.is_transient()),
            AttemptError::Manifest(error) => retry_if(error.is_transient()),
            AttemptError::People(RefreshError::Schedule(error)) => {
                retry_if(matches!(error, ScheduleError::NoAnswer { .. } | ScheduleError::Answer { .. }))
            }
            AttemptError::People(RefreshError::Journal(error)) => retry_if(error.is_transient()),
            AttemptError::Mail(error) => error.retry(),
            AttemptError::MessageLimit { wait, .. } => Retry::After(*wait),
            AttemptError::Hook(error) => error.retry(),
            AttemptError::Obstacles(_)
            | AttemptError::Template(_)
            | AttemptError::Path(_)
            | AttemptError::ReplicaPath(_)
            | AttemptError::NoIdentity(_)
            | AttemptError::ForeignRule { .. }
            | AttemptError::NotShared { .. }
            | AttemptError::NotMade { .. } => Retry::Never,
        }
    }
}

impl HookError {
    fn retry(&self) -> Retry {
        use std::io::ErrorKind::{InvalidInput, NotADirectory, NotFound, PermissionDenied};
        match self {
            HookError::Start { source, .. } => {
                let lasting =
                    matches!(source.kind(), NotFound | PermissionDenied | NotADirectory | InvalidInput)
                        || source.raw_os_error() == Some(libc::ENOEXEC);
                retry_if(!lasting)
            }
            HookError::Journal(error) => retry_if(error.is_transient()),
            HookError::TryAgain { .. } | HookError::TimedOut { .. } => Retry::Backoff,
            HookError::Command(_) | HookError::Failed { .. } | HookError::Signal { .. } => Retry::Never,
        }
    }
}

fn retry_if(transient: bool) -> Retry {
    if transient { Retry::Backoff } else { Retry::Never }
}
