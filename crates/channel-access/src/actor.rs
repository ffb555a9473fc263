//! The one thread that owns libca's context and makes every blocking call into it.
//!
//! libca runs our callbacks (callbacks.rs) on threads of its own ("preemptive"), under a lock that `ca_clear_channel`
//! and `ca_clear_subscription` take too. So two rules keep us from a deadlock: callbacks only push into queues and never
//! call into libca for anything that blocks, and no lock of ours is held while calling into libca.

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_void};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use epics_ca_sys as sys;
use tokio::sync::oneshot;

use super::callbacks::{self, Hook};
use super::channel::{Event, Feed};
use super::error::CaError;
use super::value::{FieldType, Sample, Value, time_type};

/// How a channel is made.
#[derive(Clone, Copy)]
pub(crate) struct Manner {
    /// Enums come as strings, their labels.
    pub(crate) labels: bool,
    pub(crate) monitored: bool,
    /// Channels of different priorities go over different TCP connections.
    pub(crate) priority: u32,
}

impl Default for Manner {
    fn default() -> Self {
        Self { labels: false, monitored: true, priority: sys::CA_PRIORITY_DEFAULT as u32 }
    }
}

impl Manner {
    /// The DBR type in which the values of a PV are asked for.
    pub(crate) fn request_type(self, native: FieldType) -> i64 {
        time_type(if self.labels && native == FieldType::Enum { FieldType::String } else { native })
    }
}

/// Why libca did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Fault {
    Disconnected,
    Libca(i32),
}

impl Fault {
    pub(crate) fn from_status(status: i32) -> Self {
        match status {
            sys::ECA_DISCONN | sys::ECA_DISCONNCHID => Self::Disconnected,
            other => Self::Libca(other),
        }
    }
}

pub(crate) type Reply = oneshot::Sender<Result<Option<Sample>, Fault>>;

pub(crate) enum Request {
    Open {
        id: u64,
        name: CString,
        feed: Arc<Feed>,
        manner: Manner,
    },
    Close {
        id: u64,
    },
    /// From the connection callback: the native type is known, so the monitor can be made.
    Subscribe {
        id: u64,
    },
    Get {
        id: u64,
        reply: Reply,
    },
    /// A put that is answered when the record has processed.
    Put {
        id: u64,
        value: Value,
        reply: Reply,
    },
    /// A put without an answer, and then a new monitor, so that what it delivers was read after the put.
    PutAndRenew {
        id: u64,
        value: Value,
        reply: Reply,
    },
    Stop,
}

struct Open {
    chid: sys::chanId,
    hook: *mut Hook,
    subscription: sys::evid,
    subscribed_type: i64,
}

struct Actor {
    to_self: mpsc::Sender<Request>,
    channels: HashMap<u64, Open>,
    next_reply: usize,
}

/// Serves the requests until [`Request::Stop`], on the thread that calls it. Tells first whether libca could be started.
pub(crate) fn run(
    inbox: &mpsc::Receiver<Request>,
    to_self: mpsc::Sender<Request>,
    started: impl FnOnce(Result<(), CaError>),
) {
    let result = start_libca();
    let ok = result.is_ok();
    started(result);
    if ok {
        Actor { to_self, channels: HashMap::new(), next_reply: 0 }.serve(inbox);
        // SAFETY: this thread made the context, and serve() has cleared every channel of it.
        unsafe { sys::ca_context_destroy() };
    }
}

fn start_libca() -> Result<(), CaError> {
    let preemptive = sys::ca_preemptive_callback_select::ca_enable_preemptive_callback;
    // SAFETY: called once on this thread, before anything else of libca.
    let status = unsafe { sys::ca_context_create(preemptive) };
    if status == sys::ECA_NORMAL {
        // libca's own handler prints to stderr and may end the process.
        // SAFETY: the context is this thread's; the handler uses no argument of its own.
        let status = unsafe { sys::ca_add_exception_event(Some(callbacks::on_exception), std::ptr::null_mut()) };
        if status == sys::ECA_NORMAL {
            return Ok(());
        }
    }
    Err(CaError::Start { reason: message(status) })
}

