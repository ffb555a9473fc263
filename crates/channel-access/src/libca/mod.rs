//! libca, EPICS's own client library, made safe. The only unsafe code of this crate.
//!
//! - `thread` owns libca's context and makes all blocking calls, asked by [`Request`]s.
//! - `callbacks` are what libca calls; they push into the channels' queues.
//! - `guard` checks each message of a server before libca reads it; `beacons` limits what libca remembers.
//! - `log` and `repeater` keep libca from writing to stderr, and give the host a CA repeater.

mod beacons;
mod callbacks;
mod guard;
mod log;
mod repeater;
mod request;
mod status;
mod thread;

use std::ffi::CString;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};

pub(crate) use request::{Refusal, Reply, Request};
pub(crate) use status::{message, remedy};

use crate::error::CaError;
use crate::options::ChannelOptions;
use crate::queue::EventQueue;
use crate::sync::lock;

/// A running libca. Cheap to clone; it ends, with its threads, when the last clone is dropped.
#[derive(Clone)]
pub(crate) struct Libca(Arc<Shared>);

struct Shared {
    requests: mpsc::Sender<Request>,
    next_id: AtomicU64,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Libca {
    /// Starts libca on a thread of its own, and a CA repeater if the host has none.
    pub(crate) fn start() -> Result<Self, CaError> {
        log::redirect();
        repeater::ensure();
        let (requests, inbox) = mpsc::channel();
        let (started, start) = mpsc::channel();
        let to_self = requests.clone();
        let thread = std::thread::Builder::new()
            .name("channel-access".into())
            .spawn(move || thread::run(&inbox, to_self, |result| drop(started.send(result))))
            .map_err(|e| CaError::Start { reason: format!("no thread for it: {e}") })?;
        start.recv().unwrap_or_else(|_| Err(CaError::Start { reason: "its thread ended at once".into() }))?;
        Ok(Self(Arc::new(Shared { requests, next_id: AtomicU64::new(0), thread: Mutex::new(Some(thread)) })))
    }

    /// Opens a channel that delivers to `queue`, and returns its id.
    pub(crate) fn open(&self, name: CString, queue: Arc<EventQueue>, options: ChannelOptions) -> u64 {
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        self.send(Request::Open { id, name, queue, options });
        id
    }

    /// Hands a request to libca's thread. If that has ended, the request is dropped, and with it the reply's
    /// sender.
    pub(crate) fn send(&self, request: Request) {
        let _ = self.0.requests.send(request);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let _ = self.requests.send(Request::Stop);
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
    }
}

/// Offset of the value and size of an element in the structure of a DBR type, by libca's own tables.
#[cfg(test)]
pub(crate) fn layout(dbr_type: usize) -> (usize, usize) {
    // SAFETY: both tables of libca have an entry for each DBR type.
    unsafe {
        let offset = *(&raw const epics_ca_sys::dbr_value_offset).cast::<u16>().add(dbr_type);
        let size = *(&raw const epics_ca_sys::dbr_value_size).cast::<u16>().add(dbr_type);
        (usize::from(offset), usize::from(size))
    }
}
