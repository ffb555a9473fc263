//! A message for each of the experiment's people, and the contacts' copies of the PI's.
//!
//! Nobody can look afterwards whether a message was sent. So its row with a fixed Message-ID is written
//! first, and after a crash it is sent again under the same Message-ID.

use super::attempt::StepResult;
use super::attempt_error::AttemptError;
use super::deliverer::Deliverer;
use super::execute::DeliveryRun;
use super::mail_setup::{MailAnswer, MailSetup};
use super::outgoing::{ComposedMessages, OutgoingMessage, Preconditions, keep_new};
use super::person::{People, Person};
use super::shared::Shared;
use crate::domain::{EmailAddress, Experiment, RelativePath, Step, StepStatus, Unit};
use crate::journal::{
    Allowance, ClaimState, GrantReason, JournalError, JournalRecord, Limited, MessageKind, MessageRow,
    MessageState, ServedRow,
};
use crate::mail::{ComposedMessage, Mailer, MessageContext, Templates, new_message_id};
use crate::places::Place;
use futures::FutureExt;
use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use std::time::Duration;

/// How many messages are handed over at a time.
const AT_A_TIME: usize = 4;

impl Deliverer {
    /// The beamline's contacts, who get a copy of each message.
    pub fn contacts(&self) -> Vec<EmailAddress> {
        self.mail_setup.as_ref().map(|setup| setup.templates.contacts()).unwrap_or_default()
    }

    /// Where messages go, to be tried by `beamshare check`.
    pub fn mailer(&self) -> Option<&Mailer> {
        self.mail_setup.as_ref().map(|setup| &setup.mailer)
    }

    /// The recipients, each once, as addressee and recipient: everyone gets a message of their own, the
    /// contacts a copy of the PI's.
    pub(super) fn recipients(&self, people: &People) -> Vec<(EmailAddress, EmailAddress)> {
        let own = people.addressees.iter().map(|person| (person.email.clone(), person.email.clone()));
        let mut recipients: Vec<_> = own.collect();
        if let Some(pi) = people.addressees.iter().find(|person| person.reason == GrantReason::Pi) {
            for contact in self.contacts() {
                if !recipients.iter().any(|(_, recipient)| *recipient == contact) {
                    recipients.push((pi.email.clone(), contact));
                }
            }
        }
        recipients
    }

    pub(super) fn message_context(
        &self,
        experiment: &Experiment,
        first_path: &RelativePath,
        ends: Option<Timestamp>,
    ) -> MessageContext {
        MessageContext {
            data_link: self.data_link(first_path),
            path: first_path.to_string(),
            expires: ends.map(|ends| self.day(ends)).unwrap_or_default(),
            ..MessageContext::new(experiment, &self.config.beamline.name)
        }
    }
}

/// The subject of a message, and the step and units that show it.
struct Subject<'a> {
    kind: MessageKind,
    templates: &'a Templates,
    /// Link and path, where they are not the first directory's
    elsewhere: Option<(String, String)>,
    /// The directories that it announces; none where nothing is shared
    shared: Option<&'a Shared<'a>>,
}

impl Subject<'_> {
    fn step(&self) -> Step {
        self.shared.map_or(Step::Email, Shared::mailing)
    }

    fn message(&self) -> Unit {
        self.shared.map_or(Unit::Message, Shared::message)
    }

    fn message_to(&self, recipient: &EmailAddress) -> Unit {
        self.shared.map_or_else(|| Unit::Person(recipient.clone()), |shared| shared.message_to(recipient))
    }
}

