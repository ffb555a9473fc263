//! The whole service: the beamshare program between a soft IOC, the Globus simulator, real directories and
//! mail files, seen from outside as an operator and a tagging tool see it. Needs `cargo nextest run` (one
//! process a test).

#[path = "../delivery/beamline.rs"]
#[allow(dead_code)]
mod beamline;
#[path = "../support/browser.rs"]
#[allow(dead_code)]
mod browser;
#[path = "../schedule/server.rs"]
#[allow(dead_code)]
mod server;
#[path = "../support/mod.rs"]
mod support;

mod authority;
mod groups;
mod held;
mod lease;
mod metrics;
mod operator;
mod other_servers;
mod reminders;
mod replay;
mod restored;
mod schedule;
mod signed;
mod site;
mod stop;
mod sync;
mod trouble;
mod trust_levels;
mod web;
mod whole_runs;
