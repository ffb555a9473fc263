//! User-info PVs → a settled set, and its meaning.
//!
//! The tagging tool puts ten PVs one by one and may die in between, so a half-written set is the dangerous
//! moment. The [`Watcher`] waits until the set is connected and quiet, reads it again, and records every put;
//! [`crate::domain::decision`] tells from the puts whether one tagging run has put all of it, and [`judge`]
//! applies the other rules.

mod observer;
#[cfg(test)]
mod observer_tests;
mod rules;
#[cfg(test)]
mod rules_tests;
mod signed;
mod watcher;

pub use crate::domain::decision::{Hold, Release};
pub use rules::{Verdict, judge, put_by_the_run};
pub use signed::{SignatureCheck, check_signature};
pub use watcher::{Observation, Watcher, read_once};
