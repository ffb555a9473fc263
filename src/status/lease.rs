//! The lease: which of several beamshare processes serves these records.
//!
//! Two services on the same records, for example on an old and a new host, would each deliver. So the one
//! that serves writes its name to the record `LeaseHolder`, and counts the record `Heartbeat` up. Another one
//! delivers nothing, writes nothing, and takes over when the name is removed (an orderly stop) or `Heartbeat`
//! has not changed for [`TAKEOVER`].
//!
//! Channel Access has no compare-and-swap. Timing decides between two processes that find the lease free at
//! the same moment (Fischer's algorithm): each writes its name, waits for [`SETTLE`], and has the lease only
//! if the record still says its name then. A claim counts only if no more than [`WINDOW`], which is shorter,
//! has passed between its look and the end of its write; so a process that saw the lease free before it was
//! taken has written before it is read back, and the last writer is the only one to find its own name. A
//! claim that was slower does not count, but its write may come late: the holder's monitor reports it, and
//! the holder stops at once and claims anew.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep};

use super::lease_owner::LeaseOwner;
use channel_access::{CaError, Channel, Event, Sample, Value};

/// A holder whose `Heartbeat` has not changed for this long has ended; the same limit as the watchdog in
/// db/beamshare.db.
const TAKEOVER: Duration = Duration::from_secs(10);

/// How long a claim must last.
const SETTLE: Duration = Duration::from_secs(1);

/// How long a claim may take from the look at the lease to the end of the write; less than [`SETTLE`].
const WINDOW: Duration = Duration::from_millis(500);

/// How often the lease of another process is read.
const LOOK: Duration = Duration::from_secs(1);

/// A process that did not run this task for this long was stopped or hung; less than [`TAKEOVER`].
const ASLEEP: Duration = Duration::from_secs(5);

/// An IOC that has just started has an empty lease. A process that knows of a holder gives it this time to
/// return: libca's search takes up to 25 s.
const RETURN: Duration = Duration::from_secs(30);

/// Limit for a read.
const GET_LIMIT: Duration = Duration::from_secs(2);

/// Whether this process serves the records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Lease {
    /// Not known yet: the IOC is unreachable, or a claim is under way.
    #[default]
    Seeking,
    /// It does. It keeps the lease while the IOC is unreachable, since no other process can take it then.
    Held,
    /// Another process does, or did until less than ten seconds ago: its host and process number.
    Foreign(String),
}

/// Answered when the lease has been given back.
pub(super) type Release = oneshot::Sender<()>;

pub(super) struct LeaseKeeper {
    pub(super) holder: Channel,
    pub(super) heartbeat: Channel,
    pub(super) state: Arc<watch::Sender<Lease>>,
    pub(super) prefix: String,
}

/// The last observation of another process's lease.
struct ForeignLease {
    name: String,
    beat: Option<i64>,
    since: Instant,
}

impl LeaseKeeper {
    /// Ends when the lease is released or the [`StatusRecords`](super::StatusRecords) are dropped.
    pub(super) async fn keep(self, mut releases: mpsc::Receiver<Release>, mut end: watch::Receiver<()>) {
        let me = LeaseOwner::new();
        let answer = tokio::select! {
            () = self.serve(&me) => return,
            _ = end.changed() => return,
            Some(answer) = releases.recv() => answer,
        };
        let held = self.is_held();
        self.set(Lease::Seeking); // nothing is written from here on
        if held && let Err(e) = self.holder.put(Value::chars(""), GET_LIMIT).await {
            tracing::debug!("the lease is not given back: {e}");
        }
        let _ = answer.send(());
        let _ = end.changed().await;
    }

    async fn serve(&self, me: &LeaseOwner) {
        loop {
            self.seek(me).await;
            tracing::info!("this beamshare serves the records {}", self.prefix);
            self.set(Lease::Held);
            self.hold(me).await;
        }
    }

    /// Waits until the lease is free, and takes it.
    async fn seek(&self, me: &LeaseOwner) {
        let mut watched: Option<ForeignLease> = None;
        let mut returned: Option<Instant> = None;
        let mut refusal = String::new();
        loop {
            let looked = Instant::now();
            let seen = match self.read().await {
                Ok(name) => {
                    Ok((name, self.heartbeat.get(GET_LIMIT).await.ok().and_then(|s| s.value.as_integer())))
                }
                Err(e) => Err(e),
            };
            let was_away = self.forget_events();
            match seen {
                Err(error) => {
                    let error = error.to_string();
                    if self.heartbeat.connection().is_some() && refusal != error {
                        tracing::warn!(
                            "{error}. Nothing is delivered without this record: load this version's \
                             db/beamshare.db"
                        );
                        refusal = error;
                    }
                    if let Some(watched) = &mut watched {
                        watched.since = Instant::now(); // what can't be seen has not ended
                        returned = Some(watched.since);
                    }
                    self.set(Lease::Seeking);
                }
                Ok((name, _)) if name.is_empty() => {
                    if was_away && watched.is_some() {
                        returned = Some(looked);
                    }
                    let reserved = watched.is_some() && returned.is_some_and(|at| at.elapsed() < RETURN);
                    if !reserved && self.claim(me, looked, &mut refusal).await {
                        return;
                    }
                }
                Ok((name, _)) if name == me.to_string() || me.knows_ended(&name) => {
                    if self.claim(me, looked, &mut refusal).await {
                        return;
                    }
                }
                Ok((name, beat)) => {
                    match &mut watched {
                        Some(watched) if watched.name == name => {
                            if watched.beat != beat || was_away {
                                watched.since = looked;
                                watched.beat = beat;
                            }
                        }
                        _ => {
                            tracing::warn!(
                                "another beamshare serves the records {}: {}. This one delivers nothing, \
                                 and takes over when that one has ended",
                                self.prefix,
                                LeaseOwner::display_name(&name)
                            );
                            watched = Some(ForeignLease { name: name.clone(), beat, since: looked });
                        }
                    }
                    self.set(Lease::Foreign(LeaseOwner::display_name(&name)));
                    returned = None;
                    if watched.as_ref().is_some_and(|watched| watched.since.elapsed() >= TAKEOVER) {
                        tracing::warn!(
                            "{} has stopped without giving the lease back",
                            LeaseOwner::display_name(&name)
                        );
                        if self.claim(me, looked, &mut refusal).await {
                            return;
                        }
                    }
                }
            }
            sleep(LOOK).await;
        }
    }

