//! Checks every message of a server before libca reads it.
//!
//! libca trusts servers: it converts as many elements as a message claims, whatever its payload holds; it
//! calls a function by an index that the message names; and it takes an answer to a read for a monitor's, and
//! frees it. Any host that answers a search could crash this process, or worse. libca hands each TCP message
//! to one member function, `cac::executeResponse`. This module defines that symbol in the executable, so that
//! the dynamic linker resolves libca's call to it (the mechanism by which malloc is replaced), checks the
//! message, and calls libca's own. Name and arguments are those of EPICS base 3.14 to 7.0.
//!
//! A message that fails the check ends the connection to its server.

use std::ffi::{CStr, c_char, c_int, c_long, c_void};
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use epics_ca_sys as sys;

use super::log;
use crate::wire;

/// libca's `caHdrLargeArray` (virtualCircuit.h), in the host's byte order.
#[repr(C)]
#[derive(Clone, Debug, PartialEq)]
struct Header {
    payload_size: u32,
    count: u32,
    /// Channel id, or the status of a read, a write or a monitor
    cid: u32,
    /// Id of the request
    available: u32,
    data_type: u16,
    command: u16,
}

/// Commands of the CA protocol (caProto.h) that a server sends over TCP.
mod command {
    pub(super) const VERSION: u16 = 0;
    pub(super) const EVENT_ADD: u16 = 1;
    pub(super) const WRITE: u16 = 4;
    pub(super) const SEARCH: u16 = 6;
    pub(super) const READ_SYNC: u16 = 10;
    pub(super) const ERROR: u16 = 11;
    pub(super) const CLEAR_CHANNEL: u16 = 12;
    pub(super) const READ_NOTIFY: u16 = 15;
    pub(super) const CREATE_CHAN: u16 = 18;
    pub(super) const WRITE_NOTIFY: u16 = 19;
    pub(super) const ACCESS_RIGHTS: u16 = 22;
    pub(super) const ECHO: u16 = 23;
    pub(super) const CREATE_CH_FAIL: u16 = 26;
    pub(super) const SERVER_DISCONN: u16 = 27;
}

/// Status that stands for a successful write: see [`check`]. No server's status is let through with this
/// value.
pub(super) const WRITE_DONE: i32 = 0x7EAC_0001;

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Malformed {
    Command(u16),
    DataType(u16),
    Count { count: u32, payload_size: u32 },
    NativeType(u16),
    Exception,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(command) => write!(f, "a message of the unexpected kind {command}"),
            Self::DataType(code) => write!(f, "a value of type {code}, which was not asked for"),
            Self::Count { count, payload_size } => write!(f, "{count} elements in {payload_size} bytes"),
            Self::NativeType(code) => write!(f, "a PV of the unknown type {code}"),
            Self::Exception => f.write_str("an incomplete error report"),
        }
    }
}

/// Checks a message, and changes it where libca's own handling would not be safe:
///
/// - A monitor's value becomes the answer to a read: libca handles both alike, but looks there whether the id
///   is a monitor's. Otherwise a value for the id of a read would be used after it was freed.
/// - A write's answer becomes a read's with an error status ([`WRITE_DONE`] for success), for the same
///   reason.
/// - An error report ends with a NUL, and names no request: libca would drop a monitor of that id and keep
///   using it.
fn check(header: &mut Header, payload: &mut [u8]) -> Result<(), Malformed> {
    match header.command {
        command::EVENT_ADD if header.payload_size == 0 => Ok(()), // confirms the end of a monitor
        command::EVENT_ADD | command::READ_NOTIFY => {
            header.command = command::READ_NOTIFY;
            if header.cid != sys::ECA_NORMAL as u32 {
                header.cid = error_status(header.cid, sys::ECA_GETFAIL);
                header.count = 0;
                return Ok(());
            }
            let field_type =
                wire::field_type_of(header.data_type.into()).ok_or(Malformed::DataType(header.data_type))?;
            let needed = usize::try_from(header.count).ok().and_then(|count| wire::size(field_type, count));
            if needed.is_none_or(|needed| needed > payload.len()) {
                return Err(Malformed::Count { count: header.count, payload_size: header.payload_size });
            }
            Ok(())
        }
        command::WRITE_NOTIFY => {
            header.command = command::READ_NOTIFY;
            header.cid = match header.cid as i32 {
                sys::ECA_NORMAL => WRITE_DONE as u32,
                _ => error_status(header.cid, sys::ECA_PUTFAIL),
            };
            header.count = 0;
            Ok(())
        }
        command::CREATE_CHAN if header.data_type > 6 => Err(Malformed::NativeType(header.data_type)),
        command::ERROR => check_exception(payload),
        command::VERSION
        | command::SEARCH
        | command::READ_SYNC
        | command::CLEAR_CHANNEL
        | command::CREATE_CHAN
        | command::ACCESS_RIGHTS
        | command::ECHO
        | command::CREATE_CH_FAIL
        | command::SERVER_DISCONN => Ok(()),
        other => Err(Malformed::Command(other)),
    }
}

