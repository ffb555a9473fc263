//! Authority: a plan holds some experiments for Approve although their user info is complete and consistent.
//! Many people can write the PVs, so user info alone never moves data from one person to another.

use super::deliverer::Deliverer;
use super::obstacle::Obstacle;
use super::plan_error::PlanError;
use crate::config::Config;
use crate::domain::{EmailAddress, Experiment, Field, RelativePath, link_in};
use crate::journal::{AccessState, Conflict, ExperimentRow, Journal, JournalError, Limited, PersonState};
use jiff::Timestamp;
use std::time::Duration;
use uuid::Uuid;

/// Why everyone can't be mailed again now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "Resend refused: the limit of {per_hour} per hour is reached (resends_per_hour); the next is possible \
     at {ends}"
)]
pub struct ResendRefused {
    per_hour: u32,
    /// When the next one is possible
    pub ends_at: Timestamp,
    ends: String,
}

impl ResendRefused {
    /// Why everyone can't be mailed again now, by the limit of `[rules]` and the journal.
    pub async fn now(journal: &Journal, config: &Config) -> Result<Option<ResendRefused>, JournalError> {
        let per_hour = config.rules.resends_per_hour;
        let ends_at = journal.allowance(Limited::Resends, per_hour).await?.ends_at;
        Ok(ends_at.map(|ends_at| ResendRefused { per_hour, ends_at, ends: time_of_day(config, ends_at) }))
    }
}

/// The time of day by the facility's clocks, rounded up to a minute.
fn time_of_day(config: &Config, at: Timestamp) -> String {
    let up = at.saturating_add(jiff::SignedDuration::from_secs(59)).unwrap_or(Timestamp::MAX);
    up.to_zoned_datetime(config.beamline.zone()).strftime("%H:%M").to_string()
}

/// How long the schedule may take to confirm a new principal investigator.
const SCHEDULE_LIMIT: Duration = Duration::from_secs(10);

impl Deliverer {
    /// The obstacles that follow from the experiment's texts and from the journal.
    pub(super) async fn held_by_authority(
        &self,
        experiment: &Experiment,
        path: &RelativePath,
        known: Option<&ExperimentRow>,
    ) -> Result<Vec<Obstacle>, PlanError> {
        let mut obstacles = vec![];
        match known {
            Some(row) if row.experiment.pi_email != experiment.pi_email => {
                obstacles.extend(self.new_pi(experiment, row).await?);
            }
            Some(_) => {}
            None => obstacles.extend(self.too_many_groups().await?),
        }
        if let Some(row) = known
            && self.is_removed(row.id, &experiment.pi_email).await?
        {
            obstacles.push(Obstacle::RemovedPi { email: experiment.pi_email.clone(), path: path.clone() });
        }
        if known.is_none_or(|row| row.experiment != *experiment) {
            obstacles.extend(links(experiment));
        }
        Ok(obstacles)
    }

    /// The replacement of an accepted experiment's principal investigator, unless the schedule confirms it.
    async fn new_pi(
        &self,
        experiment: &Experiment,
        row: &ExperimentRow,
    ) -> Result<Option<Obstacle>, JournalError> {
        if self.schedule_confirms_pi(experiment).await {
            return Ok(None);
        }
        let replaces = row.experiment.pi_email.clone();
        let loses_access = self.loses_access(row, &replaces).await?;
        let (experiment, path) = (Box::new(experiment.clone()), row.path.clone());
        Ok(Some(Obstacle::NewPi { experiment, replaces, path, loses_access }))
    }

    /// Whether an address has access that beamshare gave it as principal investigator and in no other role.
    pub(super) async fn loses_access(
        &self,
        row: &ExperimentRow,
        email: &EmailAddress,
    ) -> Result<bool, JournalError> {
        let access = self.journal.access(row.id).await?;
        let has_access =
            access.iter().any(|row| row.email == *email && row.ours && row.state != AccessState::Revoked);
        Ok(has_access && !self.keeps_access(row.id, email).await?)
    }

    /// Whether an address has access in another role than principal investigator.
    pub(super) async fn keeps_access(
        &self,
        experiment: Uuid,
        email: &EmailAddress,
    ) -> Result<bool, JournalError> {
        let people = self.journal.people(experiment).await?;
        Ok(self.further().any(|further| further == email)
            || people.iter().any(|person| person.email == *email && person.state == PersonState::Present))
    }

