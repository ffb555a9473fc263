//! How often, how fast and for how long a failed call is retried.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

use crate::error::Error;

/// How the client retries calls that failed for a transient reason: exponential backoff with jitter, at least
/// as long as the service's `Retry-After`, within a time budget.
///
/// A call that could create something twice is retried only when the first attempt certainly had no effect.
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
    /// Five retries, delays growing from 0.25 s to 10 s, 60 s in all.
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
    /// No retries: every failure is returned at once. A token rejected with 401 is still replaced once.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let policy = RetryPolicy::none();
    /// ```
    pub fn none() -> Self {
        Self { max_retries: 0, ..Self::default() }
    }

    /// Sets how many times a call is retried after its first failure.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let policy = RetryPolicy::default().max_retries(3);
    /// ```
    pub fn max_retries(mut self, retries: usize) -> Self {
        self.max_retries = retries;
        self
    }

    /// Sets the first delay; each further one doubles.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let policy = RetryPolicy::default().min_wait(std::time::Duration::from_secs(1));
    /// ```
    pub fn min_wait(mut self, wait: Duration) -> Self {
        self.min_wait = wait;
        self
    }

    /// Sets the longest delay of the client's own. A longer `Retry-After` is obeyed as long as the budget
    /// allows.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let policy = RetryPolicy::default().max_wait(std::time::Duration::from_secs(30));
    /// ```
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// Sets the time after the first attempt in which further attempts may start.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let policy = RetryPolicy::default().budget(std::time::Duration::from_secs(600));
    /// ```
    pub fn budget(mut self, budget: Duration) -> Self {
        self.budget = budget;
        self
    }

    /// Returns the delays between attempts: exponential backoff with jitter. For callers that retry by
    /// themselves, to show each pause or to wait for other events meanwhile.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// let mut delays = RetryPolicy::default().max_retries(1).delays();
    /// assert!(delays.next().is_some() && delays.next().is_none());
    /// ```
    pub fn delays(&self) -> impl Iterator<Item = Duration> + use<> {
        self.backoff().build()
    }

    pub(super) fn backoff(&self) -> ExponentialBuilder {
        ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(self.min_wait)
            .with_max_delay(self.max_wait)
            .with_max_times(self.max_retries)
    }

    /// The delay before the next attempt; `None` when that attempt would start after the budget. `delay` is
    /// the client's own, with jitter; it is added to a `Retry-After`, so that clients don't return all at the
    /// same moment.
    pub(super) fn wait(&self, error: &Error, delay: Duration, elapsed: Duration) -> Option<Duration> {
        let wait = match error.retry_after() {
            Some(asked) if !asked.is_zero() => asked.checked_add(delay)?,
            _ => delay,
        };
        (elapsed.checked_add(wait)? <= self.budget).then_some(wait)
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
        Error::from_response("x", StatusCode::TOO_MANY_REQUESTS, &headers, b"")
    }

    #[test]
    fn retry_after_is_obeyed_within_the_budget() {
        let policy = RetryPolicy::default().budget(Duration::from_secs(10));
        let own = Duration::from_secs(1);
        // The own delay, which has jitter, is added: clients that were told the same wait don't return all at
        // once.
        assert_eq!(policy.wait(&busy(4), own, Duration::ZERO), Some(Duration::from_secs(5)));
        assert_eq!(policy.wait(&busy(0), own, Duration::ZERO), Some(own));
        assert_eq!(policy.wait(&busy(4), own, Duration::from_secs(7)), None);
    }

    #[test]
    fn a_pathological_retry_after_is_over_the_budget() {
        let policy = RetryPolicy::default().budget(Duration::MAX);
        assert_eq!(policy.wait(&busy(u64::MAX), Duration::MAX, Duration::from_secs(1)), None);
    }
}
