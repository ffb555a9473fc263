//! libca's own messages: to `tracing`, escaped, instead of stderr. What servers can cause is limited: a
//! datagram costs them nothing, and a line of the log is kept for weeks.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

use crate::sync::lock;

unsafe extern "C" {
    /// Whether error messages of EPICS libraries go to stderr (errlog.h).
    fn eltc(yes: c_int) -> c_int;
    /// Calls `listener` with each error message of EPICS libraries, from a thread of errlog (errlog.h).
    fn errlogAddListener(listener: unsafe extern "C" fn(*mut c_void, *const c_char), private: *mut c_void);
}

/// Longest message that is logged, in characters.
const LIMIT: usize = 300;

/// Redirects the messages of the EPICS libraries in this process. They repeat texts of servers as they are.
pub(super) fn redirect() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        // SAFETY: plain functions of libCom; the listener is a static function.
        unsafe {
            errlogAddListener(listener, std::ptr::null_mut());
            eltc(0);
        }
    });
}

unsafe extern "C" fn listener(_private: *mut c_void, message: *const c_char) {
    if !message.is_null() {
        // SAFETY: errlog passes a C string.
        let message = unsafe { CStr::from_ptr(message) };
        tracing::debug!("libca: {}", printable(&message.to_string_lossy()));
    }
}

/// How many warnings that servers can cause are logged in each [`PERIOD`].
const MOST_WARNINGS: u32 = 20;
const PERIOD: Duration = Duration::from_secs(60);

/// Counts warnings. A period begins with its first warning.
struct Limiter {
    began: Option<Instant>,
    logged: u32,
    dropped: u64,
}

impl Limiter {
    /// Whether another one may be logged, and how many were dropped since the last one.
    fn admit(&mut self, now: Instant) -> Option<u64> {
        if self.began.is_none_or(|began| now.saturating_duration_since(began) >= PERIOD) {
            (self.began, self.logged) = (Some(now), 0);
        }
        if self.logged == MOST_WARNINGS {
            self.dropped += 1;
            return None;
        }
        self.logged += 1;
        Some(std::mem::take(&mut self.dropped))
    }
}

/// Logs a warning that a server can cause, about this PV if it is about one.
pub(super) fn warn(pv: Option<&str>, message: &str) {
    static LIMITER: Mutex<Limiter> = Mutex::new(Limiter { began: None, logged: 0, dropped: 0 });
    let Some(dropped) = lock(&LIMITER).admit(Instant::now()) else { return };
    if dropped > 0 {
        tracing::warn!("{dropped} warnings about Channel Access servers were not logged");
    }
    match pv {
        Some(pv) => tracing::warn!(pv, "{message}"),
        None => tracing::warn!("{message}"),
    }
}

/// A text of a server on one line: escaped and cut.
pub(super) fn printable(text: &str) -> String {
    let text = text.trim();
    let mut printable: String = text.chars().take(LIMIT).flat_map(char::escape_debug).collect();
    if text.chars().nth(LIMIT).is_some() {
        printable.push_str("...");
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_have_a_limit_and_are_counted() {
        let (mut limiter, now) = (Limiter { began: None, logged: 0, dropped: 0 }, Instant::now());
        assert_eq!((0..1000).filter(|_| limiter.admit(now).is_some()).count(), MOST_WARNINGS as usize);
        assert_eq!(limiter.admit(now + PERIOD), Some(1000 - u64::from(MOST_WARNINGS)));
        assert_eq!(limiter.admit(now + PERIOD), Some(0));
    }
}
