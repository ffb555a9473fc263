//! Writes one record whenever it differs from its target.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::lease::Lease;
use super::links::Link;
use super::record::RecordKind;
use super::target::{Displayed, Target};
use channel_access::{Channel, Connection, Event, FieldType, STRING_SIZE, Value};

/// How long one write may take.
const PUT_LIMIT: Duration = Duration::from_secs(5);

/// How long the monitor has to confirm a write; also the first delay before it is retried.
const ECHO_LIMIT: Duration = Duration::from_secs(1);

/// Shortest time between two corrections of a record that another client keeps writing.
const SPACING: Duration = Duration::from_millis(250);

/// Writes in a row that did not last before a warning is logged.
const REPORTED_FAILURE: u32 = 3;

/// Longest delay before a write that the IOC refuses or does not keep is retried.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

pub(super) struct RecordWriter {
    channel: Channel,
    link: Link,
    wanted: watch::Receiver<Target>,
    held: watch::Sender<u64>,
    lease: watch::Receiver<Lease>,
    state: WriterState,
}

/// The state of the record in the present connection.
#[derive(Default)]
struct WriterState {
    connection: Option<Connection>,
    /// The last value that the monitor brought.
    reads: Option<Value>,
    /// The last value that the IOC took from us.
    put: Option<Value>,
    put_at: Option<Instant>,
    /// The same value is not written again before this.
    not_before: Option<Instant>,
    failures: u32,
}

impl RecordWriter {
    pub(super) fn new(
        channel: Channel,
        link: Link,
        wanted: watch::Receiver<Target>,
        held: watch::Sender<u64>,
        lease: watch::Receiver<Lease>,
    ) -> Self {
        Self { channel, link, wanted, held, lease, state: WriterState::default() }
    }

    /// Ends when the [`StatusRecords`](super::StatusRecords) are dropped.
    pub(super) async fn keep(mut self) {
        loop {
            self.write_if_needed().await;
            let pause = self.state.not_before;
            tokio::select! {
                biased;
                event = self.channel.next() => self.on_event(event),
                changed = self.wanted.changed() => if changed.is_err() { return },
                changed = self.lease.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    // Another process may have written meanwhile: everything is written again.
                    self.state.put = None;
                    self.state.not_before = None;
                }
                () = sleep_until(pause.unwrap_or_else(Instant::now)), if pause.is_some() => {}
            }
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Connected(connection) => {
                let fits = fits(self.link.record.kind(), &connection);
                if !fits {
                    tracing::error!(
                        pv = self.channel.name(),
                        "is {} of {}: not the record of db/beamshare.db, so it is left alone. Load that file",
                        connection.field_type,
                        connection.count,
                    );
                }
                self.state = WriterState { connection: fits.then_some(connection), ..WriterState::default() };
                self.link.set(fits);
            }
            Event::Disconnected => {
                self.state = WriterState::default();
                self.link.set(false);
                self.held.send_replace(0);
            }
            Event::AccessRights(access) => {
                if let Some(connection) = self.state.connection.as_mut().filter(|c| c.access != access) {
                    connection.access = access;
                    self.state.not_before = None;
                    self.state.failures = 0;
                }
            }
            Event::Sample(sample) => self.state.reads = Some(sample.value),
            Event::SamplesLost | Event::Renewed | Event::PutFailed(_) => {}
        }
    }

    async fn write_if_needed(&mut self) {
        let wanted = self.wanted.borrow_and_update().clone();
        if *self.lease.borrow() != Lease::Held {
            self.held.send_if_modified(|held| std::mem::take(held) != 0);
            return;
        }
        let (Some(connection), Some(shown)) = (&self.state.connection, wanted.value) else { return };
        let target = to_value(&shown, connection);
        // Written once per connection in any case: a record that happens to hold the value is still undefined
        // (UDF).
        let written = self.state.put.as_ref() == Some(&target);
        if written && self.state.reads.as_ref().is_some_and(|reads| same(reads, &target)) {
            self.state.failures = 0;
            self.state.not_before =
                self.state.put_at.map(|at| at + SPACING).filter(|at| *at > Instant::now());
            self.held.send_if_modified(|held| std::mem::replace(held, wanted.version) != wanted.version);
            return;
        }
        self.held.send_if_modified(|held| std::mem::take(held) != 0);
        let overtaken = self.state.put.is_some() && !written;
        if !overtaken && self.state.not_before.is_some_and(|at| Instant::now() < at) {
            return;
        }
        match self.channel.put(target.clone(), PUT_LIMIT).await {
            Ok(()) => {
                self.state.failures = if written { self.state.failures + 1 } else { 0 };
                if self.state.failures == REPORTED_FAILURE {
                    let reads = self.state.reads.as_ref().map_or("nothing".into(), Value::to_string);
                    tracing::warn!(
                        pv = self.channel.name(),
                        "was written {target} and then reads {reads}: another client writes it, or the \
                         record is not that of db/beamshare.db",
                    );
                }
                self.state.put = Some(target);
            }
            Err(e) => {
                if self.state.failures == 0 {
                    tracing::warn!("{e}");
                }
                self.state.put = None;
                self.state.failures += 1;
            }
        }
        let now = Instant::now();
        self.state.put_at = Some(now);
        self.state.not_before = Some(now + pause(self.state.failures));
    }
}

