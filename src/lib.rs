//! beamshare watches the user-info PVs of a beamline and delivers: directories, Globus sharing, e-mail, data.
//!
//! The way of the data is one line, read left to right: user-info PVs → [`watch`] → [`experiment`] →
//! [`delivery`] → status PVs ([`epics`]). docs/architecture.md draws it.

pub mod config;
pub mod daemon;
pub mod delivery;
pub mod epics;
pub mod experiment;
pub mod hooks;
mod host;
pub mod journal;
pub mod log;
pub mod mail;
pub mod metrics;
pub mod schedule;
pub mod sync;
pub mod watch;
