use super::attempt_error::AttemptError;
use super::deliverer::Deliverer;
use crate::domain::{EmailAddress, Experiment};
use crate::mail::{MailError, new_message_id};

/// A test message to one of the contacts.
#[derive(Clone, Debug)]
pub struct TestMessage {
    /// The contact
    pub recipient: EmailAddress,
    /// The mail server's reply
    pub result: Result<String, MailError>,
}

impl Deliverer {
    /// Sends the experiment's message to the contacts alone, so that they see what the users would get; to
    /// nobody without `[email]`. Nothing of it is journalled.
    pub async fn send_test(&self, experiment: &Experiment) -> Result<Vec<TestMessage>, AttemptError> {
        let Some(setup) = &self.mail_setup else { return Ok(vec![]) };
        let paths = self.paths(experiment).map_err(AttemptError::Path)?;
        let booking = self.ask_booking(experiment).await.unwrap_or_default();
        let known = self.find_same(experiment).await.ok().flatten();
        let ends = self.would_end(known.as_ref(), &booking).await?;
        let context = self.message_context(experiment, &paths[0], ends).with_booking(booking);
        let mut results = vec![];
        for recipient in setup.templates.contacts() {
            let message = setup.templates.compose(&context, &experiment.pi_email, &new_message_id())?;
            let result = setup.mailer.send(&message, &recipient).await.map(|accepted| accepted.server_reply);
            results.push(TestMessage { recipient, result });
        }
        Ok(results)
    }
}
