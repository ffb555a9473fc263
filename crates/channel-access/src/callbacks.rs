//! What libca calls. Each function runs on a thread of libca, under libca's callback lock, and only pushes into queues.

use std::collections::HashMap;
use std::ffi::CStr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use epics_ca_sys as sys;

use super::actor::{Fault, Manner, Reply, Request, lock, message};
use super::channel::{Access, Connection, Event, Feed};
use super::value::{FieldType, decode, until_nul};

/// What the callbacks of one channel find through `ca_puser`. Made by the actor when it opens the channel and freed
/// by it after `ca_clear_channel`, from whose return on no callback runs any more.
pub(crate) struct Hook {
    pub(crate) id: u64,
    pub(crate) feed: Arc<Feed>,
    pub(crate) manner: Manner,
    /// DBR type of the samples that belong to the present connection: a record that changed its type over an IOC's
    /// reboot may still send some in the old one, converted beyond recognition.
    pub(crate) wanted: AtomicI64,
    pub(crate) replies: Mutex<HashMap<usize, Reply>>,
    pub(crate) to_actor: mpsc::Sender<Request>,
}

/// # Safety
/// `chid` must be a channel of ours, inside a callback of libca.
unsafe fn hook<'a>(chid: sys::chanId) -> &'a Hook {
    // SAFETY: every channel is made with its hook, which outlives its callbacks.
    unsafe { &*sys::ca_puser(chid).cast::<Hook>() }
}

/// # Safety
/// As [`hook`].
unsafe fn access(chid: sys::chanId) -> Access {
    // SAFETY: the caller's promise.
    unsafe { Access { read: sys::ca_read_access(chid) != 0, write: sys::ca_write_access(chid) != 0 } }
}

pub(crate) unsafe extern "C" fn on_connection(args: sys::connection_handler_args) {
    // SAFETY: a callback of libca for a channel of ours.
    let hook = unsafe { hook(args.chid) };
    if args.op != libc::c_long::from(sys::CA_OP_CONN_UP) {
        hook.wanted.store(-1, Ordering::Release);
        hook.feed.push(Event::Disconnected);
        let orphans = std::mem::take(&mut *lock(&hook.replies));
        for (_, reply) in orphans {
            let _ = reply.send(Err(Fault::Disconnected));
        }
        return;
    }
    // SAFETY: as above; the buffer's length is given.
    let (code, count, access, host) = unsafe {
        let mut host = [0u8; 128];
        sys::ca_get_host_name(args.chid, host.as_mut_ptr().cast(), host.len() as _);
        let host = String::from_utf8_lossy(until_nul(&host)).into_owned();
        (sys::ca_field_type(args.chid), sys::ca_element_count(args.chid), access(args.chid), host)
    };
    let Some(field_type) = FieldType::from_code(code) else {
        tracing::error!(pv = hook.feed.name(), "has a type that is unknown to Channel Access: {code}");
        return;
    };
    hook.wanted.store(hook.manner.request_type(field_type), Ordering::Release);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    hook.feed.push(Event::Connected(Connection { field_type, count, access, host }));
    if hook.manner.monitored {
        let _ = hook.to_actor.send(Request::Subscribe { id: hook.id });
    }
}

pub(crate) unsafe extern "C" fn on_access_rights(args: sys::access_rights_handler_args) {
    // SAFETY: a callback of libca for a channel of ours.
    let (hook, access) = unsafe { (hook(args.chid), access(args.chid)) };
    hook.feed.push(Event::AccessRights(access));
}

pub(crate) unsafe extern "C" fn on_event(args: sys::event_handler_args) {
    // SAFETY: a callback of libca for a channel of ours.
    let hook = unsafe { hook(args.chid) };
    if args.status != sys::ECA_NORMAL || args.type_ != hook.wanted.load(Ordering::Acquire) {
        return; // a monitor that ended with its connection, or the type from before a reboot
    }
    // SAFETY: libca's own arguments.
    if let Some(sample) = unsafe { decode(&args) } {
        hook.feed.push(Event::Sample(sample));
    }
}

pub(crate) unsafe extern "C" fn on_reply(args: sys::event_handler_args) {
    // SAFETY: a callback of libca for a channel of ours.
    let reply = lock(&unsafe { hook(args.chid) }.replies).remove(&(args.usr as usize));
    if let Some(reply) = reply {
        let _ = reply.send(match args.status {
            // SAFETY: libca's own arguments; for a put there is no value.
            sys::ECA_NORMAL => Ok(unsafe { decode(&args) }),
            status => Err(Fault::from_status(status)),
        });
    }
}

pub(crate) unsafe extern "C" fn on_exception(args: sys::exception_handler_args) {
    let what = message(args.stat as i32);
    // SAFETY: null or a C string of libca.
    let context = (!args.ctx.is_null()).then(|| unsafe { CStr::from_ptr(args.ctx) }.to_string_lossy());
    let context = context.as_deref().unwrap_or("");
    if args.chid.is_null() {
        tracing::warn!("Channel Access: {what} ({context})");
        return;
    }
    // SAFETY: the channel is one of ours, this context has no others.
    let hook = unsafe { hook(args.chid) };
    tracing::warn!(pv = hook.feed.name(), "Channel Access: {what} ({context})");
    if args.op == i64::from(sys::CA_OP_PUT) {
        hook.feed.push(Event::PutFailed(what));
    }
}
