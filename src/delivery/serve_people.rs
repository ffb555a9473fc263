//! Sharing with people and mailing them, with the schedule asked meanwhile.

use super::attempt::StepResult;
use super::execute::Run;
use super::people::Refreshed;
use super::person::People;
use crate::domain::{EmailAddress, Step, StepStatus, Unit};
use crate::journal::{Cause, Role, ServedRow, Unreachable};
use futures::FutureExt;
use std::time::Duration;
use tokio::sync::Notify;

/// How long people who are known wait for the schedule's answer.
const PATIENCE: Duration = Duration::from_secs(10);

impl Run<'_> {
    /// Shares with and mails everyone. Those who are known don't wait for an unreachable schedule; those whom
    /// it adds are served when it answers. `before` are the failures of the steps that this waits for.
    pub(super) async fn serve_people(&self, before: Vec<StepResult>) -> Vec<StepResult> {
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

    async fn share_and_mail(&self, mut ended: Vec<StepResult>, first: bool) -> Vec<StepResult> {
        if ended.is_empty() && self.expects(Step::Share) {
            ended.extend(self.with_hooks(Step::Share, self.share(first)).await);
        }
        let serves = self.expects(Step::Share) || self.expects(Step::Email);
        if serves && !ended.iter().any(|ended| matches!(ended, StepResult::Held(_) | StepResult::Aborted)) {
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
            // The journal has the answer, or the people added by hand, already.
            Cause::Schedule | Cause::Users => false,
            _ if self.ask_schedule => true,
            _ => {
                self.deliverer.serves_everyone()
                    && (self.delivery.only.is_none() || self.expects(Step::Share))
            }
        }
    }

    /// The step that shows the schedule's answer.
    fn tells_people(&self) -> Step {
        if self.expects(Step::Share) { Step::Share } else { Step::Email }
    }

    /// The service has asked a moment ago, so an earlier delivery's failure to ask is over.
    async fn heard_schedule(&self) {
        if let Err(error) =
            self.progress.note(self.tells_people(), &Unit::Schedule, StepStatus::Done, 1, "", &[]).await
        {
            tracing::error!("{error}");
        }
    }

    async fn ask_schedule(&self, failed_once: &Notify) -> Result<Refreshed, StepResult> {
        let step = self.tells_people();
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
                let told = match &asked {
                    Refreshed::Unusable(why) => format!("{why}; only who is known gets the data"),
                    _ => String::new(),
                };
                self.progress.note(step, &Unit::Schedule, StepStatus::Done, attempt, &told, &[]).await?;
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

    /// The experiment's people for a step. The step that gives access takes up the changes that are owed.
    ///
    /// Held where one of them may not read another experiment's data in the same directory. This is checked
    /// for just the people who are returned: the schedule or `beamshare users` may have added some since the
    /// delivery began.
    pub(super) async fn people(&self, step: Step, unit: &Unit) -> Result<People, StepResult> {
        let takes_up = step == Step::Share || self.deliverer.collection.is_none();
        let once = |_| {
            async move {
                let journal = self.deliverer.journal();
                let known = if takes_up {
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
