//! What must be true for an experiment, and making it true: exactly once, and never for the wrong person.
//!
//! [`Deliverer::plan`] looks and changes nothing; [`Deliverer::accept`] makes the experiment beamshare's to deliver;
//! [`Deliverer::run`] makes it true, step by step. Each thing it does to the world has a row in the journal before and
//! after, so a kill at any moment is followed by the same end as no kill.

mod attempt;
mod authority;
mod booking;
mod collection;
mod control;
mod copies;
mod dirs;
mod email;
mod former;
mod hooks;
mod obstacle;
mod people;
mod pi_change;
mod plan;
mod progress;
mod recall;
mod reminder;
mod retention;
mod run;
mod share;
mod verify;

pub use authority::ResendRefused;
pub(crate) use collection::place_name;
pub use collection::{Collection, SIGN_IN, client, explain, login_command, step_error};
pub use control::{Control, Controller, controls};
pub use email::TestMessage;
pub use obstacle::Obstacle;
pub(crate) use people::SCHEDULE;
pub use people::{People, Person, RefreshError, Refreshed};
pub use plan::{Away, Plan, PlanError};
pub use run::{Options, Outcome, RunError};

use crate::config::Config;
use crate::domain::{Experiment, FieldError, Readings, RelativePath, Step, StepError, StepStatus};
use crate::journal::{ExperimentRow, Journal, JournalError};
use crate::places::Place;
use crate::schedule::{self, ScheduleSource};
use crate::sync::manifest::Manifest;
use copies::SharedCopy;
use plan::Looked;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OnceCell;
use uuid::Uuid;

/// What a delivery has come to, as a snapshot: the daemon shows it in PVs, the command line in a progress line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeliveryReport {
    /// Each step's status and its message: host, path, count or error
    pub steps: BTreeMap<Step, (StepStatus, String)>,
    /// How many people the experiment is to be shared with
    pub users_total: u32,
    /// With how many it is shared
    pub users_shared: u32,
    /// Messages that a mail server has taken
    pub emails_sent: u32,
    /// Messages refused for good
    pub emails_failed: u32,
    /// The first tree's path
    pub path: String,
    /// The link that the users get
    pub data_link: String,
    /// One sentence: what is happening, waited for, or wrong
    pub message: String,
}

/// Delivers one beamline's experiments. A changed configuration makes a new one on the same journal.
pub struct Deliverer {
    config: Arc<Config>,
    journal: Journal,
    places: Vec<Arc<dyn Place>>,
    collection: Option<Collection>,
    copies: Vec<SharedCopy>,
    /// What the pairs of `[[sync]]` have moved; opened when it is first asked
    manifest: OnceCell<Manifest>,
    post: Option<email::Post>,
    schedule: Option<Arc<dyn ScheduleSource>>,
    /// What plans saw, by experiment, for the run that follows
    looked: Mutex<HashMap<Uuid, Looked>>,
}

impl Deliverer {
    /// Prepares everything that `[directories]`, `[globus]`, `[email]` and `[schedule]` name; nothing is connected yet. An error says
    /// which file (a secret, a template) can't be used.
    pub fn new(config: Arc<Config>, journal: Journal) -> Result<Deliverer, StepError> {
        Ok(Deliverer {
            places: crate::places::from_config(&config.directories)?,
            collection: config.globus.as_ref().map(Collection::from_config).transpose()?,
            copies: copies::from_config(&config)?,
            manifest: OnceCell::new(),
            post: config.email.as_ref().map(email::Post::from_config).transpose()?,
            schedule: schedule::open(&config)?,
            looked: Mutex::default(),
            config,
            journal,
        })
    }

    /// The journal that it writes to.
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

    /// The link that the experiment's users get.
    pub fn data_link(&self, first_path: &RelativePath) -> String {
        self.collection.as_ref().map(|collection| collection.link(first_path).to_string()).unwrap_or_default()
    }

    /// The experiment as the journal knows it, perhaps with another e-mail; see [`Journal::find_same`].
    pub async fn find_same(&self, experiment: &Experiment) -> Result<Option<ExperimentRow>, PlanError> {
        let paths = self.paths(experiment)?;
        Ok(self.journal.find_same(&experiment.owner(), &paths[0]).await?)
    }

    /// The journal's experiment with just the month, name, address and proposal that the PVs say, if it was accepted
    /// before: a combination that is proven.
    pub async fn known(&self, readings: &Readings) -> Result<Option<ExperimentRow>, JournalError> {
        let Ok(experiment) = Experiment::parse(&readings.user_info()) else { return Ok(None) };
        let row = match self.find_same(&experiment).await {
            Ok(row) => row,
            Err(PlanError::Journal(error)) => return Err(error),
            Err(_) => None, // a path can't be made: the plan says why
        };
        Ok(row.filter(|row| {
            row.experiment.pi_email == experiment.pi_email
                && row.experiment.pi_last_name == experiment.pi_last_name
                && row.experiment.year_month == experiment.year_month
        }))
    }

    /// The same, but only an experiment that the service has taken on. Single steps that somebody has done by hand say
    /// nothing about the set's being whole, and leave the rest to be done.
    pub async fn served(&self, readings: &Readings) -> Result<Option<ExperimentRow>, JournalError> {
        let Some(row) = self.known(readings).await? else { return Ok(None) };
        Ok(self.journal.last_whole_delivery(row.id).await?.map(|_| row))
    }

    /// The names of the places of the first directories in the journal's claims.
    fn place_names(&self) -> Vec<String> {
        let places = self.places.iter().map(|place| place.name().to_owned());
        places.chain(self.collection.iter().map(|collection| collection.name().to_owned())).collect()
    }

    /// All directories that are to be an experiment's: place and path. `paths` are its first ones.
    fn wanted(&self, experiment: &Experiment, paths: &[RelativePath]) -> Vec<(String, RelativePath)> {
        let places = self.place_names();
        let first = paths.iter().flat_map(|path| places.iter().map(|place| (place.clone(), path.clone())));
        // A copy whose path can't be made fails in its own step, and holds up nothing else.
        let copies = self.copies.iter().filter_map(|copy| Some((copy.place().to_owned(), copy.path(experiment).ok()?)));
        first.chain(copies).collect()
    }

    /// The first collection, and those with copies.
    fn collections(&self) -> impl Iterator<Item = &Collection> {
        self.collection.iter().chain(self.copies.iter().map(SharedCopy::collection))
    }

    fn looked(&self) -> MutexGuard<'_, HashMap<Uuid, Looked>> {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
