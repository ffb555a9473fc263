//! Describes a held group to the operator: who gains and loses access, and what will be mailed.

use super::deliverer::Deliverer;
use super::obstacle::Obstacle;
use super::plan::Plan;
use crate::domain::decision::{Hold, Release};
use crate::domain::{
    EmailAddress, Experiment, GroupIdentity, HeldGroup, HoldReason, OtherGroup, PlannedMail, Relation,
    RelativePath,
};
use crate::journal::ExperimentRow;

impl Deliverer {
    /// Describes the group of a plan that these holds and the plan's obstacles keep from being served.
    pub fn describe_held(&self, plan: &Plan, holds: &[Hold]) -> HeldGroup {
        self.describe(&plan.experiment, &plan.paths, plan.obstacles(), holds, plan.known.as_ref())
    }

    /// Describes a group whose delivery has met these obstacles.
    pub fn describe_held_delivery(&self, row: &ExperimentRow, obstacles: &[Obstacle]) -> HeldGroup {
        self.describe(&row.experiment, std::slice::from_ref(&row.path), obstacles, &[], Some(row))
    }

    fn describe(
        &self,
        experiment: &Experiment,
        paths: &[RelativePath],
        obstacles: &[Obstacle],
        holds: &[Hold],
        known: Option<&ExperimentRow>,
    ) -> HeldGroup {
        // The obstacles come first, since no weaker button than Approve releases them.
        let reasons = obstacles.iter().map(HoldReason::from).chain(holds.iter().map(HoldReason::from));
        let mut held =
            HeldGroup::new(experiment, paths.iter().map(ToString::to_string).collect(), reasons.collect());
        let is_removed = obstacles.iter().any(|obstacle| matches!(obstacle, Obstacle::RemovedPi { .. }));
        let pi = Some(&experiment.pi_email).filter(|_| !is_removed);
        if self.collection.is_some() {
            held.gains = self.readers(experiment, pi);
        }
        for obstacle in obstacles {
            match obstacle {
                Obstacle::NewPi { replaces, loses_access, .. } => {
                    held.question = format!("Replace the PI of {}?", held.group.name());
                    held.loses.extend(loses_access.then(|| replaces.to_string()));
                    held.other = known.map(accepted_before);
                }
                Obstacle::Taken { conflict, .. } => {
                    if self.collection.is_some() {
                        held.gains.push(format!("{} (reads this group's data too)", conflict.named));
                    }
                    held.other.get_or_insert_with(|| OtherGroup {
                        relation: Relation::HasDirectory,
                        group: GroupIdentity::from(&conflict.named),
                        directory: conflict.path.to_string(),
                    });
                }
                _ => {}
            }
        }
        let replaces =
            known.map(|row| &row.experiment.pi_email).filter(|before| **before != experiment.pi_email);
        held.mails = self.planned_mails(pi, replaces);
        held
    }

    fn readers(&self, experiment: &Experiment, pi: Option<&EmailAddress>) -> Vec<String> {
        let name = experiment.details.get(&crate::domain::Field::PiFirstName).map_or("", String::as_str);
        let name = format!("{name} {}", experiment.pi_last_name);
        let mut readers: Vec<String> = pi.map(|pi| format!("{} ({pi})", name.trim())).into_iter().collect();
        if self.serves_everyone() {
            readers.push(EVERYONE.to_owned());
        }
        readers.extend(self.further().map(ToString::to_string));
        readers
    }

    fn planned_mails(&self, pi: Option<&EmailAddress>, replaces: Option<&EmailAddress>) -> Vec<PlannedMail> {
        if self.mail_setup.is_none() {
            return vec![];
        }
        let contacts: Vec<String> = self.contacts().iter().map(ToString::to_string).collect();
        let mut users: Vec<String> = pi.map(ToString::to_string).into_iter().collect();
        if self.serves_everyone() {
            users.push(EVERYONE.to_owned());
        }
        let both =
            replaces.map(|replaces| replaces.to_string()).into_iter().chain(pi.map(ToString::to_string));
        let change = replaces.map(|_| both.chain(contacts.clone()).collect()).unwrap_or_default();
        let mails = [("Link to the data", users), ("Copy of it", contacts), ("Notice of the new PI", change)];
        let planned =
            |(about, recipients): (&str, Vec<String>)| PlannedMail { about: about.to_owned(), recipients };
        mails.into_iter().filter(|(_, recipients)| !recipients.is_empty()).map(planned).collect()
    }
}

/// The people of a proposal, whom the schedule names when the group is served.
const EVERYONE: &str = "everyone on the proposal";

fn accepted_before(row: &ExperimentRow) -> OtherGroup {
    OtherGroup {
        relation: Relation::AcceptedBefore,
        group: GroupIdentity::from(&row.experiment),
        directory: row.path.to_string(),
    }
}

impl From<&Obstacle> for HoldReason {
    fn from(obstacle: &Obstacle) -> HoldReason {
        HoldReason { reason: obstacle.reason(), remedy: obstacle.remedy(), release: Release::Approve }
    }
}
