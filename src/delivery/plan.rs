//! The plan of a delivery: its directories, and the obstacles to it.

use super::attempt_error::AttemptError;
use super::collection::{Collection, Principal};
use super::deliverer::Deliverer;
use super::inspection::{Inspection, inspect, inspect_collection, occupied, within};
use super::obstacle::Obstacle;
use super::plan_error::{PlanError, UnreachablePlace};
use super::shared::Shared;
use crate::domain::{EmailAddress, Experiment, Readings, RelativePath, StepError};
use crate::journal::{
    Acceptance, Accepted, AcceptedBy, Claim, ClaimState, ExperimentRow, JournalError, PersonState,
};
use crate::places::{DirectoryState, Place};
use futures::future::join_all;
use globus_transfer_client::AccessRule;
use jiff::Timestamp;
use uuid::Uuid;

/// The plan for an experiment. Making it changes nothing.
#[derive(Clone, Debug)]
pub struct Plan {
    /// For whom
    pub experiment: Experiment,
    /// The directories, the first tree's first
    pub paths: Vec<RelativePath>,
    /// The experiment as the journal knows it: delivered before, or with an e-mail that this one corrects
    pub known: Option<ExperimentRow>,
    /// Places that did not answer; they are inspected when they do, before anything is made there
    pub unreachable: Vec<UnreachablePlace>,
    obstacles: Vec<Obstacle>,
    approved: bool,
    claims: Vec<Claim>,
    /// Other experiments in the same directories, which the same person alone reads
    same_readers: Vec<Uuid>,
    /// The places and paths among them that hold such an experiment's files
    beside: Vec<(String, RelativePath)>,
    inspection: Inspection,
}

impl Plan {
    /// The obstacles; empty, too, when an operator has approved them.
    pub fn obstacles(&self) -> &[Obstacle] {
        if self.approved { &[] } else { &self.obstacles }
    }

    /// The address that the experiment was accepted with before, where this one is another.
    pub fn replaces(&self) -> Option<&EmailAddress> {
        let before = self.known.as_ref().map(|known| &known.experiment.pi_email);
        before.filter(|before| **before != self.experiment.pi_email)
    }

    /// The operator has read the obstacles and lets the experiment in.
    pub fn approve(&mut self) {
        self.approved = true;
    }

    /// Drops the obstacle of a new principal investigator, after a check that can't be forged, such as a
    /// signature.
    pub fn confirm_new_pi(&mut self) {
        self.obstacles.retain(|obstacle| !matches!(obstacle, Obstacle::NewPi { .. }));
    }

    /// The moment at which all that stands in the way has ended by itself; `None` where an operator must act.
    pub fn free_at(&self) -> Option<Timestamp> {
        let ends: Option<Vec<Timestamp>> = self.obstacles().iter().map(Obstacle::ends_at).collect();
        ends?.into_iter().max()
    }

    /// Whether the experiment is in the journal already, with this very e-mail.
    pub fn is_known(&self) -> bool {
        self.known.as_ref().is_some_and(|known| known.experiment.pi_email == self.experiment.pi_email)
    }
}

