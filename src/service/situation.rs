use crate::domain::{Experiment, HeldGroup, Readings};
use crate::journal::AcceptedBy;
use crate::user_info::{Hold, Release};
use jiff::Timestamp;
use uuid::Uuid;

/// What the user-info PVs mean for beamshare now.
#[derive(Debug)]
pub(super) enum Situation {
    /// A PV can't be read, or the set is not complete: why
    Waiting(String),
    /// The PVs changed a moment ago
    Settling,
    /// No user group is tagged
    Nobody {
        /// A tagging that begins before this time must be repeated, since earlier puts may have been missed
        tag_after: Option<Timestamp>,
    },
    /// A value can't be used: which and why
    Invalid(String),
    /// A group that may be served: the places are being looked at
    Planning {
        /// Since an operator pressed a button
        pressed: bool,
    },
    /// A group that waits for the operator
    Held(Held),
    /// The group of this experiment's id is, was or is being served
    Served(Uuid),
    /// beamshare itself is in trouble (its journal): what, and what to do
    Trouble(String),
}

/// A group that waits for the operator.
#[derive(Debug)]
pub(super) struct Held {
    pub experiment: Experiment,
    pub readings: Readings,
    /// What the rules say
    pub holds: Vec<Hold>,
    /// What stands in the way, as the screen shows it
    pub obstacles: Vec<String>,
    /// The group as it is shown
    pub group: HeldGroup,
    /// When all that stands in the way has ended by itself; `None` where an operator must act
    pub free_at: Option<Timestamp>,
}

/// What the operator pressed, and what the screen said at that moment: nothing else is approved by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Press {
    pub by: AcceptedBy,
    pub seen: Vec<String>,
}

impl Press {
    pub fn on(by: AcceptedBy, held: &Held) -> Press {
        Press { by, seen: held.obstacles.clone() }
    }
}

impl Held {
    /// What must be pressed.
    pub fn release(&self) -> Release {
        release(&self.holds, &self.obstacles)
    }

    /// The sentence for the screen: who first, since a record may cut the rest.
    pub fn message(&self) -> String {
        format!("{}: {}", self.experiment, self.group.summary())
    }

    /// Logs the group and each of its reasons.
    pub fn log(&self) {
        tracing::warn!("held: {}", self.experiment);
        for obstacle in &self.obstacles {
            tracing::warn!("held: {obstacle}");
        }
        for hold in &self.holds {
            tracing::warn!("held: {hold}");
        }
    }
}

/// By what a planned group is accepted; `None`: it is held.
pub(super) fn accepted_by(holds: &[Hold], obstacles: &[String], press: Option<&Press>) -> Option<AcceptedBy> {
    match press {
        None if holds.is_empty() && obstacles.is_empty() => Some(AcceptedBy::Auto),
        None => None,
        Some(Press { by: AcceptedBy::Approve, seen }) => {
            let is_shown = obstacles.iter().all(|obstacle| seen.contains(obstacle));
            (is_shown && release(holds, obstacles) <= Release::Approve).then_some(AcceptedBy::Approve)
        }
        Some(Press { by, .. }) => (release(holds, obstacles) == Release::Run).then_some(*by),
    }
}

fn release(holds: &[Hold], obstacles: &[String]) -> Release {
    let worst = holds.iter().map(|hold| hold.release).max().unwrap_or(Release::Run);
    if obstacles.is_empty() { worst } else { worst.max(Release::Approve) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(by: AcceptedBy, seen: &[&str]) -> Press {
        Press { by, seen: seen.iter().map(|text| (*text).to_owned()).collect() }
    }

    #[test]
    fn only_what_the_screen_showed_is_approved() {
        let (none, one) = (vec![], vec!["2026-03/Li belongs to another".to_owned()]);
        assert_eq!(accepted_by(&[], &none, None), Some(AcceptedBy::Auto));
        assert_eq!(accepted_by(&[], &one, None), None);
        assert_eq!(accepted_by(&[], &one, Some(&press(AcceptedBy::Approve, &[]))), None);
        let seen = press(AcceptedBy::Approve, &["2026-03/Li belongs to another"]);
        assert_eq!(
            accepted_by(&[Hold::approve("half", "tag again")], &one, Some(&seen)),
            Some(AcceptedBy::Approve)
        );
    }

    #[test]
    fn run_releases_what_is_only_unfinished() {
        let run = press(AcceptedBy::Run, &[]);
        assert_eq!(accepted_by(&[Hold::run("by hand", "Run")], &[], Some(&run)), Some(AcceptedBy::Run));
        assert_eq!(
            accepted_by(&[Hold::run("by hand", "Run"), Hold::approve("half", "tag again")], &[], Some(&run)),
            None
        );
        assert_eq!(accepted_by(&[], &["taken".to_owned()], Some(&run)), None);
        assert_eq!(accepted_by(&[Hold::run("by hand", "Run")], &[], None), None);
    }

    #[test]
    fn no_button_releases_what_must_be_tagged_again() {
        let (holds, taken) =
            ([Hold::run("by hand", "Run"), Hold::tag_again("signature", "tag again")], ["taken".to_owned()]);
        for by in [AcceptedBy::Run, AcceptedBy::Approve] {
            assert_eq!(accepted_by(&holds, &[], Some(&press(by, &[]))), None);
            assert_eq!(accepted_by(&holds, &taken, Some(&press(by, &["taken"]))), None);
        }
    }
}
