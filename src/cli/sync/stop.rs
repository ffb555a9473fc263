use super::super::failure::{Exit, Failure};
use super::super::rerun::duration;
use super::super::{Outcome, print};
use super::{Which, engine};
use beamshare::config::Config;
use beamshare::sync::Options;
use clap::Args;
use std::time::Duration;
use tokio::time::Instant;

/// How often is looked whether another process has ended its task.
const EVERY: Duration = Duration::from_millis(500);

/// Cancel the running task; nothing starts again until the next beamshare sync run
///
/// Files that were already sent stay; beamshare sync run sends the rest.
#[derive(Args)]
pub struct Stop {
    #[command(flatten)]
    which: Which,

    /// Maximum time to wait (exit code 5)
    #[arg(long, value_name = "TIME", default_value = "2 min", value_parser = duration)]
    timeout: Duration,
}

impl Stop {
    pub async fn act(self, config: &Config) -> Outcome {
        let engine = engine(config).await?;
        let (pairs, _) = self.which.pairs(&engine).await?;
        let options = Options::by_hand(self.timeout);
        let until = Instant::now() + self.timeout;
        let mut exit = Exit::Done;
        for pair in &pairs {
            if let Err(error) = engine.stop(pair, &options).await {
                let failure = Failure::from(error);
                print::warn(format_args!("{}: {}", pair.title(), failure.message));
                exit = failure.exit;
                continue;
            }
            // Where another process follows the task, it cancels it and writes down what was sent.
            while engine.manifest().unfinished_task(pair.row.id).await.map_err(Failure::failed)?.is_some() {
                if Instant::now() > until {
                    return Err(Failure::away(format!("{}: the task has not ended yet", pair.title())));
                }
                tokio::time::sleep(EVERY).await;
            }
            print::line(format_args!("{}: stopped", pair.title()));
        }
        Ok(exit)
    }
}
