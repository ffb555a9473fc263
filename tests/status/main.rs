//! Channel Access against EPICS base's own C soft IOC. Needs `cargo nextest run` (one process a test).
#[path = "../support/mod.rs"]
mod support;

mod commands;
mod database;
mod held;
mod lease;
mod records;
mod write_order;

use std::time::Duration;

use channel_access::{Channel, Sample};

use support::ioc::{CaTest, Ioc, repository};

/// Starts an IOC with db/beamshare.db and the prefix `test:Share:`.
pub fn beamshare_ioc(test: &CaTest) -> Ioc {
    test.ioc(&[(&repository("db/beamshare.db"), "P=test:")])
}

/// How long anything may take: an IOC is found within a second as a rule, but libca's search may take up to
/// 25 s.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Waits for a sample that `wanted` accepts, and fails after [`LIMIT`].
pub async fn sample(channel: &Channel, wanted: impl Fn(&Sample) -> bool) -> Sample {
    let sample = tokio::time::timeout(LIMIT, channel.sample(wanted)).await;
    sample.unwrap_or_else(|_| panic!("{}: no such sample within {LIMIT:?}", channel.name()))
}
