use super::failure::{Exit, Failure};
use super::held::print_held;
use super::service::{Live, StatusSnapshot, steps};
use super::{Format, Outcome, print};
use beamshare::config::Config;
use beamshare::domain::HeldGroup;
use beamshare::domain::decision::Release;
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
        let texts = StatusSnapshot::read(&context, prefix).await?;
        if self.format.json {
            print::json(&document(config, &texts))?;
        } else {
            print_status(config, &texts);
        }
        texts.require_alive()?;
        Ok(exit_of(texts.text(Record::Status)))
    }

    /// Ends with the reader of its output, or by a signal.
    async fn follow(&self, config: &Config, mut live: Live) -> Outcome {
        let terminal = Term::stdout();
        let mut last = String::new();
        loop {
            let texts = &live.texts;
            let written = if self.format.json {
                let line = serde_json::to_string(&document(config, texts)).map_err(Failure::failed)?;
                tell_news(&mut last, line)
            } else if terminal.is_term() {
                let cleared = terminal.clear_screen();
                print_status(config, texts);
                cleared
            } else {
                let text = |record| print::plain(texts.text(record));
                let service = if texts.is_alive() {
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

fn document<'b>(config: &'b Config, texts: &'b StatusSnapshot) -> Document<'b> {
    let step = |step| StepDocument {
        status: Record::step_status(step).map_or("", |record| texts.text(record)),
        message: Record::step_message(step).map_or("", |record| texts.text(record)),
    };
    Document {
        beamline: &config.beamline.name,
        prefix: &config.epics.prefix,
        alive: texts.is_alive(),
        status: texts.text(Record::Status),
        message: texts.text(Record::StatusMsg),
        auto: texts.text(Record::Auto) == "On",
        paused: texts.text(Record::Pause) == "Pause",
        running: texts.text(Record::Run) == "Running",
        experiment: EXPERIMENT.iter().map(|(key, record)| (*key, texts.text(*record))).collect(),
        steps: steps().map(|name| (name.to_string(), step(name))).collect(),
        users_total: texts.number(Record::UsersTotal),
        users_shared: texts.number(Record::UsersShared),
        emails_sent: texts.number(Record::EmailsSent),
        emails_failed: texts.number(Record::EmailsFailed),
        run_count: texts.number(Record::RunCount),
        error_count: texts.number(Record::ErrorCount),
        last_run: texts.text(Record::LastRun),
        last_duration_s: texts.number(Record::LastDuration),
        version: texts.text(Record::Version),
        host: texts.text(Record::Host),
        served_by: holder_name(texts.text(Record::LeaseHolder)),
        pending: texts.text(Record::PendingMsg),
        group: texts.text(Record::GroupUtf8),
        group_served: texts.text(Record::GroupServed) == "Yes",
        held: texts.held(),
        missing: texts.missing(),
    }
}

fn print_status(config: &Config, texts: &StatusSnapshot) {
    let text = |record| print::plain(texts.text(record));
    if texts.missing().len() < Record::ALL.len() / 2 {
        let held = texts.held();
        // The list of a held group has the reasons of the message.
        let message = match held.as_ref().map(|held| held.release) {
            Some(Release::Run) => "A group is held: press Run or Approve, or tag another group".to_owned(),
            Some(Release::Approve) => "A group is held: press Approve, or tag another group".to_owned(),
            Some(Release::TagAgain) => "A group is held: tag it again".to_owned(),
            None => text(Record::StatusMsg),
        };
        print::line(format_args!("{}  {}  {message}", config.beamline.name, text(Record::Status)));
        match &held {
            Some(held) => print_held(held),
            // Records of an earlier version hold one text.
            None if !texts.text(Record::PendingMsg).is_empty() => {
                print::line(format_args!("Waits       {}", text(Record::PendingMsg)));
            }
            None => {}
        }
        let who = [Record::YearMonth, Record::LastName, Record::Email, Record::Proposal].map(text);
        let is_shown = who.iter().any(|text| !text.is_empty());
        if is_shown && texts.text(Record::GroupServed) == "No" {
            print::line("The steps, and what follows, are of the group that was served last:");
        }
        let mut table = print::table(["STEP", "STATE", "MESSAGE"]);
        for step in steps() {
            let cells = [Record::step_status(step), Record::step_message(step)];
            let [state, message] = cells.map(|record| record.map(text).unwrap_or_default());
            table.add_row([step.to_string(), state, message]);
        }
        print::print_table(&table);
        if is_shown {
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
        let holder = holder_name(texts.text(Record::LeaseHolder));
        if !holder.is_empty() {
            // A second service says in its log that it stands by; here is why.
            print::line(format_args!(
                "Served by   {}; any other beamshare on these records stands by",
                print::plain(&holder)
            ));
        }
    }
    let missing = texts.missing();
    if let Some(first) = missing.first() {
        let count = missing.len();
        print::warn(format_args!(
            "{count} of {} status records can't be read, e.g. {first}",
            Record::ALL.len()
        ));
    }
}
