use super::message_templates::{MessageTemplates, Sources};
use super::template_error::{Table, TemplateError};
use super::{MessageContext, PiChangeContext};
use crate::config;
use crate::domain::EmailAddress;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};
use minijinja::value::{Serde, Value};
use minijinja::{Environment, context};

/// The text of the message about another principal investigator, where the settings name none.
const PI_CHANGE: &str = include_str!("../../config/pi_change.txt");

/// Longest subject, in characters, as mail programs show it.
const SUBJECT_MAX: usize = 200;

/// The messages' templates, sender and contacts, read and tried once.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    /// In the order in which they are tried; the last has no condition
    choices: Vec<MessageTemplates>,
    reminder: Option<MessageTemplates>,
    pi_change: MessageTemplates,
    from: Mailbox,
    reply_to: Option<Mailbox>,
    telephone: String,
    facility: String,
    contacts: Vec<Mailbox>,
    contact_addresses: Vec<EmailAddress>,
}

/// A composed message, identical for each recipient.
#[derive(Clone, Debug)]
pub struct ComposedMessage {
    /// The addressee, in `To:`
    pub recipient: EmailAddress,
    /// Its Message-ID, with the angle brackets
    pub message_id: String,
    /// Header and body (RFC 5322)
    pub bytes: Vec<u8>,
    pub(super) sender: Address,
}

impl ComposedMessage {
    /// The part of the message that a mail program shows as a page; `None` for one that is text only.
    pub fn html(&self) -> Option<String> {
        let mail = mailparse::parse_mail(&self.bytes).ok()?;
        let html = mail.parts().find(|part| part.ctype.mimetype == "text/html")?;
        html.get_body().ok()
    }
}

impl Templates {
    /// Reads the templates and makes two messages of each, with every value and with the required ones, so
    /// that a broken template is found now and not when a user group arrives.
    pub fn load(email: &config::Email) -> Result<Self, TemplateError> {
        let mut sources = Sources::default();
        let mut choices = vec![];
        for (n, choice) in email.choices.iter().enumerate() {
            // HTML that says something else than the choice's own text must not go with it.
            let of_all = email.html_template.as_ref().filter(|_| choice.text_template.is_none());
            choices.push(sources.read(
                Table::Choice(n),
                Some(&choice.when),
                choice.subject.as_ref().unwrap_or(&email.subject),
                choice.text_template.as_ref().unwrap_or(&email.text_template),
                choice.html_template.as_ref().or(of_all).map(|path| path.as_path()),
            )?);
        }
        let html = email.html_template.as_deref();
        choices.push(sources.read(Table::Email, None, &email.subject, &email.text_template, html)?);
        let reminder = match &email.reminder_text_template {
            Some(text) => {
                let html = email.reminder_html_template.as_deref();
                Some(sources.read(Table::Reminder, None, &email.reminder_subject, text, html)?)
            }
            None => None,
        };
        let pi_change = match &email.pi_change_text_template {
            Some(text) => sources.read(Table::PiChange, None, &email.pi_change_subject, text, None)?,
            None => sources.built_in(Table::PiChange, &email.pi_change_subject, PI_CHANGE),
        };
        let environment = sources.environment()?;
        let one_line_name =
            |mailbox: &Mailbox| Mailbox::new(mailbox.name.as_deref().map(one_line), mailbox.email.clone());
        let from = one_line_name(&email.from);
        let reply_to = email.reply_to.as_ref().map(one_line_name);
        let contacts: Vec<Mailbox> = email.contacts.iter().map(one_line_name).collect();
        let address = |contact: &Mailbox| {
            let parsed = contact.email.to_string().parse();
            parsed.map_err(|why: String| TemplateError::new(format!("email.contacts: {contact} {why}")))
        };
        let contact_addresses = contacts.iter().map(address).collect::<Result<_, _>>()?;
        let templates = Templates {
            environment,
            choices,
            reminder,
            pi_change,
            from,
            reply_to,
            telephone: email.telephone.clone().unwrap_or_default(),
            facility: email.facility.clone().unwrap_or_default(),
            contacts,
            contact_addresses,
        };
        let somebody: EmailAddress = "somebody@example.org".parse().map_err(TemplateError::new)?;
        for sample in [MessageContext::sample(), MessageContext::bare_sample()] {
            for parts in templates.choices.iter().chain(&templates.reminder) {
                let values = templates.values(&sample, &somebody);
                templates.holds(parts, &values)?;
                templates.message(parts, &values, &[&somebody], "<sample@beamshare.invalid>")?;
            }
            let change = PiChangeContext::sample(&somebody);
            templates.compose_pi_change(&sample, &change, "<sample@beamshare.invalid>")?;
        }
        Ok(templates)
    }

    /// The names of the texts (a template's file) that never name the data's link.
    pub fn without_link(&self) -> Vec<&str> {
        let names_link = |name: &str| {
            let template = self.environment.get_template(name);
            template.is_ok_and(|template| template.undeclared_variables(false).contains("data_link"))
        };
        self.choices.iter().map(|parts| parts.text.as_str()).filter(|text| !names_link(text)).collect()
    }

    /// The addresses on copy. Each message names them in `Cc:`; the caller decides who is sent a copy.
    pub fn contacts(&self) -> Vec<EmailAddress> {
        self.contact_addresses.clone()
    }

    /// The message to one recipient under this Message-ID, which looks like `<uuid@beamshare.host>`, in the
    /// words of the first choice that holds. No value can add a header or another address.
    pub fn compose(
        &self,
        context: &MessageContext,
        recipient: &EmailAddress,
        message_id: &str,
    ) -> Result<ComposedMessage, TemplateError> {
        let values = self.values(context, recipient);
        for parts in &self.choices {
            if self.holds(parts, &values)? {
                return self.message(parts, &values, &[recipient], message_id);
            }
        }
        Err(TemplateError::new("no message is configured".to_owned()))
    }

