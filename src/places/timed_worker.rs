//! Blocking work with a time limit: an NFS server or a host that hangs must not hold up the rest.

use super::backoff;
use crate::domain::StepError;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, oneshot};

/// How long the work may exceed its limit before it is abandoned, so that its own, more exact error comes
/// first.
const GRACE: Duration = Duration::from_millis(500);

/// One piece of blocking work at a time, each with a limit. Work that hangs in the operating system can't be
/// ended; it is left behind and keeps its turn, so there is never more than one such thread, however often a
/// delivery tries again.
pub(super) struct TimedWorker {
    what: String,
    limit: Duration,
    turn: Arc<Semaphore>,
}

impl TimedWorker {
    /// `what` is how errors call the other side, e.g. `detector (tomo@pg16)`.
    pub(super) fn new(what: String, limit: Duration) -> Self {
        TimedWorker { what, limit, turn: Arc::new(Semaphore::new(1)) }
    }

    /// Runs the work on a thread of its own, which does not keep the process from ending. The work gets the
    /// moment at which it must be over.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(Instant) -> Result<T, StepError> + Send + 'static,
    ) -> Result<T, StepError> {
        let deadline = Instant::now() + self.limit;
        let turn = tokio::time::timeout(self.limit, Arc::clone(&self.turn).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(self.over("an earlier call still hangs"));
        };
        let (answer, answered) = oneshot::channel();
        let thread = std::thread::Builder::new().name("place".to_owned()).spawn(move || {
            let result = work(deadline);
            drop(turn);
            // Nobody listens any more where the limit was over.
            let _ = answer.send(result);
        });
        if let Err(error) = thread {
            return Err(backoff(format!("{}: this machine can't start a thread: {error}", self.what)));
        }
        match tokio::time::timeout_at((deadline + GRACE).into(), answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => {
                Err(backoff(format!("{}: the work ended without a result; this is a defect", self.what)))
            }
            Err(_) => Err(self.over("no answer")),
        }
    }

    fn over(&self, why: &str) -> StepError {
        backoff(format!(
            "{}: {why} within {:?}. See whether the host and its file system answer; a longer limit is the \
             place's timeout",
            self.what, self.limit
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn work_that_hangs_holds_up_only_its_own_place_and_only_once() {
        let limit = Duration::from_millis(50);
        let bounded = TimedWorker::new("detector".to_owned(), limit);
        let (release, hanging) = mpsc::channel::<()>();
        let started = Instant::now();
        let hangs = bounded.run(move |_| {
            let _ = hanging.recv();
            Ok(())
        });
        let error = hangs.await.expect_err("an error");
        assert!(error.message.contains("detector: no answer within 50ms"), "{error}");
        assert!(started.elapsed() < limit + GRACE + Duration::from_secs(1));
        // As long as it hangs, no second thread is started.
        let error =
            bounded.run(|_| -> Result<(), StepError> { panic!("started") }).await.expect_err("an error");
        assert!(error.message.contains("an earlier call still hangs"), "{error}");
        release.send(()).expect("the thread waits");
        let free = async { while bounded.run(|_| Ok(())).await.is_err() {} };
        tokio::time::timeout(Duration::from_secs(10), free).await.expect("it is free again");
    }
}
