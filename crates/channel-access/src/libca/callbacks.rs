//! The functions that libca calls. Each runs on a thread of libca, under libca's callback lock, and only
//! pushes into queues.

use std::collections::HashMap;
use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use epics_ca_sys as sys;

use super::guard::{self, WRITE_DONE};
use super::log::{self, printable};
use super::request::{Refusal, Reply, Request};
use super::status::message;
use crate::event::{Access, Connection, Event};
use crate::options::ChannelOptions;
use crate::queue::EventQueue;
use crate::sync::lock;
use crate::value::{FieldType, Sample, until_nul};
use crate::wire;

/// The state of one channel, which its callbacks find through `ca_puser`. Created by libca's thread when it
/// opens the channel, and freed by it after `ca_clear_channel`, after which no callback runs any more.
pub(super) struct ChannelState {
    pub(super) id: u64,
    pub(super) queue: Arc<EventQueue>,
    pub(super) options: ChannelOptions,
    /// DBR type of the samples that belong to the present connection, -1 without one: a record that changed
    /// its type over an IOC's reboot may still send some in the old one.
    pub(super) requested: AtomicI64,
    /// Requests that libca has taken, by the number that travels through libca as the callback's argument
    pub(super) replies: Mutex<HashMap<usize, Reply>>,
    /// To libca's thread
    pub(super) requests: mpsc::Sender<Request>,
}

/// The type in which the values of a PV are asked for.
pub(super) fn requested_type(options: ChannelOptions, native: FieldType) -> FieldType {
    if options.enum_labels && native == FieldType::Enum { FieldType::String } else { native }
}

/// # Safety
/// `chid` must be a channel of ours, inside a callback of libca.
unsafe fn state<'a>(chid: sys::chanId) -> &'a ChannelState {
    // SAFETY: every channel is made with its state, which outlives its callbacks.
    unsafe { &*sys::ca_puser(chid).cast::<ChannelState>() }
}

/// # Safety
/// As [`state`].
unsafe fn access(chid: sys::chanId) -> Access {
    // SAFETY: the caller's promise.
    unsafe { Access { read: sys::ca_read_access(chid) != 0, write: sys::ca_write_access(chid) != 0 } }
}

/// The value that libca hands to a callback; `None` for anything but a DBR_TIME_… type of a size that is
/// asked for.
///
/// # Safety
/// `args.dbr` must be null or point to `args.count` elements of DBR type `args.type_`, as in a callback of
/// libca whose message the guard has checked.
unsafe fn sample(args: &sys::event_handler_args) -> Option<Sample> {
    let field_type = wire::field_type_of(args.type_)?;
    let count = usize::try_from(args.count).ok().filter(|count| *count <= wire::max_elements(field_type))?;
    if args.dbr.is_null() {
        return None;
    }
    let size = wire::size(field_type, count)?;
    // SAFETY: the caller's promise.
    wire::decode(field_type, count, unsafe { std::slice::from_raw_parts(args.dbr.cast::<u8>(), size) })
}

/// Logs once where the messages of servers reach libca unchecked.
fn warn_unguarded() {
    static WARNED: AtomicBool = AtomicBool::new(false);
    if !guard::is_in_effect() && !WARNED.swap(true, Ordering::Relaxed) {
        tracing::error!(
            "this libca can't be guarded: a hostile server can crash this process. Link libca of EPICS base \
             3.15 or 7.0, dynamically and without -Bsymbolic"
        );
    }
}

pub(super) unsafe extern "C" fn on_connection(args: sys::connection_handler_args) {
    // SAFETY: a callback of libca for a channel of ours.
    let state = unsafe { state(args.chid) };
    if args.op != libc::c_long::from(sys::CA_OP_CONN_UP) {
        state.requested.store(-1, Ordering::Release);
        state.queue.push(Event::Disconnected);
        let orphans = std::mem::take(&mut *lock(&state.replies));
        for (_, reply) in orphans {
            let _ = reply.send(Err(Refusal::Disconnected));
        }
        return;
    }
    warn_unguarded();
    // SAFETY: as above; the buffer's length is given.
    let (code, count, access, host) = unsafe {
        let mut host = [0u8; 128];
        sys::ca_get_host_name(args.chid, host.as_mut_ptr().cast(), host.len() as _);
        let host = printable(&String::from_utf8_lossy(until_nul(&host)));
        (sys::ca_field_type(args.chid), sys::ca_element_count(args.chid), access(args.chid), host)
    };
    let Some(field_type) = FieldType::from_code(code.into()) else {
        tracing::error!(pv = state.queue.name(), "has a type that is unknown to Channel Access: {code}");
        return;
    };
    let requested = wire::time_type(requested_type(state.options, field_type));
    state.requested.store(requested, Ordering::Release);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    state.queue.push(Event::Connected(Connection { field_type, count, access, host }));
    if state.options.monitor {
        let _ = state.requests.send(Request::Subscribe { id: state.id });
    }
}

pub(super) unsafe extern "C" fn on_access_rights(args: sys::access_rights_handler_args) {
    // SAFETY: a callback of libca for a channel of ours.
    let (state, access) = unsafe { (state(args.chid), access(args.chid)) };
    state.queue.push(Event::AccessRights(access));
}

pub(super) unsafe extern "C" fn on_event(args: sys::event_handler_args) {
    // SAFETY: a callback of libca for a channel of ours.
    let state = unsafe { state(args.chid) };
    if args.status != sys::ECA_NORMAL || args.type_ != state.requested.load(Ordering::Acquire) {
        return; // a monitor that ended with its connection, or the type from before a reboot
    }
    // SAFETY: libca's own arguments.
    if let Some(sample) = unsafe { sample(&args) } {
        state.queue.push(Event::Sample(sample));
    }
}

pub(super) unsafe extern "C" fn on_reply(args: sys::event_handler_args) {
    // SAFETY: a callback of libca for a channel of ours.
    let reply = lock(&unsafe { state(args.chid) }.replies).remove(&(args.usr as usize));
    if let Some(reply) = reply {
        let _ = reply.send(match args.status {
            // SAFETY: libca's own arguments; for a put there is no value.
            sys::ECA_NORMAL => Ok(unsafe { sample(&args) }),
            WRITE_DONE => Ok(None),
            status => Err(Refusal::from_status(status)),
        });
    }
}

pub(super) unsafe extern "C" fn on_exception(args: sys::exception_handler_args) {
    let what = message(args.stat as i32);
    // SAFETY: null or a C string of libca.
    let context = (!args.ctx.is_null()).then(|| unsafe { CStr::from_ptr(args.ctx) }.to_string_lossy());
    let context = printable(context.as_deref().unwrap_or(""));
    let report = format!("Channel Access: {what} ({context})");
    if args.chid.is_null() {
        log::warn(None, &report);
        return;
    }
    // SAFETY: the channel is one of ours, this context has no others.
    let state = unsafe { state(args.chid) };
    log::warn(Some(state.queue.name()), &report);
    if args.op == i64::from(sys::CA_OP_PUT) {
        state.queue.push(Event::PutFailed(what));
    }
}
