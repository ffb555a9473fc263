use super::attempt_error::AttemptError;
use super::deliverer::Deliverer;
use crate::domain::{EmailAddress, Experiment};
use crate::mail::{ComposedMessage, MailError, MessageContext, new_message_id};

/// A test message to one of the contacts.
#[derive(Clone, Debug)]
pub struct TestMessage {
    /// The contact
    pub recipient: EmailAddress,
    /// The mail server's reply
    pub result: Result<String, MailError>,
}

/// A message as it would be sent.
#[derive(Clone, Debug)]
pub struct Preview {
    /// `message`, `reminder` or `copy`
    pub kind: &'static str,
    /// The message
    pub message: ComposedMessage,
}

impl Deliverer {
    /// Sends the experiment's message to the contacts alone, so that they see what the users would get; to
    /// nobody without `[email]`. Nothing of it is journalled.
    pub async fn send_test(&self, experiment: &Experiment) -> Result<Vec<TestMessage>, AttemptError> {
        let Some(setup) = &self.mail_setup else { return Ok(vec![]) };
        let context = self.context_now(experiment).await?;
        let mut results = vec![];
        for recipient in setup.templates.contacts() {
            let message = setup.templates.compose(&context, &experiment.pi_email, &new_message_id())?;
            let result = setup.mailer.send(&message, &recipient).await.map(|accepted| accepted.server_reply);
            results.push(TestMessage { recipient, result });
        }
        Ok(results)
    }

    /// Composes the messages of each kind as the principal investigator would get them now; nothing without
    /// `[email]`. Nothing is sent or journalled.
    pub async fn preview(&self, experiment: &Experiment) -> Result<Vec<Preview>, AttemptError> {
        let Some(setup) = &self.mail_setup else { return Ok(vec![]) };
        let context = self.context_now(experiment).await?;
        let to = &experiment.pi_email;
        let message = setup.templates.compose(&context, to, &new_message_id())?;
        let mut previews = vec![Preview { kind: "message", message }];
        if let Some(message) = setup.templates.compose_reminder(&context, to, &new_message_id())? {
            previews.push(Preview { kind: "reminder", message });
        }
        if let Some(templates) = &setup.replicas {
            let message = templates.compose(&context, to, &new_message_id())?;
            previews.push(Preview { kind: "copy", message });
        }
        Ok(previews)
    }

    /// What the templates know of the experiment at present.
    async fn context_now(&self, experiment: &Experiment) -> Result<MessageContext, AttemptError> {
        let paths = self.paths(experiment).map_err(AttemptError::Path)?;
        let booking = self.ask_booking(experiment).await.unwrap_or_default();
        let known = self.find_same(experiment).await.ok().flatten();
        let ends = self.would_end(known.as_ref(), &booking).await?;
        Ok(self.message_context(experiment, &paths[0], ends).with_booking(booking))
    }
}
