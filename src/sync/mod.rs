//! Data movement between collections: what was moved ([`manifest`]), how changes are found ([`walk`], [`events`]).
//! docs/sync.md tells the whole.

pub mod events;
pub mod manifest;
pub mod openat;
pub mod walk;

mod clean_up;
mod engine;
mod mail;
mod schedule;

pub use clean_up::{CleanUpReport, Kept, OnRemoval};
pub(crate) use engine::repair_due_at;
pub use engine::{
    Control, Controller, Ended, Engine, Options, Pair, RunResult, SyncError, SyncReport, SyncState, controls,
};
pub use schedule::Schedule;
