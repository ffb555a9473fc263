use super::{mode, path, place, says, some_group};
use beamshare::config;
use beamshare::domain::Retry;
use beamshare::places::{CreateOutcome, DirectoryState, LocalPlace, Ownership, Place, from_config};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

fn rights(mode: u32) -> Ownership {
    Ownership { mode, group: None }
}

fn local(top: &Path, rights: Ownership) -> LocalPlace {
    LocalPlace::new(&place(top), rights)
}

#[tokio::test]
async fn makes_the_tree_with_mode_and_group_whatever_the_umask() {
    let top = tempfile::tempdir().unwrap();
    let (group, gid) = some_group();
    let place = local(top.path(), Ownership { mode: 0o2775, group: Some(group) });
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let made = place.make(&path("2026-03/Li_rec/raw")).await;
    rustix::process::umask(before);
    assert_eq!(made, Ok(CreateOutcome::Created));
    for part in ["2026-03", "2026-03/Li_rec", "2026-03/Li_rec/raw"] {
        let metadata = fs::metadata(top.path().join(part)).unwrap();
        assert_eq!((metadata.mode() & 0o7777, metadata.gid()), (0o2775, gid), "{part}");
    }
    assert_eq!(place.make(&path("2026-03/Li_rec/raw")).await, Ok(CreateOutcome::Existed));
}

#[tokio::test]
async fn puts_right_only_the_last_of_what_was_there() {
    let top = tempfile::tempdir().unwrap();
    fs::create_dir_all(top.path().join("2026-03/Li")).unwrap();
    for part in ["2026-03", "2026-03/Li"] {
        fs::set_permissions(top.path().join(part), fs::Permissions::from_mode(0o755)).unwrap();
    }
    assert_eq!(local(top.path(), rights(0o770)).make(&path("2026-03/Li")).await, Ok(CreateOutcome::Existed));
    assert_eq!((mode(&top.path().join("2026-03")), mode(&top.path().join("2026-03/Li"))), (0o755, 0o770));
}

