//! The operator's commands and switches.

use std::time::Duration;
use tokio::sync::{mpsc, watch};

use super::lease::Lease;
use super::links::Link;
use super::record::Record;
use channel_access::{Channel, Event, FieldType, Value};

/// How long the reset of a button may take.
const RESET_LIMIT: Duration = Duration::from_secs(2);

/// A command of the operator, or the state of a switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperatorCommand {
    /// `Run` was put to 1 while no delivery ran. Answer it with
    /// [`StatusRecords::set_run`](super::StatusRecords::set_run): else `Run` goes back to 0 after five
    /// seconds.
    Run,
    /// Go on with what is held.
    Approve,
    /// End the running delivery.
    Abort,
    /// Mail everyone again.
    Resend,
    /// The switch `Auto`: its state after each connection and after each change. Unknown before the first
    /// one.
    Auto(bool),
    /// The switch `Pause`, likewise.
    Pause(bool),
}

/// The operator's commands, in the order in which they arrived.
pub struct OperatorCommands {
    inbox: mpsc::UnboundedReceiver<OperatorCommand>,
}

impl OperatorCommands {
    pub(super) fn new(inbox: mpsc::UnboundedReceiver<OperatorCommand>) -> Self {
        Self { inbox }
    }

    /// The next command; `None` when the [`StatusRecords`](super::StatusRecords) have been dropped.
    /// Cancel-safe.
    pub async fn next(&mut self) -> Option<OperatorCommand> {
        self.inbox.recv().await
    }
}

/// A bo as true or false.
pub(super) fn as_bool(value: &Value) -> Option<bool> {
    value.as_integer().map(|n| n != 0)
}

/// Whether a connected record can be a bo; logs an error if it can't.
pub(super) fn is_button(channel: &Channel, kind: FieldType) -> bool {
    let fits = !matches!(kind, FieldType::String);
    if !fits {
        tracing::error!(
            pv = channel.name(),
            "is a {kind} and no bo: not the record of db/beamshare.db, so it is not obeyed"
        );
    }
    fits
}

/// Serves a button: a change from 0 to 1 is a command. A 1 that is found on connecting is of unknown age, so
/// it is reset to 0 and not obeyed.
///
/// Without the lease, the record belongs to another process: it is neither obeyed nor reset.
pub(super) async fn momentary(
    channel: Channel,
    link: Link,
    orders: mpsc::UnboundedSender<OperatorCommand>,
    mut lease: watch::Receiver<Lease>,
    mut end: watch::Receiver<()>,
) {
    let command = match link.record {
        Record::Approve => OperatorCommand::Approve,
        Record::Abort => OperatorCommand::Abort,
        _ => OperatorCommand::Resend,
    };
    let mut reads: Option<bool> = None;
    loop {
        let event = tokio::select! {
            event = channel.next() => event,
            changed = lease.changed() => {
                if changed.is_err() {
                    return;
                }
                if reads == Some(true) && *lease.borrow() == Lease::Held
                    && let Err(e) = channel.put(Value::Enum(vec![0]), RESET_LIMIT).await
                {
                    tracing::debug!("{e}");
                }
                continue;
            }
            _ = end.changed() => return,
        };
        match event {
            Event::Connected(connection) => {
                reads = None;
                link.set(is_button(&channel, connection.field_type));
            }
            Event::Disconnected => {
                reads = None;
                link.set(false);
            }
            Event::Sample(sample) => {
                let Some(pressed) = as_bool(&sample.value) else { continue };
                let before = reads.replace(pressed);
                if !pressed || before == Some(true) || *lease.borrow() != Lease::Held {
                    continue;
                }
                if before == Some(false) {
                    tracing::info!(pv = channel.name(), "an operator pressed {}", link.record);
                    let _ = orders.send(command);
                } else {
                    tracing::warn!(
                        pv = channel.name(),
                        "was 1 already when the IOC was found: too old to obey, so it is put back to 0"
                    );
                }
                // The button is reset when its press has arrived; where the write fails, the record's HIGH
                // resets it.
                if let Err(e) = channel.put(Value::Enum(vec![0]), RESET_LIMIT).await {
                    tracing::debug!("{e}");
                }
            }
            Event::AccessRights(_) | Event::SamplesLost | Event::Renewed | Event::PutFailed(_) => {}
        }
    }
}

/// Serves a switch: its state is reported after each connection and after each change, and never written.
pub(super) async fn level(
    channel: Channel,
    link: Link,
    orders: mpsc::UnboundedSender<OperatorCommand>,
    mut end: watch::Receiver<()>,
) {
    let command = match link.record {
        Record::Auto => OperatorCommand::Auto,
        _ => OperatorCommand::Pause,
    };
    let mut reads: Option<bool> = None;
    loop {
        let event = tokio::select! {
            event = channel.next() => event,
            _ = end.changed() => return,
        };
        match event {
            Event::Connected(connection) => {
                reads = None;
                link.set(is_button(&channel, connection.field_type));
            }
            Event::Disconnected => link.set(false),
            Event::Sample(sample) => {
                let Some(on) = as_bool(&sample.value) else { continue };
                if reads.replace(on) != Some(on) {
                    let _ = orders.send(command(on));
                }
            }
            Event::AccessRights(_) | Event::SamplesLost | Event::Renewed | Event::PutFailed(_) => {}
        }
    }
}
