//! A message for each of the experiment's people, and the contacts' copies of the PI's. A message can't be looked at afterwards, so its row with a fixed
//! Message-ID is written first, and after a crash it goes out again under the same Message-ID.

use super::attempt::{Ended, Trouble};
use super::people::{People, Person};
use super::run::Run;
use super::share::Shared;
use crate::config;
use crate::domain::{EmailAddress, RelativePath, Retry, Step, StepError, StepStatus};
use crate::journal::{
    Allowance, ClaimState, GrantReason, JournalError, Limited, MessageKind, MessageRow, MessageState, Record, ServedRow,
};
use crate::mail::{ComposedMessage, MailError, MailErrorKind, Mailer, MessageContext, Templates, new_message_id};
use crate::places::Place;
use futures::FutureExt;
use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many messages are handed over at a time.
const AT_A_TIME: usize = 4;

/// The unit of making the message.
const MESSAGE: &str = "message";

/// Templates and mail server of `[email]`.
pub(super) struct Post {
    pub(super) templates: Templates,
    /// For messages about copies
    copies: Option<Templates>,
    pub(super) mailer: Mailer,
    /// The server's final answers that are not in the journal yet, by Message-ID and recipient. While a row can't be
    /// written, the message isn't sent again
    answers: Mutex<HashMap<(String, EmailAddress), Answer>>,
}

/// A mail server's final answer.
#[derive(Clone)]
pub(super) struct Answer {
    pub state: MessageState,
    pub reply: String,
}

impl Post {
    pub fn from_config(settings: &config::Email) -> Result<Post, StepError> {
        let load = |settings: &config::Email| {
            Templates::load(settings).map_err(|error| StepError { message: error.to_string(), retry: Retry::Never })
        };
        let copies = settings.of_copies().map(|settings| load(&settings)).transpose()?;
        let mailer = Mailer::new(&settings.transport)?;
        Ok(Post { templates: load(settings)?, copies, mailer, answers: Mutex::default() })
    }

