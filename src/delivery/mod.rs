//! What must be true for an experiment, and making it true.

pub mod place;
mod step;

pub use step::{Retry, Step, StepError, StepStatus};

use std::collections::BTreeMap;

/// What a delivery has come to, as a snapshot: the daemon shows it in PVs, the command line in a progress line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeliveryReport {
    /// Each step's status and its message: host, path, count or error
    pub steps: BTreeMap<Step, (StepStatus, String)>,
    /// How many people the experiment is to be shared with
    pub users_total: u32,
    /// With how many it is shared
    pub users_shared: u32,
    /// Messages that a mail server has taken
    pub emails_sent: u32,
    /// Messages refused for good
    pub emails_failed: u32,
    /// The first tree's path
    pub path: String,
    /// The link that the users get
    pub data_link: String,
    /// One sentence: what is happening, waited for, or wrong
    pub message: String,
}
