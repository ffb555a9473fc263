//! One TOML file a beamline, as types. [`Config::load`] gives settings that are complete and checked, or says
//! of everything that is wrong where it stands and what would be right.

mod check;
mod de;
mod error;
mod hook;
mod load;
mod schedule;
mod secret;
mod sync;
mod tag_key;
mod trust;
mod value;
mod watch;

pub(crate) use check::key;
pub use check::{Check, Problems};
pub use error::{ConfigError, Problem};
pub use hook::{Hook, When};
pub use load::Key;
pub use schedule::{ApsService, Recipients, Schedule, ScheduleFrom};
pub use secret::{SecretFileError, read_secret, write_secret};
pub use sync::{
    CleanUp, LabelTemplate, LocalPath, Sync, SyncDestination, SyncFilter, SyncLevel, SyncOn, SyncPath,
    SyncPaths, SyncSource, TimeOfDay,
};
pub use tag_key::{TagKeyError, read_tag_keys, write_new_tag_key};
pub use trust::Trust;
pub use value::to_duration;
pub use watch::{Changes, ConfigWatcher, WatchError};

use crate::domain::{EmailAddress, Field, PathTemplate};
use jiff::tz::TimeZone;
use lettre::message::Mailbox;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;
use uuid::Uuid;

/// A beamline's settings, complete and checked. Paths in it are absolute or relative to the working
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

/// `[beamline]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beamline {
    /// What the beamline is called in messages and logs, e.g. `2-BM`
    pub name: String,
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
    /// The address of the page, e.g. `127.0.0.1:8020`; several beamlines of one process may have the same. Without it there
    /// is no page.
    pub listen: Option<SocketAddr>,
    /// Whether the page shows names, addresses, directories and messages. With `false` it shows states and numbers only.
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
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Epics {
    /// `$(P)$(R)` of db/beamshare.db, e.g. `2bmb:Share:`
    pub prefix: String,
    /// The PVs of the user info, by field; year_month, pi_last_name and pi_email must be there
    pub user_info: BTreeMap<Field, String>,
}

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

/// `[directories]`: what is made in each place.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directories {
    /// One tree or several, e.g. a `_rec` beside the raw one. The e-mail's link goes to the first.
    pub paths: Vec<PathTemplate>,
    /// Mode of the directories made, octal, e.g. `"0770"`
    #[serde(default = "value::default_mode", deserialize_with = "value::mode")]
    pub mode: u32,
    /// Group of the directories made; without it the account's own
    pub group: Option<String>,
    /// `[[directories.on]]`: this machine and hosts over SSH
    #[serde(default)]
    pub on: Vec<Place>,
}

/// `[[directories.on]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// What it is called on the screen, e.g. `detector`
    pub name: String,
    /// The directory under which the paths go; must exist
    pub top: PathBuf,
    /// `host`, `user@host`, `user@host:port` or an alias of ~/.ssh/config; without it, this machine
    pub host: Option<String>,
    /// A private key's file; without it those of ~/.ssh/config, the agent's and the usual ones
    pub key_file: Option<PathBuf>,
    /// A file of mode 0600 that holds the password
    pub password_file: Option<PathBuf>,
    /// Known hosts; without it ~/.ssh/known_hosts
    pub known_hosts: Option<PathBuf>,
    /// Limit for each operation on the host
    #[serde(default = "value::default_timeout", deserialize_with = "value::duration")]
    pub timeout: Duration,
    /// Overrides of `[directories]` for this place
    #[serde(default, deserialize_with = "value::some_mode")]
    pub mode: Option<u32>,
    /// Overrides of `[directories]` for this place
    pub group: Option<String>,
}

