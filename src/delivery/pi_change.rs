//! The message about another principal investigator: to the address that was replaced, to the new one and to the contacts,
//! each exactly once, whichever steps the delivery is asked for.

use super::attempt::Ended;
use super::email::{Answer, Letter, Post};
use super::run::Run;
use crate::domain::{EmailAddress, Retry, Step, StepError, StepStatus};
use crate::journal::{JournalError, MessageKind, MessageRow, MessageState, PiChange, Record};
use crate::mail::{PiChangeContext, new_message_id};
use futures::FutureExt;

impl Run<'_> {
    /// Mails everyone concerned by replacements that they were not told of yet.
    pub(super) async fn tell_pi_changes(&self) -> Vec<Ended> {
        let Some(post) = &self.deliverer.post else { return vec![] };
        let unit = "PI changes";
        let once = |_| async { Ok(self.deliverer.journal().pi_changes(self.experiment.id).await?) }.boxed();
        let changes = match self.attempts.until_true(Step::Email, unit, once).await {
            Ok(changes) => changes,
            Err(ended) => return vec![ended],
        };
        let mut ended = vec![];
        for change in changes.iter().filter(|change| !change.told) {
            ended.extend(self.tell_pi_change(post, change).await.err());
        }
        ended
    }

    async fn tell_pi_change(&self, post: &Post, change: &PiChange) -> Result<(), Ended> {
        let unit = &format!("PI change {}", change.number);
        let once = |attempt| {
            async move {
                let letter = self.pi_change_letter(post, change).await?;
                let records: Vec<_> = letter.copies.iter().map(Record::Message).collect();
                self.note_messages(Step::Email, unit, StepStatus::Done, attempt, "", &records, letter.new).await?;
                Ok(letter)
            }
            .boxed()
        };
        let letter = self.attempts.until_true(Step::Email, unit, once).await?;
        for row in &letter.copies {
            let unit = &format!("PI change {} to {}", change.number, row.recipient.username());
            let once = |attempt| self.send_once(post, &letter, row, unit, attempt).boxed();
            self.attempts.until_sent(Step::Email, unit, once).await?;
        }
        let once = |_| async { Ok(self.deliverer.journal().set_told(change.number).await?) }.boxed();
        self.attempts.until_true(Step::Email, unit, once).await
    }

    /// Sends one copy. An address that the server refuses is shown and does not fail the delivery: it often was replaced
    /// because it is wrong.
    async fn send_once(
        &self,
        post: &Post,
        letter: &Letter,
        row: &MessageRow,
        unit: &str,
        attempt: u32,
    ) -> Result<(), super::attempt::Trouble> {
        self.progress.show(Step::Email, unit, StepStatus::Running, "sending");
        let Answer { state, reply } = post.send_once(&letter.message, row).await.map_err(StepError::from)?;
        let (status, shown) = match state {
            MessageState::Sent => (StepStatus::Done, "told of the new PI"),
            _ => (StepStatus::Skipped, reply.as_str()),
        };
        let after = MessageRow { state, words: reply.clone(), ..row.clone() };
        self.progress.note(Step::Email, unit, status, attempt, shown, &[Record::Message(&after)]).await?;
        post.is_recorded(row);
        Ok(())
    }

    /// The message, for those who don't have it.
    async fn pi_change_letter(&self, post: &Post, change: &PiChange) -> Result<Letter, super::attempt::Trouble> {
        let kind = MessageKind::PiChange(change.number);
        let mut rows = self.deliverer.journal().messages(self.experiment.id).await?;
        rows.retain(|row| row.kind == kind);
        let message_id = rows.first().map_or_else(new_message_id, |row| row.message_id.clone());
        let mut recipients: Vec<EmailAddress> = vec![];
        for email in [change.former.clone(), change.present.clone()].into_iter().chain(self.deliverer.contacts()) {
            if !recipients.contains(&email) {
                recipients.push(email);
            }
        }
        let is_done =
            |email: &EmailAddress| rows.iter().any(|row| row.recipient == *email && row.state != MessageState::Writing);
        recipients.retain(|email| !is_done(email));
        let copies: Vec<_> = recipients
            .into_iter()
            .map(|recipient| MessageRow {
                experiment: self.experiment.id,
                kind: kind.clone(),
                addressee: change.present.clone(),
                recipient,
                generation: 0,
                message_id: message_id.clone(),
                state: MessageState::Writing,
                words: String::new(),
            })
            .collect();
        let new = copies.iter().filter(|copy| !rows.iter().any(|row| row.recipient == copy.recipient)).count();
        let facts = self.pi_change_facts(change).await?;
        let message = post.templates.compose_pi_change(&self.context().await?, &facts, &message_id);
        let message = message.map_err(|error| StepError { message: error.to_string(), retry: Retry::Never })?;
        Ok(Letter { message, copies, new: u32::try_from(new).unwrap_or(u32::MAX) })
    }

    async fn pi_change_facts(&self, change: &PiChange) -> Result<PiChangeContext, JournalError> {
        let deliverer = self.deliverer;
        let is_pi_again = self.experiment.experiment.pi_email == change.former;
        Ok(PiChangeContext {
            former: change.former.clone(),
            present: change.present.clone(),
            former_keeps_access: is_pi_again || deliverer.keeps_access(self.experiment.id, &change.former).await?,
            changed_at: format!("{} {}", deliverer.day(change.changed_at), deliverer.time_of_day(change.changed_at)),
        })
    }
}
