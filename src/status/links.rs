//! The connected records, and the log messages about them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::record::{Record, RecordKind};
use channel_access::search_settings;

/// How long the records are searched for before their absence is reported.
const SEARCH_LIMIT: Duration = Duration::from_secs(5);

/// Changes of connection that come within this time are reported together.
const REPORT_PAUSE: Duration = Duration::from_millis(500);

/// The records' names after the prefix, in one line.
pub(super) fn names(records: &[Record]) -> String {
    records.iter().map(|r| r.suffix()).collect::<Vec<_>>().join(", ")
}

/// The records that no IOC serves, of those that beamshare uses.
pub(super) fn missing(connected: &BTreeSet<Record>) -> Vec<Record> {
    Record::ALL
        .iter()
        .filter(|r| !matches!(r.kind(), RecordKind::Ioc | RecordKind::Lease) && !connected.contains(r))
        .copied()
        .collect()
}

/// The connected records. Their tasks report to it.
#[derive(Clone)]
pub(super) struct Links(Arc<watch::Sender<BTreeSet<Record>>>);

impl Links {
    pub(super) fn new(connected: watch::Sender<BTreeSet<Record>>) -> Self {
        Self(Arc::new(connected))
    }

    /// The part of one record's task.
    pub(super) fn of(&self, record: Record) -> Link {
        Link { record, links: self.clone() }
    }
}

/// The connection of one record, reported by its task.
pub(super) struct Link {
    pub(super) record: Record,
    links: Links,
}

impl Link {
    /// Reports that the record is connected, or no longer.
    pub(super) fn set(&self, up: bool) {
        self.links
            .0
            .send_if_modified(|set| if up { set.insert(self.record) } else { set.remove(&self.record) });
    }
}

/// Logs which records are missing: once when they are not found, and when the IOC goes and comes.
pub(super) async fn report(
    prefix: String,
    mut connected: watch::Receiver<BTreeSet<Record>>,
    mut end: watch::Receiver<()>,
) {
    let everything = missing(&BTreeSet::new()).len();
    let mut reported: Option<usize> = None;
    let mut pause = SEARCH_LIMIT;
    loop {
        // All at once is the usual case and needs no waiting for more.
        let complete = async {
            let _ = connected.wait_for(|set| missing(set).is_empty()).await;
        };
        tokio::select! {
            _ = tokio::time::timeout(pause, complete) => {}
            _ = end.changed() => return,
        }
        let now = missing(&connected.borrow_and_update());
        if reported != Some(now.len()) {
            match now.len() {
                0 => tracing::info!("the IOC shows all {everything} records of {prefix}"),
                n if n == everything => tracing::warn!(
                    "no IOC answers for the status records {prefix}*: the screens show nothing new until \
                     one does. Is db/beamshare.db loaded with this prefix, and its host reached by {}?",
                    search_settings()
                ),
                n => tracing::warn!(
                    "{n} of the {everything} records of {prefix} are missing: {}. Load the db/beamshare.db \
                     of this version",
                    names(&now)
                ),
            }
            reported = Some(now.len());
        }
        tokio::select! {
            changed = connected.changed() => if changed.is_err() { return },
            _ = end.changed() => return,
        }
        pause = REPORT_PAUSE;
    }
}
