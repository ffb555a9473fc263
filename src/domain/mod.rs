//! Domain types: values that exist only if they are safe to use, and the words that all other modules share.
//!
//! Anyone on the controls network can put to a PV, so each text is hostile until it has been parsed into one
//! of these types. [`Experiment`] is made by [`Experiment::parse`] alone. This module does no I/O and imports
//! nothing of beamshare.

mod backoff;
mod booking;
pub mod decision;
mod email;
mod experiment;
mod held;
mod link;
mod month_path;
mod name;
mod path;
mod reading;
mod signature;
mod step;
mod text;
mod unit;
mod year_month;

pub use backoff::Backoff;
pub use booking::{BookedUser, Booking};
pub use email::EmailAddress;
pub use experiment::{Experiment, Field, FieldError, Owner, UserInfo, quoted};
pub use held::{
    GroupIdentity, HeldGroup, HoldReason, MAX_REASONS, OtherGroup, PlannedMail, Relation, listed,
};
pub use link::{link_in, without_links};
pub use month_path::MonthPath;
pub use name::{PiLastName, path_component};
pub use path::{PathTemplate, RelativePath};
pub(crate) use path::{TEMPLATE_FUEL, template_environment};
pub use reading::{Reading, Readings};
pub use signature::{KeyError, SignatureFault, SignedSet, TagKeys};
pub use step::{Retry, STEPS, Step, StepError, StepRule, StepStatus};
pub(crate) use text::is_invisible;
pub use text::{escape, escape_json, escape_lines};
pub use unit::{ReplicaPart, Unit};
pub use year_month::YearMonth;
