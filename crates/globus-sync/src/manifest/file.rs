use super::{Manifest, ManifestError, PairId, TaskNumber, out_of_range};
use crate::walk::{Kind, Stat};
use jiff::Timestamp;
use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Row, Transaction, params};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How far a file has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileState {
    /// To be sent: never seen before, or changed since
    New,
    /// In a task that has not ended
    Sending,
    /// In the successful transfers of a task
    Sent,
    /// A task succeeded with it and the service copied nothing: the destination had it. Never deletable.
    Present,
    /// Not sent, and never removed
    Unsendable(Unsendable),
}

/// Why a file can't be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unsendable {
    /// Its path is not UTF-8, which Globus demands
    Name,
    /// A symbolic link: what it points to is not followed
    Link,
    /// A socket, pipe or device
    Special,
    /// A hard link: the file has a name outside of the pair's directory, so it may be another group's
    HardLink,
}

impl FileState {
    /// All of them.
    pub const ALL: [FileState; 8] = [
        FileState::New,
        FileState::Sending,
        FileState::Sent,
        FileState::Present,
        FileState::Unsendable(Unsendable::Name),
        FileState::Unsendable(Unsendable::Link),
        FileState::Unsendable(Unsendable::Special),
        FileState::Unsendable(Unsendable::HardLink),
    ];

    /// What stands in the table: the place in [`FileState::ALL`].
    pub(super) const fn code(self) -> i64 {
        match self {
            FileState::New => 0,
            FileState::Sending => 1,
            FileState::Sent => 2,
            FileState::Present => 3,
            FileState::Unsendable(Unsendable::Name) => 4,
            FileState::Unsendable(Unsendable::Link) => 5,
            FileState::Unsendable(Unsendable::Special) => 6,
            FileState::Unsendable(Unsendable::HardLink) => 7,
        }
    }

    /// What a file is that was never seen before, or has changed.
    pub(super) fn at_first(kind: Kind, sendable_name: bool) -> FileState {
        match kind {
            Kind::Link => FileState::Unsendable(Unsendable::Link),
            Kind::Special => FileState::Unsendable(Unsendable::Special),
            Kind::File if !sendable_name => FileState::Unsendable(Unsendable::Name),
            Kind::File => FileState::New,
        }
    }
}

impl ToSql for FileState {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.code().into())
    }
}

impl FromSql for FileState {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let code = value.as_i64()?;
        usize::try_from(code)
            .ok()
            .and_then(|code| FileState::ALL.get(code).copied())
            .ok_or_else(|| out_of_range(code))
    }
}

/// A file of the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRow {
    /// Below the pair's top
    pub path: PathBuf,
    /// As last seen
    pub stat: Stat,
    /// How far it has come
    pub state: FileState,
    /// The last task that had it
    pub task: Option<TaskNumber>,
    /// The verified task that sent it, where since then at most its ctime has changed
    pub sent_by: Option<TaskNumber>,
}

/// How many files and bytes are in each state; files that are gone are in none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    files: [u64; FileState::ALL.len()],
    bytes: [u64; FileState::ALL.len()],
}

impl Counts {
    /// Files in this state.
    pub fn files(&self, state: FileState) -> u64 {
        self.files[state.code() as usize]
    }

    /// Bytes of the files in this state.
    pub fn bytes(&self, state: FileState) -> u64 {
        self.bytes[state.code() as usize]
    }

    /// All files.
    pub fn total(&self) -> u64 {
        self.files.iter().sum()
    }
}

/// At most so much in one batch.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Files
    pub files: usize,
    /// Bytes; the first file is taken whatever its size
    pub bytes: u64,
}

/// Files that can be sent now.
#[derive(Clone, Debug, Default)]
pub struct Ready {
    /// In the order of their directories and names
    pub files: Vec<FileRow>,
    /// The limit ended the search: there may be more
    pub more: bool,
    /// Of the new files that have not been quiet long enough, the one that was left alone first: since then.
    /// Known only where there is no `more`.
    pub oldest_waiting: Option<Timestamp>,
    /// The one that changed last, likewise. A time that is still to come shows that the clock was set back.
    pub newest_waiting: Option<Timestamp>,
}

impl Manifest {
    /// New files that have not changed since that moment, at most so many. A file's quiet begins with the
    /// event or the walk that last saw it change; what a walk finds for the first time has been quiet since
    /// its mtime.
    pub async fn ready(
        &self,
        pair: PairId,
        quiet_since: Timestamp,
        limit: Limit,
    ) -> Result<Ready, ManifestError> {
        self.read(move |transaction| ready(transaction, pair, quiet_since.as_millisecond(), limit)).await
    }

