//! The command line: one file a verb. A verb prints and returns an exit code; what is done is decided
//! elsewhere.

mod backup;
mod candidates;
mod check;
mod completions;
mod confirm;
mod deliver;
mod dirs;
mod email;
mod failure;
mod globus;
mod held;
mod history;
mod init;
mod man;
mod print;
mod rerun;
mod run;
mod schedule;
mod service;
mod share;
mod show;
mod signals;
mod status;
mod sync;
mod tag;
mod tag_dialog;
mod users;

use beamshare::config::{self, Config, Purpose};
use beamshare::log;
use clap::{Args, Parser, Subcommand};
use failure::{Exit, Failure};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// How a verb ends.
type Outcome = Result<Exit, Failure>;

const AFTER_HELP: &str = "\
Getting started:
  beamshare init              writes beamshare.toml and the message templates to this folder
  beamshare check             tests every PV, host, token and server in the settings
  beamshare run               serves the beamline until stopped

Without --config, the settings are the first of $BEAMSHARE_CONFIG, ./beamshare.toml and
/etc/beamshare/beamshare.toml.

Exit codes:
  0  done
  1  failed; the message names the cause
  2  wrong usage, or a mistake in the settings
  3  held: an operator must press Approve (or Run), or the command needs --yes
  4  nothing to do: no experiment, or nothing recorded or found
  5  unreachable: IOC, service, host, Globus or mail server; try again later
  6  the journal is damaged, or from a newer version";

/// Gives each user group of a beamline its data: directories, Globus access, e-mail, transfers.
#[derive(Parser)]
#[command(name = "beamshare", version, after_help = AFTER_HELP, max_term_width = 110)]
struct Cli {
    /// Settings of the beamline
    #[arg(short, long, global = true, value_name = "FILE", env = "BEAMSHARE_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,

    /// Log level on standard error (default: info for run, off otherwise): error, warn, info, debug, trace,
    /// or a filter such as info,beamshare::status=debug
    #[arg(long, global = true, value_name = "LEVEL", env = "BEAMSHARE_LOG", hide_env_values = true)]
    log_level: Option<String>,

    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Init(init::Init),
    Check(check::Check),
    Run(run::Run),
    Show(show::Show),
    Status(status::Status),
    Dirs(dirs::Dirs),
    Share(share::Share),
    Email(email::Email),
    Rerun(rerun::Rerun),
    Users(users::Users),
    History(history::History),
    Backup(backup::Backup),
    Schedule(schedule::Schedule),
    Tag(Box<tag::Tag>),
    Sync(sync::Sync),
    Login(globus::Login),
    Logout(globus::Logout),
    Whoami(globus::Whoami),
    Collection(globus::Collection),
    Endpoint(globus::Endpoint),
    Permission(globus::Permission),
    Task(globus::Task),
    Transfer(globus::Transfer),
    Completions(completions::Completions),
    Man(man::Man),
}

impl Verb {
    /// The command, if it is about user groups, which a file that only moves data does not have.
    fn about_groups(&self) -> Option<&'static str> {
        match self {
            Verb::Show(_) => Some("show"),
            Verb::Status(_) => Some("status"),
            Verb::Dirs(_) => Some("dirs"),
            Verb::Share(_) => Some("share"),
            Verb::Email(_) => Some("email"),
            Verb::Rerun(_) => Some("rerun"),
            Verb::Users(_) => Some("users"),
            Verb::History(_) => Some("history"),
            Verb::Schedule(_) => Some("schedule"),
            Verb::Tag(_) => Some("tag"),
            _ => None,
        }
    }
}

/// For commands with output for scripts.
#[derive(Args)]
struct Format {
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
}

/// The settings that are used without --config: the first that exists.
const USUAL_FILES: [&str; 2] = ["beamshare.toml", "/etc/beamshare/beamshare.toml"];

/// Which settings a verb works with.
struct Settings {
    given: Option<PathBuf>,
}

