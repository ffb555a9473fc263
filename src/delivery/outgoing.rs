//! The messages of a delivery that are to be sent, and their preconditions.

use super::attempt::StepResult;
use super::attempt_error::AttemptError;
use crate::domain::{EmailAddress, RelativePath};
use crate::journal::MessageRow;
use crate::mail::ComposedMessage;

/// A message, and the copies of it that are to be sent.
pub(super) struct OutgoingMessage {
    pub message: ComposedMessage,
    pub copies: Vec<MessageRow>,
    /// How many of the copies are not in the journal yet: those that the limit counts
    pub new: u32,
}

/// The messages that may be sent now.
#[derive(Default)]
pub(super) struct ComposedMessages {
    pub outgoing: Vec<OutgoingMessage>,
    /// Failures to compose
    pub ended: Vec<StepResult>,
    /// Whether others wait for the limit
    pub more: bool,
}

/// Keeps only so many new copies.
pub(super) fn keep_new(outgoing: &mut Vec<OutgoingMessage>, mut left: u32) {
    for message_to in outgoing.iter_mut() {
        let known = message_to.copies.len().saturating_sub(message_to.new as usize);
        message_to.new = message_to.new.min(left);
        left -= message_to.new;
        message_to.copies.truncate(known + message_to.new as usize);
    }
    outgoing.retain(|message_to| !message_to.copies.is_empty());
}

/// The preconditions of messages: the directory exists, and its readers can read it where it is shared.
pub(super) struct Preconditions {
    pub path: RelativePath,
    pub shared_with: Option<Vec<EmailAddress>>,
    pub not_there_on: Option<String>,
}

impl Preconditions {
    /// The precondition that a message to this address lacks.
    pub fn missing_for(&self, email: &EmailAddress) -> Option<AttemptError> {
        let path = self.path.clone();
        if self.shared_with.as_ref().is_some_and(|people| !people.contains(email)) {
            return Some(AttemptError::NotShared { path, email: email.clone() });
        }
        let place = self.not_there_on.clone()?;
        Some(AttemptError::NotMade { path, place })
    }
}
