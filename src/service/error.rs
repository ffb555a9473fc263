use crate::delivery::SetUpError;
use crate::journal::{JournalError, LockError};
use crate::sync::SyncError;
use channel_access::CaError;
use std::path::PathBuf;

/// Why the service can't start, or has ended.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Two configurations share a resource that each needs for itself
    #[error("{} and {} both have {what}; give each beamline its own", first.display(), second.display())]
    Shared {
        /// A configuration file
        first: PathBuf,
        /// Another one
        second: PathBuf,
        /// The key and value that they share
        what: String,
    },
    /// The journal can't be opened
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Another service has the journal
    #[error(transparent)]
    Locked(#[from] LockError),
    /// Channel Access can't be used
    #[error(transparent)]
    ChannelAccess(#[from] CaError),
    /// The resources of deliveries can't be set up
    #[error(transparent)]
    SetUp(SetUpError),
    /// The pairs of `[[sync]]` can't be set up
    #[error(transparent)]
    Sync(SyncError),
    /// The system refused a signal handler
    #[error("can't handle signals: {0}")]
    Signals(#[from] std::io::Error),
    /// A beamline's actor has panicked: a fault of beamshare
    #[error("a beamline's service ended by a fault of beamshare ({0}); please report it with the log")]
    Fault(String),
}
