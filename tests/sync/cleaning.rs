//! What may go at the source, and above all what may not.

use super::site::{AT_ONCE, CLEAN_UP, DESTINATION, SOURCE, Site, age, options, the_pair, tree};
use beamshare::sync::manifest::FileState;
use beamshare::sync::{CleanUpReport, RunResult, SyncReport, SyncState, controls};
use globus_simulator::Fault;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;

const MINUTE: Duration = Duration::from_secs(60);

impl Site {
    /// Cleans the pair up; the answer has the paths that went, or would.
    pub async fn clean(&self, dry_run: bool) -> (CleanUpReport, Vec<PathBuf>) {
        let engine = self.engine().await;
        let pair = the_pair(&engine).await;
        let (sender, _) = watch::channel(SyncReport::default());
        let mut gone = vec![];
        let mut on_removal = |path: &Path| gone.push(path.to_owned());
        let (options, (_controller, control)) = (options(), controls());
        let report = engine.clean_up(&pair, &options, dry_run, control, sender, &mut on_removal).await;
        gone.sort();
        (report.unwrap_or_else(|error| panic!("{error}")), gone)
    }

    /// Sends everything with no clean-up in the settings, then puts it in.
    pub async fn sent_then_clean_up(names: &[&str]) -> Site {
        let site = Site::new(AT_ONCE).await;
        for name in names {
            site.write(name, format!("content of {name}"));
            age(&site.source(name), MINUTE);
        }
        assert_eq!(site.done().await.sent, names.len() as u64);
        site.configure(&site.local_pair(CLEAN_UP));
        site
    }

    pub fn is_there(&self, name: &str) -> bool {
        self.source(name).symlink_metadata().is_ok()
    }
}

pub fn reasons(report: &CleanUpReport) -> String {
    report.kept.iter().map(|kept| format!("{} {} {:?}\n", kept.files, kept.reason, kept.example)).collect()
}

#[tokio::test]
async fn only_what_is_as_it_was_sent_goes() {
    let names = [
        "goes",
        "d/goes",
        "only ours/deep/goes",
        "grown",
        "same size",
        "replaced",
        "link",
        "directory",
        "touched",
        "\n odd",
        "not alone/goes",
        "swapped/inside",
        "written",
    ];
    let site = Site::sent_then_clean_up(&names).await;
    // After the transfer, before the clean-up:
    std::fs::write(site.source("grown"), "content of grown, and more").unwrap();
    std::fs::write(site.source("same size"), "CONTENT OF same size").unwrap();
    // Same size and time, another file.
    let time = std::fs::metadata(site.source("replaced")).unwrap().modified().unwrap();
    std::fs::write(site.source("new"), "CONTENT OF replaced").unwrap();
    std::fs::File::options().append(true).open(site.source("new")).unwrap().set_modified(time).unwrap();
    std::fs::rename(site.source("new"), site.source("replaced")).unwrap();
    let outside = tempfile::tempdir().unwrap();
    std::fs::rename(site.source("link"), outside.path().join("link")).unwrap();
    symlink(outside.path().join("link"), site.source("link")).unwrap();
    std::fs::remove_file(site.source("directory")).unwrap();
    std::fs::create_dir(site.source("directory")).unwrap();
    age(&site.source("touched"), 2 * MINUTE);
    std::fs::write(site.source("not alone/came later"), "x").unwrap();
    std::fs::create_dir(site.source("d/empty, of somebody else")).unwrap();
    std::fs::create_dir(site.source("empty, of somebody else")).unwrap();
    // A directory that is a link now, to one with the very same file.
    std::fs::rename(site.source("swapped"), outside.path().join("swapped")).unwrap();
    symlink(outside.path().join("swapped"), site.source("swapped")).unwrap();
    // Open for writing, and not yet written to.
    let writer = std::fs::File::options().append(true).open(site.source("written")).unwrap();

    let before = tree(&site.source(""));
    let (would, listed) = site.clean(true).await;
    assert_eq!(tree(&site.source("")), before, "a dry run removes nothing");
    let (report, gone) = site.clean(false).await;
    let expected: Vec<PathBuf> = ["\n odd", "d/goes", "goes", "not alone/goes", "only ours/deep/goes"]
        .iter()
        .map(PathBuf::from)
        .collect();
    assert_eq!(gone, expected, "{}", reasons(&report));
    // What is open for writing is found out when it is to go.
    assert_eq!(
        listed.iter().filter(|path| *path != Path::new("written")).cloned().collect::<Vec<_>>(),
        expected
    );
    assert_eq!(would.directories, 0);
    for name in [
        "grown",
        "same size",
        "replaced",
        "link",
        "directory",
        "touched",
        "not alone/came later",
        "swapped",
        "written",
    ] {
        assert!(site.is_there(name), "{name}: {}", reasons(&report));
    }
    assert!(outside.path().join("link").exists() && outside.path().join("swapped/inside").exists());
    // Directories: only those that became empty by that.
    assert!(
        !site.is_there("only ours")
            && site.is_there("not alone")
            && site.is_there("d/empty, of somebody else")
    );
    assert!(site.is_there("empty, of somebody else") && site.source("").is_dir());
    assert_eq!(report.directories, 2);
    assert!(reasons(&report).contains("open for writing"), "{}", reasons(&report));
    drop(writer);

    // The journal of it.
    let engine = site.engine().await;
    let pair = the_pair(&engine).await;
    assert_eq!(
        engine
            .manifest()
            .removals(pair.row.id, 100)
            .await
            .unwrap()
            .iter()
            .filter(|row| row.end == Some(beamshare::sync::manifest::RemovalEnd::Removed))
            .count(),
        5
    );
    assert!(engine.manifest().unfinished_removals(pair.row.id).await.unwrap().is_empty());
    // Everything that is gone is whole at the destination.
    let there = tree(&site.destination(""));
    for (path, content) in before {
        assert!(site.source(&path).exists() || there.get(&path) == Some(&content), "{path:?}");
    }
}

