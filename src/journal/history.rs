//! The history of deliveries: with whom each served, by its number or by a search.

use super::BUSY_TIMEOUT;
use super::{DeliveryRow, ExperimentRow, Journal, JournalError, Role, ServedRow, StepRow, to_word};
use crate::domain::{Experiment, Field, Step, StepStatus, Unit};
use serde::Serialize;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use std::time::Duration;

/// How many deliveries a search for words looks at before it returns what it has found.
const SEARCHED: u32 = 2000;

/// How many deliveries are read at once.
const BATCH: u32 = 100;

/// How long a reader waits for a connection.
const READER_WAIT: Duration = Duration::from_secs(10);

/// A delivery with the people whom it served.
#[derive(Clone, Debug)]
pub struct HistoryEntry {
    /// The delivery
    pub delivery: DeliveryRow,
    /// Its experiment as it stands now
    pub experiment: ExperimentRow,
    /// The addresses that it served
    pub served: Vec<Served>,
    /// Whether they were recorded, or are only worked out from the steps
    pub served_recorded: bool,
}

/// An address that a delivery served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Served {
    /// The address
    pub address: String,
    /// The name; may be empty
    pub name: String,
    /// The role; `None` where it was not recorded
    pub role: Option<Role>,
    /// Whether the address has access since
    pub shared: bool,
    /// Whether a message was sent to it
    pub mailed: bool,
    /// Whether its access was taken back
    pub taken_back: bool,
}

/// What [`Journal::search_history`] looks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistorySearch {
    /// Words that must all occur; upper and lower case are equal. Empty: every delivery
    pub words: String,
    /// Only deliveries with smaller numbers
    pub before: Option<i64>,
    /// How many are returned at most
    pub at_most: usize,
    /// Whether names, addresses, titles, directories and errors are searched, too
    pub names: bool,
}

/// What a search has found, newest first.
#[derive(Clone, Debug)]
pub struct Found {
    /// The deliveries
    pub entries: Vec<HistoryEntry>,
    /// Where to continue: the `before` of the next search; `None` at the end of the history
    pub next: Option<i64>,
}

impl HistoryEntry {
    /// The experiment as it stood when the delivery began; where that was not recorded, as it stands now.
    pub fn experiment(&self) -> &Experiment {
        self.delivery.experiment_then.as_ref().unwrap_or(&self.experiment.experiment)
    }

    fn matches(&self, words: &[String], names: bool) -> bool {
        let experiment = self.experiment();
        let mut texts = vec![
            self.delivery.number.to_string(),
            to_word(self.delivery.state),
            to_word(self.delivery.cause),
            experiment.year_month.to_string(),
        ];
        texts.extend(experiment.details.get(&Field::ProposalNumber).cloned());
        if names {
            texts.extend([experiment.pi_last_name.to_string(), experiment.pi_email.to_string()]);
            texts.extend(experiment.details.values().cloned());
            texts.extend([self.experiment.path.to_string(), self.delivery.error.clone()]);
            texts.extend(self.served.iter().flat_map(|served| [served.address.clone(), served.name.clone()]));
        }
        texts.iter_mut().for_each(|text| *text = text.to_lowercase());
        words.iter().all(|word| texts.iter().any(|text| text.contains(word)))
    }
}

impl Journal {
    /// A second connection to the same file that only reads, so that a long search doesn't delay the
    /// service's writes. It is opened when it is first used, and never creates the file.
    pub fn reader(&self) -> Journal {
        let options = SqliteConnectOptions::new()
            .filename(self.path())
            .read_only(true)
            .create_if_missing(false)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = SqlitePoolOptions::new()
            .max_connections(2)
            .acquire_timeout(READER_WAIT)
            .connect_lazy_with(options);
        Journal { pool, ..self.clone() }
    }

    /// The deliveries that match, newest first.
    pub async fn search_history(&self, search: &HistorySearch) -> Result<Found, JournalError> {
        let words: Vec<String> = search.words.split_whitespace().map(str::to_lowercase).collect();
        let (mut entries, mut before, mut looked_at) = (vec![], search.before, 0);
        // Without words every delivery matches, so `at_most` is limit enough.
        while (looked_at < SEARCHED || words.is_empty()) && entries.len() < search.at_most {
            let batch = self.history_before(before, BATCH).await?;
            if batch.is_empty() {
                return Ok(Found { entries, next: None });
            }
            for (delivery, experiment) in batch {
                before = Some(delivery.number);
                looked_at += 1;
                let entry = self.history_entry_of(delivery, experiment).await?;
                if entry.matches(&words, search.names) {
                    entries.push(entry);
                }
                if entries.len() == search.at_most {
                    return Ok(Found { entries, next: before });
                }
            }
        }
        Ok(Found { entries, next: before })
    }

    /// The delivery with this number.
    pub async fn history_entry(&self, number: i64) -> Result<Option<HistoryEntry>, JournalError> {
        let newest = self.history_before(number.checked_add(1), 1).await?.into_iter().next();
        match newest.filter(|(delivery, _)| delivery.number == number) {
            Some((delivery, experiment)) => Ok(Some(self.history_entry_of(delivery, experiment).await?)),
            None => Ok(None),
        }
    }

    async fn history_entry_of(
        &self,
        delivery: DeliveryRow,
        experiment: ExperimentRow,
    ) -> Result<HistoryEntry, JournalError> {
        let served_recorded = delivery.experiment_then.is_some();
        let served = if served_recorded {
            self.served(delivery.number).await?.into_iter().map(Served::from).collect()
        } else {
            served_by_steps(&self.steps_in(delivery.number).await?)
        };
        Ok(HistoryEntry { delivery, experiment, served, served_recorded })
    }
}

impl From<ServedRow> for Served {
    fn from(row: ServedRow) -> Served {
        let ServedRow { email, name, role, shared, mailed, taken_back, .. } = row;
        Served { address: email.to_string(), name, role: Some(role), shared, mailed, taken_back }
    }
}

/// The addresses in the steps of a delivery that recorded no others.
fn served_by_steps(steps: &[StepRow]) -> Vec<Served> {
    let mut served: Vec<Served> = vec![];
    for step in steps.iter().filter(|step| step.status == StepStatus::Done) {
        let Unit::Person(email) = &step.unit else { continue };
        let (shared, mailed) = (step.step == Step::Share, step.step == Step::Email);
        match served.iter_mut().find(|served| served.address == email.as_str()) {
            Some(known) => {
                known.shared |= shared;
                known.mailed |= mailed;
            }
            None => {
                let address = email.to_string();
                served.push(Served {
                    address,
                    name: String::new(),
                    role: None,
                    shared,
                    mailed,
                    taken_back: false,
                });
            }
        }
    }
    served
}
