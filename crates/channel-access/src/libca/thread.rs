//! The one thread that owns libca's context and makes every blocking call into it.
//!
//! libca runs the callbacks (callbacks.rs) on threads of its own ("preemptive"), under a lock that
//! `ca_clear_channel` and `ca_clear_subscription` take too. Two rules prevent a deadlock: callbacks only push
//! into queues and never make a blocking call into libca, and no lock of this crate is held while calling
//! into libca.

use std::collections::HashMap;
use std::ffi::{CStr, c_void};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use epics_ca_sys as sys;

use super::callbacks::{self, ChannelState};
use super::request::{Refusal, Reply, Request};
use super::status::message;
use crate::error::CaError;
use crate::event::Event;
use crate::options::ChannelOptions;
use crate::queue::EventQueue;
use crate::sync::lock;
use crate::value::Value;
use crate::wire;

/// Priority of the circuits that channels share, and of those of a channel's own. libca opens a circuit for
/// each priority.
const SHARED_CIRCUIT: u32 = sys::CA_PRIORITY_DEFAULT as u32;
const OWN_CIRCUIT: u32 = 1;

/// An open channel.
struct Open {
    chid: sys::chanId,
    state: *mut ChannelState,
    subscription: sys::evid,
    /// What the subscription asks for; `None` without one
    subscribed: Option<Wanted>,
}

/// A DBR type and a number of elements to ask for.
#[derive(Clone, Copy, PartialEq)]
struct Wanted {
    dbr_type: i64,
    count: std::ffi::c_ulong,
}

impl Open {
    /// What to ask for in the present connection; `None` without one.
    fn wanted(&self) -> Option<Wanted> {
        // SAFETY: the state of an open channel is alive.
        let dbr_type = unsafe { &(*self.state).requested }.load(Ordering::Acquire);
        let field_type = wire::field_type_of(dbr_type)?;
        // SAFETY: an open channel.
        let count = unsafe { sys::ca_element_count(self.chid) };
        let most = wire::max_elements(field_type) as std::ffi::c_ulong;
        // 0 stands for as many elements as there are at present.
        Some(Wanted { dbr_type, count: if count <= most { 0 } else { most } })
    }
}

/// The state of libca's thread.
struct LibcaThread {
    to_self: mpsc::Sender<Request>,
    channels: HashMap<u64, Open>,
    next_reply: usize,
}

/// Starts libca, reports the result to `started`, and serves requests on the calling thread until
/// [`Request::Stop`].
pub(super) fn run(
    inbox: &mpsc::Receiver<Request>,
    to_self: mpsc::Sender<Request>,
    started: impl FnOnce(Result<(), CaError>),
) {
    let result = start_libca();
    let ok = result.is_ok();
    started(result);
    if ok {
        LibcaThread { to_self, channels: HashMap::new(), next_reply: 0 }.serve(inbox);
        // SAFETY: this thread created the context, and serve() has cleared every channel of it.
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
        let status =
            unsafe { sys::ca_add_exception_event(Some(callbacks::on_exception), std::ptr::null_mut()) };
        if status == sys::ECA_NORMAL {
            return Ok(());
        }
    }
    Err(CaError::Start { reason: message(status) })
}

impl LibcaThread {
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
                Request::Open { id, name, queue, options } => self.open(id, &name, queue, options),
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

    fn open(&mut self, id: u64, name: &CStr, queue: Arc<EventQueue>, options: ChannelOptions) {
        let state = Box::into_raw(Box::new(ChannelState {
            id,
            queue: queue.clone(),
            options,
            requested: AtomicI64::new(-1),
            replies: Mutex::default(),
            requests: self.to_self.clone(),
        }));
        let mut chid: sys::chanId = std::ptr::null_mut();
        // SAFETY: `state` lives until after ca_clear_channel.
        let status = unsafe {
            sys::ca_create_channel(
                name.as_ptr(),
                Some(callbacks::on_connection),
                state.cast(),
                if options.own_circuit { OWN_CIRCUIT } else { SHARED_CIRCUIT },
                &mut chid,
            )
        };
        if status == sys::ECA_NORMAL {
            // SAFETY: `chid` was just created.
            unsafe { sys::ca_replace_access_rights_event(chid, Some(callbacks::on_access_rights)) };
            self.channels
                .insert(id, Open { chid, state, subscription: std::ptr::null_mut(), subscribed: None });
        } else {
            // SAFETY: libca created no channel, so no callback knows the state.
            drop(unsafe { Box::from_raw(state) });
            tracing::error!(pv = queue.name(), "libca creates no channel: {}", message(status));
        }
    }