#[tokio::test]
async fn what_changes_while_it_is_sent_or_comes_later_stays() {
    let site = Site::new(CLEAN_UP).await;
    site.write("same size", vec![1; 60_000]);
    site.write("quiet", "x");
    age(&site.source("same size"), MINUTE);
    age(&site.source("quiet"), MINUTE);
    site.globus.fault(Fault::task_pause("transfer", "wait"));
    let engine = site.engine().await;
    let pair = the_pair(&engine).await;
    let (sender, mut report) = watch::channel(SyncReport::default());
    let (options, (_controller, control)) = (options(), controls());
    let change = async {
        report.wait_for(|report| report.state == SyncState::Paused).await.unwrap();
        std::fs::write(site.source("same size"), vec![2; 60_000]).unwrap();
        site.write("later", "came after the walk");
        site.globus.resume_tasks();
    };
    let (ended, ()) = tokio::join!(engine.run(&pair, &options, control, sender), change);
    let ended = ended.unwrap();
    assert_eq!(ended.result, RunResult::Done);
    // Also what the run itself has sent less than `keep` ago.
    site.clean(false).await;
    assert!(!site.is_there("quiet") && site.is_there("later"));
    assert_eq!(std::fs::read(site.source("same size")).unwrap(), vec![2; 60_000]);
    // The next run finds the change, and the destination has it already: never verified by a transfer, so it
    // stays.
    site.done().await;
    site.clean(false).await;
    assert!(site.is_there("same size") && !site.is_there("later"));
}

#[tokio::test]
async fn what_the_destination_had_before_or_lost_since_stays() {
    let site = Site::new(AT_ONCE).await;
    for name in ["before", "lost", "cut", "fine"] {
        site.write(name, name);
        age(&site.source(name), MINUTE);
    }
    std::fs::create_dir_all(site.destination("")).unwrap();
    std::fs::write(site.destination("before"), "before").unwrap();
    let ended = site.done().await;
    assert_eq!((ended.sent, ended.present), (3, 1));
    std::fs::remove_file(site.destination("lost")).unwrap();
    std::fs::write(site.destination("cut"), "c").unwrap();
    site.configure(&site.local_pair(CLEAN_UP));
    let (report, gone) = site.clean(false).await;
    assert_eq!(gone, [PathBuf::from("fine")], "{}", reasons(&report));
    let why = reasons(&report);
    assert!(
        why.contains("1 the destination had it before") && why.contains("2 the destination does not have it"),
        "{why}"
    );
    // Nor after everything is forgotten.
    let engine = site.engine().await;
    engine.reset(&the_pair(&engine).await, "the test").await.unwrap();
    site.write("lost", "lost");
    site.done().await;
    assert!(site.is_there("before"));
}

