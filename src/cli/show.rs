use super::failure::{Exit, Failure};
use super::globus::Collections;
use super::held::print_held;
use super::history::{local, open_journal, word};
use super::service::{LIMIT, StatusSnapshot};
use super::{Format, Outcome, print};
use beamshare::config::Config;
use beamshare::domain::{Experiment, Field, FieldError, RelativePath, UserInfo};
use beamshare::journal::{ExperimentRow, Journal};
use beamshare::schedule::{self, ScheduleError, show::Report};
use beamshare::user_info;
use channel_access::Context;
use clap::Args;
use serde_json::{Value, json};
use std::time::Duration;

/// The limit for the schedule's answer; the rest is shown without it.
const SCHEDULE_LIMIT: Duration = Duration::from_secs(10);

/// Show the group in the PVs, what was done for it, and the Globus account's collections
///
/// With [schedule], also the scheduled group. The collections are those that the account owns, that are
/// shared with it, and that it shares. A failure to get one of these is reported and does not change the exit
/// code.
///
/// Exit code 4 if the PVs name nobody, 1 if the group can't be served.
#[derive(Args)]
pub struct Show {
    #[command(flatten)]
    format: Format,
}

impl Show {
    pub async fn act(self, config: &Config) -> Outcome {
        let context = Context::new()?;
        let read = user_info::read_once(&context, &config.epics.user_info, LIMIT);
        let status = StatusSnapshot::read(&context, &config.epics.prefix);
        let (readings, collections, status) = tokio::join!(read, Collections::of(config), status);
        // Of a service that does not run, the records are old.
        let held = status?.live_held();
        let user_info = readings?.user_info();
        let parsed = Experiment::parse(&user_info);
        let paths: Result<Vec<RelativePath>, FieldError> = match &parsed {
            Ok(experiment) => config.directories.paths.iter().map(|path| path.render(experiment)).collect(),
            Err(errors) => Err(errors[0].clone()),
        };
        let done = match (&parsed, &paths) {
            (Ok(experiment), Ok(paths)) => done_for(config, experiment, paths).await?,
            _ => None,
        };
        let scheduled = scheduled(config).await;
        let mut document = document(&user_info, &parsed, &paths, done.as_ref());
        document["held"] = json!(held);
        document["schedule"] = match &scheduled {
            None => Value::Null,
            Some(Ok(report)) => report.json(),
            Some(Err(error)) => json!({ "error": error }),
        };
        document["collections"] = match &collections {
            None => Value::Null,
            Some(Ok(collections)) => json!(collections),
            Some(Err(failure)) => json!({ "error": failure.message }),
        };
        if self.format.json {
            print::json(&document)?;
        } else {
            print_all(config, &user_info, &parsed, &paths, done.as_ref());
            if let Some(held) = &held {
                print_held(held);
            }
            match &scheduled {
                None => {}
                Some(Ok(report)) => {
                    print::lines(format_args!("\nBy {}:\n{}", report.source, report.text().trim_end()))
                }
                Some(Err(error)) => print::lines(format_args!("\nThe schedule can't be told: {error}")),
            }
            match &collections {
                None => {}
                Some(Ok(collections)) => print::lines(format_args!("\n{collections}")),
                Some(Err(failure)) => {
                    print::lines(format_args!("\nThe Globus collections can't be told: {}", failure.message))
                }
            }
        }
        let nobody = Field::REQUIRED.iter().all(|field| user_info.get(*field).is_none());
        match (parsed, paths) {
            _ if nobody => Err(Failure::nothing("the user-info PVs name nobody")),
            (Err(errors), _) => Err(Failure::failed(format!("nobody can be served: {}", sentences(&errors)))),
            (_, Err(error)) => Err(Failure::failed(format!("nobody can be served: {error}"))),
            _ => Ok(Exit::Done),
        }
    }
}

/// The facility's schedule, where one is configured, or why it is not available in time.
async fn scheduled(config: &Config) -> Option<Result<Report, String>> {
    let report = async {
        let Some(source) = schedule::open(config)? else { return Ok(None) };
        let now = schedule::moment(config.beamline.zone(), 0)?;
        schedule::show::report(source.as_ref(), &now).await.map(Some)
    };
    match tokio::time::timeout(SCHEDULE_LIMIT, report).await {
        Ok(report) => report.map_err(|error: ScheduleError| error.to_string()).transpose(),
        Err(_) => Some(Err(format!("no answer within {SCHEDULE_LIMIT:?}; see: beamshare schedule"))),
    }
}

fn sentences(errors: &[FieldError]) -> String {
    errors.iter().map(FieldError::to_string).collect::<Vec<_>>().join("; ")
}

/// The journal's data on an experiment.
struct Done {
    row: ExperimentRow,
    steps: Vec<beamshare::journal::StepRow>,
    access: Vec<beamshare::journal::AccessRow>,
    messages: Vec<beamshare::journal::MessageRow>,
    unreachable: Vec<beamshare::journal::Unreachable>,
    pi_changes: Vec<beamshare::journal::PiChange>,
}

