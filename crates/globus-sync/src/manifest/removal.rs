use super::directories::Directories;
use super::file::{Tally, joined, read_file, split};
use super::task;
use super::{
    FileRow, FileState, Manifest, ManifestError, NewTask, PairId, TaskKind, TaskNumber, TaskRow, moment, now,
    parsed, some_parsed,
};
use crate::walk::Stat;
use jiff::Timestamp;
use rusqlite::{Row, Transaction, params};
use std::collections::{HashMap, HashSet};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The number of a row in the history of what was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RemovalNumber(pub i64);

/// Where the search for deletable files goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    directory: i64,
    name: Vec<u8>,
}

/// When a task that has ended was under way, by the clock of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentBetween {
    /// It was recorded, after a last look at its files
    pub begun_at: Timestamp,
    /// Its end was recorded
    pub ended_at: Timestamp,
    /// The files at the destination were given the times of the source's
    pub preserves_times: bool,
}

/// Files that may be removed at the source, as far as the manifest knows.
#[derive(Clone, Debug, Default)]
pub struct Deletable {
    /// All `sent` by a task that compared checksums and has ended
    pub files: Vec<FileRow>,
    /// Where to go on; none at the end
    pub next: Option<Cursor>,
}

/// A file to be removed, as the caller has just found it at the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRemoval {
    /// Below the pair's top
    pub path: PathBuf,
    /// As it is now; must be as it was sent
    pub stat: Stat,
}

/// A removal that is under way or done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovalRow {
    /// Its number
    pub number: RemovalNumber,
    /// Below the pair's top
    pub path: PathBuf,
    /// As it was
    pub stat: Stat,
    /// The task that sent it
    pub sent_by: TaskNumber,
    /// The Globus delete task, where it is one
    pub task: Option<TaskNumber>,
    /// When it was recorded
    pub begun_at: Timestamp,
    /// When its end was recorded
    pub ended_at: Option<Timestamp>,
    /// How it ended
    pub end: Option<RemovalEnd>,
}

/// How a removal ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemovalEnd {
    /// The file is removed
    Removed,
    /// It is still there, and why
    Kept(String),
}

impl Manifest {
    /// Files that a verified task sent, which ended before that moment, and that nobody has seen change
    /// since: a page of up to `limit`. Whoever removes one must look at it first.
    pub async fn deletable(
        &self,
        pair: PairId,
        sent_before: Timestamp,
        from: Option<Cursor>,
        limit: usize,
    ) -> Result<Deletable, ManifestError> {
        self.read(move |transaction| {
            let from = from.unwrap_or(Cursor { directory: 0, name: Vec::new() });
            let mut statement = transaction.prepare_cached(
                "SELECT directory.path, file.name, file.size, file.mtime, file.ctime, file.inode, \
                 file.state, file.task, file.sent_by, directory.id \
                 FROM directory JOIN file ON file.directory = directory.id JOIN task ON task.number = \
                 file.task WHERE directory.pair = ?1 AND directory.id >= ?2 AND (directory.id > ?2 OR \
                 file.name > ?3) AND file.state = 2 AND file.gone IS NULL AND task.verified AND \
                 task.ended_at < ?4 ORDER BY directory.id, file.name LIMIT ?5",
            )?;
            let arguments = params![pair.0, from.directory, from.name, moment(sent_before), limit as i64];
            let mut rows = statement.query(arguments)?;
            let mut deletable = Deletable::default();
            let mut last = None;
            while let Some(row) = rows.next()? {
                deletable.files.push(read_file(row, row.get_ref(0)?.as_blob()?, 1)?);
                if deletable.files.len() == limit {
                    last = Some(Cursor { directory: row.get(9)?, name: row.get(1)? });
                }
            }
            deletable.next = last;
            Ok(deletable)
        })
        .await
    }

    /// Files that are sent or were present, and are still at the source: a page of up to `limit`, directory
    /// by directory.
    pub async fn moved(
        &self,
        pair: PairId,
        from: Option<Cursor>,
        limit: usize,
    ) -> Result<Deletable, ManifestError> {
        self.read(move |transaction| {
            let from = from.unwrap_or(Cursor { directory: 0, name: Vec::new() });
            let mut statement = transaction.prepare_cached(
                "SELECT directory.path, name, size, mtime, ctime, inode, state, task, sent_by, directory.id \
                 FROM directory JOIN file ON file.directory = directory.id \
                 WHERE directory.pair = ?1 AND directory.id >= ?2 AND (directory.id > ?2 OR name > ?3) \
                 AND state IN (2, 3) AND gone IS NULL ORDER BY directory.id, name LIMIT ?4",
            )?;
            let mut rows = statement.query(params![pair.0, from.directory, from.name, limit as i64])?;
            let mut page = Deletable::default();
            while let Some(row) = rows.next()? {
                page.files.push(read_file(row, row.get_ref(0)?.as_blob()?, 1)?);
                if page.files.len() == limit {
                    page.next = Some(Cursor { directory: row.get(9)?, name: row.get(1)? });
                }
            }
            Ok(page)
        })
        .await
    }

