//! The service as the control room sees it: the status records.

use super::failure::Failure;
use beamshare::domain::{HeldGroup, STEPS, Step};
use beamshare::status::{Record, RecordKind};
use channel_access::{CaError, Context, TextChannel, TextEvent};
use futures::future;
use futures::stream::{self, BoxStream, SelectAll, StreamExt};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Limit for finding and reading a record.
pub const LIMIT: Duration = Duration::from_secs(5);

/// The steps that have records, in the order of the screen.
pub fn steps() -> impl Iterator<Item = Step> {
    STEPS.iter().map(|rule| rule.step).filter(|step| Record::step_status(*step).is_some())
}

/// What the status records say, all at one time.
#[derive(Clone)]
pub struct StatusSnapshot {
    prefix: String,
    texts: BTreeMap<Record, Result<String, CaError>>,
}

impl StatusSnapshot {
    /// Reads all records at once; one that can't be read is known by what came back.
    pub async fn read(context: &Context, prefix: &str) -> Result<StatusSnapshot, CaError> {
        let read = shown().map(|record| async move {
            let channel = TextChannel::new(context, &format!("{prefix}{record}"))?;
            Ok((record, channel.get(LIMIT).await.map(|text| text.text)))
        });
        let texts = future::try_join_all(read).await?.into_iter().collect();
        Ok(StatusSnapshot { prefix: prefix.to_owned(), texts })
    }

    /// The record says something new, or can't be read any more.
    fn note(&mut self, record: Record, event: TextEvent) -> bool {
        let is_new = match event {
            TextEvent::Text(text) => Ok(text.text),
            TextEvent::Unreadable(error) => Err(error),
            TextEvent::Disconnected => Err(CaError::Disconnected {
                pv: format!("{}{record}", self.prefix),
                action: "read".to_owned(),
            }),
            TextEvent::Connected(_) | TextEvent::TextsLost => return false,
        };
        let text = is_new.as_ref().ok().cloned();
        let before = self.texts.insert(record, is_new);
        before.and_then(Result::ok) != text
    }

    /// The record's text: a state's label, a number in digits. Empty where it can't be read.
    pub fn text(&self, record: Record) -> &str {
        self.texts.get(&record).and_then(|text| text.as_deref().ok()).unwrap_or_default()
    }

    /// The record as a number, where it is one.
    pub fn number(&self, record: Record) -> Option<f64> {
        self.text(record).parse().ok()
    }

    /// Records that could not be read, by their full names.
    pub fn missing(&self) -> Vec<String> {
        let missing = self.texts.iter().filter(|(_, text)| text.is_err());
        missing.map(|(record, _)| format!("{}{record}", self.prefix)).collect()
    }

    /// Whether any record could be read.
    pub fn is_readable(&self) -> bool {
        self.texts.values().any(Result::is_ok)
    }

    /// The held group, as the records list it; `None` where no group is held.
    pub fn held(&self) -> Option<HeldGroup> {
        serde_json::from_str(self.text(Record::HoldJson)).ok()
    }

    /// The same, if the service runs.
    pub fn live_held(&self) -> Option<HeldGroup> {
        if self.is_alive() { self.held() } else { None }
    }

    /// Whether the IOC receives beamshare's heartbeat.
    pub fn is_alive(&self) -> bool {
        self.text(Record::Alive) == "Running"
    }

    /// Fails if no IOC serves the records, or it receives no heartbeat of beamshare.
    pub fn require_alive(&self) -> Result<(), Failure> {
        if let Some(Err(error)) = self.texts.get(&Record::Alive) {
            return Err(error.clone().into());
        }
        if self.is_alive() {
            Ok(())
        } else {
            Err(Failure::away(format!(
                "the beamshare service does not run ({}Alive reads {}); start it, e.g. systemctl start \
                 beamshare",
                self.prefix,
                self.text(Record::Alive),
            )))
        }
    }
}

/// The records that say something: all but the buttons.
fn shown() -> impl Iterator<Item = Record> {
    Record::ALL.iter().copied().filter(|record| record.kind() != RecordKind::Momentary)
}

/// Changes that come within this time are shown together.
const TOGETHER: Duration = Duration::from_millis(200);

/// The status records, followed.
pub struct Live {
    pub texts: StatusSnapshot,
    events: SelectAll<BoxStream<'static, (Record, TextEvent)>>,
}

impl Live {
    pub async fn start(context: &Context, prefix: &str) -> Result<Live, CaError> {
        let texts = StatusSnapshot::read(context, prefix).await?;
        let mut events = SelectAll::new();
        for record in shown() {
            let channel = Arc::new(TextChannel::new(context, &format!("{prefix}{record}"))?);
            let stream = stream::unfold(channel, move |channel| async move {
                let event = channel.next().await;
                Some(((record, event), channel))
            });
            events.push(stream.boxed());
        }
        Ok(Live { texts, events })
    }

    /// Waits until a record says something else, and for what comes with it.
    pub async fn changed(&mut self) {
        let (mut is_new, mut deadline) = (false, None);
        loop {
            let over = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some((record, event)) = self.events.next() => is_new |= self.texts.note(record, event),
                () = over => return,
            }
            if is_new && deadline.is_none() {
                deadline = Some(tokio::time::Instant::now() + TOGETHER);
            }
        }
    }
}
