use crate::tree::{PATIENCE, World};
use globus_sync::SyncFilter;
use globus_sync::events::{Follower, Options, Update};
use globus_sync::manifest::Limit;
use globus_sync::walk::WalkError;
use jiff::{SignedDuration, Timestamp};
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_written_renamed_and_removed_is_seen() {
    let world = World::new().await;
    world.write("a", "1");
    world.write("old/deep/file", "1");
    let mut follower = world.follow().await;
    world.until_same(&mut follower).await;
    world.write("b", "1");
    world.write("a", "longer");
    world.write("new/as/deep/file", "1");
    world.until_same(&mut follower).await;
    fs::rename(world.path("a"), world.path("new/a")).unwrap();
    fs::remove_file(world.path("b")).unwrap();
    world.write("new/as/deep/second", "1");
    world.until_same(&mut follower).await;
    fs::rename(world.path("new"), world.path("old/new")).unwrap();
    world.until_same(&mut follower).await;
    world.write("old/new/as/deep/third", "in a directory that was renamed");
    world.until_same(&mut follower).await;
    fs::remove_dir_all(world.path("old")).unwrap();
    world.until_same(&mut follower).await;
    world.write("old/new/as/deep/third", "in a directory made again");
    world.until_same(&mut follower).await;
    world.write("old/new/as/deep/fourth", "and watched again");
    world.until_same(&mut follower).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_moved_in_brings_its_files_and_moved_out_takes_them() {
    let world = World::new().await;
    let outside = world.folder.path().join("outside");
    fs::create_dir_all(outside.join("d/e")).unwrap();
    fs::write(outside.join("d/e/file"), "x").unwrap();
    fs::write(outside.join("d/file"), "x").unwrap();
    let mut follower = world.follow().await;
    fs::rename(outside.join("d"), world.path("d")).unwrap();
    world.until_same(&mut follower).await;
    world.write("d/e/later", "x");
    world.until_same(&mut follower).await;
    fs::rename(world.path("d"), outside.join("back")).unwrap();
    world.until_same(&mut follower).await;
    fs::write(outside.join("back/e/no business of ours"), "x").unwrap();
    world.write("marker", "x");
    world.until_same(&mut follower).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_come_right_behind_their_directories() {
    let world = World::new().await;
    let mut follower = world.follow().await;
    // Made faster than anyone can set a watch.
    for n in 0..300 {
        world.write(format!("{}/{}/{n}/file", n % 3, n % 10), "x");
    }
    world.until_same(&mut follower).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filtered_files_are_no_news_and_so_are_directories() {
    let world = World::filtered(&[SyncFilter::Exclude("*.tmp".to_owned())]).await;
    let mut follower = world.follow().await;
    world.write("a.tmp", "x");
    fs::create_dir_all(world.path("empty/directory")).unwrap();
    let ready = async |follower: &mut Follower| {
        let update = tokio::time::timeout(PATIENCE, follower.next()).await.unwrap().unwrap();
        assert!(matches!(update, Update::Changed(_)), "{update:?}");
        world.known().await.into_keys().collect::<Vec<PathBuf>>()
    };
    assert_eq!(ready(&mut follower).await, Vec::<PathBuf>::new());
    fs::rename(world.path("a.tmp"), world.path("empty/a.h5")).unwrap();
    while ready(&mut follower).await != [PathBuf::from("empty/a.h5")] {}
    fs::rename(world.path("empty/a.h5"), world.path("empty/b.tmp")).unwrap();
    while !ready(&mut follower).await.is_empty() {}
}

/// A file that is written to is not quiet, whatever its mtime says.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_being_written_waits() {
    let world = World::new().await;
    let mut follower = world.follow().await;
    let before = Timestamp::now() - SignedDuration::from_millis(1);
    let mut file = fs::File::create(world.path("scan.h5")).unwrap();
    file.write_all(b"first").unwrap();
    world.until_same(&mut follower).await;
    file.write_all(b"second").unwrap();
    file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
    world.until_same(&mut follower).await;
    let all = Limit { files: 9, bytes: u64::MAX };
    let ready = world.manifest.ready(world.pair, before, all).await.unwrap();
    assert!(ready.files.is_empty() && ready.oldest_waiting.unwrap() >= before, "{ready:?}");
    assert_eq!(world.manifest.ready(world.pair, Timestamp::now(), all).await.unwrap().files.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_top_that_goes_and_comes() {
    let world = World::new().await;
    fs::remove_dir(world.path("")).unwrap();
    let options =
        Options { top: Duration::from_millis(50), gather: Duration::from_millis(20), ..Options::default() };
    let mut follower = Follower::new(world.manifest.clone(), world.pair, world.tree.clone(), options);
    let error = follower.next().await.unwrap_err();
    assert!(matches!(error, WalkError::Top { .. }), "{error}");
    world.write("d/file", "x");
    assert!(matches!(follower.next().await.unwrap(), Update::Walked(_)));
    world.until_same(&mut follower).await;
    let known = world.known().await;
    // Away, as an unmounted file system is: nothing is known, so nothing is gone.
    fs::rename(world.path(""), world.folder.path().join("away")).unwrap();
    loop {
        match tokio::time::timeout(PATIENCE, follower.next()).await.unwrap() {
            Err(WalkError::Top { .. }) => break,
            Err(error) => panic!("{error}"),
            Ok(_) => {}
        }
    }
    assert_eq!(world.known().await, known);
    // Another in its place, and then the first again.
    world.write("other", "x");
    world.until_same(&mut follower).await;
    fs::remove_dir_all(world.path("")).unwrap();
    fs::rename(world.folder.path().join("away"), world.path("")).unwrap();
    let back = async {
        while world.known().await != known {
            let _ = follower.next().await;
        }
    };
    tokio::time::timeout(PATIENCE, back).await.unwrap();
    world.write("d/later", "x");
    world.until_same(&mut follower).await;
}

/// The kernel names the path that was written, not the file's other names.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_written_changes_under_all_its_names() {
    let world = World::new().await;
    world.write("a/file", "");
    fs::create_dir(world.path("b")).unwrap();
    fs::hard_link(world.path("a/file"), world.path("b/other name")).unwrap();
    let mut follower = world.follow().await;
    world.until_same(&mut follower).await;
    let mut file = fs::OpenOptions::new().append(true).open(world.path("a/file")).unwrap();
    file.write_all(b"more").unwrap();
    world.until_same(&mut follower).await;
}

/// Dropped at any moment, nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn waiting_can_be_given_up() {
    let world = World::new().await;
    let mut follower = world.follow().await;
    for n in 0..200 {
        world.write(format!("{}/{n}", n % 5), "x");
        let _ = tokio::time::timeout(Duration::from_micros(200 * (n % 60)), follower.next()).await;
    }
    world.until_same(&mut follower).await;
}