impl Settings {
    /// The file: the one given (by option or environment), or the first that is there.
    fn file(&self) -> Result<PathBuf, Failure> {
        if let Some(file) = &self.given {
            return Ok(file.clone());
        }
        let found = USUAL_FILES.iter().map(Path::new).find(|file| file.exists());
        found.map(Path::to_owned).ok_or_else(|| {
            let message = "no settings: there is neither ./beamshare.toml nor /etc/beamshare/beamshare.toml; \
                           name the file (--config FILE), or write one (beamshare init)";
            Failure::usage(message)
        })
    }

    /// Whether a command in this folder uses this file without --config.
    fn found_without_option(file: &Path) -> bool {
        let first = USUAL_FILES.iter().map(Path::new).find(|usual| usual.exists());
        first.is_some_and(|first| std::fs::canonicalize(first).ok() == std::fs::canonicalize(file).ok())
    }

    fn load(&self) -> Result<Config, Failure> {
        Ok(beamshare::settings::load(&self.file()?)?)
    }

    /// Adds to the failure of [`Settings::load`] what a mistake in the file means for a running service.
    fn explain(&self, mut failure: Failure) -> Failure {
        if self.file().is_ok_and(|file| file.exists()) {
            failure.message.push_str("\nA running service keeps its previous settings; correct the file.");
        }
        failure
    }
}

/// Executes the command line, and returns the exit code.
pub fn main() -> ExitCode {
    completions::answer_shell();
    let cli = Cli::parse();
    let settings = Settings { given: cli.config };
    match act(cli.verb, &settings, cli.log_level.as_deref()) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            print::failure(&failure.message);
            failure.exit.into()
        }
    }
}

fn act(verb: Verb, settings: &Settings, log_level: Option<&str>) -> Outcome {
    if let Verb::Tag(tag) = &verb
        && let Some(file) = tag.new_key()
    {
        return tag::make_key(file);
    }
    match verb {
        Verb::Init(init) => return init.act(),
        Verb::Completions(completions) => return completions.act(),
        Verb::Man(man) => return man.act(),
        Verb::Run(run) => return run.act(settings, log_level),
        _ => {}
    }
    // A verb prints its results and failures itself; the log is for debugging.
    let _log = log::start(&config::Log::default(), Some(log_level.unwrap_or("off")))?;
    let config = settings.load().map_err(|failure| settings.explain(failure))?;
    if let (Purpose::DataOnly, Some(name)) = (config.purpose, verb.about_groups()) {
        return Err(Failure::usage(format!(
            "beamshare {name} is about user groups, and {} has no [epics]: it only moves data (see beamshare \
             sync status)",
            config.file.display()
        )));
    }
    runtime()?.block_on(async {
        match verb {
            Verb::Check(check) => check.act(&config).await,
            Verb::Dirs(dirs) => dirs.act(&config).await,
            Verb::Share(share) => share.act(&config).await,
            Verb::Email(email) => email.act(&config).await,
            Verb::Show(show) => show.act(&config).await,
            Verb::Status(status) => status.act(&config).await,
            Verb::Rerun(rerun) => rerun.act(&config).await,
            Verb::Users(users) => users.act(&config).await,
            Verb::History(history) => history.act(&config).await,
            Verb::Backup(backup) => backup.act(&config).await,
            Verb::Schedule(schedule) => schedule.act(&config).await,
            Verb::Tag(tag) => tag.act(&config).await,
            Verb::Sync(sync) => sync.act(&config).await,
            Verb::Login(login) => login.act(&config).await,
            Verb::Logout(logout) => logout.act(&config).await,
            Verb::Whoami(whoami) => whoami.act(&config).await,
            Verb::Collection(collection) => collection.act(&config).await,
            Verb::Endpoint(endpoint) => endpoint.act(&config).await,
            Verb::Permission(permission) => permission.act(&config).await,
            Verb::Task(task) => task.act(&config).await,
            Verb::Transfer(transfer) => transfer.act(&config).await,
            Verb::Init(_) | Verb::Completions(_) | Verb::Man(_) | Verb::Run(_) => Ok(Exit::Done),
        }
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("can't start: {error}")))
}
