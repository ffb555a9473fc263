//! Requests to Globus, with retries that are shown in the run's report.

use super::report::{FailureCause, RunAborted, RunFailure, SyncState};
use super::run_pair::Run;
use globus_transfer_client as globus;
use globus_transfer_client::RetryPolicy;
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;

/// The pauses between attempts, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl Run<'_> {
    /// What Globus answers. Failures that can pass are tried again, until `patience` is over; the wait ends
    /// at once when an operator interferes.
    ///
    /// The inner error is a failure that can't pass: the caller knows what it means.
    pub(crate) async fn ask<T, F: Future<Output = globus::Result<T>>>(
        &mut self,
        mut call: impl FnMut() -> F,
    ) -> Result<Result<T, globus::Error>, RunAborted> {
        let began = Instant::now();
        let mut pauses = pauses();
        loop {
            let error = match call().await {
                Ok(answer) => return Ok(Ok(answer)),
                Err(error) if !error.is_transient() => return Ok(Err(error)),
                Err(error) => error,
            };
            let explained = self.engine.explain(&error);
            let pause = error.retry_after().or_else(|| pauses.next()).unwrap_or(LONGEST_PAUSE);
            if began.elapsed() + pause > self.options.patience {
                let message = format!("{explained}. The next run continues");
                return Err(RunAborted::Away(RunFailure::new(FailureCause::Unreachable, message)));
            }
            tracing::warn!(pair = self.name(), "{explained}; tried again in {pause:.0?}");
            self.progress
                .say(SyncState::Away, format!("{explained}; tried again in {:.0} s", pause.as_secs_f64()));
            self.pause(pause).await?;
        }
    }

    /// Waits, unless somebody interferes.
    pub(super) async fn pause(&mut self, pause: Duration) -> Result<(), RunAborted> {
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = self.control.interfered() => {
                Err(if self.control.is_stopped() { RunAborted::Stopped } else { RunAborted::Left })
            }
        }
    }
}

/// The client does not retry by itself here, since each pause is shown and can be ended by an operator.
fn pauses() -> impl Iterator<Item = Duration> {
    let policy = RetryPolicy::default().max_retries(usize::MAX).min_wait(FIRST_PAUSE).max_wait(LONGEST_PAUSE);
    policy.delays()
}
