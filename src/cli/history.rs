use super::failure::{Exit, Failure};
use super::{Format, Outcome, print};
use beamshare::config::Config;
use beamshare::journal::{Cause, DeliveryRow, DeliveryState, ExperimentRow, Journal};
use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

/// List what was delivered to whom, newest first, from the journal
#[derive(Args)]
pub struct History {
    /// At most so many deliveries
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
    experiment: &'d beamshare::domain::Experiment,
    path: &'d str,
}

impl History {
    pub async fn act(self, config: &Config) -> Outcome {
        let journal = open_journal(config).await?;
        let history = journal.history(self.number).await?;
        if self.format.json {
            print::json(&history.iter().map(document).collect::<Vec<_>>())?;
        } else {
            print_history(config, &history);
        }
        match history.is_empty() {
            true => Err(Failure::nothing("nothing was delivered yet")),
            false => Ok(Exit::Done),
        }
    }
}

/// The journal, if there is one: reading must not make it, since the service's account must own it.
pub async fn open_journal(config: &Config) -> Result<Journal, Failure> {
    let path = &config.journal.path;
    match path.try_exists() {
        Ok(true) => Ok(Journal::open(path).await?),
        Ok(false) => {
            Err(Failure::nothing(format!("nothing was delivered yet: there is no journal {}", path.display())))
        }
        Err(error) => Err(Failure::failed(format!("can't look for the journal {}: {error}", path.display()))),
    }
}

/// A moment as a person at the beamline reads it.
pub fn local(time: Timestamp, zone: &TimeZone) -> String {
    time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A word of the journal as people read it.
pub fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text.replace('_', " "),
        _ => String::new(),
    }
}

fn document((delivery, experiment): &(DeliveryRow, ExperimentRow)) -> Document<'_> {
    Document {
        number: delivery.number,
        started_at: delivery.started_at,
        ended_at: delivery.ended_at,
        cause: delivery.cause,
        state: delivery.state,
        error: &delivery.error,
        experiment: &experiment.experiment,
        path: experiment.path.as_str(),
    }
}

fn print_history(config: &Config, history: &[(DeliveryRow, ExperimentRow)]) {
    let zone = config.beamline.zone();
    let mut table = print::table(["NO", "BEGAN", "TOOK", "STATE", "CAUSE", "EXPERIMENT", "ERROR"]);
    for (delivery, experiment) in history {
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
            experiment.experiment.to_string(),
            print::plain(&delivery.error),
        ]);
    }
    if !history.is_empty() {
        print::print_table(&table);
    }
}
