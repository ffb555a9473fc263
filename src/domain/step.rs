use std::fmt;
use std::time::Duration;

/// A row of [`STEPS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepRule {
    /// The step
    pub step: Step,
    /// The steps that must have ended before this one begins, as far as they are configured
    pub waits_for: &'static [Step],
    /// Whether the step is executed again for the people whom a slow schedule adds late
    pub for_people: bool,
    /// Whether the step has records of its own that a delivery writes
    pub has_records: bool,
}

impl StepRule {
    /// The steps that begin when this one has ended, in their order. Those that are executed again together
    /// with it follow it directly, and are not among them.
    pub fn followers(&self) -> impl Iterator<Item = &'static StepRule> {
        let (step, for_people) = (self.step, self.for_people);
        STEPS.iter().filter(move |rule| rule.waits_for.contains(&step) && !(for_people && rule.for_people))
    }
}

/// Declares the steps: the enum, their names and the table are made from the same rows, so none of them can
/// lack a step.
macro_rules! steps {
    ($($(#[$doc:meta])* $step:ident, $name:literal, after $before:tt, $for_people:ident, $records:ident;)*) => {
        /// A step of a delivery; [`STEPS`] declares their order.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum Step {
            $($(#[$doc])* #[serde(rename = $name)] $step,)*
        }

        impl fmt::Display for Step {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Step::$step => $name,)*
                })
            }
        }

        /// The steps of a delivery in their order. Planning, execution, the screen and docs/architecture.md
        /// follow this table.
        pub const STEPS: &[StepRule] = {
            use Step::*;
            &[$(StepRule {
                step: $step,
                waits_for: &$before,
                for_people: steps!(@ $for_people),
                has_records: steps!(@ $records),
            },)*]
        };
    };
    (@ people) => { true };
    (@ records) => { true };
    (@ none) => { false };
}

steps! {
    /// Directories on this machine and on hosts
    Dirs, "dirs", after [], none, records;
    /// The directory on the Globus collection
    Globus, "globus", after [], none, records;
    /// The access rules
    Share, "share", after [Globus], people, records;
    /// The messages
    Email, "email", after [Share], people, records;
    /// The replicas that pairs of `[[sync]]` make: their directories are made at once, and shared in this
    /// order
    Sync, "sync", after [Share], none, none;
    /// The delivery as a whole: it has only hooks, and no record of its own on the screen
    Delivery, "delivery", after [], none, none;
}

/// The state of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepStatus {
    /// Not begun
    #[default]
    Pending,
    /// Under way, or waiting for an unreachable service
    Running,
    /// What the step ensures is true
    Done,
    /// Not configured
    Skipped,
    /// Needs a person
    Failed,
}

/// Whether another attempt can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// A person must do something first
    Never,
    /// After exponential backoff
    Backoff,
    /// Not before this pause is over (Retry-After)
    After(Duration),
    /// The attempt may have succeeded: at most twice, first after this pause, then after twice as long
    Sparse(Duration),
}

/// Why an attempt of a step failed: what was tried, on what, what came back, what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StepError {
    /// The whole sentence for the operator
    pub message: String,
    /// Whether another attempt can help
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