#[tokio::test]
async fn finishes_a_parent_that_a_crash_left_unfinished() {
    let top = tempfile::tempdir().unwrap();
    let month = top.path().join("2026-03");
    fs::create_dir(&month).unwrap();
    // What make() leaves when it is killed between making a directory and giving it its rights.
    fs::set_permissions(&month, fs::Permissions::from_mode(0o1700)).unwrap();
    assert_eq!(local(top.path(), rights(0o770)).make(&path("2026-03/Li")).await, Ok(CreateOutcome::Created));
    assert_eq!(mode(&month), 0o770);
    // One that somebody closed on purpose stays closed.
    fs::set_permissions(&month, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(
        local(top.path(), rights(0o770)).make(&path("2026-03/Chen")).await,
        Ok(CreateOutcome::Created)
    );
    assert_eq!(mode(&month), 0o700);
}

#[tokio::test]
async fn keeps_the_group_bit_of_a_parent_that_hands_its_group_on() {
    let top = tempfile::tempdir().unwrap();
    fs::set_permissions(top.path(), fs::Permissions::from_mode(0o2775)).unwrap();
    assert_eq!(local(top.path(), rights(0o770)).make(&path("2026-03/Li")).await, Ok(CreateOutcome::Created));
    assert_eq!(mode(&top.path().join("2026-03/Li")), 0o2770);
}

#[tokio::test]
async fn follows_no_link_out_of_the_top() {
    let (top, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    symlink(outside.path(), top.path().join("2026-03")).unwrap();
    fs::create_dir(top.path().join("2026-04")).unwrap();
    symlink(outside.path(), top.path().join("2026-04/Li")).unwrap();
    // Not even one that stays inside.
    symlink("2026-04", top.path().join("2026-05")).unwrap();
    let place = local(top.path(), rights(0o770));
    for part in ["2026-03/Li", "2026-04/Li", "2026-05/Li"] {
        let error = says(place.make(&path(part)).await, &["symbolic link", "detector"]);
        assert_eq!(error.retry, Retry::Never);
        says(place.look(&path(part)).await, &["symbolic link"]);
    }
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    // The top itself may be a link: the configuration says so, not a PV.
    symlink(outside.path(), top.path().join("data")).unwrap();
    assert_eq!(
        local(&top.path().join("data"), rights(0o770)).make(&path("2026-03")).await,
        Ok(CreateOutcome::Created)
    );
    assert!(outside.path().join("2026-03").is_dir());
}

#[tokio::test]
async fn tells_what_stands_there() {
    let top = tempfile::tempdir().unwrap();
    let place = local(top.path(), rights(0o770));
    assert_eq!(place.look(&path("2026-03/Li")).await, Ok(DirectoryState::Missing));
    place.make(&path("2026-03/Li")).await.unwrap();
    assert_eq!(place.look(&path("2026-03/Li")).await, Ok(DirectoryState::Empty));
    fs::write(top.path().join("2026-03/Li/a\nb"), "").unwrap();
    assert_eq!(place.look(&path("2026-03/Li")).await, Ok(DirectoryState::Occupied(vec!["a\\nb".into()])));
    for name in ["b", "c", "d", "e"] {
        fs::write(top.path().join("2026-03/Li").join(name), "").unwrap();
    }
    assert!(
        matches!(place.look(&path("2026-03/Li")).await, Ok(DirectoryState::Occupied(names)) if names.len() == 3)
    );
    fs::write(top.path().join("2026-03/notes"), "").unwrap();
    assert_eq!(place.look(&path("2026-03/notes")).await, Ok(DirectoryState::Occupied(vec!["notes".into()])));
    says(place.make(&path("2026-03/notes")).await, &["2026-03/notes", "is no directory"]);
    says(place.make(&path("2026-03/notes/Li")).await, &["2026-03/notes", "is no directory"]);
    says(place.look(&path("2026-03/notes/Li")).await, &["2026-03/notes", "is no directory"]);
}

#[tokio::test]
async fn says_what_to_do_about_the_top_and_the_group() {
    let top = tempfile::tempdir().unwrap();
    let missing = local(&top.path().join("nowhere"), rights(0o770));
    let error = says(missing.make(&path("a")).await, &["nowhere does not exist", "make it"]);
    assert_eq!(error.retry, Retry::Never);
    says(missing.probe().await, &["nowhere does not exist"]);
    let place = local(top.path(), Ownership { mode: 0o770, group: Some("no-such-group".into()) });
    says(place.make(&path("a")).await, &["group no-such-group does not exist on this machine"]);
    says(place.probe().await, &["no-such-group"]);
    assert_eq!(
        fs::read_dir(top.path()).unwrap().filter(|entry| entry.as_ref().unwrap().file_name() != "a").count(),
        0
    );
}

#[tokio::test]
async fn says_who_may_not_write() {
    let top = tempfile::tempdir().unwrap();
    fs::set_permissions(top.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let place = local(top.path(), rights(0o770));
    // Root may write everywhere; this thread, and those it starts, act as nobody on files.
    let root = rustix::process::geteuid().is_root();
    if root {
        // SAFETY: changes the calling thread's own credentials only.
        unsafe { libc::setfsuid(65534) };
    }
    let (made, probed) = (place.make(&path("a")).await, place.probe().await);
    if root {
        // SAFETY: as above.
        unsafe { libc::setfsuid(0) };
    }
    let error = says(made, &["can't make directory", "permission denied"]);
    assert_eq!(error.retry, Retry::Never);
    says(probed, &["permission denied"]);
}

#[tokio::test]
async fn the_check_leaves_nothing_behind() {
    let top = tempfile::tempdir().unwrap();
    let (group, _) = some_group();
    let place = local(top.path(), Ownership { mode: 0o770, group: Some(group) });
    assert!(place.probe().await.unwrap().contains("is writable"));
    assert_eq!(fs::read_dir(top.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn the_configuration_gives_each_place_its_rights() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut directories = config::Directories {
        paths: vec![],
        mode: 0o750,
        group: None,
        on: vec![
            place(one.path()),
            config::Place { name: "analysis".to_owned(), mode: Some(0o2770), ..place(two.path()) },
        ],
    };
    let places = from_config(&directories).unwrap();
    assert_eq!(places.iter().map(|place| place.name()).collect::<Vec<_>>(), ["detector", "analysis"]);
    for place in &places {
        assert_eq!(place.make(&path("2026-03")).await, Ok(CreateOutcome::Created));
    }
    assert_eq!((mode(&one.path().join("2026-03")), mode(&two.path().join("2026-03"))), (0o750, 0o2770));
    directories.on[1].host = Some("tomo@".to_owned());
    says(from_config(&directories).map(|_| ()), &["analysis", "tomo@"]);
}
