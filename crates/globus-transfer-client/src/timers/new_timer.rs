//! A timer to create.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::error::{Error, ErrorKind, Result};
use crate::transfer::TransferTask;

/// A transfer on a schedule; see [`TimersHandler::create`](super::TimersHandler::create).
///
/// ```
/// # use std::time::Duration;
/// # use globus_transfer_client::{TransferTask, timers::NewTimer};
/// # let task = || TransferTask::new(uuid::Uuid::nil(), uuid::Uuid::nil());
/// let tonight = NewTimer::once(task()).at("2026-11-24T23:00:00Z".parse()?);
/// let hourly_today = NewTimer::every(Duration::from_secs(3600), task()).times(24);
/// # Ok::<(), jiff::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct NewTimer {
    pub(super) name: Option<String>,
    task: TransferTask,
    interval: Option<Duration>,
    start: Option<Timestamp>,
    end: Option<Value>,
}

impl NewTimer {
    /// A transfer that runs once: now, or [`at`](Self::at) a time.
    pub fn once(task: TransferTask) -> Self {
        Self { name: None, task, interval: None, start: None, end: None }
    }

    /// A transfer that runs again and again, from now or from [`at`](Self::at) a time on. Whole seconds
    /// count; Timers takes a minute at least.
    pub fn every(interval: Duration, task: TransferTask) -> Self {
        Self { interval: Some(interval), ..Self::once(task) }
    }

    /// Sets the name that people see.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the time of the first run.
    pub fn at(mut self, time: Timestamp) -> Self {
        self.start = Some(time);
        self
    }

    /// Ends a repeated transfer at this time.
    pub fn until(mut self, time: Timestamp) -> Self {
        self.end = Some(json!({ "condition": "time", "datetime": time.to_string() }));
        self
    }

    /// Ends a repeated transfer after so many runs.
    pub fn times(mut self, runs: u64) -> Self {
        self.end = Some(json!({ "condition": "iterations", "iterations": runs }));
        self
    }

    /// The document of version 2 of Timers.
    pub(super) fn document(&self) -> Result<Value> {
        let mut body = serde_json::to_value(&self.task)
            .map_err(|error| Error::local(ErrorKind::InvalidRequest, "create a timer", error.to_string()))?;
        if let Some(fields) = body.as_object_mut() {
            // Each run is a submission of its own.
            fields.remove("submission_id");
        }
        let start = self.start.map(|at| at.to_string());
        let mut schedule = match self.interval {
            None => json!({ "type": "once" }),
            Some(interval) => json!({ "type": "recurring", "interval_seconds": interval.as_secs() }),
        };
        if let Some(start) = start {
            schedule[if self.interval.is_some() { "start" } else { "datetime" }] = start.into();
        }
        if let Some(end) = &self.end {
            schedule["end"] = end.clone();
        }
        let mut document = json!({ "timer_type": "transfer", "schedule": schedule, "body": body });
        if let Some(name) = &self.name {
            document["name"] = name.clone().into();
        }
        Ok(document)
    }
}
