//! The records of db/beamshare.db: what the control room sees, and the operator's commands.
//!
//! - [`StatusBoard`] keeps the records at what beamshare has to say, and hears [`Commands`] there.
//! - [`Record`] names those records, with their types and states.

mod board;
mod commands;
mod holder;
mod keeper;
mod lease;
mod moment;
mod records;
mod run;

pub use board::{NotShown, StatusBoard};
pub use commands::{Command, Commands};
pub use holder::holder_name;
pub use lease::Lease;
pub use records::{Kind, Record, STEP_STATES, Status};
