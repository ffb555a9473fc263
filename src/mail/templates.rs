use super::MessageContext;
use crate::config;
use crate::experiment::EmailAddress;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};
use std::path::Path;

/// Where the subject's template stands, for errors.
const SUBJECT: &str = "email.subject";

/// Longest subject, in characters: what mail programs show, and no reader misses the rest.
const SUBJECT_MAX: usize = 200;

/// The message's templates, sender and contacts, read and tried once.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    text: String,
    html: Option<String>,
    from: Mailbox,
    contacts: Vec<Mailbox>,
    contact_addresses: Vec<EmailAddress>,
}

/// A template that can't be used: file, line and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(pub String);

/// A message as it goes out, the same bytes for each who gets it.
#[derive(Clone, Debug)]
pub struct ComposedMessage {
    /// To whom it is written: the one in `To:`
    pub recipient: EmailAddress,
    /// Its Message-ID, with the angle brackets
    pub message_id: String,
    /// Header and body (RFC 5322)
    pub bytes: Vec<u8>,
    pub(super) sender: Address,
}

impl Templates {
    /// Reads the templates and makes two messages of them, with every value and with the least, so that a broken template is
    /// found now and not when a user group arrives.
    pub fn load(email: &config::Email) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // An error then knows which piece of the template it is about.
        environment.set_debug(true);
        let name = |path: &Path| path.display().to_string();
        let (text, html) = (name(&email.text_template), email.html_template.as_deref().map(name));
        let escaped = html.clone();
        environment.set_auto_escape_callback(move |name| {
            if Some(name) == escaped.as_deref() { AutoEscape::Html } else { AutoEscape::None }
        });
        let mut add = |name: &str, source: String| {
            environment.add_template_owned(name.to_owned(), source).map_err(|error| explain(name, &error))
        };
        add(SUBJECT, email.subject.clone())?;
        add(&text, read(&email.text_template)?)?;
        if let (Some(html), Some(path)) = (&html, &email.html_template) {
            add(html, read(path)?)?;
        }
        let one_line_name =
            |mailbox: &Mailbox| Mailbox::new(mailbox.name.as_deref().map(one_line), mailbox.email.clone());
        let from = one_line_name(&email.from);
        let contacts: Vec<Mailbox> = email.contacts.iter().map(one_line_name).collect();
        let address = |contact: &Mailbox| {
            let parsed = contact.email.to_string().parse();
            parsed.map_err(|why: String| TemplateError(format!("email.contacts: {contact} {why}")))
        };
        let contact_addresses = contacts.iter().map(address).collect::<Result<_, _>>()?;
        let templates = Templates { environment, text, html, from, contacts, contact_addresses };
        let somebody: EmailAddress = "somebody@example.org".parse().map_err(TemplateError)?;
        for sample in [MessageContext::sample(), MessageContext::bare_sample()] {
            templates.compose(&sample, &somebody, "<sample@beamshare.invalid>")?;
        }
        Ok(templates)
    }

    /// The addresses on copy. They stand in each message's `Cc:`; who is sent a copy is the caller's decision.
    pub fn contacts(&self) -> Vec<EmailAddress> {
        self.contact_addresses.clone()
    }

    /// The message to one recipient under this Message-ID, which looks like `<uuid@beamshare.host>`. No value can add a
    /// header or another address, whatever is in it.
    pub fn compose(
        &self,
        context: &MessageContext,
        recipient: &EmailAddress,
        message_id: &str,
    ) -> Result<ComposedMessage, TemplateError> {
        check_message_id(message_id)?;
        let contacts: Vec<String> = self.contacts.iter().map(ToString::to_string).collect();
        let values = context! { recipient => recipient.as_str(), contacts, ..Value::from(Serde(context)) };
        let render = |name: &str| {
            let template = self.environment.get_template(name).map_err(|error| explain(name, &error))?;
            template.render(&values).map_err(|error| explain(name, &error))
        };
        let subject = one_line(&render(SUBJECT)?);
        if subject.is_empty() {
            return Err(TemplateError(format!("{SUBJECT}: the subject comes out empty; give it a text of its own")));
        }
        let mut builder = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, address(recipient)?))
            .subject(subject)
            .date_now()
            .message_id(Some(message_id.to_owned()))
            // RFC 3834: holiday notes and the like do not answer.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        for contact in &self.contacts {
            builder = builder.cc(contact.clone());
        }
        let text = SinglePart::plain(render(&self.text)?);
        let message = match &self.html {
            Some(html) => {
                builder.multipart(MultiPart::alternative().singlepart(text).singlepart(SinglePart::html(render(html)?)))
            }
            None => builder.singlepart(text),
        };
        let message =
            message.map_err(|error| TemplateError(format!("the message to {recipient} can't be made: {error}")))?;
        Ok(ComposedMessage {
            recipient: recipient.clone(),
            message_id: message_id.to_owned(),
            bytes: message.formatted(),
            sender: self.from.email.clone(),
        })
    }
}

fn read(path: &Path) -> Result<String, TemplateError> {
    std::fs::read_to_string(path).map_err(|error| {
        TemplateError(format!("{}: can't read the template: {error}. `beamshare init` writes one", path.display()))
    })
}

fn address(recipient: &EmailAddress) -> Result<Address, TemplateError> {
    recipient.as_str().parse().map_err(|error| TemplateError(format!("{recipient} can't be written to: {error}")))
}

/// A text without line ends and control characters, as a header may hold it.
fn one_line(text: &str) -> String {
    let blank = |c: char| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c };
    let text: String = text.chars().map(blank).collect();
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(SUBJECT_MAX).collect()
}

fn check_message_id(id: &str) -> Result<(), TemplateError> {
    let inner = id.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).and_then(|inner| inner.split_once('@'));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_graphic() && !b"<>@".contains(&b));
    if inner.is_some_and(|(left, right)| plain(left) && plain(right)) {
        return Ok(());
    }
    Err(TemplateError(format!("{id:?} is no Message-ID; it should look like <uuid@beamshare.host>")))
}

/// `message.txt:12: …`, with the causes.
fn explain(name: &str, error: &minijinja::Error) -> TemplateError {
    let place = error.name().unwrap_or(name);
    let line = error.line().map_or_else(String::new, |line| format!(":{line}"));
    let mut text = format!("{place}{line}: {}", error.kind());
    if let Some(detail) = error.detail() {
        text.push_str(&format!(": {detail}"));
    }
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    TemplateError(text)
}
