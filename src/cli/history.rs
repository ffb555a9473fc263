use super::failure::{Exit, Failure};
use super::{Format, Outcome, print};
use beamshare::config::Config;
use beamshare::domain::Experiment;
use beamshare::journal::{Cause, DeliveryState, HistoryEntry, HistorySearch, Journal, Role, Served};
use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

/// List past deliveries from the journal, newest first
///
/// Each delivery is listed with the addresses that it had and served, whatever changed later.
#[derive(Args)]
pub struct History {
    /// Maximum number of deliveries
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    number: u32,

    #[command(flatten)]
    format: Format,
}

/// A delivery in --json.
#[derive(Serialize)]
struct Document<'d> {
    number: i64,
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
    cause: Cause,
    state: DeliveryState,
    error: &'d str,
    /// As it was when the delivery began; as it is now if that was not recorded
    experiment: &'d Experiment,
    /// Whether `experiment` was recorded with the delivery
    experiment_recorded: bool,
    path: &'d str,
    served: &'d [Served],
    /// Whether `served` was recorded, or only worked out from the steps
    served_recorded: bool,
}

fn document(entry: &HistoryEntry) -> Document<'_> {
    let HistoryEntry { delivery, experiment, served, served_recorded } = entry;
    Document {
        number: delivery.number,
        started_at: delivery.started_at,
        ended_at: delivery.ended_at,
        cause: delivery.cause,
        state: delivery.state,
        error: &delivery.error,
        experiment: entry.experiment(),
        experiment_recorded: delivery.experiment_then.is_some(),
        path: experiment.path.as_str(),
        served,
        served_recorded: *served_recorded,
    }
}

/// The experiment with the address that it had.
fn experiment_then(entry: &HistoryEntry) -> String {
    match &entry.delivery.experiment_then {
        Some(then) => then.to_string(),
        None => {
            let now = &entry.experiment.experiment;
            format!("{}/{} (PI's address not recorded)", now.year_month, now.pi_last_name)
        }
    }
}

fn addresses(served: &[Served]) -> String {
    let addresses = served.iter().map(|served| match (served.taken_back, served.shared || served.mailed) {
        (true, false) => format!("{} (access taken back)", served.address),
        _ if served.role == Some(Role::Contact) => format!("{} (cc)", served.address),
        _ => served.address.clone(),
    });
    addresses.collect::<Vec<_>>().join(", ")
}

impl History {
    pub async fn act(self, config: &Config) -> Outcome {
        let journal = open_journal(config).await?;
        let at_most = usize::try_from(self.number).unwrap_or(usize::MAX);
        let search = HistorySearch { at_most, ..HistorySearch::default() };
        let history = journal.search_history(&search).await?.entries;
        if self.format.json {
            print::json(&history.iter().map(document).collect::<Vec<_>>())?;
        } else {
            print_history(config, &history);
        }
        if history.is_empty() { Err(Failure::nothing("nothing was delivered yet")) } else { Ok(Exit::Done) }
    }
}

/// The journal, if there is one: reading must not make it, since the service's account must own it.
pub async fn open_journal(config: &Config) -> Result<Journal, Failure> {
    let path = &config.journal.path;
    match path.try_exists() {
        Ok(true) => Ok(Journal::open(path).await?),
        Ok(false) => Err(Failure::nothing(format!(
            "nothing was delivered yet: there is no journal {}",
            path.display()
        ))),
        Err(error) => Err(Failure::failed(format!("can't look for the journal {}: {error}", path.display()))),
    }
}

/// A moment as a person at the beamline reads it.
pub fn local(time: Timestamp, zone: &TimeZone) -> String {
    time.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A word of the journal as people read it.
pub fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text.replace('_', " "),
        _ => String::new(),
    }
}

fn print_history(config: &Config, history: &[HistoryEntry]) {
    let zone = config.beamline.zone();
    let mut table = print::table(["NO", "BEGAN", "TOOK", "STATE", "CAUSE", "EXPERIMENT", "SERVED", "ERROR"]);
    for entry in history {
        let delivery = &entry.delivery;
        let took = delivery.ended_at.map(|end| {
            let seconds = end.duration_since(delivery.started_at).as_millis_f64() / 1000.0;
            format!("{seconds:.1} s")
        });
        table.add_row([
            delivery.number.to_string(),
            local(delivery.started_at, &zone),
            took.unwrap_or_default(),
            word(&delivery.state),
            word(&delivery.cause),
            experiment_then(entry),
            addresses(&entry.served),
            print::plain(&delivery.error),
        ]);
    }
    if !history.is_empty() {
        print::print_table(&table);
    }
}
