use crate::domain::{Experiment, Field, Readings, RelativePath};
use crate::journal::AcceptedBy;
use crate::status::HeldStatus;
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
    /// Where its data would go, the first tree's directory first
    pub paths: Vec<RelativePath>,
    pub readings: Readings,
    /// What the rules say
    pub holds: Vec<Hold>,
    /// What stands in the way, as the screen shows it
    pub obstacles: Vec<String>,
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
        format!("{}: {}", self.experiment, self.reasons().join(". "))
    }

    /// What is about to be done and for whom, and all that is held against it.
    pub fn pending(&self) -> String {
        let experiment = &self.experiment;
        let detail =
            |field| experiment.details.get(&field).map(String::as_str).filter(|text| !text.is_empty());
        let mut who = vec![experiment.pi_last_name.to_string()];
        if let Some(first) = detail(Field::PiFirstName) {
            who[0] = format!("{first} {}", who[0]);
        }
        who.push(experiment.pi_email.to_string());
        who.extend(detail(Field::PiInstitution).map(str::to_owned));
        who.extend(detail(Field::ProposalNumber).map(|number| format!("proposal {number}")));
        who.extend(detail(Field::ProposalTitle).map(|title| format!("'{title}'")));
        let paths: Vec<_> = self.paths.iter().map(RelativePath::to_string).collect();
        let reasons: Vec<_> =
            self.reasons().iter().enumerate().map(|(n, reason)| format!("({}) {reason}", n + 1)).collect();
        format!(
            "FOR {}. DIRECTORY {}. IT WAITS SINCE: {}",
            who.join(", "),
            paths.join(" and "),
            reasons.join(". ")
        )
    }

    /// The same for the status model.
    pub fn to_status(&self) -> HeldStatus {
        HeldStatus {
            release: match self.release() {
                Release::Run => "Run or Approve",
                Release::Approve => "Approve",
                Release::TagAgain => "Tag again",
            },
            experiment: self.experiment.to_string(),
            pending: self.pending(),
            reasons: self.reasons().into_iter().map(str::to_owned).collect(),
        }
    }

    fn reasons(&self) -> Vec<&str> {
        // What Approve alone releases comes first: the record may cut the rest.
        self.obstacles
            .iter()
            .map(String::as_str)
            .chain(self.holds.iter().map(|hold| hold.reason.as_str()))
            .collect()
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
        assert_eq!(accepted_by(&[Hold::approve("half")], &one, Some(&seen)), Some(AcceptedBy::Approve));
    }

    #[test]
    fn run_releases_what_is_only_unfinished() {
        let run = press(AcceptedBy::Run, &[]);
        assert_eq!(accepted_by(&[Hold::run("by hand")], &[], Some(&run)), Some(AcceptedBy::Run));
        assert_eq!(accepted_by(&[Hold::run("by hand"), Hold::approve("half")], &[], Some(&run)), None);
        assert_eq!(accepted_by(&[], &["taken".to_owned()], Some(&run)), None);
        assert_eq!(accepted_by(&[Hold::run("by hand")], &[], None), None);
    }

    #[test]
    fn no_button_releases_what_must_be_tagged_again() {
        let (holds, taken) = ([Hold::run("by hand"), Hold::tag_again("signature")], ["taken".to_owned()]);
        for by in [AcceptedBy::Run, AcceptedBy::Approve] {
            assert_eq!(accepted_by(&holds, &[], Some(&press(by, &[]))), None);
            assert_eq!(accepted_by(&holds, &taken, Some(&press(by, &["taken"]))), None);
        }
    }
}
