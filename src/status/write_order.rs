//! The order in which records that are set together are written.
//!
//! A script waits for `Status` or `Run` and then reads the rest, so the rest must be up to date by then:
//! `Status` is written when the IOC holds all other targets, and the 0 of `Run` when the IOC also holds
//! `Status`.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::record::Record;
use super::target::{Displayed, Target};

/// How long a record that does not take its value delays `Status` and `Run`.
const HOLD_BACK: Duration = Duration::from_secs(1);

/// Passes the target of a record on when the IOC holds the targets of the records before it.
pub(super) struct After {
    pub(super) asked: watch::Receiver<Target>,
    pub(super) hand_on: watch::Sender<Target>,
    pub(super) before: Vec<Before>,
    pub(super) connected: watch::Receiver<BTreeSet<Record>>,
}

/// A record that comes before.
pub(super) struct Before {
    pub(super) record: Record,
    pub(super) wanted: watch::Receiver<Target>,
    pub(super) held: watch::Receiver<u64>,
}

impl After {
    /// Ends when the [`StatusRecords`](super::StatusRecords) are dropped.
    pub(super) async fn follow(mut self, at_once: impl Fn(&Displayed) -> bool) {
        while self.asked.changed().await.is_ok() {
            let deadline = Instant::now() + HOLD_BACK;
            loop {
                let wanted = self.asked.borrow_and_update().clone();
                if !wanted.value.as_ref().is_some_and(&at_once) {
                    tokio::select! {
                        () = held(&mut self.before, &self.connected, deadline) => {}
                        changed = self.asked.changed() => match changed {
                            Ok(()) => continue,
                            Err(_) => return,
                        }
                    }
                }
                self.hand_on.send_replace(wanted);
                break;
            }
        }
    }
}

/// Waits until the connected records hold the targets that were set before this call.
async fn held(before: &mut [Before], connected: &watch::Receiver<BTreeSet<Record>>, deadline: Instant) {
    let goals: Vec<u64> = before
        .iter()
        .map(|other| {
            let wanted = other.wanted.borrow();
            let waits = wanted.value.is_some() && connected.borrow().contains(&other.record);
            if waits { wanted.version } else { 0 }
        })
        .collect();
    for (other, goal) in before.iter_mut().zip(goals) {
        if timeout_at(deadline, other.held.wait_for(|held| *held >= goal)).await.is_err() {
            tracing::debug!("{} does not hold its value; not waiting for it", other.record);
            return;
        }
    }
}
