//! User-info PVs → a settled set → what it means.
//!
//! The tagging tool puts ten PVs one by one and may die in between, so a half-written set is the dangerous moment:
//! [`Watcher`] waits until the set is connected and quiet and reads it again, [`judge`] compares it with the one before.

mod rules;
#[cfg(test)]
mod rules_tests;
mod signed;
mod watcher;

pub use rules::{Hold, Memory, Release, Verdict, judge};
pub use signed::{SignatureCheck, check_signature};
pub use watcher::{Observation, Watcher, read_once};
