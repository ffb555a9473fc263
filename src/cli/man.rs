use super::failure::{Exit, Failure};
use super::{Cli, Outcome, print};
use clap::{Args, CommandFactory};
use std::path::PathBuf;

/// Write the manual pages, one for each command
///
/// Read one with: man -l DIR/beamshare-check.1
#[derive(Args)]
pub struct Man {
    /// The folder; created if it is missing
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Man {
    pub fn act(self) -> Outcome {
        let folder = self.folder.display();
        let written = std::fs::create_dir_all(&self.folder)
            .and_then(|()| clap_mangen::generate_to(Cli::command(), &self.folder));
        written.map_err(|error| Failure::failed(format!("can't write manual pages to {folder}: {error}")))?;
        print::line(format_args!(
            "wrote the manual pages to {folder}; read one with: man -l {folder}/beamshare.1"
        ));
        Ok(Exit::Done)
    }
}