    async fn is_removed(&self, experiment: Uuid, email: &EmailAddress) -> Result<bool, JournalError> {
        let people = self.journal.people(experiment).await?;
        Ok(people.iter().any(|person| person.email == *email && person.state == PersonState::Removed))
    }

    /// Whether the schedule lists the address as the principal investigator of the experiment's proposal,
    /// with the name and the month. `false` where it can't be asked in time.
    async fn schedule_confirms_pi(&self, experiment: &Experiment) -> bool {
        let (Some(source), Some(settings)) = (&self.schedule, &self.config.schedule) else { return false };
        let now = Timestamp::now();
        match tokio::time::timeout(SCHEDULE_LIMIT, source.near(now, settings.grace)).await {
            Ok(Ok(schedule)) => schedule.confirms_pi(experiment, now, settings.grace),
            Ok(Err(error)) => {
                tracing::warn!("the schedule can't confirm the new PI: {error}");
                false
            }
            Err(_) => false,
        }
    }

    /// Why everyone can't be mailed again now; see [`ResendRefused::now`].
    pub async fn resend_refused(&self) -> Result<Option<ResendRefused>, JournalError> {
        ResendRefused::now(&self.journal, &self.config).await
    }

    async fn too_many_groups(&self) -> Result<Option<Obstacle>, JournalError> {
        let per_hour = self.config.rules.new_groups_per_hour;
        let ends_at = self.journal.allowance(Limited::NewGroups, per_hour).await?.ends_at;
        Ok(ends_at.map(|ends_at| Obstacle::TooManyGroups {
            per_hour,
            ends_at,
            ends: self.time_of_day(ends_at),
        }))
    }

    /// The time of day by the facility's clocks, rounded up to a minute.
    pub(super) fn time_of_day(&self, at: Timestamp) -> String {
        time_of_day(&self.config, at)
    }

    /// The addresses of `share_with`.
    pub(super) fn further(&self) -> impl Iterator<Item = &EmailAddress> {
        self.collection.iter().flat_map(|collection| collection.settings().share_with.iter())
    }

    /// Whether nobody but one principal investigator, and those of `share_with`, reads either of two
    /// experiments: then they may be in one directory without anybody's approval.
    pub(super) async fn has_same_reader(
        &self,
        experiment: &Experiment,
        id: Option<Uuid>,
        other: &Conflict,
    ) -> Result<bool, JournalError> {
        let pi = &experiment.pi_email;
        if *pi != other.named.pi_email || self.serves_everyone() {
            return Ok(false);
        }
        for id in id.into_iter().chain([other.experiment]) {
            let is_theirs =
                |email: &EmailAddress| email == pi || self.further().any(|further| further == email);
            let people = self.journal.people(id).await?;
            let access = self.journal.access(id).await?;
            let others = people.iter().any(|person| match person.state {
                PersonState::Present => !is_theirs(&person.email),
                PersonState::Removed => person.email == *pi,
                PersonState::Unlisted => false,
            });
            if others || access.iter().any(|row| row.state != AccessState::Revoked && !is_theirs(&row.email))
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The experiments that share a directory with an accepted one because the same person alone reads both,
    /// where that is not so any more.
    pub(super) async fn other_readers(&self, row: &ExperimentRow) -> Result<Vec<Obstacle>, JournalError> {
        let mut obstacles = vec![];
        for other in self.journal.same_readers(row.id).await? {
            let Some(other) = self.journal.experiment(other).await? else { continue };
            let conflict = Conflict {
                experiment: other.id,
                named: other.experiment,
                path: other.path,
                wanted: row.path.clone(),
            };
            if !self.has_same_reader(&row.experiment, Some(row.id), &conflict).await? {
                obstacles.push(Obstacle::Taken { conflict, key: self.key_without_number("") });
            }
        }
        Ok(obstacles)
    }
}

/// Texts that contain links.
fn links(experiment: &Experiment) -> impl Iterator<Item = Obstacle> + '_ {
    Field::ALL.into_iter().filter(|field| *field != Field::PiEmail).filter_map(|field| {
        let link = link_in(&experiment.text(field)?)?;
        Some(Obstacle::Link { field, link })
    })
}
