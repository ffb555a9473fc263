//! A timer as the service describes it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::lenient;

/// A timer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Timer {
    /// The id.
    #[serde(rename = "job_id")]
    pub id: Uuid,
    /// The name that people see.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub name: Option<String>,
    /// Whether it runs.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub status: TimerStatus,
    /// Why it is inactive: `{"cause": "user"}`, or `globus_auth_requirements` with what is missing.
    #[serde(default)]
    pub inactive_reason: Value,
    /// When it was created.
    #[serde(default, deserialize_with = "lenient::time")]
    pub submitted_at: Option<Timestamp>,
    /// When it ran last.
    #[serde(default, deserialize_with = "lenient::time")]
    pub last_ran_at: Option<Timestamp>,
    /// When it runs next; none when it has ended.
    #[serde(default, deserialize_with = "lenient::time")]
    pub next_run: Option<Timestamp>,
    /// How many times it has run.
    #[serde(default, alias = "n_runs", rename = "number_of_runs", deserialize_with = "lenient::or_default")]
    pub runs: u64,
    /// How many of the runs failed to start their transfer.
    #[serde(
        default,
        alias = "n_errors",
        rename = "number_of_errors",
        deserialize_with = "lenient::or_default"
    )]
    pub errors: u64,
    /// The schedule, as the service describes it.
    #[serde(default)]
    pub schedule: Value,
    /// Fields that this version doesn't know, such as `results` or `body`.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Whether a timer runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TimerStatus {
    /// It was created and has not run yet.
    New,
    /// It runs by its schedule.
    Loaded,
    /// It is paused: by its owner, or because a consent or a session is missing.
    Inactive,
    /// It will not run any more.
    Ended,
    /// A status that this version doesn't know.
    #[default]
    #[serde(other)]
    Unknown,
}
