use crate::tree::World;
use globus_sync::SyncFilter;
use globus_sync::manifest::{ChangeCounts, FileState, Unsendable};
use globus_sync::walk::{self, WalkError};
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[tokio::test]
async fn names_are_bytes() {
    let world = World::new().await;
    let long = "x".repeat(255);
    for name in
        ["two words", "line\nbreak", " ", "-rf", "..x", "*", "\"", "'", "%41", "\u{1F980}", "\\", &long]
    {
        world.write(name, name);
        world.write(Path::new("below").join(name).join("file"), name);
    }
    let strange = OsStr::from_bytes(b"caf\xe9 \xff");
    world.write(strange, "x");
    world.write(Path::new("in").join(strange).join("directory"), "x");
    let report = world.walk().await;
    let mut sendable = world.there();
    sendable.retain(|path, _| path.to_str().is_some());
    assert_eq!(sendable.len(), 24);
    assert_eq!(world.known().await, sendable);
    assert_eq!(world.counts().await.files(FileState::Unsendable(Unsendable::Name)), 2);
    assert_eq!((report.files, report.changes.new), (26, 26));
    assert_eq!(world.walk().await.changes, ChangeCounts::default());
}

#[tokio::test]
async fn links_are_not_followed_and_special_files_not_sent() {
    let world = World::new().await;
    world.write("d/file", "12345");
    fs::hard_link(world.path("d/file"), world.path("hard")).unwrap();
    symlink("d", world.path("link to directory")).unwrap();
    symlink("/", world.path("d/out")).unwrap();
    symlink("..", world.path("d/loop")).unwrap();
    symlink("nowhere", world.path("broken")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(world.path("socket")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, world.path("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    let report = world.walk().await;
    assert_eq!((report.files, report.bytes, report.links, report.special), (2, 10, 4, 2));
    assert_eq!(world.known().await, world.there());
    let counts = world.counts().await;
    assert_eq!(counts.files(FileState::Unsendable(Unsendable::Link)), 4);
    assert_eq!(counts.files(FileState::Unsendable(Unsendable::Special)), 2);
    // A file takes a link's place.
    fs::remove_file(world.path("broken")).unwrap();
    world.write("broken", "whole");
    world.walk().await;
    assert_eq!(world.known().await, world.there());
}

#[tokio::test]
async fn filters_are_for_files_and_not_for_directories() {
    let world =
        World::filtered(&[SyncFilter::Include("keep*".to_owned()), SyncFilter::Exclude("*.tmp".to_owned())])
            .await;
    for file in ["a.tmp", "keep.tmp", "d.tmp/x", "d.tmp/y.tmp", "z"] {
        world.write(file, "x");
    }
    let report = world.walk().await;
    assert_eq!((report.files, report.filtered), (3, 2));
    let known: Vec<PathBuf> = world.known().await.into_keys().collect();
    assert_eq!(known, ["d.tmp/x", "keep.tmp", "z"].map(PathBuf::from));
}

#[test]
fn what_cant_be_read_is_told_and_not_taken_for_gone() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = runtime().block_on(World::new());
    world.write("a/file", "x");
    world.write("a/b/file", "x");
    world.write("c", "x");
    runtime().block_on(world.walk());
    fs::set_permissions(world.path("a"), Permissions::from_mode(0o000)).unwrap();
    fs::remove_file(world.path("c")).unwrap();
    // Tests often run as root, which may read everything.
    let report = without_rights(|| runtime().block_on(world.walk()));
    fs::set_permissions(world.path("a"), Permissions::from_mode(0o700)).unwrap();
    let unread: Vec<_> = report.unread.iter().map(|unread| unread.path.clone()).collect();
    assert_eq!(unread, [PathBuf::from("a")]);
    assert_eq!(report.unread[0].source.kind(), std::io::ErrorKind::PermissionDenied);
    assert_eq!(report.changes, ChangeCounts { gone: 1, ..ChangeCounts::default() });
    assert_eq!(runtime().block_on(world.known()), world.there());
}

/// Runs it without the right to read what is not one's own to read. New threads have what the thread has that
/// makes them.
fn without_rights<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                let mut sets = capabilities(None).unwrap();
                sets.effective -= CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
                set_capabilities(None, sets).unwrap();
                work()
            })
            .join()
            .unwrap()
    })
}

