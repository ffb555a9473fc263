//! Looking at single paths of which events told.

use crate::manifest::{ChangeCounts, Found, Manifest, PairId};
use crate::openat;
use crate::walk::{At, Tree, WalkError, look_linked};
use rustix::io::Errno;
use std::collections::{BTreeSet, HashSet};
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What came of it.
pub(super) struct Inspection {
    pub(super) changes: ChangeCounts,
    /// Directories that are there; what is in them is to be walked. None is below another.
    pub(super) directories: Vec<PathBuf>,
}

/// Files recorded in one commit.
const BATCH: usize = 4096;

/// Brings the manifest up to date at these paths, in their order.
pub(super) fn look(
    manifest: &Manifest,
    pair: PairId,
    tree: &Tree,
    paths: BTreeSet<PathBuf>,
) -> Result<Inspection, WalkError> {
    let top = tree.open()?;
    let mut comparison = manifest.comparison(pair, Found::Event);
    let mut directories: Vec<PathBuf> = Vec::new();
    let mut found = Vec::new();
    let mut linked = HashSet::new();
    let mut parent: Option<(PathBuf, Result<OwnedFd, Errno>)> = None;
    for path in paths {
        // Paths are in the order of their components: a directory comes right before what is below it.
        if directories.last().is_some_and(|directory| path.starts_with(directory)) {
            continue;
        }
        match at(top.as_fd(), &path, &mut parent, &mut linked) {
            Ok(At::File(..)) if path.file_name().is_some_and(|name| !tree.filters.wants(name)) => {}
            Ok(at) => {
                if matches!(at, At::Directory) {
                    directories.push(path.clone());
                }
                found.push((path, at));
            }
            // Of what can't be looked at nothing is known; the walk that finds it so tells of it.
            Err(error) => tracing::debug!("{} in {}: {error}", path.display(), tree.source.path().display()),
        }
        if found.len() >= BATCH {
            comparison.paths(&found)?;
            found.clear();
        }
    }
    comparison.paths(&found)?;
    // An event names a file by the name under which it was written; its other names have changed as well.
    if !linked.is_empty() {
        let mut found = Vec::new();
        for path in comparison.files_of(&linked)?.into_iter().map(|file| file.path) {
            if let Ok(at) = at(top.as_fd(), &path, &mut parent, &mut HashSet::new())
                && !matches!(at, At::Directory)
            {
                found.push((path, at));
            }
        }
        comparison.paths(&found)?;
    }
    Ok(Inspection { changes: comparison.changes(), directories })
}

/// What stands at a path; the inode is added to `linked` where the file has other names. The parent that was
/// opened last is kept: paths come directory by directory.
fn at(
    top: BorrowedFd<'_>,
    path: &Path,
    parent: &mut Option<(PathBuf, Result<OwnedFd, Errno>)>,
    linked: &mut HashSet<u64>,
) -> Result<At, Errno> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return Err(Errno::INVAL) };
    if !matches!(parent, Some((open, _)) if open == directory) {
        *parent = Some((directory.to_owned(), openat::open_directory(top, directory)));
    }
    match parent {
        Some((_, Ok(fd))) => {
            let name = CString::new(name.as_bytes()).map_err(|_| Errno::INVAL)?;
            let (at, has_other_names) = look_linked(fd.as_fd(), &name)?;
            if let At::File(_, stat) = at
                && has_other_names
            {
                linked.insert(stat.inode);
            }
            Ok(at)
        }
        // No directory any more, so nothing is in it.
        Some((_, Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP))) => Ok(At::Nothing),
        Some((_, Err(error))) => Err(*error),
        None => Err(Errno::INVAL),
    }
}
