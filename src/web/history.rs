//! The history of deliveries on the page and in the API.

use super::Source;
use crate::domain::Field;
use crate::journal::{Cause, DeliveryState, HistoryEntry, HistorySearch, JournalError, Served};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Deliveries in one answer, unless the request asks for fewer.
const AT_MOST: usize = 50;

/// Deliveries in one answer of the API at most.
const LIMIT_MAX: usize = 500;

/// The longest search, in characters.
const WORDS_MAX: usize = 200;

/// The query of `/history` and `/api/history`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct HistoryQuery {
    /// The prefix or name of a beamline; the first one where it is empty
    pub beamline: String,
    /// Words that must all occur
    pub q: String,
    /// Continues a search: only deliveries with smaller numbers
    pub before: Option<i64>,
    /// How many deliveries at most
    pub limit: Option<usize>,
}

/// A delivery in `/api/history` (docs/web.md): no field is renamed or removed.
#[derive(Clone, Debug, Serialize)]
pub(super) struct HistoryRow {
    pub number: i64,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub duration_s: Option<f64>,
    pub cause: Cause,
    pub state: DeliveryState,
    pub error: String,
    pub year_month: String,
    pub pi_last_name: String,
    pub pi_email: String,
    pub proposal_number: String,
    pub path: String,
    pub served: Vec<Served>,
}

/// The deliveries that a request asks for.
#[derive(Debug, Serialize)]
pub(super) struct HistoryView {
    pub beamline: String,
    pub prefix: String,
    pub names_hidden: bool,
    /// Where to continue; `None` at the end of the history
    pub next_before: Option<i64>,
    pub deliveries: Vec<HistoryRow>,
}

impl HistoryRow {
    pub fn of(entry: &HistoryEntry, names: bool) -> HistoryRow {
        let (delivery, experiment) = (&entry.delivery, entry.experiment());
        let named = |text: &str| if names { text.to_owned() } else { String::new() };
        HistoryRow {
            number: delivery.number,
            started_at: delivery.started_at,
            ended_at: delivery.ended_at,
            duration_s: delivery.ended_at.map(|end| end.duration_since(delivery.started_at).as_secs_f64()),
            cause: delivery.cause,
            state: delivery.state,
            error: named(&delivery.error),
            year_month: experiment.year_month.to_string(),
            pi_last_name: named(experiment.pi_last_name.as_str()),
            pi_email: named(experiment.pi_email.as_str()),
            proposal_number: experiment.details.get(&Field::ProposalNumber).cloned().unwrap_or_default(),
            path: named(entry.experiment.path.as_str()),
            served: if names { entry.served.clone() } else { vec![] },
        }
    }
}

/// Searches the history of a beamline.
pub(super) async fn search(source: &Source, query: &HistoryQuery) -> Result<HistoryView, JournalError> {
    let names = source.shows_names();
    let search = HistorySearch {
        words: query.q.chars().take(WORDS_MAX).collect(),
        before: query.before,
        at_most: query.limit.unwrap_or(AT_MOST).clamp(1, LIMIT_MAX),
        names,
    };
    let found = source.journal.search_history(&search).await?;
    let published = source.published.borrow();
    let model = &published.status;
    Ok(HistoryView {
        beamline: model.beamline.clone(),
        prefix: model.prefix.clone(),
        names_hidden: !names,
        next_before: found.next,
        deliveries: found.entries.iter().map(|entry| HistoryRow::of(entry, names)).collect(),
    })
}
