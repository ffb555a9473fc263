use crate::config::Config;
use crate::delivery::{Deliverer, SetUpError};
use crate::journal::Journal;
use std::sync::Arc;

/// What all parts of a beamline's service read. Only [`Beamline`](super::beamline::Beamline) changes it, so
/// that all parts work with the same settings and switches.
pub(super) struct Common {
    pub config: Arc<Config>,
    pub journal: Journal,
    pub deliverer: Arc<Deliverer>,
    /// The operator's switch `Auto`: whether groups are served without a button. `None` until the IOC has
    /// reported it.
    pub auto: Option<bool>,
    /// The operator's switch `Pause`: whether nothing new may begin
    pub paused: bool,
}

impl Common {
    /// Prepares what deliveries need. Nothing is connected yet.
    pub fn new(config: Config, journal: Journal) -> Result<Common, SetUpError> {
        let config = Arc::new(config);
        let deliverer = Arc::new(Deliverer::new(config.clone(), journal.clone())?);
        Ok(Common { config, journal, deliverer, auto: None, paused: false })
    }
}
