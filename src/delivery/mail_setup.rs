use super::set_up_error::SetUpError;
use crate::config;
use crate::domain::EmailAddress;
use crate::journal::{MessageRow, MessageState};
use crate::mail::{ComposedMessage, MailError, MailErrorKind, Mailer, Templates};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Templates and mail server of `[email]`.
pub(super) struct MailSetup {
    pub(super) templates: Templates,
    /// For messages about replicas
    pub(super) replicas: Option<Templates>,
    pub(super) mailer: Mailer,
    /// The server's final answers that are not in the journal yet, by Message-ID and recipient. While a row
    /// can't be written, the message isn't sent again
    answers: Mutex<HashMap<(String, EmailAddress), MailAnswer>>,
}

/// A mail server's final answer.
#[derive(Clone)]
pub(super) struct MailAnswer {
    pub state: MessageState,
    pub reply: String,
}

impl MailSetup {
    pub fn from_config(settings: &config::Email) -> Result<MailSetup, SetUpError> {
        let replicas = settings.of_copies().map(|settings| Templates::load(&settings)).transpose()?;
        let mailer = Mailer::new(&settings.transport)?;
        Ok(MailSetup { templates: Templates::load(settings)?, replicas, mailer, answers: Mutex::default() })
    }

    /// Sends the message, unless the server has answered for it before.
    pub async fn send_once(
        &self,
        message: &ComposedMessage,
        row: &MessageRow,
    ) -> Result<MailAnswer, MailError> {
        let key = (row.message_id.clone(), row.recipient.clone());
        if let Some(answer) = self.answers().get(&key) {
            return Ok(answer.clone());
        }
        let answer = match self.mailer.send(message, &row.recipient).await {
            Ok(accepted) => MailAnswer { state: MessageState::Sent, reply: accepted.server_reply },
            Err(error)
                if matches!(error.kind, MailErrorKind::RefusedRecipient | MailErrorKind::RefusedMessage) =>
            {
                MailAnswer { state: MessageState::Refused, reply: error.message }
            }
            Err(error) => return Err(error),
        };
        self.answers().insert(key, answer.clone());
        Ok(answer)
    }

    /// Forgets an answer that is in the journal.
    pub fn is_recorded(&self, row: &MessageRow) {
        self.answers().remove(&(row.message_id.clone(), row.recipient.clone()));
    }

    fn answers(&self) -> MutexGuard<'_, HashMap<(String, EmailAddress), MailAnswer>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
