//! The record `Run`, which is both a status of beamshare and a command of the operator.
//!
//! beamshare writes 1 while a delivery runs and 0 when it has ended; an operator writes 1 to have one run.
//! Channel Access does not report who wrote a value. A late monitor of beamshare's own 1 must never be
//! mistaken for an operator's, or deliveries would repeat for ever; and an operator's 1, written just after
//! beamshare's 0, must not be mistaken for beamshare's own, or it would be lost.
//!
//! Therefore the monitor is renewed with each own write ([`Channel::put_and_renew`]): the IOC reads
//! everything that the new monitor delivers after that write. While the target is 0, it delivers 0, or
//! somebody else's 1.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::commands::{OperatorCommand, as_bool, is_button};
use super::lease::Lease;
use super::links::Link;
use super::record_writer::pause;
use super::target::{Displayed, Target};
use channel_access::{Channel, Event, Value};

/// How long a write may wait to be sent.
const PUT_LIMIT: Duration = Duration::from_secs(5);

/// A 1 that is the very first value after our 0 is obeyed after this time, if no 0 follows: a CA gateway
/// between may answer a new monitor from its memory, with the value from before our write.
const GATEWAY_DELAY: Duration = Duration::from_millis(250);

/// How long a press waits for an answer of the service before the button is reset to 0.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

pub(super) struct RunButton {
    channel: Channel,
    link: Link,
    wanted: watch::Receiver<Target>,
    held: watch::Sender<u64>,
    orders: mpsc::UnboundedSender<OperatorCommand>,
    lease: watch::Receiver<Lease>,
    state: RunState,
}

/// The state of the record since the connection was made or, if that is later, since our last write.
#[derive(Default)]
struct RunState {
    connected: bool,
    /// The target that was last acted on.
    wanted: bool,
    /// Our last write in this connection, unless the IOC has refused it.
    ours: Option<bool>,
    /// A write is on its way: values that come before [`Event::Renewed`] are from before it.
    outdated: bool,
    reads: Option<bool>,
    /// The action that is due at this time.
    timer: Option<(Instant, Timer)>,
    failures: u32,
}

#[derive(Clone, Copy, PartialEq)]
enum Timer {
    /// Obey the first 1 after our 0.
    Obey,
    /// A press was passed on and not answered: put the button back.
    Unanswered,
    /// Write again what is wanted.
    Retry,
}

impl RunButton {
    pub(super) fn new(
        channel: Channel,
        link: Link,
        wanted: watch::Receiver<Target>,
        held: watch::Sender<u64>,
        orders: mpsc::UnboundedSender<OperatorCommand>,
        lease: watch::Receiver<Lease>,
    ) -> Self {
        Self { channel, link, wanted, held, orders, lease, state: RunState::default() }
    }

