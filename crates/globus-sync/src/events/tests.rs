use super::*;
use crate::manifest::{FileState, NewPair, Place};
use crate::openat::SourceDirectory;
use crate::walk::Filters;
use std::fs;
use std::path::Path;

const LIMIT: Duration = Duration::from_secs(60);

struct World {
    follower: Follower,
    manifest: Manifest,
    pair: PairId,
    folder: tempfile::TempDir,
}

impl World {
    async fn new(options: Options) -> World {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("top")).unwrap();
        let manifest = Manifest::open(&folder.path().join("m.sqlite")).await.unwrap();
        let place = Place { collection: uuid::Uuid::nil(), path: "/".to_owned() };
        let pair = NewPair {
            name: "raw".to_owned(),
            experiment: None,
            source: place.clone(),
            destination: place,
            local: None,
        };
        let pair = manifest.open_pair(&pair).await.unwrap().id;
        let tree = Tree {
            source: SourceDirectory::fixed(folder.path().join("top")),
            filters: Arc::new(Filters::default()),
        };
        let follower = Follower::new(manifest.clone(), pair, tree, options);
        World { follower, manifest, pair, folder }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("top").join(path)
    }

    async fn next(&mut self) -> Update {
        tokio::time::timeout(LIMIT, self.follower.next()).await.expect("an update within a minute").unwrap()
    }

    async fn files(&self) -> u64 {
        self.manifest.counts(self.pair).await.unwrap().files(FileState::New)
    }

    async fn until(&mut self, files: u64) {
        while self.files().await != files {
            self.next().await;
        }
    }
}

/// Walks only where they are asked for: what is found is found by events.
fn events_only() -> Options {
    let never = Duration::from_secs(24 * 60 * 60);
    Options { gather: Duration::from_millis(50), rewalk: never, poll: never, top: Duration::from_millis(100) }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_the_kernel_lost_are_made_up_for_by_a_walk() {
    let mut world = World::new(events_only()).await;
    assert!(matches!(world.next().await, Update::Walked(_)));
    fs::create_dir(world.path("d")).unwrap();
    world.next().await;
    // The kernel keeps so many events for a reader that does not come.
    let kept: usize =
        fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    let changes = world.follower.changes.clone().unwrap();
    let files = {
        let _stuck = changes.shared().lock();
        // A first event holds the reader up; then the queue fills.
        let files = kept as u64;
        for n in 0..files {
            fs::write(world.path("d").join(n.to_string()), "x").unwrap();
        }
        fs::create_dir(world.path("unseen")).unwrap();
        fs::write(world.path("unseen/file"), "x").unwrap();
        files
    };
    world.until(files + 1).await;
    fs::write(world.path("unseen/later"), "x").unwrap();
    world.until(files + 2).await;
    assert_eq!(world.follower.seeing(), &DetectionMode::Events);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_limit_of_watches_is_reached_walks_see_the_rest() {
    let mut world = World::new(Options { poll: Duration::from_millis(50), ..events_only() }).await;
    world.next().await;
    assert_eq!(world.follower.seeing(), &DetectionMode::Events);
    // As the kernel says it; to reach the real limit would take this machine's watches away from everyone.
    let changes = world.follower.changes.clone().unwrap();
    let full = || notify::Error::new(notify::ErrorKind::MaxFilesWatch);
    for gone in [std::io::ErrorKind::NotFound, std::io::ErrorKind::PermissionDenied] {
        changes.shared().not_watched(world.path("d"), notify::Error::io(gone.into()));
    }
    assert_eq!(changes.unwatched(), None, "what can't be read is told by the walk");
    changes.shared().not_watched(world.path("d"), full());
    fs::create_dir(world.path("d")).unwrap();
    let DetectionMode::Walks(why) = (loop {
        world.next().await;
        if let seeing @ DetectionMode::Walks(_) = world.follower.seeing() {
            break seeing.clone();
        }
    }) else {
        unreachable!()
    };
    assert!(why.contains("fs.inotify.max_user_watches = ") && why.contains("sysctl"), "{why}");
    assert!(matches!(world.next().await, Update::Walked(_)), "walks come now and then");
    assert_eq!(world.follower.seeing(), &DetectionMode::Events, "the limit was raised");
}

#[test]
fn reading_is_no_change_and_the_tops_end_is_one_of_all() {
    use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RemoveKind, RenameMode};
    let changes = Changes::new(Path::new("/top")).unwrap();
    let note = |kind, path: &str| {
        let event = notify::Event::new(kind).add_path(path.into());
        changes.shared().note(Ok(event), Path::new("/top"));
    };
    note(notify::EventKind::Access(AccessKind::Open(AccessMode::Any)), "/top/read");
    note(notify::EventKind::Access(AccessKind::Close(AccessMode::Read)), "/top/read");
    note(notify::EventKind::Modify(ModifyKind::Any), "/top");
    note(notify::EventKind::Create(CreateKind::File), "/elsewhere/file");
    assert_eq!(changes.shared().lock().since, None);
    note(notify::EventKind::Access(AccessKind::Close(AccessMode::Write)), "/top/a/written");
    note(notify::EventKind::Modify(ModifyKind::Name(RenameMode::From)), "/top/moved");
    assert_eq!(changes.shared().lock().paths, BTreeSet::from(["a/written".into(), "moved".into()]));
    note(notify::EventKind::Remove(RemoveKind::Folder), "/top");
    assert_eq!(changes.shared().lock().rescan, Some(Rescan::Top));
    note(notify::EventKind::Remove(RemoveKind::File), "/top/x");
    assert!(changes.shared().lock().paths.is_empty(), "all is walked anyway");
}