#[tokio::test]
async fn a_top_that_is_not_there_changes_nothing() {
    let world = World::new().await;
    world.write("d/file", "x");
    world.walk().await;
    let known = world.known().await;
    fs::rename(world.path(""), world.folder.path().join("away")).unwrap();
    let error = walk::refresh(&world.manifest, world.pair, &world.tree).await.unwrap_err();
    assert!(matches!(&error, WalkError::Top { path, .. } if *path == world.tree.source.path()), "{error}");
    assert_eq!(world.known().await, known);
}

#[tokio::test]
async fn a_tree_deeper_than_a_path_can_be() {
    let world = World::new().await;
    // 30 levels of 200 bytes: longer than PATH_MAX, so made level by level.
    let name = "d".repeat(200);
    let mut at = std::fs::File::open(world.path("")).unwrap();
    for _ in 0..30 {
        rustix::fs::mkdirat(&at, &name, 0o700.into()).unwrap();
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
        at = rustix::fs::openat(&at, &name, flags, 0.into()).unwrap().into();
    }
    rustix::fs::openat(&at, "file", rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY, 0o600.into())
        .unwrap();
    let report = world.walk().await;
    assert_eq!((report.files, report.directories, report.unread.len()), (1, 31, 0));
    assert_eq!(world.known().await.keys().next().unwrap().components().count(), 31);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_that_changes_while_it_is_walked() {
    let world = Arc::new(World::new().await);
    for n in 0..2000 {
        world.write(format!("stays/{}/{n}", n % 50), "x");
    }
    let ended = Arc::new(AtomicBool::new(false));
    let busy = std::thread::spawn({
        let (world, ended) = (world.clone(), ended.clone());
        move || {
            let mut n = 0;
            while !ended.load(Ordering::Relaxed) {
                n += 1;
                world.write(format!("comes/{}/{n}", n % 7), "x");
                fs::rename(world.path(format!("comes/{}", n % 7)), world.path("moving")).unwrap();
                fs::remove_dir_all(world.path("moving")).unwrap();
            }
        }
    });
    for _ in 0..20 {
        let report = world.walk().await;
        assert_eq!(report.unread.len(), 0, "{:?}", report.unread);
        let stays = world.known().await.into_keys().filter(|path| path.starts_with("stays")).count();
        assert_eq!(stays, 2000);
    }
    ended.store(true, Ordering::Relaxed);
    busy.join().unwrap();
    world.walk().await;
    assert_eq!(world.known().await, world.there());
}

/// More than what waits for being compared, in directories of all sizes.
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_larger_than_all_bounds() {
    let world = World::new().await;
    let touch = |directory: &Path, files: usize| {
        fs::create_dir_all(directory).unwrap();
        let directory = fs::File::open(directory).unwrap();
        let flags = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY;
        for n in 0..files {
            rustix::fs::openat(&directory, format!("{n:06}"), flags, 0o600.into()).unwrap();
        }
    };
    touch(&world.path("small"), 10_000);
    touch(&world.path("large"), 40_000);
    touch(&world.path("large/below"), 9_000);
    let report = world.walk().await;
    assert_eq!((report.files, report.changes.new), (59_000, 59_000));
    fs::remove_file(world.path("large/020000")).unwrap();
    fs::remove_dir_all(world.path("small")).unwrap();
    world.write("large/0200005", "between the others");
    assert_eq!(world.walk().await.changes, ChangeCounts { new: 1, gone: 10_001, ..ChangeCounts::default() });
    assert_eq!(world.known().await, world.there());
}