#[tokio::test]
async fn a_wrong_local_directory_loses_nothing() {
    let site = Site::new(AT_ONCE).await;
    // The settings mean another directory, which has files of the same names and sizes.
    let wrong = tempfile::tempdir().unwrap();
    site.write("a", "data of the collection");
    std::fs::write(wrong.path().join("a"), "local data, not sent!!").unwrap();
    age(&wrong.path().join("a"), MINUTE);
    age(&site.source("a"), 2 * MINUTE);
    let pair =
        site.local_pair(CLEAN_UP).replace(site.source("").to_str().unwrap(), wrong.path().to_str().unwrap());
    site.configure(&pair);
    let ended = site.done().await;
    assert_eq!(ended.sent, 1);
    let (report, _) = site.clean(false).await;
    assert!(wrong.path().join("a").exists() && site.is_there("a"));
    assert!(reasons(&report).contains("source.local is another directory"), "{}", reasons(&report));
}

#[tokio::test]
async fn what_was_sent_without_checksums_or_a_moment_ago_stays() {
    let site = Site::new(&format!("{AT_ONCE}verify = false\n")).await;
    site.write("unverified", "x");
    site.done().await;
    site.configure(&site.local_pair(AT_ONCE));
    site.write("verified", "x");
    site.done().await;
    site.configure(&site.local_pair(&format!("{AT_ONCE}[sync.clean_up]\nkeep = \"1h\"\n")));
    let (report, gone) = site.clean(false).await;
    assert!(gone.is_empty() && reasons(&report).contains("2 sent less than"), "{}", reasons(&report));
    site.configure(&site.local_pair(CLEAN_UP));
    assert_eq!(site.clean(false).await.1, [PathBuf::from("verified")]);
    assert!(site.is_there("unverified"));
}

#[tokio::test]
async fn files_of_a_failed_task_that_it_did_not_copy_stay() {
    let site = Site::new(CLEAN_UP).await;
    for n in 0..4 {
        site.write(format!("{n}"), vec![n; 1000]);
        age(&site.source(format!("{n}")), MINUTE);
    }
    site.globus.set_quota(DESTINATION, Some(2500));
    let ended = site.run().await;
    assert!(matches!(ended.result, RunResult::Failed(_)));
    site.clean(false).await;
    let (there, here) = (tree(&site.destination("")), tree(&site.source("")));
    assert_eq!(here.len(), 2, "{:?}", ended.clean_up);
    for n in 0..4 {
        let path = PathBuf::from(format!("{n}"));
        assert_eq!(here.get(&path).or(there.get(&path)), Some(&vec![n; 1000]), "{path:?}");
    }
    // A task that Globus lost altogether.
    site.globus.set_quota(DESTINATION, None);
    site.globus.fault(Fault::task_fail("transfer", "ENDPOINT_ERROR"));
    site.run().await;
    site.clean(false).await;
    assert_eq!(tree(&site.source("")), here);
}

#[tokio::test]
async fn the_free_space_mark_starts_it_and_ends_it() {
    let site = Site::sent_then_clean_up(&["a", "b/c"]).await;
    site.configure(&site.local_pair(&format!("{CLEAN_UP}below = \"1MB\"\n")));
    let (report, gone) = site.clean(false).await;
    assert!(gone.is_empty() && report.enough_free.is_some_and(|free| free > 1_000_000), "{report:?}");
    assert!(report.sentence().contains("are free"));
    site.configure(&site.local_pair(&format!("{CLEAN_UP}below = \"8PB\"\n")));
    assert_eq!(site.clean(false).await.1.len(), 2);
}

#[tokio::test]
async fn without_clean_up_nothing_goes() {
    let site = Site::new(AT_ONCE).await;
    site.write("a", "a");
    assert_eq!(site.done().await.clean_up, None);
    assert!(site.is_there("a"));
    let engine = site.engine().await;
    let pair = the_pair(&engine).await;
    let (sender, _) = watch::channel(SyncReport::default());
    let refused =
        engine.clean_up(&pair, &options(), false, controls().1, sender, &mut |_| {}).await.unwrap_err();
    assert!(refused.to_string().contains("no [sync.clean_up]"), "{refused}");
}

