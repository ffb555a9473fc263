//! Errors of a conversation with a mail server, with their remedies.

use super::SmtpServer;
use super::stream::StreamError;
use crate::domain::{EmailAddress, escape};
use crate::mail::error::{MailError, MailErrorKind};
use lettre::transport::smtp::response::Response;
use std::error::Error as _;

/// The part of the conversation that failed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SmtpStage {
    Connect,
    Tls,
    Login,
    Sender,
    Recipient,
    /// DATA, answered before the message is sent
    Message,
    /// The message itself: an error without the server's answer leaves open whether the server has accepted
    /// it
    Acceptance,
}

impl SmtpServer {
    /// The error as an operator reads it.
    pub(super) fn explain(
        &self,
        stage: SmtpStage,
        error: &lettre::transport::smtp::Error,
        to: Option<&EmailAddress>,
    ) -> MailError {
        let server = self.shown();
        if let Some(advice) = certificate_advice(error) {
            let message =
                format!("{server}: the mail server's TLS can't be trusted: {}. {advice}", cause(error));
            return MailError::new(MailErrorKind::Tls, message);
        }
        if causes(error).any(|cause| matches!(cause.downcast_ref(), Some(StreamError::Injected))) {
            let message = format!(
                "{server}: STARTTLS failed: {}. Nothing was sent; ask whoever runs the mail server whether \
                 this is an attack",
                cause(error)
            );
            return MailError::new(MailErrorKind::Tls, message);
        }
        let said = match error.status() {
            Some(code) => format!("the mail server said: {code} {}", cause(error)),
            None => cause(error),
        };
        let to = to.map(ToString::to_string).unwrap_or_default();
        let (kind, message) = match (stage, error.is_permanent()) {
            (SmtpStage::Recipient, true) => (
                MailErrorKind::RefusedRecipient,
                format!("{server}: {to} is refused: {said}. Correct the address"),
            ),
            (SmtpStage::Sender, true) => (
                MailErrorKind::RefusedMessage,
                format!("{server}: the sender is refused: {said}. Correct email.from, or give a login"),
            ),
            (SmtpStage::Acceptance, _) if error.status().is_none() => return self.unclear(&said, &to),
            (SmtpStage::Message | SmtpStage::Acceptance, true) => {
                (MailErrorKind::RefusedMessage, format!("{server}: the message to {to} is refused: {said}"))
            }
            (SmtpStage::Login, true) => (
                MailErrorKind::LoginRefused,
                format!(
                    "{server}: the login is refused: {said}. Correct email.transport.smtp's user and \
                     password_file"
                ),
            ),
            (SmtpStage::Tls, _) if error.status().is_none() => {
                (MailErrorKind::TryLater, format!("{server}: STARTTLS failed: {said}"))
            }
            (SmtpStage::Connect, _) => return self.unreachable(&said),
            (SmtpStage::Message | SmtpStage::Acceptance, false) => (
                MailErrorKind::TryLater,
                format!("{server}: the message to {to} was not taken for now: {said}"),
            ),
            _ => (MailErrorKind::TryLater, format!("{server}: not now: {said}")),
        };
        MailError::new(kind, message)
    }

    pub(super) fn unreachable(&self, said: &str) -> MailError {
        let message = format!(
            "{}: can't reach the mail server: {said}. Is it up, are host, port and security right?",
            self.shown()
        );
        MailError::new(MailErrorKind::TryLater, message)
    }

    /// The error for a message that the server may have accepted.
    pub(super) fn unclear(&self, said: &str, to: &str) -> MailError {
        let message = format!(
            "{}: it is unclear whether the mail server has accepted the message to {to}: {said}. Its log \
             tells; a repetition carries the same Message-ID",
            self.shown()
        );
        MailError::new(MailErrorKind::Unclear { pause: self.settings.repeat_after }, message)
    }
}

type Cause<'a> = &'a (dyn std::error::Error + 'static);

/// The errors below an error, outermost first. An I/O error made of another one leaves that out of its
/// sources.
fn causes(error: &lettre::transport::smtp::Error) -> impl Iterator<Item = Cause<'_>> {
    fn below(error: Cause<'_>) -> Option<Cause<'_>> {
        match error.downcast_ref::<std::io::Error>() {
            Some(io) => io.get_ref().map(|inner| inner as Cause),
            None => error.source(),
        }
    }
    std::iter::successors(error.source(), |error| below(*error))
}

/// The remedy for an error of a certificate.
fn certificate_advice(error: &lettre::transport::smtp::Error) -> Option<&'static str> {
    use rustls::CertificateError as Bad;
    let tls = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>())?;
    Some(match tls {
        // The signature is wrong: an authority of the same name has another key.
        rustls::Error::InvalidCertificate(Bad::UnknownIssuer | Bad::BadSignature) => {
            "Put the certificate of the authority that signed it into a PEM file and set \
             email.transport.smtp.ca_file"
        }
        rustls::Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => {
            "It has expired: renew it on the server, and see that this machine's clock is right"
        }
        rustls::Error::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => {
            "Set email.transport.smtp.host to a name that is in the certificate"
        }
        rustls::Error::InvalidCertificate(_) => {
            "Ask who runs the mail server for a certificate that is in order. One that is signed by itself \
             must not be marked as an authority (openssl req -x509 -addext \
             basicConstraints=critical,CA:FALSE)"
        }
        rustls::Error::InvalidMessage(_) => {
            "The server does not speak TLS there: security = \"starttls\" may be what it wants (port 587)"
        }
        _ => "Server and beamshare do not agree on TLS",
    })
}

/// The innermost error's text.
fn cause(error: &lettre::transport::smtp::Error) -> String {
    let text = causes(error).last().map_or_else(|| error.to_string(), ToString::to_string);
    shortened(&text)
}

/// The server's reply.
pub(super) fn reply(response: &Response) -> String {
    shortened(&format!("{} {}", response.code(), response.message().collect::<Vec<_>>().join(" ")))
}

/// At most 300 characters on one line, with single blanks.
fn shortened(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    escape(&words.chars().take(300).collect::<String>()).into_owned()
}
