use super::{ComposedMessage, TemplateError};
use crate::domain::{EmailAddress, escape, escape_lines};
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, SinglePart};
use lettre::{Address, Message};

/// Longest subject, in characters.
const SUBJECT_MAX: usize = 200;

/// A message to staff without templates: the data that was moved, and failures.
///
/// # Errors
/// Where a mail server could not take the address.
pub fn notice(
    from: &Mailbox,
    recipient: &EmailAddress,
    subject: &str,
    text: &str,
    message_id: &str,
) -> Result<ComposedMessage, TemplateError> {
    let address: Address = recipient
        .as_str()
        .parse()
        .map_err(|error| TemplateError::new(format!("{recipient} can't be written to: {error}")))?;
    let subject: String = escape(subject).chars().take(SUBJECT_MAX).collect();
    let message = Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, address))
        .subject(subject)
        .date_now()
        .message_id(Some(message_id.to_owned()))
        // RFC 3834: automatic replies are suppressed.
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ))
        .singlepart(SinglePart::plain(escape_lines(text).into_owned()))
        .map_err(|error| TemplateError::new(format!("the message to {recipient} can't be made: {error}")))?;
    Ok(ComposedMessage {
        recipient: recipient.clone(),
        message_id: message_id.to_owned(),
        bytes: message.formatted(),
        sender: from.email.clone(),
    })
}
