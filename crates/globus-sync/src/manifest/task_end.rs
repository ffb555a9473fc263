//! How a task ends, and what becomes of its files.

use super::directories::{Directories, set_has_new};
use super::file::{Tally, read_stat, split};
use super::task::find;
use super::{FileState, Manifest, ManifestError, TaskKind, TaskNumber, TaskState, now};
use crate::walk::Stat;
use rusqlite::{OptionalExtension, Transaction, params};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// How a task ended.
#[derive(Clone, Debug)]
pub struct End {
    /// [`TaskState::Succeeded`], [`TaskState::Failed`] or [`TaskState::Cancelled`]
    pub state: TaskState,
    /// What becomes of those that [`Manifest::mark_sent`] was not told of
    pub rest: Rest,
    /// Faults on the way
    pub faults: u64,
    /// Why it failed, or what else is to be told
    pub words: Option<String>,
}

/// What becomes of a task's files that are not in its successful transfers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// To be sent again
    New,
    /// The destination had them already, by their sizes or times
    Present,
    /// The destination had them already, by their checksums
    PresentByChecksum,
}

impl Manifest {
    /// A page of the task's successful transfers, paths below the pair's top. A file that has changed since
    /// it was submitted is new again. What is not of this task is passed over; the same page twice changes
    /// nothing. Returns how many files are the task's.
    pub async fn mark_sent(&self, task: TaskNumber, paths: Vec<PathBuf>) -> Result<u64, ManifestError> {
        self.write(move |transaction| {
            let Some(row) = find(transaction, task)? else { return Ok(0) };
            let mut directory_of = Directories::new(transaction, row.pair)?;
            let mut settle = Settle::new(transaction, task)?;
            let (mut files, mut bytes) = (0_u64, 0_u64);
            for path in paths {
                let (directory, name) = split(&path);
                let Some(directory) = directory_of.find(directory)? else { continue };
                if let Some(stat) = settle.file(directory, name, FileState::Sent)? {
                    files += 1;
                    bytes = bytes.saturating_add(stat.size);
                }
            }
            settle.tally.write(transaction, row.pair)?;
            set_has_new(transaction, settle.directories)?;
            transaction.execute(
                "UPDATE task SET files_sent = files_sent + ?2, bytes_sent = bytes_sent + ?3 WHERE number = ?1",
                params![task.0, files as i64, bytes as i64],
            )?;
            Ok(files)
        })
        .await
    }

    /// Files of the task that the service could not read, paths below the pair's top: they are new again,
    /// whatever becomes of the rest. Returns how many are the task's.
    pub async fn mark_skipped(&self, task: TaskNumber, paths: Vec<PathBuf>) -> Result<u64, ManifestError> {
        self.write(move |transaction| {
            let Some(row) = find(transaction, task)? else { return Ok(0) };
            let mut directory_of = Directories::new(transaction, row.pair)?;
            let mut settle = Settle::new(transaction, task)?;
            let mut files = 0;
            for path in paths {
                let (directory, name) = split(&path);
                let Some(directory) = directory_of.find(directory)? else { continue };
                files += u64::from(settle.file(directory, name, FileState::New)?.is_some());
            }
            settle.tally.write(transaction, row.pair)?;
            set_has_new(transaction, settle.directories)?;
            Ok(files)
        })
        .await
    }

