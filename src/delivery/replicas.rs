//! Replicas of the data, which pairs of `[[sync]]` with `share` make. Each is shared with the same people as
//! the first directory on the same terms, and announced by a message of its own when its first files have
//! arrived.
//!
//! The directory is claimed when the experiment is accepted, and inspected by the same rules. It is made
//! before the first transfer, so its later contents belong to this experiment.

use super::attempt::StepResult;
use super::attempt_error::AttemptError;
use super::collection::Collection;
use super::deliverer::Deliverer;
use super::execute::{DeliveryRun, is_stopped};
use super::shared::{MadeReplicas, Shared};
use super::shared_replica::SharedReplica;
use crate::domain::{FieldError, RelativePath, ReplicaPart, Step, StepStatus, Unit};
use crate::sync::SyncError;
use crate::sync::manifest::{Manifest, ManifestError};
use futures::FutureExt;
use futures::future::join_all;
use jiff::Timestamp;
use uuid::Uuid;

/// The operator's message until the first files have arrived.
const WAITING: &str = "the replica is shared when its first files are there";

/// A shared replica to which files have come.
#[derive(Clone, Debug)]
pub struct ArrivedReplica {
    /// Whose data it is
    pub experiment: Uuid,
    /// The unit of a delivery that makes the replica's directory; it stays pending until the files are there
    pub unit: Unit,
    /// When the first files were there
    pub at: Timestamp,
}

impl Deliverer {
    /// The shared replicas to which files have come.
    pub async fn arrived_replicas(&self) -> Result<Vec<ArrivedReplica>, SyncError> {
        if self.replicas.is_empty() {
            return Ok(vec![]);
        }
        let shared = |collection: Uuid, path: &str| {
            self.replicas.iter().find(|replica| {
                let settings = replica.collection().settings();
                settings.collection == collection && path.starts_with(&settings.top)
            })
        };
        let mut arrived = vec![];
        for row in self.manifest().await?.pairs(true).await? {
            let destination = &row.pair.destination;
            let Some(replica) = shared(destination.collection, &destination.path) else { continue };
            let (Some(experiment), Some(at)) = (row.pair.experiment, row.first_success_at) else { continue };
            let Some(owner) = self.journal.experiment(experiment).await? else { continue };
            let kept = self.kept_claims(&owner).await?;
            let path = replica.accepted_path(&owner.experiment, kept.as_deref());
            // After an edit of the pair's paths, a delivery makes and shares only the directory of the present ones.
            if let Some(Ok(path)) = path
                && is_at(replica.collection(), &path, &destination.path)
            {
                arrived.push(ArrivedReplica { experiment, unit: replica_unit(replica), at });
            }
        }
        Ok(arrived)
    }

    async fn manifest(&self) -> Result<&Manifest, ManifestError> {
        let file = Manifest::beside(self.journal.path());
        self.manifest.get_or_try_init(|| Manifest::open(&file)).await
    }

    /// Whether files of the experiment have arrived at a replica: its pair's first transfer has succeeded.
    async fn has_arrived(&self, experiment: Uuid, replica: &Shared<'_>) -> Result<bool, ManifestError> {
        let manifest = self.manifest().await?;
        let (collection, paths) = (replica.collection.settings().collection, &replica.paths);
        let is_here = |path: &str| paths.iter().any(|here| is_at(replica.collection, here, path));
        Ok(manifest.pairs(true).await?.iter().any(|row| {
            row.pair.experiment == Some(experiment)
                && row.first_success_at.is_some()
                && row.pair.destination.collection == collection
                && is_here(&row.pair.destination.path)
        }))
    }
}

impl<'a> DeliveryRun<'a> {
    /// The replicas of the delivery; makes their directories at the first call. One that can't be made does
    /// not affect the others.
    pub(super) async fn replicas(&self) -> &MadeReplicas<'a> {
        self.replicas.get_or_init(|| self.make_replicas()).await
    }

    async fn make_replicas(&self) -> MadeReplicas<'a> {
        if !self.expects(Step::Sync) {
            return MadeReplicas { made: vec![], not_made: vec![] };
        }
        let experiment = &self.experiment.experiment;
        let replicas = self.deliverer.replicas.iter();
        let replicas: Vec<_> = replicas
            .filter_map(|replica| Some((replica, replica.accepted_path(experiment, self.kept.as_deref())?)))
            .collect();
        self.progress.expect(Step::Sync, replicas.iter().map(|(replica, _)| replica_unit(replica)));
        let made = join_all(replicas.iter().map(|(replica, path)| self.make_replica(replica, path))).await;
        let (made, not_made): (Vec<_>, Vec<_>) = made.into_iter().partition(Result::is_ok);
        let not_made = not_made.into_iter().filter_map(Result::err).collect();
        MadeReplicas { made: made.into_iter().flatten().collect(), not_made }
    }

    async fn make_replica(
        &self,
        replica: &'a SharedReplica,
        path: &Result<RelativePath, FieldError>,
    ) -> Result<Shared<'a>, StepResult> {
        let deliverer = self.deliverer;
        let unit = &replica_unit(replica);
        let once = |attempt| {
            async move {
                let path = path.clone().map_err(AttemptError::ReplicaPath)?;
                let shared = Shared::replica(replica.collection(), path, replica.pair());
                self.on_globus(&shared, attempt).await?;
                if !deliverer.has_arrived(self.experiment.id, &shared).await? {
                    self.progress.note(Step::Sync, unit, StepStatus::Pending, attempt, WAITING, &[]).await?;
                }
                Ok(shared)
            }
            .boxed()
        };
        self.attempts.until_true(Step::Sync, unit, once).await
    }

    /// Shares the replicas that have arrived, and mails their links. `before` are the failures of the steps
    /// that this waits for.
    pub(super) async fn share_replicas(&self, before: &[StepResult]) -> Vec<StepResult> {
        let MadeReplicas { made, not_made } = self.replicas().await;
        // Data that may not be shared here, for instance because a hook failed, is not shared there.
        if is_stopped(before) || is_stopped(not_made) || self.progress.has_failed(Step::Share) {
            return not_made.clone();
        }
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
        let shared = join_all(all).await.into_iter().flatten();
        not_made.iter().cloned().chain(shared).collect()
    }
}

/// Whether a directory of an experiment is this path of its collection.
fn is_at(collection: &Collection, path: &RelativePath, whole: &str) -> bool {
    collection.path(path).trim_end_matches('/') == whole.trim_end_matches('/')
}

/// The unit of a replica's directory, and of the arrival of its first files.
fn replica_unit(replica: &SharedReplica) -> Unit {
    Unit::Replica(replica.pair().to_owned(), ReplicaPart::Directory)
}