/// A server's error status; `otherwise` for those by which libca tells itself that a channel has gone.
fn error_status(status: u32, otherwise: i32) -> u32 {
    match status as i32 {
        sys::ECA_CHANDESTROY | sys::ECA_DISCONN | sys::ECA_DISCONNCHID | WRITE_DONE => otherwise as u32,
        _ => status,
    }
}

/// An error report: the header of the message that it is about, then a text.
fn check_exception(payload: &mut [u8]) -> Result<(), Malformed> {
    let u16_at = |at: usize| Some(u16::from_be_bytes(payload.get(at..at + 2)?.try_into().ok()?));
    let header_size = if u16_at(2) == Some(u16::MAX) { 24 } else { 16 };
    if payload.len() <= header_size {
        return Err(Malformed::Exception);
    }
    // A refused put without callback is reported to its channel, which is safe. All else goes to the log.
    if u16_at(0) != Some(command::WRITE) {
        payload[..2].copy_from_slice(&command::VERSION.to_be_bytes());
    }
    if let Some(last) = payload.last_mut() {
        *last = 0;
    }
    Ok(())
}

/// Whether libca has called this guard.
static IN_EFFECT: AtomicBool = AtomicBool::new(false);

/// Whether libca calls this guard. It does from its first message on, unless it was linked with `-Bsymbolic`,
/// or its version has no function of this name.
pub(super) fn is_in_effect() -> bool {
    IN_EFFECT.load(Ordering::Relaxed)
}

/// `bool cac::executeResponse(callbackManager &, tcpiiu &, const epicsTime &, caHdrLargeArray &, char *)`.
type ExecuteResponse = unsafe extern "C-unwind" fn(
    *mut c_void,
    *mut c_void,
    *mut c_void,
    *const c_void,
    *mut Header,
    *mut u8,
) -> bool;

/// libca's own function.
fn execute_response() -> Option<ExecuteResponse> {
    static OWN: OnceLock<Option<ExecuteResponse>> = OnceLock::new();
    const NAME: &CStr =
        c"_ZN3cac15executeResponseER15callbackManagerR6tcpiiuRK9epicsTimeR15caHdrLargeArrayPc";
    // SAFETY: the next definition of this symbol is libca's, which has this type.
    *OWN.get_or_init(|| {
        next(NAME).map(|own| unsafe { std::mem::transmute::<*mut c_void, ExecuteResponse>(own) })
    })
}

/// The definition of a symbol in the libraries after the executable.
pub(super) fn next(name: &CStr) -> Option<*mut c_void> {
    // SAFETY: a C string, and a pseudo-handle of the dynamic linker.
    let symbol = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    (!symbol.is_null()).then_some(symbol)
}

/// Takes the place of libca's function of this name. Returning false ends the connection.
///
/// # Safety
/// Called by libca: `header` is valid, and `payload` points to the `payload_size` bytes that it has received.
#[unsafe(export_name = "_ZN3cac15executeResponseER15callbackManagerR6tcpiiuRK9epicsTimeR15caHdrLargeArrayPc")]
unsafe extern "C-unwind" fn guarded_execute_response(
    client: *mut c_void,
    callbacks: *mut c_void,
    circuit: *mut c_void,
    time: *const c_void,
    header: *mut Header,
    payload: *mut u8,
) -> bool {
    IN_EFFECT.store(true, Ordering::Relaxed);
    let Some(own) = execute_response() else { return false };
    let checked = {
        // SAFETY: the caller's promise; nothing else uses the header or the payload during this call.
        let (header, payload) = unsafe {
            let header = &mut *header;
            let size = if payload.is_null() { 0 } else { header.payload_size as usize };
            let payload = if size == 0 { &mut [] } else { std::slice::from_raw_parts_mut(payload, size) };
            (header, payload)
        };
        check(header, payload)
    };
    match checked {
        // SAFETY: libca's own function with its own arguments.
        Ok(()) => unsafe { own(client, callbacks, circuit, time, header, payload) },
        Err(malformed) => {
            log::warn(None, &format!("a Channel Access server sent {malformed}: its connection is closed"));
            false
        }
    }
}

