//! The journal of a beamline: each effect, for whom and with which result, in one SQLite file that survives
//! kill -9.
//!
//! A row is written before each effect and another after it, so a restart knows what may have happened. Each
//! write is one commit that is on the disk when it returns (WAL, `synchronous=FULL`). The daemon and the
//! command line's verbs write to one file at the same time: a commit waits for the other's, and
//! [`Journal::changed_by_others`] says when there is something new to read. Secrets are never in it.

mod access;
mod backup;
mod booking;
mod claim;
mod decision_state;
mod delivery;
mod experiment;
pub(crate) mod file;
mod history;
mod limits;
mod lock;
mod mark;
mod message;
mod people;
mod pi_change;
mod retention;
mod same_reader;
mod served;
mod signed_set;

pub use access::{AccessRow, AccessState, GrantReason};
pub use claim::{Claim, ClaimState, Conflict};
pub use delivery::{Cause, DeliveryRow, DeliveryState, NewDelivery, NewStep, StepRow};
pub use experiment::{Acceptance, Accepted, AcceptedBy, ExperimentRow};
pub use history::{Found, HistoryEntry, HistorySearch, Served};
pub use limits::{Allowance, Limited};
pub use lock::{LockError, RunLock};
pub use mark::JournalMark;
pub use message::{MessageKind, MessageRow, MessageState};
pub use people::{Listed, PersonRow, PersonSource, PersonState, Unreachable};
pub use pi_change::PiChange;
pub use retention::ReminderRow;
pub use served::{Role, ServedRow};

use backup::Presence;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection, Sqlite, SqliteConnection, Transaction};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use uuid::Uuid;

static MIGRATIONS: Migrator = sqlx::migrate!("src/journal/migrations");

/// A record of an effect, written before or after it.
#[derive(Clone, Copy, Debug)]
pub enum JournalRecord<'a> {
    /// The status of a unit
    Step(NewStep<'a>),
    /// The state of an experiment's claim
    Claim(Uuid, &'a Claim),
    /// The state of a person's access
    Access(&'a AccessRow),
    /// The state of a message
    Message(&'a MessageRow),
    /// The effects of a delivery for an address
    Served(&'a ServedRow),
}

/// Less space than this on the journal's disk, in bytes, is reported before it is gone: 64 MB.
pub const SPACE_LOW: u64 = 64 << 20;

/// How long a commit waits for another process's.
const BUSY_TIMEOUT: Duration = Duration::from_secs(20);

/// Why the journal can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file or its folder can't be made or opened
    #[error("journal {}: {source}; the account that runs beamshare must be able to write the file and its \
             folder", path.display())]
    File {
        /// The file
        path: PathBuf,
        /// The system's error
        source: std::io::Error,
    },
    /// The file was written by a newer beamshare
    #[error(
        "journal {} has layout {version}, newer than this beamshare knows ({known}); run the newer \
         beamshare, or set [journal] path to another file",
        path.display()
    )]
    Newer {
        /// The file
        path: PathBuf,
        /// Its layout
        version: i64,
        /// The newest layout that this program knows
        known: i64,
    },
    /// The layout can't be brought up to date
    #[error("journal {}: its layout can't be brought up to date: {source}", path.display())]
    Migrate {
        /// The file
        path: PathBuf,
        /// The error
        source: MigrateError,
    },
    /// A statement failed
    #[error("journal {}: {source}", path.display())]
    Sql {
        /// The file
        path: PathBuf,
        /// SQLite's error
        source: sqlx::Error,
    },
    /// SQLite finds the file damaged, or it is no database
    #[error(
        "journal {} is damaged: {reason}. Stop the service, move the file and those beside it (-wal, -shm) \
         away, and put a backup in its place, or start with an empty journal (docs/operation.md)",
        path.display()
    )]
    Damaged {
        /// The file
        path: PathBuf,
        /// SQLite's error
        reason: String,
    },
    /// The file at the path is not the one that was opened, or an older state of it
    #[error(
        "journal {} was {what} while beamshare ran, so nothing is served any more. Put the file back, and \
         restart the service (docs/operation.md)",
        path.display()
    )]
    Replaced {
        /// The file
        path: PathBuf,
        /// What happened to it
        what: &'static str,
    },
    /// A row can't be understood
    #[error("journal {}: {what} holds {value:?}, which this beamshare can't read", path.display())]
    Content {
        /// The file
        path: PathBuf,
        /// Table and column
        what: &'static str,
        /// The value
        value: String,
    },
}

impl JournalError {
    /// Whether the error is transient, such as a full disk or a busy file, and not a row that can't be read.
    pub fn is_transient(&self) -> bool {
        matches!(self, JournalError::Sql { .. } | JournalError::File { .. })
    }
}

/// The journal of one beamline. Clones share one connection, which distinguishes other processes' writes from
/// our own.
#[derive(Clone, Debug)]
pub struct Journal {
    pool: SqlitePool,
    path: Arc<PathBuf>,
    data_version: Arc<AtomicI64>,
    presence: Arc<Presence>,
}