#[tokio::test]
async fn a_remote_source_is_cleaned_by_a_delete_task_after_a_fresh_look() {
    let site = Site::remote(AT_ONCE).await;
    for name in ["goes", "d/goes", "changed", "* ?", "c*"] {
        site.write(name, name);
        age(&site.source(name), MINUTE);
    }
    site.done().await;
    site.configure(&site.remote_pair(CLEAN_UP));
    std::fs::write(site.source("changed"), "changed since").unwrap();
    site.write("later", "x");
    let (_, would) = site.clean(true).await;
    assert_eq!((would.len(), site.globus.count("delete")), (4, 0));
    let (report, gone) = site.clean(false).await;
    assert_eq!((gone, report.removed), (would, 4), "{}", reasons(&report));
    assert!(
        site.is_there("changed") && site.is_there("later") && site.is_there("d") && !site.is_there("goes")
    );

    // A deletion that fails, and one whose answer is lost.
    for (n, fault) in
        [Fault::task_fail("delete", "PERMISSION_DENIED"), Fault::cut_after("delete")].into_iter().enumerate()
    {
        let name = format!("more {n}");
        site.write(&name, &name);
        age(&site.source(&name), MINUTE);
        site.globus.fault(fault);
        site.done().await;
    }
    site.done().await;
    assert!(!site.is_there("more 0") && !site.is_there("more 1"));
    let engine = site.engine().await;
    let pair = the_pair(&engine).await;
    assert!(engine.manifest().unfinished_removals(pair.row.id).await.unwrap().is_empty());
    assert_eq!(std::fs::read(site.destination("goes")).unwrap(), b"goes");
    assert_ne!(SOURCE, DESTINATION);
}

/// A remote clean-up that was killed when its removals were written down, and not yet at Globus.
pub async fn killed(names: &[&str]) -> Site {
    let site = Site::remote(AT_ONCE).await;
    for name in names {
        site.write(name, name);
        age(&site.source(name), 60 * MINUTE);
    }
    site.done().await;
    site.configure(&site.remote_pair(CLEAN_UP));
    site.globus.fault(Fault::cut_before("delete").always());
    let engine = site.engine().await;
    let pair = the_pair(&engine).await;
    {
        let (sender, mut report) = watch::channel(SyncReport::default());
        let (options, mut on_removal) = (options(), |_: &Path| ());
        let clean = engine.clean_up(&pair, &options, false, controls().1, sender, &mut on_removal);
        tokio::select! {
            ended = clean => panic!("{ended:?}"),
            shown = report.wait_for(|report| report.state == SyncState::Away) => drop(shown.unwrap()),
        }
    }
    assert_eq!(engine.manifest().unfinished_removals(pair.row.id).await.unwrap().len(), names.len());
    site.globus.clear_faults();
    site
}

#[tokio::test]
async fn a_killed_remote_clean_up_removes_nothing_that_changed_meanwhile() {
    let site = killed(&["a", "b"]).await;
    site.write("a", "changed meanwhile");
    site.done().await;
    site.done().await;
    let there = tree(&site.destination(""));
    assert_eq!(there[Path::new("a")], b"changed meanwhile");
    assert!(!site.is_there("b"), "as it was sent: it went in the end");
    assert_eq!(site.files(FileState::Sending).await, 0);
}

/// Another program wrote other data of the same size and set the time back, as `touch -r` and `cp -p` do.
#[tokio::test]
async fn a_rewritten_file_with_its_time_set_back_is_sent_again_and_not_removed_before() {
    for level in ["checksum", "mtime", "size"] {
        let settings = format!("level = \"{level}\"\n");
        let site = Site::new(&format!("{settings}{AT_ONCE}")).await;
        for name in ["rewritten", "with other rights", "as it was"] {
            site.write(name, format!("content of {name}"));
            age(&site.source(name), MINUTE);
        }
        assert_eq!(site.done().await.sent, 3);
        let time = std::fs::metadata(site.source("rewritten")).unwrap().modified().unwrap();
        std::fs::write(site.source("rewritten"), "CONTENT OF rewritten").unwrap();
        std::fs::File::options()
            .append(true)
            .open(site.source("rewritten"))
            .unwrap()
            .set_modified(time)
            .unwrap();
        let rights = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(site.source("with other rights"), rights).unwrap();
        site.configure(&site.local_pair(&format!("{settings}{CLEAN_UP}")));
        // Without a new look at the source, clean-up still finds that it changed.
        let (report, gone) = site.clean(false).await;
        assert_eq!(gone, [PathBuf::from("as it was")], "{level}: {}", reasons(&report));
        let ended = site.done().await;
        assert_eq!((ended.sent, ended.present), (1, 1), "{level}: {ended:?}");
        assert_eq!(std::fs::read(site.destination("rewritten")).unwrap(), b"CONTENT OF rewritten", "{level}");
        // Both went, once the destination was seen to have their content.
        assert_eq!(ended.clean_up.map(|report| report.removed), Some(2), "{level}");
    }
}
