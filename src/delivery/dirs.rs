//! Directories on this machine and on hosts, all at once; and the directory on Globus.

use super::attempt::StepResult;
use super::attempt_error::AttemptError;
use super::execute::DeliveryRun;
use super::shared::Shared;
use crate::domain::{RelativePath, Step, StepStatus, Unit};
use crate::journal::{Claim, ClaimState, JournalError, JournalRecord};
use crate::places::{CreateOutcome, Place};
use futures::FutureExt;
use futures::future::join_all;

impl DeliveryRun<'_> {
    /// Makes the directories on every host; an unreachable one holds up no other.
    pub(super) async fn dirs(&self) -> Vec<StepResult> {
        let places = &self.deliverer.places;
        self.progress.expect(Step::Dirs, places.iter().map(|place| Unit::Place(place.name().to_owned())));
        let all = places.iter().map(|place| async move {
            let unit = Unit::Place(place.name().to_owned());
            let once = |attempt| self.on_place(place.as_ref(), attempt).boxed();
            self.attempts.until_true(Step::Dirs, &unit, once).await
        });
        join_all(all).await.into_iter().filter_map(Result::err).collect()
    }

    async fn on_place(&self, place: &dyn Place, attempt: u32) -> Result<(), AttemptError> {
        let (name, unit) = (place.name(), &Unit::Place(place.name().to_owned()));
        let claims = self.claims(name, &self.paths).await?;
        let unseen = self.unseen(&claims, attempt);
        if !unseen.is_empty() {
            self.progress.show(Step::Dirs, unit, StepStatus::Running, "looking");
            let obstacles = self.deliverer.obstacles_at(place, &unseen, &self.paths).await?;
            if !obstacles.is_empty() {
                return Err(AttemptError::Obstacles(obstacles));
            }
        }
        self.make_all(Step::Dirs, unit, place, claims, attempt).await
    }

    /// Makes the directory on Globus.
    pub(super) async fn globus(&self) -> Vec<StepResult> {
        let Some(collection) = &self.deliverer.collection else { return vec![] };
        self.progress.expect(Step::Globus, [Unit::GlobusDirectory]);
        let first = Shared::first(collection, &self.paths);
        let once = |attempt| self.on_globus(&first, attempt).boxed();
        let made = self.attempts.until_true(Step::Globus, &Unit::GlobusDirectory, once).await;
        made.err().into_iter().collect()
    }

    /// Makes the directories on a collection after checking that they are not another group's.
    pub(super) async fn on_globus(&self, shared: &Shared<'_>, attempt: u32) -> Result<(), AttemptError> {
        let (step, unit) = shared.making();
        let claims = self.claims(shared.collection.name(), &shared.paths).await?;
        let unseen = self.unseen(&claims, attempt);
        if !unseen.is_empty() {
            self.progress.show(step, &unit, StepStatus::Running, "looking");
            let obstacles = self
                .deliverer
                .obstacles_on_globus(&self.experiment.experiment, self.experiment.id, shared, &unseen)
                .await?;
            if !obstacles.is_empty() {
                return Err(AttemptError::Obstacles(obstacles));
            }
        }
        self.make_all(step, &unit, shared.collection, claims, attempt).await
    }

    /// The experiment's claims in a place, also in one that the settings have gained since.
    async fn claims(&self, place: &str, paths: &[RelativePath]) -> Result<Vec<Claim>, JournalError> {
        let held = self.deliverer.journal().claims(self.experiment.id).await?;
        let claim = |path: &RelativePath| {
            held.iter()
                .find(|held| held.place == place && held.path.key() == path.key())
                .cloned()
                .unwrap_or_else(|| Claim {
                    place: place.to_owned(),
                    path: path.clone(),
                    state: ClaimState::Claimed,
                })
        };
        Ok(paths.iter().map(claim).collect())
    }

    /// The paths where another group's files may be. Those that the plan has just inspected are left out.
    fn unseen(&self, claims: &[Claim], attempt: u32) -> Vec<RelativePath> {
        let just_seen = |claim: &Claim| {
            attempt == 1
                && self
                    .inspection
                    .as_ref()
                    .is_some_and(|seen| seen.is_fresh() && seen.covers(&claim.place, &claim.path))
        };
        let unseen = claims.iter().filter(|claim| claim.state == ClaimState::Claimed && !just_seen(claim));
        unseen.map(|claim| claim.path.clone()).collect()
    }

    /// Makes the claimed directories; the journal is written before and after.
    async fn make_all(
        &self,
        step: Step,
        unit: &Unit,
        place: &dyn Place,
        claims: Vec<Claim>,
        attempt: u32,
    ) -> Result<(), AttemptError> {
        let with = |state: ClaimState| -> Vec<Claim> {
            claims.iter().map(|claim| Claim { state: claim.state.max(state), ..claim.clone() }).collect()
        };
        let id = self.experiment.id;
        let making = with(ClaimState::Making);
        let records: Vec<_> = making.iter().map(|claim| JournalRecord::Claim(id, claim)).collect();
        self.progress.note(step, unit, StepStatus::Running, attempt, "making", &records).await?;
        let mut messages = vec![];
        for claim in &claims {
            match place.make(&claim.path).await {
                Ok(CreateOutcome::Created) => messages.push(format!("{} made", claim.path)),
                Ok(CreateOutcome::Existed) => messages.push(format!("{} was there", claim.path)),
                Err(error) => {
                    // The directory was not made, so files found there later may be another group's.
                    let records: Vec<_> =
                        claims.iter().map(|claim| JournalRecord::Claim(id, claim)).collect();
                    self.progress
                        .note(step, unit, StepStatus::Running, attempt, "not made", &records)
                        .await?;
                    return Err(error.into());
                }
            }
        }
        let made = with(ClaimState::Made);
        let records: Vec<_> = made.iter().map(|claim| JournalRecord::Claim(id, claim)).collect();
        self.progress.note(step, unit, StepStatus::Done, attempt, &messages.join(", "), &records).await?;
        Ok(())
    }
}
