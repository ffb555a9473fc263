//! Asking Globus: what passes is tried again, and whoever follows the run sees it.

use super::report::{Halt, SyncState};
use super::run_pair::Run;
use backon::{BackoffBuilder, ExponentialBuilder};
use globus_transfer_client as globus;
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;

impl Run<'_> {
    /// What Globus answers. Failures that can pass are tried again, until `patience` is over; the wait ends
    /// at once when an operator interferes.
    ///
    /// The inner error is a failure that can't pass: the caller knows what it means.
    pub(crate) async fn ask<T, F: Future<Output = globus::Result<T>>>(
        &mut self,
        mut call: impl FnMut() -> F,
    ) -> Result<Result<T, globus::Error>, Halt> {
        let began = Instant::now();
        let mut pauses = pauses();
        loop {
            let error = match call().await {
                Ok(answer) => return Ok(Ok(answer)),
                Err(error) if !error.is_transient() => return Ok(Err(error)),
                Err(error) => error,
            };
            let explained = self.engine.explain(&error);
            let pause = error.retry_after().or_else(|| pauses.next()).unwrap_or(Duration::from_secs(60));
            if began.elapsed() + pause > self.options.patience {
                return Err(Halt::Away(format!("{explained}. The next run goes on")));
            }
            tracing::warn!(pair = self.name(), "{explained}; tried again in {pause:.0?}");
            self.progress
                .say(SyncState::Away, format!("{explained}; tried again in {:.0} s", pause.as_secs_f64()));
            self.pause(pause).await?;
        }
    }

    /// Waits, unless somebody interferes.
    pub(super) async fn pause(&mut self, pause: Duration) -> Result<(), Halt> {
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = self.control.interfered() => {
                Err(if self.control.is_stopped() { Halt::Stopped } else { Halt::Left })
            }
        }
    }
}

fn pauses() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(500))
        .with_max_delay(Duration::from_secs(60))
        .with_factor(2.0)
        .with_jitter()
        .without_max_times()
        .build()
}
