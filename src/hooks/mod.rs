//! The facility's own programs, before or after a step of a delivery.
//!
//! No shell is involved. Texts of users and PVs reach a program as values of environment variables with fixed
//! names, as JSON on its standard input, and as arguments that can't become options.

mod check;
mod command;
mod facts;
mod process;

pub use check::check_commands;
pub use command::Command;
pub use facts::Facts;
pub use process::{ProcessExit, run};
