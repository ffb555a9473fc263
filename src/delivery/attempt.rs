//! One unit of a step, attempted until it succeeds, is given up or an operator stops it.

use super::attempt_error::AttemptError;
use super::control::{Aborted, Control};
use super::obstacle::Obstacle;
use super::progress::Progress;
use crate::domain::{Backoff, Retry, Step, StepStatus, Unit};
use futures::future::BoxFuture;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::time::{Duration, Instant};

/// The pause before the second attempt: a dropped connection or a busy service is often back at once.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);

/// How often a unit is repeated that may have succeeded already ([`Retry::Sparse`]).
const SPARSE_MAX: u32 = 2;

/// How a unit ended without success.
#[derive(Clone, Debug)]
pub(super) enum StepResult {
    /// A person must do something
    Failed,
    /// An operator must approve
    Held(Vec<Obstacle>),
    /// An operator stopped it
    Aborted,
}

/// What every unit needs to be attempted.
pub(super) struct Attempts<'a> {
    pub progress: &'a Progress,
    pub control: Control,
    /// After how long a unit is given up that fails for transient reasons
    pub retry_for: Duration,
    pub time_zone: TimeZone,
}

impl Attempts<'_> {
    /// Retries `once` until it succeeds. Attempts count from 1. `once` writes its own rows before and after
    /// each effect; failures are written here.
    pub async fn until_true<'once, T>(
        &self,
        step: Step,
        unit: &Unit,
        once: impl FnMut(u32) -> BoxFuture<'once, Result<T, AttemptError>>,
    ) -> Result<T, StepResult> {
        self.retry(step, unit, true, once).await
    }

    /// The same for a message. An abort waits for the attempt under way, since nobody can look afterwards
    /// whether a message was sent.
    pub async fn until_sent<'once, T>(
        &self,
        step: Step,
        unit: &Unit,
        once: impl FnMut(u32) -> BoxFuture<'once, Result<T, AttemptError>>,
    ) -> Result<T, StepResult> {
        self.retry(step, unit, false, once).await
    }

    async fn retry<'once, T>(
        &self,
        step: Step,
        unit: &Unit,
        can_be_interrupted: bool,
        mut once: impl FnMut(u32) -> BoxFuture<'once, Result<T, AttemptError>>,
    ) -> Result<T, StepResult> {
        let mut control = self.control.clone();
        let began = Instant::now();
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut repeated = 0;
        for attempt in 1.. {
            let paused = || self.progress.show(step, unit, StepStatus::Running, "paused by the operator");
            if control.go(paused).await.is_err() {
                return Err(self.stopped(step, unit, attempt).await);
            }
            let mut abort = control.clone();
            let sending = (!can_be_interrupted).then(|| control.sending());
            let result = tokio::select! {
                result = once(attempt) => result,
                Aborted = abort.aborted(), if can_be_interrupted => return Err(self.stopped(step, unit, attempt).await),
            };
            drop(sending);
            let error = match result {
                Ok(value) => return Ok(value),
                Err(AttemptError::Obstacles(obstacles)) => {
                    let message = Obstacle::sentences(&obstacles);
                    self.write(step, unit, StepStatus::Pending, attempt, &message).await;
                    return Err(StepResult::Held(obstacles));
                }
                Err(error) => error,
            };
            let own = backoff.next_pause();
            let pause = match error.retry() {
                Retry::Never => {
                    tracing::error!(%step, %unit, attempt, "{error}");
                    self.write(step, unit, StepStatus::Failed, attempt, &error.to_string()).await;
                    return Err(StepResult::Failed);
                }
                Retry::Backoff => own,
                // A little later than asked, so that not all callers return in the same moment.
                Retry::After(asked) => asked.saturating_add(own.min(Duration::from_secs(1))),
                Retry::Sparse(first) => {
                    repeated += 1;
                    first.saturating_mul(repeated)
                }
            };
            if began.elapsed().saturating_add(pause) > self.retry_for || repeated > SPARSE_MAX {
                let message = match error.retry() {
                    Retry::After(asked) if asked > self.retry_for => format!(
                        "given up: the next attempt may be made in {} at the earliest, and retry_for is {}: \
                         {error}; put 1 to Run to try again",
                        human(asked),
                        human(self.retry_for)
                    ),
                    _ => format!(
                        "given up after {attempt} attempts in {}: {error}; put 1 to Run to try again",
                        human(began.elapsed())
                    ),
                };
                tracing::error!(%step, %unit, attempt, "{message}");
                self.write(step, unit, StepStatus::Failed, attempt, &message).await;
                return Err(StepResult::Failed);
            }
            let next =
                Timestamp::now() + jiff::SignedDuration::try_from(pause).unwrap_or(jiff::SignedDuration::MAX);
            let next = next.to_zoned_datetime(self.time_zone.clone()).strftime("%H:%M:%S").to_string();
            // The time comes first: a record cuts long messages.
            let message = format!("next try at {next}: {error}");
            tracing::warn!(%step, %unit, attempt, "{message}");
            self.write(step, unit, StepStatus::Running, attempt, &message).await;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = control.hurried() => {}
            }
        }
        unreachable!("attempts are counted without end")
    }

    async fn stopped(&self, step: Step, unit: &Unit, attempt: u32) -> StepResult {
        self.write(step, unit, StepStatus::Pending, attempt, "stopped by the operator").await;
        StepResult::Aborted
    }

    /// Informational only: a failed write is logged, and the screen is updated all the same.
    async fn write(&self, step: Step, unit: &Unit, status: StepStatus, attempt: u32, message: &str) {
        if let Err(error) = self.progress.note(step, unit, status, attempt, message, &[]).await {
            tracing::error!(%step, %unit, "{error}");
            self.progress.show(step, unit, status, message);
        }
    }
}

fn human(time: Duration) -> String {
    match time.as_secs() {
        0..120 => format!("{} s", time.as_secs()),
        120..7200 => format!("{} min", time.as_secs() / 60),
        _ => format!("{} h", time.as_secs() / 3600),
    }
}
