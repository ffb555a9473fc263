use super::*;
use crate::walk::{At, Kind, Listing, Stat};
use serde_json::json;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use uuid::Uuid;

const LONG_AGO: i64 = 1_000_000_000_000_000_000;

struct World {
    manifest: Manifest,
    pair: PairId,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let manifest = Manifest::open(&folder.path().join("state/beamshare.sync.sqlite")).await.unwrap();
        let pair = manifest.open_pair(&pair("raw")).await.unwrap().id;
        World { manifest, pair, _folder: folder }
    }

    /// A walk that found these files: path, size, inode.
    fn walk(&self, files: &[(&str, u64, u64)]) -> ChangeCounts {
        self.find(files, Found::Walk)
    }

    /// Events told of these files.
    fn event(&self, files: &[(&str, u64, u64)]) -> ChangeCounts {
        self.find(files, Found::Event)
    }

    fn find(&self, files: &[(&str, u64, u64)], found: Found) -> ChangeCounts {
        let mut directories: BTreeMap<&str, Vec<(&str, u64, u64)>> = BTreeMap::from([("", vec![])]);
        for (path, size, inode) in files {
            let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
            directories.entry(directory).or_default().push((name, *size, *inode));
        }
        let listings: Vec<Listing> = directories
            .into_iter()
            .map(|(directory, files)| {
                let mut listing = Listing::new(directory);
                for (name, size, inode) in files {
                    assert!(listing.push(
                        OsStr::new(name),
                        Kind::File,
                        Stat { size, mtime: LONG_AGO, ctime: LONG_AGO, inode }
                    ));
                }
                listing.sort();
                listing
            })
            .collect();
        let mut comparison = self.manifest.comparison(self.pair, found);
        comparison.listings(&listings).unwrap();
        comparison.finish(&["".into()], &[]).unwrap()
    }

    async fn ready(&self) -> Vec<FileRow> {
        self.manifest.ready(self.pair, Timestamp::now(), ALL).await.unwrap().files
    }

    async fn begin(&self) -> TaskRow {
        let ready = self.ready().await;
        let (task, files) =
            self.manifest.begin_task(self.pair, task(), ready.clone(), vec![]).await.unwrap().unwrap();
        assert_eq!(files.len(), ready.len());
        task
    }

    async fn state(&self, path: &str) -> Option<FileState> {
        self.manifest.file(self.pair, Path::new(path)).await.unwrap().map(|file| file.state)
    }

    async fn end(&self, task: &TaskRow, sent: &[&str], rest: Rest) {
        self.manifest.mark_sent(task.number, sent.iter().map(PathBuf::from).collect()).await.unwrap();
        let end = End { state: TaskState::Succeeded, rest, faults: 0, words: None };
        self.manifest.end_task(task.number, end).await.unwrap();
        self.check_counts().await;
    }

    /// The kept counts are what counting says.
    async fn check_counts(&self) {
        let pair = self.pair;
        let counted: Vec<(FileState, u64, u64)> = self
            .manifest
            .read(move |transaction| {
                transaction
                    .prepare(
                        "SELECT state, count(*), sum(size) FROM file JOIN directory ON directory.id = \
                         directory WHERE pair = ?1 AND gone IS NULL GROUP BY state",
                    )?
                    .query_map([pair.0], |row| {
                        Ok((row.get(0)?, row.get::<_, i64>(1)? as u64, row.get::<_, i64>(2)? as u64))
                    })?
                    .collect()
            })
            .await
            .unwrap();
        let kept = self.manifest.counts(pair).await.unwrap();
        for state in FileState::ALL {
            let counted = counted.iter().find(|row| row.0 == state).map_or((0, 0), |row| (row.1, row.2));
            assert_eq!((kept.files(state), kept.bytes(state)), counted, "{state:?}");
        }
    }
}

const ALL: Limit = Limit { files: usize::MAX, bytes: u64::MAX };

fn pair(name: &str) -> NewPair {
    let place = |path: &str| Place { collection: Uuid::from_u128(7), path: path.to_owned() };
    NewPair {
        name: name.to_owned(),
        experiment: None,
        source: place("/data/"),
        destination: place("/2bm/raw"),
        local: Some(PathBuf::from(OsStr::from_bytes(b"/local/\xff"))),
    }
}

fn task() -> NewTask {
    NewTask { submission_id: Uuid::new_v4(), request: json!({"label": "raw"}), verified: true }
}

