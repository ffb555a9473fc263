//! beamshare watches the user-info PVs of a beamline and delivers: directories, Globus sharing, e-mail, data.
//!
//! The way of the data is one line, read left to right: user-info PVs → [`user_info`] → [`domain`] →
//! [`delivery`] → status PVs ([`status`]). docs/architecture.md draws it.

pub mod config;
pub mod delivery;
pub mod domain;
mod files;
pub mod globus;
pub mod hooks;
mod host;
pub mod journal;
pub mod log;
pub mod mail;
pub mod metrics;
pub mod places;
pub mod schedule;
pub mod service;
pub mod settings;
pub mod status;
pub mod sync;
pub mod user_info;
pub mod web;