impl DeliveryRun<'_> {
    /// Mails everyone who was not mailed yet, once the announced data is there. `before` are the failures of
    /// the steps that it waits for.
    pub(super) async fn email(&self, before: &[StepResult]) -> Vec<StepResult> {
        let Some(setup) = &self.deliverer.mail_setup else { return vec![] };
        let first = self.deliverer.collection.as_ref().map(|first| Shared::first(first, &self.paths));
        let subject = Subject {
            kind: MessageKind::Data,
            templates: &setup.templates,
            elsewhere: None,
            shared: first.as_ref(),
        };
        self.mail(setup, &subject, before).await
    }

    /// Mails everyone about a replica of the data.
    pub(super) async fn email_about(&self, copy: &Shared<'_>, before: &[StepResult]) -> Vec<StepResult> {
        let Some(setup) = &self.deliverer.mail_setup else { return vec![] };
        let Some(templates) = &setup.replicas else { return vec![] };
        let path = &copy.paths[0];
        let link = copy.collection.link(path).to_string();
        let subject = Subject {
            kind: MessageKind::Copy(format!("{}/{path}", copy.collection.name())),
            templates,
            elsewhere: Some((link, copy.collection.path(path))),
            shared: Some(copy),
        };
        self.mail(setup, &subject, before).await
    }

    async fn mail(&self, setup: &MailSetup, subject: &Subject<'_>, before: &[StepResult]) -> Vec<StepResult> {
        let (step, unit) = (subject.step(), &subject.message());
        let people = match self.people(step, unit).await {
            Ok(people) => people,
            Err(ended) => return vec![ended],
        };
        let recipients = self.deliverer.recipients(&people);
        self.progress.expect(step, recipients.iter().map(|(_, recipient)| subject.message_to(recipient)));
        let mut ended = vec![];
        loop {
            let once = |attempt| self.make_messages(subject, &people, &recipients, before, attempt).boxed();
            let made = match self.attempts.until_true(step, unit, once).await {
                Ok(made) => made,
                Err(failed) => {
                    ended.push(failed);
                    return ended;
                }
            };
            ended.extend(made.ended);
            let send = made
                .outgoing
                .iter()
                .flat_map(|message_to| message_to.copies.iter().map(|row| (&message_to.message, row)));
            let send = send.map(|(message, row)| self.send(setup, subject, &people, message, row).boxed());
            let send: Vec<_> = send.collect();
            let sent: Vec<_> = stream::iter(send).buffer_unordered(AT_A_TIME).collect().await;
            ended.extend(sent.into_iter().filter_map(Result::err));
            if !made.more {
                return ended;
            }
        }
    }

    /// Composes a message for each addressee without one, or with copies missing, and journals a row for each
    /// copy before the first is sent. Nobody is mailed about data that they can't read.
    async fn make_messages(
        &self,
        subject: &Subject<'_>,
        people: &People,
        recipients: &[(EmailAddress, EmailAddress)],
        before: &[StepResult],
        attempt: u32,
    ) -> Result<ComposedMessages, AttemptError> {
        let step = subject.step();
        if let Some(day) = self.has_ended().await? {
            let message = format!("not sent: the access has ended on {day}");
            self.progress.note(step, &subject.message(), StepStatus::Skipped, attempt, &message, &[]).await?;
            for (_, recipient) in recipients {
                self.progress.show(step, &subject.message_to(recipient), StepStatus::Skipped, "");
            }
            return Ok(ComposedMessages::default());
        }
        let preconditions = self.preconditions(subject).await?;
        let mut rows = self.deliverer.journal().messages(self.experiment.id).await?;
        rows.retain(|row| row.kind == subject.kind);
        let mut context = self.context().await?;
        if let Some((link, path)) = &subject.elsewhere {
            context.data_link.clone_from(link);
            context.path.clone_from(path);
        }
        let mut outgoing = vec![];
        let mut ended = vec![];
        let mut unsent_to_pi = None;
        for Person { email: addressee, reason, .. } in &people.addressees {
            let theirs: Vec<_> = rows.iter().filter(|row| row.addressee == *addressee).collect();
            let copies = recipients.iter().filter(|(to, _)| to == addressee).map(|(_, recipient)| recipient);
            // A person who was mailed before is skipped: a later failure of sharing is reported by that step.
            let Some(message) = self.message_to(subject, &context, addressee, copies, &theirs)? else {
                continue;
            };
            if let Some(missing) = preconditions.missing_for(addressee) {
                let unit = &subject.message_to(addressee);
                match reason {
                    GrantReason::Pi if before.is_empty() => {
                        return Err(missing);
                    }
                    GrantReason::Pi => unsent_to_pi = Some("not sent: the data is not shared with the PI"),
                    _ if before.is_empty() => {
                        let message = missing.to_string();
                        self.progress.note(step, unit, StepStatus::Failed, attempt, &message, &[]).await?;
                        ended.push(StepResult::Failed);
                    }
                    _ => {
                        let message = "not sent: the data is not shared with them";
                        self.progress.note(step, unit, StepStatus::Pending, attempt, message, &[]).await?;
                    }
                }
                continue;
            }
            outgoing.push(message);
        }
        let new: u32 = outgoing.iter().map(|message_to| message_to.new).sum();
        let left = self.messages_left().await?.left;
        let more = new > left && left > 0;
        if more {
            keep_new(&mut outgoing, left);
        }
        let records: Vec<_> = outgoing
            .iter()
            .flat_map(|message_to| message_to.copies.iter().map(JournalRecord::Message))
            .collect();
        let status = if unsent_to_pi.is_some() { StepStatus::Pending } else { StepStatus::Done };
        let message = unsent_to_pi.unwrap_or_default();
        let new = if more { left } else { new };
        self.note_messages(step, &subject.message(), status, attempt, message, &records, new).await?;
        Ok(ComposedMessages { outgoing, ended, more })
    }

    async fn messages_left(&self) -> Result<Allowance, JournalError> {
        let per_hour = self.deliverer.config.rules.messages_per_hour;
        self.deliverer.journal().allowance(Limited::Messages, per_hour).await
    }

    /// Writes how a unit stands, with the rows of the messages that it is about to send, if
    /// `messages_per_hour` allows that many new ones. Otherwise they wait.
    #[expect(clippy::too_many_arguments, reason = "as Progress::note, and how many are new")]
    pub(super) async fn note_messages(
        &self,
        step: Step,
        unit: &Unit,
        status: StepStatus,
        attempt: u32,
        message: &str,
        with: &[JournalRecord<'_>],
        new: u32,
    ) -> Result<(), AttemptError> {
        let per_hour = self.deliverer.config.rules.messages_per_hour;
        match self.progress.note_messages((step, unit, status, attempt, message), with, new, per_hour).await?
        {
            Ok(()) => Ok(()),
            Err(allowance) => {
                let ends_at = allowance.ends_at.unwrap_or_else(Timestamp::now);
                let wait = Duration::try_from(ends_at.duration_since(Timestamp::now())).unwrap_or_default();
                Err(AttemptError::MessageLimit { per_hour, wait, ends: self.deliverer.time_of_day(ends_at) })
            }
        }
    }

    /// The message to one addressee, for the recipients who don't have it. `rows` are the addressee's
    /// messages so far.
    fn message_to<'r>(
        &self,
        subject: &Subject<'_>,
        context: &MessageContext,
        addressee: &EmailAddress,
        recipients: impl Iterator<Item = &'r EmailAddress>,
        rows: &[&MessageRow],
    ) -> Result<Option<OutgoingMessage>, AttemptError> {
        let resend_number = self.delivery.resend_number;
        let id = rows.iter().find(|row| row.resend_number == resend_number).map(|row| row.message_id.clone());
        let message_id = id.unwrap_or_else(new_message_id);
        // Those that the journal has already come first: the limit counts only the others.
        let (mut copies, mut new_copies) = (vec![], vec![]);
        for recipient in recipients {
            let mut sent =
                rows.iter().filter(|row| row.recipient == *recipient && row.state == MessageState::Sent);
            let has_it = match resend_number {
                0 => sent.next().is_some(),
                n => sent.any(|row| row.resend_number == n),
            };
            if has_it {
                let unit = subject.message_to(recipient);
                self.progress.show(subject.step(), &unit, StepStatus::Done, "has it already");
                continue;
            }
            let is_known =
                rows.iter().any(|row| row.recipient == *recipient && row.resend_number == resend_number);
            let copies = if is_known { &mut copies } else { &mut new_copies };
            copies.push(MessageRow {
                experiment: self.experiment.id,
                kind: subject.kind.clone(),
                addressee: addressee.clone(),
                recipient: recipient.clone(),
                resend_number,
                message_id: message_id.clone(),
                state: MessageState::Writing,
                server_reply: String::new(),
            });
        }
        let new = u32::try_from(new_copies.len()).unwrap_or(u32::MAX);
        copies.append(&mut new_copies);
        if copies.is_empty() {
            return Ok(None);
        }
        let message = subject.templates.compose(context, addressee, &message_id)?;
        Ok(Some(OutgoingMessage { message, copies, new }))
    }

    async fn send(
        &self,
        setup: &MailSetup,
        subject: &Subject<'_>,
        people: &People,
        message: &ComposedMessage,
        row: &MessageRow,
    ) -> Result<(), StepResult> {
        let (step, unit) = (subject.step(), &subject.message_to(&row.recipient));
        let once = |attempt| {
            async move {
                self.progress.show(step, unit, StepStatus::Running, "sending");
                let MailAnswer { state, reply } = setup.send_once(message, row).await?;
                let (status, shown) = match state {
                    MessageState::Sent => (StepStatus::Done, "sent"),
                    _ => (StepStatus::Failed, reply.as_str()),
                };
                let after = MessageRow { state, server_reply: reply.clone(), ..row.clone() };
                let served =
                    ServedRow { mailed: state == MessageState::Sent, ..self.served(people, &row.recipient) };
                let with = [JournalRecord::Message(&after), JournalRecord::Served(&served)];
                self.progress.note(step, unit, status, attempt, shown, &with).await?;
                setup.is_recorded(row);
                Ok(state)
            }
            .boxed()
        };
        let result = self.attempts.until_sent(step, unit, once).await;
        let ended = match result {
            Ok(MessageState::Refused) => Err(StepResult::Failed),
            Ok(_) => Ok(()),
            Err(ended) => Err(ended),
        };
        let failed = matches!(ended, Err(StepResult::Failed));
        self.progress.change(|report| {
            if failed { report.emails_failed += 1 } else { report.emails_sent += u32::from(ended.is_ok()) }
        });
        ended
    }

    /// The preconditions of messages.
    async fn preconditions(&self, subject: &Subject<'_>) -> Result<Preconditions, AttemptError> {
        let path = self.paths[0].clone();
        if let Some(shared) = subject.shared {
            let shared_with = self.deliverer.shared_with(self.experiment, shared).await?;
            let path = shared.paths[0].clone();
            return Ok(Preconditions { path, shared_with: Some(shared_with), not_there_on: None });
        }
        let claims = self.deliverer.journal().claims(self.experiment.id).await?;
        let not_there_on = self.deliverer.place_names().into_iter().find(|place| {
            !claims
                .iter()
                .any(|claim| claim.place == *place && claim.path == path && claim.state == ClaimState::Made)
        });
        Ok(Preconditions { path, shared_with: None, not_there_on })
    }
}
