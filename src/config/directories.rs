use super::value;
use crate::domain::{Experiment, PathTemplate, RelativePath};
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// `[directories]`: what is made in each place.
#[derive(Clone, Debug, Default, Deserialize)]
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

impl Directories {
    /// Whether this is the experiment's first path; `true` without `paths`.
    pub fn makes_first(&self, path: &RelativePath, experiment: &Experiment) -> bool {
        let first = self.paths.first();
        first.is_none_or(|first| first.render(experiment).is_ok_and(|made| made.key() == path.key()))
    }
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
