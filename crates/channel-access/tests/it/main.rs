//! Channel Access against EPICS base's own C soft IOC. Needs `cargo nextest run` (one process a test).
mod channels;
mod hostile;
mod hostile_server;
mod texts;

use std::time::Duration;

use channel_access::{Channel, Connection, Event, Sample};

/// How long anything may take: an IOC is found within a second as a rule, but libca's search may take up to
/// 25 s.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Waits for an event that `wanted` takes, and fails after [`LIMIT`].
pub async fn event<T>(channel: &Channel, wanted: impl Fn(Event) -> Option<T>) -> T {
    let search = async {
        loop {
            if let Some(found) = wanted(channel.next().await) {
                return found;
            }
        }
    };
    let found = tokio::time::timeout(LIMIT, search).await;
    found.unwrap_or_else(|_| panic!("{}: no such event within {LIMIT:?}", channel.name()))
}

/// Waits for a sample that `wanted` accepts, and fails after [`LIMIT`].
pub async fn sample(channel: &Channel, wanted: impl Fn(&Sample) -> bool) -> Sample {
    let sample = tokio::time::timeout(LIMIT, channel.sample(wanted)).await;
    sample.unwrap_or_else(|_| panic!("{}: no such sample within {LIMIT:?}", channel.name()))
}

/// For [`event`].
pub fn connected(event: Event) -> Option<Connection> {
    match event {
        Event::Connected(connection) => Some(connection),
        _ => None,
    }
}

/// For [`event`].
pub fn disconnected(event: Event) -> Option<()> {
    matches!(event, Event::Disconnected).then_some(())
}
