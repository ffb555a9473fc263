use super::failure::Exit;
use super::{Cli, Outcome};
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Print shell completions
///
/// For bash: beamshare completions bash > ~/.local/share/bash-completion/completions/beamshare
#[derive(Args)]
pub struct Completions {
    /// Shell
    shell: Shell,
}

impl Completions {
    pub fn act(self) -> Outcome {
        clap_complete::generate(self.shell, &mut Cli::command(), "beamshare", &mut std::io::stdout());
        Ok(Exit::Done)
    }
}
