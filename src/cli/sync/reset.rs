use super::super::failure::{Exit, Failure};
use super::super::{Outcome, print};
use super::{Which, engine};
use beamshare::config::Config;
use clap::Args;
use std::io::IsTerminal;

/// Forget the state of a pair's files
///
/// All files are compared with the destination again. Those that exist there count as not sent: clean-up
/// ignores them until they change and are sent again.
#[derive(Args)]
pub struct Reset {
    #[command(flatten)]
    which: Which,

    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

impl Reset {
    pub async fn act(self, config: &Config) -> Outcome {
        if self.which.pair.is_none() {
            return Err(Failure::usage("name the pair whose files are to be forgotten"));
        }
        let engine = engine(config).await?;
        let (pairs, _) = self.which.pairs(&engine).await?;
        for pair in &pairs {
            let files = engine.manifest().counts(pair.row.id).await.map_err(Failure::failed)?.total();
            let question =
                format!("{}: forget {files} files? None of them can be cleaned up afterwards", pair.title());
            if !self.yes && !confirmed(&question)? {
                return Err(Failure::failed("nothing was forgotten"));
            }
            engine.reset(pair, "beamshare sync reset").await?;
            print::line(format_args!("{}: {files} files are forgotten", pair.title()));
        }
        Ok(Exit::Done)
    }
}

fn confirmed(question: &str) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(format!("{question}: add --yes, since nobody can be asked here")));
    }
    eprint!("{question} [yes/no] ");
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.map_err(|error| Failure::failed(format!("can't read the answer: {error}")))?;
    Ok(answer.trim().eq_ignore_ascii_case("yes"))
}
