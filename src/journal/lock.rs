//! Locks beside the journal, which the system lets go when their holder dies, however it dies.

use super::Journal;
use rustix::fs::OFlags;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Why an experiment can't be delivered, or a beamline served, at this moment.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Someone delivers it
    #[error("this experiment is being delivered by {holder}; wait for its end, or stop it there (lock \
             {})", path.display())]
    Held {
        /// The owner: program, process id, host and time
        holder: String,
        /// The lock's file
        path: PathBuf,
    },
    /// A service works with the journal already
    #[error(
        "another service has this journal: {holder}; stop it, or give this beamline a [journal] path of its \
         own (lock {})",
        path.display()
    )]
    Served {
        /// The owner: program, process id, host and time
        holder: String,
        /// The lock's file
        path: PathBuf,
    },
    /// Someone moves its data
    #[error("this pair is being run by {holder}; wait for its end, or stop it: beamshare sync stop (lock \
             {})", path.display())]
    Moving {
        /// The owner: program, process id, host and time
        holder: String,
        /// The lock's file
        path: PathBuf,
    },
    /// The lock's file can't be made
    #[error("lock {}: {source}; the account that runs beamshare must be able to write in the journal's \
             folder", path.display())]
    File {
        /// The lock's file
        path: PathBuf,
        /// The system's error
        source: std::io::Error,
    },
}

/// The right to deliver one experiment, or to serve a beamline, for as long as it lives.
#[derive(Debug)]
pub struct RunLock {
    path: PathBuf,
    // Held open for its lock.
    _file: File,
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // Still locked: whoever has opened this very file finds out that it is gone and opens the next one.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Journal {
    /// Takes the right to deliver the experiment; an error names who has it. `who` is what others are then
    /// told, e.g. `beamshare run`.
    pub fn lock(&self, experiment: Uuid, who: &str) -> Result<RunLock, LockError> {
        let path = beside(self.path(), &format!("{experiment}.lock"));
        RunLock::take(path, who, |holder, path| LockError::Held { holder, path })
    }

    /// Takes the right to move a pair's data, by its number in the manifest; an error names who has it.
    pub fn lock_pair(&self, pair: i64, who: &str) -> Result<RunLock, LockError> {
        let path = beside(self.path(), &format!("sync-{pair}.lock"));
        RunLock::take(path, who, |holder, path| LockError::Moving { holder, path })
    }

    /// Takes the right to serve the journal's beamline: two services would answer one another's status
    /// records.
    pub fn lock_service(&self, who: &str) -> Result<RunLock, LockError> {
        let path = beside(self.path(), "service.lock");
        RunLock::take(path, who, |holder, path| LockError::Served { holder, path })
    }
}

impl RunLock {
    fn take(
        path: PathBuf,
        who: &str,
        held_by: impl FnOnce(String, PathBuf) -> LockError,
    ) -> Result<RunLock, LockError> {
        let file_error = |source| LockError::File { path: path.clone(), source };
        loop {
            let mut file = open(&path).map_err(file_error)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let mut holder = String::new();
                    let _ = file.read_to_string(&mut holder);
                    let holder = if holder.is_empty() { "another process".to_owned() } else { holder };
                    return Err(held_by(holder, path));
                }
                Err(TryLockError::Error(source)) => return Err(file_error(source)),
            }
            // The file may have been removed by its last holder between our opening and our locking it.
            let same = std::fs::metadata(&path).and_then(|named| {
                file.metadata().map(|ours| named.ino() == ours.ino() && named.dev() == ours.dev())
            });
            if !same.unwrap_or(false) {
                continue;
            }
            let host = crate::host::name();
            let holder = format!(
                "{who} (process {} on {host}, since {:.0})",
                std::process::id(),
                jiff::Timestamp::now()
            );
            file.set_len(0).and_then(|()| file.write_all(holder.as_bytes())).map_err(file_error)?;
            return Ok(RunLock { path, _file: file });
        }
    }
}

/// Waits until no other process brings the journal's layout up to date.
pub(super) async fn while_opening(journal: &Path) -> std::io::Result<File> {
    let path = beside(journal, "open.lock");
    tokio::task::spawn_blocking(move || {
        let file = open(&path)?;
        file.lock()?;
        Ok(file)
    })
    .await
    .map_err(std::io::Error::other)?
}

/// Opens a lock's file, never through a link: what a link leads to would be overwritten.
fn open(path: &Path) -> std::io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags)
        .open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(std::io::Error::other("is not a regular file")) }
}

fn beside(journal: &Path, ending: &str) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}
