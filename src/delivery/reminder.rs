//! The reminder that an access ends: once a person, whether beamshare was up at that moment or only later.
//!
//! As with messages, its row with a fixed Message-ID is written first, so after a kill it goes out again
//! under the same Message-ID. The rules on Globus are looked at before: nobody is reminded of an access that
//! is gone, and where staff have moved a rule's end by hand, that end counts.

use super::attempt_error::AttemptError;
use super::deliverer::Deliverer;
use super::mail_setup::MailSetup;
use crate::journal::{AccessRow, GrantReason, JournalError, MessageState, ReminderRow};
use crate::mail::{MailErrorKind, new_message_id};
use globus_transfer_client::AccessRule;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use uuid::Uuid;

/// For how long after its end in the journal an access is looked for that may have been lengthened by hand.
const LENGTHENED: SignedDuration = SignedDuration::from_hours(90 * 24);

impl Deliverer {
    /// Sends the reminders that are due at `now`, and returns how many the mail server took. A transient
    /// failure is an error, to be retried.
    pub async fn remind(&self, now: Timestamp) -> Result<u32, AttemptError> {
        let (Some(setup), Some(collection), Some(email)) =
            (&self.mail_setup, &self.collection, &self.config.email)
        else {
            return Ok(0);
        };
        let Some(before) = email.reminder.and_then(|before| SignedDuration::try_from(before).ok()) else {
            return Ok(0);
        };
        let candidates = self.to_remind(now, before, collection.settings().collection).await?;
        if candidates.is_empty() {
            return Ok(0);
        }
        let rules = collection.rules().await?;
        let mut sent = 0;
        let mut failure = None;
        for ((experiment, _), rows) in candidates {
            let Some(recipient) = rows.first().map(|row| row.email.clone()) else { continue };
            let found: Vec<&AccessRule> = rows
                .iter()
                .filter_map(|row| rules.iter().find(|rule| rule.id.is_some() && rule.id == row.rule))
                .collect();
            let in_journal = rows.iter().filter_map(|row| row.expires_at).min().unwrap_or(now);
            let mut reminder = ReminderRow {
                experiment,
                recipient,
                expires_at: in_journal,
                message_id: new_message_id(),
                state: MessageState::Refused,
                server_reply: "the access was gone".to_owned(),
            };
            if found.is_empty() {
                // Before its end, a delivery may give it again.
                if in_journal <= now {
                    self.journal.set_reminder(&reminder).await?;
                }
                continue;
            }
            // None: staff have made it last for ever.
            let Some(ends) = found.iter().filter_map(|rule| rule.expiration_date).min() else { continue };
            if ends <= now || now < ends - before {
                continue;
            }
            let known = self.journal.reminders(experiment).await?;
            let known =
                known.into_iter().find(|row| row.recipient == reminder.recipient && row.expires_at == ends);
            match known {
                Some(row) if row.state != MessageState::Writing => continue,
                Some(row) => reminder = row,
                None => {
                    reminder = ReminderRow {
                        expires_at: ends,
                        state: MessageState::Writing,
                        server_reply: String::new(),
                        ..reminder
                    };
                }
            }
            match self.send_reminder(setup, reminder).await {
                Ok(taken) => sent += u32::from(taken),
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(sent), Err)
    }

    /// The access rules that end soon by the journal and whose holders were not reminded.
    async fn to_remind(
        &self,
        now: Timestamp,
        before: SignedDuration,
        collection: Uuid,
    ) -> Result<BTreeMap<(Uuid, String), Vec<AccessRow>>, JournalError> {
        let mut all: BTreeMap<(Uuid, String), Vec<AccessRow>> = BTreeMap::new();
        for row in self.journal.ending_access().await? {
            let Some(ends) = row.expires_at else { continue };
            let near =
                ends - before <= now && now < ends.saturating_add(LENGTHENED).unwrap_or(Timestamp::MAX);
            // People of share_with were not mailed about this experiment.
            if near && row.collection == collection && row.reason != GrantReason::Further {
                all.entry((row.experiment, row.email.username())).or_default().push(row);
            }
        }
        let mut to_remind = BTreeMap::new();
        for (whose, rows) in all {
            let reminded = self.journal.reminders(whose.0).await?.into_iter().any(|reminder| {
                reminder.recipient.username() == whose.1
                    && reminder.state != MessageState::Writing
                    && rows.iter().any(|row| row.expires_at == Some(reminder.expires_at))
            });
            if !reminded {
                to_remind.insert(whose, rows);
            }
        }
        Ok(to_remind)
    }

    /// Whether the mail server has taken it; one that refuses it does so for good.
    async fn send_reminder(&self, setup: &MailSetup, reminder: ReminderRow) -> Result<bool, AttemptError> {
        let Some(row) = self.journal.experiment(reminder.experiment).await? else { return Ok(false) };
        let booking = self.journal.booking(row.id).await?.map(|(booking, _)| booking).unwrap_or_default();
        let context = self.message_context(&row.experiment, &row.path, Some(reminder.expires_at));
        let context = context.with_booking(booking);
        let composed = setup.templates.compose_reminder(&context, &reminder.recipient, &reminder.message_id);
        let Some(message) = composed? else { return Ok(false) };
        self.journal.set_reminder(&reminder).await?;
        let (recipient, experiment) = (&reminder.recipient, &row.experiment);
        let (state, server_reply) = match setup.mailer.send(&message, recipient).await {
            Ok(accepted) => {
                let day = self.day(reminder.expires_at);
                tracing::info!(%experiment, "reminded {recipient} that the access ends on {day}");
                (MessageState::Sent, accepted.server_reply)
            }
            Err(error)
                if matches!(error.kind, MailErrorKind::RefusedRecipient | MailErrorKind::RefusedMessage) =>
            {
                tracing::error!(%experiment, "{recipient} can't be reminded that the access ends: {error}");
                (MessageState::Refused, error.message)
            }
            // A reminder twice is worse than none.
            Err(error) if matches!(error.kind, MailErrorKind::Unclear { .. }) => {
                tracing::warn!(%experiment, "{error}; the reminder is not repeated");
                (MessageState::Sent, error.message)
            }
            Err(error) => return Err(error.into()),
        };
        let taken = state == MessageState::Sent;
        self.journal.set_reminder(&ReminderRow { state, server_reply, ..reminder }).await?;
        Ok(taken)
    }
}
