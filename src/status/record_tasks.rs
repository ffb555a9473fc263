//! The tasks of the records: a writer, a button or a switch for each.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::{mpsc, watch};

use super::commands::{self, OperatorCommand};
use super::lease::Lease;
use super::links::Links;
use super::record::{Record, RecordKind};
use super::record_writer::RecordWriter;
use super::run_button::RunButton;
use super::target::{Displayed, Target};
use super::write_order::{After, Before};
use channel_access::{CaError, ChannelOptions, Context};

/// A record that beamshare writes.
pub(super) struct Slot {
    pub(super) wanted: watch::Sender<Target>,
    /// Version of the target that the IOC is known to hold; 0 for none.
    pub(super) held: watch::Receiver<u64>,
}

/// A record that is written after others.
struct Delayed {
    record: Record,
    asked: watch::Receiver<Target>,
    hand_on: watch::Sender<Target>,
}

/// Starts the tasks, and collects the slots of the records that beamshare writes.
pub(super) struct RecordTasks {
    links: Links,
    orders: mpsc::UnboundedSender<OperatorCommand>,
    lease: watch::Receiver<Lease>,
    end: watch::Receiver<()>,
    slots: BTreeMap<Record, Slot>,
    delayed: Vec<Delayed>,
}

impl RecordTasks {
    pub(super) fn new(
        links: Links,
        orders: mpsc::UnboundedSender<OperatorCommand>,
        lease: watch::Receiver<Lease>,
        end: watch::Receiver<()>,
    ) -> Self {
        Self { links, orders, lease, end, slots: BTreeMap::new(), delayed: Vec::new() }
    }

    /// Starts the task of one record, if it has one.
    pub(super) fn start(&mut self, context: &Context, prefix: &str, record: Record) -> Result<(), CaError> {
        let name = format!("{prefix}{record}");
        let channel = match record.kind() {
            RecordKind::Ioc | RecordKind::Lease => return Ok(()),
            RecordKind::Run => {
                context.open(&name, ChannelOptions { own_circuit: true, ..ChannelOptions::default() })?
            }
            _ => context.channel(&name)?,
        };
        let (link, orders) = (self.links.of(record), self.orders.clone());
        let (lease, end) = (self.lease.clone(), self.end.clone());
        match record.kind() {
            RecordKind::Momentary => tokio::spawn(commands::momentary(channel, link, orders, lease, end)),
            RecordKind::Level => tokio::spawn(commands::level(channel, link, orders, end)),
            RecordKind::Run => {
                let (wanted, held) =
                    self.slot(record, Target { value: Some(Displayed::State(0)), version: 1 });
                tokio::spawn(RunButton::new(channel, link, wanted, held, orders, lease).keep())
            }
            _ => {
                let (wanted, held) = self.slot(record, Target::default());
                tokio::spawn(RecordWriter::new(channel, link, wanted, held, lease).keep())
            }
        };
        Ok(())
    }

    /// Adds the slot of a record. Returns the target for its task, and the sender of the version that the IOC
    /// holds.
    fn slot(&mut self, record: Record, first: Target) -> (watch::Receiver<Target>, watch::Sender<u64>) {
        let (wanted, asked) = watch::channel(first.clone());
        let (held_tx, held) = watch::channel(0);
        self.slots.insert(record, Slot { wanted, held });
        if !matches!(record, Record::Status | Record::Run) {
            return (asked, held_tx);
        }
        let (hand_on, handed_on) = watch::channel(first);
        self.delayed.push(Delayed { record, asked, hand_on });
        (handed_on, held_tx)
    }

    /// Starts the tasks that write `Status` after all other records, and the 0 of `Run` after `Status`.
    /// Returns the slots.
    pub(super) fn order_writes(
        self,
        connected: &watch::Receiver<BTreeSet<Record>>,
    ) -> BTreeMap<Record, Slot> {
        let Self { slots, delayed, .. } = self;
        for Delayed { record, asked, hand_on } in delayed {
            let before = slots
                .iter()
                .filter(|(other, _)| **other != Record::Run && **other != record)
                .map(|(record, slot)| Before {
                    record: *record,
                    wanted: slot.wanted.subscribe(),
                    held: slot.held.clone(),
                })
                .collect();
            let after = After { asked, hand_on, before, connected: connected.clone() };
            let is_run = record == Record::Run;
            tokio::spawn(after.follow(move |shown| is_run && *shown == Displayed::State(1)));
        }
        slots
    }
}
