//! One commit of a [`Comparison`](super::Comparison): directory by directory, listings and rows in the order
//! of names.

use super::directories::Directories;
use super::file::{Tally, read_stat, split};
use super::{FileState, PairId, Unsendable, now};
use crate::walk::{At, Entry, Listing, Stat};
use jiff::Timestamp;
use rusqlite::{Transaction, params};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Rows of the manifest that are looked at in one go; a directory of a million files is never in memory as
/// rows.
const PAGE: usize = 4096;

/// How long a row stays whose file is gone, in seconds: 90 days. A file system that is only unmounted comes
/// back with the same inodes, and its files need not be compared with the destination again.
const KEEP_GONE: i64 = 90 * 24 * 60 * 60;

/// How a change came to light.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A walk came by: what it has never seen before has been quiet since its mtime
    Walk,
    /// An event told of it: it changed just now, whatever its mtime says
    Event,
}

/// What a comparison changed in the manifest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChangeCounts {
    /// Files never seen before
    pub new: u64,
    /// Files with another size, mtime, ctime, inode or kind
    pub changed: u64,
    /// Files that are no longer there
    pub gone: u64,
    /// Files that were gone and are back as they were
    pub back: u64,
}

impl std::ops::AddAssign for ChangeCounts {
    fn add_assign(&mut self, more: ChangeCounts) {
        self.new += more.new;
        self.changed += more.changed;
        self.gone += more.gone;
        self.back += more.back;
    }
}

/// One commit of a comparison.
pub(super) struct Pass<'t> {
    transaction: &'t Transaction<'t>,
    pair: PairId,
    found: Found,
    now: Timestamp,
    directories: Directories<'t>,
    tally: Tally,
    changes: ChangeCounts,
    seen: Vec<i64>,
}

/// What the manifest knows of a file.
#[derive(Clone, Copy)]
struct Known {
    stat: Stat,
    state: FileState,
    /// Seconds since 1970
    gone: Option<i64>,
    /// The verified task that sent it
    sent_by: Option<i64>,
}

enum Change {
    Insert(usize),
    Update(usize, Known),
    Gone(Vec<u8>, Known),
}

