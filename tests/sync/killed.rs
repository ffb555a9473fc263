//! kill -9 at random moments, over and over, while files keep arriving: nothing is lost, whatever happens.

use super::site::{CLEAN_UP, Site, tree};
use globus_simulator::Fault;
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use uuid::Uuid;

/// A number of no special kind below a bound.
fn random(below: u64) -> u64 {
    (Uuid::new_v4().as_u128() % u128::from(below)) as u64
}

/// What each path held when it was last written, as far as it still existed then.
type Written = BTreeMap<PathBuf, Vec<u8>>;

/// Takes data until it is told to stop: new files, files that grow, files that are written anew.
fn take_data(top: &Path, stop: &AtomicBool) -> Written {
    let mut written = Written::new();
    let mut n = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        n += 1;
        let content: Vec<u8> = Uuid::new_v4().as_bytes().repeat(1 + random(400) as usize);
        let earlier = written.keys().nth(random(written.len().max(1) as u64) as usize).cloned();
        match (random(4), earlier) {
            (0, Some(path)) => {
                // Grows, where it is still there. What was removed a moment before is not written to any
                // more.
                let Ok(mut file) = std::fs::File::options().append(true).open(top.join(&path)) else {
                    continue;
                };
                file.write_all(&content).unwrap();
                let same = std::fs::metadata(top.join(&path))
                    .is_ok_and(|named| named.ino() == file.metadata().unwrap().ino());
                if same {
                    written.get_mut(&path).unwrap().extend(&content);
                }
            }
            (1, Some(path)) => {
                // Replaced as programs do it, with a name that is sent, too.
                let new = top.join(format!("new {n}"));
                std::fs::write(&new, &content).unwrap();
                std::fs::create_dir_all(top.join(&path).parent().unwrap()).unwrap();
                // Sent and removed under its first name, where beamshare was that fast.
                if std::fs::rename(&new, top.join(&path)).is_ok() {
                    written.insert(path, content);
                } else {
                    written.insert(PathBuf::from(format!("new {n}")), content);
                }
            }
            _ => {
                let path = PathBuf::from(format!("scan {}/{n}.h5", random(6)));
                // Clean-up may remove the directory that became empty in between.
                while std::fs::create_dir_all(top.join(&path).parent().unwrap()).is_err()
                    || std::fs::write(top.join(&path), &content).is_err()
                {}
                written.insert(path, content);
            }
        }
        std::thread::sleep(Duration::from_millis(random(15)));
    }
    written
}

async fn kill_over_and_over(site: Site) {
    let stop = AtomicBool::new(false);
    let top = site.source("");
    let folder = site.folder.path().to_owned();
    let rounds: u64 = std::env::var("BEAMSHARE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(40);
    let (written, kills) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| take_data(&top, &stop));
        let mut kills = 0;
        for round in 0..rounds {
            if round % 5 == 4 {
                let faults =
                    ["transfer", "submission_id", "task_get", "task_successful_transfers", "ls", "delete"];
                site.globus.fault(Fault::cut_after(faults[random(6) as usize]));
            }
            let verb = if round % 3 == 2 { "clean" } else { "run" };
            let mut command = Command::new(env!("CARGO_BIN_EXE_beamshare"));
            command.current_dir(&folder).args(["sync", verb]).env_remove("BEAMSHARE_CONFIG");
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            // A run takes some hundred ms: killed in its beginning, middle and end, or not at all.
            std::thread::sleep(Duration::from_millis(20 + random(600)));
            kills += u64::from(child.try_wait().unwrap().is_none());
            child.kill().unwrap();
            child.wait().unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        (writer.join().unwrap(), kills)
    });
    assert!(kills > rounds / 3, "killed while they were at work: {kills} of {rounds}");
    site.globus.clear_faults();
    // What is left of the killed ones, and what came last.
    let mut sent = 0;
    for _ in 0..3 {
        sent += site.done().await.sent;
    }
    let (here, there) = (tree(&site.source("")), tree(&site.destination("")));
    let mut gone = 0;
    for (path, content) in &written {
        assert!(there.get(path) == Some(content), "{path:?} is not whole at the destination");
        gone += usize::from(!here.contains_key(path));
    }
    for (path, content) in &here {
        assert!(there.get(path) == Some(content), "{path:?} is at the source and not at the destination");
    }
    assert!(gone > written.len() / 4, "clean-up has worked: {gone} of {} are gone", written.len());
    eprintln!(
        "{kills} kills, {} files written, {gone} gone at the source, {sent} sent by the last runs",
        written.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_with_a_source_on_this_machine() {
    kill_over_and_over(Site::new(CLEAN_UP).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_never_doubled() {
    let site = Site::new("quiet = \"1ms\"\n").await;
    for n in 0..200 {
        site.write(format!("{n}"), vec![n as u8; 2000]);
    }
    // Long enough that each run is killed within it.
    site.globus.change_limits(|limits| limits.task_milliseconds = 3000);
    let folder = site.folder.path().to_owned();
    tokio::task::spawn_blocking(move || {
        for _ in 0..6 {
            let mut command = Command::new(env!("CARGO_BIN_EXE_beamshare"));
            command.current_dir(&folder).args(["sync", "run"]).stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = command.spawn().unwrap();
            std::thread::sleep(Duration::from_millis(50 + random(500)));
            child.kill().unwrap();
            child.wait().unwrap();
        }
    })
    .await
    .unwrap();
    assert_eq!(site.done().await.result, beamshare::sync::RunResult::Done);
    site.done().await;
    assert_eq!(site.globus.tasks().len(), 1, "one task for what was new once");
    assert_eq!(tree(&site.destination("")), tree(&site.source("")));
}
