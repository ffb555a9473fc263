use crate::domain::EmailAddress;
use crate::journal::{GrantReason, Unreachable};

/// One of an experiment's people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Their address
    pub email: EmailAddress,
    /// The name, as far as the PVs, the schedule or the person who added them say
    pub name: String,
    /// Why they get access
    pub reason: GrantReason,
}

/// An experiment's people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct People {
    /// Those who get a message of their own, once each: the PI first
    pub addressees: Vec<Person>,
    /// Those with whom the directories are shared: the addressees and `share_with`; nobody where nothing is
    /// shared
    pub readers: Vec<Person>,
    /// Those on the proposal who can't be reached
    pub unreachable: Vec<Unreachable>,
}