/// Doubles with each failure in a row.
pub(super) fn pause(failures: u32) -> Duration {
    (ECHO_LIMIT * 2u32.pow(failures.min(6).saturating_sub(1))).min(LONGEST_PAUSE)
}

fn fits(kind: RecordKind, connection: &Connection) -> bool {
    match connection.field_type {
        FieldType::Char => kind == RecordKind::Text && connection.count > 1,
        FieldType::String => kind == RecordKind::Text,
        FieldType::Enum => kind == RecordKind::State,
        FieldType::Long | FieldType::Double => matches!(kind, RecordKind::Count | RecordKind::Number),
        FieldType::Short | FieldType::Float => false,
    }
}

/// The value in the record's own type, so that it can be compared with what the record reads.
fn to_value(shown: &Displayed, connection: &Connection) -> Value {
    match (shown, connection.field_type) {
        (Displayed::State(n), _) => Value::Enum(vec![*n]),
        (Displayed::Count(n), FieldType::Double) => Value::Double(vec![f64::from(*n)]),
        (Displayed::Count(n), _) => Value::Long(vec![*n]),
        (Displayed::Number(x), FieldType::Long) => Value::Long(vec![*x as i32]),
        (Displayed::Number(x), _) => Value::Double(vec![*x]),
        (Displayed::Text(text), FieldType::String) => Value::string(&cut(text, STRING_SIZE - 1)),
        (Displayed::Text(text), _) => Value::chars(&cut(text, connection.count - 1)),
    }
}

fn same(reads: &Value, target: &Value) -> bool {
    match (reads, target) {
        (Value::Char(reads), Value::Char(target)) => without_end(reads) == without_end(target),
        _ => reads == target,
    }
}

/// The bytes of a text without the NULs that end it; the rows of a text are filled up with NULs, too.
fn without_end(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    &bytes[..end]
}

/// At most `room` bytes, ending in `...` where something is missing: ASCII, since MEDM shows bytes, not
/// UTF-8.
fn cut(text: &str, room: usize) -> String {
    const MARK: &str = "...";
    if text.len() <= room {
        return text.to_owned();
    }
    let most = room.saturating_sub(MARK.len());
    let end = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let mut short = text[..end].to_owned();
    short.push_str(&MARK[..MARK.len().min(room)]);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("longer", 5), "lo...");
        assert_eq!(cut("Müller und Söhne", 7), "Mül...");
        assert_eq!(cut("ÜÜÜÜ", 6), "Ü...");
        assert_eq!(cut("abcdef", 2), "..");
    }

    #[test]
    fn pauses_double_up_to_their_limit() {
        assert_eq!(pause(0), ECHO_LIMIT);
        assert_eq!(pause(1), ECHO_LIMIT);
        assert_eq!(pause(3), ECHO_LIMIT * 4);
        assert_eq!(pause(100), LONGEST_PAUSE);
    }
}
