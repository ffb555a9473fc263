//! Messages to users: composed from templates, sent to a mail server or written to a folder.

mod check;
mod context;
mod error;
mod folder;
mod message_templates;
mod notice;
mod python_tools;
mod smtp;
mod template_error;
mod templates;

pub use check::check_templates;
pub use context::{MessageContext, PiChangeContext};
pub use error::{MailError, MailErrorKind};
pub use notice::notice;
pub use template_error::{Table, TemplateError};
pub use templates::{ComposedMessage, Templates};

use crate::config::MailTransport;
use crate::domain::EmailAddress;
use folder::Folder;
use smtp::SmtpServer;
use uuid::Uuid;

/// Where messages go.
pub struct Mailer(Transport);

enum Transport {
    Smtp(Box<SmtpServer>),
    Folder(Folder),
}

/// A message that the server has accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedMessage {
    /// The server's reply, e.g. `250 2.0.0 Ok: queued as 4F2`; or the file
    pub server_reply: String,
}

impl Mailer {
    /// Reads the certificates; makes no connection. Passwords are read at each login, so that a corrected
    /// file is used at once.
    pub fn new(transport: &MailTransport) -> Result<Self, MailError> {
        Ok(Mailer(match transport {
            MailTransport::Smtp(settings) => Transport::Smtp(Box::new(SmtpServer::new(settings)?)),
            MailTransport::Folder { path } => Transport::Folder(Folder::new(path)),
        }))
    }

    /// Sends the message to this one recipient, who need not be named in it (a contact's copy). Ends
    /// within the transport's time limits. A connection is reused for messages that follow at once.
    ///
    /// # Errors
    /// [`MailErrorKind::Unclear`] where the server may have accepted the message: it may be sent again, under
    /// the same Message-ID, after the error's pause.
    pub async fn send(
        &self,
        message: &ComposedMessage,
        envelope_to: &EmailAddress,
    ) -> Result<AcceptedMessage, MailError> {
        let server_reply = match &self.0 {
            Transport::Smtp(server) => server.send(message, envelope_to).await?,
            Transport::Folder(folder) => folder.send(message, envelope_to).await?,
        };
        Ok(AcceptedMessage { server_reply })
    }

    /// Connects, starts TLS, logs in and disconnects, or checks that the folder can be written, for
    /// `beamshare check`. Sends nothing. Returns a description of the connection.
    pub async fn probe(&self) -> Result<String, MailError> {
        match &self.0 {
            Transport::Smtp(server) => server.probe().await,
            Transport::Folder(folder) => folder.probe().await,
        }
    }
}

/// A new Message-ID: `<uuid@beamshare.host>`
pub fn new_message_id() -> String {
    let host = crate::host::name();
    let host: String = host.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')).collect();
    let host = host.trim_matches(['.', '-']);
    format!("<{}@beamshare.{}>", Uuid::new_v4(), if host.is_empty() { "local" } else { host })
}