    /// Lets the quiet of new files begin at this moment whose last change is still to come: the clock was set
    /// back.
    pub async fn restart_quiet(&self, pair: PairId, now: Timestamp) -> Result<(), ManifestError> {
        self.write(move |transaction| {
            let sql = "UPDATE file SET since = ?2 WHERE state = 0 AND since > ?2 AND directory IN \
                       (SELECT id FROM directory WHERE pair = ?1 AND has_new = 1)";
            transaction.execute(sql, [pair.0, now.as_millisecond()])?;
            Ok(())
        })
        .await
    }

    /// How many files are in each state. Costs the same for a million files as for one.
    pub async fn counts(&self, pair: PairId) -> Result<Counts, ManifestError> {
        self.read(move |transaction| {
            let mut counts = Counts::default();
            let mut statement =
                transaction.prepare_cached("SELECT state, files, bytes FROM tally WHERE pair = ?1")?;
            let mut rows = statement.query([pair.0])?;
            while let Some(row) = rows.next()? {
                let code = row.get::<_, FileState>(0)?.code() as usize;
                counts.files[code] = row.get::<_, i64>(1)?.try_into().unwrap_or_default();
                counts.bytes[code] = row.get::<_, i64>(2)?.try_into().unwrap_or_default();
            }
            Ok(counts)
        })
        .await
    }

    /// Up to `limit` files in this state, for a message that names some.
    pub async fn examples(
        &self,
        pair: PairId,
        state: FileState,
        limit: usize,
    ) -> Result<Vec<FileRow>, ManifestError> {
        self.read(move |transaction| {
            transaction
                .prepare_cached(
                    "SELECT directory.path, file.name, size, mtime, ctime, inode, state, task, sent_by FROM \
                     directory JOIN file ON file.directory = directory.id \
                     WHERE pair = ?1 AND state = ?2 AND gone IS NULL LIMIT ?3",
                )?
                .query_map(params![pair.0, state, limit as i64], |row| {
                    read_file(row, row.get_ref(0)?.as_blob()?, 1)
                })?
                .collect()
        })
        .await
    }

    /// One file, also one that is gone.
    pub async fn file(&self, pair: PairId, path: &Path) -> Result<Option<FileRow>, ManifestError> {
        let path = path.to_owned();
        self.read(move |transaction| {
            let (directory, name) = split(&path);
            let mut statement = transaction.prepare_cached(
                "SELECT directory.path, name, size, mtime, ctime, inode, state, task, sent_by FROM directory \
                 JOIN file ON file.directory = directory.id WHERE pair = ?1 AND directory.path = ?2 AND \
                 name = ?3",
            )?;
            let mut rows = statement.query(params![pair.0, directory, name])?;
            rows.next()?.map(|row| read_file(row, row.get_ref(0)?.as_blob()?, 1)).transpose()
        })
        .await
    }

    /// Holds back new files that have a name outside of the pair's directory, where they are still as they
    /// were read.
    pub async fn hold_hard_links(&self, pair: PairId, files: Vec<FileRow>) -> Result<(), ManifestError> {
        self.write(move |transaction| {
            let mut tally = Tally::default();
            let mut hold = transaction.prepare_cached(
                "UPDATE file SET state = ?1 WHERE directory = (SELECT id FROM directory WHERE pair = ?2 AND \
                 path = ?3) AND name = ?4 AND state = 0 AND gone IS NULL AND inode = ?5",
            )?;
            let held = FileState::Unsendable(Unsendable::HardLink);
            for file in files {
                let (directory, name) = split(&file.path);
                if hold.execute(params![held, pair.0, directory, name, file.stat.inode as i64])? > 0 {
                    tally.take(FileState::New, file.stat.size);
                    tally.add(held, file.stat.size);
                }
            }
            tally.write(transaction, pair)
        })
        .await
    }

    /// Forgets all files of the pair, so that the next walk finds them new and the next task compares them
    /// all with the destination. What was sent, by which task, and what was removed stays in the history.
    ///
    /// # Errors
    /// [`ManifestError::TaskUnderWay`] while a task has not ended.
    pub async fn reset(&self, pair: PairId) -> Result<(), ManifestError> {
        self.write_without_task(pair, move |transaction| {
            for sql in [
                "DELETE FROM file WHERE directory IN (SELECT id FROM directory WHERE pair = ?1)",
                "DELETE FROM directory WHERE pair = ?1",
                "DELETE FROM tally WHERE pair = ?1",
                "UPDATE pair SET walked_at = NULL WHERE id = ?1",
            ] {
                transaction.execute(sql, [pair.0])?;
            }
            Ok(())
        })
        .await
    }
}