impl<'t> Pass<'t> {
    pub(super) fn new(
        transaction: &'t Transaction<'t>,
        pair: PairId,
        found: Found,
        now: Timestamp,
    ) -> rusqlite::Result<Pass<'t>> {
        let directories = Directories::new(transaction, pair)?;
        let (tally, changes, seen) = (Tally::default(), ChangeCounts::default(), Vec::new());
        Ok(Pass { transaction, pair, found, now, directories, tally, changes, seen })
    }

    /// What has changed, and the numbers of the directories that were compared.
    pub(super) fn finish(self) -> rusqlite::Result<(ChangeCounts, Vec<i64>)> {
        self.tally.write(self.transaction, self.pair)?;
        Ok((self.changes, self.seen))
    }

    /// Ends a walk; `whole` says whether it has read the whole tree.
    pub(super) fn walked(&mut self, whole: bool) -> rusqlite::Result<()> {
        // Files that were to be sent may be gone.
        self.transaction.execute(
            "UPDATE directory SET has_new = EXISTS (SELECT 1 FROM file WHERE directory = id AND state = 0) \
             WHERE pair = ?1 AND has_new = 1",
            [self.pair.0],
        )?;
        if whole {
            let sql = "UPDATE pair SET walked_at = ?2 WHERE id = ?1";
            self.transaction.execute(sql, params![self.pair.0, now()])?;
        }
        Ok(())
    }

    pub(super) fn listing(&mut self, listing: &Listing) -> rusqlite::Result<()> {
        let path = listing.directory().as_os_str().as_bytes();
        let id = match self.directories.find(path)? {
            Some(id) => id,
            // Directories without files are no business of the manifest's.
            None if listing.is_empty() => return Ok(()),
            None => self.add_directory(path)?,
        };
        self.seen.push(id);
        let utf8 = std::str::from_utf8(path).is_ok();
        let mut new = false;
        let mut next = 0;
        let mut last = Vec::new();
        loop {
            let (changes, rows) = self.merge(id, listing, &mut next, &mut last, utf8)?;
            for change in changes {
                new |= match change {
                    Change::Insert(index) => {
                        listing.get(index).map_or(Ok(false), |e| self.insert(id, e, utf8))?
                    }
                    Change::Update(index, known) => {
                        listing.get(index).map_or(Ok(false), |e| self.update(id, e, utf8, known))?
                    }
                    Change::Gone(name, known) => {
                        self.gone(id, &name, known)?;
                        false
                    }
                };
            }
            if rows < PAGE {
                break;
            }
        }
        while let Some(entry) = listing.get(next) {
            new |= self.insert(id, entry, utf8)?;
            next += 1;
        }
        if new { self.set_has_new(id) } else { Ok(()) }
    }

    /// Compares one page of rows, from the name after `last` on, with the listing from `next` on; returns
    /// what is to be changed and how many rows the page had.
    fn merge(
        &self,
        directory: i64,
        listing: &Listing,
        next: &mut usize,
        last: &mut Vec<u8>,
        utf8: bool,
    ) -> rusqlite::Result<(Vec<Change>, usize)> {
        let mut changes = Vec::new();
        let mut statement = self.transaction.prepare_cached(
            "SELECT name, size, mtime, ctime, inode, state, gone, sent_by FROM file WHERE directory = ?1 \
             AND name > ?2 ORDER BY name LIMIT ?3",
        )?;
        let mut rows = statement.query(params![directory, last.as_slice(), PAGE as i64])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            let name = row.get_ref(0)?.as_blob()?;
            let known = Known {
                stat: read_stat(row, 1)?,
                state: row.get(5)?,
                gone: row.get(6)?,
                sent_by: row.get(7)?,
            };
            count += 1;
            if count == PAGE {
                *last = name.to_owned();
            }
            while let Some(entry) = listing.get(*next).filter(|entry| entry.name.as_bytes() < name) {
                debug_assert!(!entry.name.is_empty());
                changes.push(Change::Insert(*next));
                *next += 1;
            }
            match listing.get(*next).filter(|entry| entry.name.as_bytes() == name) {
                Some(entry) => {
                    if !is_known(entry, utf8, known) {
                        changes.push(Change::Update(*next, known));
                    }
                    *next += 1;
                }
                None => {
                    if known.gone.is_none_or(|gone| gone < self.now.as_second() - KEEP_GONE) {
                        changes.push(Change::Gone(name.to_owned(), known));
                    }
                }
            }
        }
        Ok((changes, count))
    }

    pub(super) fn path(&mut self, path: &Path, at: At) -> rusqlite::Result<()> {
        if !matches!(at, At::Directory) {
            for (id, _) in self.directories_below(path.as_os_str().as_bytes())? {
                self.directory_gone(id)?;
            }
        }
        let (directory, name) = split(path);
        if name.is_empty() {
            return Ok(());
        }
        let id = self.directories.find(directory)?;
        let known = match id {
            Some(id) => self.known(id, name)?,
            None => None,
        };
        match (at, id, known) {
            (At::File(kind, stat), id, known) => {
                let utf8 = std::str::from_utf8(directory).is_ok();
                let entry = Entry { name: OsStr::from_bytes(name), kind, stat };
                let id = match id {
                    Some(id) => id,
                    None => self.add_directory(directory)?,
                };
                let new = match known {
                    None => self.insert(id, entry, utf8)?,
                    Some(known) if !is_known(entry, utf8, known) => self.update(id, entry, utf8, known)?,
                    // It was written to, and its mtime may be too coarse to tell.
                    Some(Known { state: FileState::New, .. }) => {
                        let sql = "UPDATE file SET since = ?3 WHERE directory = ?1 AND name = ?2";
                        let since = self.now.as_millisecond();
                        self.transaction.prepare_cached(sql)?.execute(params![id, name, since])?;
                        false
                    }
                    Some(_) => false,
                };
                if new { self.set_has_new(id) } else { Ok(()) }
            }
            (_, Some(id), Some(known)) if known.gone.is_none() => self.gone(id, name, known),
            _ => Ok(()),
        }
    }

    /// Whether the file is to be sent.
    fn insert(&mut self, directory: i64, entry: Entry<'_>, utf8: bool) -> rusqlite::Result<bool> {
        let state = first_state(entry, utf8);
        let Stat { size, mtime, ctime, inode } = entry.stat;
        // A clock that is ahead, of the file's server or of whoever wrote it, must not make it wait for ever.
        let now = self.now.as_millisecond();
        let since = if self.found == Found::Walk { now.min(mtime.div_euclid(1_000_000)) } else { now };
        self.transaction
            .prepare_cached(
                "INSERT INTO file (directory, name, size, mtime, ctime, inode, state, since) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                directory,
                entry.name.as_bytes(),
                size as i64,
                mtime,
                ctime,
                inode as i64,
                state,
                since
            ])?;
        self.tally.add(state, size);
        self.changes.new += 1;
        Ok(state == FileState::New)
    }

    /// Whether the file is to be sent.
    fn update(
        &mut self,
        directory: i64,
        entry: Entry<'_>,
        utf8: bool,
        known: Known,
    ) -> rusqlite::Result<bool> {
        let first = first_state(entry, utf8);
        let Stat { size, mtime, ctime, inode } = entry.stat;
        if known.gone.is_none() {
            self.tally.take(known.state, known.stat.size);
        }
        if known.stat == entry.stat && sendable(first) == sendable(known.state) {
            let sql = "UPDATE file SET gone = NULL WHERE directory = ?1 AND name = ?2";
            self.transaction.prepare_cached(sql)?.execute(params![directory, entry.name.as_bytes()])?;
            self.tally.add(known.state, size);
            self.changes.back += 1;
            return Ok(false);
        }
        self.changes.changed += 1;
        // Only the ctime: other rights, another name, or other content with the time set back. Its content is
        // compared by checksum, and where that is the same the file still counts as sent.
        let only_ctime = Stat { ctime: known.stat.ctime, ..entry.stat } == known.stat;
        let sent_by = known.sent_by.filter(|_| only_ctime);
        let (state, gone) = match (known.state, first) {
            (FileState::Sending, FileState::New) => (FileState::Sending, None),
            // What the task has is gone; what came in its place is looked at when the task has ended.
            (FileState::Sending, _) => (FileState::Sending, Some(self.now.as_second())),
            _ => (first, None),
        };
        self.transaction
            .prepare_cached(
                "UPDATE file SET size = ?3, mtime = ?4, ctime = ?5, inode = ?6, state = ?7, since = ?8, \
                 gone = ?9, sent_by = ?10, task = CASE ?7 WHEN 1 THEN task END WHERE directory = ?1 AND \
                 name = ?2",
            )?
            .execute(params![
                directory,
                entry.name.as_bytes(),
                size as i64,
                mtime,
                ctime,
                inode as i64,
                state,
                self.now.as_millisecond(),
                gone,
                sent_by,
            ])?;
        if gone.is_none() {
            self.tally.add(state, size);
        }
        Ok(state == FileState::New)
    }

    /// A file that is not there any more, or has been gone for long.
    fn gone(&mut self, directory: i64, name: &[u8], known: Known) -> rusqlite::Result<()> {
        if known.gone.is_none() {
            self.tally.take(known.state, known.stat.size);
            self.changes.gone += 1;
        }
        let moved = matches!(known.state, FileState::Sent | FileState::Present);
        if known.state == FileState::Sending || (moved && known.gone.is_none()) {
            let sql = "UPDATE file SET gone = coalesce(gone, ?3) WHERE directory = ?1 AND name = ?2";
            self.transaction.prepare_cached(sql)?.execute(params![directory, name, self.now.as_second()])?;
        } else {
            let sql = "DELETE FROM file WHERE directory = ?1 AND name = ?2";
            self.transaction.prepare_cached(sql)?.execute(params![directory, name])?;
        }
        Ok(())
    }

    pub(super) fn directory_gone(&mut self, id: i64) -> rusqlite::Result<()> {
        let mut count = self.transaction.prepare_cached(
            "SELECT state, count(*), sum(size) FROM file WHERE directory = ?1 AND gone IS NULL GROUP BY \
             state",
        )?;
        let mut rows = count.query([id])?;
        while let Some(row) = rows.next()? {
            let (files, bytes): (i64, i64) = (row.get(1)?, row.get(2)?);
            self.tally.take_many(row.get(0)?, files, bytes);
            self.changes.gone += files as u64;
        }
        drop(rows);
        let now = self.now.as_second();
        self.transaction
            .prepare_cached(
                "DELETE FROM file WHERE directory = ?1 AND state <> 1 AND (state NOT IN (2, 3) OR gone < ?2)",
            )?
            .execute([id, now - KEEP_GONE])?;
        self.transaction
            .prepare_cached("UPDATE file SET gone = ?2 WHERE directory = ?1 AND gone IS NULL")?
            .execute([id, now])?;
        let removed = self
            .transaction
            .prepare_cached(
                "DELETE FROM directory WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM file WHERE directory = \
                 ?1) AND NOT EXISTS (SELECT 1 FROM task_file WHERE directory = ?1)",
            )?
            .execute([id])?;
        if removed > 0 {
            self.directories.forget();
        }
        Ok(())
    }

    fn known(&self, directory: i64, name: &[u8]) -> rusqlite::Result<Option<Known>> {
        let sql = "SELECT size, mtime, ctime, inode, state, gone, sent_by FROM file WHERE directory = ?1 \
                   AND name = ?2";
        let mut statement = self.transaction.prepare_cached(sql)?;
        let mut rows = statement.query(params![directory, name])?;
        rows.next()?
            .map(|row| {
                Ok(Known {
                    stat: read_stat(row, 0)?,
                    state: row.get(4)?,
                    gone: row.get(5)?,
                    sent_by: row.get(6)?,
                })
            })
            .transpose()
    }

    pub(super) fn directories_below(&self, path: &[u8]) -> rusqlite::Result<Vec<(i64, Vec<u8>)>> {
        // "a/" <= below a < "a0": 0 comes after / in ASCII.
        let (from, to) = ([path, b"/"].concat(), [path, b"0"].concat());
        self.transaction
            .prepare_cached(
                "SELECT id, path FROM directory WHERE pair = ?1 AND ?2 = x'' \
                 UNION ALL SELECT id, path FROM directory WHERE pair = ?1 AND ?2 <> x'' AND path = ?2 \
                 UNION ALL SELECT id, path FROM directory WHERE pair = ?1 AND ?2 <> x'' AND path >= ?3 AND \
                 path < ?4",
            )?
            .query_map(params![self.pair.0, path, from, to], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
    }

    fn add_directory(&mut self, path: &[u8]) -> rusqlite::Result<i64> {
        let sql = "INSERT INTO directory (pair, path) VALUES (?1, ?2)";
        self.transaction.prepare_cached(sql)?.execute(params![self.pair.0, path])?;
        self.directories.forget();
        Ok(self.transaction.last_insert_rowid())
    }

    fn set_has_new(&self, directory: i64) -> rusqlite::Result<()> {
        let sql = "UPDATE directory SET has_new = 1 WHERE id = ?1 AND has_new = 0";
        self.transaction.prepare_cached(sql)?.execute([directory])?;
        Ok(())
    }
}

fn first_state(entry: Entry<'_>, directory_is_utf8: bool) -> FileState {
    FileState::at_first(entry.kind, directory_is_utf8 && entry.name.to_str().is_some())
}

fn is_known(entry: Entry<'_>, utf8: bool, known: Known) -> bool {
    known.gone.is_none()
        && known.stat == entry.stat
        && match known.state {
            FileState::Unsendable(Unsendable::HardLink) => first_state(entry, utf8) == FileState::New,
            FileState::Unsendable(_) => first_state(entry, utf8) == known.state,
            _ => first_state(entry, utf8) == FileState::New,
        }
}

fn sendable(state: FileState) -> bool {
    !matches!(state, FileState::Unsendable(_))
}
