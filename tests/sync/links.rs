//! A group that puts links to another group's data into its own directory, or swaps directories while they
//! are copied.

use super::moving::accept;
use super::site::{AT_ONCE, CLEAN_UP, SOURCE, Site, age, options, run, tree};
use beamshare::journal::DeliveryState;
use beamshare::sync::{Engine, Pair, RunResult, SyncReport, SyncState, controls};
use globus_simulator::Fault;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use uuid::Uuid;

const SECRET: &str = "secret of Chen";

/// Li's pair has a component below Li's own directory, and Chen's data lies beside it.
struct Groups {
    site: Site,
    engine: Engine,
    pair: Pair,
}

impl Groups {
    async fn new(more: &str) -> Groups {
        let site = Site::new(AT_ONCE).await;
        let groups = Groups::configured(site, more).await;
        fs::create_dir_all(groups.raw()).unwrap();
        fs::create_dir_all(groups.others("")).unwrap();
        // The same names as Li's, and others.
        for name in ["scan", "d/scan", "secret"] {
            fs::create_dir_all(groups.others(name).parent().unwrap()).unwrap();
            fs::write(groups.others(name), SECRET).unwrap();
            age(&groups.others(name), Duration::from_secs(60));
        }
        groups
    }

    async fn configured(site: Site, more: &str) -> Groups {
        let path = "{{ year_month }}/{{ pi_last_name }}/raw";
        let pair = site
            .local_pair(more)
            .replace("path = \"/data\"", &format!("path = \"/{path}\""))
            .replace("/2bm/raw", "/2bm/{{ year_month }}/{{ pi_last_name }}")
            .replace(
                &format!("local = \"{}\"", site.source("").display()),
                &format!("local = \"{}/{path}\"", site.path("source").display()),
            );
        site.configure(&pair);
        let engine = site.engine().await;
        let li = accept(&engine, "Li", "1", "2026-03/Li-1").await;
        if let Some(delivery) = engine.journal().last_whole_delivery(li.id).await.unwrap() {
            engine.journal().end_delivery(delivery.number, DeliveryState::Done, "").await.unwrap();
        }
        let pair = engine.pairs(Some(&li)).await.unwrap().remove(0).unwrap_or_else(|error| panic!("{error}"));
        Groups { site, engine, pair }
    }

    /// The same group and data with other settings of its pair.
    async fn reconfigure(self, more: &str) -> Groups {
        Groups::configured(self.site, more).await
    }

    fn raw(&self) -> PathBuf {
        self.site.path("source/2026-03/Li/raw")
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.raw().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        age(&path, Duration::from_secs(60));
    }

    fn others(&self, name: &str) -> PathBuf {
        self.site.path("source/2026-03/Chen/raw").join(name)
    }

    fn copy(&self) -> PathBuf {
        self.site.path("destination/2bm/2026-03/Li")
    }

    /// Another group's data at the destination.
    fn foreign(&self) -> Vec<PathBuf> {
        let copied = tree(&self.site.path("destination"));
        let secret = |content: &Vec<u8>| content.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
        copied.into_iter().filter(|(_, content)| secret(content)).map(|(path, _)| path).collect()
    }

    /// Runs the pair, and does something while Globus has its task and has not begun to copy, and more when
    /// it has ended.
    async fn swapped(&self, at_start: impl FnOnce(), at_end: impl FnOnce()) -> RunResult {
        self.site.globus.fault(Fault::task_pause("transfer", "wait"));
        let (sender, mut report) = watch::channel(SyncReport::default());
        let (options, (_controller, control)) = (options(), controls());
        let swap = async {
            report.wait_for(|report| report.state == SyncState::Paused).await.unwrap();
            at_start();
            // Looking at a task that has ended takes until it is restored.
            self.site.globus.fault(Fault::answer("task_get", 503).times(3));
            self.site.globus.resume_tasks();
            let ended = || self.site.globus.tasks().iter().all(|task| task["status"] != "ACTIVE");
            for _ in 0..4000 {
                if ended() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert!(ended(), "{:?}", self.site.globus.tasks());
            at_end();
        };
        let (ended, ()) = tokio::join!(self.engine.run(&self.pair, &options, control, sender), swap);
        ended.unwrap().result
    }
}

/// A link in Li's directory that leads to Chen's data once it stands at this path below Li's directory.
/// Collections refuse links with absolute targets.
fn link_for(groups: &Groups, at: &str, to: &str) -> PathBuf {
    let link = groups.site.path("source/2026-03/Li").join(Uuid::new_v4().to_string());
    let up = "../".repeat(at.split('/').count());
    symlink(format!("{up}Chen/raw/{to}"), &link).unwrap();
    link
}

/// Exchanges two names at once.
fn swap(one: &Path, other: &Path) {
    assert!(try_swap(one, other), "{one:?} and {other:?} are there");
}

/// False where one of them is not there.
fn try_swap(one: &Path, other: &Path) -> bool {
    let (cwd, flags) = (rustix::fs::CWD, rustix::fs::RenameFlags::EXCHANGE);
    match rustix::fs::renameat_with(cwd, one, cwd, other, flags) {
        Ok(()) => true,
        Err(rustix::io::Errno::NOENT) => false,
        Err(error) => panic!("{error}"),
    }
}

fn is_link(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink())
}

