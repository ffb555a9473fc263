use super::{Config, ConfigError, load};
use notify_debouncer_full::notify::{EventKind, RecommendedWatcher, RecursiveMode, event::AccessKind};
use notify_debouncer_full::{DebounceEventResult, Debouncer, RecommendedCache, new_debouncer};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;

/// How long the files must be left alone before they are read: an editor writes in several steps.
const QUIET: Duration = Duration::from_millis(500);

/// The folders of the configuration and its templates can't be watched for changes.
#[derive(Debug, thiserror::Error)]
#[error("can't watch {} for changes ({source}); edits of the configuration need a restart", folder.display())]
pub struct WatchError {
    folder: PathBuf,
    source: notify_debouncer_full::notify::Error,
}

/// The coming changes of a configuration. Watching ends when it is dropped.
pub struct Changes {
    current: Config,
    /// What is wrong with the file since its last edit, so that it is said once
    wrong: Option<ConfigError>,
    touched: mpsc::Receiver<()>,
    debouncer: Debouncer<RecommendedWatcher, RecommendedCache>,
    watched: BTreeSet<PathBuf>,
}

/// Watches the file of these settings and the message templates that it names.
///
/// The folders are watched, not the files: editors put a new file in the place of the old one.
///
/// # Errors
/// Where the machine has no watches left (inotify), or a folder is gone.
pub fn watch(config: &Config) -> Result<Changes, WatchError> {
    let (sender, touched) = mpsc::channel(1);
    // An edit between the reading and now is found by a first look.
    let _ = sender.try_send(());
    let handler = move |events: DebounceEventResult| {
        // Reading is an event as well, also our own.
        let only_read =
            |kind: &EventKind| matches!(kind, EventKind::Access(kind) if !matches!(kind, AccessKind::Close(_)));
        if events.map_or(true, |events| events.iter().any(|event| !only_read(&event.kind))) {
            // Full means that a look is due already.
            let _ = sender.try_send(());
        }
    };
    let debouncer =
        new_debouncer(QUIET, None, handler).map_err(|source| WatchError { folder: folder_of(&config.file), source })?;
    let mut changes = Changes { current: config.clone(), wrong: None, touched, debouncer, watched: BTreeSet::new() };
    changes.watch_folders()?;
    Ok(changes)
}

impl Changes {
    /// Waits for the next change: new settings, or what is wrong with an edit (the settings before it stay good).
    /// A file that is only touched, or an edit taken back in time, is no change. Cancel-safe.
    pub async fn next(&mut self) -> Result<Config, ConfigError> {
        loop {
            if self.touched.recv().await.is_none() {
                // The watcher's thread is gone, which it never is while we hold it; then nothing changes any more.
                std::future::pending::<()>().await;
            }
            match Config::load(&self.current.file) {
                Ok(config) => {
                    let corrected = self.wrong.take().is_some();
                    if corrected || config.fingerprint != self.current.fingerprint {
                        self.current = config.clone();
                        if let Err(error) = self.watch_folders() {
                            tracing::warn!("{error}");
                        }
                        return Ok(config);
                    }
                }
                Err(error) if self.wrong.as_ref() != Some(&error) => {
                    self.wrong = Some(error.clone());
                    return Err(error);
                }
                Err(_) => {}
            }
        }
    }

    fn watch_folders(&mut self) -> Result<(), WatchError> {
        for file in load::files(&self.current) {
            // A link's target can be edited in its own folder.
            let target = file.canonicalize().ok();
            for folder in [Some(file), target].into_iter().flatten().map(|file| folder_of(&file)) {
                if self.watched.contains(&folder) {
                    continue;
                }
                self.debouncer
                    .watch(&folder, RecursiveMode::NonRecursive)
                    .map_err(|source| WatchError { folder: folder.clone(), source })?;
                self.watched.insert(folder);
            }
        }
        Ok(())
    }
}

fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}
