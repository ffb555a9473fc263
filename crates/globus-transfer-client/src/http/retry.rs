//! How often, how fast and how long a failed call is repeated.

use std::time::Duration;

use backon::ExponentialBuilder;

use crate::error::Error;

/// How the client repeats calls that failed for a passing reason: exponentially longer waits with jitter, at least as
/// long as the service's `Retry-After`, within a budget of time.
///
/// A call that could double something is only repeated when the first attempt surely did nothing.
///
/// ```
/// use std::time::Duration;
/// use globus_transfer_client::RetryPolicy;
///
/// let patient = RetryPolicy::default().max_retries(10).budget(Duration::from_secs(300));
/// let caller_has_its_own_loop = RetryPolicy::none();
/// # let _ = (patient, caller_has_its_own_loop);
/// ```
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    max_retries: usize,
    min_wait: Duration,
    max_wait: Duration,
    budget: Duration,
}

impl Default for RetryPolicy {
    /// Five retries, waits of 0.25 s growing to 10 s, 60 s in all.
    fn default() -> Self {
        Self {
            max_retries: 5,
            min_wait: Duration::from_millis(250),
            max_wait: Duration::from_secs(10),
            budget: Duration::from_secs(60),
        }
    }
}

impl RetryPolicy {
    /// No repetition: every failure goes to the caller at once. (A token refused with 401 is still replaced once.)
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let policy = RetryPolicy::none();
    /// ```
    pub fn none() -> Self {
        Self { max_retries: 0, ..Self::default() }
    }

    /// How many times a call is repeated after its first failure.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let policy = RetryPolicy::default().max_retries(3);
    /// ```
    pub fn max_retries(mut self, retries: usize) -> Self {
        self.max_retries = retries;
        self
    }

    /// The first wait; the next ones double.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let policy = RetryPolicy::default().min_wait(std::time::Duration::from_secs(1));
    /// ```
    pub fn min_wait(mut self, wait: Duration) -> Self {
        self.min_wait = wait;
        self
    }

    /// The longest wait of the client's own; a longer `Retry-After` is obeyed as long as the budget allows.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let policy = RetryPolicy::default().max_wait(std::time::Duration::from_secs(30));
    /// ```
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// The time from the first attempt after which no further attempt starts.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let policy = RetryPolicy::default().budget(std::time::Duration::from_secs(600));
    /// ```
    pub fn budget(mut self, budget: Duration) -> Self {
        self.budget = budget;
        self
    }

    pub(super) fn backoff(&self) -> ExponentialBuilder {
        ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(self.min_wait)
            .with_max_delay(self.max_wait)
            .with_max_times(self.max_retries)
    }

    /// How long to wait before the next attempt; none when that would be past the budget.
    pub(super) fn wait(&self, error: &Error, delay: Duration, elapsed: Duration) -> Option<Duration> {
        let wait = error.retry_after().map_or(delay, |asked| asked.max(delay));
        (elapsed + wait <= self.budget).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::StatusCode;
    use reqwest::header::{HeaderMap, RETRY_AFTER};

    fn busy(seconds: u64) -> Error {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, seconds.into());
        Error::from_answer("x", StatusCode::TOO_MANY_REQUESTS, &headers, b"")
    }

    #[test]
    fn retry_after_is_obeyed_within_the_budget() {
        let policy = RetryPolicy::default().budget(Duration::from_secs(10));
        let own = Duration::from_secs(1);
        assert_eq!(policy.wait(&busy(4), own, Duration::ZERO), Some(Duration::from_secs(4)));
        assert_eq!(policy.wait(&busy(0), own, Duration::ZERO), Some(own));
        assert_eq!(policy.wait(&busy(4), own, Duration::from_secs(7)), None);
    }
}