fn names(files: &[FileRow]) -> Vec<&str> {
    files.iter().map(|file| file.path.to_str().unwrap()).collect()
}

#[tokio::test]
async fn the_file_is_for_its_owner_alone_and_refused_when_newer() {
    let world = World::new().await;
    let path = world.manifest.path().to_owned();
    for file in [path.clone(), path.with_extension("sqlite-wal"), path.with_extension("sqlite-shm")] {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
    assert_eq!(path.parent().unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o700);
    drop(Manifest::open(&path).await.expect("a second process may open it"));
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 9).unwrap();
    assert!(matches!(Manifest::open(&path).await, Err(ManifestError::Newer { version: 9, .. })));
}

#[tokio::test]
async fn a_pair_is_its_source_and_destination_whatever_it_is_called() {
    let world = World::new().await;
    let mut renamed = pair("renamed");
    renamed.source.path = "/data".to_owned();
    renamed.experiment = Some(Uuid::new_v4());
    let row = world.manifest.open_pair(&renamed).await.unwrap();
    assert_eq!((row.id, &row.pair.name, &row.pair.local), (world.pair, &renamed.name, &renamed.local));
    assert_eq!(row.pair.source.path, "/data");
    renamed.destination.path = "/other".to_owned();
    let other = world.manifest.open_pair(&renamed).await.unwrap().id;
    assert_ne!(other, world.pair);
    world.manifest.close_pair(other).await.unwrap();
    assert_eq!(world.manifest.pairs(false).await.unwrap().len(), 1);
    assert_eq!(world.manifest.pairs(true).await.unwrap().len(), 2);
    assert_eq!(world.manifest.open_pair(&renamed).await.unwrap().closed_at, None);
    world.manifest.set_stopped(other, true).await.unwrap();
    assert!(world.manifest.pair(other).await.unwrap().unwrap().stopped_at.is_some());
}

