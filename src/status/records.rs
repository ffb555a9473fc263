//! The status records of one beamline: their targets are kept in memory and written to the IOC.
//!
//! Setting is synchronous and never fails: it changes the target, and the latest wins. One task per record
//! compares the target with what the IOC holds and writes what differs: after a change here, after another
//! client's put, and everything again after each connection, so that a reboot of the IOC is repaired at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::commands::OperatorCommands;
use super::lease::{Lease, LeaseKeeper, Release};
use super::line::{ascii, one_line};
use super::links::{Links, missing, names, report};
use super::record::{Record, RecordKind};
use super::record_tasks::{RecordTasks, Slot};
use super::rows::{joined, message_rows};
use super::states::{BeamlineStatus, step_index};
use super::target::{Displayed, Target};
use crate::domain::{Step, StepStatus};
use channel_access::{CaError, ChannelOptions, Context};

/// The records of one beamline. Cheap to clone; its tasks end when the last clone is dropped.
#[derive(Clone)]
pub struct StatusRecords {
    inner: Arc<Inner>,
}

struct Inner {
    prefix: String,
    slots: BTreeMap<Record, Slot>,
    connected: watch::Receiver<BTreeSet<Record>>,
    lease: watch::Receiver<Lease>,
    releases: mpsc::Sender<Release>,
    /// Dropping it ends the tasks that have no slot.
    _alive: watch::Sender<()>,
}

/// Some records do not display their targets.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the IOC does not show these records of {prefix} yet: {}", names(records))]
pub struct NotDisplayed {
    /// Prefix of the records
    pub prefix: String,
    /// Those records
    pub records: Vec<Record>,
}

impl StatusRecords {
    /// Connects to the records with this prefix, such as `2bmb:Share:`, whether they exist already or not,
    /// and to the operator's commands among them. The target of `Run` is 0; all other records stay as they
    /// are until they are set.
    ///
    /// Without the [`lease`](Self::lease) nothing is written, and no button is obeyed.
    ///
    /// Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// [`CaError::BadName`].
    pub fn new(context: &Context, prefix: &str) -> Result<(Self, OperatorCommands), CaError> {
        let (alive, end) = watch::channel(());
        let (connected_tx, connected) = watch::channel(BTreeSet::new());
        let (orders, commands) = mpsc::unbounded_channel();
        let lease_tx = Arc::new(watch::Sender::new(Lease::default()));
        let lease = lease_tx.subscribe();
        let (releases, releases_rx) = mpsc::channel(1);
        let mut tasks = RecordTasks::new(Links::new(connected_tx), orders, lease.clone(), end.clone());
        for &record in Record::ALL {
            tasks.start(context, prefix, record)?;
        }
        let slots = tasks.order_writes(&connected);
        let keeper = LeaseKeeper {
            holder: context.channel(&format!("{prefix}{}", Record::LeaseHolder))?,
            heartbeat: context.open(
                &format!("{prefix}{}", Record::Heartbeat),
                ChannelOptions { monitor: false, ..ChannelOptions::default() },
            )?,
            state: lease_tx,
            prefix: prefix.to_owned(),
        };
        tokio::spawn(keeper.keep(releases_rx, end.clone()));
        tokio::spawn(report(prefix.to_owned(), connected.clone(), end));
        let inner = Inner { prefix: prefix.to_owned(), slots, connected, lease, releases, _alive: alive };
        Ok((Self { inner: Arc::new(inner) }, OperatorCommands::new(commands)))
    }

    /// The prefix of the records.
    pub fn prefix(&self) -> &str {
        &self.inner.prefix
    }

    /// Full name of a record.
    pub fn pv(&self, record: Record) -> String {
        format!("{}{record}", self.inner.prefix)
    }

    /// Whether this process serves the records or another one does. Without the lease nothing must be
    /// delivered.
    pub fn lease(&self) -> watch::Receiver<Lease> {
        self.inner.lease.clone()
    }

    /// Releases the lease, so that another process can take it at once. Nothing is written afterwards.
    pub async fn release(&self, limit: Duration) {
        let (answer, answered) = oneshot::channel();
        if self.inner.releases.try_send(answer).is_ok() {
            let _ = tokio::time::timeout(limit, answered).await;
        }
    }

    /// Sets what beamshare is doing. `Status` is written when the IOC holds everything that was set before,
    /// so that a script that waits for it reads no old values. A record that does not take its value delays
    /// it by a second at most.
    pub fn set_status(&self, status: BeamlineStatus) {
        self.set(Record::Status, Displayed::State(status as u16));
    }

