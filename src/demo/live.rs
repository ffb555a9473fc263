//! The status records as they change, by Channel Access monitors.

use super::parts::Parts;
use super::{LIMIT, Result, SHARE, say};
use beamshare::status::Record;
use channel_access::{Context, TextChannel, TextEvent};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// The records that are followed.
const RECORDS: [Record; 22] = [
    Record::Status,
    Record::StatusMsg,
    Record::Run,
    Record::Alive,
    Record::Path,
    Record::DataLink,
    Record::DirsSts,
    Record::DirsMsg,
    Record::GlobusSts,
    Record::GlobusMsg,
    Record::ShareSts,
    Record::ShareMsg,
    Record::EmailSts,
    Record::EmailMsg,
    Record::UsersShared,
    Record::EmailsSent,
    Record::EmailsFailed,
    Record::LastDuration,
    Record::RunCount,
    Record::SyncSts,
    Record::SyncMsg,
    Record::SyncFiles,
];

/// The records of a delivery are complete after this time without a change.
const QUIET: Duration = Duration::from_millis(300);

/// The texts of the followed records.
#[derive(Default)]
pub struct StatusTexts(BTreeMap<Record, String>);

impl StatusTexts {
    pub fn text(&self, record: Record) -> &str {
        self.0.get(&record).map(String::as_str).unwrap_or_default()
    }

    pub fn is(&self, record: Record, text: &str) -> bool {
        self.text(record) == text
    }

    /// Whether an IOC serves it.
    pub fn says(&self, record: Record) -> bool {
        self.0.contains_key(&record)
    }
}

/// The view of the status records.
pub struct Live {
    events: mpsc::UnboundedReceiver<(Record, TextEvent)>,
    texts: StatusTexts,
    /// The time from which on changes are shown
    zero: Option<Instant>,
}

impl Live {
    pub fn new(context: &Context) -> Result<Live> {
        let (sender, events) = mpsc::unbounded_channel();
        for record in RECORDS {
            let channel =
                TextChannel::new(context, &format!("{SHARE}{record}")).map_err(|error| error.to_string())?;
            let sender = sender.clone();
            tokio::spawn(async move { while sender.send((record, channel.next().await)).is_ok() {} });
        }
        Ok(Live { events, texts: StatusTexts::default(), zero: None })
    }

    pub fn texts(&self) -> &StatusTexts {
        &self.texts
    }

    /// Shows the changes from now on, with their times after `zero`.
    pub fn show_from(&mut self, zero: Instant) {
        self.zero = Some(zero);
    }

    /// Follows the records until `reached`.
    ///
    /// # Errors
    /// `what` did not happen in time, or a part ended.
    pub async fn until(
        &mut self,
        what: &str,
        parts: &mut Parts<'_>,
        reached: impl Fn(&StatusTexts) -> bool,
    ) -> Result<()> {
        let limit = tokio::time::sleep(LIMIT);
        tokio::pin!(limit);
        while !reached(&self.texts) {
            tokio::select! {
                Some((record, event)) = self.events.recv() => self.take(record, event),
                ended = parts.ended() => return Err(ended),
                () = &mut limit => return Err(format!(
                    "not within {LIMIT:?}: {what}. {SHARE}Status reads '{}', {SHARE}StatusMsg '{}'",
                    self.texts.text(Record::Status),
                    self.texts.text(Record::StatusMsg),
                )),
            }
        }
        Ok(())
    }

    /// Follows the records until they are quiet.
    pub async fn drain(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        loop {
            tokio::select! {
                Some((record, event)) = self.events.recv() => self.take(record, event),
                ended = parts.ended() => return Err(ended),
                () = tokio::time::sleep(QUIET) => return Ok(()),
            }
        }
    }

    /// Follows the records for ever; a part that ends is restarted.
    pub async fn for_ever(&mut self, parts: &mut Parts<'_>) -> Result<ExitCode> {
        loop {
            tokio::select! {
                Some((record, event)) = self.events.recv() => self.take(record, event),
                restarted = parts.restart_ended() => restarted?,
            }
        }
    }

    fn take(&mut self, record: Record, event: TextEvent) {
        let text = match event {
            TextEvent::Text(text) => text.text,
            TextEvent::Disconnected => {
                self.texts.0.remove(&record);
                return;
            }
            TextEvent::Connected(_) | TextEvent::TextsLost | TextEvent::Unreadable(_) => return,
        };
        let before = self.texts.0.insert(record, text.clone());
        let changed = before.as_ref() != Some(&text) && !text.is_empty();
        if let Some(zero) = self.zero.filter(|_| changed) {
            let seconds = zero.elapsed().as_secs_f64();
            say(format_args!("  {seconds:8.3}  {:<12} {}", record.suffix(), paint(&text)));
        }
    }
}

/// States in the colours of their alarms on a terminal; control characters are replaced.
fn paint(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect();
    let colour = match text.as_str() {
        "Done" => 32,
        "Waiting" | "Approval" | "Settling" | "Running" => 33,
        "Failed" | "Stopped" => 31,
        _ => return text,
    };
    if std::io::stdout().is_terminal() { format!("\x1b[{colour}m{text}\x1b[0m") } else { text }
}
