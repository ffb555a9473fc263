//! [`Deliverer`]: the settings of one beamline, ready to deliver with.

use super::collection::Collection;
use super::inspection::Inspection;
use super::mail_setup::MailSetup;
use super::plan_error::PlanError;
use super::set_up_error::SetUpError;
use super::shared_replica::SharedReplica;
use crate::config::Config;
use crate::domain::{Experiment, Field, FieldError, PathTemplate, Readings, RelativePath, Step};
use crate::journal::{Claim, ExperimentRow, Journal, JournalError};
use crate::places::Place;
use crate::schedule::{self, ScheduleSource};
use crate::sync::manifest::Manifest;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OnceCell;
use uuid::Uuid;

/// Delivers one beamline's experiments. A changed configuration makes a new one on the same journal.
pub struct Deliverer {
    pub(super) config: Arc<Config>,
    pub(super) journal: Journal,
    pub(super) places: Vec<Arc<dyn Place>>,
    pub(super) collection: Option<Collection>,
    pub(super) replicas: Vec<SharedReplica>,
    /// The manifest of the files that pairs of `[[sync]]` have moved; opened at its first use
    pub(super) manifest: OnceCell<Manifest>,
    pub(super) mail_setup: Option<MailSetup>,
    pub(super) schedule: Option<Arc<dyn ScheduleSource>>,
    /// The findings of plans, by experiment, for the run that follows
    pub(super) inspections: Mutex<HashMap<Uuid, Inspection>>,
}

impl Deliverer {
    /// Prepares everything that `[directories]`, `[globus]`, `[email]` and `[schedule]` name. Nothing is
    /// connected yet.
    pub fn new(config: Arc<Config>, journal: Journal) -> Result<Deliverer, SetUpError> {
        Ok(Deliverer {
            places: crate::places::from_config(&config.directories)?,
            collection: config.globus.as_ref().map(Collection::from_config).transpose()?,
            replicas: SharedReplica::from_config(&config)?,
            manifest: OnceCell::new(),
            mail_setup: config.email.as_ref().map(MailSetup::from_config).transpose()?,
            schedule: schedule::open(&config)?,
            inspections: Mutex::default(),
            config,
            journal,
        })
    }

    /// The journal.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The places of `[directories]`, e.g. to be tried by `beamshare check`.
    pub fn places(&self) -> &[Arc<dyn Place>] {
        &self.places
    }

    /// The collection of `[globus]`.
    pub fn collection(&self) -> Option<&Collection> {
        self.collection.as_ref()
    }

    /// The experiment's directories, the first tree's first, in every place.
    pub fn paths(&self, experiment: &Experiment) -> Result<Vec<RelativePath>, FieldError> {
        let mut paths: Vec<RelativePath> = vec![];
        for template in &self.config.directories.paths {
            let path = template.render(experiment)?;
            if !paths.iter().any(|other| other.key() == path.key()) {
                paths.push(path);
            }
        }
        Ok(paths)
    }

    /// The claims of an accepted experiment whose first path the settings don't make any more. It keeps its directories:
    /// with other paths it would be a group of its own, about which the rules decide again. `None` otherwise.
    pub(super) async fn kept_claims(&self, row: &ExperimentRow) -> Result<Option<Vec<Claim>>, JournalError> {
        if self.config.directories.makes_first(&row.path, &row.experiment) {
            return Ok(None);
        }
        Ok(Some(self.journal.claims(row.id).await?))
    }

    /// The directories of an accepted experiment, the first tree's first. `kept` are its [`Deliverer::kept_claims`].
    pub(super) fn accepted_paths(
        &self,
        row: &ExperimentRow,
        kept: Option<&[Claim]>,
    ) -> Result<Vec<RelativePath>, FieldError> {
        let Some(kept) = kept else { return self.paths(&row.experiment) };
        let places = self.place_names();
        let mut paths = vec![row.path.clone()];
        for claim in kept.iter().filter(|claim| places.contains(&claim.place)) {
            if !paths.iter().any(|path| path.key() == claim.path.key()) {
                paths.push(claim.path.clone());
            }
        }
        Ok(paths)
    }

