//! The obstacles to a delivery, which an operator must approve.

use crate::domain::{EmailAddress, Experiment, Field, RelativePath, quoted};
use crate::journal::{Claim, Conflict};
use jiff::Timestamp;
use std::fmt;

/// Why an experiment waits for Approve. Its sentences name both sides and the remedy.
#[derive(Clone, Debug)]
pub enum Obstacle {
    /// Another experiment has this directory, one above it or one below it
    Taken {
        /// The experiment that has it
        conflict: Conflict,
        /// The key of the settings whose path lacks the proposal number; `None` where it has it
        key: Option<String>,
    },
    /// A directory with something in it that beamshare didn't put there
    Occupied {
        /// The place's name
        place: String,
        /// The path wanted
        path: RelativePath,
        /// Some of the names in it
        names: Vec<String>,
        /// The key of the settings whose path lacks the proposal number; `None` where it has it
        key: Option<String>,
    },
    /// People who are not of this experiment could read its directory on Globus
    Foreign {
        /// The collection's name in the claims
        place: String,
        /// The rule's path on the collection
        path: String,
        /// The person or group
        who: String,
        /// The key of the settings whose path lacks the proposal number; `None` where it has it
        key: Option<String>,
    },
    /// The experiment was accepted before with another principal investigator's address
    NewPi {
        /// The experiment with its new address, which gains access
        experiment: Box<Experiment>,
        /// The address that it was accepted with
        replaces: EmailAddress,
        /// The first directory
        path: RelativePath,
        /// Whether the replaced address has access that it loses; `false`, too, where it keeps it in another
        /// role
        loses_access: bool,
    },
    /// The principal investigator's address was removed from this experiment by hand, and gets nothing
    RemovedPi {
        /// The address
        email: EmailAddress,
        /// The first directory
        path: RelativePath,
    },
    /// A text of the user info contains a link, and would go into messages
    Link {
        /// Which text
        field: Field,
        /// The link
        link: String,
    },
    /// More new experiments within an hour than `new_groups_per_hour` allows
    TooManyGroups {
        /// The limit
        per_hour: u32,
        /// When the next one is allowed
        ends_at: Timestamp,
        /// The same by the facility's clocks, for people
        ends: String,
    },
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. {}", self.reason(), self.remedy())
    }
}

/// The remedy that keeps groups apart.
fn number_in(key: &str) -> String {
    format!("Put {{{{ proposal_number }}}} into {key}")
}

impl Obstacle {
    /// Why the experiment waits, in one sentence without a full stop.
    pub fn reason(&self) -> String {
        match self {
            Obstacle::Taken { conflict, .. } => {
                let (path, theirs) = (&conflict.wanted, &conflict.path);
                let relation = if path.key() == theirs.key() {
                    "belongs to".to_owned()
                } else if path.key().len() > theirs.key().len() {
                    format!("lies in {theirs} of")
                } else {
                    format!("holds {theirs} of")
                };
                format!("{path} {relation} {}: after Approve both groups can read it", conflict.named)
            }
            Obstacle::Occupied { place, path, names, .. } => {
                let place = if place.starts_with("globus:") { "Globus" } else { place };
                let names: Vec<_> = names.iter().map(|name| quoted(name)).collect();
                format!("{path} on {place} has files that beamshare didn't put there ({})", names.join(", "))
            }
            Obstacle::Foreign { path, who, .. } => format!("{who} can read {path} on Globus already"),
            Obstacle::NewPi { experiment, replaces, path, loses_access } => {
                let access = if *loses_access { ", who loses access to" } else { " as PI of" };
                format!("{} replaces {replaces}{access} {path}", experiment.pi_email)
            }
            Obstacle::RemovedPi { email, path } => {
                format!("{email} was removed from {path} by hand and gets no access, also after Approve")
            }
            Obstacle::Link { field, link } => {
                format!("The {field} contains a link ({}), which would go into messages", quoted(link))
            }
            Obstacle::TooManyGroups { per_hour, .. } => {
                format!("The limit of {per_hour} new groups per hour is reached (new_groups_per_hour)")
            }
        }
    }

    /// What ends it, likewise.
    pub fn remedy(&self) -> String {
        match self {
            Obstacle::Taken { key: Some(key), .. } => format!("{}, or Approve", number_in(key)),
            Obstacle::Taken { key: None, .. } => "Approve if both groups may read it".to_owned(),
            Obstacle::Occupied { key: Some(key), .. } => {
                format!("{}, or Approve to give the files to this group", number_in(key))
            }
            Obstacle::Occupied { key: None, .. } => {
                "Move these files away, or Approve to give them to this group".to_owned()
            }
            Obstacle::Foreign { key: Some(key), .. } => {
                format!("End that access on Globus, or Approve. {} to avoid it", number_in(key))
            }
            Obstacle::Foreign { key: None, .. } => "End that access on Globus, or Approve".to_owned(),
            Obstacle::NewPi { .. } => {
                "Approve if it is right; both addresses and the contacts are told".to_owned()
            }
            Obstacle::RemovedPi { email, .. } => format!("To undo the removal: beamshare users add {email}"),
            Obstacle::Link { .. } => "Tag without it, or Approve".to_owned(),
            Obstacle::TooManyGroups { ends, .. } => format!("This one is served at {ends}, or after Approve"),
        }
    }

    /// All of them as one text for the screen.
    pub fn sentences(obstacles: &[Obstacle]) -> String {
        obstacles.iter().map(Obstacle::to_string).collect::<Vec<_>>().join(". ")
    }

    /// When the obstacle ends by itself; `None`: an operator must act.
    pub fn ends_at(&self) -> Option<Timestamp> {
        match self {
            Obstacle::TooManyGroups { ends_at, .. } => Some(*ends_at),
            _ => None,
        }
    }

    /// Whether approving it settles this claim.
    ///
    /// `covers` returns whether a rule's path on a place's collection is a directory or lies below it.
    pub(super) fn settles(&self, claim: &Claim, covers: impl Fn(&str, &RelativePath, &str) -> bool) -> bool {
        match self {
            // Approving that two groups share a directory approves its content in every place.
            Obstacle::Taken { conflict, .. } => conflict.wanted == claim.path,
            Obstacle::Occupied { place, path, .. } => *place == claim.place && *path == claim.path,
            Obstacle::Foreign { place, path, .. } => {
                *place == claim.place && covers(place, &claim.path, path)
            }
            _ => false,
        }
    }
}