/// libCom's `ENV_PARAM`.
#[repr(C)]
struct EnvironmentParameter {
    name: *const c_char,
    default: *const c_char,
}

/// Takes the place of libCom's function of this name, by which libca reads whether it may take messages of
/// any size. Without a setting of the site it may not: otherwise a server that claims a payload of 4 GB fills
/// the memory.
///
/// # Safety
/// Called by libca and libCom: `parameter` and `value` are valid.
#[unsafe(export_name = "envGetBoolConfigParam")]
unsafe extern "C" fn guarded_env_get_bool(
    parameter: *const EnvironmentParameter,
    value: *mut c_int,
) -> c_long {
    type Own = unsafe extern "C" fn(*const EnvironmentParameter, *mut c_int) -> c_long;
    const AUTO_ARRAY_BYTES: &CStr = c"EPICS_CA_AUTO_ARRAY_BYTES";
    // SAFETY: the caller's promise; the name is a C string; getenv as libCom itself calls it.
    unsafe {
        let is_auto = CStr::from_ptr((*parameter).name) == AUTO_ARRAY_BYTES;
        if is_auto && libc::getenv(AUTO_ARRAY_BYTES.as_ptr()).is_null() {
            *value = 0;
            return 0;
        }
        match next(c"envGetBoolConfigParam") {
            Some(own) => std::mem::transmute::<*mut c_void, Own>(own)(parameter, value),
            None => -1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header(command: u16, data_type: u16, count: u32, payload: &[u8]) -> Header {
        let payload_size = payload.len() as u32;
        Header { payload_size, count, cid: sys::ECA_NORMAL as u32, available: 1, data_type, command }
    }

    fn checked(mut header: Header, payload: &mut [u8]) -> Result<Header, Malformed> {
        check(&mut header, payload).map(|()| header)
    }

    #[test]
    fn a_value_must_hold_what_it_claims() {
        // DBR_TIME_LONG: 12 bytes, then 4 for each element; payloads come in multiples of 8.
        let mut payload = [0; 24];
        for (count, fits) in [(0, true), (3, true), (4, false), (u32::MAX, false)] {
            let message = header(command::EVENT_ADD, 19, count, &payload);
            assert_eq!(checked(message, &mut payload).is_ok(), fits, "{count}");
        }
        let message = header(command::READ_NOTIFY, 5, 1, &payload);
        assert_eq!(checked(message, &mut payload), Err(Malformed::DataType(5)), "without alarm and time");
    }

    #[test]
    fn a_writes_answer_is_handed_on_as_a_reads() {
        let answer = |status: i32| Header { cid: status as u32, ..header(command::WRITE_NOTIFY, 5, 1, &[]) };
        for (status, handed_on) in [
            (sys::ECA_NORMAL, WRITE_DONE),
            (sys::ECA_NOWTACCESS, sys::ECA_NOWTACCESS),
            (sys::ECA_CHANDESTROY, sys::ECA_PUTFAIL),
            (WRITE_DONE, sys::ECA_PUTFAIL),
        ] {
            let header = checked(answer(status), &mut []).unwrap();
            assert_eq!(
                (header.command, header.cid, header.count),
                (command::READ_NOTIFY, handed_on as u32, 0)
            );
        }
    }

    #[test]
    fn an_error_report_ends_and_names_no_request_but_a_put() {
        for (about, kept) in [(command::WRITE, command::WRITE), (command::READ_NOTIFY, command::VERSION)] {
            let mut payload = [b'x'; 24];
            payload[..4].copy_from_slice(&[about.to_be_bytes(), 0u16.to_be_bytes()].concat());
            checked(header(command::ERROR, 0, 0, &payload), &mut payload).unwrap();
            assert_eq!((u16::from_be_bytes([payload[0], payload[1]]), payload[23]), (kept, 0));
        }
    }

    proptest! {
        #[test]
        fn any_message_is_checked_without_a_panic(
            command in 0u16..40,
            data_type in prop_oneof![0u16..40, any::<u16>()],
            count in prop_oneof![0u32..40, any::<u32>()],
            cid in prop_oneof![Just(sys::ECA_NORMAL as u32), any::<u32>()],
            mut payload in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let message = Header { cid, ..header(command, data_type, count, &payload) };
            if let Ok(header) = checked(message, &mut payload) {
                prop_assert_ne!(header.command, command::WRITE_NOTIFY);
                if header.command == command::READ_NOTIFY && header.cid == sys::ECA_NORMAL as u32 {
                    let field_type = wire::field_type_of(header.data_type.into()).expect("a type that is asked for");
                    prop_assert!(wire::size(field_type, header.count as usize).expect("a size") <= payload.len());
                }
            }
        }
    }
}
