//! Where directories are made: this machine, a host over SSH, a Globus collection.

mod local;
mod ssh;
mod timed_worker;
mod tree;

pub use local::LocalPlace;
pub use ssh::{Home, SshPlace};

use crate::config;
use crate::domain::{RelativePath, Retry, StepError};
use async_trait::async_trait;
use std::sync::Arc;

/// The state of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectoryState {
    /// Nothing
    Missing,
    /// A directory with nothing in it
    Empty,
    /// A directory with something in it, or something that is no directory; up to three of the names, for the
    /// operator
    Occupied(Vec<String>),
}

/// The result of [`Place::make`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateOutcome {
    /// The directory was made
    Created,
    /// The directory existed
    Existed,
}

/// A top directory under which experiments get theirs.
///
/// All calls end within the place's time limit and a second, also if the other side accepts and then hangs.
/// They never leave the top directory: a symbolic link among the components is an error that names it.
#[async_trait]
pub trait Place: Send + Sync {
    /// Its name on the screen and in the journal, e.g. `detector`.
    fn name(&self) -> &str;

    /// Inspects the path; changes nothing.
    async fn look(&self, path: &RelativePath) -> Result<DirectoryState, StepError>;

    /// Makes the directory and its missing parents, with the configured mode and group. Running it twice
    /// changes nothing; mode and group of a directory that was there are put right only on the last
    /// component.
    async fn make(&self, path: &RelativePath) -> Result<CreateOutcome, StepError>;

    /// Tries everything that [`Place::make`] needs: signs in, and makes a hidden directory with the
    /// configured mode and group in the top directory and removes it again. Returns a description of the
    /// connection, for `beamshare check`.
    async fn probe(&self) -> Result<String, StepError>;
}

/// Mode and group that a place's directories get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// Permission bits, e.g. `0o770`. Without any of the special bits, a set-group-ID bit inherited from the
    /// parent stays, as chmod(1) does.
    pub mode: u32,
    /// A group's name or number; without it the account's own, or the parent's where that has the
    /// set-group-ID bit
    pub group: Option<String>,
}

/// The places of `[[directories.on]]`, in their order; no connection is made yet. An error names the place.
pub fn from_config(directories: &config::Directories) -> Result<Vec<Arc<dyn Place>>, StepError> {
    let home = Home::of_this_process();
    directories
        .on
        .iter()
        .map(|place| {
            let rights = Ownership {
                mode: place.mode.unwrap_or(directories.mode),
                group: place.group.clone().or_else(|| directories.group.clone()),
            };
            Ok(match &place.host {
                None => Arc::new(LocalPlace::new(place, rights)) as Arc<dyn Place>,
                Some(host) => Arc::new(SshPlace::new(place, host, rights, home.clone())?),
            })
        })
        .collect()
}

/// An error that needs a person.
fn never(message: String) -> StepError {
    StepError { message, retry: Retry::Never }
}

/// A transient error.
fn backoff(message: String) -> StepError {
    StepError { message, retry: Retry::Backoff }
}
