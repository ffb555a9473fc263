use super::failure::{Exit, Failure};
use super::held::print_held;
use super::service::{Live, StatusSnapshot, steps};
use super::{Format, Outcome, print};
use beamshare::config::Config;
use beamshare::domain::HeldGroup;
use beamshare::status::{Record, holder_name};
use channel_access::Context;
use clap::Args;
use console::Term;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;

/// Show the status records as the control room sees them
///
/// Exit code 0: no problems; 1: the last delivery failed; 3: a group is held; 5: the IOC or the service is
/// unreachable.
#[derive(Args)]
pub struct Status {
    #[command(flatten)]
    format: Format,

    /// Keep showing changes until Ctrl-C; with --json or without a terminal, one line for each change
    #[arg(long)]
    watch: bool,
}

/// The document of --json: texts as the records have them, numbers as numbers (null where a record can't be
/// read).
#[derive(Serialize)]
struct Document<'b> {
    beamline: &'b str,
    prefix: &'b str,
    alive: bool,
    status: &'b str,
    message: &'b str,
    auto: bool,
    paused: bool,
    running: bool,
    experiment: BTreeMap<&'static str, &'b str>,
    steps: BTreeMap<String, StepDocument<'b>>,
    users_total: Option<f64>,
    users_shared: Option<f64>,
    emails_sent: Option<f64>,
    emails_failed: Option<f64>,
    run_count: Option<f64>,
    error_count: Option<f64>,
    last_run: &'b str,
    last_duration_s: Option<f64>,
    version: &'b str,
    host: &'b str,
    /// Of several beamshares on these records, the one that serves them
    served_by: String,
    pending: &'b str,
    /// The group that needs attention, and whether `experiment` and `steps` are of it
    group: &'b str,
    group_served: bool,
    /// The held group; `null` where none is held
    held: Option<HeldGroup>,
    missing: Vec<String>,
}

#[derive(Serialize)]
struct StepDocument<'b> {
    status: &'b str,
    message: &'b str,
}

const EXPERIMENT: [(&str, Record); 6] = [
    ("year_month", Record::YearMonth),
    ("pi_last_name", Record::LastName),
    ("pi_email", Record::Email),
    ("proposal_number", Record::Proposal),
    ("path", Record::Path),
    ("data_link", Record::DataLink),
];

impl Status {
    pub async fn act(self, config: &Config) -> Outcome {
        let context = Context::new()?;
        let prefix = &config.epics.prefix;
        if self.watch {
            return self.follow(config, Live::start(&context, prefix).await?).await;
        }
        let board = StatusSnapshot::read(&context, prefix).await?;
        if self.format.json {
            print::json(&document(config, &board))?;
        } else {
            print_status(config, &board);
        }
        board.require_alive()?;
        Ok(exit_of(board.text(Record::Status)))
    }

    /// Ends with the reader of its output, or by a signal.
    async fn follow(&self, config: &Config, mut live: Live) -> Outcome {
        let terminal = Term::stdout();
        let mut last = String::new();
        loop {
            let board = &live.board;
            let written = if self.format.json {
                let line = serde_json::to_string(&document(config, board)).map_err(Failure::failed)?;
                tell_news(&mut last, line)
            } else if terminal.is_term() {
                let cleared = terminal.clear_screen();
                print_status(config, board);
                cleared
            } else {
                let text = |record| print::plain(board.text(record));
                let service = if board.is_alive() {
                    String::new()
                } else {
                    "service stopped; it said last: ".to_owned()
                };
                tell_news(
                    &mut last,
                    format!("{service}{}  {}", text(Record::Status), text(Record::StatusMsg)),
                )
            };
            if written.is_err() {
                return Ok(Exit::Done);
            }
            live.changed().await;
        }
    }
}

/// Writes a line if it is another than the last.
fn tell_news(last: &mut String, line: String) -> std::io::Result<()> {
    if *last == line {
        return Ok(());
    }
    writeln!(std::io::stdout(), "{line}")?;
    *last = line;
    Ok(())
}

/// What the record Status means to a script.
pub fn exit_of(status: &str) -> Exit {
    match status {
        "Failed" => Exit::Failed,
        "Approval" => Exit::Held,
        _ => Exit::Done,
    }
}

