//! What a shell offers for an argument: the pairs of the settings, and the experiments of the journal.
//! Whatever can't be read is not offered.

use super::{Settings, history, runtime};
use beamshare::config::Config;
use clap_complete::CompletionCandidate;
use std::path::PathBuf;

/// The pairs of `[[sync]]`.
pub fn pairs() -> Vec<CompletionCandidate> {
    let config = config();
    config.into_iter().flat_map(|config| config.sync).map(|pair| pair.name.into()).collect()
}

/// The paths of the experiments in the journal, newest first.
pub fn experiments() -> Vec<CompletionCandidate> {
    let Some(config) = config() else { return vec![] };
    let read = async {
        let journal = history::open_journal(&config).await.ok()?;
        journal.experiments().await.ok()
    };
    let rows = runtime().ok().and_then(|runtime| runtime.block_on(read)).unwrap_or_default();
    let candidate = |path: &str, help: String| CompletionCandidate::new(path).help(Some(help.into()));
    rows.iter().rev().map(|row| candidate(row.path.as_str(), row.experiment.to_string())).collect()
}

/// The settings of the line that is being completed.
fn config() -> Option<Config> {
    let words: Vec<String> = std::env::args().collect();
    let option = words.iter().position(|word| word == "--config" || word == "-c");
    let of_line = option.and_then(|at| words.get(at + 1)).cloned();
    let joined = words.iter().find_map(|word| word.strip_prefix("--config=").map(str::to_owned));
    let given = of_line
        .or(joined)
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("BEAMSHARE_CONFIG").map(Into::into));
    Settings { given }.load().ok()
}
