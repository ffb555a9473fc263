use super::value;
use lettre::message::Mailbox;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// `[email]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Email {
    /// The sender, `Name <address>` or an address
    #[serde(deserialize_with = "value::mailbox")]
    pub from: Mailbox,
    /// Where replies go; without it to the sender
    #[serde(default, deserialize_with = "value::some_mailbox")]
    pub reply_to: Option<Mailbox>,
    /// The telephone number of the first contact, for messages
    pub telephone: Option<String>,
    /// Beamline staff, on copy in every message; messages name the first one
    #[serde(default, deserialize_with = "value::mailboxes")]
    pub contacts: Vec<Mailbox>,
    /// minijinja template of the subject
    #[serde(default = "value::default_subject")]
    pub subject: String,
    /// minijinja template of the text, a file
    pub text_template: PathBuf,
    /// minijinja template of the HTML, a file; without it the message is text only
    pub html_template: Option<PathBuf>,
    /// `[[email.choices]]`: other words for some experiments; the first whose condition is true
    #[serde(default)]
    pub choices: Vec<MessageChoice>,
    /// How long before the end of their access people are reminded of it; without it they are not
    #[serde(default, deserialize_with = "value::some_duration")]
    pub reminder: Option<Duration>,
    /// minijinja template of the reminder's subject
    #[serde(default = "value::default_reminder_subject")]
    pub reminder_subject: String,
    /// minijinja template of the reminder's text, a file
    pub reminder_text_template: Option<PathBuf>,
    /// minijinja template of the reminder's HTML, a file; without it the reminder is text only
    pub reminder_html_template: Option<PathBuf>,
    /// minijinja template of the subject of the message about another principal investigator
    #[serde(default = "value::default_pi_change_subject")]
    pub pi_change_subject: String,
    /// minijinja template of its text, a file; without it beamshare's own
    pub pi_change_text_template: Option<PathBuf>,
    /// `[email.copy]`: the message about a copy of the data that a pair of `[[sync]]` with `share` has made
    pub copy: Option<CopyMessage>,
    /// Where messages go
    pub transport: MailTransport,
    /// `facility` of `[beamline]`, for the messages
    #[serde(skip)]
    pub facility: Option<String>,
}

impl Email {
    /// The templates' files.
    pub(crate) fn templates(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let choices =
            self.choices.iter_mut().flat_map(|choice| [&mut choice.text_template, &mut choice.html_template]);
        let further = [
            &mut self.html_template,
            &mut self.reminder_text_template,
            &mut self.reminder_html_template,
            &mut self.pi_change_text_template,
        ];
        let further = choices.chain(further).flatten();
        let copies = self.copy.iter_mut();
        let copies = copies
            .flat_map(|copy| std::iter::once(&mut copy.text_template).chain(copy.html_template.as_mut()));
        std::iter::once(&mut self.text_template).chain(further).chain(copies)
    }

    /// The same for the messages about copies, with their subject and templates.
    pub fn of_copies(&self) -> Option<Email> {
        let CopyMessage { subject, text_template, html_template } = self.copy.clone()?;
        let (choices, reminder_text_template) = (vec![], None);
        let others = self.clone();
        Some(Email {
            subject,
            text_template,
            html_template,
            copy: None,
            choices,
            reminder_text_template,
            ..others
        })
    }
}

/// `[email.copy]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CopyMessage {
    /// minijinja template of the subject
    #[serde(default = "value::default_copy_subject")]
    pub subject: String,
    /// minijinja template of the text, a file
    pub text_template: PathBuf,
    /// minijinja template of the HTML, a file; without it the message is text only
    pub html_template: Option<PathBuf>,
}

/// `[[email.choices]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageChoice {
    /// minijinja expression over what the templates know, e.g. `proposal_type == "commissioning"`
    pub when: String,
    /// Instead of the one of `[email]`
    pub subject: Option<String>,
    /// Instead of the one of `[email]`, and of its HTML
    pub text_template: Option<PathBuf>,
    /// Instead of the one of `[email]`
    pub html_template: Option<PathBuf>,
}

/// `[email.transport]`
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum MailTransport {
    /// An SMTP server
    Smtp(Smtp),
    /// `.eml` files in a folder
    Folder {
        /// The folder; must exist
        path: PathBuf,
    },
}

/// `[email.transport.smtp]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smtp {
    /// Its name
    pub host: String,
    /// Its port; without it the usual one of `security`
    pub port: Option<u16>,
    /// How the connection is made private
    #[serde(default)]
    pub security: SmtpSecurity,
    /// A PEM file with a certificate to trust beside the system's
    pub ca_file: Option<PathBuf>,
    /// The login's name; without it no login
    pub user: Option<String>,
    /// A file of mode 0600 that holds the login's password
    pub password_file: Option<PathBuf>,
    /// Limit for one message, up to the point where the server asks for its text
    #[serde(default = "value::default_timeout", deserialize_with = "value::duration")]
    pub timeout: Duration,
    /// Limit for sending the text and for the server's answer to it. RFC 5321 (4.5.3.2.6) asks for ten
    /// minutes: a server that scans messages answers late, and a message given up too early arrives twice
    #[serde(default = "value::default_accept_timeout", deserialize_with = "value::duration")]
    pub accept_timeout: Duration,
    /// Pause before a message is sent again that the server may have accepted; twice as long before the
    /// second time, which is the last
    #[serde(default = "value::default_repeat_after", deserialize_with = "value::duration")]
    pub repeat_after: Duration,
}

/// How an SMTP connection is made private.
#[derive(Default, Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpSecurity {
    /// STARTTLS, required (port 587)
    #[default]
    Starttls,
    /// TLS from the first byte (port 465)
    Tls,
    /// In the clear (port 25)
    None,
}

/// Sender and transport of messages.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sender {
    /// The sender, `Name <address>` or an address
    #[serde(deserialize_with = "value::mailbox")]
    pub from: Mailbox,
    /// Where messages go
    pub transport: MailTransport,
}
