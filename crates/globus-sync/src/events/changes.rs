//! What the kernel tells of changes below a directory, gathered for a moment.
//!
//! Straight on `notify`, with a gathering of our own. Its debouncers don't fit: `notify-debouncer-full` says
//! nothing of a file that was made and removed within its time, which a walk may have seen in between, and
//! takes quadratic time over the removal of many files; `notify-debouncer-mini` passes over the word that
//! events were lost. Watches are set directory by directory by the walk, each before the directory is read,
//! so that nothing falls between; `notify`'s recursive watch looks at every file of the tree once more, and
//! can't say where it stopped.

use notify::event::{AccessKind, AccessMode};
use notify::{Config, ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// More paths than this are not worth looking at one by one.
const MANY: usize = 100_000;

/// What has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// At these paths below the top, in order; whatever is there now
    Paths(BTreeSet<PathBuf>),
    /// Anything may have, and watches may be wrong: all is to be watched and walked anew
    Rescan(Rescan),
}

/// Why all is to be walked anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rescan {
    /// More happened than the kernel, or we, keep
    Overflow,
    /// The top directory was removed or renamed
    Top,
    /// Events can't be read
    Error(String),
}

/// Why not all directories are watched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwatched {
    /// The kernel's limit is reached
    #[error(
        "the kernel's limit of watched directories is reached (fs.inotify.max_user_watches{}); raise it \
         with sysctl",
        limit.map(|limit| format!(" = {limit}")).unwrap_or_default()
    )]
    Limit {
        /// What it is
        limit: Option<u64>,
    },
    /// Something else
    #[error("{} can't be watched: {reason}", path.display())]
    Other {
        /// A directory
        path: PathBuf,
        /// What came back
        reason: String,
    },
}

/// The changes below a directory. Watching ends when it is dropped.
pub struct Changes {
    top: PathBuf,
    shared: Arc<Shared>,
    watcher: Mutex<RecommendedWatcher>,
}

#[derive(Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    something: Notify,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) paths: BTreeSet<PathBuf>,
    pub(super) rescan: Option<Rescan>,
    /// Since when something waits to be told
    pub(super) since: Option<Instant>,
    pub(super) unwatched: Option<Unwatched>,
}

impl Changes {
    /// Ready to watch directories below `top`; none is watched yet.
    ///
    /// # Errors
    /// Where the system has no watcher left (fs.inotify.max_user_instances).
    pub fn new(top: &Path) -> notify::Result<Changes> {
        let shared = Arc::new(Shared::default());
        let (of, whole) = (shared.clone(), top.to_owned());
        let watcher = RecommendedWatcher::new(move |event| of.note(event, &whole), Config::default())?;
        Ok(Changes { top: top.to_owned(), shared, watcher: Mutex::new(watcher) })
    }

    /// Watches one directory below the top, not what is below it. To be called before it is read. Blocks for
    /// a moment.
    pub fn watch(&self, directory: &Path) {
        // Joined with the empty path it would end with a slash, and so would all that is told of it.
        let path = if directory.as_os_str().is_empty() { self.top.clone() } else { self.top.join(directory) };
        let mut watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = watcher.watch(&path, RecursiveMode::NonRecursive) {
            self.shared.not_watched(path, error);
        }
    }

    /// Waits for changes, and then for `gather` longer, so that related changes are reported in one batch.
    /// Cancel-safe.
    pub async fn next(&self, gather: Duration) -> Changed {
        loop {
            let since = self.shared.lock().since;
            match since {
                // A permit is kept from before: nothing is missed between the look and the wait.
                None => self.shared.something.notified().await,
                Some(since) => {
                    tokio::time::sleep_until(since + gather).await;
                    let mut state = self.shared.lock();
                    state.since = None;
                    let paths = std::mem::take(&mut state.paths);
                    return match state.rescan.take() {
                        Some(rescan) => Changed::Rescan(rescan),
                        None => Changed::Paths(paths),
                    };
                }
            }
        }
    }

    /// Before all directories are watched again.
    pub fn forget_unwatched(&self) {
        self.shared.lock().unwatched = None;
    }

    /// Why not all directories are watched that should be.
    pub fn unwatched(&self) -> Option<Unwatched> {
        self.shared.lock().unwatched.clone()
    }

    #[cfg(test)]
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl Shared {
    /// Called by the watcher's thread for each event.
    pub(super) fn note(&self, event: notify::Result<Event>, top: &Path) {
        let event = match event {
            Ok(event) => event,
            Err(error) => return self.rescan(Rescan::Error(error.to_string())),
        };
        if event.need_rescan() {
            return self.rescan(Rescan::Overflow);
        }
        match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => {}
            // Reading is no change.
            EventKind::Access(_) => return,
            _ => {}
        }
        for path in &event.paths {
            match path.strip_prefix(top) {
                Ok(below) if !below.as_os_str().is_empty() => self.dirty(below),
                // Of the top itself only its end matters; what is in it is told by name.
                Ok(_) => {
                    if matches!(
                        event.kind,
                        EventKind::Remove(_) | EventKind::Modify(notify::event::ModifyKind::Name(_))
                    ) {
                        self.rescan(Rescan::Top);
                    }
                }
                Err(_) => {}
            }
        }
    }

    fn dirty(&self, path: &Path) {
        let mut state = self.lock();
        if state.rescan.is_none() && !state.paths.contains(path) {
            state.paths.insert(path.to_owned());
            if state.paths.len() > MANY {
                state.paths.clear();
                state.rescan = Some(Rescan::Overflow);
            }
        }
        self.tell(state);
    }

    fn rescan(&self, why: Rescan) {
        let mut state = self.lock();
        state.paths.clear();
        state.rescan.get_or_insert(why);
        self.tell(state);
    }

    fn tell(&self, mut state: MutexGuard<'_, State>) {
        if state.since.is_none() {
            state.since = Some(Instant::now());
            drop(state);
            self.something.notify_one();
        }
    }

    pub(super) fn not_watched(&self, path: PathBuf, error: notify::Error) {
        let unwatched = match error.kind {
            // Gone, or no directory any more: its parent's watch tells.
            ErrorKind::PathNotFound => return,
            ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            // It can't be read either, which the walk tells, and its parent's watch tells when it can be.
            ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return,
            ErrorKind::MaxFilesWatch => Unwatched::Limit { limit: limit() },
            kind => Unwatched::Other { path, reason: notify::Error::new(kind).to_string() },
        };
        self.lock().unwatched.get_or_insert(unwatched);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn limit() -> Option<u64> {
    std::fs::read_to_string("/proc/sys/fs/inotify/max_user_watches").ok()?.trim().parse().ok()
}
