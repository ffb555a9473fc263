//! The status of the pairs: the worst state, and the sums of their numbers.

use crate::domain::StepStatus;
use crate::sync::{SyncReport, SyncState};
use uuid::Uuid;

/// The status of one pair.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct PairStatus {
    /// Its name, with the directory where it is an earlier group's
    pub title: String,
    /// Whether it is an earlier group's
    pub earlier: bool,
    pub status: StepStatus,
    pub message: String,
    /// Of its last run that had something to do
    pub report: SyncReport,
}

impl PairStatus {
    pub fn of(title: String, status: StepStatus, message: String) -> PairStatus {
        PairStatus { title, status, message, ..PairStatus::default() }
    }

    /// Sets status and message. Returns whether they have changed.
    pub fn set(&mut self, status: StepStatus, message: String) -> bool {
        let is_new = self.status != status || self.message != message;
        (self.status, self.message) = (status, message);
        is_new
    }
}

/// The status of all pairs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in super::super) struct Overview {
    pub status: StepStatus,
    pub message: String,
    pub files: u64,
    pub files_total: u64,
    pub bytes: u64,
    pub bytes_total: u64,
    /// Bytes a second
    pub rate: u64,
    pub faults: u64,
    pub task: Option<Uuid>,
}

impl Overview {
    /// The state of the worst pair, and all messages, the worst first.
    pub fn of(mut pairs: Vec<PairStatus>) -> Overview {
        let severity = |status: StepStatus| match status {
            StepStatus::Failed => 0,
            StepStatus::Running => 1,
            StepStatus::Pending => 2,
            StepStatus::Done => 3,
            StepStatus::Skipped => 4,
        };
        // Pairs of earlier groups are shown only while they move data or fail.
        pairs.retain(|pair| !pair.earlier || matches!(pair.status, StepStatus::Failed | StepStatus::Running));
        pairs.sort_by_key(|pair| severity(pair.status));
        let messages = pairs.iter().filter(|pair| !pair.message.is_empty());
        let messages: Vec<_> = messages.map(|pair| format!("{}: {}", pair.title, pair.message)).collect();
        let sum = |of: fn(&SyncReport) -> u64| pairs.iter().map(|pair| of(&pair.report)).sum();
        let is_active = |report: &SyncReport| {
            report.task.is_some() && matches!(report.state, SyncState::Active | SyncState::Retrying)
        };
        let active = pairs.iter().find(|pair| is_active(&pair.report));
        let active = active.or_else(|| pairs.iter().find(|pair| pair.report.task.is_some()));
        Overview {
            status: pairs.first().map_or(StepStatus::Skipped, |pair| pair.status),
            message: messages.join("; "),
            files: sum(|report| report.files),
            files_total: sum(|report| report.files_total),
            bytes: sum(|report| report.bytes),
            bytes_total: sum(|report| report.bytes_total),
            rate: sum(|report| report.rate),
            faults: sum(|report| report.faults),
            task: active.and_then(|pair| pair.report.task),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_comes_first_and_numbers_are_summed() {
        let pair = |title: &str, status, message: &str, files| {
            let report = SyncReport { files, files_total: 2 * files, ..SyncReport::default() };
            PairStatus { report, ..PairStatus::of(title.to_owned(), status, message.to_owned()) }
        };
        let overview = Overview::of(vec![
            pair("rec", StepStatus::Done, "4 files sent", 4),
            pair("raw", StepStatus::Failed, "no space left", 1),
            pair("log", StepStatus::Running, "active", 2),
        ]);
        assert_eq!(overview.status, StepStatus::Failed);
        assert_eq!(overview.message, "raw: no space left; log: active; rec: 4 files sent");
        assert_eq!((overview.files, overview.files_total), (7, 14));
        let earlier =
            |status| PairStatus { earlier: true, ..pair("raw (/2bm/2026-02/Xu)", status, "text", 9) };
        assert_eq!(Overview::of(vec![earlier(StepStatus::Done)]), Overview::of(vec![]));
        assert_eq!(Overview::of(vec![earlier(StepStatus::Failed)]).message, "raw (/2bm/2026-02/Xu): text");
        assert_eq!(Overview::of(vec![]).status, StepStatus::Skipped);
    }
}
