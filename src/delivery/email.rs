//! The message to the PI and the contacts' copies of it. A message can't be looked at afterwards, so its row with a fixed
//! Message-ID is written first, and after a crash it goes out again under the same Message-ID.

use super::attempt::{Ended, Trouble};
use super::run::Run;
use super::{Retry, Step, StepError, StepStatus};
use crate::config;
use crate::experiment::EmailAddress;
use crate::journal::{ClaimState, MessageRow, MessageState, Record};
use crate::mail::{ComposedMessage, MailError, MailErrorKind, Mailer, MessageContext, Templates};
use futures::FutureExt;
use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use uuid::Uuid;

/// How many messages are handed over at a time.
const AT_A_TIME: usize = 4;

/// The unit of making the message.
const MESSAGE: &str = "message";

/// Templates and mail server of `[email]`.
pub(super) struct Post {
    templates: Templates,
    mailer: Mailer,
}

impl Post {
    pub fn from_config(settings: &config::Email) -> Result<Post, StepError> {
        let templates =
            Templates::load(settings).map_err(|error| StepError { message: error.to_string(), retry: Retry::Never })?;
        let mailer = Mailer::new(&settings.transport)?;
        Ok(Post { templates, mailer })
    }
}

/// A message that a test sent, or did not.
#[derive(Clone, Debug)]
pub struct TestMessage {
    /// Who was to get it
    pub recipient: EmailAddress,
    /// The mail server's words
    pub result: Result<String, MailError>,
}

impl super::Deliverer {
    /// The beamline's contacts, who get a copy of each message.
    pub fn contacts(&self) -> Vec<EmailAddress> {
        self.post.as_ref().map(|post| post.templates.contacts()).unwrap_or_default()
    }

    /// Where messages go, to be tried by `beamshare check`.
    pub fn mailer(&self) -> Option<&Mailer> {
        self.post.as_ref().map(|post| &post.mailer)
    }

    /// Sends the experiment's message to the contacts alone, so that they see what the users would get. Nothing of it is
    /// in the journal.
    pub async fn send_test(&self, experiment: &crate::experiment::Experiment) -> Result<Vec<TestMessage>, StepError> {
        let never = |message| StepError { message, retry: Retry::Never };
        let Some(post) = &self.post else { return Err(never("[email] is not configured".to_owned())) };
        let paths = self.paths(experiment).map_err(|error| never(error.to_string()))?;
        let context = self.message_context(experiment, &paths[0]);
        let mut results = vec![];
        for recipient in post.templates.contacts() {
            let message = post.templates.compose(&context, &experiment.pi_email, &new_message_id());
            let message = message.map_err(|error| never(error.to_string()))?;
            let result = post.mailer.send(&message, &recipient).await.map(|accepted| accepted.server_reply);
            results.push(TestMessage { recipient, result });
        }
        Ok(results)
    }

    /// Who gets the experiment's message: the PI, and the contacts a copy.
    pub(super) fn recipients(&self, experiment: &crate::experiment::Experiment) -> Vec<EmailAddress> {
        let mut recipients = vec![experiment.pi_email.clone()];
        for contact in self.contacts() {
            if !recipients.contains(&contact) {
                recipients.push(contact);
            }
        }
        recipients
    }

    fn message_context(
        &self,
        experiment: &crate::experiment::Experiment,
        first_path: &crate::experiment::RelativePath,
    ) -> MessageContext {
        let expires_after = self.collection.as_ref().and_then(|collection| collection.settings().expires_after);
        let expires = expires_after.and_then(|after| {
            let end = Timestamp::now().checked_add(jiff::SignedDuration::try_from(after).ok()?).ok()?;
            Some(end.to_zoned(self.time_zone()).strftime("%Y-%m-%d").to_string())
        });
        MessageContext {
            data_link: self.data_link(first_path),
            path: first_path.to_string(),
            expires: expires.unwrap_or_default(),
            ..MessageContext::new(experiment, &self.config.beamline.name)
        }
    }
}