/// `[globus]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Globus {
    /// The collection's id
    #[serde(deserialize_with = "value::uuid")]
    pub collection: Uuid,
    /// The directory on the collection under which the paths go, with a `/` at both ends, e.g. `/` or `/2bm/`
    #[serde(default = "value::default_collection_top", deserialize_with = "value::collection_top")]
    pub top: String,
    /// `r` or `rw`
    #[serde(default = "value::default_permissions")]
    pub permissions: Permissions,
    /// How long after the beam time the access ends; without it never
    #[serde(default, deserialize_with = "value::some_duration")]
    pub retention: Option<Duration>,
    /// Whether Globus itself mails each of the experiment's people when they get access, with a link to the
    /// directory
    #[serde(default)]
    pub notify_email: bool,
    /// What Globus's mail says beside that
    pub notify_message: Option<String>,
    /// People who get access to every experiment's directory beside the PI
    #[serde(default, deserialize_with = "value::addresses")]
    pub share_with: Vec<EmailAddress>,
    /// Globus Auth
    #[serde(default = "value::default_auth_url", deserialize_with = "value::url")]
    pub auth_url: Url,
    /// Globus Transfer, with its version, e.g. `https://transfer.api.globus.org/v0.10`
    #[serde(default = "value::default_transfer_url", deserialize_with = "value::url")]
    pub transfer_url: Url,
    /// The web app's file manager
    #[serde(default = "value::default_file_manager_url", deserialize_with = "value::url")]
    pub file_manager_url: Url,
    /// Limit for one request
    #[serde(default = "value::default_timeout", deserialize_with = "value::duration")]
    pub timeout: Duration,
    /// How beamshare signs in
    pub sign_in: SignIn,
    /// The settings' file as [`Config::file`] has it, for the commands that messages name
    #[serde(skip)]
    pub file: PathBuf,
}

/// `[globus.sign_in]`: one of a registered service, the token store of `beamshare login`, and a token in a
/// file.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SignIn {
    /// A registered service
    Service {
        /// Its client id
        #[serde(deserialize_with = "value::uuid")]
        client_id: Uuid,
        /// A file of mode 0600 that holds its secret
        client_secret_file: PathBuf,
    },
    /// The sign-ins that `beamshare login` keeps
    TokenStore {
        /// The id of the native app through which the person signs in
        #[serde(deserialize_with = "value::uuid")]
        client_id: Uuid,
        /// The store's file, of mode 0600; beside the journal where it is not given, since the service can
        /// write there
        #[serde(default)]
        file: PathBuf,
    },
    /// One access token for Transfer and Auth, as it is
    AccessTokenFile {
        /// A file of mode 0600 that holds it
        file: PathBuf,
    },
}

/// What a rule lets its holder do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Permissions {
    /// Read
    R,
    /// Read and write
    Rw,
}

/// `[email]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Email {
    /// The sender, `Name <address>` or an address
    #[serde(deserialize_with = "value::mailbox")]
    pub from: Mailbox,
    /// Beamline staff, on copy in every message
    #[serde(default, deserialize_with = "value::mailboxes")]
    pub contacts: Vec<Mailbox>,
    /// minijinja template of the subject
    #[serde(default = "value::default_subject")]
    pub subject: String,
    /// minijinja template of the text, a file
    pub text_template: PathBuf,
    /// minijinja template of the HTML, a file; without it the message is text only
    pub html_template: Option<PathBuf>,
    /// `[[email.choices]]`: other words for some experiments; the first whose condition is true
    #[serde(default)]
    pub choices: Vec<MessageChoice>,
    /// How long before the end of their access people are reminded of it; without it they are not
    #[serde(default, deserialize_with = "value::some_duration")]
    pub reminder: Option<Duration>,
    /// minijinja template of the reminder's subject
    #[serde(default = "value::default_reminder_subject")]
    pub reminder_subject: String,
    /// minijinja template of the reminder's text, a file
    pub reminder_text_template: Option<PathBuf>,
    /// minijinja template of the reminder's HTML, a file; without it the reminder is text only
    pub reminder_html_template: Option<PathBuf>,
    /// minijinja template of the subject of the message about another principal investigator
    #[serde(default = "value::default_pi_change_subject")]
    pub pi_change_subject: String,
    /// minijinja template of its text, a file; without it beamshare's own
    pub pi_change_text_template: Option<PathBuf>,
    /// `[email.copy]`: the message about a copy of the data that a pair of `[[sync]]` with `share` has made
    pub copy: Option<CopyMessage>,
    /// Where messages go
    pub transport: MailTransport,
}

