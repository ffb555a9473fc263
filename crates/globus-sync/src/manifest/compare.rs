//! What is there now against what the manifest knows: directory by directory, both in the order of names.

use super::file::read_file;
use super::pass::{ChangeCounts, Found, Pass};
use super::{Durable, FileRow, Manifest, ManifestError, PairId};
use crate::walk::{At, Listing};
use jiff::Timestamp;
use rusqlite::TransactionBehavior;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// One pass over a pair's tree, or over a part of it. Its methods block, and make one commit each.
#[derive(Debug)]
pub struct Comparison {
    manifest: Manifest,
    pair: PairId,
    found: Found,
    seen: HashSet<i64>,
    changes: ChangeCounts,
}

impl Manifest {
    /// Begins a pass over the pair's files.
    pub fn comparison(&self, pair: PairId, found: Found) -> Comparison {
        Comparison {
            manifest: self.clone(),
            pair,
            found,
            seen: HashSet::new(),
            changes: ChangeCounts::default(),
        }
    }
}

impl Comparison {
    /// Compares whole directories; each listing must be sorted ([`Listing::sort`]).
    pub fn listings(&mut self, listings: &[Listing]) -> Result<(), ManifestError> {
        self.commit(|pass| {
            for listing in listings {
                pass.listing(listing)?;
            }
            Ok(())
        })
    }

    /// Compares single paths with what stands there. A path that was a directory and is none takes what was
    /// below it along; what is in a directory is to be told by listings.
    pub fn paths(&mut self, paths: &[(PathBuf, At)]) -> Result<(), ManifestError> {
        self.commit(|pass| {
            for (path, at) in paths {
                pass.path(path, *at)?;
            }
            Ok(())
        })
    }

    /// All known files with these inodes. Reads the pair's whole table: for the few files that have several
    /// names.
    pub(crate) fn files_of(&self, inodes: &HashSet<u64>) -> Result<Vec<FileRow>, ManifestError> {
        let pair = self.pair;
        self.manifest.transaction(TransactionBehavior::Deferred, Durable::Now, |transaction| {
            let mut files = Vec::new();
            let mut statement = transaction.prepare_cached(
                "SELECT file.inode, directory.path, name, size, mtime, ctime, inode, state, task, sent_by \
                 FROM directory JOIN file ON file.directory = directory.id WHERE pair = ?1 AND gone IS NULL",
            )?;
            let mut rows = statement.query([pair.0])?;
            while let Some(row) = rows.next()? {
                if inodes.contains(&(row.get::<_, i64>(0)? as u64)) {
                    files.push(read_file(row, row.get_ref(1)?.as_blob()?, 2)?);
                }
            }
            Ok(files)
        })
    }

    /// Ends a walk of the trees below these directories (the empty path: the whole): the files of directories
    /// that did not come as a listing are gone, but for those at or below a path of `unread`, of which
    /// nothing is known.
    pub fn finish(mut self, walked: &[PathBuf], unread: &[PathBuf]) -> Result<ChangeCounts, ManifestError> {
        let seen = std::mem::take(&mut self.seen);
        let unread: HashSet<&Path> = unread.iter().map(PathBuf::as_path).collect();
        self.commit(|pass| {
            for directory in walked {
                for (id, path) in pass.directories_below(directory.as_os_str().as_bytes())? {
                    let path = Path::new(OsStr::from_bytes(&path));
                    if !seen.contains(&id) && !path.ancestors().any(|above| unread.contains(above)) {
                        pass.directory_gone(id)?;
                    }
                }
            }
            let whole = walked.iter().any(|directory| directory.as_os_str().is_empty());
            pass.walked(whole && !unread.contains(Path::new("")))
        })?;
        Ok(self.changes)
    }

    /// What was changed so far.
    pub fn changes(&self) -> ChangeCounts {
        self.changes
    }

    fn commit(
        &mut self,
        work: impl FnOnce(&mut Pass<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), ManifestError> {
        let (pair, found) = (self.pair, self.found);
        let now = Timestamp::now();
        let (changes, seen) =
            self.manifest.transaction(TransactionBehavior::Immediate, Durable::Later, |transaction| {
                let mut pass = Pass::new(transaction, pair, found, now)?;
                work(&mut pass)?;
                pass.finish()
            })?;
        self.seen.extend(seen);
        self.changes += changes;
        Ok(())
    }
}
