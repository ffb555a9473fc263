use super::failure::{Exit, Failure};
use super::{Format, Outcome, print};
use beamshare::config::Config;
use beamshare::domain::{Experiment, Step, StepStatus, Unit};
use beamshare::journal::{
    Cause, DeliveryRow, DeliveryState, ExperimentRow, Journal, JournalError, Role, ServedRow, StepRow,
};
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

/// An address that a delivery served.
#[derive(Serialize)]
struct Served {
    address: String,
    name: String,
    /// `None` where it was not recorded
    role: Option<Role>,
    shared: bool,
    mailed: bool,
    taken_back: bool,
}

/// A delivery with whom it served.
struct Entry {
    delivery: DeliveryRow,
    experiment: ExperimentRow,
    served: Vec<Served>,
    served_recorded: bool,
}

impl Entry {
    async fn of(
        journal: &Journal,
        delivery: DeliveryRow,
        experiment: ExperimentRow,
    ) -> Result<Entry, JournalError> {
        let rows = journal.served(delivery.number).await?;
        let served_recorded = delivery.experiment_then.is_some();
        let mut served: Vec<Served> = rows.into_iter().map(Served::from).collect();
        if !served_recorded {
            served = served_by_steps(&journal.steps_in(delivery.number).await?);
        }
        Ok(Entry { delivery, experiment, served, served_recorded })
    }

    fn document(&self) -> Document<'_> {
        let Entry { delivery, experiment, served, served_recorded } = self;
        Document {
            number: delivery.number,
            started_at: delivery.started_at,
            ended_at: delivery.ended_at,
            cause: delivery.cause,
            state: delivery.state,
            error: &delivery.error,
            experiment: delivery.experiment_then.as_ref().unwrap_or(&experiment.experiment),
            experiment_recorded: delivery.experiment_then.is_some(),
            path: experiment.path.as_str(),
            served,
            served_recorded: *served_recorded,
        }
    }

    /// The experiment with the address that it had.
    fn experiment(&self) -> String {
        match &self.delivery.experiment_then {
            Some(then) => then.to_string(),
            None => {
                let now = &self.experiment.experiment;
                format!("{}/{} (PI's address not recorded)", now.year_month, now.pi_last_name)
            }
        }
    }

    fn served(&self) -> String {
        let served =
            self.served.iter().map(|served| match (served.taken_back, served.shared || served.mailed) {
                (true, false) => format!("{} (access taken back)", served.address),
                _ if served.role == Some(Role::Contact) => format!("{} (copy)", served.address),
                _ => served.address.clone(),
            });
        served.collect::<Vec<_>>().join(", ")
    }
}

impl From<ServedRow> for Served {
    fn from(row: ServedRow) -> Served {
        let ServedRow { email, name, role, shared, mailed, taken_back, .. } = row;
        Served { address: email.to_string(), name, role: Some(role), shared, mailed, taken_back }
    }
}

/// The addresses in the steps of an older delivery.
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

impl History {
    pub async fn act(self, config: &Config) -> Outcome {
        let journal = open_journal(config).await?;
        let mut history = vec![];
        for (delivery, experiment) in journal.history(self.number).await? {
            history.push(Entry::of(&journal, delivery, experiment).await?);
        }
        if self.format.json {
            print::json(&history.iter().map(Entry::document).collect::<Vec<_>>())?;
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
    time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A word of the journal as people read it.
pub fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text.replace('_', " "),
        _ => String::new(),
    }
}

fn print_history(config: &Config, history: &[Entry]) {
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
            entry.experiment(),
            entry.served(),
            print::plain(&delivery.error),
        ]);
    }
    if !history.is_empty() {
        print::print_table(&table);
    }
}