impl Email {
    /// The templates' files.
    pub(crate) fn templates(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let choices =
            self.choices.iter_mut().flat_map(|choice| [&mut choice.text_template, &mut choice.html_template]);
        let further = [
            &mut self.html_template,
            &mut self.reminder_text_template,
            &mut self.reminder_html_template,
            &mut self.pi_change_text_template,
        ];
        let further = choices.chain(further).flatten();
        let copies = self.copy.iter_mut();
        let copies = copies
            .flat_map(|copy| std::iter::once(&mut copy.text_template).chain(copy.html_template.as_mut()));
        std::iter::once(&mut self.text_template).chain(further).chain(copies)
    }

    /// The same for the messages about copies, with their subject and templates.
    pub fn of_copies(&self) -> Option<Email> {
        let CopyMessage { subject, text_template, html_template } = self.copy.clone()?;
        let (choices, reminder_text_template) = (vec![], None);
        let others = self.clone();
        Some(Email {
            subject,
            text_template,
            html_template,
            copy: None,
            choices,
            reminder_text_template,
            ..others
        })
    }
}

/// `[email.copy]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CopyMessage {
    /// minijinja template of the subject
    #[serde(default = "value::default_copy_subject")]
    pub subject: String,
    /// minijinja template of the text, a file
    pub text_template: PathBuf,
    /// minijinja template of the HTML, a file; without it the message is text only
    pub html_template: Option<PathBuf>,
}

/// `[[email.choices]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageChoice {
    /// minijinja expression over what the templates know, e.g. `proposal_type == "commissioning"`
    pub when: String,
    /// Instead of the one of `[email]`
    pub subject: Option<String>,
    /// Instead of the one of `[email]`, and of its HTML
    pub text_template: Option<PathBuf>,
    /// Instead of the one of `[email]`
    pub html_template: Option<PathBuf>,
}

/// `[email.transport]`
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum MailTransport {
    /// An SMTP server
    Smtp(Smtp),
    /// `.eml` files in a folder
    Folder {
        /// The folder; must exist
        path: PathBuf,
    },
}

/// `[email.transport.smtp]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smtp {
    /// Its name
    pub host: String,
    /// Its port; without it the usual one of `security`
    pub port: Option<u16>,
    /// How the connection is made private
    #[serde(default = "value::default_smtp_security")]
    pub security: SmtpSecurity,
    /// A PEM file with a certificate to trust beside the system's
    pub ca_file: Option<PathBuf>,
    /// The login's name; without it no login
    pub user: Option<String>,
    /// A file of mode 0600 that holds the login's password
    pub password_file: Option<PathBuf>,
    /// Limit for one message, up to the point where the server asks for its text
    #[serde(default = "value::default_timeout", deserialize_with = "value::duration")]
    pub timeout: Duration,
    /// Limit for sending the text and for the server's answer to it. RFC 5321 (4.5.3.2.6) asks for ten
    /// minutes: a server that scans messages answers late, and a message given up too early arrives twice
    #[serde(default = "value::default_accept_timeout", deserialize_with = "value::duration")]
    pub accept_timeout: Duration,
    /// Pause before a message is sent again that the server may have accepted; twice as long before the
    /// second time, which is the last
    #[serde(default = "value::default_repeat_after", deserialize_with = "value::duration")]
    pub repeat_after: Duration,
}

/// How an SMTP connection is made private.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpSecurity {
    /// STARTTLS, required (port 587)
    Starttls,
    /// TLS from the first byte (port 465)
    Tls,
    /// In the clear (port 25)
    None,
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
