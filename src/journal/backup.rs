//! Copies of the journal, and whether the file is still the one that was opened.

use super::{BUSY_TIMEOUT, Journal, JournalError};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// The identity of the file, by which a replacement is noticed.
#[derive(Debug)]
pub(super) struct Presence {
    device: u64,
    inode: u64,
    last: Mutex<LastSeen>,
}

/// The file as it was last read.
#[derive(Debug, Default)]
struct LastSeen {
    modified: Option<SystemTime>,
    /// Experiments and deliveries, of which a journal never has fewer than before
    rows: i64,
}

impl Presence {
    pub fn of(path: &Path) -> io::Result<Presence> {
        let metadata = std::fs::metadata(path)?;
        Ok(Presence { device: metadata.dev(), inode: metadata.ino(), last: Mutex::default() })
    }

    fn is(&self, metadata: &Metadata) -> bool {
        (metadata.dev(), metadata.ino()) == (self.device, self.inode)
    }

    fn last(&self) -> MutexGuard<'_, LastSeen> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal {
    /// Notices that the file was deleted, replaced, overwritten or damaged since it was opened. Cheap: the
    /// file is looked into only where its time of change is another one.
    ///
    /// # Errors
    /// [`JournalError::Replaced`] and [`JournalError::Damaged`], after which nothing may be served.
    pub async fn check_in_place(&self) -> Result<(), JournalError> {
        let replaced = |what| JournalError::Replaced { path: self.path().to_owned(), what };
        let metadata = match std::fs::metadata(self.path()) {
            Ok(metadata) if self.presence.is(&metadata) => metadata,
            Ok(_) => return Err(replaced("replaced by another file")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(replaced("deleted")),
            Err(source) => return Err(JournalError::File { path: self.path().to_owned(), source }),
        };
        let modified = metadata.modified().ok();
        if self.presence.last().modified == modified {
            return Ok(());
        }
        let rows = self.check_integrity().await?;
        let mut last = self.presence.last();
        if rows < last.rows {
            return Err(replaced("overwritten by an older one"));
        }
        *last = LastSeen { modified, rows };
        Ok(())
    }

    /// Reads the whole file; returns the number of its experiments and deliveries.
    ///
    /// # Errors
    /// [`JournalError::Damaged`].
    pub async fn check_integrity(&self) -> Result<i64, JournalError> {
        // A connection of its own: the journal's own one would see what it has cached.
        let options = SqliteConnectOptions::new()
            .filename(self.path())
            .create_if_missing(false)
            .busy_timeout(BUSY_TIMEOUT);
        let mut connection = options.connect().await.map_err(|e| self.sql(e))?;
        let rows = self.check_database(&mut connection).await;
        let _ = connection.close().await;
        rows
    }

    async fn check_database(&self, connection: &mut SqliteConnection) -> Result<i64, JournalError> {
        let found: String = sqlx::query_scalar("PRAGMA quick_check(1)")
            .fetch_one(&mut *connection)
            .await
            .map_err(|e| self.sql(e))?;
        if found != "ok" {
            return Err(JournalError::Damaged { path: self.path().to_owned(), reason: found });
        }
        sqlx::query_scalar("SELECT (SELECT COUNT(*) FROM experiment) + (SELECT COUNT(*) FROM delivery)")
            .fetch_one(connection)
            .await
            .map_err(|e| self.sql(e))
    }

    /// Writes a copy of the journal as it is at one moment to a new file of mode 0600, while the service goes
    /// on. The database's file alone would lack what stands in its `-wal` file.
    ///
    /// # Errors
    /// Where the file exists or can't be written, or the journal can't be read.
    pub async fn back_up(&self, to: &Path) -> Result<(), JournalError> {
        let file_error = |source| JournalError::File { path: to.to_owned(), source };
        let name = to.to_str().ok_or_else(|| file_error(io::Error::other("is not a name in UTF-8")))?;
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(file_error)?;
        let copied = sqlx::query("VACUUM INTO $1").bind(name).execute(&self.pool).await;
        let written = match copied {
            Ok(_) => File::open(to).and_then(|file| file.sync_all()).map_err(file_error),
            Err(error) => Err(self.sql(error)),
        };
        if written.is_err() {
            let _ = std::fs::remove_file(to);
        }
        written
    }
}
