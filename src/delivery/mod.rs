//! Delivers experiments: exactly once, and never to the wrong person.
//!
//! [`Deliverer::plan`] inspects and changes nothing; [`Deliverer::accept`] records that the experiment is to
//! be delivered; [`Deliverer::run`] delivers it, in the order of [`STEPS`](crate::domain::STEPS). Each effect
//! has a row in the journal before and after, so a kill at any moment ends in the same state as no kill.

mod access_rule;
mod attempt;
mod attempt_error;
mod authority;
mod booking;
mod collection;
mod control;
mod deliverer;
mod dirs;
mod email;
mod execute;
mod held_group;
mod hooks;
mod inspection;
mod mail_setup;
mod obstacle;
mod old_collections;
mod outgoing;
mod people;
mod person;
mod pi_change;
mod plan;
mod plan_error;
mod progress;
mod reminder;
mod replicas;
mod report;
mod report_from_journal;
mod restored;
mod retention;
mod schedule_check;
mod serve_people;
mod set_up_error;
mod share;
mod shared;
mod shared_replica;
mod test_message;

pub use attempt_error::{AttemptError, HookError};
pub use authority::ResendRefused;
pub use collection::Collection;
pub use control::{Control, Controller, controls};
pub use deliverer::Deliverer;
pub use execute::{Options, Outcome, RunError};
pub use obstacle::Obstacle;
pub use people::{RefreshError, Refreshed};
pub use person::{People, Person};
pub use plan::Plan;
pub use plan_error::{PlanError, UnreachablePlace};
pub use replicas::ArrivedReplica;
pub use report::DeliveryReport;
pub use set_up_error::SetUpError;
pub use test_message::{Preview, TestMessage};
