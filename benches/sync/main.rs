//! `make bench`: what the memory of moved files costs, on a tree of a million files that the system has in
//! its caches: a walk against `find`, memory, how soon a change is seen, and files a second through the
//! manifest. Prints a table.
//!
//! Walks are processes of their own, so that their memory is theirs alone and `find`'s start counts as ours
//! does.

use beamshare::sync::events::{Follower, Options};
use beamshare::sync::manifest::{
    Counts, End, FileState, Limit, Manifest, NewPair, NewTask, PairId, Place, Rest, TaskState,
};
use beamshare::sync::openat::SourceDirectory;
use beamshare::sync::walk::{self, Tree};
use comfy_table::{Table, presets};
use jiff::Timestamp;
use rustix::fs::{Mode, OFlags, openat};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Scans, each a directory of its own.
const DIRECTORIES: usize = 1000;
/// Images of a scan.
const FILES: usize = 1000;
/// How often each figure is taken; the middle one counts.
const TIMES: usize = 5;
/// Files that come at once.
const BURST: usize = 10_000;
/// Files of one task.
const TASK: usize = 10_000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    // `cargo test --all-targets` asks every bench to run once, quickly.
    if arguments.iter().any(|argument| argument == "--test") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("tokio");
    match arguments.get(1).map(String::as_str) {
        Some("walk") => runtime.block_on(walk_once(Path::new(&arguments[2]), Path::new(&arguments[3]))),
        _ => runtime.block_on(measure()),
    }
}

async fn measure() {
    let folder = tempfile::tempdir().expect("a folder");
    let (top, file) = (folder.path().join("2026-03"), folder.path().join("bench.sync.sqlite"));
    eprintln!("Making {} files below {}", DIRECTORIES * FILES, top.display());
    for scan in 0..DIRECTORIES {
        touch(&top.join(format!("Li/scan_{scan:04}")), &format!("tomo_{scan:04}"), FILES);
    }
    let find = || {
        let begin = Instant::now();
        let status =
            Command::new("find").arg(&top).args(["-printf", "%s %T@ %p\n"]).stdout(Stdio::null()).status();
        assert!(status.expect("find").success());
        begin.elapsed()
    };
    find();
    let (mut finds, mut firsts, mut laters) = (Vec::new(), Vec::new(), Vec::new());
    let (mut first_ratios, mut later_ratios, mut peak) = (Vec::new(), Vec::new(), 0);
    for _ in 0..TIMES {
        for ending in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{ending}", file.display()));
        }
        let found = find();
        let (first, first_peak) = walk_in_a_process(&file, &top, DIRECTORIES * FILES);
        let (later, later_peak) = walk_in_a_process(&file, &top, 0);
        first_ratios.push(first.as_secs_f64() / found.as_secs_f64());
        later_ratios.push(later.as_secs_f64() / found.as_secs_f64());
        peak = peak.max(first_peak).max(later_peak);
        finds.push(found);
        firsts.push(first);
        laters.push(later);
    }
    let size = std::fs::metadata(&file).map_or(0, |metadata| metadata.len());

    let (manifest, pair) = open(&file).await;
    let tree = Tree { source: SourceDirectory::fixed(&top), filters: Arc::default() };
    let options = Options::default();
    let mut follower = Follower::new(manifest.clone(), pair, tree, options);
    follower.next().await.expect("a walk");
    let mut delays = Vec::new();
    for n in 0..2 * TIMES {
        let before = counts(&manifest, pair).await.total();
        let begin = Instant::now();
        touch(&top.join("Li/scan_0007"), &format!("one_{n}"), 1);
        while counts(&manifest, pair).await.total() == before {
            follower.next().await.expect("the change is seen");
        }
        delays.push(begin.elapsed().saturating_sub(options.gather));
    }
    let before = counts(&manifest, pair).await.total();
    let begin = Instant::now();
    touch(&top.join("Li/scan_0008"), "burst", BURST);
    while counts(&manifest, pair).await.total() < before + BURST as u64 {
        follower.next().await.expect("the changes are seen");
    }
    let burst = begin.elapsed().saturating_sub(options.gather);
    let sent = send(&manifest, pair).await;

    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["", "measured", "spread", "to reach"]);
    let seconds = |mut durations: Vec<Duration>| {
        durations.sort();
        let s = |n: usize| durations[n].as_secs_f64();
        (format!("{:.2} s", s(durations.len() / 2)), format!("{:.2} to {:.2}", s(0), s(durations.len() - 1)))
    };
    let ratio = |mut ratios: Vec<f64>| {
        ratios.sort_by(f64::total_cmp);
        (
            format!("{:.2} ×", ratios[ratios.len() / 2]),
            format!("{:.2} to {:.2}", ratios[0], ratios[ratios.len() - 1]),
        )
    };
    let mut add = |what: &str, (value, spread): (String, String), goal: &str| {
        table.add_row([what.to_owned(), value, spread, goal.to_owned()]);
    };
    let alone = |value: String| (value, String::new());
    add("find -printf '%s %T@ %p\\n'", seconds(finds), "");
    add("first walk, written down", seconds(firsts), "");
    add("  against find", ratio(first_ratios), "1.5 ×");
    add("later walk that finds nothing new", seconds(laters), "");
    add("  against find", ratio(later_ratios), "1.5 ×");
    add("memory of a walk at its peak", alone(format!("{:.0} MB", peak as f64 / 1024.0)), "150 MB");
    add("the manifest's file", alone(format!("{:.0} MB", size as f64 / 1e6)), "");
    add(&format!("a change seen, beside the {:?} of gathering", options.gather), seconds(delays), "");
    let a_second =
        |files: usize, took: Duration| alone(format!("{:.0}/s", files as f64 / took.as_secs_f64()));
    add(&format!("{BURST} files made, by their events"), a_second(BURST, burst), "");
    add(&format!("files through the manifest, in tasks of {TASK}"), a_second(TASK * TIMES, sent), "");
    println!(
        "{} files in {DIRECTORIES} directories. Middle values; the spread is from the smallest to the \
         largest.\n",
        { DIRECTORIES * FILES }
    );
    for line in table.lines() {
        println!("{}", line.trim_end());
    }
}

