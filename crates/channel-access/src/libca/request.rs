//! What channels ask of libca's thread, and what comes back.

use std::ffi::CString;
use std::sync::Arc;

use epics_ca_sys as sys;
use tokio::sync::oneshot;

use crate::options::ChannelOptions;
use crate::queue::EventQueue;
use crate::value::{Sample, Value};

/// Why libca or the server refused a request.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The connection went down.
    Disconnected,
    /// A status code of libca (`ECA_…`).
    Status(i32),
}

impl Refusal {
    pub(super) fn from_status(status: i32) -> Self {
        match status {
            sys::ECA_DISCONN | sys::ECA_DISCONNCHID => Self::Disconnected,
            other => Self::Status(other),
        }
    }

    /// libca reported success, but there is no usable value.
    pub(crate) const NO_VALUE: Self = Self::Status(sys::ECA_GETFAIL);
}

/// Receives the result of one request.
pub(crate) type Reply = oneshot::Sender<Result<Option<Sample>, Refusal>>;

/// A request to libca's thread.
pub(crate) enum Request {
    /// Opens a channel.
    Open { id: u64, name: CString, queue: Arc<EventQueue>, options: ChannelOptions },
    /// Closes a channel.
    Close { id: u64 },
    /// Sent by the connection callback: the native type is known, so the monitor can be created.
    Subscribe { id: u64 },
    /// Reads a value.
    Get { id: u64, reply: Reply },
    /// Writes a value; answered when the record has processed.
    Put { id: u64, value: Value, reply: Reply },
    /// Writes a value without an answer of the server, then creates the monitor anew, so that the server
    /// reads what the monitor delivers after the put.
    PutAndRenew { id: u64, value: Value, reply: Reply },
    /// Ends the thread.
    Stop,
}
