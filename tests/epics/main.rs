//! Channel Access against EPICS base's own C soft IOC. Needs `cargo nextest run` (one process a test).
#[path = "../support/mod.rs"]
mod support;

mod channels;
