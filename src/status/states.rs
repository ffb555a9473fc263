//! The states of the records of db/beamshare.db.

use crate::domain::StepStatus;
use crate::journal::DeliveryState;
use std::fmt;

/// What beamshare is doing: the states of the record `Status`, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[repr(u16)]
pub enum BeamlineStatus {
    /// Nothing to do, and nothing was done since the start.
    Idle,
    /// The user info is not complete, or something is away. MINOR.
    Waiting,
    /// The user info is complete and must stay so for a while.
    Settling,
    /// An operator must approve, or put right what StatusMsg says. MINOR.
    Approval,
    /// A delivery runs.
    Running,
    /// The experiment that the PVs name is delivered.
    Done,
    /// The delivery failed for good. MAJOR.
    Failed,
    /// An operator paused it.
    Paused,
}

impl BeamlineStatus {
    /// All states, by their index in the record.
    pub const ALL: [Self; 8] = [
        Self::Idle,
        Self::Waiting,
        Self::Settling,
        Self::Approval,
        Self::Running,
        Self::Done,
        Self::Failed,
        Self::Paused,
    ];
}

impl fmt::Display for BeamlineStatus {
    /// The label of the state, as the record has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// States of the records `DirsSts` … `SyncSts`, by their index, with their labels.
pub const STEP_STATES: [(StepStatus, &str); 5] = [
    (StepStatus::Pending, "Pending"),
    (StepStatus::Running, "Running"),
    (StepStatus::Done, "Done"),
    (StepStatus::Skipped, "Skipped"),
    (StepStatus::Failed, "Failed"),
];

/// Index of a step's state in its record.
pub(super) fn step_index(status: StepStatus) -> u16 {
    match status {
        StepStatus::Pending => 0,
        StepStatus::Running => 1,
        StepStatus::Done => 2,
        StepStatus::Skipped => 3,
        StepStatus::Failed => 4,
    }
}

/// The label of a step's state, as its record has it.
pub fn step_label(status: StepStatus) -> &'static str {
    STEP_STATES[usize::from(step_index(status))].1
}

/// States of the records `HistoryResult1` …, by their index, with their labels; `None` where there is no
/// group.
pub const HISTORY_STATES: [(Option<DeliveryState>, &str); 6] = [
    (None, "-"),
    (Some(DeliveryState::Running), "Running"),
    (Some(DeliveryState::Done), "Done"),
    (Some(DeliveryState::Failed), "Failed"),
    (Some(DeliveryState::Held), "Held"),
    (Some(DeliveryState::Aborted), "Aborted"),
];

/// Index of a delivery's state in its record of the history.
pub(super) fn history_index(state: Option<DeliveryState>) -> u16 {
    match state {
        None => 0,
        Some(DeliveryState::Running) => 1,
        Some(DeliveryState::Done) => 2,
        Some(DeliveryState::Failed) => 3,
        Some(DeliveryState::Held) => 4,
        Some(DeliveryState::Aborted) => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_in_the_order_of_their_index() {
        for (index, status) in BeamlineStatus::ALL.iter().enumerate() {
            assert_eq!(*status as usize, index);
        }
        for (index, (status, _)) in STEP_STATES.iter().enumerate() {
            assert_eq!(usize::from(step_index(*status)), index);
        }
        for (index, (state, _)) in HISTORY_STATES.iter().enumerate() {
            assert_eq!(usize::from(history_index(*state)), index);
        }
    }
}
