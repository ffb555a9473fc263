//! libca's own messages: to `tracing`, escaped, instead of stderr.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::Once;

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

/// A text of a server on one line: escaped and cut.
pub(super) fn printable(text: &str) -> String {
    let text = text.trim();
    let mut printable: String = text.chars().take(LIMIT).flat_map(char::escape_debug).collect();
    if text.chars().nth(LIMIT).is_some() {
        printable.push_str("...");
    }
    printable
}
