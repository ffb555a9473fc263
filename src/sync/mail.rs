//! Mails to staff: about each run that sent something, about the first success, and once about each cause of
//! failure.

use super::{Ended, Engine, Pair, RunResult, SyncError};
use crate::config;
use crate::domain::{EmailAddress, StepError};
use crate::mail::{Mailer, new_message_id, notice};
use globus_sync::amount;
use lettre::message::Mailbox;

/// The mail transport and the sender.
pub(super) struct MailSetup {
    mailer: Mailer,
    from: Mailbox,
}

impl MailSetup {
    pub fn new(sender: &config::Sender) -> Result<MailSetup, StepError> {
        Ok(MailSetup { mailer: Mailer::new(&sender.transport)?, from: sender.from.clone() })
    }

    /// Sends the message to each recipient. An error names those who did not get it, and why.
    pub async fn send(&self, to: &[EmailAddress], subject: &str, text: &str) -> Result<(), String> {
        let mut wrong = vec![];
        for recipient in to {
            let sent = match notice(&self.from, recipient, subject, text, &new_message_id()) {
                Ok(message) => self.mailer.send(&message, recipient).await.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            if let Err(error) = sent {
                wrong.push(format!("{recipient} is not mailed: {error}"));
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
    }
}

impl Engine {
    /// Mails the result of a run, if it is worth a message. An error names those who did not get it.
    pub(super) async fn tell(&self, pair: &Pair, ended: &Ended) -> Result<(), String> {
        let Some(subject) = self.worth_a_mail(pair, ended) else { return Ok(()) };
        let to = &pair.settings.notify;
        let Some(post) = self.post().filter(|_| !to.is_empty()) else { return Ok(()) };
        post.send(to, &subject, &self.text(pair, ended)).await
    }

    fn worth_a_mail(&self, pair: &Pair, ended: &Ended) -> Option<String> {
        let beamline = &self.config().beamline.name;
        let title = pair.title();
        let mut told = self.told();
        match &ended.result {
            RunResult::Done => {
                told.remove(&pair.row.id);
                let first = pair.row.first_success_at.is_none() && ended.present > 0;
                (ended.sent > 0 || first)
                    .then(|| format!("{beamline}: {title}: {} sent", amount(ended.sent, ended.sent_bytes)))
            }
            RunResult::Failed(failure) | RunResult::Away(failure) => {
                // A pair that fails each minute for the same cause is mailed once.
                let is_new = told.insert(pair.row.id, failure.cause.clone()) != Some(failure.cause.clone());
                is_new.then(|| format!("{beamline}: {title}: data is not sent"))
            }
            RunResult::Stopped | RunResult::Left => None,
        }
    }

    fn text(&self, pair: &Pair, ended: &Ended) -> String {
        let row = &pair.row.pair;
        let mut text = format!("{}\n\n", capital(&ended.sentence()));
        if let Some(experiment) = &pair.experiment {
            text += &format!("Experiment   {experiment}\n");
        }
        if let Some(month) = pair.month {
            text += &format!("Month        {month}\n");
        }
        text += &format!("Pair         {}\n", pair.settings.name);
        text += &format!("From         {} on collection {}\n", row.source.path, row.source.collection);
        if let Some(local) = &row.local {
            text += &format!("             {} on this machine\n", local.display());
        }
        text +=
            &format!("To           {} on collection {}\n", row.destination.path, row.destination.collection);
        if ended.sent + ended.present > 0 {
            text += &format!("Sent         {}\n", amount(ended.sent, ended.sent_bytes));
            text += &format!("There before {} files\n", ended.present);
        }
        if let Some(clean_up) = &ended.clean_up {
            text += &format!("Removed      {}\n", clean_up.sentence());
        }
        text
    }

    /// Mails a text to these people, e.g. the summary of all pairs.
    ///
    /// # Errors
    /// Where there is no `[email]`, or who did not get it.
    pub async fn mail(&self, to: &[EmailAddress], subject: &str, text: &str) -> Result<(), SyncError> {
        let post =
            self.post().ok_or_else(|| SyncError::Source("there is no [email] in the settings".to_owned()))?;
        post.send(to, subject, text).await.map_err(SyncError::Source)
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect()) + "."
}
