//! `beamshare check`: everything that the settings name is tried, side by side.

mod as_service;
mod delivery;
mod epics;
mod examples;
mod hooks;
mod schedule;
mod storage;
mod sync;
mod trust;

use super::failure::{Exit, Failure};
use super::rerun::spinner;
use super::{Format, Outcome, print};
use beamshare::config::{Config, Purpose};
use beamshare::domain::{Retry, StepError};
use clap::Args;
use comfy_table::Color;
use globus_transfer_client::Transcript;
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};

/// Test every PV, host, token, collection and mail server in the settings, and explain the level of trust
///
/// Sends nothing to anyone. In each place, a hidden directory is created and removed again. Run it as the
/// account that runs the service. Exit code 1 if something must be corrected, 5 if something is only
/// unreachable.
#[derive(Args)]
pub struct Check {
    /// Write each request to Globus and each response to this file, without names, addresses and secrets
    ///
    /// Developers of beamshare compare it with their simulated Globus (globus-simulator compare FILE).
    /// Tokens, names, addresses, paths and ids are replaced by placeholders; look into the file before you
    /// send it.
    #[arg(long, value_name = "FILE")]
    transcript: Option<PathBuf>,

    /// Try it under the account and the restrictions of this systemd unit (needs root)
    #[arg(long, value_name = "UNIT", num_args = 0..=1, default_missing_value = "beamshare.service", conflicts_with = "transcript")]
    as_service: Option<String>,

    #[command(flatten)]
    format: Format,
}

/// How a thing that was tried stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// It works
    Ok,
    /// It works, and may surprise
    Warning,
    /// It can't be reached now
    Away,
    /// Someone must put it right
    Failed,
}

/// What came of trying one thing.
#[derive(Debug, Serialize)]
struct Finding {
    /// The section of the settings
    section: &'static str,
    /// The subject of the check
    what: String,
    state: State,
    /// What came back, and what to do about it
    says: String,
}

impl Finding {
    fn new(section: &'static str, what: impl fmt::Display, state: State, says: impl fmt::Display) -> Finding {
        Finding { section, what: what.to_string(), state, says: print::plain(&says.to_string()) }
    }

    fn ok(section: &'static str, what: impl fmt::Display, says: impl fmt::Display) -> Finding {
        Finding::new(section, what, State::Ok, says)
    }

    fn warning(section: &'static str, what: impl fmt::Display, says: impl fmt::Display) -> Finding {
        Finding::new(section, what, State::Warning, says)
    }

    fn failed(section: &'static str, what: impl fmt::Display, error: impl fmt::Display) -> Finding {
        Finding::new(section, what, State::Failed, error)
    }

    /// Of a probe's result: an error that can pass by itself means that the thing is away.
    fn of_step(section: &'static str, what: impl fmt::Display, result: Result<String, StepError>) -> Finding {
        match result {
            Ok(says) => Finding::ok(section, what, says),
            Err(error) if error.retry == Retry::Never => Finding::failed(section, what, error),
            Err(error) => Finding::new(section, what, State::Away, error),
        }
    }
}

impl Check {
    pub async fn act(self, config: &Config) -> Outcome {
        if let Some(unit) = &self.as_service {
            return as_service::run(unit, config, self.format.json);
        }
        let transcript = self
            .transcript
            .as_ref()
            .map(|file| Transcript::create(file).map_err(|error| written(file, &error)));
        let transcript = transcript.transpose()?;
        let recorded = transcript.as_ref();
        let bar = spinner();
        bar.set_message("testing the settings");
        let findings = try_all(config, recorded).await;
        bar.finish_and_clear();
        if let (Some(file), Some(transcript)) = (&self.transcript, &transcript) {
            transcript.finish().map_err(|error| written(file, &error))?;
        }
        let exit = exit_of(&findings);
        if self.format.json {
            print::json(&serde_json::json!({ "ok": exit == Exit::Done, "checks": findings }))?;
        } else {
            print_findings(&findings, exit);
        }
        Ok(exit)
    }
}

/// Tries everything that the settings name, side by side.
async fn try_all(config: &Config, recorded: Option<&Transcript>) -> Vec<Finding> {
    if config.purpose == Purpose::DataOnly {
        let pairs = config.sync.len();
        let says =
            format!("it only moves data ({pairs} of [[sync]]): without [epics], no user groups are served");
        let (globus, sender, storage) = tokio::join!(
            delivery::check_globus(config, recorded),
            delivery::check_sender(config),
            storage::check(config)
        );
        let purpose = Finding::ok("sync", config.file.display(), says);
        return [purpose].into_iter().chain(globus).chain(sender).chain(storage).collect();
    }
    let (trust, epics, delivery, globus, storage, schedule) = tokio::join!(
        trust::check(config),
        epics::check(config),
        delivery::check(config),
        delivery::check_globus(config, recorded),
        storage::check(config),
        schedule::check(config)
    );
    let parts = [trust, epics, delivery, globus, storage, schedule, hooks::check(config)];
    examples::check(config).into_iter().chain(parts.into_iter().flatten()).collect()
}

fn written(file: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("can't write the transcript {}: {error}", file.display()))
}

fn exit_of(findings: &[Finding]) -> Exit {
    let any = |state| findings.iter().any(|finding| finding.state == state);
    if any(State::Failed) {
        Exit::Failed
    } else if any(State::Away) {
        Exit::Away
    } else {
        Exit::Done
    }
}

fn print_findings(findings: &[Finding], exit: Exit) {
    let mut table = print::table(["", "SECTION", "WHAT", "SAYS"]);
    for finding in findings {
        let (mark, colour) = match finding.state {
            State::Ok => ("ok", Color::Green),
            State::Warning => ("warning", Color::Yellow),
            State::Away => ("AWAY", Color::Red),
            State::Failed => ("FAILED", Color::Red),
        };
        table.add_marked_row(mark, colour, [finding.section, &finding.what, &finding.says]);
    }
    print::print_table(&table);
    let count = |state| findings.iter().filter(|finding| finding.state == state).count();
    let (failed, away, warnings) = (count(State::Failed), count(State::Away), count(State::Warning));
    print::lines(match exit {
        Exit::Done if warnings == 0 => format!("\nAll {} checks passed.", findings.len()),
        Exit::Done => format!("\nAll {} checks passed, {warnings} with a warning.", findings.len()),
        _ => format!("\nOf {} checks, {failed} failed and {away} found a service away.", findings.len()),
    });
}
