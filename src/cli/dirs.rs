use super::Outcome;
use super::deliver::{Deliver, Everyone};
use beamshare::config::Config;
use beamshare::domain::Step;
use clap::Args;

/// Create the directories of the experiment in the PVs: on this machine, on the hosts, on Globus
///
/// Existing directories stay as they are. Run it as the account that runs the service.
#[derive(Args)]
pub struct Dirs {
    #[command(flatten)]
    deliver: Deliver,
}

impl Dirs {
    pub async fn act(self, config: &Config) -> Outcome {
        self.deliver.act(config, &[Step::Dirs, Step::Globus], false, &Everyone::default()).await
    }
}