    /// Writes the name, waits, and reads it back. `looked` is the time at which the lease was found free. A
    /// refusal is logged if it differs from the last one.
    async fn claim(&self, me: &LeaseOwner, looked: Instant, refusal: &mut String) -> bool {
        if let Err(error) = self.holder.put(Value::chars(&me.to_string()), WINDOW).await {
            let error = error.to_string();
            if *refusal != error {
                tracing::warn!("{error}. Nothing is delivered without this lease");
                *refusal = error;
            }
            return false;
        }
        if looked.elapsed() > WINDOW {
            tracing::debug!("the IOC is too slow for a claim to count; again");
            return false;
        }
        sleep(SETTLE).await;
        let read = self.read().await;
        let in_time = looked.elapsed() < SETTLE + ASLEEP;
        !self.forget_events() && in_time && read.is_ok_and(|name| name == me.to_string())
    }

    /// Returns when the lease is lost or in doubt.
    async fn hold(&self, me: &LeaseOwner) {
        let mut tick = Instant::now();
        let mut returned = false;
        let mut verify: Option<Instant> = None;
        loop {
            let event = tokio::select! {
                event = self.holder.next() => Some(event),
                () = sleep(LOOK) => None,
            };
            if tick.elapsed() > ASLEEP {
                tracing::warn!("this process was suspended for {:.0?}; checking the lease", tick.elapsed());
                return self.set(Lease::Seeking);
            }
            tick = Instant::now();
            self.heartbeat_events();
            let changed = match event {
                Some(Event::Connected(_)) => {
                    returned = true;
                    false
                }
                Some(Event::Sample(sample)) => {
                    let changed = text(&sample) != me.to_string();
                    returned &= changed;
                    changed
                }
                None => verify.is_some_and(|at| at <= tick),
                _ => false,
            };
            if !changed {
                continue;
            }
            // A monitor's value may be older than the record's.
            let Ok(name) = self.read().await else {
                verify = Some(Instant::now() + SETTLE);
                continue;
            };
            let after_return = std::mem::take(&mut returned);
            if name == me.to_string() {
                verify = None;
            } else if after_return && name.is_empty() {
                // The IOC has restarted: no other process has the lease, and those that wait for it leave
                // time for this.
                if let Err(error) = self.holder.put(Value::chars(&me.to_string()), GET_LIMIT).await {
                    tracing::warn!("{error}");
                }
                verify = Some(Instant::now() + SETTLE);
            } else if after_return || verify.is_some() {
                tracing::warn!(
                    "the lease of {} went to {} while the IOC could not be reached from here",
                    self.prefix,
                    LeaseOwner::display_name(&name)
                );
                return self.set(Lease::Seeking);
            } else {
                tracing::warn!("{} was overwritten with '{name}': claiming it anew", self.holder.name());
                self.set(Lease::Seeking);
                if !self.claim(me, Instant::now(), &mut String::new()).await {
                    return;
                }
                self.set(Lease::Held);
                tick = Instant::now();
            }
        }
    }

    async fn read(&self) -> Result<String, CaError> {
        Ok(text(&self.holder.get(GET_LIMIT).await?))
    }

    /// Empties the queues. Returns whether the IOC was disconnected meanwhile.
    fn forget_events(&self) -> bool {
        self.heartbeat_events();
        let mut was_away = false;
        while let Some(event) = self.holder.next().now_or_never() {
            was_away |= event == Event::Disconnected;
        }
        was_away
    }

    fn heartbeat_events(&self) {
        while self.heartbeat.next().now_or_never().is_some() {}
    }

    fn is_held(&self) -> bool {
        *self.state.borrow() == Lease::Held
    }

    fn set(&self, lease: Lease) {
        self.state.send_if_modified(|state| {
            let modified = *state != lease;
            *state = lease;
            modified
        });
    }
}

fn text(sample: &Sample) -> String {
    sample.value.to_text().unwrap_or_default()
}