    /// Ends when the [`StatusRecords`](super::StatusRecords) are dropped.
    pub(super) async fn keep(mut self) {
        loop {
            let timer = self.state.timer;
            let at = timer.map_or_else(Instant::now, |(at, _)| at);
            // Biased: a press that has arrived is handled before a change of the target.
            tokio::select! {
                biased;
                event = self.channel.next() => self.on_event(event).await,
                changed = self.wanted.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.on_wanted().await;
                }
                changed = self.lease.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.on_lease().await;
                }
                () = sleep_until(at), if timer.is_some() => {
                    self.state.timer = None;
                    match timer {
                        Some((_, Timer::Obey)) => self.obey(),
                        _ => self.write().await,
                    }
                }
            }
            self.confirm();
        }
    }

    /// Handles gaining or losing the lease. A 1 that is found then is not a command to this process.
    async fn on_lease(&mut self) {
        self.state = RunState { connected: self.state.connected, wanted: self.runs(), ..RunState::default() };
        self.write().await;
    }

    fn is_ours(&self) -> bool {
        *self.lease.borrow() == Lease::Held
    }

    async fn on_event(&mut self, event: Event) {
        match event {
            Event::Connected(connection) => {
                let connected = is_button(&self.channel, connection.field_type);
                self.state = RunState { connected, wanted: self.runs(), ..RunState::default() };
                self.link.set(connected);
                if connected && self.state.wanted {
                    self.write().await;
                }
            }
            Event::Disconnected => {
                self.state = RunState::default();
                self.link.set(false);
            }
            Event::Renewed => {
                self.state.outdated = false;
                self.state.reads = None;
            }
            Event::PutFailed(reason) => {
                if self.state.failures == 0 {
                    tracing::warn!(pv = self.channel.name(), "does not take what beamshare writes: {reason}");
                }
                self.state.ours = None;
                self.try_again();
            }
            Event::Sample(sample) => {
                if let Some(value) = as_bool(&sample.value)
                    .filter(|_| self.state.connected && !self.state.outdated && self.is_ours())
                {
                    self.on_value(value).await;
                }
            }
            Event::AccessRights(_) | Event::SamplesLost => {}
        }
    }

    async fn on_value(&mut self, value: bool) {
        let before = self.state.reads.replace(value);
        let wanted = self.state.wanted;
        tracing::trace!(pv = self.channel.name(), value, wanted, ?before, ours = ?self.state.ours, "reads");
        if value == wanted {
            // Also: an operator took a press back, or a gateway's memory has caught up.
            self.state.timer = None;
            self.state.failures = 0;
        } else if self.state.failures > 0 {
            // Our write was refused, and is tried again.
        } else if before.is_none() && self.state.ours == Some(wanted) {
            let next = if wanted { Timer::Retry } else { Timer::Obey };
            self.state.timer = Some((Instant::now() + GATEWAY_DELAY, next));
        } else if wanted {
            tracing::warn!(
                pv = self.channel.name(),
                "was put to 0 while a delivery runs: Abort ends it, not this"
            );
            self.write().await;
        } else if before == Some(false) {
            self.obey();
        } else if before.is_none() {
            tracing::warn!(
                pv = self.channel.name(),
                "was 1 already when the IOC was found: too old to obey, so it is put back to 0"
            );
            self.write().await;
        }
    }

    fn obey(&mut self) {
        tracing::info!(pv = self.channel.name(), "an operator pressed Run");
        let _ = self.orders.send(OperatorCommand::Run);
        self.state.timer = Some((Instant::now() + ANSWER_LIMIT, Timer::Unanswered));
    }

    /// Handles a new target, which may equal the last one.
    async fn on_wanted(&mut self) {
        let timer = self.state.timer.map(|(_, timer)| timer);
        if !self.state.connected || !self.is_ours() || timer == Some(Timer::Retry) {
            return;
        }
        self.state.wanted = self.runs();
        let write = if self.state.wanted {
            // Also where the operator's press has put 1 already: this makes it ours.
            self.state.ours != Some(true)
        } else {
            // Never a second 0 after ours: it could undo a press whose monitor has not arrived yet.
            self.state.ours == Some(true) || timer == Some(Timer::Unanswered)
        };
        if write {
            self.write().await;
        }
    }

    async fn write(&mut self) {
        if !self.state.connected || !self.is_ours() {
            return;
        }
        let runs = self.runs();
        tracing::trace!(pv = self.channel.name(), runs, "writes");
        self.state.wanted = runs;
        self.state.timer = None;
        self.state.outdated = true;
        match self.channel.put_and_renew(Value::Enum(vec![u16::from(runs)]), PUT_LIMIT).await {
            Ok(()) => self.state.ours = Some(runs),
            Err(e) => {
                if self.state.failures == 0 {
                    tracing::warn!("{e}");
                }
                self.state.outdated = false;
                self.try_again();
            }
        }
    }

    fn try_again(&mut self) {
        self.state.failures += 1;
        self.state.timer = Some((Instant::now() + pause(self.state.failures), Timer::Retry));
    }

    fn runs(&self) -> bool {
        self.wanted.borrow().value == Some(Displayed::State(1))
    }

    fn confirm(&mut self) {
        let wanted = self.wanted.borrow();
        let runs = wanted.value == Some(Displayed::State(1));
        let version = if self.is_ours() && !self.state.outdated && self.state.reads == Some(runs) {
            wanted.version
        } else {
            0
        };
        self.held.send_if_modified(|held| std::mem::replace(held, version) != version);
    }
}
