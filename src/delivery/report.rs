//! The report of a delivery that people see.

use crate::domain::{Step, StepStatus};
use std::collections::BTreeMap;

/// A snapshot of a delivery. The service shows it in PVs, the command line in a progress line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeliveryReport {
    /// Each step's status and message
    pub steps: BTreeMap<Step, (StepStatus, String)>,
    /// The number of people the experiment is to be shared with
    pub users_total: u32,
    /// The number of people it is shared with
    pub users_shared: u32,
    /// Messages that the mail server took
    pub emails_sent: u32,
    /// Messages that the mail server refused for good
    pub emails_failed: u32,
    /// The first tree's path
    pub path: String,
    /// The link that the users get
    pub data_link: String,
    /// One sentence: what happens, what is waited for, or what failed
    pub message: String,
}

impl DeliveryReport {
    /// What happens now, also before the delivery has reported anything.
    pub fn now(&self) -> &str {
        if self.message.is_empty() { "Delivering" } else { &self.message }
    }

    /// The most important sentence: a failure, else what runs, else the summary.
    pub(super) fn sentence(&self) -> String {
        let first = |wanted: StepStatus| {
            self.steps.iter().find(|(_, (status, message))| *status == wanted && !message.is_empty())
        };
        if let Some((step, (_, message))) = first(StepStatus::Failed) {
            return format!("{step} failed: {message}");
        }
        if let Some((step, (_, message))) = first(StepStatus::Running) {
            return format!("{step}: {message}");
        }
        if self.is_done() { self.done_sentence() } else { "Delivering".to_owned() }
    }

    /// Whether all steps are done.
    pub(super) fn is_done(&self) -> bool {
        self.steps.iter().all(|(step, (status, _))| match status {
            StepStatus::Done | StepStatus::Skipped => true,
            // A replica that waits for its first files does not keep the delivery from being done.
            StepStatus::Pending => *step == Step::Sync,
            StepStatus::Running | StepStatus::Failed => false,
        })
    }

    pub(super) fn done_sentence(&self) -> String {
        let mut parts = vec![format!("{} is there", self.path)];
        if self.users_total > 0 {
            parts.push(format!("shared with {}", self.users_shared));
        }
        if self.emails_sent > 0 {
            parts.push(format!("{} mailed", self.emails_sent));
        }
        parts.join(", ")
    }
}
