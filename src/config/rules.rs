use super::{Trust, value};
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// `[rules]`: when a set of user info is acted on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// How long the user info must have been quiet, e.g. `10s`
    #[serde(deserialize_with = "value::duration")]
    pub settle: Duration,
    /// How long a tagging tool may pause at most within one run; after a longer pause it is taken to have
    /// died. See [`Rules::run_limit`]
    #[serde(deserialize_with = "value::duration")]
    pub run_limit: Duration,
    /// Hold every new experiment until an operator presses Approve
    pub require_approval: bool,
    /// Mail domains of PIs, in small letters; any where it is empty. `example.org` means that domain and
    /// those below it.
    #[serde(deserialize_with = "value::mail_domains")]
    pub email_domains: Vec<String>,
    /// A file of mode 0600 with one or two keys; with it, only user info that such a key has signed is served
    pub tag_key_file: Option<PathBuf>,
    /// The level of trust that the settings must have at least; without it none is required
    pub trust: Option<Trust>,
    /// How many new experiments are accepted within an hour before they are held
    pub new_groups_per_hour: u32,
    /// How many messages are sent within an hour, each recipient counted; what exceeds it waits
    pub messages_per_hour: u32,
    /// How many times within an hour everyone can be mailed again
    pub resends_per_hour: u32,
    /// How long a step that fails for passing reasons (a host, Globus or the mail server is away) is tried
    /// again
    #[serde(deserialize_with = "value::duration")]
    pub retry_for: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            settle: Duration::from_secs(10),
            run_limit: Duration::from_secs(60),
            require_approval: false,
            email_domains: vec![],
            tag_key_file: None,
            trust: None,
            new_groups_per_hour: 6,
            messages_per_hour: 200,
            resends_per_hour: 4,
            retry_for: Duration::from_secs(12 * 60 * 60),
        }
    }
}

impl Rules {
    /// The limit for a pause within one tagging run, which is never shorter than `settle`.
    pub fn run_limit(&self) -> Duration {
        self.run_limit.max(self.settle)
    }
}