    /// Ends a task: the files that were not marked as sent become what `rest` says, or new where they have
    /// changed. Ending it again changes nothing.
    pub async fn end_task(&self, task: TaskNumber, end: End) -> Result<(), ManifestError> {
        self.write(move |transaction| {
            let Some(row) = find(transaction, task)?.filter(|row| row.ended_at.is_none()) else {
                return Ok(());
            };
            let mut settle = Settle::new(transaction, task)?;
            let rest = match end.rest {
                Rest::New => FileState::New,
                Rest::Present | Rest::PresentByChecksum => FileState::Present,
            };
            settle.by_checksum = row.verified && end.rest == Rest::PresentByChecksum;
            let files: Vec<(i64, Vec<u8>)> = transaction
                .prepare_cached("SELECT directory, name FROM task_file WHERE task = ?1")?
                .query_map([task.0], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?;
            for (directory, name) in files {
                settle.file(directory, &name, rest)?;
            }
            settle.tally.write(transaction, row.pair)?;
            set_has_new(transaction, settle.directories)?;
            transaction.execute("DELETE FROM task_file WHERE task = ?1", [task.0])?;
            transaction.execute("DELETE FROM task_directory WHERE task = ?1", [task.0])?;
            let now = now();
            transaction.execute(
                "UPDATE task SET state = ?2, ended_at = ?3, faults = ?4, words = ?5 WHERE number = ?1",
                params![task.0, end.state.word(), now, end.faults as i64, end.words],
            )?;
            if end.state == TaskState::Succeeded && row.kind == TaskKind::Transfer {
                transaction.execute(
                    "UPDATE pair SET first_success_at = coalesce(first_success_at, ?2), last_success_at = \
                     ?2 WHERE id = ?1",
                    params![row.pair.0, now],
                )?;
            }
            Ok(())
        })
        .await
    }
}

/// Brings files of a task that is ending into their next state.
struct Settle<'t> {
    task: TaskNumber,
    read: rusqlite::CachedStatement<'t>,
    write: rusqlite::CachedStatement<'t>,
    remove: rusqlite::CachedStatement<'t>,
    tally: Tally,
    directories: BTreeSet<i64>,
    /// What the destination had already has the same checksum
    by_checksum: bool,
}

impl<'t> Settle<'t> {
    fn new(transaction: &'t Transaction<'_>, task: TaskNumber) -> rusqlite::Result<Self> {
        Ok(Settle {
            task,
            by_checksum: false,
            read: transaction.prepare_cached(
                "SELECT file.size, file.mtime, file.ctime, file.inode, was.size, was.mtime, was.ctime, \
                 was.inode, file.gone IS NOT NULL, file.sent_by IS NOT NULL \
                 FROM task_file AS was JOIN file USING (directory, name) \
                 WHERE was.task = ?1 AND directory = ?2 AND name = ?3 AND file.state = 1",
            )?,
            write: transaction.prepare_cached(
                "UPDATE file SET state = ?3, task = CASE WHEN ?4 THEN sent_by ELSE task END, \
                 sent_by = CASE ?3 WHEN 2 THEN CASE WHEN ?4 THEN sent_by \
                 ELSE (SELECT number FROM task WHERE number = file.task AND verified) END WHEN 0 THEN \
                 sent_by END WHERE directory = ?1 AND name = ?2",
            )?,
            remove: transaction.prepare_cached("DELETE FROM file WHERE directory = ?1 AND name = ?2")?,
            tally: Tally::default(),
            directories: BTreeSet::new(),
        })
    }

    /// What the file was when it was submitted, where it is still the task's.
    fn file(&mut self, directory: i64, name: &[u8], next: FileState) -> rusqlite::Result<Option<Stat>> {
        let found = self
            .read
            .query_row(params![self.task.0, directory, name], |row| {
                Ok((read_stat(row, 0)?, read_stat(row, 4)?, row.get::<_, bool>(8)?, row.get::<_, bool>(9)?))
            })
            .optional()?;
        let Some((is, was, gone, was_sent)) = found else { return Ok(None) };
        let next = if is == was { next } else { FileState::New };
        // Sent before, and only the ctime has changed since: it is what was sent.
        let still_sent = next == FileState::Present && was_sent && self.by_checksum;
        let next = if still_sent { FileState::Sent } else { next };
        if !gone {
            self.tally.take(FileState::Sending, is.size);
        }
        match (next, gone) {
            (FileState::New, true) => drop(self.remove.execute(params![directory, name])?),
            _ => {
                self.write.execute(params![directory, name, next, still_sent])?;
                if !gone {
                    self.tally.add(next, is.size);
                }
                if next == FileState::New {
                    self.directories.insert(directory);
                }
            }
        }
        Ok(Some(was))
    }
}
