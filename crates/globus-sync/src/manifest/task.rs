use super::file::{Tally, joined, read_stat, split};
use super::{FileRow, FileState, Manifest, ManifestError, PairId, conversion, now, parsed, some_parsed};
use crate::openat::DirectoryIdentity;
use crate::walk::Stat;
use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use uuid::Uuid;

/// A task's number in the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskNumber(pub i64);

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskKind {
    /// Copies files
    Transfer,
    /// Removes files at the source (clean-up of a source that is not on this machine)
    Delete,
}

/// How far a task has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// Written down; the service has not answered yet
    Submitting,
    /// The service has it
    Active,
    /// Ended well
    Succeeded,
    /// Ended with an error, or the service refused it
    Failed,
    /// Ended by someone, or by its deadline
    Cancelled,
}

/// A task to be submitted.
#[derive(Clone, Debug)]
pub struct NewTask {
    /// Under which it is submitted, however often
    pub submission_id: Uuid,
    /// The parameters it is asked for with, as whoever resubmits it needs them
    pub request: Value,
    /// Whether the service compares checksums after copying; only what such a task sent may ever be removed
    pub verified: bool,
}

/// A task of the manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskRow {
    /// Its number
    pub number: TaskNumber,
    /// Whose it is
    pub pair: PairId,
    /// What it does
    pub kind: TaskKind,
    /// Under which it is submitted
    pub submission_id: Uuid,
    /// The service's id, once it has answered
    pub task_id: Option<Uuid>,
    /// How far it has come
    pub state: TaskState,
    /// The parameters it is asked for with
    pub request: Value,
    /// Whether the service compares checksums
    pub verified: bool,
    /// Files asked for
    pub files: u64,
    /// Their bytes
    pub bytes: u64,
    /// When it was written down
    pub begun_at: Timestamp,
    /// When the service had answered
    pub submitted_at: Option<Timestamp>,
    /// When its end was written down
    pub ended_at: Option<Timestamp>,
    /// Files in its successful transfers
    pub files_sent: u64,
    /// Their bytes
    pub bytes_sent: u64,
    /// Faults on the way
    pub faults: u64,
    /// Why it failed, or what else is to be told
    pub words: Option<String>,
    /// Under which the deletion of files is submitted that the task copied from elsewhere
    pub recall_submission_id: Option<Uuid>,
}

/// A file as it was when its task began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskFile {
    /// Below the pair's top
    pub path: PathBuf,
    /// As it was
    pub stat: Stat,
}

