//! Decides whether the user-info PVs show one whole tagging run, or pieces of several.
//!
//! A tagging tool puts its fields one after the other, each once a run, always in the same order, and may die
//! after any put. Two runs can overlap, so time alone can't separate them. Therefore the puts themselves are
//! kept ([`Window`]) and every way to assign them to runs is tried (`explanation`): each run must be a prefix
//! of a known order ([`Orders`]). A set is whole when every such explanation contains a complete run whose
//! values are the present ones. Otherwise the set is held, and [`NotWhole`] says which put does not fit and
//! what to do.
//!
//! Three assumptions are made, and stated in docs/architecture.md: a run that has paused for `run_limit` puts
//! no more, every put is observed, and every tool puts in a known order. Where the second one is known to be
//! false (start of the service, lost connection, boot of an IOC, lost monitors), the window says so, and runs
//! whose beginning nobody saw are part of every explanation.
//!
//! The module is pure: no clock, no I/O. The user-info watcher fills the window, the journal keeps it.

mod explanation;
mod hold;
mod order;
mod put;
mod verdict;
#[cfg(test)]
mod verdict_tests;
#[cfg(test)]
mod worlds;

pub use hold::{Hold, Release};
pub use order::{Order, Orders};
pub use put::{Gap, Put, Unobserved, Window};
pub use verdict::{NotWhole, Reason, Remedy, Wholeness, judge};

use super::{Readings, UserInfo};
use serde::{Deserialize, Serialize};

/// The PVs at one moment, and how they came to say that.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Watched {
    /// What the PVs say
    pub readings: Readings,
    /// The puts that led there
    pub window: Window,
}

/// What decisions depend on beside the PVs. It is in the journal, since tools, IOCs and the service stop
/// independently.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DecisionState {
    /// The set that was accepted last, or the one that was found at the very first start
    pub baseline: Option<Readings>,
    /// The texts of the last whole run, fields that it did not put left out
    pub whole: Option<UserInfo>,
    /// The orders in which this beamline's tools put
    pub orders: Orders,
    /// The PVs as they were last observed
    pub watched: Option<Watched>,
}

impl DecisionState {
    /// Takes what a settled set has shown: the PVs themselves, and what can be learnt from them.
    pub fn conclude(&mut self, watched: &Watched, wholeness: Wholeness) {
        self.watched = Some(watched.clone());
        match wholeness {
            Wholeness::Whole { fields, order } => {
                let mut whole = watched.readings.user_info();
                whole.0.retain(|field, _| fields.contains(field));
                self.whole = Some(whole);
                if let Some(order) = order {
                    self.orders.learn(order);
                }
            }
            Wholeness::NotWhole(not_whole) => {
                self.propose(watched, not_whole.candidate.filter(|order| order.leaves_out.is_empty()));
            }
        }
    }

    /// Takes an order that may turn out to be a tool's: of a run that puts all fields as soon as it is seen,
    /// of one that leaves out fields when an operator has approved it. Returns whether there is one.
    pub fn propose(&mut self, watched: &Watched, candidate: Option<Order>) -> bool {
        let (Some(order), Some(first)) = (candidate, watched.window.puts.first()) else { return false };
        self.orders.propose(order, first.at);
        true
    }
}