impl Journal {
    /// Opens the file, making it (mode 0600) and its folder (0700) where they are missing, and brings its
    /// layout up to date.
    pub async fn open(path: &Path) -> Result<Journal, JournalError> {
        let file_error = |source| JournalError::File { path: path.to_owned(), source };
        file::make(path).map_err(file_error)?;
        // Two processes must not migrate a new file at the same time.
        let opening = lock::while_opening(path).await.map_err(file_error)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .after_release(|connection, _| Box::pin(is_sound(connection)))
            .connect_with(options)
            .await
            .map_err(|source| sql_error(path, source))?;
        MIGRATIONS.run(&pool).await.map_err(|source| match source {
            MigrateError::VersionMissing(version) => JournalError::Newer {
                path: path.to_owned(),
                version,
                known: MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default(),
            },
            MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => {
                sql_error(path, source)
            }
            source => JournalError::Migrate { path: path.to_owned(), source },
        })?;
        drop(opening);
        let journal = Journal {
            pool,
            path: Arc::new(path.to_owned()),
            data_version: Arc::new(AtomicI64::new(0)),
            presence: Arc::new(Presence::of(path).map_err(file_error)?),
        };
        journal.changed_by_others().await?;
        Ok(journal)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes to the file and waits until the disk has it, without changing what the journal holds.
    pub async fn check_writable(&self) -> Result<(), JournalError> {
        let mut transaction = self.begin().await?;
        // A table that is made and removed again in one transaction is written to the disk all the same.
        for statement in ["CREATE TABLE write_check (at TEXT)", "DROP TABLE write_check"] {
            sqlx::query(statement).execute(&mut *transaction).await.map_err(|e| self.sql(e))?;
        }
        self.commit(transaction).await
    }

    /// The space that is left on the journal's disk for this account, in bytes.
    pub fn free_space(&self) -> Result<u64, JournalError> {
        let folder =
            self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file_error = |error: rustix::io::Errno| JournalError::File {
            path: self.path.to_path_buf(),
            source: error.into(),
        };
        let disk = rustix::fs::statvfs(folder).map_err(file_error)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Closes the file; what was committed stays. Clones can't be used any more.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Whether another process (a verb of the command line) has written since this was last asked.
    pub async fn changed_by_others(&self) -> Result<bool, JournalError> {
        let version: i64 =
            sqlx::query_scalar("PRAGMA data_version").fetch_one(&self.pool).await.map_err(|e| self.sql(e))?;
        Ok(self.data_version.swap(version, Ordering::Relaxed) != version)
    }

    /// Writes records in one commit: all of them are there after a kill, or none.
    pub async fn record(&self, records: &[JournalRecord<'_>]) -> Result<(), JournalError> {
        if records.is_empty() {
            return Ok(());
        }
        let mut transaction = self.begin().await?;
        self.record_in(&mut transaction, records).await?;
        self.commit(transaction).await
    }

    async fn record_in(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        records: &[JournalRecord<'_>],
    ) -> Result<(), JournalError> {
        for record in records {
            match record {
                JournalRecord::Step(step) => self.write_step(transaction, step).await?,
                JournalRecord::Claim(experiment, claim) => {
                    self.set_claim(transaction, *experiment, claim).await?
                }
                JournalRecord::Access(row) => self.write_access(transaction, row).await?,
                JournalRecord::Message(row) => self.write_message(transaction, row).await?,
                JournalRecord::Served(row) => self.write_served(transaction, row).await?,
            }
        }
        Ok(())
    }

    /// A transaction that holds the write lock from its start: values that it reads stay valid until it
    /// commits.
    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, JournalError> {
        self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(|e| self.sql(e))
    }

    async fn commit(&self, transaction: Transaction<'static, Sqlite>) -> Result<(), JournalError> {
        transaction.commit().await.map_err(|e| self.sql(e))
    }

    fn sql(&self, source: sqlx::Error) -> JournalError {
        sql_error(&self.path, source)
    }

    fn content(&self, what: &'static str, value: impl Into<String>) -> JournalError {
        JournalError::Content { path: self.path.to_path_buf(), what, value: value.into() }
    }

    fn json<T: DeserializeOwned>(&self, what: &'static str, text: String) -> Result<T, JournalError> {
        serde_json::from_str(&text).map_err(|_| self.content(what, text))
    }

    /// A column that holds one of a few words.
    fn word<T: DeserializeOwned>(&self, what: &'static str, text: String) -> Result<T, JournalError> {
        serde_json::from_value(serde_json::Value::String(text.clone())).map_err(|_| self.content(what, text))
    }

    fn time(&self, what: &'static str, text: String) -> Result<Timestamp, JournalError> {
        text.parse().map_err(|_| self.content(what, text))
    }

    fn uuid(&self, what: &'static str, text: String) -> Result<Uuid, JournalError> {
        text.parse().map_err(|_| self.content(what, text))
    }
}

/// The error of a statement; a damaged file has an error of its own, since another attempt can't help.
fn sql_error(path: &Path, source: sqlx::Error) -> JournalError {
    // SQLITE_CORRUPT and SQLITE_NOTADB; the rest of the number says more about the same.
    let code =
        source.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<u32>().ok());
    match code.map(|code| code & 0xff) {
        Some(11 | 26) => JournalError::Damaged { path: path.to_owned(), reason: source.to_string() },
        _ => JournalError::Sql { path: path.to_owned(), source },
    }
}

/// Whether a connection can be used again, or must be closed.
///
/// When SQLite itself rolls a transaction back (a full disk, an I/O error), sqlx's own ROLLBACK fails, and
/// its worker still counts the transaction as open: each later `BEGIN IMMEDIATE` would be refused.
async fn is_sound(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // The rollback of a dropped transaction is under way on the worker's queue; the answer comes after it.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// The present time as the tables store it.
fn now() -> String {
    format!("{:.6}", Timestamp::now())
}

/// The word of an enum without data, as the tables store it.
fn to_word<T: Serialize>(value: T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        other => unreachable!("{other:?} is not one word"),
    }
}

fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value)
        .unwrap_or_else(|error| unreachable!("maps and texts always are JSON: {error}"))
}

#[cfg(test)]
mod tests;
