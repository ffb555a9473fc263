//! Copies of the data that pairs of `[[sync]]` with `share` make: each a second home of the experiment, shared with the same
//! people on the same terms as the first, and mailed as a link of its own once the first files are there.
//!
//! The directory is claimed when the experiment is accepted, and looked at by the same rules. It is made before the first
//! transfer, so what is found in it later is this experiment's.

use super::attempt::{Ended, Trouble};
use super::collection::Collection;
use super::run::Run;
use super::share::Shared;
use super::{Deliverer, client};
use crate::config::{self, Config};
use crate::domain::{Experiment, FieldError, PathTemplate, RelativePath, Retry, Step, StepError, StepStatus};
use crate::sync::manifest::{Manifest, ManifestError};
use futures::FutureExt;
use futures::future::join_all;
use jiff::Timestamp;
use uuid::Uuid;

/// What the operator reads until the first files have arrived.
const WAITS: &str = "the copy is shared when its first files are there";

/// A pair whose destination is shared.
pub(super) struct SharedCopy {
    pair: String,
    collection: Collection,
    template: PathTemplate,
}

/// The pairs of the settings whose destinations are shared. An error names the file with the secret.
pub(super) fn from_config(config: &Config) -> Result<Vec<SharedCopy>, StepError> {
    let Some(settings) = &config.globus else { return Ok(vec![]) };
    let shared = config.sync.iter().filter(|pair| pair.share);
    let shared = shared.filter_map(|pair| Some((pair, pair.destination.path.below()?)));
    shared.map(|(pair, template)| SharedCopy::new(settings, pair, template)).collect()
}

impl SharedCopy {
    fn new(settings: &config::Globus, pair: &config::Sync, template: &PathTemplate) -> Result<SharedCopy, StepError> {
        let collection = Collection::of_pair(client(settings)?, settings, pair);
        Ok(SharedCopy { pair: pair.name.clone(), collection, template: template.clone() })
    }

    /// Its name in the journal's claims.
    pub fn place(&self) -> &str {
        use crate::places::Place;
        self.collection.name()
    }

    pub fn collection(&self) -> &Collection {
        &self.collection
    }

    pub fn path(&self, experiment: &Experiment) -> Result<RelativePath, FieldError> {
        self.template.render(experiment)
    }

    /// Whether a unit of [`Step::Sync`] is about it.
    pub fn is_about(&self, unit: &str) -> bool {
        unit.strip_prefix(&self.pair).is_some_and(|rest| rest.is_empty() || rest.starts_with(": "))
    }
}

impl From<ManifestError> for Trouble {
    fn from(error: ManifestError) -> Trouble {
        let retry = if error.can_pass() { Retry::Backoff } else { Retry::Never };
        StepError { message: error.to_string(), retry }.into()
    }
}

impl Deliverer {
    /// The experiments to whose shared copies files have come, and when the first of each copy were there.
    pub async fn arrived_copies(&self) -> Result<Vec<(Uuid, Timestamp)>, ManifestError> {
        if self.copies.is_empty() {
            return Ok(vec![]);
        }
        let is_shared = |collection: Uuid, path: &str| {
            self.copies.iter().any(|copy| {
                let settings = copy.collection.settings();
                settings.collection == collection && path.starts_with(&settings.top)
            })
        };
        let pairs = self.manifest().await?.pairs(true).await?;
        let arrived =
            pairs.into_iter().filter(|row| is_shared(row.pair.destination.collection, &row.pair.destination.path));
        Ok(arrived.filter_map(|row| Some((row.pair.experiment?, row.first_success_at?))).collect())
    }

    async fn manifest(&self) -> Result<&Manifest, ManifestError> {
        let file = Manifest::beside(self.journal.path());
        self.manifest.get_or_try_init(|| Manifest::open(&file)).await
    }

    /// Whether files of the experiment have arrived at a copy: its pair's first transfer has succeeded.
    async fn has_arrived(&self, experiment: Uuid, copy: &Shared<'_>) -> Result<bool, ManifestError> {
        let manifest = self.manifest().await?;
        let (collection, paths) = (copy.collection.settings().collection, &copy.paths);
        let is_here = |path: &str| {
            paths.iter().any(|here| copy.collection.path(here).trim_end_matches('/') == path.trim_end_matches('/'))
        };
        Ok(manifest.pairs(true).await?.iter().any(|row| {
            row.pair.experiment == Some(experiment)
                && row.first_success_at.is_some()
                && row.pair.destination.collection == collection
                && is_here(&row.pair.destination.path)
        }))
    }
}

impl<'a> Run<'a> {
    /// Makes the copies' directories. One that can't be made holds up no other.
    pub(super) async fn make_copies(&self) -> (Vec<Shared<'a>>, Vec<Ended>) {
        let copies = &self.deliverer.copies;
        self.progress.expect(Step::Sync, copies.iter().map(|copy| copy.pair.clone()));
        let made = join_all(copies.iter().map(|copy| self.make_copy(copy))).await;
        let (made, not_made): (Vec<_>, Vec<_>) = made.into_iter().partition(Result::is_ok);
        (made.into_iter().flatten().collect(), not_made.into_iter().filter_map(Result::err).collect())
    }

    async fn make_copy(&self, copy: &'a SharedCopy) -> Result<Shared<'a>, Ended> {
        let (deliverer, experiment) = (self.deliverer, &self.experiment.experiment);
        let once = |attempt| {
            async move {
                let path = copy.path(experiment).map_err(|error| {
                    let message = format!("its destination can't be named: {error}");
                    StepError { message, retry: Retry::Never }
                })?;
                let shared = Shared::copy(&copy.collection, path, &copy.pair);
                self.on_globus(&shared, attempt).await?;
                if !deliverer.has_arrived(self.experiment.id, &shared).await? {
                    self.progress.note(Step::Sync, &copy.pair, StepStatus::Pending, attempt, WAITS, &[]).await?;
                }
                Ok(shared)
            }
            .boxed()
        };
        self.attempts.until_true(Step::Sync, &copy.pair, once).await
    }

    /// Shares the copies that have arrived, and mails their links.
    pub(super) async fn share_copies(&self, made: &[Shared<'_>]) -> Vec<Ended> {
        let all = made.iter().map(|copy| async move {
            let (step, pair) = copy.making();
            let once = |_| async { Ok(self.deliverer.has_arrived(self.experiment.id, copy).await?) }.boxed();
            match self.attempts.until_true(step, pair, once).await {
                Ok(true) => {}
                Ok(false) => return vec![],
                Err(ended) => return vec![ended],
            }
            let mut ended = self.share_all(copy, false).await;
            ended.extend(self.email_about(copy, &ended).await);
            ended
        });
        join_all(all).await.into_iter().flatten().collect()
    }
}