    /// Makes moved files new again, which the destination has no more as they were sent.
    pub async fn send_again(&self, pair: PairId, files: Vec<FileRow>) -> Result<(), ManifestError> {
        self.write(move |transaction| {
            let mut tally = Tally::default();
            let mut directory_of = Directories::new(transaction, pair)?;
            let mut again = transaction.prepare_cached(
                "UPDATE file SET state = 0 WHERE directory = ?1 AND name = ?2 AND state = ?3 AND gone IS \
                 NULL",
            )?;
            let mut has_new = transaction.prepare_cached("UPDATE directory SET has_new = 1 WHERE id = ?1")?;
            for file in files {
                let (directory, name) = split(&file.path);
                let Some(directory) = directory_of.find(directory)? else { continue };
                if again.execute(params![directory, name, file.state])? > 0 {
                    has_new.execute([directory])?;
                    tally.take(file.state, file.stat.size);
                    tally.add(FileState::New, file.stat.size);
                }
            }
            tally.write(transaction, pair)
        })
        .await
    }

    /// When the pair's verified tasks were under way that have ended.
    pub async fn sent_between(
        &self,
        pair: PairId,
    ) -> Result<HashMap<TaskNumber, SentBetween>, ManifestError> {
        self.read(move |transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT number, begun_at, ended_at, coalesce(json_extract(request, '$.preserve_times'), 0) \
                 AS preserves FROM task WHERE pair = ?1 AND verified AND ended_at IS NOT NULL",
            )?;
            let between = |row: &Row<'_>| {
                let (begun_at, ended_at) = (parsed(row, "begun_at")?, parsed(row, "ended_at")?);
                Ok((
                    TaskNumber(row.get(0)?),
                    SentBetween { begun_at, ended_at, preserves_times: row.get("preserves")? },
                ))
            };
            statement.query_map([pair.0], between)?.collect()
        })
        .await
    }

    /// Directories with files of which the pair has another whose path differs in capitals alone. Where the
    /// destination does not tell capitals apart, they are one there, and files of one name have replaced each
    /// other.
    pub async fn directories_alike(&self, pair: PairId) -> Result<HashSet<PathBuf>, ManifestError> {
        self.read(move |transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT path FROM directory WHERE pair = ?1 AND path <> x'' \
                 AND EXISTS (SELECT 1 FROM file WHERE directory = directory.id AND gone IS NULL)",
            )?;
            let mut rows = statement.query([pair.0])?;
            let mut spellings: HashMap<String, Vec<PathBuf>> = HashMap::new();
            while let Some(row) = rows.next()? {
                let path = joined(b"", row.get_ref(0)?.as_blob()?);
                spellings.entry(path.to_string_lossy().to_lowercase()).or_default().push(path);
            }
            Ok(spellings.into_values().filter(|alike| alike.len() > 1).flatten().collect())
        })
        .await
    }

    /// Records what is about to be removed, before it is: those of the files that are `sent` by a
    /// verified task and have the size, mtime, ctime and inode that they had then. With a task, it is a
    /// Globus delete task of the pair, to be submitted; it is none where no file is left.
    ///
    /// # Errors
    /// [`super::ManifestError::TaskUnderWay`] where a task is given and the pair has one that has not ended.
    pub async fn begin_removal(
        &self,
        pair: PairId,
        files: Vec<NewRemoval>,
        task: Option<NewTask>,
    ) -> Result<(Option<TaskRow>, Vec<RemovalRow>), ManifestError> {
        let is_task = task.is_some();
        let write = move |transaction: &Transaction<'_>| {
            let number = match &task {
                Some(task) => Some(task::insert(transaction, pair, TaskKind::Delete, task)?),
                None => None,
            };
            let mut removals = Vec::with_capacity(files.len());
            let mut directory_of = Directories::new(transaction, pair)?;
            let mut write = transaction.prepare_cached(
                "INSERT INTO removed (pair, path, size, mtime, ctime, inode, sent_by, task, begun_at) \
                 SELECT ?1, ?2, size, mtime, ctime, inode, file.task, ?3, ?4 FROM file JOIN task ON \
                 task.number = file.task WHERE directory = ?5 AND name = ?6 AND file.state = 2 AND gone IS \
                 NULL AND task.verified AND task.ended_at IS NOT NULL AND size = ?7 AND mtime = ?8 AND \
                 ctime = ?9 AND inode = ?10 RETURNING *",
            )?;
            for NewRemoval { path, stat } in files {
                let (directory, name) = split(&path);
                let Some(directory) = directory_of.find(directory)? else { continue };
                let mut rows = write.query(params![
                    pair.0,
                    path.as_os_str().as_bytes(),
                    number.map(|number| number.0),
                    now(),
                    directory,
                    name,
                    stat.size as i64,
                    stat.mtime,
                    stat.ctime,
                    stat.inode as i64,
                ])?;
                if let Some(row) = rows.next()? {
                    removals.push(read_removal(row)?);
                }
            }
            let Some(number) = number else { return Ok((None, removals)) };
            if removals.is_empty() {
                transaction.execute("DELETE FROM task WHERE number = ?1", [number.0])?;
                return Ok((None, removals));
            }
            let bytes = removals.iter().fold(0_u64, |bytes, removal| bytes.saturating_add(removal.stat.size));
            transaction.execute(
                "UPDATE task SET files = ?2, bytes = ?3 WHERE number = ?1",
                params![number.0, removals.len() as i64, bytes as i64],
            )?;
            Ok((task::find(transaction, number)?, removals))
        };
        if is_task { self.write_without_task(pair, write).await } else { self.write(write).await }
    }

    /// Records how removals ended; what is removed is no file of the manifest any more.
    pub async fn end_removals(
        &self,
        pair: PairId,
        ends: Vec<(RemovalNumber, RemovalEnd)>,
    ) -> Result<(), ManifestError> {
        self.write(move |transaction| {
            let mut tally = Tally::default();
            let mut directory_of = Directories::new(transaction, pair)?;
            let mut write = transaction.prepare_cached(
                "UPDATE removed SET ended_at = ?3, outcome = ?4, words = ?5 \
                 WHERE number = ?1 AND pair = ?2 AND outcome IS NULL RETURNING path",
            )?;
            for (number, end) in ends {
                let (outcome, words) = match &end {
                    RemovalEnd::Removed => ("removed", None),
                    RemovalEnd::Kept(words) => ("kept", Some(words.as_str())),
                };
                let mut rows = write.query(params![number.0, pair.0, now(), outcome, words])?;
                let Some(path) = rows.next()?.map(|row| row.get::<_, Vec<u8>>(0)).transpose()? else {
                    continue;
                };
                drop(rows);
                if end == RemovalEnd::Removed {
                    let path = joined(b"", &path);
                    let (directory, name) = split(&path);
                    if let Some(directory) = directory_of.find(directory)? {
                        forget(transaction, directory, name, &mut tally)?;
                    }
                }
            }
            tally.write(transaction, pair)
        })
        .await
    }

    /// Removals of which it is not known how they ended: beamshare was killed in between.
    pub async fn unfinished_removals(&self, pair: PairId) -> Result<Vec<RemovalRow>, ManifestError> {
        self.removed_rows(
            "SELECT * FROM removed WHERE pair = ?1 AND outcome IS NULL ORDER BY number LIMIT ?2",
            pair,
            -1,
        )
        .await
    }

    /// The newest removals, newest first.
    pub async fn removals(&self, pair: PairId, limit: usize) -> Result<Vec<RemovalRow>, ManifestError> {
        self.removed_rows(
            "SELECT * FROM removed WHERE pair = ?1 ORDER BY number DESC LIMIT ?2",
            pair,
            limit as i64,
        )
        .await
    }

    async fn removed_rows(
        &self,
        sql: &'static str,
        pair: PairId,
        limit: i64,
    ) -> Result<Vec<RemovalRow>, ManifestError> {
        self.read(move |transaction| {
            transaction.prepare_cached(sql)?.query_map(params![pair.0, limit], read_removal)?.collect()
        })
        .await
    }
}