/// A directory on the way to a task's files, as it was when the task began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskDirectory {
    /// Below the fixed part of the source's path; the fixed part itself is the empty path
    pub path: PathBuf,
    /// What told it from any other
    pub identity: DirectoryIdentity,
}

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
    /// Writes a transfer task down, before it is submitted, with those of the files that are still new and as
    /// they were read, and the directories on the way to them; the files are `sending` from now on. None
    /// where no file is left.
    ///
    /// # Errors
    /// [`ManifestError::TaskUnderWay`] where the pair has a task that has not ended.
    pub async fn begin_task(
        &self,
        pair: PairId,
        task: NewTask,
        files: Vec<FileRow>,
        directories: Vec<TaskDirectory>,
    ) -> Result<Option<(TaskRow, Vec<TaskFile>)>, ManifestError> {
        self.write(move |transaction| {
            let number = insert(transaction, pair, TaskKind::Transfer, &task)?;
            let (mut tally, mut with_new) = (Tally::default(), BTreeSet::new());
            let (mut taken, mut bytes) = (Vec::with_capacity(files.len()), 0_u64);
            let mut directory_of = Directories::new(transaction, pair)?;
            let mut take = transaction.prepare_cached(
                "UPDATE file SET state = ?1, task = ?2 WHERE directory = ?3 AND name = ?4 AND state = ?5 \
                 AND size = ?6 AND mtime = ?7 AND ctime = ?8 AND inode = ?9 AND gone IS NULL",
            )?;
            let mut keep = transaction.prepare_cached(
                "INSERT INTO task_file (task, directory, name, size, mtime, ctime, inode) VALUES (?1, ?2, \
                 ?3, ?4, ?5, ?6, ?7)",
            )?;
            for FileRow { path, stat, .. } in files {
                let (directory, name) = split(&path);
                let Some(directory) = directory_of.find(directory)? else { continue };
                let (size, inode) = (stat.size as i64, stat.inode as i64);
                let (new, sending) = (FileState::New, FileState::Sending);
                if take.execute(params![
                    sending, number.0, directory, name, new, size, stat.mtime, stat.ctime, inode
                ])? == 0
                {
                    continue;
                }
                keep.execute(params![number.0, directory, name, size, stat.mtime, stat.ctime, inode])?;
                tally.take(new, stat.size);
                tally.add(sending, stat.size);
                with_new.insert(directory);
                bytes = bytes.saturating_add(stat.size);
                taken.push(TaskFile { path, stat });
            }
            if taken.is_empty() {
                transaction.execute("DELETE FROM task WHERE number = ?1", [number.0])?;
                return Ok(None);
            }
            let mut way = transaction.prepare_cached(
                "INSERT INTO task_directory (task, path, device, inode, ctime) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for TaskDirectory { path, identity } in directories {
                let DirectoryIdentity { device, inode, ctime } = identity;
                way.execute(params![
                    number.0,
                    path.as_os_str().as_bytes(),
                    device as i64,
                    inode as i64,
                    ctime
                ])?;
            }
            set_has_new(transaction, with_new)?;
            tally.write(transaction, pair)?;
            transaction.execute(
                "UPDATE task SET files = ?2, bytes = ?3 WHERE number = ?1",
                params![number.0, taken.len() as i64, bytes as i64],
            )?;
            Ok(find(transaction, number)?.map(|row| (row, taken)))
        })
        .await
    }

    /// The service has answered with its id.
    pub async fn task_submitted(&self, task: TaskNumber, task_id: Uuid) -> Result<(), ManifestError> {
        self.write(move |transaction| {
            transaction.execute(
                "UPDATE task SET task_id = ?2, state = ?3, submitted_at = ?4 WHERE number = ?1 AND ended_at \
                 IS NULL",
                params![task.0, task_id.to_string(), TaskState::Active.word(), now()],
            )?;
            Ok(())
        })
        .await
    }

    /// The pair's task that has not ended: to be submitted (again, under its own submission id) or followed.
    pub async fn unfinished_task(&self, pair: PairId) -> Result<Option<TaskRow>, ManifestError> {
        self.read(move |transaction| {
            transaction
                .prepare_cached("SELECT * FROM task WHERE pair = ?1 AND ended_at IS NULL")?
                .query_row([pair.0], read_task)
                .optional()
        })
        .await
    }

    /// The pair's newest tasks, newest first.
    pub async fn tasks(&self, pair: PairId, limit: usize) -> Result<Vec<TaskRow>, ManifestError> {
        self.read(move |transaction| {
            transaction
                .prepare_cached("SELECT * FROM task WHERE pair = ?1 ORDER BY number DESC LIMIT ?2")?
                .query_map(params![pair.0, limit as i64], read_task)?
                .collect()
        })
        .await
    }

    /// The files of a task that has not ended, as they were when it began, always in the same order.
    pub async fn task_files(&self, task: TaskNumber) -> Result<Vec<TaskFile>, ManifestError> {
        self.read(move |transaction| {
            transaction
                .prepare_cached(
                    "SELECT directory.path, task_file.name, size, mtime, ctime, inode FROM task_file \
                     JOIN directory ON directory.id = task_file.directory WHERE task = ?1 \
                     ORDER BY directory.path, task_file.name",
                )?
                .query_map([task.0], |row| {
                    let path = joined(row.get_ref(0)?.as_blob()?, row.get_ref(1)?.as_blob()?);
                    Ok(TaskFile { path, stat: read_stat(row, 2)? })
                })?
                .collect()
        })
        .await
    }

    /// The directories on the way to the files of a task that has not ended, by their paths below the fixed
    /// part of the source's path.
    pub async fn task_directories(
        &self,
        task: TaskNumber,
    ) -> Result<HashMap<PathBuf, DirectoryIdentity>, ManifestError> {
        self.read(move |transaction| {
            transaction
                .prepare_cached("SELECT path, device, inode, ctime FROM task_directory WHERE task = ?1")?
                .query_map([task.0], |row| {
                    let identity = DirectoryIdentity {
                        device: row.get::<_, i64>(1)? as u64,
                        inode: row.get::<_, i64>(2)? as u64,
                        ctime: row.get(3)?,
                    };
                    Ok((joined(b"", row.get_ref(0)?.as_blob()?), identity))
                })?
                .collect()
        })
        .await
    }

    /// The submission id under which files are deleted that the task copied from elsewhere; `None` takes it
    /// away.
    pub async fn set_recall(
        &self,
        task: TaskNumber,
        submission_id: Option<Uuid>,
    ) -> Result<(), ManifestError> {
        self.write(move |transaction| {
            let id = submission_id.map(|id| id.to_string());
            transaction
                .execute("UPDATE task SET recall_submission_id = ?2 WHERE number = ?1", params![task.0, id])
                .map(|_| ())
        })
        .await
    }

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

/// The pair has a task that has not ended.
#[derive(Debug, thiserror::Error)]
#[error("task {} is under way", .0.0)]
pub(super) struct UnderWay(pub(super) TaskNumber);