#[tokio::test]
async fn a_link_below_the_groups_own_directory_is_not_followed() {
    let groups = Groups::new(AT_ONCE).await;
    fs::remove_dir_all(groups.raw()).unwrap();
    symlink("../Chen/raw", groups.raw()).unwrap();
    let ended = run(&groups.engine, &groups.pair).await;
    assert_eq!(groups.foreign(), Vec::<PathBuf>::new());
    assert!(
        matches!(&ended.result, RunResult::Failed(why) if why.to_string().contains("symbolic link")),
        "{:?}",
        ended.result
    );
    assert_eq!(groups.site.globus.count("transfer"), 0);
}

#[tokio::test]
async fn clean_up_does_not_go_through_a_link_either() {
    let groups = Groups::new(AT_ONCE).await;
    groups.write("scan", SECRET.replace("Chen", "Li's"));
    // Of the same size, time and, by a hard link, the same inode.
    fs::remove_file(groups.others("scan")).unwrap();
    fs::hard_link(groups.raw().join("scan"), groups.others("scan")).unwrap();
    run(&groups.engine, &groups.pair).await;
    let groups = groups.reconfigure(CLEAN_UP).await;
    fs::rename(groups.raw(), groups.site.path("source/2026-03/Li/away")).unwrap();
    symlink("../Chen/raw", groups.raw()).unwrap();
    let (sender, _) = watch::channel(SyncReport::default());
    let (options, (_controller, control)) = (options(), controls());
    let mut on_removal = |path: &Path| panic!("{path:?} is removed");
    let cleaned =
        groups.engine.clean_up(&groups.pair, &options, false, control, sender, &mut on_removal).await;
    assert!(cleaned.is_err() || cleaned.is_ok_and(|report| report.removed == 0));
    assert!(groups.others("scan").exists());
}

#[tokio::test]
async fn a_directory_that_becomes_a_link_after_it_was_handed_in_leaks_nothing() {
    for put_back in [false, true] {
        let groups = Groups::new(AT_ONCE).await;
        for name in ["scan", "d/scan", "own"] {
            groups.write(name, "data of Li");
        }
        let link = link_for(&groups, "raw", "");
        let exchange = || swap(&groups.raw(), &link);
        let result = groups
            .swapped(exchange, || {
                if put_back {
                    exchange()
                }
            })
            .await;
        assert!(
            matches!(&result, RunResult::Failed(why) if why.to_string().contains("another")),
            "{result:?}"
        );
        assert_eq!(groups.foreign(), Vec::<PathBuf>::new(), "put back: {put_back}");
        if !put_back {
            exchange();
        }
        assert_eq!(run(&groups.engine, &groups.pair).await.result, RunResult::Done);
        assert_eq!(tree(&groups.copy()), tree(&groups.raw()), "its own data arrives");
    }
}

#[tokio::test]
async fn a_directory_or_file_below_that_is_swapped_leaks_nothing() {
    for put_back in [false, true] {
        let groups = Groups::new(AT_ONCE).await;
        for name in ["scan", "d/scan", "own"] {
            groups.write(name, "data of Li");
        }
        let (directory, file) = (link_for(&groups, "raw/d", "d"), link_for(&groups, "raw/scan", "secret"));
        let exchange = || {
            swap(&groups.raw().join("d"), &directory);
            swap(&groups.raw().join("scan"), &file);
        };
        let result = groups
            .swapped(exchange, || {
                if put_back {
                    exchange()
                }
            })
            .await;
        assert!(
            matches!(&result, RunResult::Failed(why) if why.to_string().contains("another")),
            "{result:?}"
        );
        assert_eq!(groups.foreign(), Vec::<PathBuf>::new(), "put back: {put_back}");
        if !put_back {
            exchange();
        }
        assert_eq!(run(&groups.engine, &groups.pair).await.result, RunResult::Done);
        assert_eq!(tree(&groups.copy()), tree(&groups.raw()));
    }
}

#[tokio::test]
async fn what_was_copied_through_a_link_and_is_gone_at_the_source_leaves_the_copy() {
    let groups = Groups::new(AT_ONCE).await;
    groups.write("scan", "data of Li");
    groups.write("own", "data of Li");
    let scan = groups.raw().join("scan");
    let replace = || {
        fs::remove_file(&scan).unwrap();
        symlink("../../Chen/raw/secret", &scan).unwrap();
    };
    groups.swapped(replace, || fs::remove_file(&scan).unwrap()).await;
    assert_eq!(groups.foreign(), Vec::<PathBuf>::new());
    assert_eq!(tree(&groups.copy()), tree(&groups.raw()));
}