/// Takes a removed file out of the manifest, unless something new has come in its place.
fn forget(
    transaction: &Transaction<'_>,
    directory: i64,
    name: &[u8],
    tally: &mut Tally,
) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(
        "DELETE FROM file WHERE directory = ?1 AND name = ?2 AND state = 2 RETURNING size, gone IS NOT NULL",
    )?;
    let mut rows = statement.query(params![directory, name])?;
    if let Some(row) = rows.next()?
        && !row.get::<_, bool>(1)?
    {
        tally.take(FileState::Sent, row.get::<_, i64>(0)? as u64);
    }
    Ok(())
}

fn read_removal(row: &Row<'_>) -> rusqlite::Result<RemovalRow> {
    let end = match row.get::<_, Option<String>>("outcome")?.as_deref() {
        None => None,
        Some("removed") => Some(RemovalEnd::Removed),
        Some(_) => Some(RemovalEnd::Kept(row.get::<_, Option<String>>("words")?.unwrap_or_default())),
    };
    let number = |column| row.get::<_, i64>(column);
    Ok(RemovalRow {
        number: RemovalNumber(number("number")?),
        path: joined(b"", row.get_ref("path")?.as_blob()?),
        stat: Stat {
            size: number("size")? as u64,
            mtime: number("mtime")?,
            ctime: number("ctime")?,
            inode: number("inode")? as u64,
        },
        sent_by: TaskNumber(number("sent_by")?),
        task: row.get::<_, Option<i64>>("task")?.map(TaskNumber),
        begun_at: parsed(row, "begun_at")?,
        ended_at: some_parsed(row, "ended_at")?,
        end,
    })
}
