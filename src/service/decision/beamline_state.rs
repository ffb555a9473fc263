use crate::domain::{Experiment, HeldGroup, Readings};
use crate::journal::AcceptedBy;
use crate::user_info::{Hold, Release};
use jiff::Timestamp;
use uuid::Uuid;

/// The longest group in a sentence for the screen, in characters: less than half of `StatusMsg`.
const GROUP_MAX: usize = 110;

/// The meaning of the user-info PVs at present.
#[derive(Debug)]
pub(in super::super) enum BeamlineState {
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
    /// The places are being inspected for a group that may be served
    Planning {
        /// Whether an operator pressed a button
        pressed: bool,
    },
    /// A group waits for the operator
    Held(Box<Held>),
    /// The group with this experiment's id is being served, or was
    Served(Uuid),
    /// Commands have done all steps for the group with this experiment's id, and a switch keeps the service
    /// from delivering it
    ServedByHand(Uuid),
    /// An older state of the journal was restored: the sign of it, and what to do
    Restored(String),
    /// beamshare itself has a problem, such as with its journal: which, and what to do
    Trouble(String),
}

/// A group that waits for the operator.
#[derive(Debug)]
pub(in super::super) struct Held {
    pub experiment: Experiment,
    pub readings: Readings,
    /// The holds of the rules
    pub holds: Vec<Hold>,
    /// The obstacles of the plan, as the screen shows them
    pub obstacles: Vec<String>,
    /// The group as it is shown
    pub group: HeldGroup,
    /// The time at which all obstacles have ended by themselves; `None` where an operator must act
    pub free_at: Option<Timestamp>,
}

/// A button that releases holds, with the obstacles that the screen showed at that moment: no others are
/// approved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Press {
    pub by: AcceptedBy,
    pub displayed: Vec<String>,
}

impl Press {
    pub fn on(by: AcceptedBy, held: &Held) -> Press {
        Press { by, displayed: held.obstacles.clone() }
    }
}

impl Held {
    /// The button that releases all holds and obstacles.
    pub fn release(&self) -> Release {
        release(&self.holds, &self.obstacles)
    }

    /// The sentence for the screen. The group comes first, since a record may cut the end. A long name or
    /// address leaves room for the first reason.
    pub fn message(&self) -> String {
        let group = self.experiment.to_string();
        match group.char_indices().nth(GROUP_MAX) {
            Some((end, _)) => format!("{}…: {}", &group[..end], self.group.summary()),
            None => format!("{group}: {}", self.group.summary()),
        }
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

/// The button, or the rules, by which a planned group is accepted; `None` if it is held.
pub(super) fn accepted_by(holds: &[Hold], obstacles: &[String], press: Option<&Press>) -> Option<AcceptedBy> {
    match press {
        None if holds.is_empty() && obstacles.is_empty() => Some(AcceptedBy::Auto),
        None => None,
        Some(Press { by: AcceptedBy::Approve, displayed }) => {
            let is_shown = obstacles.iter().all(|obstacle| displayed.contains(obstacle));
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

    fn press(by: AcceptedBy, displayed: &[&str]) -> Press {
        Press { by, displayed: displayed.iter().map(|text| (*text).to_owned()).collect() }
    }

    #[test]
    fn only_what_the_screen_showed_is_approved() {
        let (none, one) = (vec![], vec!["2026-03/Li belongs to another".to_owned()]);
        assert_eq!(accepted_by(&[], &none, None), Some(AcceptedBy::Auto));
        assert_eq!(accepted_by(&[], &one, None), None);
        assert_eq!(accepted_by(&[], &one, Some(&press(AcceptedBy::Approve, &[]))), None);
        let approve = press(AcceptedBy::Approve, &["2026-03/Li belongs to another"]);
        assert_eq!(
            accepted_by(&[Hold::approve("half", "tag again")], &one, Some(&approve)),
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
