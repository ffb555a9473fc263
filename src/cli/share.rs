use super::Outcome;
use super::deliver::{Deliver, Everyone};
use super::failure::Failure;
use beamshare::config::Config;
use beamshare::domain::Step;
use clap::Args;

/// Share the Globus directory of the experiment in the PVs with its people and share_with
///
/// Its people are the PI, the people on the proposal (`recipients` in the settings, or --schedule), and those
/// added with `beamshare users add`.
///
/// A missing directory is created. Existing access stays as it is; nobody is mailed. Run it as the account
/// that runs the service.
#[derive(Args)]
pub struct Share {
    #[command(flatten)]
    everyone: Everyone,

    #[command(flatten)]
    deliver: Deliver,
}

impl Share {
    pub async fn act(self, config: &Config) -> Outcome {
        if config.globus.is_none() {
            return Err(Failure::usage("there is no [globus] in the settings, so nothing can be shared"));
        }
        self.deliver.act(config, &[Step::Globus, Step::Share], false, &self.everyone).await
    }
}
