use super::Outcome;
use super::deliver::{Deliver, Everyone};
use super::failure::Failure;
use beamshare::config::Config;
use beamshare::domain::Step;
use clap::Args;

/// Share the Globus directory of the experiment that the PVs name with its people and those of share_with
///
/// Its people are the PI, those on the proposal (`recipients` in the settings, or --schedule), and those whom `beamshare
/// users add` has named.
///
/// The directory is made if it is missing. Who can read it already is left as they are; nobody is mailed. Run it as the
/// account that runs the service.
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
