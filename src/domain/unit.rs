//! The units of a delivery's steps: what is tried, reported and journalled by itself.

use super::{EmailAddress, Step};
use std::fmt;
use uuid::Uuid;

/// One unit of a step. `Display` is the text that the journal keeps and people read; [`Unit::parse`] reads it
/// back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// A place of `[directories]`, by its name
    Place(String),
    /// The directory on the first Globus collection
    GlobusDirectory,
    /// The look at a collection's access rules
    AccessRules,
    /// A person: the access, or the message
    Person(EmailAddress),
    /// Access that is taken back: the person and the path on the collection
    TakenBack(EmailAddress, String),
    /// A collection that the settings no longer name
    OldCollection(Uuid),
    /// The question to the schedule who is on the proposal
    Schedule,
    /// Composing the messages
    Message,
    /// A program of the facility, by its name
    Hook(String),
    /// Somebody on the proposal who can't be reached, by name. Only shown, not kept in the journal
    Unreachable(String),
    /// The look for replacements of the principal investigator
    PiChanges,
    /// The message about a replacement, by its number
    PiChange(i64),
    /// The copy of that message for one recipient
    PiChangeTo(i64, EmailAddress),
    /// The replica that a pair of `[[sync]]` makes: the pair's name, and what of it
    Replica(String, ReplicaPart),
    /// A text of an older beamshare with another meaning
    Other(String),
}

/// What of a replica a unit is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReplicaPart {
    /// Its directory, and the arrival of the first files
    Directory,
    /// The look at its collection's access rules
    AccessRules,
    /// A person's access
    Access(EmailAddress),
    /// Access that is taken back
    TakenBack(EmailAddress, String),
    /// Composing the messages
    Message,
    /// The message to a recipient
    MessageTo(EmailAddress),
}

const GLOBUS: &str = "Globus";
const ACCESS_RULES: &str = "access rules";
const SCHEDULE: &str = "schedule";
const MESSAGE: &str = "message";
const HOOK: &str = "hook ";
const OLD_COLLECTION: &str = "former collection ";
const PI_CHANGES: &str = "PI changes";
const PI_CHANGE: &str = "PI change ";

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unit::Place(name) | Unit::Unreachable(name) | Unit::Other(name) => f.write_str(name),
            Unit::GlobusDirectory => f.write_str(GLOBUS),
            Unit::AccessRules => f.write_str(ACCESS_RULES),
            Unit::Person(email) => f.write_str(&email.username()),
            Unit::TakenBack(email, path) => write!(f, "{email} ({path})"),
            Unit::OldCollection(id) => write!(f, "{OLD_COLLECTION}{id}"),
            Unit::Schedule => f.write_str(SCHEDULE),
            Unit::Message => f.write_str(MESSAGE),
            Unit::Hook(name) => write!(f, "{HOOK}{name}"),
            Unit::PiChanges => f.write_str(PI_CHANGES),
            Unit::PiChange(number) => write!(f, "{PI_CHANGE}{number}"),
            Unit::PiChangeTo(number, email) => write!(f, "{PI_CHANGE}{number} to {}", email.username()),
            Unit::Replica(pair, part) => match part {
                ReplicaPart::Directory => f.write_str(pair),
                ReplicaPart::AccessRules => write!(f, "{pair}: the {ACCESS_RULES}"),
                ReplicaPart::Access(email) => write!(f, "{pair}: access of {}", email.username()),
                ReplicaPart::TakenBack(email, path) => write!(f, "{pair}: access of {email} ({path})"),
                ReplicaPart::Message => write!(f, "{pair}: the {MESSAGE}"),
                ReplicaPart::MessageTo(email) => write!(f, "{pair}: message to {}", email.username()),
            },
        }
    }
}

impl serde::Serialize for Unit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Unit {
    /// Reads a unit of a step as the journal keeps it. A text that this step has no unit for is
    /// [`Unit::Other`].
    pub fn parse(step: Step, text: &str) -> Unit {
        if let Some(name) = text.strip_prefix(HOOK) {
            return Unit::Hook(name.to_owned());
        }
        match step {
            Step::Dirs => Unit::Place(text.to_owned()),
            Step::Globus if text == GLOBUS => Unit::GlobusDirectory,
            Step::Share | Step::Email => person_unit(text).unwrap_or_else(|| Unit::Other(text.to_owned())),
            Step::Sync => {
                let split = text.rsplit_once(": ").and_then(|(pair, part)| Some((pair, replica_part(part)?)));
                let (pair, part) = split.unwrap_or((text, ReplicaPart::Directory));
                Unit::Replica(pair.to_owned(), part)
            }
            Step::Globus | Step::Delivery => Unit::Other(text.to_owned()),
        }
    }

