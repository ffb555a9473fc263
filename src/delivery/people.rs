//! Who gets an experiment's data: the PI, those of the proposal where that is configured, those added by
//! hand, and `share_with`.
//!
//! The people are in the journal. The schedule adds and removes people; where it can't be asked, or its
//! answer does not list people, they stay as they are. The PI is one of them unless removed by hand.

use super::deliverer::Deliverer;
use super::person::{People, Person};
use crate::config::Recipients;
use crate::domain::{Booking, EmailAddress, Field};
use crate::journal::{
    ExperimentRow, GrantReason, JournalError, Listed, PersonRow, PersonSource, PersonState, Unreachable,
};
use crate::schedule::{BeamTime, ScheduleError};
use jiff::Timestamp;

/// The effect of the schedule's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// Other people than before are to get the data
    Changed,
    /// The same as before
    Same,
    /// Nothing, since the answer does not list the people of the proposal; the reason
    Unusable(String),
}

/// Why the people could not be refreshed.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// The schedule can't be asked
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// The journal can't be read or written
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Deliverer {
    /// The experiment's people as the journal knows them.
    pub async fn people(&self, row: &ExperimentRow) -> Result<People, JournalError> {
        let known = self.journal.people(row.id).await?;
        self.people_of(row, known).await
    }

    pub(super) async fn people_of(
        &self,
        row: &ExperimentRow,
        known: Vec<PersonRow>,
    ) -> Result<People, JournalError> {
        let pi = &row.experiment.pi_email;
        let further: Vec<&EmailAddress> = self.further().collect();
        let mut addressees = vec![];
        // Somebody removed by hand stays so, whoever the PVs say the principal investigator is.
        if !known.iter().any(|person| person.email == *pi && person.state == PersonState::Removed) {
            addressees.push(Person { email: pi.clone(), name: pi_name(row), reason: GrantReason::Pi });
        }
        for person in known {
            if person.state == PersonState::Present && person.email != *pi {
                let reason = match person.source {
                    PersonSource::Schedule => GrantReason::Scheduled,
                    PersonSource::Added => GrantReason::Added,
                };
                addressees.push(Person { email: person.email, name: person.name, reason });
            }
        }
        let mut readers = vec![];
        if self.collection.is_some() {
            readers.clone_from(&addressees);
            let others = readers.iter_mut().filter(|reader| reader.reason != GrantReason::Pi);
            for reader in others.filter(|reader| further.contains(&&reader.email)) {
                reader.reason = GrantReason::Further;
            }
            for email in further {
                if !readers.iter().any(|reader| reader.email == *email) {
                    readers.push(Person {
                        email: email.clone(),
                        name: String::new(),
                        reason: GrantReason::Further,
                    });
                }
            }
        }
        Ok(People { addressees, readers, unreachable: self.journal.unreachable(row.id).await? })
    }

    /// Whether everyone on the proposal gets the data.
    pub fn serves_everyone(&self) -> bool {
        self.config.schedule.as_ref().is_some_and(|schedule| schedule.recipients == Recipients::Schedule)
    }

    /// Asks the schedule who is on the experiment's proposal, and keeps the answer. An unusable answer
    /// changes nothing.
    pub async fn refresh_people(&self, row: &ExperimentRow) -> Result<Refreshed, RefreshError> {
        let (Some(source), Some(settings)) = (&self.schedule, &self.config.schedule) else {
            return Ok(Refreshed::Unusable("no schedule is configured".to_owned()));
        };
        let now = Timestamp::now();
        let schedule = source.near(now, settings.grace).await?;
        let beam_time = match schedule.of_group(&row.experiment, now, settings.grace) {
            Ok(beam_time) => beam_time,
            Err(why) => {
                tracing::warn!(experiment = %row.experiment, "the people stay as they are: {why}");
                return Ok(Refreshed::Unusable(why));
            }
        };
        let (listed, unreachable) = people_on(beam_time);
        self.journal.set_booking(row.id, &Booking::from(beam_time)).await?;
        let before = self.journal.unreachable(row.id).await?;
        let changed = self.journal.set_listed(row.id, &listed, &unreachable).await?;
        for person in unreachable.iter().filter(|person| !before.contains(person)) {
            tracing::warn!(experiment = %row.experiment, "{} is on the proposal and gets nothing: {}", person.name, person.reason);
        }
        if changed {
            let emails = listed.iter().map(|person| person.email.as_str()).collect::<Vec<_>>().join(", ");
            tracing::info!(experiment = %row.experiment, "on the proposal by the schedule: {emails}");
        }
        Ok(if changed { Refreshed::Changed } else { Refreshed::Same })
    }
}

fn pi_name(row: &ExperimentRow) -> String {
    let first = row.experiment.details.get(&Field::PiFirstName).map(String::as_str).unwrap_or_default();
    format!("{first} {}", row.experiment.pi_last_name).trim().to_owned()
}

/// Everyone on the proposal, once each whatever the capitals, and those who can't be reached.
fn people_on(beam_time: &BeamTime) -> (Vec<Listed>, Vec<Unreachable>) {
    let mut listed: Vec<Listed> = vec![];
    for person in &beam_time.proposal.experimenters {
        if let Some(email) = person.email.address()
            && !listed.iter().any(|other| other.email == *email)
        {
            listed.push(Listed { email: email.clone(), name: person.name() });
        }
    }
    let unreachable = beam_time.unreachable();
    let unreachable =
        unreachable.map(|person| Unreachable { name: person.name(), reason: person.email.to_string() });
    (listed, unreachable.collect())
}
