//! Files that only move data: `[globus]` and `[[sync]]` alone, without a beamline's user groups.

use super::{Beamline, Config, Directories, Epics, Globus, Journal, Log, Permissions, Purpose, Rules};
use super::{Sender, SignIn, Sync, value};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::DeTable;
use url::Url;
use uuid::Uuid;

/// Whether the file only moves data. A file with one of the tables that belong to a beamline is a beamline's,
/// so that a forgotten `[epics]` is reported.
pub(super) fn is_data_only(root: &DeTable) -> bool {
    root.contains_key("sync") && !root.contains_key("epics") && !root.contains_key("directories")
}

/// The tables and keys of such a file. Each means what it means in a beamline's file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DataOnly {
    beamline: Option<Beamline>,
    globus: Account,
    sync: Vec<Sync>,
    email: Option<Sender>,
    journal: Option<Journal>,
    #[serde(default)]
    log: Log,
}

/// `[globus]`, as far as it is about the account.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Account {
    /// The collection of commands that name none; by default the destination of the first pair
    #[serde(default, deserialize_with = "value::some_uuid")]
    collection: Option<Uuid>,
    #[serde(default = "value::default_auth_url", deserialize_with = "value::url")]
    auth_url: Url,
    #[serde(default = "value::default_transfer_url", deserialize_with = "value::url")]
    transfer_url: Url,
    #[serde(default = "value::default_timeout", deserialize_with = "value::duration")]
    timeout: Duration,
    sign_in: SignIn,
}

impl DataOnly {
    /// The settings. Without `[beamline]` the name is this machine's; without `[journal]` the journal has the
    /// name of the settings file, beside it.
    pub(super) fn into_config(self, file: &Path) -> Config {
        let Account { collection, auth_url, transfer_url, timeout, sign_in } = self.globus;
        let first = self.sync.first().map(|pair| pair.destination.collection);
        let globus = Globus {
            collection: collection.or(first).unwrap_or_default(),
            top: value::default_collection_top(),
            permissions: Permissions::R,
            retention: None,
            notify_email: false,
            notify_message: None,
            share_with: vec![],
            auth_url,
            transfer_url,
            file_manager_url: value::default_file_manager_url(),
            timeout,
            sign_in,
            file: PathBuf::new(),
        };
        let journal = || Journal {
            path: file.with_extension("sqlite").file_name().map(PathBuf::from).unwrap_or_default(),
        };
        let here = || Beamline { name: crate::host::name(), facility: None, time_zone: None };
        Config {
            beamline: self.beamline.unwrap_or_else(here),
            epics: Epics::default(),
            rules: Rules::default(),
            directories: Directories::default(),
            globus: Some(globus),
            email: None,
            schedule: None,
            sync: self.sync,
            hooks: vec![],
            journal: self.journal.unwrap_or_else(journal),
            log: self.log,
            metrics: Default::default(),
            web: Default::default(),
            purpose: Purpose::DataOnly,
            sender: self.email,
            file: PathBuf::new(),
            fingerprint: 0,
        }
    }
}
