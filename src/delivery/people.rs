//! Who gets an experiment's data: the PI, those of the proposal where that is configured, those added by hand, and
//! `share_with`.
//!
//! The people are in the journal. The schedule adds to them and takes from them; where it can't be asked, or its answer is
//! of no use, they stay as they are, and the PI is always one of them.

use super::Deliverer;
use super::attempt::{Ended, Trouble};
use super::run::Run;
use crate::config::Recipients;
use crate::domain::{Booking, EmailAddress, Field, Retry, Step, StepError, StepStatus};
use crate::journal::{
    Cause, ExperimentRow, GrantReason, JournalError, Listed, PersonRow, PersonSource, PersonState, Role, ServedRow,
    Unreachable,
};
use crate::schedule::{BeamTime, ScheduleError};
use futures::FutureExt;
use jiff::Timestamp;
use std::time::Duration;
use tokio::sync::Notify;

/// The unit of asking the schedule.
pub(crate) const SCHEDULE: &str = "schedule";

/// How long those who are known wait for the schedule's answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// One of an experiment's people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Their address
    pub email: EmailAddress,
    /// The name, as far as the PVs, the schedule or the person who added them say
    pub name: String,
    /// As what they get access
    pub holder: GrantReason,
}

/// An experiment's people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct People {
    /// Who gets a message of their own, once each: the PI first
    pub addressees: Vec<Person>,
    /// With whom the directories are shared: these, and those of `share_with`; nobody where nothing is shared
    pub readers: Vec<Person>,
    /// Who is on the proposal and can't be reached
    pub unreachable: Vec<Unreachable>,
}

/// What the schedule's answer has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// Other people than before are to get the data
    Changed,
    /// The same as before
    Same,
    /// Nothing, since the answer does not tell who is on the proposal: why
    Unusable(String),
}

/// Why the people could not be asked for.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// The schedule can't be asked
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// The journal can't be read or written
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl From<ScheduleError> for StepError {
    fn from(error: ScheduleError) -> StepError {
        let retry = match error {
            ScheduleError::NoAnswer { .. } | ScheduleError::Answer { .. } => Retry::Backoff,
            _ => Retry::Never,
        };
        StepError { message: error.to_string(), retry }
    }
}

impl From<RefreshError> for Trouble {
    fn from(error: RefreshError) -> Trouble {
        match error {
            RefreshError::Schedule(error) => Trouble::Step(error.into()),
            RefreshError::Journal(error) => error.into(),
        }
    }
}

impl Deliverer {
    /// The experiment's people as the journal knows them.
    pub async fn people(&self, row: &ExperimentRow) -> Result<People, JournalError> {
        let known = self.journal.people(row.id).await?;
        self.people_of(row, known).await
    }

    async fn people_of(&self, row: &ExperimentRow, known: Vec<PersonRow>) -> Result<People, JournalError> {
        let pi = &row.experiment.pi_email;
        let further: Vec<&EmailAddress> = self.further().collect();
        let mut addressees = vec![];
        // Somebody removed by hand stays so, whoever the PVs say the principal investigator is.
        if !known.iter().any(|person| person.email == *pi && person.state == PersonState::Removed) {
            addressees.push(Person { email: pi.clone(), name: pi_name(row), holder: GrantReason::Pi });
        }
        for person in known {
            if person.state == PersonState::Present && person.email != *pi {
                let holder = match person.source {
                    PersonSource::Schedule => GrantReason::Scheduled,
                    PersonSource::Added => GrantReason::Added,
                };
                addressees.push(Person { email: person.email, name: person.name, holder });
            }
        }
        let mut readers = vec![];
        if self.collection.is_some() {
            readers.clone_from(&addressees);
            let others = readers.iter_mut().filter(|reader| reader.holder != GrantReason::Pi);
            for reader in others.filter(|reader| further.contains(&&reader.email)) {
                reader.holder = GrantReason::Further;
            }
            for email in further {
                if !readers.iter().any(|reader| reader.email == *email) {
                    readers.push(Person { email: email.clone(), name: String::new(), holder: GrantReason::Further });
                }
            }
        }
        Ok(People { addressees, readers, unreachable: self.journal.unreachable(row.id).await? })
    }

    /// Whether everyone on the proposal gets the data.
    pub fn serves_everyone(&self) -> bool {
        self.config.schedule.as_ref().is_some_and(|schedule| schedule.recipients == Recipients::Schedule)
    }

    /// Asks the schedule who is on the experiment's proposal, and keeps the answer. One that does not tell changes
    /// nothing.
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

/// Everyone on the proposal, once each whatever the capitals, and who can't be reached.
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
    let unreachable = unreachable.map(|person| Unreachable { name: person.name(), reason: person.email.to_string() });
    (listed, unreachable.collect())
}

