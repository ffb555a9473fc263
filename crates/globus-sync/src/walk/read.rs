//! Reading one directory.

use super::super::openat::{fresh_stat, nanoseconds};
use super::{Filters, Kind, Listing, Stat};
use rustix::fs::{AtFlags, FileType, RawDir, statat};
use rustix::io::{Errno, Result};
use std::ffi::{CStr, OsStr};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Reads the open directory `path`: its files in order, and how many the filters keep back. The directories
/// in it, below the tree's top, are added to `directories`. What vanishes meanwhile is not in it.
///
/// # Errors
/// Nothing is known of any of its files: a part must not be taken for the whole.
pub(super) fn read(
    directory: BorrowedFd<'_>,
    path: &Path,
    filters: &Filters,
    buffer: &mut [MaybeUninit<u8>],
    directories: &mut Vec<PathBuf>,
) -> Result<(Listing, u64)> {
    let mut listing = Listing::new(path);
    let mut filtered = 0;
    let mut entries = RawDir::new(directory, buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let file_type = entry.file_type();
        if file_type == FileType::Directory {
            directories.push(path.join(OsStr::from_bytes(name.to_bytes())));
            continue;
        }
        // Some file systems don't say the type.
        let wanted = filters.wants(OsStr::from_bytes(name.to_bytes()));
        if !wanted && file_type != FileType::Unknown {
            filtered += 1;
            continue;
        }
        match look(directory, name)? {
            At::Nothing => {}
            At::Directory => directories.push(path.join(OsStr::from_bytes(name.to_bytes()))),
            At::File(..) if !wanted => filtered += 1,
            At::File(kind, stat) => {
                if !listing.push(OsStr::from_bytes(name.to_bytes()), kind, stat) {
                    return Err(Errno::OVERFLOW);
                }
            }
        }
    }
    listing.sort();
    Ok((listing, filtered))
}

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Nothing
    Nothing,
    /// A directory
    Directory,
    /// Anything else
    File(Kind, Stat),
}

/// Looks at a name without following a link.
pub(crate) fn look(directory: BorrowedFd<'_>, name: &CStr) -> Result<At> {
    look_linked(directory, name).map(|(at, _)| at)
}

/// Looks at a name as [`look`] does, on NFS at the server, and returns how many names (hard links) the file
/// has.
pub(crate) fn look_fresh(directory: BorrowedFd<'_>, name: &OsStr) -> Result<(At, u32)> {
    let stat = match fresh_stat(directory, name) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok((At::Nothing, 0)),
        Err(error) => return Err(error),
    };
    match FileType::from_raw_mode(stat.stx_mode.into()) {
        FileType::Directory => Ok((At::Directory, 1)),
        file_type => {
            let stat_now = Stat {
                size: stat.stx_size,
                mtime: nanoseconds(stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec),
                ctime: nanoseconds(stat.stx_ctime.tv_sec, stat.stx_ctime.tv_nsec),
                inode: stat.stx_ino,
            };
            Ok((At::File(Kind::of(file_type), stat_now), stat.stx_nlink))
        }
    }
}

/// Looks at a name as [`look`] does, and returns whether the file has other names (hard links).
pub(crate) fn look_linked(directory: BorrowedFd<'_>, name: &CStr) -> Result<(At, bool)> {
    let stat = match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok((At::Nothing, false)),
        Err(error) => return Err(error),
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Ok((At::Directory, false)),
        file_type => {
            let time = |seconds: i64, nanoseconds: u64| {
                seconds.saturating_mul(1_000_000_000).saturating_add_unsigned(nanoseconds)
            };
            let stat_now = Stat {
                size: u64::try_from(stat.st_size).unwrap_or_default(),
                mtime: time(stat.st_mtime, stat.st_mtime_nsec),
                ctime: time(stat.st_ctime, stat.st_ctime_nsec),
                inode: stat.st_ino,
            };
            Ok((At::File(Kind::of(file_type), stat_now), stat.st_nlink > 1))
        }
    }
}
