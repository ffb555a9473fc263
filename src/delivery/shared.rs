//! Directories on a collection that people get access to, and the units that show them.

use super::attempt::StepResult;
use super::collection::Collection;
use crate::domain::{EmailAddress, RelativePath, ReplicaPart, Step, Unit};
use crate::journal::AccessRow;

/// Directories of an experiment on a collection that its people get access to: the first ones, or a
/// replica's.
pub(super) struct Shared<'a> {
    pub collection: &'a Collection,
    pub paths: Vec<RelativePath>,
    /// The pair whose replica it is
    pair: Option<&'a str>,
}

impl<'a> Shared<'a> {
    pub fn first(collection: &'a Collection, paths: &[RelativePath]) -> Shared<'a> {
        Shared { collection, paths: paths.to_vec(), pair: None }
    }

    pub fn replica(collection: &'a Collection, path: RelativePath, pair: &'a str) -> Shared<'a> {
        Shared { collection, paths: vec![path], pair: Some(pair) }
    }

    pub fn is_replica(&self) -> bool {
        self.pair.is_some()
    }

    /// The step and unit of making the directories.
    pub fn making(&self) -> (Step, Unit) {
        match self.pair {
            Some(_) => (Step::Sync, self.unit(ReplicaPart::Directory, Unit::GlobusDirectory)),
            None => (Step::Globus, Unit::GlobusDirectory),
        }
    }

    /// The step of giving access.
    pub fn sharing(&self) -> Step {
        if self.is_replica() { Step::Sync } else { Step::Share }
    }

    /// The step of mailing.
    pub fn mailing(&self) -> Step {
        if self.is_replica() { Step::Sync } else { Step::Email }
    }

    /// The unit of the look at the access rules.
    pub fn look(&self) -> Unit {
        self.unit(ReplicaPart::AccessRules, Unit::AccessRules)
    }

    /// The unit of a person's access.
    pub fn access(&self, email: &EmailAddress) -> Unit {
        self.unit(ReplicaPart::Access(email.clone()), Unit::Person(email.clone()))
    }

    /// The unit of access that is taken back.
    pub fn taken_back(&self, row: &AccessRow) -> Unit {
        let (email, path) = (row.email.clone(), row.path.clone());
        self.unit(ReplicaPart::TakenBack(email.clone(), path.clone()), Unit::TakenBack(email, path))
    }

    /// The unit of composing the messages.
    pub fn message(&self) -> Unit {
        self.unit(ReplicaPart::Message, Unit::Message)
    }

    /// The unit of the message to a recipient.
    pub fn message_to(&self, recipient: &EmailAddress) -> Unit {
        self.unit(ReplicaPart::MessageTo(recipient.clone()), Unit::Person(recipient.clone()))
    }

    fn unit(&self, part: ReplicaPart, first: Unit) -> Unit {
        self.pair.map_or(first, |pair| Unit::Replica(pair.to_owned(), part))
    }

    /// Whether an access of the journal is to one of these directories, or to one that had their place.
    pub fn has(&self, row: &AccessRow) -> bool {
        self.collection.has(row)
    }
}

/// The replicas of a delivery after their directories were made.
pub(super) struct MadeReplicas<'a> {
    pub made: Vec<Shared<'a>>,
    pub not_made: Vec<StepResult>,
}
