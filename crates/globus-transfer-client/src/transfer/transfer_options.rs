//! Choices that a transfer has.

use serde::Serialize;

/// When a file at the destination counts as the one at the source, and is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncLevel {
    /// When there is one of that name.
    Exists,
    /// When it has the same size.
    Size,
    /// When it isn't older.
    Mtime,
    /// When it has the same checksum.
    Checksum,
}

impl Serialize for SyncLevel {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u8(match self {
            Self::Exists => 0,
            Self::Size => 1,
            Self::Mtime => 2,
            Self::Checksum => 3,
        })
    }
}

/// What happens to symbolic links inside directories that are transferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Symlinks {
    /// They are left out (the service's default).
    Ignore,
    /// They are made again as links.
    Keep,
    /// What they point to is copied.
    Copy,
}

/// Whether a filter rule lets a name in or keeps it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FilterMethod {
    /// It is transferred, whatever later rules say.
    Include,
    /// It isn't transferred.
    Exclude,
}

/// What a filter rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FilterType {
    /// Files only.
    File,
    /// Directories only, with everything in them.
    Dir,
}