impl Actor {
    fn serve(mut self, inbox: &mpsc::Receiver<Request>) {
        loop {
            let request = match inbox.try_recv() {
                Ok(request) => request,
                Err(_) => {
                    // Nothing more to do at once: send what libca has buffered.
                    // SAFETY: called on the context's thread.
                    unsafe { sys::ca_flush_io() };
                    match inbox.recv() {
                        Ok(request) => request,
                        Err(_) => break,
                    }
                }
            };
            match request {
                Request::Open { id, name, feed, manner } => self.open(id, &name, feed, manner),
                Request::Close { id } => {
                    if let Some(open) = self.channels.remove(&id) {
                        close(open);
                    }
                }
                Request::Subscribe { id } => {
                    if let Some(open) = self.channels.get_mut(&id) {
                        subscribe(open);
                    }
                }
                Request::Get { id, reply } => self.get(id, reply),
                Request::Put { id, value, reply } => self.put(id, &value, reply),
                Request::PutAndRenew { id, value, reply } => self.put_and_renew(id, &value, reply),
                Request::Stop => break,
            }
        }
        for (_, open) in self.channels.drain() {
            close(open);
        }
    }

    fn open(&mut self, id: u64, name: &CStr, feed: Arc<Feed>, manner: Manner) {
        let hook = Box::into_raw(Box::new(Hook {
            id,
            feed: feed.clone(),
            manner,
            wanted: AtomicI64::new(-1),
            replies: Mutex::default(),
            to_actor: self.to_self.clone(),
        }));
        let mut chid: sys::chanId = std::ptr::null_mut();
        // SAFETY: `hook` lives until after ca_clear_channel.
        let status = unsafe {
            sys::ca_create_channel(
                name.as_ptr(),
                Some(callbacks::on_connection),
                hook.cast(),
                manner.priority,
                &mut chid,
            )
        };
        if status == sys::ECA_NORMAL {
            // SAFETY: `chid` was just made.
            unsafe { sys::ca_replace_access_rights_event(chid, Some(callbacks::on_access_rights)) };
            self.channels.insert(id, Open { chid, hook, subscription: std::ptr::null_mut(), subscribed_type: -1 });
        } else {
            // SAFETY: libca made no channel, so no callback knows the hook.
            drop(unsafe { Box::from_raw(hook) });
            tracing::error!(pv = feed.name(), "libca makes no channel: {}", message(status));
        }
    }

    /// Registers a reply under a number that travels through libca as the callback's argument.
    fn expect(&mut self, open_id: u64, reply: Reply) -> Option<(sys::chanId, usize)> {
        let Some(open) = self.channels.get(&open_id) else {
            let _ = reply.send(Err(Fault::Disconnected));
            return None;
        };
        self.next_reply += 1;
        // SAFETY: the hook of an open channel is alive.
        lock(unsafe { &(*open.hook).replies }).insert(self.next_reply, reply);
        Some((open.chid, self.next_reply))
    }

    /// If libca took the request, the answer comes by callback; else it is given now.
    fn settle(&self, id: u64, number: usize, status: i32) {
        if status == sys::ECA_NORMAL {
            return;
        }
        if let Some(open) = self.channels.get(&id) {
            // SAFETY: the hook of an open channel is alive.
            let reply = lock(unsafe { &(*open.hook).replies }).remove(&number);
            if let Some(reply) = reply {
                let _ = reply.send(Err(Fault::from_status(status)));
            }
        }
    }

