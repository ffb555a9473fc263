//! The service as the control room sees it: the status records.

use super::failure::Failure;
use beamshare::delivery::Step;
use beamshare::epics::{CaContext, CaError, Kind, Record, TextChannel};
use futures::future;
use std::collections::BTreeMap;
use std::time::Duration;

/// Limit for finding and reading a record.
pub const LIMIT: Duration = Duration::from_secs(5);

/// The steps, in the order of the screen.
pub const STEPS: [Step; 5] = [Step::Dirs, Step::Globus, Step::Share, Step::Email, Step::Sync];

/// What the status records say, all at one time.
pub struct Board {
    prefix: String,
    texts: BTreeMap<Record, Result<String, CaError>>,
}

impl Board {
    /// Reads all records at once; one that can't be read is known by what came back.
    pub async fn read(context: &CaContext, prefix: &str) -> Result<Board, CaError> {
        let read = Record::ALL.iter().filter(|record| record.kind() != Kind::Momentary).map(|record| async move {
            let channel = TextChannel::new(context, &format!("{prefix}{record}"))?;
            Ok((*record, channel.get(LIMIT).await.map(|text| text.text)))
        });
        let texts = future::try_join_all(read).await?.into_iter().collect();
        Ok(Board { prefix: prefix.to_owned(), texts })
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

    /// Whether the IOC hears beamshare's heartbeat.
    pub fn is_alive(&self) -> bool {
        self.text(Record::Alive) == "Running"
    }

    /// Fails where nobody serves the records, or beamshare's heartbeat is not heard there.
    pub fn require_alive(&self) -> Result<(), Failure> {
        if let Some(Err(error)) = self.texts.get(&Record::Alive) {
            return Err(error.clone().into());
        }
        match self.is_alive() {
            true => Ok(()),
            false => Err(Failure::away(format!(
                "the beamshare service does not run ({}Alive reads {}); start it, e.g. systemctl start beamshare",
                self.prefix,
                self.text(Record::Alive),
            ))),
        }
    }
}
