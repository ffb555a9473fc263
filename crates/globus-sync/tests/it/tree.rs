//! A tree on this machine and its manifest.

use globus_sync::SyncFilter;
use globus_sync::events::{Follower, Options, Update};
use globus_sync::manifest::{Counts, FileState, Limit, Manifest, NewPair, PairId, Place};
use globus_sync::openat::SourceDirectory;
use globus_sync::walk::{self, Filters, Stat, Tree, WalkReport};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// For what is waited for.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct World {
    pub manifest: Manifest,
    pub pair: PairId,
    pub tree: Tree,
    pub folder: tempfile::TempDir,
}

impl World {
    pub async fn new() -> World {
        World::filtered(&[]).await
    }

    pub async fn filtered(filters: &[SyncFilter]) -> World {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("top");
        fs::create_dir(&top).unwrap();
        let manifest = Manifest::open(&folder.path().join("beamshare.sync.sqlite")).await.unwrap();
        let place = |path: &str| Place { collection: Uuid::nil(), path: path.to_owned() };
        let pair = NewPair {
            name: "raw".to_owned(),
            experiment: None,
            source: place("/data"),
            destination: place("/copy"),
            local: Some(top.clone()),
        };
        let pair = manifest.open_pair(&pair).await.unwrap().id;
        World {
            manifest,
            pair,
            tree: Tree { source: SourceDirectory::fixed(top), filters: Arc::new(Filters::new(filters)) },
            folder,
        }
    }

    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.tree.source.path().join(path)
    }

    /// Writes a file, and makes the directories that it needs.
    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub async fn walk(&self) -> WalkReport {
        walk::refresh(&self.manifest, self.pair, &self.tree).await.unwrap()
    }

    pub async fn counts(&self) -> Counts {
        self.manifest.counts(self.pair).await.unwrap()
    }

    /// The sendable files of the manifest, all of which are new.
    pub async fn known(&self) -> BTreeMap<PathBuf, Stat> {
        let all = Limit { files: usize::MAX, bytes: u64::MAX };
        let files = self.manifest.ready(self.pair, Timestamp::now(), all).await.unwrap().files;
        assert_eq!(self.counts().await.files(FileState::New), files.len() as u64, "the counts are true");
        files.into_iter().map(|file| (file.path, file.stat)).collect()
    }

    /// The regular files of the tree.
    pub fn there(&self) -> BTreeMap<PathBuf, Stat> {
        let mut files = BTreeMap::new();
        let mut directories = vec![self.tree.source.path()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                let metadata = path.symlink_metadata().unwrap();
                if metadata.is_dir() {
                    directories.push(path);
                } else if metadata.is_file() {
                    let mtime = metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec();
                    let ctime = metadata.ctime() * 1_000_000_000 + metadata.ctime_nsec();
                    let stat = Stat { size: metadata.size(), mtime, ctime, inode: metadata.ino() };
                    files.insert(path.strip_prefix(self.tree.source.path()).unwrap().to_owned(), stat);
                }
            }
        }
        files
    }

    /// What follows the tree; walks only when they are asked for, so that what is found is found by events.
    pub async fn follow(&self) -> Follower {
        let never = Duration::from_secs(24 * 60 * 60);
        let options = Options {
            gather: Duration::from_millis(20),
            rewalk: never,
            poll: never,
            top: Duration::from_millis(200),
        };
        self.follow_with(options).await
    }

    pub async fn follow_with(&self, options: Options) -> Follower {
        let mut follower = Follower::new(self.manifest.clone(), self.pair, self.tree.clone(), options);
        assert!(matches!(follower.next().await.unwrap(), Update::Walked(_)), "it begins with a walk");
        follower
    }

    /// Follows until the manifest holds what the tree does.
    pub async fn until_same(&self, follower: &mut Follower) {
        let same = async {
            while self.known().await != self.there() {
                follower.next().await.unwrap();
            }
        };
        if tokio::time::timeout(PATIENCE, same).await.is_err() {
            assert_eq!(self.known().await, self.there(), "the manifest and the tree, after a minute");
        }
    }
}
