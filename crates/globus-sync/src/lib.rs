#![doc = include_str!("../README.md")]

pub mod events;
pub mod manifest;
pub mod openat;
pub mod walk;

mod clean_up;
mod pair;
mod transfer;

pub use clean_up::{CleanUpReport, Kept, OnRemoval};
pub use pair::{CleanUp, Pair, PairSettings, SyncFilter, SyncLevel};
pub use transfer::{
    Control, Controller, Ended, Engine, Error, FailureCause, Options, RunFailure, RunResult, SyncReport,
    SyncState, amount, controls, next_repair, with_slash,
};