fn ready(
    transaction: &Transaction<'_>,
    pair: PairId,
    quiet_since: i64,
    limit: Limit,
) -> rusqlite::Result<Ready> {
    let mut ready = Ready::default();
    let (mut bytes, mut waiting, mut newest) = (0_u64, i64::MAX, i64::MIN);
    let mut directories = transaction
        .prepare_cached("SELECT id, path FROM directory WHERE pair = ?1 AND has_new = 1 ORDER BY path")?;
    let mut files = transaction.prepare_cached(
        "SELECT name, size, mtime, ctime, inode, state, task, sent_by, since FROM file \
         WHERE directory = ?1 AND state = 0 AND gone IS NULL",
    )?;
    let mut directories = directories.query([pair.0])?;
    'search: while let Some(directory) = directories.next()? {
        let path = directory.get_ref(1)?.as_blob()?;
        let mut rows = files.query([directory.get::<_, i64>(0)?])?;
        while let Some(row) = rows.next()? {
            let since: i64 = row.get(8)?;
            if since > quiet_since {
                (waiting, newest) = (waiting.min(since), newest.max(since));
                continue;
            }
            let file = read_file(row, path, 0)?;
            bytes = bytes.saturating_add(file.stat.size);
            if ready.files.len() >= limit.files || (bytes > limit.bytes && !ready.files.is_empty()) {
                ready.more = true;
                break 'search;
            }
            ready.files.push(file);
        }
    }
    if !ready.more && waiting != i64::MAX {
        ready.oldest_waiting = Timestamp::from_millisecond(waiting).ok();
        ready.newest_waiting = Timestamp::from_millisecond(newest).ok();
    }
    Ok(ready)
}

/// A row of name, size, mtime, ctime, inode, state, task and sent_by from this column on.
pub(super) fn read_file(row: &Row<'_>, directory: &[u8], first: usize) -> rusqlite::Result<FileRow> {
    Ok(FileRow {
        path: joined(directory, row.get_ref(first)?.as_blob()?),
        stat: read_stat(row, first + 1)?,
        state: row.get(first + 5)?,
        task: row.get::<_, Option<i64>>(first + 6)?.map(TaskNumber),
        sent_by: row.get::<_, Option<i64>>(first + 7)?.map(TaskNumber),
    })
}

/// Size, mtime, ctime and inode from this column on.
pub(super) fn read_stat(row: &Row<'_>, first: usize) -> rusqlite::Result<Stat> {
    Ok(Stat {
        size: row.get::<_, i64>(first)? as u64,
        mtime: row.get(first + 1)?,
        ctime: row.get(first + 2)?,
        inode: row.get::<_, i64>(first + 3)? as u64,
    })
}

/// A directory's path and a name in it.
pub(super) fn joined(directory: &[u8], name: &[u8]) -> PathBuf {
    if directory.is_empty() {
        return PathBuf::from(OsStr::from_bytes(name));
    }
    Path::new(OsStr::from_bytes(directory)).join(OsStr::from_bytes(name))
}

/// A path's directory and name.
pub(super) fn split(path: &Path) -> (&[u8], &[u8]) {
    let bytes = path.as_os_str().as_bytes();
    match bytes.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&bytes[..slash], &bytes[slash + 1..]),
        None => (b"", bytes),
    }
}

/// Changes of the counts within one commit.
#[derive(Default)]
pub(super) struct Tally([(i64, i64); FileState::ALL.len()]);

impl Tally {
    pub(super) fn add(&mut self, state: FileState, size: u64) {
        let count = &mut self.0[state.code() as usize];
        *count = (count.0 + 1, count.1.saturating_add_unsigned(size));
    }

    pub(super) fn take(&mut self, state: FileState, size: u64) {
        let count = &mut self.0[state.code() as usize];
        *count = (count.0 - 1, count.1.saturating_sub_unsigned(size));
    }

    pub(super) fn take_many(&mut self, state: FileState, files: i64, bytes: i64) {
        let count = &mut self.0[state.code() as usize];
        *count = (count.0 - files, count.1.saturating_sub(bytes));
    }

    /// Writes them; to be called once, before the commit.
    pub(super) fn write(self, transaction: &Transaction<'_>, pair: PairId) -> rusqlite::Result<()> {
        let mut statement = transaction.prepare_cached(
            "INSERT INTO tally (pair, state, files, bytes) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (pair, state) \
             DO UPDATE SET files = files + excluded.files, bytes = bytes + excluded.bytes",
        )?;
        for (state, (files, bytes)) in FileState::ALL.iter().zip(self.0) {
            if (files, bytes) != (0, 0) {
                statement.execute(params![pair.0, state, files, bytes])?;
            }
        }
        Ok(())
    }
}
