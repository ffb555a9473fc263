//! Data movement between collections for a beamline: its pairs, whose data they move, and the mails about
//! them. The crate `globus-sync` does the moving; docs/sync.md describes the whole.

mod claims;
mod engine;
mod mail;
mod pair;
mod schedule;

pub use engine::{Engine, PairProblem, SyncError};
pub(crate) use globus_sync::next_repair;
pub use globus_sync::{
    CleanUpReport, Control, Controller, Ended, FailureCause, Kept, OnRemoval, Options, RunFailure, RunResult,
    SyncReport, SyncState, controls, events, manifest, openat, walk,
};
pub use pair::{Pair, continues};
pub use schedule::Schedule;
