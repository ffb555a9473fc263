//! Options of a transfer.

use serde::Serialize;

/// When a file at the destination is up to date and isn't transferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncLevel {
    /// When a file of that name exists.
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

/// The treatment of symbolic links inside transferred directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Symlinks {
    /// They are ignored (the service's default).
    Ignore,
    /// They are recreated as links.
    Keep,
    /// Their targets are copied.
    Copy,
}

/// Whether a filter rule includes or excludes a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum FilterMethod {
    /// The name is transferred, whatever later rules say.
    Include,
    /// The name isn't transferred.
    Exclude,
}

/// The kind of entry that a filter rule applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum FilterType {
    /// Files only.
    File,
    /// Directories only, with their contents.
    Dir,
}
