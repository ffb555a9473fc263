use super::value;
use crate::domain::EmailAddress;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;
use url::Url;
use uuid::Uuid;

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
    #[serde(default)]
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
    /// The settings' file as [`Config::file`](super::Config::file) has it, for the commands that messages
    /// name
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
#[derive(Default, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Permissions {
    /// Read
    #[default]
    R,
    /// Read and write
    Rw,
}
