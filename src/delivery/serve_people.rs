//! The steps for people: sharing and mailing, while the schedule is queried.

use super::attempt::StepResult;
use super::execute::{DeliveryRun, Pass};
use super::people::Refreshed;
use super::person::People;
use crate::domain::{EmailAddress, STEPS, Step, StepStatus, Unit};
use crate::journal::{Cause, Role, ServedRow, Unreachable};
use futures::FutureExt;
use std::time::Duration;
use tokio::sync::Notify;

/// How long the known people wait for the schedule's answer.
const PATIENCE: Duration = Duration::from_secs(10);

impl DeliveryRun<'_> {
    /// Executes the steps for people. An unreachable schedule does not delay the known people: those whom it
    /// adds are served in a second pass when it answers. `before` are the failures of the steps that these
    /// wait for.
    pub(super) async fn serve_people(&self, before: Vec<StepResult>) -> Vec<StepResult> {
        if self.delivery.cause == Cause::Schedule {
            self.note_schedule_answer().await;
        }
        if !before.is_empty() || !self.asks_schedule() {
            return self.pass(before, Pass::First).await;
        }
        let failed_once = Notify::new();
        let query = self.ask_schedule(&failed_once);
        tokio::pin!(query);
        let in_time = tokio::select! {
            biased;
            answer = &mut query => Some(answer),
            () = failed_once.notified() => None,
            () = tokio::time::sleep(PATIENCE) => None,
        };
        let Some(answer) = in_time else {
            let (mut ended, answer) = tokio::join!(self.pass(vec![], Pass::First), query);
            match answer {
                Ok(Refreshed::Changed) => {
                    self.progress.change(|report| report.emails_failed = 0);
                    ended = self.pass(vec![], Pass::Late).await;
                }
                Ok(_) => {}
                Err(failure) => ended.push(failure),
            }
            return ended;
        };
        let mut ended = self.pass(vec![], Pass::First).await;
        ended.extend(answer.err());
        ended
    }

    /// Executes the steps for people in their order.
    async fn pass(&self, mut ended: Vec<StepResult>, pass: Pass) -> Vec<StepResult> {
        for rule in STEPS.iter().filter(|rule| rule.for_people) {
            ended = self.step(rule.step, ended, pass).await;
        }
        ended
    }

    /// Whether this delivery queries the schedule.
    fn asks_schedule(&self) -> bool {
        if self.deliverer.schedule.is_none() {
            return false;
        }
        match self.delivery.cause {
            // The journal has the answer, or the people added by hand, already.
            Cause::Schedule | Cause::Users => false,
            _ if self.ask_schedule => true,
            _ => {
                self.deliverer.serves_everyone()
                    && (self.delivery.only.is_none() || self.expects(Step::Share))
            }
        }
    }

    /// The step that the query belongs to.
    fn schedule_step(&self) -> Step {
        if self.expects(Step::Share) { Step::Share } else { Step::Email }
    }

    /// Ends an earlier delivery's failure to query the schedule: the service has queried it a moment ago.
    async fn note_schedule_answer(&self) {
        if let Err(error) =
            self.progress.note(self.schedule_step(), &Unit::Schedule, StepStatus::Done, 1, "", &[]).await
        {
            tracing::error!("{error}");
        }
    }

    async fn ask_schedule(&self, failed_once: &Notify) -> Result<Refreshed, StepResult> {
        let step = self.schedule_step();
        self.progress.expect(step, [Unit::Schedule]);
        let once = |attempt| {
            async move {
                self.progress.show(
                    step,
                    &Unit::Schedule,
                    StepStatus::Running,
                    "asking who is on the proposal",
                );
                let asked = self.deliverer.refresh_people(self.experiment).await;
                let asked = asked.inspect_err(|_| failed_once.notify_one())?;
                let message = match &asked {
                    Refreshed::Unusable(why) => format!("{why}; only who is known gets the data"),
                    _ => String::new(),
                };
                self.progress.note(step, &Unit::Schedule, StepStatus::Done, attempt, &message, &[]).await?;
                Ok(asked)
            }
            .boxed()
        };
        self.attempts.until_true(step, &Unit::Schedule, once).await
    }

    /// The row that records what this delivery does for an address.
    pub(super) fn served(&self, people: &People, email: &EmailAddress) -> ServedRow {
        let mut all = people.readers.iter().chain(&people.addressees);
        let (name, role) = match all.find(|person| person.email == *email) {
            Some(person) => (person.name.as_str(), person.reason.into()),
            None => ("", Role::Contact),
        };
        ServedRow::new(self.delivery.number, email, name, role)
    }

    /// The experiment's people for a step. The step that gives access processes the changes that are owed.
    ///
    /// Held where one of them may not read another experiment's data in the same directory. This is checked
    /// for just the people who are returned: the schedule or `beamshare users` may have added some since the
    /// delivery began.
    pub(super) async fn people(&self, step: Step, unit: &Unit) -> Result<People, StepResult> {
        let processes_changes = step == Step::Share || self.deliverer.collection.is_none();
        let once = |_| {
            async move {
                let journal = self.deliverer.journal();
                let known = if processes_changes {
                    journal.take_up_people(self.experiment.id, self.delivery.number).await?
                } else {
                    journal.people(self.experiment.id).await?
                };
                let people = self.deliverer.people_of(self.experiment, known).await?;
                Ok((people, self.deliverer.other_readers(self.experiment).await?))
            }
            .boxed()
        };
        let (people, obstacles) = self.attempts.until_true(step, unit, once).await?;
        if !obstacles.is_empty() {
            return Err(StepResult::Held(obstacles));
        }
        self.progress.change(|report| report.users_total = people.readers.len() as u32);
        for Unreachable { name, reason } in &people.unreachable {
            self.progress.show(step, &Unit::Unreachable(name.clone()), StepStatus::Skipped, reason);
        }
        Ok(people)
    }
}