fn document<'b>(config: &'b Config, board: &'b StatusSnapshot) -> Document<'b> {
    let step = |step| StepDocument {
        status: Record::step_status(step).map_or("", |record| board.text(record)),
        message: Record::step_message(step).map_or("", |record| board.text(record)),
    };
    Document {
        beamline: &config.beamline.name,
        prefix: &config.epics.prefix,
        alive: board.is_alive(),
        status: board.text(Record::Status),
        message: board.text(Record::StatusMsg),
        auto: board.text(Record::Auto) == "On",
        paused: board.text(Record::Pause) == "Pause",
        running: board.text(Record::Run) == "Running",
        experiment: EXPERIMENT.iter().map(|(key, record)| (*key, board.text(*record))).collect(),
        steps: steps().map(|name| (name.to_string(), step(name))).collect(),
        users_total: board.number(Record::UsersTotal),
        users_shared: board.number(Record::UsersShared),
        emails_sent: board.number(Record::EmailsSent),
        emails_failed: board.number(Record::EmailsFailed),
        run_count: board.number(Record::RunCount),
        error_count: board.number(Record::ErrorCount),
        last_run: board.text(Record::LastRun),
        last_duration_s: board.number(Record::LastDuration),
        version: board.text(Record::Version),
        host: board.text(Record::Host),
        served_by: holder_name(board.text(Record::LeaseHolder)),
        pending: board.text(Record::PendingMsg),
        group: board.text(Record::GroupUtf8),
        group_served: board.text(Record::GroupServed) == "Yes",
        held: board.held(),
        missing: board.missing(),
    }
}

fn print_status(config: &Config, board: &StatusSnapshot) {
    let text = |record| print::plain(board.text(record));
    if board.missing().len() < Record::ALL.len() / 2 {
        let held = board.held();
        // The list of a held group says what the message says.
        let message = if held.is_some() { String::new() } else { text(Record::StatusMsg) };
        print::line(format_args!("{}  {}  {message}", config.beamline.name, text(Record::Status)));
        match &held {
            Some(held) => print_held(held),
            // Records of an earlier version hold one text.
            None if !board.text(Record::PendingMsg).is_empty() => {
                print::line(format_args!("Waits       {}", text(Record::PendingMsg)));
            }
            None => {}
        }
        if !text(Record::Group).is_empty() && board.text(Record::GroupServed) == "No" {
            print::line("The steps, and what follows, are of the group that was served last:");
        }
        let mut table = print::table(["STEP", "STATE", "MESSAGE"]);
        for step in steps() {
            let cells = [Record::step_status(step), Record::step_message(step)];
            let [state, message] = cells.map(|record| record.map(text).unwrap_or_default());
            table.add_row([step.to_string(), state, message]);
        }
        print::print_table(&table);
        let who = [Record::YearMonth, Record::LastName, Record::Email, Record::Proposal].map(text);
        if who.iter().any(|text| !text.is_empty()) {
            print::line(format_args!("Experiment  {}/{} ({}) proposal {}", who[0], who[1], who[2], who[3]));
            print::line(format_args!("Directory   {}", text(Record::Path)));
            print::line(format_args!("Link        {}", text(Record::DataLink)));
        }
        let counts =
            [Record::UsersShared, Record::UsersTotal, Record::EmailsSent, Record::EmailsFailed].map(text);
        let [shared, total, sent, failed] = counts;
        print::line(format_args!(
            "Users       {shared} of {total} shared; e-mails: {sent} sent, {failed} failed"
        ));
        print::line(format_args!("Switches    Auto {}, Pause {}", text(Record::Auto), text(Record::Pause)));
        let [version, host, last, took] =
            [Record::Version, Record::Host, Record::LastRun, Record::LastDuration].map(text);
        let last = if last.is_empty() { "none yet".to_owned() } else { format!("{last} ({took} s)") };
        let service =
            if host.is_empty() { "has not run here yet".to_owned() } else { format!("{version} on {host}") };
        print::line(format_args!("Service     {} {service}; last run {last}", text(Record::Alive)));
        let holder = holder_name(board.text(Record::LeaseHolder));
        if !holder.is_empty() {
            // A second service says in its log that it stands by; here is why.
            print::line(format_args!(
                "Served by   {}; any other beamshare on these records stands by",
                print::plain(&holder)
            ));
        }
    }
    let missing = board.missing();
    if let Some(first) = missing.first() {
        let count = missing.len();
        print::warn(format_args!(
            "{count} of {} status records can't be read, e.g. {first}",
            Record::ALL.len()
        ));
    }
}
