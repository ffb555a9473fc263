//! What is in a tree: directory by directory, never the whole at once, and never out of the tree.

mod filters;
mod listing;
mod local;
mod read;

pub use filters::Filters;
pub use listing::{Entry, Kind, Listing, Stat};
pub use local::Unread;
pub use read::At;
pub(crate) use read::{look, look_fresh, look_linked};

use super::manifest::{ChangeCounts, Found, Manifest, ManifestError, PairId};
use super::openat::SourceDirectory;
use local::Board;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A pair's tree on this machine.
#[derive(Clone, Debug)]
pub struct Tree {
    /// Its top directory
    pub source: SourceDirectory,
    /// Which files count
    pub filters: Arc<Filters>,
}

impl Tree {
    pub(crate) fn open(&self) -> Result<OwnedFd, WalkError> {
        self.source.open().map_err(|source| WalkError::Top { path: self.source.path(), source })
    }
}

/// Why a walk found nothing out.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// The top directory can't be opened. What the manifest knows of its files stays.
    #[error("can't read the source directory {}: {source}", path.display())]
    Top {
        /// The directory
        path: PathBuf,
        /// What the system said
        source: io::Error,
    },
    /// What was found can't be recorded
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

/// What a walk found, and what of it was new to the manifest.
#[derive(Debug, Default)]
pub struct WalkReport {
    /// Directories read
    pub directories: u64,
    /// Regular files, but for those that the filters keep back
    pub files: u64,
    /// Their bytes
    pub bytes: u64,
    /// Symbolic links, which are neither followed nor sent
    pub links: u64,
    /// Sockets, pipes and devices
    pub special: u64,
    /// What the filters keep back
    pub filtered: u64,
    /// Directories of which nothing is known; their files are taken for what they were
    pub unread: Vec<Unread>,
    /// What the manifest did not know yet
    pub changes: ChangeCounts,
    /// How long it took
    pub took: Duration,
}

/// Walks the whole tree and brings the pair's files in the manifest up to date. Where it is dropped the walk
/// ends, with nothing taken for gone.
pub async fn refresh(manifest: &Manifest, pair: PairId, tree: &Tree) -> Result<WalkReport, WalkError> {
    part(manifest, pair, tree, vec![PathBuf::new()], Arc::new(|_| {})).await
}

/// Called for each directory before it is read.
pub(crate) type Before = Arc<dyn Fn(&Path) + Send + Sync>;

/// Walks these directories and all below them; none may be below another. Where one is not a directory any
/// more, its files are gone.
pub(crate) async fn part(
    manifest: &Manifest,
    pair: PairId,
    tree: &Tree,
    directories: Vec<PathBuf>,
    before: Before,
) -> Result<WalkReport, WalkError> {
    let (manifest, tree) = (manifest.clone(), tree.clone());
    let stopped = StopOnDrop::default();
    let stop = stopped.0.clone();
    super::manifest::unblocked(move || walk(&manifest, pair, &tree, directories, &*before, &stop)).await
}

fn walk(
    manifest: &Manifest,
    pair: PairId,
    tree: &Tree,
    directories: Vec<PathBuf>,
    before: &(dyn Fn(&Path) + Sync),
    stop: &AtomicBool,
) -> Result<WalkReport, WalkError> {
    let begun = Instant::now();
    let top = tree.open()?;
    let mut comparison = manifest.comparison(pair, Found::Walk);
    let mut report = WalkReport::default();
    let board = Board::new(directories.clone());
    // Waiting for a network or a disk takes no processor, so two at least.
    let walkers = std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 8));
    let compared = std::thread::scope(|scope| {
        for _ in 0..walkers {
            scope.spawn(|| board.walk(top.as_fd(), &tree.filters, before));
        }
        let mut compared = Ok(());
        while let Some(listings) = board.next_listings() {
            listings.iter().for_each(|listing| report.count(listing));
            compared = comparison.listings(&listings);
            if compared.is_err() || stop.load(Ordering::Relaxed) {
                board.stop();
                break;
            }
        }
        compared
    });
    compared?;
    let ended = board.ended();
    (report.directories, report.filtered, report.unread) = (ended.directories, ended.filtered, ended.unread);
    report.changes = comparison.changes();
    if !stop.load(Ordering::Relaxed) {
        let unread: Vec<PathBuf> = report.unread.iter().map(|unread| unread.path.clone()).collect();
        report.changes = comparison.finish(&directories, &unread)?;
    }
    report.took = begun.elapsed();
    Ok(report)
}

impl WalkReport {
    fn count(&mut self, listing: &Listing) {
        for entry in listing.iter() {
            match entry.kind {
                Kind::File => {
                    self.files += 1;
                    self.bytes = self.bytes.saturating_add(entry.stat.size);
                }
                Kind::Link => self.links += 1,
                Kind::Special => self.special += 1,
            }
        }
    }
}

#[derive(Default)]
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
