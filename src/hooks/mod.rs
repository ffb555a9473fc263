//! The facility's own programs, before or after a step of a delivery.
//!
//! No shell is involved, and what users and PVs say reaches a program by the values of environment variables
//! with fixed names, by its standard input as JSON, and by arguments that can't become options.

mod check;
mod command;
mod facts;
mod process;

pub use check::check_commands;
pub use command::Command;
pub use facts::Facts;
pub use process::{Ended, run};