impl Deliverer {
    /// Inspects all places at once, within a short limit, and lists the obstacles. Changes nothing.
    pub async fn plan(&self, experiment: &Experiment) -> Result<Plan, PlanError> {
        let paths = self.paths(experiment)?;
        let known = self.journal.find_same(&experiment.owner(), &paths[0]).await?;
        let held = match &known {
            Some(row) => self.journal.claims(row.id).await?,
            None => vec![],
        };
        let id = known.as_ref().map(|row| row.id);
        let mut claims: Vec<Claim> = vec![];
        let mut obstacles = self.held_by_authority(experiment, &paths[0], known.as_ref()).await?;
        if let Some(row) = &known {
            obstacles.extend(self.other_readers(row).await?);
        }
        let (mut same_readers, mut beside) = (vec![], vec![]);
        for (place, path) in self.wanted(experiment, &paths) {
            let own = |held: &Claim| held.path.key() == path.key();
            if !held.iter().any(own) && !claims.iter().any(own) {
                for conflict in self.journal.conflicts(experiment, id, &path).await? {
                    if self.has_same_reader(experiment, id, &conflict).await? {
                        same_readers.push(conflict.experiment);
                    } else {
                        obstacles.push(Obstacle::Taken { conflict, key: self.key_without_number(&place) });
                    }
                }
            }
            let state = held.iter().find(|held| held.place == place && own(held));
            let state = state.map_or(ClaimState::Claimed, |held| held.state);
            if state == ClaimState::Claimed && self.is_made_beside(&same_readers, &place, &path).await? {
                beside.push((place.clone(), path.clone()));
            }
            claims.push(Claim { place, path, state });
        }

        // Files in a directory that was made for the same reader are no obstacle; other people's access to it
        // is.
        let occupied = |place: &str, path: &RelativePath, found: &DirectoryState| {
            let is_beside = beside.iter().any(|(other, its)| other == place && its == path);
            occupied(place, path, found, &paths, self.key_without_number(place)).filter(|_| !is_beside)
        };
        let mut inspection = Inspection::now();
        let mut unreachable = vec![];
        let unseen = |name: &str| -> Vec<RelativePath> {
            let here =
                claims.iter().filter(|claim| claim.place == name && claim.state == ClaimState::Claimed);
            here.map(|claim| claim.path.clone()).collect()
        };
        let looks = self.places.iter().map(|place| {
            let unseen = unseen(place.name());
            async move { (place.name().to_owned(), within(inspect(place.as_ref(), &unseen)).await) }
        });
        let on_globus = self.collections().filter_map(|collection| {
            let unseen = unseen(collection.name());
            let look = |unseen: Vec<RelativePath>| async move {
                (collection, unseen.clone(), within(inspect_collection(collection, unseen)).await)
            };
            (!unseen.is_empty()).then(|| look(unseen))
        });
        let (looks, on_globus) = tokio::join!(join_all(looks), join_all(on_globus));
        for (place, result) in looks {
            match result {
                Ok(found) => {
                    for (path, found) in found {
                        obstacles.extend(occupied(&place, &path, &found));
                        inspection.found.insert((place.clone(), path), found);
                    }
                }
                Err(error) => unreachable.push(UnreachablePlace { place, reason: error.message }),
            }
        }
        for (collection, unseen, result) in on_globus {
            let is_first = self.collection.as_ref().is_some_and(|first| first.name() == collection.name());
            let seen = match result {
                Ok((found, rules)) => {
                    let foreign = self.foreign(experiment, id, collection, &unseen, &rules).await;
                    foreign.map(|foreign| (found, rules, foreign))
                }
                Err(error) => Err(error.into()),
            };
            match seen {
                Ok((found, rules, foreign)) => {
                    for (path, found) in found {
                        obstacles.extend(occupied(collection.name(), &path, &found));
                        inspection.found.insert((collection.name().to_owned(), path), found);
                    }
                    obstacles.extend(foreign);
                    inspection.rules = inspection.rules.or_else(|| is_first.then_some(rules));
                }
                Err(error) => {
                    let place = if is_first { "Globus".to_owned() } else { collection.name().to_owned() };
                    unreachable.push(UnreachablePlace { place, reason: error.to_string() });
                }
            }
        }
        let experiment = experiment.clone();
        Ok(Plan {
            experiment,
            paths,
            known,
            unreachable,
            obstacles,
            approved: false,
            claims,
            same_readers,
            beside,
            inspection,
        })
    }