    /// Whether the unit is one person's.
    pub fn is_of_a_person(&self) -> bool {
        matches!(self, Unit::Person(_))
    }

    /// Whether the unit is a program of the facility.
    pub fn is_hook(&self) -> bool {
        matches!(self, Unit::Hook(_))
    }
}

/// A unit of sharing or mailing.
fn person_unit(text: &str) -> Option<Unit> {
    match text {
        ACCESS_RULES => return Some(Unit::AccessRules),
        SCHEDULE => return Some(Unit::Schedule),
        MESSAGE => return Some(Unit::Message),
        PI_CHANGES => return Some(Unit::PiChanges),
        _ => {}
    }
    if let Some(id) = text.strip_prefix(OLD_COLLECTION) {
        return id.parse().ok().map(Unit::OldCollection);
    }
    if let Some(change) = text.strip_prefix(PI_CHANGE) {
        return match change.split_once(" to ") {
            Some((number, email)) => Some(Unit::PiChangeTo(number.parse().ok()?, email.parse().ok()?)),
            None => change.parse().ok().map(Unit::PiChange),
        };
    }
    if let Some((email, path)) = taken_back(text) {
        return Some(Unit::TakenBack(email, path));
    }
    text.parse().ok().map(Unit::Person)
}

fn replica_part(text: &str) -> Option<ReplicaPart> {
    if let Some(what) = text.strip_prefix("the ") {
        return match what {
            ACCESS_RULES => Some(ReplicaPart::AccessRules),
            MESSAGE => Some(ReplicaPart::Message),
            _ => None,
        };
    }
    if let Some(access) = text.strip_prefix("access of ") {
        return match taken_back(access) {
            Some((email, path)) => Some(ReplicaPart::TakenBack(email, path)),
            None => access.parse().ok().map(ReplicaPart::Access),
        };
    }
    text.strip_prefix("message to ")?.parse().ok().map(ReplicaPart::MessageTo)
}

/// `li@example.org (/2026-03/Li/)`
fn taken_back(text: &str) -> Option<(EmailAddress, String)> {
    let (email, path) = text.strip_suffix(')')?.split_once(" (")?;
    Some((email.parse().ok()?, path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each text is one that an earlier beamshare has written into its journal.
    #[test]
    fn units_are_read_as_the_journal_has_them() {
        let email = || "wei.li@example.org".parse::<EmailAddress>().unwrap();
        let id = Uuid::from_u128(7);
        let path = || "/2026-03/Li/".to_owned();
        let replica = |part| Unit::Replica("raw: data".to_owned(), part);
        for (step, text, unit) in [
            (Step::Dirs, "analysis", Unit::Place("analysis".to_owned())),
            (Step::Globus, "Globus", Unit::GlobusDirectory),
            (Step::Share, "access rules", Unit::AccessRules),
            (Step::Share, "wei.li@example.org", Unit::Person(email())),
            (Step::Email, "wei.li@example.org", Unit::Person(email())),
            (Step::Share, "wei.li@example.org (/2026-03/Li/)", Unit::TakenBack(email(), path())),
            (Step::Share, &format!("former collection {id}"), Unit::OldCollection(id)),
            (Step::Email, "schedule", Unit::Schedule),
            (Step::Email, "message", Unit::Message),
            (Step::Delivery, "hook dm", Unit::Hook("dm".to_owned())),
            (Step::Email, "PI changes", Unit::PiChanges),
            (Step::Email, "PI change 3", Unit::PiChange(3)),
            (Step::Email, "PI change 3 to wei.li@example.org", Unit::PiChangeTo(3, email())),
            (Step::Sync, "raw: data", replica(ReplicaPart::Directory)),
            (Step::Sync, "raw: data: the access rules", replica(ReplicaPart::AccessRules)),
            (Step::Sync, "raw: data: access of wei.li@example.org", replica(ReplicaPart::Access(email()))),
            (
                Step::Sync,
                "raw: data: access of wei.li@example.org (/2026-03/Li/)",
                replica(ReplicaPart::TakenBack(email(), path())),
            ),
            (Step::Sync, "raw: data: the message", replica(ReplicaPart::Message)),
            (
                Step::Sync,
                "raw: data: message to wei.li@example.org",
                replica(ReplicaPart::MessageTo(email())),
            ),
            (Step::Share, "somebody", Unit::Other("somebody".to_owned())),
        ] {
            assert_eq!(Unit::parse(step, text), unit);
            assert_eq!(unit.to_string(), text);
        }
    }
}
