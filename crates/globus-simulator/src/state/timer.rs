//! Timers: transfers that run on a schedule.

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;
use uuid::Uuid;

use super::Caller;

/// A timer and how often it has run.
#[derive(Debug)]
pub(crate) struct Timer {
    pub id: Uuid,
    pub caller: Caller,
    pub name: Option<String>,
    pub body: Value,
    pub schedule: Schedule,
    pub submitted: Timestamp,
    pub state: TimerState,
    pub last_ran: Option<Timestamp>,
    pub next_run: Option<Timestamp>,
    pub runs: u64,
    pub errors: u64,
    /// Results of the runs, oldest first.
    pub results: Vec<Value>,
    /// Wakes the timer's loop after a change.
    pub changed: watch::Sender<u64>,
}

/// Whether a timer runs, and why it does not.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TimerState {
    New,
    Loaded,
    /// Paused; the value is the document `inactive_reason`.
    Inactive(Value),
    Ended,
}

/// When a timer runs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Schedule {
    Once { at: Option<Timestamp> },
    Recurring { start: Timestamp, seconds: u64, end: End },
}

/// When a recurring timer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Never,
    At(Timestamp),
    After(u64),
}