/// New files to sent ones: taken, written down as a task, all of them in its successful transfers.
async fn send(manifest: &Manifest, pair: PairId) -> Duration {
    let begin = Instant::now();
    for _ in 0..TIMES {
        let limit = Limit { files: TASK, bytes: u64::MAX };
        let ready = manifest.ready(pair, Timestamp::now(), limit).await.expect("ready").files;
        let task =
            NewTask { submission_id: Uuid::new_v4(), request: serde_json::Value::Null, verified: true };
        let begun = manifest.begin_task(pair, task, ready, vec![]).await.expect("begun");
        let (task, files) = begun.expect("files");
        manifest.task_submitted(task.number, Uuid::new_v4()).await.expect("submitted");
        let paths = files.into_iter().map(|file| file.path).collect();
        assert_eq!(manifest.mark_sent(task.number, paths).await.expect("sent"), TASK as u64);
        let end = End { state: TaskState::Succeeded, rest: Rest::New, faults: 0, words: None };
        manifest.end_task(task.number, end).await.expect("ended");
    }
    let took = begin.elapsed();
    assert_eq!(counts(manifest, pair).await.files(FileState::Sent), (TASK * TIMES) as u64);
    took
}

async fn counts(manifest: &Manifest, pair: PairId) -> Counts {
    manifest.counts(pair).await.expect("counts")
}

async fn open(file: &Path) -> (Manifest, PairId) {
    let manifest = Manifest::open(file).await.expect("a manifest");
    let place = Place { collection: Uuid::nil(), path: "/".to_owned() };
    let pair = NewPair {
        name: "bench".to_owned(),
        experiment: None,
        source: place.clone(),
        destination: place,
        local: None,
    };
    let pair = manifest.open_pair(&pair).await.expect("a pair").id;
    (manifest, pair)
}

/// The whole process's time, and its memory at its peak in kB.
fn walk_in_a_process(file: &Path, top: &Path, new: usize) -> (Duration, u64) {
    let program = std::env::current_exe().expect("this program");
    let begin = Instant::now();
    let output = Command::new(program).arg("walk").args([file, top]).output().expect("a walk");
    let took = begin.elapsed();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut numbers = text.split_whitespace().map(|number| number.parse::<u64>().expect("a number"));
    assert_eq!(numbers.next(), Some(new as u64), "{}", String::from_utf8_lossy(&output.stderr));
    (took, numbers.next().expect("the peak"))
}

async fn walk_once(file: &Path, top: &Path) {
    let (manifest, pair) = open(file).await;
    let tree = Tree { source: SourceDirectory::fixed(top), filters: Arc::default() };
    let report = walk::refresh(&manifest, pair, &tree).await.expect("a walk");
    assert_eq!(report.files, (DIRECTORIES * FILES) as u64);
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    println!("{} {}", report.changes.new, peak.trim().trim_end_matches(" kB"));
}

fn touch(directory: &Path, name: &str, files: usize) {
    std::fs::create_dir_all(directory).expect("a directory");
    let directory = std::fs::File::open(directory).expect("the directory");
    for n in 0..files {
        let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
        openat(&directory, format!("{name}_{n:05}.tif"), flags, Mode::from_raw_mode(0o644)).expect("a file");
    }
}