    /// Sends the message, unless the server has answered for it before.
    pub async fn send_once(&self, message: &ComposedMessage, row: &MessageRow) -> Result<Answer, MailError> {
        let key = (row.message_id.clone(), row.recipient.clone());
        if let Some(answer) = self.answers().get(&key) {
            return Ok(answer.clone());
        }
        let answer = match self.mailer.send(message, &row.recipient).await {
            Ok(accepted) => Answer { state: MessageState::Sent, reply: accepted.server_reply },
            Err(error) if matches!(error.kind, MailErrorKind::RefusedRecipient | MailErrorKind::RefusedMessage) => {
                Answer { state: MessageState::Refused, reply: error.message }
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

    fn answers(&self) -> MutexGuard<'_, HashMap<(String, EmailAddress), Answer>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
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
    pub async fn send_test(&self, experiment: &crate::domain::Experiment) -> Result<Vec<TestMessage>, StepError> {
        let never = |message| StepError { message, retry: Retry::Never };
        let Some(post) = &self.post else { return Err(never("[email] is not configured".to_owned())) };
        let paths = self.paths(experiment).map_err(|error| never(error.to_string()))?;
        let booking = self.ask_booking(experiment).await.unwrap_or_default();
        let known = self.find_same(experiment).await.ok().flatten();
        let ends = self.would_end(known.as_ref(), &booking).await?;
        let context = self.message_context(experiment, &paths[0], ends).with_booking(booking);
        let mut results = vec![];
        for recipient in post.templates.contacts() {
            let message = post.templates.compose(&context, &experiment.pi_email, &new_message_id());
            let message = message.map_err(|error| never(error.to_string()))?;
            let result = post.mailer.send(&message, &recipient).await.map(|accepted| accepted.server_reply);
            results.push(TestMessage { recipient, result });
        }
        Ok(results)
    }

    /// Who gets which message, once each: everyone their own, the contacts a copy of the PI's. As addressee and recipient.
    pub(super) fn recipients(&self, people: &People) -> Vec<(EmailAddress, EmailAddress)> {
        let own = people.addressees.iter().map(|person| (person.email.clone(), person.email.clone()));
        let mut recipients: Vec<_> = own.collect();
        if let Some(pi) = people.addressees.iter().find(|person| person.holder == GrantReason::Pi) {
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
        experiment: &crate::domain::Experiment,
        first_path: &crate::domain::RelativePath,
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

/// What a message is about, and where it is told who has it.
struct Subject<'a> {
    kind: MessageKind,
    templates: &'a Templates,
    /// Link and path, where they are not the first directory's
    elsewhere: Option<(String, String)>,
    /// The directories that it promises; none where nothing is shared
    shared: Option<&'a Shared<'a>>,
}

impl Subject<'_> {
    fn step(&self) -> Step {
        self.shared.map_or(Step::Email, Shared::mailing)
    }

    fn unit(&self, unit: &str) -> String {
        self.shared.map_or_else(
            || unit.to_owned(),
            |shared| shared.unit(unit, if unit == MESSAGE { "the" } else { "message to" }),
        )
    }
}

impl Run<'_> {
    /// Mails everyone who was not mailed yet, once what the message promises is there. `before` is how the steps ended that
    /// it waits for.
    pub(super) async fn email(&self, before: &[Ended]) -> Vec<Ended> {
        let Some(post) = &self.deliverer.post else { return vec![] };
        let first = self.deliverer.collection.as_ref().map(|first| Shared::first(first, &self.paths));
        let subject =
            Subject { kind: MessageKind::Data, templates: &post.templates, elsewhere: None, shared: first.as_ref() };
        self.mail(post, &subject, before).await
    }

    /// The same about a copy of the data.
    pub(super) async fn email_about(&self, copy: &Shared<'_>, before: &[Ended]) -> Vec<Ended> {
        let Some((post, templates)) = self.deliverer.post.as_ref().and_then(|post| Some((post, post.copies.as_ref()?)))
        else {
            return vec![];
        };
        let path = &copy.paths[0];
        let link = copy.collection.link(path).to_string();
        let subject = Subject {
            kind: MessageKind::Copy(format!("{}/{path}", copy.collection.name())),
            templates,
            elsewhere: Some((link, copy.collection.path(path))),
            shared: Some(copy),
        };
        self.mail(post, &subject, before).await
    }

    async fn mail(&self, post: &Post, subject: &Subject<'_>, before: &[Ended]) -> Vec<Ended> {
        let (step, unit) = (subject.step(), &subject.unit(MESSAGE));
        let people = match self.people(step, unit).await {
            Ok(people) => people,
            Err(ended) => return vec![ended],
        };
        let recipients = self.deliverer.recipients(&people);
        self.progress.expect(step, recipients.iter().map(|(_, recipient)| subject.unit(&recipient.username())));
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
            let send = made.letters.iter().flat_map(|letter| letter.copies.iter().map(|row| (&letter.message, row)));
            let send = send.map(|(message, row)| self.send(post, subject, &people, message, row).boxed());
            let send: Vec<_> = send.collect();
            let sent: Vec<_> = stream::iter(send).buffer_unordered(AT_A_TIME).collect().await;
            ended.extend(sent.into_iter().filter_map(Result::err));
            if !made.more {
                return ended;
            }
        }
    }

    /// A message for each addressee who doesn't have it, or whose copies are missing, with a row for each copy that is
    /// written before the first is sent. Nobody is written to about what is not there for them.
    async fn make_messages(
        &self,
        subject: &Subject<'_>,
        people: &People,
        recipients: &[(EmailAddress, EmailAddress)],
        before: &[Ended],
        attempt: u32,
    ) -> Result<Made, Trouble> {
        let step = subject.step();
        if let Some(day) = self.has_ended().await? {
            let message = format!("not sent: the access has ended on {day}");
            self.progress.note(step, &subject.unit(MESSAGE), StepStatus::Skipped, attempt, &message, &[]).await?;
            for (_, recipient) in recipients {
                self.progress.show(step, &subject.unit(&recipient.username()), StepStatus::Skipped, "");
            }
            return Ok(Made::default());
        }
        let promise = self.promise(subject).await?;
        let mut rows = self.deliverer.journal().messages(self.experiment.id).await?;
        rows.retain(|row| row.kind == subject.kind);
        let mut context = self.context().await?;
        if let Some((link, path)) = &subject.elsewhere {
            context.data_link.clone_from(link);
            context.path.clone_from(path);
        }
        let mut letters = vec![];
        let mut ended = vec![];
        let mut unsent_to_pi = None;
        for Person { email: addressee, holder, .. } in &people.addressees {
            if let Some(missing) = promise.missing_for(addressee) {
                let unit = &subject.unit(&addressee.username());
                match holder {
                    GrantReason::Pi if before.is_empty() => {
                        return Err(StepError { message: missing, retry: Retry::Never }.into());
                    }
                    GrantReason::Pi => unsent_to_pi = Some("not sent: the data is not shared with the PI"),
                    _ if before.is_empty() => {
                        self.progress.note(step, unit, StepStatus::Failed, attempt, &missing, &[]).await?;
                        ended.push(Ended::Failed);
                    }
                    _ => {
                        let message = "not sent: the data is not shared with them";
                        self.progress.note(step, unit, StepStatus::Pending, attempt, message, &[]).await?;
                    }
                }
                continue;
            }
            let theirs: Vec<_> = rows.iter().filter(|row| row.addressee == *addressee).collect();
            let copies = recipients.iter().filter(|(to, _)| to == addressee).map(|(_, recipient)| recipient);
            letters.extend(self.letter(subject, &context, addressee, copies, &theirs)?);
        }
        let new: u32 = letters.iter().map(|letter| letter.new).sum();
        let left = self.messages_left().await?.left;
        let more = new > left && left > 0;
        if more {
            keep_new(&mut letters, left);
        }
        let records: Vec<_> = letters.iter().flat_map(|letter| letter.copies.iter().map(Record::Message)).collect();
        let status = if unsent_to_pi.is_some() { StepStatus::Pending } else { StepStatus::Done };
        let message = unsent_to_pi.unwrap_or_default();
        let new = if more { left } else { new };
        self.note_messages(step, &subject.unit(MESSAGE), status, attempt, message, &records, new).await?;
        Ok(Made { letters, ended, more })
    }

    async fn messages_left(&self) -> Result<Allowance, JournalError> {
        let per_hour = self.deliverer.config.rules.messages_per_hour;
        self.deliverer.journal().allowance(Limited::Messages, per_hour).await
    }

    /// Writes how a unit stands, with the rows of the messages that it is about to send, if `messages_per_hour` allows that
    /// many new ones. Otherwise they wait.
    #[expect(clippy::too_many_arguments, reason = "as Progress::note, and how many are new")]
    pub(super) async fn note_messages(
        &self,
        step: Step,
        unit: &str,
        status: StepStatus,
        attempt: u32,
        message: &str,
        with: &[Record<'_>],
        new: u32,
    ) -> Result<(), Trouble> {
        let per_hour = self.deliverer.config.rules.messages_per_hour;
        match self.progress.note_messages((step, unit, status, attempt, message), with, new, per_hour).await? {
            Ok(()) => Ok(()),
            Err(allowance) => {
                let ends_at = allowance.ends_at.unwrap_or_else(Timestamp::now);
                let wait = Duration::try_from(ends_at.duration_since(Timestamp::now())).unwrap_or_default();
                let message = format!(
                    "the limit of {per_hour} messages per hour is reached (messages_per_hour): the next ones wait until {}",
                    self.deliverer.time_of_day(ends_at)
                );
                Err(StepError { message, retry: Retry::After(wait) }.into())
            }
        }
    }

    /// The message to one addressee, for those of its recipients who don't have it; `rows` are the addressee's messages so
    /// far.
    fn letter<'r>(
        &self,
        subject: &Subject<'_>,
        context: &MessageContext,
        addressee: &EmailAddress,
        recipients: impl Iterator<Item = &'r EmailAddress>,
        rows: &[&MessageRow],
    ) -> Result<Option<Letter>, StepError> {
        let generation = self.delivery.generation;
        let id = rows.iter().find(|row| row.generation == generation).map(|row| row.message_id.clone());
        let message_id = id.unwrap_or_else(new_message_id);
        // Those that the journal has already come first: the limit counts only the others.
        let (mut copies, mut new_copies) = (vec![], vec![]);
        for recipient in recipients {
            let mut sent = rows.iter().filter(|row| row.recipient == *recipient && row.state == MessageState::Sent);
            let has_it = match generation {
                0 => sent.next().is_some(),
                n => sent.any(|row| row.generation == n),
            };
            if has_it {
                let unit = subject.unit(&recipient.username());
                self.progress.show(subject.step(), &unit, StepStatus::Done, "has it already");
                continue;
            }
            let is_known = rows.iter().any(|row| row.recipient == *recipient && row.generation == generation);
            let copies = if is_known { &mut copies } else { &mut new_copies };
            copies.push(MessageRow {
                experiment: self.experiment.id,
                kind: subject.kind.clone(),
                addressee: addressee.clone(),
                recipient: recipient.clone(),
                generation,
                message_id: message_id.clone(),
                state: MessageState::Writing,
                words: String::new(),
            });
        }
        let new = u32::try_from(new_copies.len()).unwrap_or(u32::MAX);
        copies.append(&mut new_copies);
        if copies.is_empty() {
            return Ok(None);
        }
        let message = subject
            .templates
            .compose(context, addressee, &message_id)
            .map_err(|error| StepError { message: error.to_string(), retry: Retry::Never })?;
        Ok(Some(Letter { message, copies, new }))
    }

    async fn send(
        &self,
        post: &Post,
        subject: &Subject<'_>,
        people: &People,
        message: &ComposedMessage,
        row: &MessageRow,
    ) -> Result<(), Ended> {
        let (step, unit) = (subject.step(), &subject.unit(&row.recipient.username()));
        let once = |attempt| {
            async move {
                self.progress.show(step, unit, StepStatus::Running, "sending");
                let Answer { state, reply } = post.send_once(message, row).await.map_err(StepError::from)?;
                let (status, shown) = match state {
                    MessageState::Sent => (StepStatus::Done, "sent"),
                    _ => (StepStatus::Failed, reply.as_str()),
                };
                let after = MessageRow { state, words: reply.clone(), ..row.clone() };
                let served = ServedRow { mailed: state == MessageState::Sent, ..self.served(people, &row.recipient) };
                let with = [Record::Message(&after), Record::Served(&served)];
                self.progress.note(step, unit, status, attempt, shown, &with).await?;
                post.is_recorded(row);
                Ok(state)
            }
            .boxed()
        };
        let result = self.attempts.until_sent(step, unit, once).await;
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

    /// What messages may promise.
    async fn promise(&self, subject: &Subject<'_>) -> Result<Promise, Trouble> {
        let path = self.paths[0].clone();
        if let Some(shared) = subject.shared {
            let shared_with = self.deliverer.shared_with(self.experiment, shared).await?;
            let path = shared.paths[0].clone();
            return Ok(Promise { path, shared_with: Some(shared_with), not_there_on: None });
        }
        let claims = self.deliverer.journal().claims(self.experiment.id).await?;
        let not_there_on = self.deliverer.place_names().into_iter().find(|place| {
            !claims.iter().any(|claim| claim.place == *place && claim.path == path && claim.state == ClaimState::Made)
        });
        Ok(Promise { path, shared_with: None, not_there_on })
    }
}

/// A message, and the copies of it that are to be sent.
pub(super) struct Letter {
    pub message: ComposedMessage,
    pub copies: Vec<MessageRow>,
    /// How many of the copies are not in the journal yet: those that the limit counts
    pub new: u32,
}

/// The messages that may be sent now.
#[derive(Default)]
struct Made {
    letters: Vec<Letter>,
    /// What could not be made
    ended: Vec<Ended>,
    /// Whether others wait for the limit
    more: bool,
}

/// Keeps only so many new copies.
fn keep_new(letters: &mut Vec<Letter>, mut left: u32) {
    for letter in letters.iter_mut() {
        let known = letter.copies.len().saturating_sub(letter.new as usize);
        letter.new = letter.new.min(left);
        left -= letter.new;
        letter.copies.truncate(known + letter.new as usize);
    }
    letters.retain(|letter| !letter.copies.is_empty());
}

/// What messages may promise: the directory, and who can read it where it is shared.
struct Promise {
    path: RelativePath,
    shared_with: Option<Vec<EmailAddress>>,
    not_there_on: Option<String>,
}

impl Promise {
    /// What a message to this address would promise and is not there.
    fn missing_for(&self, email: &EmailAddress) -> Option<String> {
        let path = &self.path;
        if self.shared_with.as_ref().is_some_and(|people| !people.contains(email)) {
            return Some(format!("{path} is not shared with {email} yet; run `beamshare share` first"));
        }
        let place = self.not_there_on.as_ref()?;
        Some(format!("{path} is not there on {place} yet; run `beamshare dirs` first"))
    }
}
