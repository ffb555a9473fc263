//! One unit of a step (a host, a person, a message), tried until it is true or can't become so.

use super::control::{Aborted, Control};
use super::obstacle::Obstacle;
use super::progress::Progress;
use crate::domain::{Retry, Step, StepError, StepStatus};
use crate::journal::JournalError;
use backon::BackoffBuilder;
use futures::future::BoxFuture;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::time::{Duration, Instant};

/// The pause before the second attempt; a dropped connection or a busy service is often back at once.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause that beamshare makes of itself.
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);

/// How often a unit is repeated that may have succeeded already ([`Retry::Sparse`]).
const SPARSE_MAX: u32 = 2;

/// Why an attempt did not make it true.
#[derive(Debug)]
pub(super) enum Trouble {
    /// What was tried failed
    Step(StepError),
    /// It would enter what is someone else's
    Obstacles(Vec<Obstacle>),
}

impl From<StepError> for Trouble {
    fn from(error: StepError) -> Trouble {
        Trouble::Step(error)
    }
}

impl From<JournalError> for Trouble {
    fn from(error: JournalError) -> Trouble {
        Trouble::Step(error.into())
    }
}

impl From<JournalError> for StepError {
    fn from(error: JournalError) -> StepError {
        let retry = if error.can_pass() { Retry::Backoff } else { Retry::Never };
        StepError { message: error.to_string(), retry }
    }
}

/// How a unit came to its end without having come true.
#[derive(Debug)]
pub(super) enum Ended {
    /// A person must do something
    Failed,
    /// An operator must approve
    Held(Vec<Obstacle>),
    /// An operator stopped it
    Aborted,
}

/// What units need to know to be tried.
pub(super) struct Attempts<'a> {
    pub progress: &'a Progress,
    pub control: Control,
    /// After how long a unit is given up that fails for passing reasons
    pub retry_for: Duration,
    pub time_zone: TimeZone,
}

impl Attempts<'_> {
    /// Tries until `once` succeeds. It gets the number of the attempt, 1 first, and writes its own rows before and after
    /// what it does; failures are written here.
    pub async fn until_true<'once, T>(
        &self,
        step: Step,
        unit: &str,
        once: impl FnMut(u32) -> BoxFuture<'once, Result<T, Trouble>>,
    ) -> Result<T, Ended> {
        self.until_so(step, unit, true, once).await
    }

    /// The same for a message: one that is under way ends first when the operator stops the delivery, since whether it was sent
    /// can't be looked at afterwards.
    pub async fn until_sent<'once, T>(
        &self,
        step: Step,
        unit: &str,
        once: impl FnMut(u32) -> BoxFuture<'once, Result<T, Trouble>>,
    ) -> Result<T, Ended> {
        self.until_so(step, unit, false, once).await
    }

    async fn until_so<'once, T>(
        &self,
        step: Step,
        unit: &str,
        breakable: bool,
        mut once: impl FnMut(u32) -> BoxFuture<'once, Result<T, Trouble>>,
    ) -> Result<T, Ended> {
        let mut control = self.control.clone();
        let began = Instant::now();
        let mut pauses = backon::ExponentialBuilder::default()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .with_jitter()
            .without_max_times()
            .build();
        let mut repeated = 0;
        for attempt in 1.. {
            let paused = || self.progress.show(step, unit, StepStatus::Running, "paused by the operator");
            if control.go(paused).await.is_err() {
                return Err(self.stopped(step, unit, attempt).await);
            }
            let mut abort = control.clone();
            let sending = (!breakable).then(|| control.sending());
            let result = tokio::select! {
                result = once(attempt) => result,
                Aborted = abort.aborted(), if breakable => return Err(self.stopped(step, unit, attempt).await),
            };
            drop(sending);
            let error = match result {
                Ok(value) => return Ok(value),
                Err(Trouble::Obstacles(obstacles)) => {
                    let message = Obstacle::sentences(&obstacles);
                    self.write(step, unit, StepStatus::Pending, attempt, &message).await;
                    return Err(Ended::Held(obstacles));
                }
                Err(Trouble::Step(error)) => error,
            };
            let own = pauses.next().unwrap_or(LONGEST_PAUSE);
            let pause = match error.retry {
                Retry::Never => {
                    tracing::error!(%step, unit, attempt, "{error}");
                    self.write(step, unit, StepStatus::Failed, attempt, &error.message).await;
                    return Err(Ended::Failed);
                }
                Retry::Backoff => own,
                // A little later than asked, so that not all of its callers are back in the same moment.
                Retry::After(asked) => asked + own.min(Duration::from_secs(1)),
                Retry::Sparse(first) => {
                    repeated += 1;
                    first * repeated
                }
            };
            if began.elapsed() + pause > self.retry_for || repeated > SPARSE_MAX {
                let message = format!(
                    "given up after {} attempts in {}: {error}; put 1 to Run to try again",
                    attempt,
                    human(began.elapsed())
                );
                tracing::error!(%step, unit, attempt, "{message}");
                self.write(step, unit, StepStatus::Failed, attempt, &message).await;
                return Err(Ended::Failed);
            }
            let next = Timestamp::now() + jiff::SignedDuration::try_from(pause).unwrap_or(jiff::SignedDuration::MAX);
            let next = next.to_zoned(self.time_zone.clone()).strftime("%H:%M:%S").to_string();
            // The time first: a record cuts long messages.
            let message = format!("next try at {next}: {error}");
            tracing::warn!(%step, unit, attempt, "{message}");
            self.write(step, unit, StepStatus::Running, attempt, &message).await;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = control.hurried() => {}
            }
        }
        unreachable!("attempts are counted without end")
    }

    async fn stopped(&self, step: Step, unit: &str, attempt: u32) -> Ended {
        self.write(step, unit, StepStatus::Pending, attempt, "stopped by the operator").await;
        Ended::Aborted
    }

    /// A failure's row is for people alone: where it can't be written, the failure still is what counts.
    async fn write(&self, step: Step, unit: &str, status: StepStatus, attempt: u32, message: &str) {
        if let Err(error) = self.progress.note(step, unit, status, attempt, message, &[]).await {
            tracing::error!(%step, unit, "{error}");
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
