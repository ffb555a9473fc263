//! The records of db/beamshare.db: what the control room sees, and the operator's commands.
//!
//! - [`StatusRecords`] keeps the records at the values that the service sets, and receives
//!   [`OperatorCommands`].
//! - [`Record`] names the records, with their types and states.

mod commands;
mod lease;
mod lease_owner;
mod links;
mod record;
mod record_writer;
mod records;
mod run_button;
mod target;
mod write_order;

pub use commands::{OperatorCommand, OperatorCommands};
pub use lease::Lease;
pub use lease_owner::holder_name;
pub use record::{BeamlineStatus, Record, RecordKind, STEP_STATES};
pub use records::{NotDisplayed, StatusRecords};
