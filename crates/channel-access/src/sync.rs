//! Locks.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks also after a panic of another holder: each lock of this crate is held for one statement, so its data
/// is whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
