//! The `beamshare sync` commands. `beamshare::sync` does the work.

mod clean;
mod report;
mod reset;
mod run;
mod status;
mod stop;

use super::failure::{Exit, Failure};
use super::service::LIMIT;
use super::{Outcome, candidates, print};
use beamshare::config::{self, Config, Purpose};
use beamshare::domain::Experiment;
use beamshare::journal::{ExperimentRow, Journal};
use beamshare::sync::{Engine, Pair, PairProblem, SyncError};
use beamshare::user_info;
use channel_access::Context;
use clap::{Args, Subcommand};
use clap_complete::ArgValueCandidates;
use std::sync::Arc;

/// Move data between collections ([[sync]] of the settings; docs/sync.md)
#[derive(Args)]
pub struct Sync {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Run(run::Run),
    Status(status::Status),
    Stop(stop::Stop),
    Clean(clean::Clean),
    Reset(reset::Reset),
    Report(report::Report),
}

impl Sync {
    pub async fn act(self, config: &Config) -> Outcome {
        if config.sync.is_empty() {
            let file = config.file.display();
            return Err(Failure::usage(format!(
                "there is no [[sync]] in {file}, so there is nothing to move"
            )));
        }
        match self.verb {
            Verb::Run(run) => run.act(config).await,
            Verb::Status(status) => status.act(config).await,
            Verb::Stop(stop) => stop.act(config).await,
            Verb::Clean(clean) => clean.act(config).await,
            Verb::Reset(reset) => reset.act(config).await,
            Verb::Report(report) => report.act(config).await,
        }
    }
}

/// The pairs that a command applies to.
#[derive(Args)]
struct Which {
    /// Only this pair of the settings
    #[arg(add = ArgValueCandidates::new(candidates::pairs))]
    pair: Option<String>,

    /// Experiment: its path (2026-03/Li), proposal number or id in the journal. Default: the one that the
    /// user-info PVs name, and unfinished data of earlier ones
    #[arg(long, value_name = "EXPERIMENT", add = ArgValueCandidates::new(candidates::experiments))]
    experiment: Option<String>,
}

impl Which {
    /// The pairs. One that can't be resolved is reported on standard error, and does not affect the others;
    /// the flag says whether there was one.
    async fn pairs(&self, engine: &Engine) -> Result<(Vec<Pair>, bool), Failure> {
        let journal = engine.journal();
        let whose = match &self.experiment {
            Some(_) if engine.config().purpose == Purpose::DataOnly => {
                let file = engine.config().file.display();
                let message =
                    format!("--experiment: {file} has no [epics], so its pairs belong to no experiment");
                return Err(Failure::usage(message));
            }
            Some(text) => Some(find(journal, text).await?),
            None if engine.config().sync.iter().any(config::Sync::is_per_experiment) => {
                present(engine).await?
            }
            None => None,
        };
        if let Some(name) = &self.pair
            && !engine.config().sync.iter().any(|settings| settings.name == *name)
        {
            let known: Vec<&str> =
                engine.config().sync.iter().map(|settings| settings.name.as_str()).collect();
            return Err(Failure::usage(format!(
                "there is no pair {name:?}; the settings have {}",
                known.join(", ")
            )));
        }
        let (mut pairs, mut trouble) = (vec![], false);
        for pair in engine.pairs(whose.as_ref()).await? {
            match pair {
                Ok(pair) => pairs.push(pair),
                Err(error) => {
                    print::warn(error);
                    trouble = true;
                }
            }
        }
        match self.experiment {
            Some(_) => pairs.retain(|pair| pair.experiment.is_some()),
            None => pairs.extend(engine.earlier(whose.map(|row| row.id)).await?),
        }
        pairs.retain(|pair| self.pair.as_ref().is_none_or(|name| pair.settings.name == *name));
        if pairs.is_empty() && !trouble {
            let why = "nothing to move: the pairs' paths need an experiment, and none was accepted yet";
            return Err(Failure::nothing(why));
        }
        Ok((pairs, trouble))
    }
}

/// The accepted experiment that the user-info PVs name; where they can't be read, the one that was accepted
/// last.
async fn present(engine: &Engine) -> Result<Option<ExperimentRow>, Failure> {
    let (config, journal) = (engine.config(), engine.journal());
    let context = Context::new()?;
    let readings = match user_info::read_once(&context, &config.epics.user_info, LIMIT).await {
        Ok(readings) => readings,
        Err(error) => {
            let latest = journal.latest_experiment().await?;
            if let Some(row) = &latest {
                let whose = print::plain(&row.experiment.to_string());
                eprintln!("beamshare: {error}; taking the experiment that was accepted last, {whose}");
            }
            return Ok(latest);
        }
    };
    let Ok(experiment) = Experiment::parse(&readings.user_info()) else { return Ok(None) };
    let first = config.directories.paths.first().and_then(|path| path.render(&experiment).ok());
    let Some(first) = first else { return Ok(None) };
    let row = journal.find_same(&experiment.owner(), &first).await?;
    if row.is_none() {
        let whose = print::plain(&experiment.to_string());
        eprintln!(
            "beamshare: {whose}, whom the user-info PVs name, is not accepted yet: only earlier data is moved"
        );
    }
    Ok(row)
}

/// The experiment of the journal that a text names.
async fn find(journal: &Journal, text: &str) -> Result<ExperimentRow, Failure> {
    let text = text.trim().trim_matches('/');
    if let Ok(id) = text.parse()
        && let Some(found) = journal.experiment(id).await?
    {
        return Ok(found);
    }
    let mut found: Vec<ExperimentRow> = vec![];
    for (_, row) in journal.history(u32::MAX).await? {
        let proposal = row.experiment.text(beamshare::domain::Field::ProposalNumber);
        let fits = row.path.as_str().eq_ignore_ascii_case(text) || proposal.as_deref() == Some(text);
        if fits && !found.iter().any(|other| other.id == row.id) {
            found.push(row);
        }
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(Failure::nothing(format!("the journal has no experiment {text:?}; see: beamshare history"))),
        _ => {
            let all: Vec<String> =
                found.iter().map(|row| format!("{} ({}, id {})", row.experiment, row.path, row.id)).collect();
            Err(Failure::usage(format!(
                "{text:?} names several experiments: {}; give the id",
                all.join("; ")
            )))
        }
    }
}

async fn engine(config: &Config) -> Result<Engine, Failure> {
    let journal = Journal::open(&config.journal.path).await?;
    Ok(Engine::open(Arc::new(config.clone()), journal).await?)
}

impl From<SyncError> for Failure {
    fn from(error: SyncError) -> Failure {
        match error {
            SyncError::NoGlobus => Failure::usage(error),
            SyncError::SignIn(error) => error.into(),
            SyncError::Lock(_)
            | SyncError::Away(_)
            | SyncError::Pair { problem: PairProblem::NotMade { .. }, .. } => Failure::away(error),
            SyncError::Pair { problem: PairProblem::Taken { .. } | PairProblem::Held { .. }, .. } => {
                Failure { exit: Exit::Held, message: error.to_string() }
            }
            _ => Failure::failed(error),
        }
    }
}

/// The text of an error or a service on one line.
fn plain(text: &str) -> String {
    print::plain(text)
}
