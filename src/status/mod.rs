//! The records of db/beamshare.db: what the control room sees, and the operator's commands.
//!
//! - [`StatusRecords`] keeps the records at the values that the service sets, and receives
//!   [`OperatorCommands`].
//! - [`StatusModel`] is the state of a beamline that the service publishes: [`StatusRecords::show`] writes it
//!   to the records, the metrics and the web page read it.
//! - [`Record`] names the records, with their types and states.

mod commands;
mod lease;
mod lease_owner;
mod line;
mod links;
mod model;
mod record;
mod record_tasks;
mod record_writer;
mod records;
mod rows;
mod run_button;
mod show;
mod show_held;
mod states;
mod target;
mod write_order;

pub use commands::{OperatorCommand, OperatorCommands};
pub use lease::Lease;
pub use lease_owner::holder_name;
pub use model::{
    CurrentGroup, DataStatus, GroupStatus, HEART_LIMIT, LastRun, Published, RecentGroup, StatusModel,
    StepEntry,
};
pub use record::{Record, RecordKind};
pub use records::{NotDisplayed, StatusRecords};
pub use rows::{ROW_LENGTH, ROWS};
pub use show_held::HISTORY_LENGTH;
pub use states::{BeamlineStatus, HISTORY_STATES, STEP_STATES, step_label};
