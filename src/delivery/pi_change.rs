//! The message about another principal investigator: to the address that was replaced, to the new one and to
//! the contacts, each exactly once, whichever steps the delivery is asked for.

use super::attempt::StepResult;
use super::attempt_error::AttemptError;
use super::execute::DeliveryRun;
use super::mail_setup::{MailAnswer, MailSetup};
use super::outgoing::OutgoingMessage;
use crate::domain::{EmailAddress, Step, StepStatus, Unit};
use crate::journal::{JournalError, JournalRecord, MessageKind, MessageRow, MessageState, PiChange};
use crate::mail::{PiChangeContext, new_message_id};
use futures::FutureExt;

impl DeliveryRun<'_> {
    /// Mails the people concerned about replacements, once for each.
    pub(super) async fn tell_pi_changes(&self) -> Vec<StepResult> {
        let Some(setup) = &self.deliverer.mail_setup else { return vec![] };
        let unit = &Unit::PiChanges;
        let once = |_| async { Ok(self.deliverer.journal().pi_changes(self.experiment.id).await?) }.boxed();
        let changes = match self.attempts.until_true(Step::Email, unit, once).await {
            Ok(changes) => changes,
            Err(ended) => return vec![ended],
        };
        let mut ended = vec![];
        for change in changes.iter().filter(|change| !change.is_mailed) {
            ended.extend(self.tell_pi_change(setup, change).await.err());
        }
        ended
    }

    async fn tell_pi_change(&self, setup: &MailSetup, change: &PiChange) -> Result<(), StepResult> {
        let unit = &Unit::PiChange(change.number);
        let once = |attempt| {
            async move {
                let outgoing = self.pi_change_message(setup, change).await?;
                let records: Vec<_> = outgoing.copies.iter().map(JournalRecord::Message).collect();
                self.note_messages(Step::Email, unit, StepStatus::Done, attempt, "", &records, outgoing.new)
                    .await?;
                Ok(outgoing)
            }
            .boxed()
        };
        let outgoing = self.attempts.until_true(Step::Email, unit, once).await?;
        for row in &outgoing.copies {
            let unit = &Unit::PiChangeTo(change.number, row.recipient.clone());
            let once = |attempt| self.send_once(setup, &outgoing, row, unit, attempt).boxed();
            self.attempts.until_sent(Step::Email, unit, once).await?;
        }
        let once = |_| async { Ok(self.deliverer.journal().set_told(change.number).await?) }.boxed();
        self.attempts.until_true(Step::Email, unit, once).await
    }

    /// Sends one copy. An address that the server refuses is shown and does not fail the delivery: it often
    /// was replaced because it is wrong.
    async fn send_once(
        &self,
        setup: &MailSetup,
        outgoing: &OutgoingMessage,
        row: &MessageRow,
        unit: &Unit,
        attempt: u32,
    ) -> Result<(), AttemptError> {
        self.progress.show(Step::Email, unit, StepStatus::Running, "sending");
        let MailAnswer { state, reply } = setup.send_once(&outgoing.message, row).await?;
        let (status, shown) = match state {
            MessageState::Sent => (StepStatus::Done, "told of the new PI"),
            _ => (StepStatus::Skipped, reply.as_str()),
        };
        let after = MessageRow { state, server_reply: reply.clone(), ..row.clone() };
        self.progress
            .note(Step::Email, unit, status, attempt, shown, &[JournalRecord::Message(&after)])
            .await?;
        setup.is_recorded(row);
        Ok(())
    }

    /// Composes the message for the recipients who don't have it.
    async fn pi_change_message(
        &self,
        setup: &MailSetup,
        change: &PiChange,
    ) -> Result<OutgoingMessage, AttemptError> {
        let kind = MessageKind::PiChange(change.number);
        let mut rows = self.deliverer.journal().messages(self.experiment.id).await?;
        rows.retain(|row| row.kind == kind);
        let message_id = rows.first().map_or_else(new_message_id, |row| row.message_id.clone());
        let mut recipients: Vec<EmailAddress> = vec![];
        for email in
            [change.former.clone(), change.present.clone()].into_iter().chain(self.deliverer.contacts())
        {
            if !recipients.contains(&email) {
                recipients.push(email);
            }
        }
        let is_done = |email: &EmailAddress| {
            rows.iter().any(|row| row.recipient == *email && row.state != MessageState::Writing)
        };
        recipients.retain(|email| !is_done(email));
        let copies: Vec<_> = recipients
            .into_iter()
            .map(|recipient| MessageRow {
                experiment: self.experiment.id,
                kind: kind.clone(),
                addressee: change.present.clone(),
                recipient,
                resend_number: 0,
                message_id: message_id.clone(),
                state: MessageState::Writing,
                server_reply: String::new(),
            })
            .collect();
        let new =
            copies.iter().filter(|copy| !rows.iter().any(|row| row.recipient == copy.recipient)).count();
        let facts = self.pi_change_facts(change).await?;
        let message = setup.templates.compose_pi_change(&self.context().await?, &facts, &message_id)?;
        Ok(OutgoingMessage { message, copies, new: u32::try_from(new).unwrap_or(u32::MAX) })
    }

    async fn pi_change_facts(&self, change: &PiChange) -> Result<PiChangeContext, JournalError> {
        let deliverer = self.deliverer;
        let is_pi_again = self.experiment.experiment.pi_email == change.former;
        Ok(PiChangeContext {
            former: change.former.clone(),
            present: change.present.clone(),
            former_keeps_access: is_pi_again
                || deliverer.keeps_access(self.experiment.id, &change.former).await?,
            changed_at: format!(
                "{} {}",
                deliverer.day(change.changed_at),
                deliverer.time_of_day(change.changed_at)
            ),
        })
    }
}
