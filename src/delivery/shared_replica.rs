use super::collection::Collection;
use crate::config::{self, Config};
use crate::domain::{Experiment, FieldError, PathTemplate, RelativePath, StepError};
use crate::globus::client;
use crate::journal::Claim;
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

    /// The part of its `destination.path` below the fixed part.
    pub fn template(&self) -> &PathTemplate {
        &self.template
    }

    /// The directory of an accepted experiment. `None` where it keeps its former directories (`kept`), and has none at
    /// this pair's destination.
    pub fn accepted_path(
        &self,
        experiment: &Experiment,
        kept: Option<&[Claim]>,
    ) -> Option<Result<RelativePath, FieldError>> {
        let Some(kept) = kept else { return Some(self.path(experiment)) };
        kept.iter().find(|claim| claim.place == self.place()).map(|claim| Ok(claim.path.clone()))
    }

    pub fn path(&self, experiment: &Experiment) -> Result<RelativePath, FieldError> {
        self.template.render(experiment)
    }
}
