//! The schedule against a service that answers as the APS's does, with all its irregularities, and `beamshare
//! tag` against EPICS base's own soft IOC. Needs `cargo nextest run` (one process a test).
#[path = "../support/mod.rs"]
mod support;

mod file;
mod server;
mod service;
mod signed;
mod tag;
