//! The manifest: an SQLite file beside the journal with a row for each file. It is separate from the journal
//! so that writing a million rows at once never delays the journal.
//!
//! A file is `new`, then `sending` (in a task that has not ended), then `sent` (the service lists it in the
//! successful transfers) or `present` (the task succeeded and the service had nothing to copy). What can't be
//! sent is `unsendable`. A walk or an event that finds another size, mtime or inode makes it `new` again;
//! while a task has it, the row follows the file and [`Manifest::end_task`] compares it with what was
//! submitted.
//!
//! Calls are async and run on tokio's threads for blocking work; a call that is dropped is still carried out.
//! What the engine writes is on the disk when the call returns (`synchronous=FULL`); a walk's commits may be
//! lost with the power, and the next walk makes them again. Every process that writes holds the pair's lock;
//! any may read.

mod compare;
mod directories;
mod file;
mod number;
mod pair;
mod pass;
mod removal;
mod task;
mod task_end;
mod words;

pub use compare::Comparison;
pub use file::{Counts, FileRow, FileState, Limit, Ready, Unsendable};
pub use number::TaskNumber;
pub use pair::{NewPair, PairId, PairRow, Place};
pub use pass::{ChangeCounts, Found};
pub use removal::{Cursor, Deletable, NewRemoval, RemovalEnd, RemovalNumber, RemovalRow, SentBetween};
pub use task::{NewTask, TaskDirectory, TaskFile, TaskKind, TaskRow, TaskState};
pub use task_end::{End, Rest};

use jiff::Timestamp;
use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Connection, ErrorCode, OpenFlags, Row, Transaction, TransactionBehavior};
use std::error::Error;
use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a commit waits for another process's.
const BUSY_TIMEOUT: Duration = Duration::from_secs(20);

/// The layout that this program knows.
const LAYOUT: i64 = 2;

const SCHEMA: &str = include_str!("schema.sql");

/// Brings a file of layout 1 to layout 2.
const FROM_1: &str = include_str!("layout_2.sql");

/// Why the manifest can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file or its folder can't be made or opened
    #[error("manifest {}: {source}; the account that runs beamshare must be able to write the file and its \
             folder", path.display())]
    File {
        /// The file
        path: PathBuf,
        /// The system's error
        source: std::io::Error,
    },
    /// The file was written by a newer beamshare
    #[error(
        "manifest {} has layout {version}, newer than this beamshare knows ({LAYOUT}); run the newer \
         beamshare, or move the file away (all files are then compared with the destination once more)",
        path.display()
    )]
    Newer {
        /// The file
        path: PathBuf,
        /// Its layout
        version: i64,
    },
    /// A statement failed
    #[error("manifest {}: {source}", path.display())]
    Sql {
        /// The file
        path: PathBuf,
        /// SQLite's error
        source: rusqlite::Error,
    },
    /// The pair has a task that has not ended
    #[error("manifest {}: the pair has a task under way (number {}); wait for its end, or stop it",
             path.display(), task.0)]
    TaskUnderWay {
        /// The file
        path: PathBuf,
        /// The task
        task: TaskNumber,
    },
}

impl ManifestError {
    /// Whether a later attempt can succeed: a full disk or a busy file passes.
    pub fn is_transient(&self) -> bool {
        match self {
            ManifestError::File { .. } | ManifestError::TaskUnderWay { .. } => true,
            ManifestError::Newer { .. } => false,
            ManifestError::Sql { source, .. } => matches!(
                source.sqlite_error_code(),
                Some(
                    ErrorCode::DatabaseBusy
                        | ErrorCode::DatabaseLocked
                        | ErrorCode::DiskFull
                        | ErrorCode::SystemIoFailure
                        | ErrorCode::CannotOpen
                        | ErrorCode::OutOfMemory
                )
            ),
        }
    }
}

/// The manifest of one beamline. Clones share one connection.
#[derive(Clone, Debug)]
pub struct Manifest {
    path: Arc<PathBuf>,
    connection: Arc<Mutex<Connection>>,
}

/// Whether a commit must be on the disk when the call returns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Durable {
    Now,
    Later,
}

impl Manifest {
    /// The manifest that belongs to a journal: `beamshare.sqlite` has `beamshare.sync.sqlite` beside it.
    pub fn beside(journal: &Path) -> PathBuf {
        journal.with_extension("sync.sqlite")
    }

