use super::failure::{Exit, Failure};
use super::{Cli, Outcome};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use clap_complete::env::Shells;

/// The variable by which the shell asks for the candidates of a line.
const VARIABLE: &str = "COMPLETE";

/// Print shell completions, also of pairs and experiments
///
/// For bash: beamshare completions bash > ~/.local/share/bash-completion/completions/beamshare
#[derive(Args)]
pub struct Completions {
    /// Shell
    shell: Shell,
}

impl Completions {
    pub fn act(self) -> Outcome {
        let failed = |error: std::io::Error| Failure::failed(format!("can't print the completions: {error}"));
        let shells = Shells::builtins();
        let shell = shells.completer(&self.shell.to_string());
        let shell = shell.ok_or_else(|| Failure::usage(format!("no completions for {}", self.shell)))?;
        let mut script = vec![];
        shell
            .write_registration(VARIABLE, "beamshare", "beamshare", "beamshare", &mut script)
            .map_err(failed)?;
        std::io::Write::write_all(&mut std::io::stdout(), &script).map_err(failed)?;
        Ok(Exit::Done)
    }
}

/// Answers a shell that asks for candidates, and ends the program then.
pub fn answer_shell() {
    clap_complete::CompleteEnv::with_factory(Cli::command).var(VARIABLE).complete();
}
