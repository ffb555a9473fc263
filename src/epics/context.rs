//! The one thread that owns libca's context and makes every blocking call into it.
//!
//! libca runs our callbacks on threads of its own ("preemptive"), under a lock that `ca_clear_channel` and
//! `ca_clear_subscription` take too. So two rules keep us from a deadlock: callbacks only push into queues and
//! never call into libca for anything that blocks, and no lock of ours is held while calling into libca.

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_void};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use epics_ca_sys as sys;
use tokio::sync::oneshot;

use super::channel::{Access, Channel, Connection, Event, Feed};
use super::error::CaError;
use super::repeater;
use super::value::{FieldType, Sample, Value, decode, time_type};

/// Channel Access of this process: makes channels. Cheap to clone.
///
/// It ends, with its threads, when the last clone and the last channel are dropped.
#[derive(Clone)]
pub struct CaContext {
    shared: Arc<Shared>,
}

struct Shared {
    requests: mpsc::Sender<Request>,
    next_id: AtomicU64,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl CaContext {
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
            .spawn(move || {
                let result = start_libca();
                let ok = result.is_ok();
                let _ = started.send(result);
                if ok {
                    Actor { to_self, channels: HashMap::new(), next_reply: 0 }.serve(&inbox);
                    // SAFETY: this thread made the context, and serve() has cleared every channel of it.
                    unsafe { sys::ca_context_destroy() };
                }
            })
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
        self.open(name, Form::Native)
    }

    /// As [`channel`](Self::channel), but the state of an enum record comes as its label and not as its index.
    ///
    /// # Errors
    /// [`CaError::BadName`].
    pub fn channel_with_labels(&self, name: &str) -> Result<Channel, CaError> {
        self.open(name, Form::Labels)
    }

    fn open(&self, name: &str, form: Form) -> Result<Channel, CaError> {
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
        self.send(Request::Open { id, name: c_name, feed: feed.clone(), form });
        Ok(Channel::new(id, feed, self.clone()))
    }

    /// Hands a request to the actor. If that has ended, the request is dropped, and with it the reply's sender.
    pub(super) fn send(&self, request: Request) {
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

/// In which type values are asked for.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Form {
    Native,
    /// Enums as strings, all else native.
    Labels,
}

impl Form {
    fn request_type(self, native: FieldType) -> i64 {
        match (self, native) {
            (Self::Labels, FieldType::Enum) => time_type(FieldType::String),
            _ => time_type(native),
        }
    }
}

/// Why libca did not do what it was asked.
#[derive(Debug)]
pub(super) enum Fault {
    Disconnected,
    Libca(i32),
}

impl Fault {
    fn from_status(status: i32) -> Self {
        match status {
            sys::ECA_DISCONN | sys::ECA_DISCONNCHID => Self::Disconnected,
            other => Self::Libca(other),
        }
    }
}

pub(super) type Reply = oneshot::Sender<Result<Option<Sample>, Fault>>;

pub(super) enum Request {
    Open {
        id: u64,
        name: CString,
        feed: Arc<Feed>,
        form: Form,
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

/// What the callbacks of one channel find through `ca_puser`. Made by the actor when it opens the channel and freed
/// by it after `ca_clear_channel`, from whose return on no callback runs any more.
struct Hook {
    id: u64,
    feed: Arc<Feed>,
    form: Form,
    /// DBR type of the samples that belong to the present connection: a record that changed its type over an IOC's
    /// reboot may still send some in the old one, converted beyond recognition.
    wanted: AtomicI64,
    replies: Mutex<HashMap<usize, Reply>>,
    to_actor: mpsc::Sender<Request>,
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

fn start_libca() -> Result<(), CaError> {
    let preemptive = sys::ca_preemptive_callback_select::ca_enable_preemptive_callback;
    // SAFETY: called once on this thread, before anything else of libca.
    let status = unsafe { sys::ca_context_create(preemptive) };
    if status == sys::ECA_NORMAL {
        // libca's own handler prints to stderr and may end the process.
        // SAFETY: the context is this thread's; the handler uses no argument of its own.
        let status = unsafe { sys::ca_add_exception_event(Some(on_exception), std::ptr::null_mut()) };
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
                Request::Open { id, name, feed, form } => self.open(id, &name, feed, form),
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

    fn open(&mut self, id: u64, name: &CStr, feed: Arc<Feed>, form: Form) {
        let hook = Box::into_raw(Box::new(Hook {
            id,
            feed: feed.clone(),
            form,
            wanted: AtomicI64::new(-1),
            replies: Mutex::default(),
            to_actor: self.to_self.clone(),
        }));
        let mut chid: sys::chanId = std::ptr::null_mut();
        // SAFETY: `hook` lives until after ca_clear_channel.
        let status = unsafe { sys::ca_create_channel(name.as_ptr(), Some(on_connection), hook.cast(), 0, &mut chid) };
        if status == sys::ECA_NORMAL {
            // SAFETY: `chid` was just made.
            unsafe { sys::ca_replace_access_rights_event(chid, Some(on_access_rights)) };
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
                    let form = (*sys::ca_puser(chid).cast::<Hook>()).form;
                    let dbr = form.request_type(native);
                    sys::ca_array_get_callback(dbr, 0, chid, Some(on_reply), number as *mut c_void)
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
                Some(on_reply),
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
            Some(on_event),
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
pub(super) fn message(status: i32) -> String {
    // SAFETY: ca_message returns a static string for every code.
    let text = unsafe { CStr::from_ptr(sys::ca_message(status.into())) };
    text.to_string_lossy().into_owned()
}

/// A lock whose holder panicked still protects whole data: each of ours is held for one statement.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

// Callbacks. Each runs on a thread of libca, under libca's callback lock.

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

unsafe extern "C" fn on_connection(args: sys::connection_handler_args) {
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
        let host = String::from_utf8_lossy(super::value::until_nul(&host)).into_owned();
        (sys::ca_field_type(args.chid), sys::ca_element_count(args.chid), access(args.chid), host)
    };
    let Some(field_type) = FieldType::from_code(code) else {
        tracing::error!(pv = hook.feed.name(), "has a type that is unknown to Channel Access: {code}");
        return;
    };
    hook.wanted.store(hook.form.request_type(field_type), Ordering::Release);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    hook.feed.push(Event::Connected(Connection { field_type, count, access, host }));
    let _ = hook.to_actor.send(Request::Subscribe { id: hook.id });
}

unsafe extern "C" fn on_access_rights(args: sys::access_rights_handler_args) {
    // SAFETY: a callback of libca for a channel of ours.
    let (hook, access) = unsafe { (hook(args.chid), access(args.chid)) };
    hook.feed.push(Event::AccessRights(access));
}

unsafe extern "C" fn on_event(args: sys::event_handler_args) {
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

unsafe extern "C" fn on_reply(args: sys::event_handler_args) {
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

unsafe extern "C" fn on_exception(args: sys::exception_handler_args) {
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