impl Run<'_> {
    /// Mails everyone who was not mailed yet, once what the message promises is there. `before` is how the steps ended that
    /// it waits for.
    pub(super) async fn email(&self, before: &[Ended]) -> Vec<Ended> {
        let Some(post) = &self.deliverer.post else { return vec![] };
        let recipients = self.deliverer.recipients(&self.experiment.experiment);
        self.progress.expect(Step::Email, recipients.iter().map(EmailAddress::username));
        let once = |attempt| self.make_message(post, &recipients, before, attempt).boxed();
        let made = self.attempts.until_true(Step::Email, MESSAGE, once).await;
        let (message, rows) = match made {
            Ok(Some(made)) => made,
            Ok(None) => return vec![],
            Err(ended) => return vec![ended],
        };
        let send: Vec<_> = rows.iter().map(|row| self.send(post, &message, row).boxed()).collect();
        let sent: Vec<_> = stream::iter(send).buffer_unordered(AT_A_TIME).collect().await;
        sent.into_iter().filter_map(Result::err).collect()
    }

    /// The message and a row for each recipient who doesn't have it, written before the first is sent. `None` where the
    /// message would promise what is not there.
    async fn make_message(
        &self,
        post: &Post,
        recipients: &[EmailAddress],
        before: &[Ended],
        attempt: u32,
    ) -> Result<Option<(ComposedMessage, Vec<MessageRow>)>, Trouble> {
        if let Some(missing) = self.missing_promise().await? {
            if before.is_empty() {
                return Err(StepError { message: missing, retry: Retry::Never }.into());
            }
            let message = "not sent: the data is not shared with the PI";
            self.progress.note(Step::Email, MESSAGE, StepStatus::Pending, attempt, message, &[]).await?;
            return Ok(None);
        }
        let experiment = &self.experiment.experiment;
        let rows = self.deliverer.journal().messages(self.experiment.id).await?;
        let of_this: Vec<_> = rows.into_iter().filter(|row| row.addressee == experiment.pi_email).collect();
        let generation = self.delivery.generation;
        let id = of_this.iter().find(|row| row.generation == generation).map(|row| row.message_id.clone());
        let id = id.unwrap_or_else(new_message_id);
        let mut unsent = vec![];
        for recipient in recipients {
            let theirs = || of_this.iter().filter(|row| row.recipient == *recipient);
            let sent = |row: &MessageRow| row.state == MessageState::Sent;
            let has_it = match generation {
                0 => theirs().any(sent),
                n => theirs().any(|row| row.generation == n && sent(row)),
            };
            if has_it {
                self.progress.show(Step::Email, &recipient.username(), StepStatus::Done, "has it already");
                continue;
            }
            unsent.push(MessageRow {
                experiment: self.experiment.id,
                addressee: experiment.pi_email.clone(),
                recipient: recipient.clone(),
                generation,
                message_id: id.clone(),
                state: MessageState::Writing,
                words: String::new(),
            });
        }
        let context = self.deliverer.message_context(experiment, &self.paths[0]);
        let message = post
            .templates
            .compose(&context, &experiment.pi_email, &id)
            .map_err(|error| StepError { message: error.to_string(), retry: Retry::Never })?;
        let records: Vec<_> = unsent.iter().map(Record::Message).collect();
        self.progress.note(Step::Email, MESSAGE, StepStatus::Done, attempt, "", &records).await?;
        Ok(Some((message, unsent)))
    }

    async fn send(&self, post: &Post, message: &ComposedMessage, row: &MessageRow) -> Result<(), Ended> {
        let unit = &row.recipient.username();
        let once = |attempt| {
            async move {
                self.progress.show(Step::Email, unit, StepStatus::Running, "sending");
                let (state, status, words) = match post.mailer.send(message, &row.recipient).await {
                    Ok(accepted) => (MessageState::Sent, StepStatus::Done, accepted.server_reply),
                    Err(error)
                        if matches!(error.kind, MailErrorKind::RefusedRecipient | MailErrorKind::RefusedMessage) =>
                    {
                        (MessageState::Refused, StepStatus::Failed, error.message)
                    }
                    Err(error) => return Err(StepError::from(error).into()),
                };
                let after = MessageRow { state, words: words.clone(), ..row.clone() };
                let shown = if state == MessageState::Sent { "sent" } else { words.as_str() };
                self.progress.note(Step::Email, unit, status, attempt, shown, &[Record::Message(&after)]).await?;
                Ok(state)
            }
            .boxed()
        };
        let result = self.attempts.until_true(Step::Email, unit, once).await;
        let ended = match result {
            Ok(MessageState::Refused) => Err(Ended::Failed),
            Ok(_) => Ok(()),
            Err(ended) => Err(ended),
        };
        let failed = matches!(ended, Err(Ended::Failed));
        self.progress.change(|report| {
            if failed { report.emails_failed += 1 } else { report.emails_sent += u32::from(ended.is_ok()) }
        });
        ended
    }

    /// What the message would promise and is not there.
    async fn missing_promise(&self) -> Result<Option<String>, Trouble> {
        let experiment = &self.experiment.experiment;
        if self.deliverer.collection.is_some() {
            let shared = self.deliverer.shared_with(self.experiment, &self.paths).await?;
            return Ok((!shared.contains(&experiment.pi_email)).then(|| {
                format!("{} is not shared with {} yet; run `beamshare share` first", self.paths[0], experiment.pi_email)
            }));
        }
        let claims = self.deliverer.journal().claims(self.experiment.id).await?;
        let missing = self.deliverer.place_names().into_iter().find(|place| {
            !claims
                .iter()
                .any(|claim| claim.place == *place && claim.path == self.paths[0] && claim.state == ClaimState::Made)
        });
        Ok(missing.map(|place| format!("{} is not there on {place} yet; run `beamshare dirs` first", self.paths[0])))
    }
}

/// `<uuid@beamshare.host>`
fn new_message_id() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let host: String = host.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')).collect();
    let host = host.trim_matches(['.', '-']);
    format!("<{}@beamshare.{}>", Uuid::new_v4(), if host.is_empty() { "local" } else { host })
}