impl UnderWay {
    /// Fails where there is one.
    pub(super) fn check(transaction: &Transaction<'_>, pair: PairId) -> rusqlite::Result<()> {
        let number = transaction
            .query_row("SELECT number FROM task WHERE pair = ?1 AND ended_at IS NULL", [pair.0], |row| {
                row.get(0)
            })
            .optional()?;
        match number {
            None => Ok(()),
            Some(number) => Err(rusqlite::Error::FromSqlConversionFailure(
                0,
                Type::Integer,
                Box::new(UnderWay(TaskNumber(number))),
            )),
        }
    }
}

/// Writes a task down; its files come after it.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    pair: PairId,
    kind: TaskKind,
    task: &NewTask,
) -> rusqlite::Result<TaskNumber> {
    UnderWay::check(transaction, pair)?;
    transaction.execute(
        "INSERT INTO task (pair, kind, submission_id, state, request, verified, files, bytes, begun_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, ?7)",
        params![
            pair.0,
            kind.word(),
            task.submission_id.to_string(),
            TaskState::Submitting.word(),
            task.request.to_string(),
            task.verified,
            now(),
        ],
    )?;
    Ok(TaskNumber(transaction.last_insert_rowid()))
}

pub(super) fn find(transaction: &Transaction<'_>, task: TaskNumber) -> rusqlite::Result<Option<TaskRow>> {
    transaction
        .prepare_cached("SELECT * FROM task WHERE number = ?1")?
        .query_row([task.0], read_task)
        .optional()
}

/// Says anew which of these directories hold new files.
fn set_has_new(transaction: &Transaction<'_>, directories: BTreeSet<i64>) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(
        "UPDATE directory SET has_new = EXISTS (SELECT 1 FROM file WHERE directory = ?1 AND state = 0) \
         WHERE id = ?1",
    )?;
    for directory in directories {
        statement.execute([directory])?;
    }
    Ok(())
}

/// The numbers of a pair's directories. Files come directory by directory, so the last one is often the next
/// one.
pub(super) struct Directories<'t> {
    pair: PairId,
    find: rusqlite::CachedStatement<'t>,
    last: Option<(Vec<u8>, Option<i64>)>,
}

impl<'t> Directories<'t> {
    pub(super) fn new(transaction: &'t Transaction<'_>, pair: PairId) -> rusqlite::Result<Self> {
        let find = transaction.prepare_cached("SELECT id FROM directory WHERE pair = ?1 AND path = ?2")?;
        Ok(Directories { pair, find, last: None })
    }

    /// To be called when a directory was added or removed.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }

    pub(super) fn find(&mut self, path: &[u8]) -> rusqlite::Result<Option<i64>> {
        if let Some((last, id)) = &self.last
            && last == path
        {
            return Ok(*id);
        }
        let id = self.find.query_row(params![self.pair.0, path], |row| row.get(0)).optional()?;
        self.last = Some((path.to_owned(), id));
        Ok(id)
    }
}

fn read_task(row: &Row<'_>) -> rusqlite::Result<TaskRow> {
    let number = |column| row.get::<_, i64>(column).map(|number| number as u64);
    Ok(TaskRow {
        number: TaskNumber(row.get("number")?),
        pair: PairId(row.get("pair")?),
        kind: parsed(row, "kind")?,
        submission_id: parsed(row, "submission_id")?,
        task_id: some_parsed(row, "task_id")?,
        state: parsed(row, "state")?,
        request: serde_json::from_str(&row.get::<_, String>("request")?)
            .map_err(|error| conversion(row, "request", Box::new(error)))?,
        verified: row.get("verified")?,
        files: number("files")?,
        bytes: number("bytes")?,
        begun_at: parsed(row, "begun_at")?,
        submitted_at: some_parsed(row, "submitted_at")?,
        ended_at: some_parsed(row, "ended_at")?,
        files_sent: number("files_sent")?,
        bytes_sent: number("bytes_sent")?,
        faults: number("faults")?,
        words: row.get("words")?,
        recall_submission_id: some_parsed(row, "recall_submission_id")?,
    })
}

/// A word of the tables that this program doesn't know.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is none of the words that this beamshare knows")]
pub struct UnknownWord(String);

macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $type {
            /// The word in the table and in messages.
            pub const fn word(self) -> &'static str {
                match self { $($type::$variant => $word),+ }
            }
        }

        impl std::str::FromStr for $type {
            type Err = UnknownWord;
            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text { $($word => Ok($type::$variant),)+ _ => Err(UnknownWord(text.to_owned())) }
            }
        }
    };
}

words!(TaskKind { Transfer = "transfer", Delete = "delete" });
words!(TaskState {
    Submitting = "submitting",
    Active = "active",
    Succeeded = "succeeded",
    Failed = "failed",
    Cancelled = "cancelled",
});