impl Run<'_> {
    /// Shares with and mails everyone. Who is known does not wait for a schedule that is away: whom it adds when it
    /// answers is served then. `before` is how the steps ended that this waits for.
    pub(super) async fn serve_people(&self, before: Vec<Ended>) -> Vec<Ended> {
        if self.delivery.cause == Cause::Schedule {
            self.heard_schedule().await;
        }
        if !before.is_empty() || !self.asks_schedule() {
            return self.share_and_mail(before, true).await;
        }
        let failed_once = Notify::new();
        let asking = self.ask_schedule(&failed_once);
        tokio::pin!(asking);
        let in_time = tokio::select! {
            biased;
            asked = &mut asking => Some(asked),
            () = failed_once.notified() => None,
            () = tokio::time::sleep(PATIENCE) => None,
        };
        let Some(asked) = in_time else {
            let (mut ended, asked) = tokio::join!(self.share_and_mail(vec![], true), asking);
            match asked {
                Ok(Refreshed::Changed) => {
                    self.progress.change(|report| report.emails_failed = 0);
                    ended = self.share_and_mail(vec![], false).await;
                }
                Ok(_) => {}
                Err(asked) => ended.push(asked),
            }
            return ended;
        };
        let mut ended = self.share_and_mail(vec![], true).await;
        ended.extend(asked.err());
        ended
    }

    async fn share_and_mail(&self, mut ended: Vec<Ended>, first: bool) -> Vec<Ended> {
        if ended.is_empty() && self.expects(Step::Share) {
            ended.extend(self.with_hooks(Step::Share, self.share(first)).await);
        }
        let serves = self.expects(Step::Share) || self.expects(Step::Email);
        if serves && !ended.iter().any(|ended| matches!(ended, Ended::Held(_) | Ended::Aborted)) {
            ended.extend(self.tell_pi_changes().await);
        }
        if self.expects(Step::Email) {
            ended.extend(self.with_hooks(Step::Email, self.email(&ended)).await);
        }
        ended
    }

    /// Whether this delivery asks the schedule itself.
    fn asks_schedule(&self) -> bool {
        if self.deliverer.schedule.is_none() {
            return false;
        }
        match self.delivery.cause {
            // The answer, or who was added by hand, is in the journal already.
            Cause::Schedule | Cause::Users => false,
            _ if self.ask_schedule => true,
            _ => self.deliverer.serves_everyone() && (self.delivery.only.is_none() || self.expects(Step::Share)),
        }
    }

    /// The step that tells what the schedule says.
    fn tells_people(&self) -> Step {
        if self.expects(Step::Share) { Step::Share } else { Step::Email }
    }

    /// The service has asked a moment ago: what an earlier delivery said of it is over.
    async fn heard_schedule(&self) {
        if let Err(error) = self.progress.note(self.tells_people(), SCHEDULE, StepStatus::Done, 1, "", &[]).await {
            tracing::error!("{error}");
        }
    }

    async fn ask_schedule(&self, failed_once: &Notify) -> Result<Refreshed, Ended> {
        let step = self.tells_people();
        self.progress.expect(step, [SCHEDULE.to_owned()]);
        let once = |attempt| {
            async move {
                self.progress.show(step, SCHEDULE, StepStatus::Running, "asking who is on the proposal");
                let asked =
                    self.deliverer.refresh_people(self.experiment).await.inspect_err(|_| failed_once.notify_one())?;
                let told = match &asked {
                    Refreshed::Unusable(why) => format!("{why}; only who is known gets the data"),
                    _ => String::new(),
                };
                self.progress.note(step, SCHEDULE, StepStatus::Done, attempt, &told, &[]).await?;
                Ok(asked)
            }
            .boxed()
        };
        self.attempts.until_true(step, SCHEDULE, once).await
    }

    /// A row of what this delivery does for an address.
    pub(super) fn served(&self, people: &People, email: &EmailAddress) -> ServedRow {
        let mut all = people.readers.iter().chain(&people.addressees);
        let (name, role) = match all.find(|person| person.email == *email) {
            Some(person) => (person.name.as_str(), person.holder.into()),
            None => ("", Role::Contact),
        };
        ServedRow::new(self.delivery.number, email, name, role)
    }

    /// The experiment's people for a step. The one that gives access takes up what is owed to them.
    pub(super) async fn people(&self, step: Step, unit: &str) -> Result<People, Ended> {
        let takes_up = step == Step::Share || self.deliverer.collection.is_none();
        let once = |_| {
            async move {
                let journal = self.deliverer.journal();
                let known = match takes_up {
                    true => journal.take_up_people(self.experiment.id, self.delivery.number).await?,
                    false => journal.people(self.experiment.id).await?,
                };
                Ok(self.deliverer.people_of(self.experiment, known).await?)
            }
            .boxed()
        };
        let people = self.attempts.until_true(step, unit, once).await?;
        self.progress.change(|report| report.users_total = people.readers.len() as u32);
        for Unreachable { name, reason } in &people.unreachable {
            self.progress.show(step, name, StepStatus::Skipped, reason);
        }
        Ok(people)
    }
}
