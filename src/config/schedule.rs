use super::value;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// `[schedule]`: who is on the proposal.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Where that is known
    pub from: ScheduleFrom,
    /// Who gets the data
    #[serde(default)]
    pub recipients: Recipients,
    /// How often the schedule is asked whether the proposal of the group on the screen has got or lost people
    #[serde(default = "value::default_schedule_every", deserialize_with = "value::duration")]
    pub every: Duration,
    /// So long before and after its beam time a group may be tagged
    #[serde(default = "value::default_schedule_grace", deserialize_with = "value::duration")]
    pub grace: Duration,
}

/// Who gets an experiment's data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Recipients {
    /// The principal investigator
    #[default]
    Pi,
    /// Everyone on the proposal whom the schedule gives an address
    Schedule,
}

/// `[schedule.from]`: one of the APS scheduling service and a file kept by hand.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ScheduleFrom {
    /// The scheduling service of the Advanced Photon Source
    Aps(ApsService),
    /// A file
    File {
        /// `.toml`, or a table in `.csv`
        path: PathBuf,
    },
}

/// `[schedule.from.aps]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApsService {
    /// The service's address, without the path of its programming interface
    #[serde(default = "value::default_schedule_url", deserialize_with = "value::url")]
    pub url: Url,
    /// The beamline as the service names it, e.g. `2-BM-A,B`
    pub beamline: String,
    /// The account's name
    pub user: String,
    /// A file of mode 0600 that holds its password
    pub password_file: PathBuf,
    /// Limit for one request
    #[serde(default = "value::default_timeout", deserialize_with = "value::duration")]
    pub timeout: Duration,
}
