//! The entrance to Channel Access.

use std::ffi::CString;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use super::actor::{self, Manner, Request, lock};
use super::channel::{Channel, Feed};
use super::error::CaError;
use super::repeater;

/// Channel Access of this process: makes channels. Cheap to clone.
///
/// It ends, with its threads, when the last clone and the last channel are dropped.
#[derive(Clone)]
pub struct Context {
    shared: Arc<Shared>,
}

struct Shared {
    requests: mpsc::Sender<Request>,
    next_id: AtomicU64,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Context {
    /// Starts Channel Access with the EPICS_CA_* settings of the environment, which libca reads now and never again.
    /// Brings a CA repeater if the host has none.
    ///
    /// # Errors
    /// [`CaError::Start`] if libca or the operating system refuses.
    pub fn new() -> Result<Self, CaError> {
        repeater::ensure();
        let (requests, inbox) = mpsc::channel();
        let (started, start) = mpsc::channel();
        let to_self = requests.clone();
        let thread = std::thread::Builder::new()
            .name("channel-access".into())
            .spawn(move || actor::run(&inbox, to_self, |result| drop(started.send(result))))
            .map_err(|e| CaError::Start { reason: format!("no thread for it: {e}") })?;
        start.recv().unwrap_or_else(|_| Err(CaError::Start { reason: "its thread ended at once".into() }))?;
        let shared = Shared { requests, next_id: AtomicU64::new(0), thread: Mutex::new(Some(thread)) };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// A channel to the PV `name`, which is searched for, connected and monitored from now on for as long as the
    /// channel lives, whether the PV exists already or not.
    ///
    /// # Errors
    /// [`CaError::BadName`].
    pub fn channel(&self, name: &str) -> Result<Channel, CaError> {
        self.open(name, Manner::default())
    }

    /// As [`channel`](Self::channel), but the state of an enum record comes as its label and not as its index.
    ///
    /// # Errors
    /// [`CaError::BadName`].
    pub fn channel_with_labels(&self, name: &str) -> Result<Channel, CaError> {
        self.open(name, Manner { labels: true, ..Manner::default() })
    }

    /// As [`channel`](Self::channel), but without a monitor, to learn whether and how a PV exists.
    ///
    /// # Errors
    /// [`CaError::BadName`].
    pub fn channel_without_monitor(&self, name: &str) -> Result<Channel, CaError> {
        self.open(name, Manner { monitored: false, ..Manner::default() })
    }

    /// As [`channel`](Self::channel), but over a TCP connection of its own: for
    /// [`put_and_renew`](Channel::put_and_renew).
    ///
    /// # Errors
    /// [`CaError::BadName`].
    pub fn channel_alone(&self, name: &str) -> Result<Channel, CaError> {
        self.open(name, Manner { priority: 1, ..Manner::default() })
    }

    fn open(&self, name: &str, manner: Manner) -> Result<Channel, CaError> {
        let bad = |reason| CaError::BadName { name: name.escape_debug().to_string(), reason };
        if name.is_empty() {
            return Err(bad("it is empty"));
        }
        if name.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(bad("it contains a blank or a control character"));
        }
        let c_name = CString::new(name).map_err(|_| bad("it contains a NUL"))?;
        let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
        let feed = Arc::new(Feed::new(name));
        self.send(Request::Open { id, name: c_name, feed: feed.clone(), manner });
        Ok(Channel::new(id, feed, self.clone()))
    }

    /// Hands a request to the actor. If that has ended, the request is dropped, and with it the reply's sender.
    pub(crate) fn send(&self, request: Request) {
        let _ = self.shared.requests.send(request);
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
