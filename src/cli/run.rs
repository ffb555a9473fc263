use super::failure::{Exit, Failure};
use super::{Outcome, Settings, runtime};
use beamshare::log;
use beamshare::service::{self, DaemonError};
use clap::Args;
use std::path::PathBuf;

/// Serve the beamlines until stopped (SIGTERM, SIGINT)
///
/// [log] of the first file applies to all. Edits of the files take effect while the service runs.
#[derive(Args)]
pub struct Run {
    /// Settings, one file for each beamline
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Run {
    pub fn act(self, settings: &Settings, log_level: Option<&str>) -> Outcome {
        let files = if self.files.is_empty() { vec![settings.file()?] } else { self.files };
        let (mut configs, mut wrong) = (vec![], vec![]);
        for file in &files {
            match beamshare::settings::load(file) {
                Ok(config) => configs.push(config),
                Err(error) => wrong.push(error.to_string()),
            }
        }
        // All mistakes in all files at once.
        if !wrong.is_empty() {
            return Err(Failure::usage(format!("the settings can't be used:\n{}", wrong.join("\n"))));
        }
        // One process has one log: that of the beamline named first.
        let settings = configs.first().map(|config| config.log.clone()).unwrap_or_default();
        let _log = log::start(&settings, log_level)?;
        runtime()?.block_on(service::run(configs))?;
        Ok(Exit::Done)
    }
}

impl From<DaemonError> for Failure {
    fn from(error: DaemonError) -> Failure {
        match error {
            DaemonError::Shared { .. } => Failure::usage(error),
            DaemonError::Journal(error) => error.into(),
            _ => Failure::failed(error),
        }
    }
}