    /// Registers a reply under a number that travels through libca as the callback's argument.
    fn expect(&mut self, open_id: u64, reply: Reply) -> Option<(sys::chanId, usize)> {
        let Some(open) = self.channels.get(&open_id) else {
            let _ = reply.send(Err(Refusal::Disconnected));
            return None;
        };
        self.next_reply += 1;
        // SAFETY: the state of an open channel is alive.
        let mut replies = lock(unsafe { &(*open.state).replies });
        replies.retain(|_, reply| !reply.is_closed()); // given up, and never answered by the server
        replies.insert(self.next_reply, reply);
        Some((open.chid, self.next_reply))
    }

    /// If libca took the request, the answer comes by callback; else it is given now.
    fn settle(&self, id: u64, number: usize, status: i32) {
        if status == sys::ECA_NORMAL {
            return;
        }
        if let Some(open) = self.channels.get(&id) {
            // SAFETY: the state of an open channel is alive.
            let reply = lock(unsafe { &(*open.state).replies }).remove(&number);
            if let Some(reply) = reply {
                let _ = reply.send(Err(Refusal::from_status(status)));
            }
        }
    }

    fn get(&mut self, id: u64, reply: Reply) {
        let Some((chid, number)) = self.expect(id, reply) else { return };
        let status = match self.channels.get(&id).and_then(Open::wanted) {
            None => sys::ECA_DISCONN,
            // SAFETY: an open channel; the callback takes the number as its argument.
            Some(Wanted { dbr_type, count }) => unsafe {
                sys::ca_array_get_callback(
                    dbr_type,
                    count,
                    chid,
                    Some(callbacks::on_reply),
                    number as *mut c_void,
                )
            },
        };
        self.settle(id, number, status);
    }

    fn put(&mut self, id: u64, value: &Value, reply: Reply) {
        let Some((chid, number)) = self.expect(id, reply) else { return };
        let bytes = wire::encode(value);
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
            let _ = reply.send(Err(Refusal::Disconnected));
            return;
        };
        let bytes = wire::encode(value);
        // SAFETY: as in put().
        let status = unsafe {
            sys::ca_array_put(value.field_type() as _, value.len() as _, open.chid, bytes.as_ptr().cast())
        };
        if status == sys::ECA_NORMAL {
            // Put, cancel and the new subscription go to the server over one connection, in this order.
            unsubscribe(open);
            // SAFETY: the state of an open channel is alive.
            unsafe { &(*open.state).queue }.push(Event::Renewed);
            subscribe(open);
        }
        let _ = reply.send(match status {
            sys::ECA_NORMAL => Ok(None),
            other => Err(Refusal::from_status(other)),
        });
    }
}

fn subscribe(open: &mut Open) {
    let wanted = open.wanted();
    let Some(Wanted { dbr_type, count }) = wanted.filter(|_| wanted != open.subscribed) else {
        return; // libca itself resubscribes after a reconnection
    };
    unsubscribe(open);
    let mask = i64::from(sys::DBE_VALUE | sys::DBE_ALARM);
    // SAFETY: an open channel.
    let status = unsafe {
        sys::ca_create_subscription(
            dbr_type,
            count,
            open.chid,
            mask,
            Some(callbacks::on_event),
            std::ptr::null_mut(),
            &mut open.subscription,
        )
    };
    if status == sys::ECA_NORMAL {
        open.subscribed = wanted;
    } else {
        // SAFETY: as above.
        let name = unsafe { (*open.state).queue.name() };
        tracing::error!(pv = name, "libca creates no monitor: {}", message(status));
    }
}

fn unsubscribe(open: &mut Open) {
    if !open.subscription.is_null() {
        // SAFETY: the subscription is the channel's own and is forgotten here.
        unsafe { sys::ca_clear_subscription(open.subscription) };
        open.subscription = std::ptr::null_mut();
    }
    open.subscribed = None;
}

fn close(open: Open) {
    // SAFETY: the channel is ours and forgotten here; ca_clear_channel waits for a running callback to end,
    // and none comes after it, so that the state can go.
    unsafe {
        sys::ca_clear_channel(open.chid);
        drop(Box::from_raw(open.state));
    }
}