    fn get(&mut self, id: u64, reply: Reply) {
        let Some((chid, number)) = self.expect(id, reply) else {
            return;
        };
        // SAFETY: an open channel; count 0 asks for as many elements as there are.
        let status = unsafe {
            match FieldType::from_code(sys::ca_field_type(chid)) {
                None => sys::ECA_DISCONN,
                Some(native) => {
                    let dbr = (*sys::ca_puser(chid).cast::<Hook>()).manner.request_type(native);
                    sys::ca_array_get_callback(dbr, 0, chid, Some(callbacks::on_reply), number as *mut c_void)
                }
            }
        };
        self.settle(id, number, status);
    }

    fn put(&mut self, id: u64, value: &Value, reply: Reply) {
        let Some((chid, number)) = self.expect(id, reply) else {
            return;
        };
        let bytes = value.to_wire();
        // SAFETY: `bytes` holds `len` elements of the type; libca copies them before it returns.
        let status = unsafe {
            sys::ca_array_put_callback(
                value.field_type() as _,
                value.len() as _,
                chid,
                bytes.as_ptr().cast(),
                Some(callbacks::on_reply),
                number as *mut c_void,
            )
        };
        self.settle(id, number, status);
    }

    fn put_and_renew(&mut self, id: u64, value: &Value, reply: Reply) {
        let Some(open) = self.channels.get_mut(&id) else {
            let _ = reply.send(Err(Fault::Disconnected));
            return;
        };
        let bytes = value.to_wire();
        // SAFETY: as in put().
        let status =
            unsafe { sys::ca_array_put(value.field_type() as _, value.len() as _, open.chid, bytes.as_ptr().cast()) };
        if status == sys::ECA_NORMAL {
            // Put, cancel and the new subscription go to the server over one connection, in this order.
            unsubscribe(open);
            // SAFETY: the hook of an open channel is alive.
            unsafe { &(*open.hook).feed }.push(Event::Renewed);
            subscribe(open);
        }
        let _ = reply.send(match status {
            sys::ECA_NORMAL => Ok(None),
            other => Err(Fault::from_status(other)),
        });
    }
}

fn subscribe(open: &mut Open) {
    // SAFETY: the hook of an open channel is alive.
    let wanted = unsafe { &(*open.hook).wanted }.load(Ordering::Acquire);
    if wanted < 0 || wanted == open.subscribed_type {
        return; // libca itself resubscribes after a reconnection
    }
    unsubscribe(open);
    let mask = i64::from(sys::DBE_VALUE | sys::DBE_ALARM);
    // SAFETY: an open channel; count 0 follows the array's present length.
    let status = unsafe {
        sys::ca_create_subscription(
            wanted,
            0,
            open.chid,
            mask,
            Some(callbacks::on_event),
            std::ptr::null_mut(),
            &mut open.subscription,
        )
    };
    if status == sys::ECA_NORMAL {
        open.subscribed_type = wanted;
    } else {
        // SAFETY: as above.
        let name = unsafe { (*open.hook).feed.name() };
        tracing::error!(pv = name, "libca makes no monitor: {}", message(status));
    }
}

fn unsubscribe(open: &mut Open) {
    if !open.subscription.is_null() {
        // SAFETY: the subscription is the channel's own and is forgotten here.
        unsafe { sys::ca_clear_subscription(open.subscription) };
        open.subscription = std::ptr::null_mut();
    }
    open.subscribed_type = -1;
}

fn close(open: Open) {
    // SAFETY: the channel is ours and forgotten here; ca_clear_channel waits for a running callback to end, and none
    // comes after it, so that the hook can go.
    unsafe {
        sys::ca_clear_channel(open.chid);
        drop(Box::from_raw(open.hook));
    }
}

/// libca's words for a status code.
pub(crate) fn message(status: i32) -> String {
    // SAFETY: ca_message returns a static string for every code.
    let text = unsafe { CStr::from_ptr(sys::ca_message(status.into())) };
    text.to_string_lossy().into_owned()
}

/// A lock whose holder panicked still protects whole data: each of ours is held for one statement.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
