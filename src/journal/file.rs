//! The files of SQLite databases, before SQLite opens them.

use crate::files::check_own_folder;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Makes a database's file (mode 0600) and its folder (0700) where they are missing. The folder must be one
/// in which nobody else can make files.
///
/// A file that is there is not even opened: when a process closes any descriptor of a file, POSIX takes from
/// it all its locks on that file, SQLite's among them. Another process would then assume to be the last one,
/// and remove the `-wal` file with all that this one writes (<https://www.sqlite.org/howtocorrupt.html>,
/// "POSIX advisory locks").
pub(crate) fn make(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    // SQLite follows links, so nobody else may put one in the place of a database.
    check_own_folder(
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")),
    )?;
    // SQLite gives its -wal and -shm files the mode of this one.
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}
