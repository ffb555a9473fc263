//! Where directories are made: this machine, a host over SSH, a Globus collection.

use super::StepError;
use crate::experiment::RelativePath;
use async_trait::async_trait;

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing
    Missing,
    /// A directory with nothing in it
    Empty,
    /// A directory with something in it, or something that is no directory; up to three of the names, for the operator
    Occupied(Vec<String>),
}

/// Whether [`Place::make`] had anything to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// The directory was made
    Created,
    /// It was there
    Existed,
}

/// A top directory under which experiments get theirs.
///
/// Both calls end within the place's time limit, also where the other side accepts and then hangs. They never leave the
/// top directory: a symbolic link among the components is an error that names it.
#[async_trait]
pub trait Place: Send + Sync {
    /// Its name on the screen and in the journal, e.g. `detector`.
    fn name(&self) -> &str;

    /// Looks what stands at the path; changes nothing.
    async fn look(&self, path: &RelativePath) -> Result<Found, StepError>;

    /// Makes the directory and its missing parents, with the configured mode and group. Running it twice changes nothing;
    /// mode and group of a directory that was there are put right only on the last component.
    async fn make(&self, path: &RelativePath) -> Result<Made, StepError>;
}