    /// The link that the experiment's users get.
    pub fn data_link(&self, first_path: &RelativePath) -> String {
        self.collection.as_ref().map(|collection| collection.link(first_path).to_string()).unwrap_or_default()
    }

    /// The experiment as the journal knows it, perhaps with another e-mail; see [`Journal::find_same`].
    pub async fn find_same(&self, experiment: &Experiment) -> Result<Option<ExperimentRow>, PlanError> {
        let paths = self.paths(experiment)?;
        Ok(self.journal.find_same(&experiment.owner(), &paths[0]).await?)
    }

    /// The journal's experiment with just the month, name, address and proposal that the PVs say, if it was
    /// accepted before: a combination that is proven.
    pub async fn known(&self, readings: &Readings) -> Result<Option<ExperimentRow>, JournalError> {
        let Ok(experiment) = Experiment::parse(&readings.user_info()) else { return Ok(None) };
        let row = match self.find_same(&experiment).await {
            Ok(row) => row,
            Err(PlanError::Journal(error)) => return Err(error),
            Err(_) => None, // the plan says why a path can't be made
        };
        Ok(row.filter(|row| row.is_named_by(&experiment)))
    }

    /// The same, but only an experiment that the service has delivered or is delivering. Single steps by hand
    /// prove nothing about the set, and leave the rest to the service.
    pub async fn served(&self, readings: &Readings) -> Result<Option<ExperimentRow>, JournalError> {
        let Some(row) = self.known(readings).await? else { return Ok(None) };
        Ok(self.journal.last_whole_delivery(row.id).await?.map(|_| row))
    }

    /// The same, but only an experiment for which commands have done all steps one by one. The service may
    /// deliver it all the same, which repeats nothing.
    pub async fn served_by_hand(&self, readings: &Readings) -> Result<Option<ExperimentRow>, JournalError> {
        let Some(row) = self.known(readings).await? else { return Ok(None) };
        Ok(self.report_of(&row).await?.is_done().then_some(row))
    }

    /// The names of the places of the first directories in the journal's claims.
    pub(super) fn place_names(&self) -> Vec<String> {
        let places = self.places.iter().map(|place| place.name().to_owned());
        places.chain(self.collection.iter().map(|collection| collection.name().to_owned())).collect()
    }

    /// All directories of an experiment, as place and path. `paths` are those of `[directories]`.
    pub(super) fn wanted(
        &self,
        experiment: &Experiment,
        paths: &[RelativePath],
    ) -> Vec<(String, RelativePath)> {
        let places = self.place_names();
        let first = paths.iter().flat_map(|path| places.iter().map(|place| (place.clone(), path.clone())));
        // A replica whose path can't be made fails in its own step, and holds up nothing else.
        let path_of =
            |replica: &SharedReplica| Some((replica.place().to_owned(), replica.path(experiment).ok()?));
        let replicas = self.replicas.iter().filter_map(path_of);
        first.chain(replicas).collect()
    }

    /// The key of the settings that makes the paths in this place, where it lacks the proposal number, which keeps groups
    /// apart.
    pub(super) fn key_without_number(&self, place: &str) -> Option<String> {
        let has_number = |path: &PathTemplate| path.needs(Field::ProposalNumber);
        match self.replicas.iter().find(|replica| replica.place() == place) {
            Some(replica) => (!has_number(replica.template()))
                .then(|| format!("[[sync]] destination.path of {}", replica.pair())),
            None => (!self.config.directories.paths.iter().all(has_number))
                .then(|| "[directories] paths".to_owned()),
        }
    }

    /// The first collection, and those of replicas.
    pub(super) fn collections(&self) -> impl Iterator<Item = &Collection> {
        self.collection.iter().chain(self.replicas.iter().map(SharedReplica::collection))
    }

    pub(super) fn inspections(&self) -> MutexGuard<'_, HashMap<Uuid, Inspection>> {
        self.inspections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the settings ask for the step.
    pub(super) fn has(&self, step: Step) -> bool {
        match step {
            Step::Dirs => !self.places.is_empty(),
            Step::Globus | Step::Share => self.collection.is_some(),
            Step::Email => self.mail_setup.is_some(),
            Step::Sync => !self.replicas.is_empty(),
            Step::Delivery => self.config.hooks.iter().any(|hook| hook.step() == Step::Delivery),
        }
    }
}
