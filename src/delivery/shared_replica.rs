use super::collection::Collection;
use crate::config::{self, Config};
use crate::domain::{Experiment, FieldError, PathTemplate, RelativePath, StepError};
use crate::globus::client;
use crate::places::Place;

/// A pair whose destination is shared.
pub(super) struct SharedReplica {
    pair: String,
    collection: Collection,
    template: PathTemplate,
}

impl SharedReplica {
    fn new(
        settings: &config::Globus,
        pair: &config::Sync,
        template: &PathTemplate,
    ) -> Result<SharedReplica, StepError> {
        let collection = Collection::of_pair(client(settings)?, settings, pair);
        Ok(SharedReplica { pair: pair.name.clone(), collection, template: template.clone() })
    }

    /// The pairs of the settings whose destinations are shared. An error names the file with the secret.
    pub fn from_config(config: &Config) -> Result<Vec<SharedReplica>, StepError> {
        let Some(settings) = &config.globus else { return Ok(vec![]) };
        let shared = config.sync.iter().filter(|pair| pair.share);
        let shared = shared.filter_map(|pair| Some((pair, pair.destination.path.of_experiment()?)));
        shared.map(|(pair, template)| SharedReplica::new(settings, pair, template)).collect()
    }

    /// The pair's name.
    pub fn pair(&self) -> &str {
        &self.pair
    }

    /// Its name in the journal's claims.
    pub fn place(&self) -> &str {
        self.collection.name()
    }

    pub fn collection(&self) -> &Collection {
        &self.collection
    }

    pub fn path(&self, experiment: &Experiment) -> Result<RelativePath, FieldError> {
        self.template.render(experiment)
    }
}
