//! How changes are found: by the kernel's events where the file system gives them, and by walks where it
//! doesn't, at the beginning, now and then, and whenever events were lost.

mod changes;
mod file_system;
mod look;

pub use changes::{Changed, Changes, Rescan, Unwatched};

use super::manifest::{ChangeCounts, Manifest, PairId};
use super::walk::{self, Before, Tree, WalkError, WalkReport};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often things are looked at.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long events are gathered before files are looked at
    pub gather: Duration,
    /// From one whole walk to the next where there are events: they may have told not all
    pub rewalk: Duration,
    /// From one whole walk to the next where there are none. A walk that takes long pauses ten times as long
    /// at least.
    pub poll: Duration,
    /// How often to look whether the top directory is (still) there and the same
    pub top: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            gather: Duration::from_millis(500),
            rewalk: Duration::from_secs(60 * 60),
            poll: Duration::from_secs(60),
            top: Duration::from_secs(5),
        }
    }
}

/// What has come into the manifest.
#[derive(Debug)]
pub enum Update {
    /// A whole walk has ended
    Walked(WalkReport),
    /// Files of which events told were looked at
    Changed(ChangeCounts),
}

/// By what changes are seen at present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DetectionMode {
    /// Events, within a second
    Events,
    /// Walks, now and then; and why
    Walks(String),
}

/// Keeps a pair's files in the manifest what they are in its tree.
pub struct Follower {
    manifest: Manifest,
    pair: PairId,
    tree: Tree,
    options: Options,
    changes: Option<Arc<Changes>>,
    seeing: DetectionMode,
    /// Paths that events told of and that are not in the manifest yet
    pending: BTreeSet<PathBuf>,
    /// Device and inode of the top directory as it was walked
    top: Option<(u64, u64)>,
    /// When the next whole walk is due
    due: Instant,
    /// How long the last one took
    took: Duration,
    /// Watches must be set anew before it
    anew: bool,
}

/// What to do about an error that is a limit of inotify; as the end of a message.
pub fn inotify_remedy(error: &std::io::Error) -> &'static str {
    match Errno::from_io_error(error) {
        Some(Errno::NOSPC) => ": raise the sysctl fs.inotify.max_user_watches",
        Some(Errno::MFILE) => ": raise the sysctl fs.inotify.max_user_instances",
        _ => "",
    }
}

fn remedy(error: &notify::Error) -> &'static str {
    match &error.kind {
        notify::ErrorKind::Io(error) => inotify_remedy(error),
        _ => "",
    }
}

impl Follower {
    /// Begins with a whole walk, at the first [`Follower::next`].
    pub fn new(manifest: Manifest, pair: PairId, tree: Tree, options: Options) -> Follower {
        Follower {
            manifest,
            pair,
            tree,
            options,
            changes: None,
            seeing: DetectionMode::Events,
            pending: BTreeSet::new(),
            top: None,
            due: Instant::now(),
            took: Duration::ZERO,
            anew: true,
        }
    }

    /// By what changes are seen at present.
    pub fn seeing(&self) -> &DetectionMode {
        &self.seeing
    }

    /// A whole walk is due now, e.g. since someone asks for a run.
    pub fn walk_now(&mut self) {
        self.due = Instant::now();
    }

