//! libca's status codes as text, and what can be done about them.

use std::ffi::CStr;

use epics_ca_sys as sys;

/// libca's text for a status code.
pub(crate) fn message(status: i32) -> String {
    // SAFETY: ca_message returns a static string for every code.
    let text = unsafe { CStr::from_ptr(sys::ca_message(status.into())) };
    text.to_string_lossy().into_owned()
}

/// What to do about a refusal, as the end of a message; empty where there is nothing specific.
pub(crate) fn remedy(status: i32) -> &'static str {
    match status {
        sys::ECA_NOWTACCESS => {
            ". The IOC's access security does not let this user or host write: see its .acf file"
        }
        sys::ECA_NORDACCESS => {
            ". The IOC's access security does not let this user or host read: see its .acf file"
        }
        sys::ECA_BADCOUNT => ". The record holds fewer elements: raise its NELM",
        sys::ECA_PUTFAIL => ". Is the record disabled (DISP), or the value none of its states?",
        _ => "",
    }
}