    /// Whether the path in this place was made for one of these experiments.
    async fn is_made_beside(
        &self,
        others: &[Uuid],
        place: &str,
        path: &RelativePath,
    ) -> Result<bool, JournalError> {
        for other in others {
            let claims = self.journal.claims(*other).await?;
            let is_made = |claim: &Claim| claim.state >= ClaimState::Making;
            if claims
                .iter()
                .any(|claim| claim.place == place && claim.path.key() == path.key() && is_made(claim))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Records in one commit that the experiment is to be delivered: its claims, the reference for the next
    /// set, and a delivery for [`Deliverer::run`]. After a kill it is found by [`Journal::unfinished`].
    ///
    /// [`Journal::unfinished`]: crate::journal::Journal::unfinished
    pub async fn accept(
        &self,
        plan: &Plan,
        by: AcceptedBy,
        readings: Option<&Readings>,
    ) -> Result<Accepted, PlanError> {
        if !plan.obstacles().is_empty() {
            return Err(PlanError::NotApproved(Obstacle::sentences(plan.obstacles())));
        }
        let covers = |place: &str, directory: &RelativePath, rule: &str| {
            self.collections()
                .any(|collection| collection.name() == place && collection.covers(directory, rule))
        };
        let mut claims = plan.claims.clone();
        for claim in &mut claims {
            let is_beside =
                plan.beside.iter().any(|(place, path)| *place == claim.place && *path == claim.path);
            // What an unreachable place holds is inspected, and held, when it answers.
            if claim.state == ClaimState::Claimed
                && is_beside
                && plan.inspection.covers(&claim.place, &claim.path)
            {
                claim.state = ClaimState::Making;
            }
        }
        let mut approved = vec![];
        for obstacle in &plan.obstacles {
            if let Obstacle::Taken { conflict, .. } = obstacle {
                approved.push(conflict.experiment);
            }
            for claim in &mut claims {
                if claim.state == ClaimState::Claimed && obstacle.settles(claim, covers) {
                    claim.state = ClaimState::Approved;
                }
            }
        }
        let accepted = self
            .journal
            .accept(&Acceptance {
                experiment: &plan.experiment,
                readings,
                by,
                path: &plan.paths[0],
                claims: &claims,
                approved: &approved,
                same_readers: &plan.same_readers,
                replaces: plan.replaces(),
            })
            .await?;
        if let Accepted::Accepted { id, .. } = &accepted {
            self.inspections().insert(*id, plan.inspection.clone());
        }
        Ok(accepted)
    }

    /// Inspects paths in a place that the plan did not reach, by the same rules.
    pub(super) async fn obstacles_at(
        &self,
        place: &dyn Place,
        paths: &[RelativePath],
        own: &[RelativePath],
    ) -> Result<Vec<Obstacle>, StepError> {
        let found = inspect(place, paths).await?;
        let key = self.key_without_number(place.name());
        let found = found.iter();
        Ok(found.filter_map(|(path, found)| occupied(place.name(), path, found, own, key.clone())).collect())
    }

    /// The same on a collection and its rules.
    pub(super) async fn obstacles_on_globus(
        &self,
        experiment: &Experiment,
        id: Uuid,
        shared: &Shared<'_>,
        paths: &[RelativePath],
    ) -> Result<Vec<Obstacle>, AttemptError> {
        let (found, rules) = inspect_collection(shared.collection, paths.to_vec()).await?;
        let (place, own) = (shared.collection.name(), &shared.paths);
        let key = self.key_without_number(place);
        let mut obstacles: Vec<_> =
            found.iter().filter_map(|(path, found)| occupied(place, path, found, own, key.clone())).collect();
        obstacles.extend(self.foreign(experiment, Some(id), shared.collection, paths, &rules).await?);
        Ok(obstacles)
    }

    /// Access rules on the paths or below them for people outside the experiment.
    async fn foreign(
        &self,
        experiment: &Experiment,
        id: Option<Uuid>,
        collection: &Collection,
        paths: &[RelativePath],
        rules: &[AccessRule],
    ) -> Result<Vec<Obstacle>, AttemptError> {
        let inside: Vec<_> = rules
            .iter()
            .filter(|rule| {
                rule.role_id.is_none() && paths.iter().any(|path| collection.covers(path, &rule.path))
            })
            .collect();
        if inside.is_empty() {
            return Ok(vec![]);
        }
        let (granted, mut wanted) = match id {
            Some(id) => (self.journal.access(id).await?, self.journal.people(id).await?),
            None => (vec![], vec![]),
        };
        wanted.retain(|person| person.state == PersonState::Present);
        let mut wanted: Vec<_> = wanted.into_iter().map(|person| person.email).collect();
        wanted.push(experiment.pi_email.clone());
        wanted.extend(collection.settings().share_with.iter().cloned());
        let known = collection.known(&wanted).await?;
        let mut obstacles = vec![];
        let mut strangers = vec![];
        for rule in inside {
            let principal = Principal::of(rule);
            let expected = principal.identity().is_some_and(|identity| {
                known.contains(&identity) || granted.iter().any(|row| row.identity == identity)
            });
            if !expected {
                strangers.push((rule, principal));
            }
        }
        let names =
            collection.names(strangers.iter().filter_map(|(_, principal)| principal.identity())).await;
        for (rule, principal) in strangers {
            let who = principal.identity().and_then(|identity| names.get(&identity).cloned());
            obstacles.push(Obstacle::Foreign {
                place: collection.name().to_owned(),
                path: rule.path.clone(),
                who: who.unwrap_or_else(|| principal.to_string()),
                key: self.key_without_number(collection.name()),
            });
        }
        Ok(obstacles)
    }
}