    /// The reminder that the recipient's access ends, likewise; `None` where none is configured.
    pub fn compose_reminder(
        &self,
        context: &MessageContext,
        recipient: &EmailAddress,
        message_id: &str,
    ) -> Result<Option<ComposedMessage>, TemplateError> {
        let Some(parts) = &self.reminder else { return Ok(None) };
        self.message(parts, &self.values(context, recipient), &[recipient], message_id).map(Some)
    }

    /// The message about another principal investigator, addressed to both.
    pub fn compose_pi_change(
        &self,
        context: &MessageContext,
        change: &PiChangeContext,
        message_id: &str,
    ) -> Result<ComposedMessage, TemplateError> {
        let values = context! {
            pi_email => change.present.as_str(),
            former_pi_email => change.former.as_str(),
            former_keeps_access => change.former_keeps_access,
            changed_at => change.changed_at.as_str(),
            ..self.values(context, &change.present)
        };
        self.message(&self.pi_change, &values, &[&change.present, &change.former], message_id)
    }

    fn values(&self, context: &MessageContext, recipient: &EmailAddress) -> Value {
        let contacts: Vec<String> = self.contacts.iter().map(ToString::to_string).collect();
        let recipient_name = context.name_of(recipient.as_str());
        let first = self.contacts.first();
        let contact_email = first.unwrap_or(self.reply_to.as_ref().unwrap_or(&self.from)).email.to_string();
        let contact_name = first.and_then(|contact| contact.name.clone()).unwrap_or_default();
        context! {
            recipient => recipient.as_str(),
            recipient_name,
            contacts,
            contact_name,
            contact_email,
            telephone => self.telephone.as_str(),
            facility => self.facility.as_str(),
            ..Value::from(Serde(context))
        }
    }

    /// Whether the condition of the message's templates is true.
    fn holds(&self, parts: &MessageTemplates, values: &Value) -> Result<bool, TemplateError> {
        let Some(when) = &parts.when else { return Ok(true) };
        let name = parts.table.path("when");
        let value = self.environment.compile_expression(when).and_then(|when| when.eval(values));
        let value =
            value.map_err(|error| TemplateError::of_expression(&name, &error).at(parts.table, "when"))?;
        if value.is_undefined() {
            let message = format!("{name}: {when:?} names something that no message knows");
            return Err(TemplateError::new(message).at(parts.table, "when"));
        }
        Ok(value.is_true())
    }

    fn message(
        &self,
        parts: &MessageTemplates,
        values: &Value,
        recipients: &[&EmailAddress],
        message_id: &str,
    ) -> Result<ComposedMessage, TemplateError> {
        check_message_id(message_id)?;
        let Some(recipient) = recipients.first() else {
            return Err(TemplateError::new("a message without a recipient".to_owned()));
        };
        let render = |name: &str, part: &'static str| {
            let rendered = self.environment.get_template(name).and_then(|template| template.render(values));
            rendered.map_err(|error| TemplateError::of(name, &error).at(parts.table, part))
        };
        let subject = one_line(&render(&parts.subject, "subject")?);
        if subject.is_empty() {
            let message =
                format!("{}: the subject comes out empty; give it a text of its own", parts.subject);
            return Err(TemplateError::new(message).at(parts.table, "subject"));
        }
        let mut builder = Message::builder()
            .from(self.from.clone())
            .subject(subject)
            .date_now()
            .message_id(Some(message_id.to_owned()))
            // RFC 3834: automatic replies are suppressed.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        if let Some(reply_to) = &self.reply_to {
            builder = builder.reply_to(reply_to.clone());
        }
        for recipient in recipients {
            builder = builder.to(Mailbox::new(None, address(recipient)?));
        }
        // Reminders have no copies.
        for contact in self.contacts.iter().filter(|_| parts.table != Table::Reminder) {
            builder = builder.cc(contact.clone());
        }
        let text = SinglePart::plain(render(&parts.text, "text_template")?);
        let message = match &parts.html {
            Some(html) => {
                let html = SinglePart::html(render(html, "html_template")?);
                builder.multipart(MultiPart::alternative().singlepart(text).singlepart(html))
            }
            None => builder.singlepart(text),
        };
        let message = message.map_err(|error| {
            TemplateError::new(format!("the message to {recipient} can't be made: {error}"))
        })?;
        Ok(ComposedMessage {
            recipient: (*recipient).clone(),
            message_id: message_id.to_owned(),
            bytes: message.formatted(),
            sender: self.from.email.clone(),
        })
    }
}

fn address(recipient: &EmailAddress) -> Result<Address, TemplateError> {
    recipient
        .as_str()
        .parse()
        .map_err(|error| TemplateError::new(format!("{recipient} can't be written to: {error}")))
}

/// A text without line ends and control characters, as a header may hold it.
fn one_line(text: &str) -> String {
    let blank = |c: char| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c };
    let text: String = text.chars().map(blank).collect();
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(SUBJECT_MAX).collect()
}

fn check_message_id(id: &str) -> Result<(), TemplateError> {
    let inner =
        id.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).and_then(|inner| inner.split_once('@'));
    let plain =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_graphic() && !b"<>@".contains(&b));
    if inner.is_some_and(|(left, right)| plain(left) && plain(right)) {
        return Ok(());
    }
    Err(TemplateError::new(format!("{id:?} is no Message-ID; it should look like <uuid@beamshare.host>")))
}