#[tokio::test]
async fn a_walk_that_finds_nothing_new_changes_nothing() {
    let world = World::new().await;
    let files = [("a", 1, 1), ("d/b", 2, 2), ("d/e/c", 3, 3)];
    assert_eq!(world.walk(&files), ChangeCounts { new: 3, ..ChangeCounts::default() });
    world.check_counts().await;
    assert_eq!(names(&world.ready().await), ["a", "d/b", "d/e/c"]);
    assert_eq!(world.walk(&files), ChangeCounts::default());
    let task = world.begin().await;
    world.end(&task, &["a", "d/b"], Rest::Present).await;
    assert_eq!(world.state("d/b").await, Some(FileState::Sent));
    assert_eq!(world.state("d/e/c").await, Some(FileState::Present));
    assert_eq!(world.walk(&files), ChangeCounts::default());
    assert!(world.ready().await.is_empty(), "nothing is sent twice");
    let row = world.manifest.pair(world.pair).await.unwrap().unwrap();
    assert!(row.walked_at.is_some() && row.first_success_at.is_some());
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_sent_is_new_when_the_task_has_ended() {
    let world = World::new().await;
    world.walk(&[("a", 1, 1), ("b", 1, 2), ("c", 1, 3)]);
    let task = world.begin().await;
    assert_eq!(world.walk(&[("a", 9, 1), ("b", 1, 2), ("c", 9, 3)]).changed, 2);
    assert_eq!(world.state("a").await, Some(FileState::Sending), "it is still the task's");
    assert!(world.ready().await.is_empty());
    assert_eq!(world.manifest.task_files(task.number).await.unwrap()[0].stat.size, 1, "as it was submitted");
    world.walk(&[("a", 9, 1), ("b", 1, 2), ("c", 1, 3)]);
    world.end(&task, &["a", "b", "c", "no file of ours"], Rest::New).await;
    assert_eq!(world.state("a").await, Some(FileState::New));
    assert_eq!(world.state("b").await, Some(FileState::Sent));
    assert_eq!(world.state("c").await, Some(FileState::Sent), "it is again what was sent");
    let row = &world.manifest.tasks(world.pair, 9).await.unwrap()[0];
    assert_eq!((row.files, row.files_sent, row.state), (3, 3, TaskState::Succeeded));
}

#[tokio::test]
async fn files_that_are_gone_come_back_as_what_they_were() {
    let world = World::new().await;
    let files = [("a", 1, 1), ("d/b", 2, 2), ("d/n", 2, 4)];
    world.walk(&files[..2]);
    let task = world.begin().await;
    world.end(&task, &["a", "d/b"], Rest::New).await;
    world.walk(&files);
    assert_eq!(world.walk(&[]).gone, 3);
    world.check_counts().await;
    assert_eq!(world.manifest.counts(world.pair).await.unwrap().total(), 0);
    assert_eq!(world.state("d/n").await, None, "what was never sent leaves no trace");
    assert_eq!(world.walk(&files), ChangeCounts { back: 2, new: 1, ..ChangeCounts::default() });
    assert_eq!(names(&world.ready().await), ["d/n"]);
    world.walk(&[]);
    world.walk(&[("a", 1, 99)]);
    world.check_counts().await;
    assert_eq!(names(&world.ready().await), ["a"], "another inode is another file");
}

#[tokio::test]
async fn a_directory_that_could_not_be_read_keeps_its_files() {
    let world = World::new().await;
    world.walk(&[("a", 1, 1), ("d/b", 2, 2), ("d/e/c", 3, 3), ("dx", 1, 4), ("f/g", 1, 5)]);
    let mut comparison = world.manifest.comparison(world.pair, Found::Walk);
    comparison.listings(&[Listing::new("")]).unwrap();
    assert_eq!(comparison.finish(&["".into()], &["d".into()]).unwrap().gone, 3);
    assert_eq!(names(&world.ready().await), ["d/b", "d/e/c"]);
    let comparison = world.manifest.comparison(world.pair, Found::Walk);
    assert_eq!(comparison.finish(&["".into()], &["".into()]).unwrap().gone, 0, "the top itself");
    let comparison = world.manifest.comparison(world.pair, Found::Walk);
    assert_eq!(comparison.finish(&["d/e".into()], &[]).unwrap().gone, 1, "only below the walk's top");
    assert_eq!(names(&world.ready().await), ["d/b"]);
}

#[tokio::test]
async fn one_task_a_pair_with_what_is_still_new_and_as_it_was_read() {
    let world = World::new().await;
    world.walk(&[("a", 1, 1), ("b", 1, 2), ("c", 1, 3)]);
    let read = world.ready().await;
    world.walk(&[("a", 5, 1), ("c", 1, 3)]);
    let (task_row, files) = world
        .manifest
        .begin_task(world.pair, task(), read.clone(), vec![])
        .await
        .unwrap()
        .expect("c is as it was");
    assert_eq!(files.iter().map(|file| file.path.as_path()).collect::<Vec<_>>(), [Path::new("c")]);
    assert_eq!(world.manifest.unfinished_task(world.pair).await.unwrap().as_ref(), Some(&task_row));
    let refused = world.manifest.begin_task(world.pair, task(), world.ready().await, vec![]).await;
    assert!(matches!(refused, Err(ManifestError::TaskUnderWay { task, .. }) if task == task_row.number));
    assert!(matches!(world.manifest.reset(world.pair).await, Err(ManifestError::TaskUnderWay { .. })));
    assert_eq!(world.state("a").await, Some(FileState::New), "the refused task took nothing");
    let id = Uuid::new_v4();
    world.manifest.task_submitted(task_row.number, id).await.unwrap();
    let under_way = world.manifest.unfinished_task(world.pair).await.unwrap().unwrap();
    assert_eq!((under_way.task_id, under_way.state), (Some(id), TaskState::Active));
    world.end(&task_row, &[], Rest::New).await;
    assert_eq!(world.manifest.unfinished_task(world.pair).await.unwrap(), None);
    assert_eq!(names(&world.ready().await), ["a", "c"]);
    assert!(
        world.manifest.begin_task(world.pair, task(), vec![read[1].clone()], vec![]).await.unwrap().is_none()
    );
    assert_eq!(world.manifest.tasks(world.pair, 9).await.unwrap().len(), 1, "a task without files is none");
}

/// Otherwise these files would wait until the former time of the clock has come again.
#[tokio::test]
async fn after_a_clock_was_set_back_files_wait_no_longer_than_quiet() {
    let world = World::new().await;
    world.event(&[("a", 1, 1)]);
    let hour = jiff::SignedDuration::from_hours(1);
    let before = Timestamp::now() - hour;
    let ready = world.manifest.ready(world.pair, before, ALL).await.unwrap();
    assert!(
        ready.files.is_empty() && ready.newest_waiting.is_some_and(|newest| newest > before),
        "{ready:?}"
    );
    world.manifest.restart_quiet(world.pair, before).await.unwrap();
    assert_eq!(names(&world.manifest.ready(world.pair, before, ALL).await.unwrap().files), ["a"]);
}

#[tokio::test]
async fn batches_are_bounded_and_wait_for_quiet() {
    let world = World::new().await;
    world.walk(&[("a", 5, 1), ("b", 5, 2), ("d/c", 5, 3)]);
    let limit = |files, bytes| Limit { files, bytes };
    for (limit, count, more) in
        [(limit(2, 99), 2, true), (limit(9, 10), 2, true), (limit(9, 1), 1, true), (limit(3, 15), 3, false)]
    {
        let ready = world.manifest.ready(world.pair, Timestamp::now(), limit).await.unwrap();
        assert_eq!((ready.files.len(), ready.more), (count, more), "{limit:?}");
    }
    // An event tells that b is written to; a walk saw a change of a; the clock of d/c's writer is ahead.
    let before = Timestamp::now() - jiff::SignedDuration::from_secs(1);
    let mut comparison = world.manifest.comparison(world.pair, Found::Event);
    let stat = |size, inode| Stat { size, mtime: LONG_AGO, ctime: LONG_AGO, inode };
    comparison.paths(&[("b".into(), At::File(Kind::File, stat(5, 2)))]).unwrap();
    let ahead = Stat { mtime: i64::MAX, ..stat(5, 9) };
    let mut comparison = world.manifest.comparison(world.pair, Found::Walk);
    comparison
        .paths(&[("a".into(), At::File(Kind::File, stat(6, 1))), ("d/x".into(), At::File(Kind::File, ahead))])
        .unwrap();
    world.check_counts().await;
    let ready = world.manifest.ready(world.pair, before, ALL).await.unwrap();
    assert_eq!(names(&ready.files), ["d/c"]);
    let waiting = ready.oldest_waiting.unwrap();
    assert!(waiting.as_millisecond() >= before.as_millisecond() && waiting <= Timestamp::now());
    assert_eq!(names(&world.ready().await), ["a", "b", "d/c", "d/x"]);
}

#[tokio::test]
async fn what_cant_be_sent_is_counted_and_never_taken() {
    let world = World::new().await;
    let mut top = Listing::new("");
    let stat = Stat { size: 3, mtime: LONG_AGO, ctime: LONG_AGO, inode: 1 };
    top.push(OsStr::from_bytes(b"caf\xe9"), Kind::File, stat);
    top.push(OsStr::new("link"), Kind::Link, stat);
    top.push(OsStr::new("pipe"), Kind::Special, stat);
    top.push(OsStr::new("line\nbreak"), Kind::File, stat);
    top.sort();
    let mut below = Listing::new(OsStr::from_bytes(b"\xff"));
    below.push(OsStr::new("good name"), Kind::File, stat);
    let mut comparison = world.manifest.comparison(world.pair, Found::Walk);
    comparison.listings(&[top, below]).unwrap();
    let counts = world.manifest.counts(world.pair).await.unwrap();
    let unsendable = |why| counts.files(FileState::Unsendable(why));
    assert_eq!(
        [unsendable(Unsendable::Name), unsendable(Unsendable::Link), unsendable(Unsendable::Special)],
        [2, 1, 1]
    );
    assert_eq!(names(&world.ready().await), ["line\nbreak"]);
    let named =
        world.manifest.examples(world.pair, FileState::Unsendable(Unsendable::Name), 9).await.unwrap();
    assert_eq!(named.len(), 2);
    // A link takes the place of a file that is being sent: it is not taken for the file.
    let task = world.begin().await;
    let mut comparison = world.manifest.comparison(world.pair, Found::Event);
    comparison.paths(&[("line\nbreak".into(), At::File(Kind::Link, stat))]).unwrap();
    world.end(&task, &["line\nbreak"], Rest::New).await;
    assert!(world.ready().await.is_empty());
    assert!(world.manifest.deletable(world.pair, Timestamp::MAX, None, 9).await.unwrap().files.is_empty());
}

#[tokio::test]
async fn a_directory_in_the_place_of_a_file_and_the_other_way_round() {
    let world = World::new().await;
    world.walk(&[("d/a", 1, 1), ("d/e/b", 1, 2), ("d0", 1, 3)]);
    let mut comparison = world.manifest.comparison(world.pair, Found::Event);
    let stat = Stat { size: 1, mtime: LONG_AGO, ctime: LONG_AGO, inode: 8 };
    comparison.paths(&[("d".into(), At::File(Kind::File, stat))]).unwrap();
    world.check_counts().await;
    assert_eq!(names(&world.ready().await), ["d", "d0"]);
    comparison.paths(&[("d".into(), At::Nothing), ("d/not there".into(), At::Nothing)]).unwrap();
    assert_eq!(names(&world.ready().await), ["d0"]);
    world.check_counts().await;
}

#[tokio::test]
async fn only_what_a_verified_task_sent_and_nobody_touched_is_removed() {
    let world = World::new().await;
    let files = [("a", 1, 1), ("b", 1, 2), ("c", 1, 3), ("d/e", 1, 4)];
    world.walk(&files[..3]);
    let first = world.begin().await;
    world.manifest.mark_sent(first.number, vec!["a".into()]).await.unwrap();
    let deletable = async |limit| {
        let mut found = Vec::new();
        let mut from = None;
        loop {
            let page = world.manifest.deletable(world.pair, Timestamp::now(), from, limit).await.unwrap();
            found.extend(page.files);
            from = page.next;
            if from.is_none() {
                return found;
            }
        }
    };
    assert!(deletable(9).await.is_empty(), "its task has not ended");
    world.end(&first, &["a", "b"], Rest::Present).await;
    world.walk(&files);
    let unverified = NewTask { verified: false, ..task() };
    let (second, _) = world
        .manifest
        .begin_task(world.pair, unverified, world.ready().await, vec![])
        .await
        .unwrap()
        .unwrap();
    world.end(&second, &["d/e"], Rest::New).await;
    assert_eq!(names(&deletable(9).await), ["a", "b"]);
    assert_eq!(deletable(1).await, deletable(9).await, "page by page");
    let before = first.begun_at;
    assert!(world.manifest.deletable(world.pair, before, None, 9).await.unwrap().files.is_empty());

    let found: Vec<NewRemoval> = ["a", "b", "c", "d/e"]
        .map(|path| {
            let inode = files.iter().find(|file| file.0 == path).unwrap().2;
            let size = if path == "b" { 2 } else { 1 };
            NewRemoval { path: path.into(), stat: Stat { size, mtime: LONG_AGO, ctime: LONG_AGO, inode } }
        })
        .to_vec();
    let (no_task, removals) = world.manifest.begin_removal(world.pair, found, None).await.unwrap();
    assert!(no_task.is_none());
    assert_eq!(removals.len(), 1, "b is not as it was sent, c was not sent, d/e not verified: {removals:?}");
    assert_eq!((&removals[0].path, removals[0].sent_by), (&PathBuf::from("a"), first.number));
    assert_eq!(world.manifest.unfinished_removals(world.pair).await.unwrap(), removals);
    let kept = RemovalEnd::Kept("it is open".to_owned());
    world.manifest.end_removals(world.pair, vec![(removals[0].number, kept.clone())]).await.unwrap();
    assert_eq!(world.state("a").await, Some(FileState::Sent));
    assert_eq!(world.manifest.removals(world.pair, 9).await.unwrap()[0].end, Some(kept));

    let again = vec![NewRemoval { path: "a".into(), stat: removals[0].stat }];
    let (delete, removals) = world.manifest.begin_removal(world.pair, again, Some(task())).await.unwrap();
    let delete = delete.unwrap();
    assert_eq!((delete.kind, delete.files, removals[0].task), (TaskKind::Delete, 1, Some(delete.number)));
    world.manifest.end_removals(world.pair, vec![(removals[0].number, RemovalEnd::Removed)]).await.unwrap();
    world.end(&delete, &[], Rest::New).await;
    assert_eq!(world.state("a").await, None);
    assert_eq!(world.manifest.unfinished_removals(world.pair).await.unwrap(), []);
    let (none, _) = world.manifest.begin_removal(world.pair, vec![], Some(task())).await.unwrap();
    assert!(none.is_none());
    assert_eq!(world.manifest.unfinished_task(world.pair).await.unwrap(), None);
}

#[tokio::test]
async fn after_a_reset_everything_is_new_again() {
    let world = World::new().await;
    world.walk(&[("a", 1, 1), ("d/b", 1, 2)]);
    let task = world.begin().await;
    world.end(&task, &["a", "d/b"], Rest::New).await;
    world.manifest.reset(world.pair).await.unwrap();
    world.check_counts().await;
    assert_eq!(world.walk(&[("a", 1, 1), ("d/b", 1, 2)]).new, 2);
    assert_eq!(world.ready().await.len(), 2);
    assert_eq!(world.manifest.tasks(world.pair, 9).await.unwrap().len(), 1);
}
