use crate::domain::{Retry, StepError};
use std::time::Duration;

/// Why a message was not sent: what was tried, on what, what came back, what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct MailError {
    /// The whole sentence for the operator, with the server's words
    pub message: String,
    /// The kind
    pub kind: MailErrorKind,
}

/// The kind of error, by its remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailErrorKind {
    /// This recipient is refused for good; others may be accepted
    RefusedRecipient,
    /// The sender or the message is refused for good
    RefusedMessage,
    /// The server is unreachable, busy or slow
    TryLater,
    /// The connection ended, or the time was up, after the message was sent: the server may have accepted it
    Unclear {
        /// The pause before it may be sent again under its Message-ID
        pause: Duration,
    },
    /// The login is refused
    LoginRefused,
    /// The connection can't be made private: certificate, no STARTTLS
    Tls,
    /// The configuration names something that does not exist
    Setup,
}

impl MailError {
    pub(super) fn new(kind: MailErrorKind, message: String) -> Self {
        MailError { message, kind }
    }

    /// Whether another attempt can help.
    pub fn retry(&self) -> Retry {
        match self.kind {
            MailErrorKind::TryLater => Retry::Backoff,
            MailErrorKind::Unclear { pause } => Retry::Sparse(pause),
            _ => Retry::Never,
        }
    }
}

impl From<MailError> for StepError {
    fn from(error: MailError) -> Self {
        StepError { retry: error.retry(), message: error.message }
    }
}
