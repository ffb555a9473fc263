//! Replicas of the data that pairs of `[[sync]]` with `share` make: each a second home of the experiment,
//! shared with the same people on the same terms as the first, and mailed as a link of its own once the first
//! files are there.
//!
//! The directory is claimed when the experiment is accepted, and looked at by the same rules. It is made
//! before the first transfer, so what is found in it later is this experiment's.

use super::attempt::StepResult;
use super::attempt_error::AttemptError;
use super::deliverer::Deliverer;
use super::execute::Run;
use super::shared::Shared;
use super::shared_replica::SharedReplica;
use crate::domain::{ReplicaPart, Step, StepStatus, Unit};
use crate::sync::manifest::{Manifest, ManifestError};
use futures::FutureExt;
use futures::future::join_all;
use jiff::Timestamp;
use uuid::Uuid;

/// The operator's message until the first files have arrived.
const WAITS: &str = "the replica is shared when its first files are there";

impl Deliverer {
    /// The experiments to whose shared replicas files have come, and when the first of each replica were
    /// there.
    pub async fn arrived_replicas(&self) -> Result<Vec<(Uuid, Timestamp)>, ManifestError> {
        if self.replicas.is_empty() {
            return Ok(vec![]);
        }
        let is_shared = |collection: Uuid, path: &str| {
            self.replicas.iter().any(|replica| {
                let settings = replica.collection().settings();
                settings.collection == collection && path.starts_with(&settings.top)
            })
        };
        let pairs = self.manifest().await?.pairs(true).await?;
        let arrived = pairs
            .into_iter()
            .filter(|row| is_shared(row.pair.destination.collection, &row.pair.destination.path));
        Ok(arrived.filter_map(|row| Some((row.pair.experiment?, row.first_success_at?))).collect())
    }

    async fn manifest(&self) -> Result<&Manifest, ManifestError> {
        let file = Manifest::beside(self.journal.path());
        self.manifest.get_or_try_init(|| Manifest::open(&file)).await
    }

    /// Whether files of the experiment have arrived at a replica: its pair's first transfer has succeeded.
    async fn has_arrived(&self, experiment: Uuid, replica: &Shared<'_>) -> Result<bool, ManifestError> {
        let manifest = self.manifest().await?;
        let (collection, paths) = (replica.collection.settings().collection, &replica.paths);
        let is_here = |path: &str| {
            paths
                .iter()
                .any(|here| replica.collection.path(here).trim_end_matches('/') == path.trim_end_matches('/'))
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
    /// Makes the replicas' directories. One that can't be made holds up no other.
    pub(super) async fn make_replicas(&self) -> (Vec<Shared<'a>>, Vec<StepResult>) {
        let replicas = &self.deliverer.replicas;
        self.progress.expect(Step::Sync, replicas.iter().map(replica_unit));
        let made = join_all(replicas.iter().map(|replica| self.make_replica(replica))).await;
        let (made, not_made): (Vec<_>, Vec<_>) = made.into_iter().partition(Result::is_ok);
        (made.into_iter().flatten().collect(), not_made.into_iter().filter_map(Result::err).collect())
    }

    async fn make_replica(&self, replica: &'a SharedReplica) -> Result<Shared<'a>, StepResult> {
        let (deliverer, experiment) = (self.deliverer, &self.experiment.experiment);
        let unit = &replica_unit(replica);
        let once = |attempt| {
            async move {
                let path = replica.path(experiment).map_err(AttemptError::ReplicaPath)?;
                let shared = Shared::replica(replica.collection(), path, replica.pair());
                self.on_globus(&shared, attempt).await?;
                if !deliverer.has_arrived(self.experiment.id, &shared).await? {
                    self.progress.note(Step::Sync, unit, StepStatus::Pending, attempt, WAITS, &[]).await?;
                }
                Ok(shared)
            }
            .boxed()
        };
        self.attempts.until_true(Step::Sync, unit, once).await
    }

    /// Shares the replicas that have arrived, and mails their links.
    pub(super) async fn share_replicas(&self, made: &[Shared<'_>]) -> Vec<StepResult> {
        let all = made.iter().map(|replica| async move {
            let (step, unit) = replica.making();
            let once =
                |_| async { Ok(self.deliverer.has_arrived(self.experiment.id, replica).await?) }.boxed();
            match self.attempts.until_true(step, &unit, once).await {
                Ok(true) => {}
                Ok(false) => return vec![],
                Err(ended) => return vec![ended],
            }
            let mut ended = self.share_all(replica, false).await;
            ended.extend(self.email_about(replica, &ended).await);
            ended
        });
        join_all(all).await.into_iter().flatten().collect()
    }
}

/// The unit of a replica's directory, and of the arrival of its first files.
fn replica_unit(replica: &SharedReplica) -> Unit {
    Unit::Replica(replica.pair().to_owned(), ReplicaPart::Directory)
}