    /// Opens the file, making it (mode 0600) and its folder (0700) where they are missing.
    pub async fn open(path: &Path) -> Result<Manifest, ManifestError> {
        let path = path.to_owned();
        unblocked(move || {
            make_file(&path).map_err(|source| ManifestError::File { path: path.clone(), source })?;
            let mut connection =
                connect(&path).map_err(|source| ManifestError::Sql { path: path.clone(), source })?;
            migrate(&mut connection, &path)?;
            Ok(Manifest { path: Arc::new(path), connection: Arc::new(Mutex::new(connection)) })
        })
        .await
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What several statements say about one moment.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, ManifestError> {
        let manifest = self.clone();
        unblocked(move || manifest.transaction(TransactionBehavior::Deferred, Durable::Now, read)).await
    }

    /// One commit, on the disk when this returns.
    async fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, ManifestError> {
        let manifest = self.clone();
        unblocked(move || manifest.transaction(TransactionBehavior::Immediate, Durable::Now, write)).await
    }

    /// Runs in the caller's thread.
    fn transaction<T>(
        &self,
        behavior: TransactionBehavior,
        durable: Durable,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, ManifestError> {
        // A panic in another call rolled its transaction back; the connection is as good as before.
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let relaxed = durable == Durable::Later;
        (|| {
            if relaxed {
                connection.execute_batch("PRAGMA synchronous = NORMAL")?;
            }
            let done = connection.transaction_with_behavior(behavior).and_then(|transaction| {
                let value = work(&transaction)?;
                transaction.commit()?;
                Ok(value)
            });
            if relaxed {
                connection.execute_batch("PRAGMA synchronous = FULL")?;
            }
            done
        })()
        .map_err(|source| ManifestError::Sql { path: self.path.to_path_buf(), source })
    }

    /// As [`write`](Self::write), where the pair must have no task that has not ended.
    async fn write_without_task<T: Send + 'static>(
        &self,
        pair: PairId,
        write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, ManifestError> {
        let done = self.write(move |transaction| match task::under_way(transaction, pair)? {
            Some(task) => Ok(Err(task)),
            None => write(transaction).map(Ok),
        });
        done.await?.map_err(|task| ManifestError::TaskUnderWay { path: self.path.to_path_buf(), task })
    }
}

/// Creates the file (mode 0600) and its folder (0700) where they are missing. An existing file is not even
/// opened: closing any descriptor of it would drop all POSIX locks that this process holds on it, SQLite's
/// among them.
fn make_file(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    // SQLite gives its -wal and -shm files the mode of this one.
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // 16 MiB: a walk that writes a million rows pauses for the disk a few times, not dozens of times.
    connection.pragma_update(None, "wal_autocheckpoint", 4096)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    connection.pragma_update(None, "cache_size", -16 * 1024)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), ManifestError> {
    let sql = |source| ManifestError::Sql { path: path.to_owned(), source };
    // Another process may be bringing the same new file up to date.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql)?;
    let version: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(sql)?;
    match version {
        LAYOUT => {}
        0 | 1 => {
            transaction.execute_batch(if version == 0 { SCHEMA } else { FROM_1 }).map_err(sql)?;
            transaction.pragma_update(None, "user_version", LAYOUT).map_err(sql)?;
        }
        version => return Err(ManifestError::Newer { path: path.to_owned(), version }),
    }
    transaction.commit().map_err(sql)
}

/// Does blocking work on a thread for it, also to its end when the caller is dropped.
pub(crate) async fn unblocked<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down, and so this task is about to be dropped as well.
            Err(_) => std::future::pending().await,
        },
    }
}

/// The present time as it stands in the tables.
fn now() -> String {
    format!("{:.6}", Timestamp::now())
}

/// Microseconds are what the tables hold.
fn moment(time: Timestamp) -> String {
    format!("{time:.6}")
}

/// A column whose text is parsed.
fn parsed<T: FromStr<Err: Error + Send + Sync + 'static>>(
    row: &Row<'_>,
    column: &str,
) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    text.parse().map_err(|error: T::Err| conversion(row, column, Box::new(error)))
}

/// A column whose text, where it has one, is parsed.
fn some_parsed<T: FromStr<Err: Error + Send + Sync + 'static>>(
    row: &Row<'_>,
    column: &str,
) -> rusqlite::Result<Option<T>> {
    match row.get::<_, Option<String>>(column)? {
        None => Ok(None),
        Some(_) => parsed(row, column).map(Some),
    }
}

fn conversion(row: &Row<'_>, column: &str, error: Box<dyn Error + Send + Sync>) -> rusqlite::Error {
    let index = row.as_ref().column_index(column).unwrap_or_default();
    rusqlite::Error::FromSqlConversionFailure(index, Type::Text, error)
}

/// A number of the tables that is one of a few.
fn out_of_range(value: i64) -> FromSqlError {
    FromSqlError::OutOfRange(value)
}

#[cfg(test)]
mod tests;
