//! Time limits and errors of libssh2.

use super::super::{backoff, never};
use crate::domain::StepError;
use ssh2::Session;
use std::time::Instant;

/// Error numbers of libssh2.h, which the crate does not name.
pub(super) const SOCKET_DISCONNECT: i32 = -13;
pub(super) const KEX_FAILURE: i32 = -5;
pub(super) const TIMEOUT: i32 = -9;
pub(super) const CHANNEL_FAILURE: i32 = -21;
pub(super) const CHANNEL_REQUEST_DENIED: i32 = -22;
pub(super) const SOCKET_TIMEOUT: i32 = -30;

/// Sets libssh2's time limit for the next call. Zero would mean: none.
pub(super) fn set_time_limit(session: &Session, deadline: Instant) {
    let left = deadline.saturating_duration_since(Instant::now()).as_millis();
    session.set_timeout(u32::try_from(left).unwrap_or(u32::MAX).max(1));
}

/// An error of the connection as an operator reads it.
pub(super) fn classify(at: &str, action: &str, error: &ssh2::Error) -> StepError {
    match error.code() {
        ssh2::ErrorCode::Session(TIMEOUT | SOCKET_TIMEOUT) => backoff(format!(
            "{at}: no answer to {action} in time. The host may be hanging, or be no SSH server"
        )),
        ssh2::ErrorCode::Session(KEX_FAILURE) => never(format!(
            "{at}: {action} failed, the host and this machine have no algorithm in common: {}",
            error.message()
        )),
        ssh2::ErrorCode::Session(SOCKET_DISCONNECT) => {
            backoff(format!("{at}: the host ended the connection during {action}. Its sshd's log says why"))
        }
        _ => backoff(format!("{at}: {action} failed: {}", error.message())),
    }
}
