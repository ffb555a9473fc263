//! `make demo`: the whole of beamshare on this machine, as real as it gets. The parts are processes, and they
//! talk to each other as at a beamline: a C soft IOC of EPICS base, a Globus simulator on real directories,
//! the service itself. Mail goes into files. Then the tagging tool is played, and what comes of it is shown.

mod finding;
mod live;
mod moving;
mod next;
mod parts;
mod stage;
mod tagging;

use clap::{Parser, Subcommand};
use live::Live;
use parts::Parts;
use stage::Stage;
use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tagging::{Group, Tag};

use beamshare::status::{BeamlineStatus, Record};
use channel_access::{Context, TextChannel};

/// The prefix of the demo's user-info records; as in config/beamshare.toml.
const USER_INFO: &str = "2bmb:TomoScan:";
/// The prefix of beamshare's records.
const SHARE: &str = "2bmb:Share:";
/// Within this, every part is up, and a delivery has ended.
const LIMIT: Duration = Duration::from_secs(30);

/// What went wrong, and what to do.
type Result<T> = std::result::Result<T, String>;

/// The whole of beamshare on this machine: soft IOC, Globus simulator, mail in files, and a tagging tool.
#[derive(Parser)]
#[command(name = "beamshare-demo", version)]
struct Arguments {
    /// Check what came of it, and end: exit code 0 only if Status reads Done and everything is there
    #[arg(long)]
    once: bool,

    /// Keep everything in this folder, which must be new or empty, in place of a temporary one
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,

    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand)]
enum Verb {
    Tag(Tag),
}

/// Prints a line. The reader may have closed the pipe, which is no reason to leave its parts
/// behind.
fn say(line: impl fmt::Display) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ended = match arguments.verb {
        Some(Verb::Tag(tag)) => {
            runtime().and_then(|runtime| runtime.block_on(tag.act())).map(|()| ExitCode::SUCCESS)
        }
        None => demo(arguments),
    };
    ended.unwrap_or_else(|message| {
        eprintln!("beamshare-demo: {message}");
        ExitCode::FAILURE
    })
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| format!("can't start: {error}"))
}

fn demo(arguments: Arguments) -> Result<ExitCode> {
    let stage = Stage::set(arguments.folder)?;
    // SAFETY: this is the only thread; libca and the HTTP client read the environment later.
    unsafe { stage.enter_environment() };
    // One thread starts all parts: the kernel ends them when it ends, even by kill -9.
    runtime()?.block_on(async {
        let mut signals = Signals::new()?;
        let mut parts = Parts::new(&stage);
        let played = tokio::select! {
            played = play(&stage, &mut parts, arguments.once) => played,
            code = signals.next() => Ok(code),
        };
        parts.stop().await;
        stage.clean_up(played.is_err());
        played
    })
}

async fn play(stage: &Stage, parts: &mut Parts<'_>, once: bool) -> Result<ExitCode> {
    say(format_args!("Starting, in {}", stage.folder().display()));
    let context = Context::new().map_err(|error| error.to_string())?;
    let mut live = Live::new(&context)?;
    parts.start_ioc()?;
    live.until("the soft IOC serves the records", parts, |texts| texts.says(Record::Alive)).await?;
    parts.start_simulator().await?;
    parts.start_beamshare()?;
    let waits_for_a_group = |texts: &live::StatusTexts| {
        texts.is(Record::Alive, "Running") && texts.text(Record::StatusMsg).starts_with("No user group")
    };
    live.until("beamshare serves the beamline", parts, waits_for_a_group).await?;

    say("\nThe tagging tool puts the user group, one PV after the other:\n");
    let group = Group::of_the_demo();
    let zero = tagging::tag(&context, &group, USER_INFO, None).await?;
    say(format_args!(
        "\nWhat the screen says (by Channel Access monitors; seconds since the last put; settle is 1 s):\n"
    ));
    live.show_from(zero);
    let ended = |texts: &live::StatusTexts| {
        ["Done", "Failed", "Approval"].iter().any(|state| texts.is(Record::Status, state))
            && texts.is(Record::Run, "Idle")
    };
    live.until("the delivery ends", parts, ended).await?;
    live.drain(parts).await?;

    let status =
        TextChannel::new(&context, &format!("{SHARE}{}", Record::Status)).map_err(|e| e.to_string())?;
    let status = status.get(LIMIT).await.map_err(|error| error.to_string())?.text;
    let finding = finding::look(stage, &group, live.texts().text(Record::DataLink)).await?;
    finding.show(stage);
    if status != BeamlineStatus::Done.to_string() {
        return Err(format!(
            "{SHARE}Status reads {status}, not Done: {}",
            live.texts().text(Record::StatusMsg)
        ));
    }
    if !finding.missing.is_empty() {
        return Err(format!("Status reads Done, but there is no {}", finding.missing.join(", no ")));
    }
    moving::write(stage, &group)?;
    live.show_from(std::time::Instant::now());
    let moved = |texts: &live::StatusTexts| {
        texts.is(Record::SyncSts, "Done") && texts.is(Record::RunCount, "2") && ended(texts)
    };
    live.until("the files are moved, and their copy is shared", parts, moved).await?;
    live.drain(parts).await?;
    let missing = moving::look(stage, &group).await?;
    if !missing.is_empty() {
        return Err(format!("SyncSts reads Done, but there is no {}", missing.join(", no ")));
    }
    if once {
        say(format_args!(
            "\n{SHARE}Status reads {status}; directories, access rules, messages and the moved files are \
             there."
        ));
        return Ok(ExitCode::SUCCESS);
    }
    next::show(stage, parts);
    live.for_ever(parts).await
}

/// The ways in which a person, a service manager or a terminal ends the demo.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(|error| format!("can't listen to signals: {error}"));
        Ok(Signals {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for one; the exit code that shells know it by.
    async fn next(&mut self) -> ExitCode {
        let code = tokio::select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
            _ = self.hangup.recv() => 129,
        };
        say("\nStopping.");
        ExitCode::from(code)
    }
}
