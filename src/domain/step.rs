use std::fmt;
use std::time::Duration;

/// A step of a delivery; [`STEPS`] declares their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Directories on this machine and on hosts
    Dirs,
    /// The directory on the Globus collection
    Globus,
    /// The access rules
    Share,
    /// The messages
    Email,
    /// The data's transfer
    Sync,
    /// The delivery as a whole: it has nothing but hooks, and no record of its own on the screen
    Delivery,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Dirs => "dirs",
            Step::Globus => "globus",
            Step::Share => "share",
            Step::Email => "email",
            Step::Sync => "sync",
            Step::Delivery => "delivery",
        })
    }
}

/// A row of [`STEPS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepRule {
    /// The step
    pub step: Step,
    /// The steps that must have succeeded before this one begins, as far as they are configured
    pub waits_for: &'static [Step],
    /// Whether the step has records of its own that a delivery writes
    pub has_records: bool,
}

/// The steps of a delivery in their order. Planning, execution, the screen and docs/architecture.md follow
/// this table.
pub const STEPS: [StepRule; 6] = [
    StepRule { step: Step::Dirs, waits_for: &[], has_records: true },
    StepRule { step: Step::Globus, waits_for: &[], has_records: true },
    StepRule { step: Step::Share, waits_for: &[Step::Globus], has_records: true },
    StepRule { step: Step::Email, waits_for: &[Step::Share], has_records: true },
    StepRule { step: Step::Sync, waits_for: &[Step::Share], has_records: false },
    StepRule { step: Step::Delivery, waits_for: &[], has_records: false },
];

/// How a step stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepStatus {
    /// Not begun
    #[default]
    Pending,
    /// Under way, or waiting for a service to come back
    Running,
    /// True
    Done,
    /// Not asked for by the configuration
    Skipped,
    /// Can't be made true without a person
    Failed,
}

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// A person must do something first
    Never,
    /// After a pause that grows
    Backoff,
    /// Not before this pause is over (Retry-After)
    After(Duration),
    /// The attempt may have succeeded: at most twice, first after this pause, then after twice as long
    Sparse(Duration),
}

/// Why a step did not come true: what was tried, on what, what came back, what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StepError {
    /// The whole sentence for the operator
    pub message: String,
    /// Whether trying again can help
    pub retry: Retry,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_documented() {
        let documentation = include_str!("../../docs/architecture.md");
        for (n, rule) in STEPS.iter().enumerate() {
            for before in rule.waits_for {
                assert!(
                    STEPS[..n].iter().any(|earlier| earlier.step == *before),
                    "{} waits for {before}",
                    rule.step
                );
            }
            let after = match rule.waits_for {
                [] => "at once".to_owned(),
                steps => steps.iter().map(|step| format!("`{step}`")).collect::<Vec<_>>().join(", "),
            };
            let row = format!("| `{}` | {after} |", rule.step);
            assert!(documentation.contains(&row), "docs/architecture.md has no row {row}");
        }
        assert!(STEPS.is_sorted_by_key(|rule| rule.step), "reports list the steps in this order");
    }
}
