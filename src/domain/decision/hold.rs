use serde::{Deserialize, Serialize};
use std::fmt;

/// A reason to wait for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Why, in one sentence without a full stop
    pub reason: String,
    /// What ends it, likewise
    pub remedy: String,
    /// What releases it
    pub release: Release,
    /// A service that could not be reached may still answer, which ends the hold
    pub asked_again: bool,
}

/// What releases a hold, from weak to strong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Release {
    /// Run or Approve: the values are plausible, but nothing says that they are final
    Run,
    /// Approve alone: the values may join the wrong person and directory
    Approve,
    /// No button: only another tagging, e.g. because the signature is wrong
    TagAgain,
}

impl Hold {
    /// A hold that Run and Approve release.
    pub fn run(reason: impl Into<String>, remedy: impl Into<String>) -> Hold {
        Hold { reason: reason.into(), remedy: remedy.into(), release: Release::Run, asked_again: false }
    }

    /// A hold that Approve alone releases.
    pub fn approve(reason: impl Into<String>, remedy: impl Into<String>) -> Hold {
        Hold { release: Release::Approve, ..Hold::run(reason, remedy) }
    }

    /// A hold that no button releases.
    pub fn tag_again(reason: impl Into<String>, remedy: impl Into<String>) -> Hold {
        Hold { release: Release::TagAgain, ..Hold::run(reason, remedy) }
    }

    /// A hold that Approve releases, or a late answer.
    pub fn until_answered(reason: impl Into<String>, remedy: impl Into<String>) -> Hold {
        Hold { asked_again: true, ..Hold::approve(reason, remedy) }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. {}", self.reason, self.remedy)
    }
}
