use super::super::failure::{Exit, Failure};
use super::super::history::local;
use super::super::rerun::{duration, spinner};
use super::super::{Format, Outcome, print};
use super::{Account, id};
use beamshare::config::Config;
use clap::{Args, Subcommand, ValueEnum};
use futures::TryStreamExt;
use globus_transfer_client as globus;
use globus_transfer_client::{Event, TaskStatus};
use indicatif::HumanBytes;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

/// How often a task is looked at. Transfer allows a few requests a second to each account, the service's own
/// among them.
const EVERY: Duration = Duration::from_secs(2);

/// How many of a task's errors are shown: the latest say what is wrong now.
const ERRORS_SHOWN: usize = 5;

/// List, show, wait for and cancel the account's transfers and deletions
#[derive(Args)]
pub struct Task {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List tasks, newest first
    List {
        /// Only tasks in these states
        #[arg(long, value_enum, value_delimiter = ',')]
        status: Vec<State>,
        /// Maximum number of tasks
        #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
        number: usize,
        #[command(flatten)]
        format: Format,
    },
    /// Show a task, and its latest errors
    Show {
        /// Task id
        #[arg(value_parser = id)]
        task: Uuid,
        #[command(flatten)]
        format: Format,
    },
    /// Wait until a task has ended: exit code 1 if it failed, 5 if it is still running
    Wait {
        /// Task id
        #[arg(value_parser = id)]
        task: Uuid,
        /// Maximum time to wait
        #[arg(long, value_name = "TIME", value_parser = duration)]
        timeout: Option<Duration>,
        #[command(flatten)]
        format: Format,
    },
    /// Cancel a task; files that it has transferred stay
    Cancel {
        /// Task id
        #[arg(value_parser = id)]
        task: Uuid,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum State {
    /// Running, queued, or retrying after an error
    Active,
    /// Needs intervention
    Inactive,
    /// Completed
    Succeeded,
    /// Failed or cancelled
    Failed,
}

impl From<State> for TaskStatus {
    fn from(state: State) -> TaskStatus {
        match state {
            State::Active => TaskStatus::Active,
            State::Inactive => TaskStatus::Inactive,
            State::Succeeded => TaskStatus::Succeeded,
            State::Failed => TaskStatus::Failed,
        }
    }
}

impl Task {
    pub async fn act(self, config: &Config) -> Outcome {
        let account = Account::of(config)?;
        let zone = config.beamline.zone();
        match self.verb {
            Verb::List { status, number, format } => list(&account, &status, number, &format, &zone).await,
            Verb::Show { task, format } => {
                let handler = account.transfer().task(task);
                let (task, errors) = tokio::try_join!(
                    handler.get(),
                    handler.events().errors_only().stream().try_collect::<Vec<_>>()
                )
                .map_err(|error| super::failure(&error, account.settings))?;
                if format.json {
                    print::json(&document(&task, Some(&errors)))?
                } else {
                    print_task(&task, &errors, &zone)
                }
                Ok(Exit::Done)
            }
            Verb::Wait { task, timeout, format } => wait(&account, task, timeout, &format).await,
            Verb::Cancel { task } => {
                if account.result(account.transfer().task(task).cancel().await)? {
                    print::line(format_args!("task {task} is cancelled"));
                    Ok(Exit::Done)
                } else {
                    Err(Failure::nothing(format!("task {task} had ended already")))
                }
            }
        }
    }
}

async fn list(
    account: &Account<'_>,
    status: &[State],
    number: usize,
    format: &Format,
    zone: &TimeZone,
) -> Outcome {
    let mut tasks = account.transfer().tasks().order_by("request_time DESC").page_size(number as u64);
    if !status.is_empty() {
        tasks = tasks.status(&status.iter().copied().map(TaskStatus::from).collect::<Vec<_>>());
    }
    let mut stream = tasks.stream();
    let mut found = vec![];
    while found.len() < number
        && let Some(task) = account.result(stream.try_next().await)?
    {
        found.push(task);
    }
    if format.json {
        print::json(&found.iter().map(|task| document(task, None)).collect::<Vec<_>>())?;
    } else if !found.is_empty() {
        let mut table = print::table(["BEGAN", "KIND", "STATE", "FILES", "FROM", "TO", "LABEL", "TASK"]);
        for task in &found {
            table.add_row([
                task.request_time.map_or("-".to_owned(), |at| local(at, zone)),
                task.kind.to_lowercase(),
                state(task),
                files(task),
                collection(task.source_endpoint_display_name.as_deref(), task.source_endpoint_id),
                collection(task.destination_endpoint_display_name.as_deref(), task.destination_endpoint_id),
                task.label.as_deref().map_or("-".to_owned(), print::plain),
                task.task_id.to_string(),
            ]);
        }
        print::print_table(&table);
    }
    if found.is_empty() { Err(Failure::nothing("this account has no such task")) } else { Ok(Exit::Done) }
}

pub(super) async fn wait(
    account: &Account<'_>,
    id: Uuid,
    timeout: Option<Duration>,
    format: &Format,
) -> Outcome {
    let bar = spinner();
    let mut wait = account.transfer().task(id).wait().every(EVERY);
    if let Some(timeout) = timeout {
        wait = wait.limit(timeout);
    }
    let ended = wait.send_with(|task| bar.set_message(progress(task))).await;
    bar.finish_and_clear();
    let task = account.result(ended)?;
    if format.json {
        print::json(&document(&task, None))?
    } else {
        print::line(progress(&task))
    }
    match task.status {
        TaskStatus::Succeeded => Ok(Exit::Done),
        TaskStatus::Failed => Err(Failure::failed(format!("task {id} failed: {}", reason(&task)))),
        _ => Err(Failure::away(format!("task {id} goes on; see: beamshare task show {id}"))),
    }
}

/// A task's line while one waits for it.
fn progress(task: &globus::Task) -> String {
    let mut line = format!("{}  {} files, {}", state(task), files(task), HumanBytes(task.bytes_transferred));
    if let Some(speed) = task.effective_bytes_per_second.filter(|speed| *speed > 0) {
        line += &format!(", {}/s", HumanBytes(speed));
    }
    if task.faults > 0 {
        line += &format!(", {} faults", task.faults);
    }
    // `OK` is Transfer's word for a task that nothing ails.
    match task.nice_status_short_description.as_deref().or(task.nice_status.as_deref()) {
        Some(says) if !task.has_ended() && !says.eq_ignore_ascii_case("ok") => {
            line + ": " + &print::plain(says)
        }
        _ => line,
    }
}

fn state(task: &globus::Task) -> String {
    let state = match task.status {
        TaskStatus::Active => "active",
        TaskStatus::Inactive => "inactive",
        TaskStatus::Succeeded => "succeeded",
        TaskStatus::Failed => "failed",
        _ => "unknown",
    };
    if task.is_paused { format!("{state}, paused") } else { state.to_owned() }
}

/// Done of all, as far as they are known.
fn files(task: &globus::Task) -> String {
    match task.files_transferred {
        Some(done) => format!("{}/{}", done + task.files_skipped.unwrap_or_default(), task.files),
        None => task.files.to_string(),
    }
}

fn collection(name: Option<&str>, id: Option<Uuid>) -> String {
    let id = || id.map_or("-".to_owned(), |id| id.to_string());
    name.map_or_else(id, print::plain)
}

fn reason(task: &globus::Task) -> String {
    match &task.fatal_error {
        Some(error) => {
            let words = error.description.as_deref().map(print::plain).unwrap_or_default();
            format!("{} {words}", error.code).trim_end().to_owned()
        }
        None => task.nice_status.clone().unwrap_or_else(|| "Globus says no reason".to_owned()),
    }
}

fn document(task: &globus::Task, errors: Option<&[Event]>) -> Value {
    let mut document = json!({
        "task_id": task.task_id,
        "type": task.kind,
        "status": task.status,
        "label": task.label,
        "request_time": task.request_time,
        "completion_time": task.completion_time,
        "deadline": task.deadline,
        "source_endpoint_id": task.source_endpoint_id,
        "source_endpoint_display_name": task.source_endpoint_display_name,
        "destination_endpoint_id": task.destination_endpoint_id,
        "destination_endpoint_display_name": task.destination_endpoint_display_name,
        "files": task.files,
        "directories": task.directories,
        "files_transferred": task.files_transferred,
        "files_skipped": task.files_skipped,
        "bytes_transferred": task.bytes_transferred,
        "effective_bytes_per_second": task.effective_bytes_per_second,
        "faults": task.faults,
        "is_paused": task.is_paused,
        "nice_status": task.nice_status,
        "fatal_error": task.fatal_error.as_ref().map(|error| {
            json!({ "code": error.code, "description": error.description })
        }),
    });
    if let Some(errors) = errors {
        let errors = errors.iter().map(|event| {
            json!({ "time": event.time, "code": event.code, "description": event.description, "details": event.details })
        });
        document["errors"] = errors.collect();
    }
    document
}

fn print_task(task: &globus::Task, errors: &[Event], zone: &TimeZone) {
    let time = |at: Option<jiff::Timestamp>| at.map_or("-".to_owned(), |at| local(at, zone));
    let mut table = print::table(["TASK", ""]);
    table.add_row(["id", &task.task_id.to_string()]);
    table.add_row(["kind", &task.kind.to_lowercase()]);
    table.add_row(["label", &task.label.as_deref().map_or("-".to_owned(), print::plain)]);
    table.add_row(["state", &state(task)]);
    if task.status == TaskStatus::Failed {
        table.add_row(["reason", &reason(task)]);
    }
    table.add_row(["began", &time(task.request_time)]);
    table.add_row(["ended", &time(task.completion_time)]);
    table.add_row(["deadline", &time(task.deadline)]);
    table.add_row([
        "from",
        &collection(task.source_endpoint_display_name.as_deref(), task.source_endpoint_id),
    ]);
    let to = (task.destination_endpoint_display_name.as_deref(), task.destination_endpoint_id);
    if to.1.is_some() {
        table.add_row(["to", &collection(to.0, to.1)]);
    }
    table.add_row(["files", &files(task)]);
    table.add_row(["directories", &task.directories.to_string()]);
    table.add_row(["bytes", &HumanBytes(task.bytes_transferred).to_string()]);
    table.add_row(["faults", &task.faults.to_string()]);
    print::print_table(&table);
    if !errors.is_empty() {
        let mut table = print::table(["AT", "ERROR", "DETAILS"]);
        for event in errors.iter().take(ERRORS_SHOWN) {
            table.add_row([time(event.time), event.code.clone(), print::plain(&event.details)]);
        }
        print::print_table(&table);
    }
}
