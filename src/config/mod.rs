//! The settings as types: a TOML file for each beamline, or one that only moves data. [`Config::load`]
//! returns settings that are complete and checked, or reports every mistake with its place and what would be
//! right.

mod check;
mod data_only;
mod de;
mod directories;
mod email;
mod error;
mod globus;
mod hook;
mod key;
mod load;
mod rules;
mod schedule;
mod secret;
mod sync;
mod tag_key;
mod trust;
mod value;
mod watch;

pub(crate) use check::key;
pub use check::{Check, Problems};
pub use directories::{Directories, Place};
pub use email::{CopyMessage, Email, MailTransport, MessageChoice, Sender, Smtp, SmtpSecurity};
pub use error::{ConfigError, Problem};
pub use globus::{Globus, Permissions, SignIn};
pub use hook::{Hook, When};
pub use key::Key;
pub use rules::Rules;
pub use schedule::{ApsService, Recipients, Schedule, ScheduleFrom};
pub use secret::{SecretFileError, read_secret, write_secret};
pub use sync::{
    CleanUp, LabelTemplate, LocalPath, PairOwner, Sync, SyncDestination, SyncFilter, SyncLevel, SyncOn,
    SyncPath, SyncPaths, SyncScope, SyncSource, TimeOfDay,
};
pub use tag_key::{TagKeyError, read_tag_keys, write_new_tag_key};
pub use trust::Trust;
pub use value::{log_filter, mail_domain, to_duration};
pub use watch::{Changes, ConfigWatcher, WatchError};

use crate::domain::Field;
use jiff::tz::TimeZone;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The settings of a file, complete and checked. Paths in it are absolute or relative to the working
/// directory, no longer to the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `[beamline]`
    pub beamline: Beamline,
    /// `[epics]`
    pub epics: Epics,
    /// `[rules]`
    #[serde(default)]
    pub rules: Rules,
    /// `[directories]`
    pub directories: Directories,
    /// `[globus]`; without it nothing is made or shared on Globus
    pub globus: Option<Globus>,
    /// `[email]`; without it nobody is mailed
    pub email: Option<Email>,
    /// `[schedule]`; without it beamshare believes whom the PVs name
    pub schedule: Option<Schedule>,
    /// `[[sync]]`: the data that moves
    #[serde(default)]
    pub sync: Vec<Sync>,
    /// `[[hooks]]`: the facility's own programs, before or after a step
    #[serde(default)]
    pub hooks: Vec<Hook>,
    /// `[journal]`
    pub journal: Journal,
    /// `[log]`
    #[serde(default)]
    pub log: Log,
    /// `[web]`
    #[serde(default)]
    pub web: Web,
    /// `[metrics]`
    #[serde(default)]
    pub metrics: Metrics,
    /// What the file is for
    #[serde(skip)]
    pub purpose: Purpose,
    /// Sender and transport of messages to staff: those of `[email]`
    #[serde(skip)]
    pub sender: Option<Sender>,
    /// Where the settings come from
    #[serde(skip)]
    pub file: PathBuf,
    /// Of what was read, to tell a real change from a touched file
    #[serde(skip)]
    fingerprint: u64,
}

impl Config {
    /// Reads and checks a beamline's settings.
    ///
    /// # Errors
    /// All that is wrong with the file, each with line, column and key.
    pub fn load(file: &Path) -> Result<Config, ConfigError> {
        Config::load_with(file, &[])
    }

    /// As [`load`](Self::load), with further checks of settings that are otherwise right.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_with(file: &Path, checks: &[Check]) -> Result<Config, ConfigError> {
        load::load(file, checks)
    }
}

/// What a settings file is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// It serves a beamline's user groups
    #[default]
    Beamline,
    /// It only moves data: it has `[globus]` and `[[sync]]`, and neither `[epics]` nor `[directories]`, which
    /// are empty then
    DataOnly,
}

/// `[beamline]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beamline {
    /// What the beamline is called in messages and logs, e.g. `2-BM`
    pub name: String,
    /// What the facility is called in messages, e.g. `Advanced Photon Source`
    pub facility: Option<String>,
    /// IANA time zone of the facility, e.g. `America/Chicago`; without it the machine's
    pub time_zone: Option<String>,
}

impl Beamline {
    /// The facility's time zone: `time_zone`, which [`Config::load`] has found to be one, else the machine's.
    pub fn zone(&self) -> TimeZone {
        let named = self.time_zone.as_deref().and_then(|name| TimeZone::get(name).ok());
        named.unwrap_or_else(TimeZone::system)
    }
}

/// `[web]`: the read-only page, its API, and the metrics.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Web {
    /// The address of the page, e.g. `127.0.0.1:8020`; several beamlines of one process may have the same.
    /// Without it there is no page.
    pub listen: Option<SocketAddr>,
    /// Whether the page shows names, addresses, directories and messages. With `false` it shows states and
    /// numbers only.
    pub names: bool,
    /// Host names under which browsers reach the page, beside this machine's own, e.g. that of a proxy
    pub hosts: Vec<String>,
}

impl Default for Web {
    fn default() -> Self {
        Web { listen: None, names: true, hosts: vec![] }
    }
}

/// `[metrics]`: the metrics alone, without the page. `[web]` has them, too.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Where scrapes are answered, e.g. `127.0.0.1:9464`; several beamlines of one process may have the same.
    /// Without it nothing listens.
    pub listen: Option<SocketAddr>,
}

/// `[epics]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Epics {
    /// `$(P)$(R)` of db/beamshare.db, e.g. `2bmb:Share:`
    pub prefix: String,
    /// The PVs of the user info, by field; year_month, pi_last_name and pi_email must be there
    pub user_info: BTreeMap<Field, String>,
}

/// `[journal]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// The SQLite file
    pub path: PathBuf,
}

/// `[log]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// A folder for a file a day
    pub folder: Option<PathBuf>,
    /// JSON lines in place of text
    pub json: bool,
    /// `tracing` filter, e.g. `info,beamshare=debug`
    pub level: Option<String>,
}