async fn done_for(
    config: &Config,
    experiment: &Experiment,
    paths: &[RelativePath],
) -> Result<Option<Done>, Failure> {
    let journal: Journal = match open_journal(config).await {
        Ok(journal) => journal,
        Err(failure) if failure.exit == Exit::Nothing => return Ok(None),
        Err(failure) => return Err(failure),
    };
    let Some(first) = paths.first() else { return Ok(None) };
    let Some(row) = journal.find_same(&experiment.owner(), first).await? else { return Ok(None) };
    Ok(Some(Done {
        steps: journal.steps_of(row.id).await?,
        access: journal.access(row.id).await?,
        messages: journal.messages(row.id).await?,
        unreachable: journal.unreachable(row.id).await?,
        pi_changes: journal.pi_changes(row.id).await?,
        row,
    }))
}

fn document(
    user_info: &UserInfo,
    parsed: &Result<Experiment, Vec<FieldError>>,
    paths: &Result<Vec<RelativePath>, FieldError>,
    done: Option<&Done>,
) -> Value {
    let errors: Vec<String> = match (parsed, paths) {
        (Err(errors), _) => errors.iter().map(FieldError::to_string).collect(),
        (_, Err(error)) => vec![error.to_string()],
        _ => vec![],
    };
    let done = done.map(|done| {
        let steps = done.steps.iter().map(|step| {
            json!({ "step": step.step, "unit": step.unit, "status": step.status, "message": step.message,
                    "attempts": step.attempts, "changed_at": step.changed_at })
        });
        let access = done.access.iter().map(|row| {
            json!({ "address": row.email.as_str(), "path": row.path, "state": row.state,
                    "permissions": row.permissions, "ours": row.ours })
        });
        let messages = done.messages.iter().map(|row| {
            json!({ "addressee": row.addressee.as_str(), "recipient": row.recipient.as_str(), "state": row.state,
                    "generation": row.resend_number, "words": row.server_reply })
        });
        let pi_changes = done.pi_changes.iter().map(|change| {
            json!({ "former": change.former.as_str(), "present": change.present.as_str(),
                    "changed_at": change.changed_at, "accepted_by": change.accepted_by, "told": change.is_mailed })
        });
        json!({
            "accepted_at": done.row.accepted_at,
            "accepted_by": done.row.accepted_by,
            "experiment": done.row.experiment,
            "steps": steps.collect::<Vec<_>>(),
            "access": access.collect::<Vec<_>>(),
            "messages": messages.collect::<Vec<_>>(),
            "unreachable": done.unreachable,
            "pi_changes": pi_changes.collect::<Vec<_>>(),
        })
    });
    json!({
        "user_info": user_info,
        "experiment": parsed.as_ref().ok(),
        "paths": paths.as_ref().ok(),
        "errors": errors,
        "delivered": done,
    })
}

fn print_all(
    config: &Config,
    user_info: &UserInfo,
    parsed: &Result<Experiment, Vec<FieldError>>,
    paths: &Result<Vec<RelativePath>, FieldError>,
    done: Option<&Done>,
) {
    let mut table = print::table(["FIELD", "VALUE", "PV"]);
    for (field, pv) in &config.epics.user_info {
        let value = user_info.get(*field).map_or("-".to_owned(), print::plain);
        table.add_row([field.to_string(), value, pv.clone()]);
    }
    print::print_table(&table);
    if let (Ok(_), Ok(paths)) = (parsed, paths) {
        for path in paths {
            print::line(format_args!("Directory  {path}"));
        }
        match done {
            None => print::line("Nothing was done for them yet."),
            Some(done) => print_done(config, done),
        }
    }
}

fn print_done(config: &Config, done: &Done) {
    let zone = config.beamline.zone();
    let at = local(done.row.accepted_at, &zone);
    print::line(format_args!("Accepted   {at}, by {}", word(&done.row.accepted_by)));
    for change in &done.pi_changes {
        let (at, by) = (local(change.changed_at, &zone), word(&change.accepted_by));
        print::line(format_args!("PI changed {at}, by {by}: {} replaced {}", change.present, change.former));
    }
    let mut table = print::table(["STEP", "STATE", "AT", "MESSAGE"]);
    for step in &done.steps {
        let name = format!("{} {}", step.step, step.unit);
        table.add_row([name, word(&step.status), local(step.changed_at, &zone), print::plain(&step.message)]);
    }
    print::print_table(&table);
    for row in &done.access {
        print::line(format_args!("Access     {} {} on {}", row.email, word(&row.state), row.path));
    }
    for row in &done.messages {
        let words = print::plain(&row.server_reply);
        print::line(format_args!("E-mail     {} {} {words}", row.recipient, word(&row.state)));
    }
    for person in &done.unreachable {
        let (name, reason) = (print::plain(&person.name), print::plain(&person.reason));
        print::line(format_args!("Nothing    {name}, on the proposal: {reason}"));
    }
}
