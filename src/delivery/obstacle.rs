//! The obstacles to a delivery, which an operator must approve.

use crate::domain::{EmailAddress, Experiment, Field, RelativePath};
use crate::journal::{Claim, Conflict};
use jiff::Timestamp;
use std::fmt;

/// Why an experiment waits for Approve. Its sentence names both sides and the remedy.
#[derive(Clone, Debug)]
pub enum Obstacle {
    /// Another experiment has this directory, one above it or one below it
    Taken {
        /// The experiment that wants it
        wanted_by: Experiment,
        /// The experiment that has it
        conflict: Conflict,
    },
    /// A directory with something in it that beamshare didn't put there
    Occupied {
        /// The experiment that wants it
        wanted_by: Experiment,
        /// The place's name
        place: String,
        /// The path wanted
        path: RelativePath,
        /// Some of the names in it
        names: Vec<String>,
    },
    /// People who are not of this experiment could read its directory on Globus
    Foreign {
        /// The experiment that wants it
        wanted_by: Experiment,
        /// The collection's name in the claims
        place: String,
        /// The rule's path on the collection
        path: String,
        /// The person or group
        who: String,
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
        match self {
            Obstacle::Taken { wanted_by, conflict } => {
                let (path, theirs) = (&conflict.wanted, &conflict.path);
                write!(f, "{path} for {wanted_by} ")?;
                if path.key() == theirs.key() {
                    write!(f, "belongs to")?;
                } else if path.key().len() > theirs.key().len() {
                    write!(f, "lies in {theirs} of")?;
                } else {
                    write!(f, "holds {theirs} of")?;
                }
                write!(f, " {}: Approve lets both groups read it; {REMEDY}", conflict.named)
            }
            Obstacle::Occupied { wanted_by, place, path, names } => write!(
                f,
                "{path} on {} for {wanted_by} has files that beamshare didn't put there ({}): Approve gives \
                 them to this group; {REMEDY}",
                if place.starts_with("globus:") { "Globus" } else { place },
                names.join(", ")
            ),
            Obstacle::Foreign { wanted_by, path, who, .. } => write!(
                f,
                "{who} can read {path} on Globus, which is to be {wanted_by}'s: end that access there, or \
                 Approve; {REMEDY}"
            ),
            Obstacle::NewPi { experiment, replaces, path, loses_access } => {
                let access = if *loses_access { ", who loses access to" } else { " as PI of" };
                write!(f, "{} replaces {replaces}{access} {path}", experiment.pi_email)
            }
            Obstacle::RemovedPi { email, path } => write!(
                f,
                "{email} was removed from {path} by hand and gets no access, also after Approve. To undo \
                 the removal: beamshare users add {email}"
            ),
            Obstacle::Link { field, link } => write!(
                f,
                "The {field} contains a link ({link}), which would go into messages. Put the text without \
                 it, or Approve"
            ),
            Obstacle::TooManyGroups { per_hour, ends, .. } => write!(
                f,
                "The limit of {per_hour} new groups per hour is reached (new_groups_per_hour): this one \
                 waits until {ends}, or for Approve"
            ),
        }
    }
}

const REMEDY: &str = "or put {{ proposal_number }} into [directories] paths";

impl Obstacle {
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
    /// `covers` tells whether a rule's path on a place's collection is a directory or lies below it.
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
