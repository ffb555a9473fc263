use super::failure::{Exit, Failure};
use super::{Outcome, Settings, runtime};
use beamshare::config::Config;
use beamshare::daemon::{self, DaemonError};
use beamshare::log;
use clap::Args;
use std::path::PathBuf;

/// Serve one beamline or several until SIGTERM or Ctrl-C
#[derive(Args)]
pub struct Run {
    /// The settings, one file a beamline; without any, those of --config
    files: Vec<PathBuf>,
}

impl Run {
    pub fn act(self, settings: &Settings, log_level: Option<&str>) -> Outcome {
        let files = if self.files.is_empty() { vec![settings.file()?] } else { self.files };
        let configs = files.iter().map(|file| Config::load(file)).collect::<Result<Vec<_>, _>>()?;
        // One process has one log: that of the beamline named first.
        let settings = configs.first().map(|config| config.log.clone()).unwrap_or_default();
        let _log = log::start(&settings, log_level)?;
        runtime()?.block_on(daemon::run(configs))?;
        Ok(Exit::Done)
    }
}

impl From<DaemonError> for Failure {
    fn from(error: DaemonError) -> Failure {
        match error {
            DaemonError::Shared { .. } => Failure::usage(error),
            _ => Failure::failed(error),
        }
    }
}
