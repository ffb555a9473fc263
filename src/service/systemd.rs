//! What systemd is told of a service with `Type=notify` and `WatchdogSec=` (sd_notify(3)). Started by
//! anything else, nothing happens.

use sd_notify::NotifyState;

/// Says that all beamlines have begun.
pub fn ready() {
    send(NotifyState::Ready);
}

/// Says that the service ends in order.
pub fn stopping() {
    send(NotifyState::Stopping);
}

/// Reports twice in each watchdog interval, until dropped, that the thread of the actors still takes its
/// turns.
pub async fn report_alive() {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let mut turn = tokio::time::interval(limit / 2);
    loop {
        turn.tick().await;
        send(NotifyState::Watchdog);
    }
}

fn send(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!("can't notify systemd: {error}");
    }
}