    /// Waits until something has come into the manifest. Cancel-safe: what is not in the manifest yet is
    /// looked at by the next call.
    ///
    /// # Errors
    /// The source is not there or can't be read, or the manifest not be written; the next call waits and
    /// tries again.
    pub async fn next(&mut self) -> Result<Update, WalkError> {
        loop {
            if !self.pending.is_empty() && !self.anew {
                return self.apply().await.map(Update::Changed).inspect_err(|_| self.again());
            }
            let look = Instant::now() + self.options.top;
            if self.due > Instant::now() {
                let changed = async {
                    match &self.changes {
                        Some(changes) => changes.next(self.options.gather).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    changed = changed => match changed {
                        Changed::Paths(paths) => self.pending.extend(paths),
                        Changed::Rescan(why) => {
                            tracing::debug!("{}: all is walked anew: {why:?}", self.tree.source.path().display());
                            self.anew = true;
                            // Where more happens than events can tell, walks must not take the whole machine.
                            self.due = self.due.min(Instant::now() + self.took * 4);
                        }
                    },
                    () = tokio::time::sleep_until(look.min(self.due)) => self.look_at_top().await,
                }
                continue;
            }
            return self.walk().await.map(Update::Walked).inspect_err(|_| self.again());
        }
    }

    /// After an error: all anew, after a while.
    fn again(&mut self) {
        self.anew = true;
        self.due = Instant::now() + self.options.top;
    }

    /// Another directory under the top's name (mounted, unmounted, put in its place) has other files.
    async fn look_at_top(&mut self) {
        if self.top.is_some() && identity(&self.tree).await != self.top {
            (self.top, self.anew, self.due) = (None, true, Instant::now());
        }
    }

    async fn walk(&mut self) -> Result<WalkReport, WalkError> {
        if self.anew {
            self.changes = None;
            self.pending.clear();
            let tree = self.tree.clone();
            let watching =
                super::manifest::unblocked(move || match file_system::without_events(&tree.source.path()) {
                    Some(kind) => Err(format!("{} gives no events for what other machines change", kind)),
                    None => Changes::new(&tree.source.path())
                        .map_err(|error| format!("no watcher can be had: {error}{}", remedy(&error))),
                });
            match watching.await {
                Ok(changes) => self.changes = Some(Arc::new(changes)),
                Err(why) => self.see(DetectionMode::Walks(why)),
            }
            self.anew = false;
        }
        if let Some(changes) = &self.changes {
            // Someone may have raised the limit.
            changes.forget_unwatched();
        }
        let top = identity(&self.tree).await;
        // Until it has ended: a walk that is dropped halfway has not set all watches.
        self.anew = true;
        let report =
            walk::part(&self.manifest, self.pair, &self.tree, vec![PathBuf::new()], self.watch()).await?;
        (self.anew, self.top, self.took) = (false, top, report.took);
        self.check_watches();
        let pause = match self.seeing {
            DetectionMode::Events => self.options.rewalk,
            DetectionMode::Walks(_) => self.options.poll.max(report.took * 10),
        };
        self.due = Instant::now() + pause;
        Ok(report)
    }

    async fn apply(&mut self) -> Result<ChangeCounts, WalkError> {
        let (manifest, pair, tree, paths) =
            (self.manifest.clone(), self.pair, self.tree.clone(), self.pending.clone());
        let looked = super::manifest::unblocked(move || look::look(&manifest, pair, &tree, paths)).await?;
        let mut changes = looked.changes;
        if !looked.directories.is_empty() {
            let report =
                walk::part(&self.manifest, self.pair, &self.tree, looked.directories, self.watch()).await?;
            changes += report.changes;
            self.check_watches();
        }
        self.pending.clear();
        Ok(changes)
    }

    fn watch(&self) -> Before {
        match self.changes.clone() {
            Some(changes) => Arc::new(move |directory| changes.watch(directory)),
            None => Arc::new(|_| {}),
        }
    }

    /// Without all watches it is walks that see all.
    fn check_watches(&mut self) {
        let Some(changes) = &self.changes else { return };
        match changes.unwatched() {
            None => self.see(DetectionMode::Events),
            Some(why) => {
                self.see(DetectionMode::Walks(why.to_string()));
                self.due = self.due.min(Instant::now() + self.options.poll.max(self.took * 10));
            }
        }
    }

    fn see(&mut self, seeing: DetectionMode) {
        if self.seeing != seeing {
            let path = self.tree.source.path();
            let top = path.display();
            match &seeing {
                DetectionMode::Events => tracing::info!("{top}: changes are seen by events again"),
                DetectionMode::Walks(why) => {
                    tracing::warn!("{top}: changes are seen by walks, now and then: {why}")
                }
            }
            self.seeing = seeing;
        }
    }
}

async fn identity(tree: &Tree) -> Option<(u64, u64)> {
    let source = tree.source.clone();
    let stat = move || rustix::fs::fstat(source.open().ok()?).ok();
    super::manifest::unblocked(move || stat().map(|stat| (stat.st_dev, stat.st_ino))).await
}

#[cfg(test)]
mod tests;