    /// Sets the state and the message of a step.
    pub fn set_step(&self, step: Step, status: StepStatus, message: &str) {
        if let Some(record) = Record::step_message(step) {
            self.set_text(record, message);
        }
        if let Some(record) = Record::step_rows(step) {
            self.set_rows(record, &message_rows(message));
        }
        if let Some(record) = Record::step_status(step) {
            self.set(record, Displayed::State(step_index(status)));
        }
    }

    /// Sets a text. It is shown on one line, with control and invisible characters as escapes, and cut with
    /// `...` where it is longer than the record.
    ///
    /// It is shown in ASCII (`Müller` as `Muller`), since MEDM shows bytes and no UTF-8, unless the record
    /// [is in UTF-8](Record::is_utf8).
    pub fn set_text(&self, record: Record, text: &str) {
        let line = if record.is_utf8() { one_line(text) } else { ascii(text) };
        self.set(record, Displayed::Text(line));
    }

    /// Sets a text that is laid out in rows.
    pub(super) fn set_rows(&self, record: Record, rows: &[String]) {
        self.set(record, Displayed::Text(joined(rows)));
    }

    /// Sets a state by its index.
    pub(super) fn set_state(&self, record: Record, index: u16) {
        self.set(record, Displayed::State(index));
    }

    /// Sets a count; what is more than a record can hold is shown as the most it can (2,147,483,647).
    pub fn set_count(&self, record: Record, count: u64) {
        self.set(record, Displayed::Count(i32::try_from(count).unwrap_or(i32::MAX)));
    }

    /// Sets a number, in the unit of its record. A number that is not finite is ignored.
    pub fn set_number(&self, record: Record, number: f64) {
        if number.is_finite() {
            self.set(record, Displayed::Number(number));
        }
    }

    /// Sets whether a delivery runs. Setting it, even to the same value, answers an
    /// [`OperatorCommand::Run`](super::OperatorCommand::Run):
    /// with `false`, `Run` goes back to 0, when the IOC holds all else that was set until then, `Status` too.
    pub fn set_run(&self, runs: bool) {
        self.set(Record::Run, Displayed::State(u16::from(runs)));
    }

    /// Counts `Heartbeat` up. Call it each second, from a task that stops if the program hangs.
    pub fn beat(&self) {
        if let Some(slot) = self.inner.slots.get(&Record::Heartbeat) {
            slot.wanted.send_modify(|wanted| {
                let last = match wanted.value {
                    Some(Displayed::Count(n)) => n,
                    // Not 0, which is what the record holds when the IOC starts: the watchdog must see a
                    // change.
                    _ => 0,
                };
                wanted.value = Some(Displayed::Count(last.checked_add(1).unwrap_or(1)));
                wanted.version += 1;
            });
        }
    }

    /// Waits until the IOC holds everything that was set before this call.
    ///
    /// # Errors
    /// [`NotDisplayed`] after `limit`, with the records whose targets the IOC does not hold, also if it is
    /// unreachable.
    pub async fn flush(&self, limit: Duration) -> Result<(), NotDisplayed> {
        let deadline = Instant::now() + limit;
        let goals: Vec<_> = self
            .inner
            .slots
            .iter()
            .filter(|(_, slot)| slot.wanted.borrow().value.is_some())
            .map(|(record, slot)| (*record, slot.wanted.borrow().version, slot.held.clone()))
            .collect();
        let mut late = Vec::new();
        for (record, version, mut held) in goals {
            match tokio::time::timeout_at(deadline, held.wait_for(|v| *v >= version)).await {
                Ok(Ok(_)) => {}
                _ => late.push(record),
            }
        }
        if late.is_empty() {
            Ok(())
        } else {
            Err(NotDisplayed { prefix: self.inner.prefix.clone(), records: late })
        }
    }

    /// The records that no IOC serves at present.
    pub fn missing(&self) -> Vec<Record> {
        missing(&self.inner.connected.borrow())
    }

    fn set(&self, record: Record, value: Displayed) {
        let fits = matches!(
            (record.kind(), &value),
            (RecordKind::State | RecordKind::Run, Displayed::State(_))
                | (RecordKind::Count, Displayed::Count(_))
                | (RecordKind::Number, Displayed::Number(_))
                | (RecordKind::Text, Displayed::Text(_))
        );
        debug_assert!(fits, "{record} does not show {value:?}");
        match self.inner.slots.get(&record) {
            Some(slot) if fits => {
                slot.wanted.send_if_modified(|wanted| {
                    let changed = wanted.value.as_ref() != Some(&value) || record == Record::Run;
                    if changed {
                        *wanted = Target { value: Some(value), version: wanted.version + 1 };
                    }
                    changed
                });
            }
            _ => {
                tracing::error!(
                    pv = self.pv(record),
                    "is no record for {value:?}; a fault of beamshare, please report"
                )
            }
        }
    }
}