#[tokio::test]
async fn a_hard_link_to_another_groups_file_is_not_sent() {
    let groups = Groups::new(AT_ONCE).await;
    groups.write("own", "data of Li");
    fs::hard_link(groups.raw().join("own"), groups.raw().join("own, once more")).unwrap();
    fs::hard_link(groups.others("secret"), groups.raw().join("taken")).unwrap();
    let ended = run(&groups.engine, &groups.pair).await;
    assert_eq!((ended.result, ended.sent), (RunResult::Done, 2));
    assert!(ended.remarks.join(" ").contains("hard link"), "{:?}", ended.remarks);
    assert_eq!(groups.foreign(), Vec::<PathBuf>::new());
    // Once the other name is gone, the file is nobody else's.
    fs::remove_file(groups.others("secret")).unwrap();
    let ended = run(&groups.engine, &groups.pair).await;
    assert_eq!((ended.result, ended.sent), (RunResult::Done, 1));
}

/// What a file that is written, or moved with its directory, during a transfer is not: foreign.
#[tokio::test]
async fn ordinary_work_during_a_transfer_takes_nothing_from_the_copy() {
    let groups = Groups::new(AT_ONCE).await;
    for name in ["rewritten", "kept", "d/kept", "e/kept"] {
        groups.write(name, format!("{name}, data of Li"));
    }
    let work = || {
        groups.write("new", "came meanwhile");
        groups.write("d/new", "came meanwhile");
        fs::set_permissions(groups.raw().join("kept"), std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
        fs::create_dir(groups.site.path("source/2026-03/Li/analysis")).unwrap();
    };
    let result = groups.swapped(work, || {}).await;
    assert_eq!(result, RunResult::Done);
    assert_eq!(run(&groups.engine, &groups.pair).await.result, RunResult::Done);
    assert_eq!(tree(&groups.copy()), tree(&groups.raw()));
    assert_eq!(groups.site.globus.count("delete"), 0, "nothing was taken from the copy");
}

/// Swaps at random moments while runs and clean-ups follow each other, until it is told to stop.
fn swap_at_random(groups: &[(PathBuf, PathBuf)], stop: &AtomicBool) -> u64 {
    let mut swaps = 0;
    while !stop.load(Ordering::Relaxed) {
        let random = Uuid::new_v4().as_u128();
        let (one, other) = &groups[(random % groups.len() as u128) as usize];
        // Through the link they would be exchanged in Chen's directory, where Li can't write.
        if is_link(one.parent().unwrap()) {
            swap(&groups[0].0, &groups[0].1);
            continue;
        }
        // Clean-up may have removed it.
        try_swap(one, other);
        std::thread::sleep(Duration::from_micros((random >> 64) as u64 % 30_000));
        // Most of the time everything is as it should be when a run begins.
        if !random.is_multiple_of(5) {
            try_swap(one, other);
            std::thread::sleep(Duration::from_micros((random >> 96) as u64 % 60_000));
        }
        swaps += 1;
    }
    swaps
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swaps_at_random_moments_leak_nothing() {
    let groups = Groups::new(AT_ONCE).await.reconfigure(CLEAN_UP).await;
    let pairs = [("raw", ""), ("raw/d", "d"), ("raw/scan", "scan")]
        .map(|(at, to)| (groups.site.path("source/2026-03/Li").join(at), link_for(&groups, at, to)));
    let before = tree(&groups.others(""));
    let rounds: u32 = std::env::var("BEAMSHARE_SWAPS").ok().and_then(|text| text.parse().ok()).unwrap_or(25);
    let (mut sent, mut stopped, mut swaps) = (0, 0, 0);
    groups.site.globus.change_limits(|limits| limits.bytes_per_second = Some(400_000));
    for round in 0..rounds {
        // Written with nobody at work.
        for name in ["scan", "d/scan", "d/more"] {
            groups.write(name, format!("{round} data of Li {}", "x".repeat(3000)));
        }
        let stop = AtomicBool::new(false);
        let ended = std::thread::scope(|scope| {
            let swapper = scope.spawn(|| {
                let swaps = swap_at_random(&pairs, &stop);
                for (one, other) in pairs.iter() {
                    if is_link(one) {
                        swap(one, other);
                    }
                }
                swaps
            });
            let ended = tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(run(&groups.engine, &groups.pair))
            });
            stop.store(true, Ordering::Relaxed);
            swaps += swapper.join().unwrap();
            ended
        });
        sent += ended.sent;
        stopped += u32::from(matches!(ended.result, RunResult::Failed(_)));
        assert_eq!(groups.foreign(), Vec::<PathBuf>::new(), "round {round}: {:?}", ended.result);
        assert_eq!(tree(&groups.others("")), before, "round {round}: clean-up took another group's file");
    }
    assert!(swaps > u64::from(rounds) && sent > 0, "{swaps} swaps, {sent} sent");
    eprintln!("{rounds} runs, {swaps} swaps, {stopped} stopped, {sent} files sent, 0 foreign");
    for _ in 0..2 {
        run(&groups.engine, &groups.pair).await;
    }
    let there = tree(&groups.copy());
    for name in ["scan", "d/scan", "d/more"] {
        assert!(there.contains_key(Path::new(name)), "{name} arrives in the end");
    }
    assert_ne!(SOURCE, Uuid::nil());
}
