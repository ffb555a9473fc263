use std::time::{Duration, Instant};

/// Exponential backoff: each pause is twice as long as the one before, up to the longest.
///
/// It counts and does not sleep, so that callers can wait for other events meanwhile. The crates for Globus
/// have one too, `globus_transfer_client::RetryPolicy`, since they import nothing of beamshare.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    last: Option<Duration>,
    over_at: Option<Instant>,
}

impl Backoff {
    /// A backoff without a pause so far.
    pub const fn new(first: Duration, longest: Duration) -> Backoff {
        Backoff { first, longest, last: None, over_at: None }
    }

    /// The next pause, which begins now. It is up to a quarter longer than its nominal length, so that
    /// callers who failed together do not return together.
    pub fn next_pause(&mut self) -> Duration {
        let nominal = self.last.map_or(self.first, |last| last.saturating_mul(2)).min(self.longest);
        self.last = Some(nominal);
        let pause = nominal + nominal.mul_f64(fraction() / 4.0);
        self.over_at = Some(Instant::now() + pause);
        pause
    }

    /// Begins a pause of another length, after which the backoff starts anew.
    pub fn pause_once(&mut self, pause: Duration) {
        (self.last, self.over_at) = (None, Some(Instant::now() + pause));
    }

    /// Whether the last pause is over; true, too, before the first one.
    pub fn is_over(&self) -> bool {
        self.over_at.is_none_or(|over_at| over_at <= Instant::now())
    }
}

/// Something between 0 and 1 that differs from call to call.
fn fraction() -> f64 {
    let uuid = uuid::Uuid::new_v4();
    f64::from(u16::from_be_bytes([uuid.as_bytes()[0], uuid.as_bytes()[1]])) / f64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        assert!(backoff.is_over());
        for nominal in [1, 2, 4, 5, 5] {
            let pause = backoff.next_pause().as_secs_f64();
            assert!(
                (f64::from(nominal)..=f64::from(nominal) * 1.25).contains(&pause),
                "{pause} for {nominal}"
            );
            assert!(!backoff.is_over());
        }
        backoff.pause_once(Duration::ZERO);
        assert!(backoff.is_over());
        assert!(backoff.next_pause() < Duration::from_secs(2));
    }
}
