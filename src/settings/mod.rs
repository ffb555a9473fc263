//! The settings as the program uses them: [`config`](crate::config) reads the file, and those who use
//! templates and commands compile them, so that every mistake is reported at once, each with its place in the
//! file.

#[cfg(test)]
mod tests;

use crate::config::{Check, Config, ConfigError};
use crate::{hooks, mail};
use std::path::Path;

/// The checks beyond [`config`](crate::config)'s own.
pub const CHECKS: &[Check] = &[mail::check_templates, hooks::check_commands];

/// Reads and checks a beamline's settings, with their message templates and hook commands.
///
/// # Errors
/// Everything that is wrong with the file, each with line, column and key.
pub fn load(file: &Path) -> Result<Config, ConfigError> {
    Config::load_with(file, CHECKS)
}
