//! The whole program under random trouble: every peer fails, the service and the IOC are killed and stopped,
//! clocks step, disks are full, files are written anew. Whatever happened, the invariants are checked from
//! outside at the end.
//!
//! `make chaos MINUTES=10` runs it for longer, `SEED=7` gives the order of the events. A failed run keeps its
//! folder. Needs `cargo nextest run` (one process a test).

mod clock;
mod detector;
mod groups;
mod invariants;
#[path = "../schedule/server.rs"]
#[allow(dead_code)]
mod server;
#[path = "../support/mod.rs"]
mod support;
mod tool;
mod trouble;
mod world;

use beamshare::status::Record;
use groups::Group;
use invariants::Violations;
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::random::Random;
use tokio::sync::RwLock;
use tool::{Tool, tag};
use trouble::Trouble;
use world::{LIMIT, World};

/// The chaos of `make test`, in seconds; the recovery and the checks come after it.
const SECONDS: u64 = 30;
const SEED: u64 = 12;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().filter(|text| !text.is_empty()).map(|text| text.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_done_twice() {
    let seconds = variable("CHAOS_MINUTES").map_or(SECONDS, |minutes| minutes * 60);
    let seed = variable("CHAOS_SEED").unwrap_or(SEED);
    // A new group every ten seconds at most: each is served once more at the end.
    let groups = (seconds / 10).clamp(3, 60);
    eprintln!("chaos for {seconds} s with seed {seed}");
    let mut world = World::new(groups).await;
    world.start_service();
    let idle = world.record(Record::StatusMsg, LIMIT, |text| text == "No user group is tagged").await;
    assert!(idle.is_some(), "the service does not start:\n{}", world.logs());
    // So that there is data to take from the first moment.
    assert!(served(&world, Group(0)).await, "the first group is not served:\n{}", world.logs());
    let mut report = vec![];
    let (violations, folder) = chaos(&mut report, world, seed, seconds, groups).await;
    for line in &report {
        eprintln!("{line}");
    }
    if !violations.is_empty() {
        let folder = folder.keep();
        panic!(
            "seed {seed}: {} violations, logs and files are kept in {}:\n{}",
            violations.len(),
            folder.display(),
            violations.join("\n")
        );
    }
}

/// Runs the chaos, recovers and checks; returns the violations and the folder with all files.
async fn chaos(
    report: &mut Vec<String>,
    world: World,
    seed: u64,
    seconds: u64,
    groups: u64,
) -> (Violations, tempfile::TempDir) {
    let end = Instant::now() + Duration::from_secs(seconds);
    let stop = Arc::new(AtomicBool::new(false));
    let (top, its) = (world.path("local"), Arc::clone(&stop));
    let detector = std::thread::spawn(move || detector::take_data(&top, &its, Random::new(seed, 2)));
    let log = std::fs::File::create(world.path("events.log")).unwrap();
    let world = RwLock::new(world);
    let tool = Tool::default();
    let mut trouble = Trouble::new(&world, log, Random::new(seed, 1), groups);
    let mut violations = vec![];
    let events = async {
        let mut found = vec![];
        while Instant::now() < end {
            trouble.event().await;
            let tagged = tool.tagged.borrow().clone();
            found = invariants::nobody_reads_anothers_data(&*world.read().await, &tagged);
            if !found.is_empty() {
                break;
            }
        }
        tool.stop();
        found
    };
    let mut random = Random::new(seed, 3);
    let (found, ()) = tokio::join!(events, tool.run(&world, &mut random, groups));
    violations.extend(found);
    stop.store(true, Ordering::Relaxed);
    let (written, files) = detector.join().unwrap();
    trouble.heal().await;
    violations.append(&mut trouble.violations);
    let total: u64 = trouble.counts.values().sum();
    report.push(format!("{total} events:"));
    report.extend(trouble.counts.iter().map(|(what, count)| format!("  {count:4} {what}")));
    let tagged = tool.tagged.borrow().clone();
    report
        .extend(tool.counts.borrow().iter().chain(&files).map(|(what, count)| format!("  {count:4} {what}")));
    drop(trouble);
    let mut world = world.into_inner();
    violations.extend(recovered(&mut world, &tagged, &written).await);
    let messages = world.smtp.received().len();
    let copies =
        messages - world.smtp.received().iter().map(|one| (&one.to, one.id())).collect::<BTreeSet<_>>().len();
    report.push(format!(
        "{} groups, {} files, {messages} messages of which {copies} repeated ones, {} violations",
        tagged.len(),
        written.len(),
        violations.len()
    ));
    (violations, world.into_folder())
}

/// Serves each group once more, and checks everything.
async fn recovered(world: &mut World, groups: &BTreeSet<Group>, written: &detector::Written) -> Violations {
    let mut violations = vec![];
    for group in groups {
        if !served(world, *group).await {
            let (status, message) = (world.text(Record::Status).await, world.text(Record::StatusMsg).await);
            violations.push(format!("{} is not served: {status}: {message}", group.path()));
            return violations;
        }
    }
    let limit = Instant::now() + LIMIT;
    while !invariants::all_data_has_arrived(world, written).is_empty() && Instant::now() < limit {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    violations.extend(invariants::all_data_has_arrived(world, written));
    let last = *groups.last().expect("a group was tagged");
    // The delivery of the last group's copy.
    if !at_rest(world, last).await {
        violations.push("deliveries never end".to_owned());
    }
    let texts = invariants::records(world).await;
    world.signal(Signal::TERM);
    let status = world.service_ended().await;
    if !status.success() {
        violations.push(format!("the last SIGTERM: the service ended with {status}"));
    }
    violations.extend(invariants::nobody_reads_anothers_data(world, groups));
    violations.extend(invariants::every_rule_once(world, groups, written));
    violations.extend(invariants::every_mail_once(world, groups, written));
    violations.extend(invariants::nothing_is_left_behind(world, written));
    violations.extend(invariants::every_record_true(world, groups, last, &texts));
    violations.extend(invariants::the_journal_is_true(world, groups));
    let logs = world.logs();
    let faults =
        logs.lines().filter(|line| line.contains("panicked") || line.contains("a fault of beamshare"));
    violations.extend(faults.map(|line| format!("in the log: {line}")));
    violations
}

/// Tags a group as the screen advises, and presses Run where a delivery failed, until it is served.
async fn served(world: &World, group: Group) -> bool {
    let limit = Instant::now() + 2 * LIMIT;
    let pi = group.pi();
    let is_served = |text: &str| text.contains(&pi) && text.contains("is there");
    while Instant::now() < limit {
        if !tag(world, group).await {
            continue;
        }
        let needs_hand =
            |text: &str| text.contains(&pi) && (text.contains("press Run") || text.contains("Run to"));
        let ended = |text: &str| is_served(text) || needs_hand(text) || text.contains("Tag the group again");
        let ended = world.record(Record::StatusMsg, Duration::from_secs(15), ended).await;
        let mut message = ended.unwrap_or_default();
        if needs_hand(&message) {
            world.press(Record::Run, 1).await;
            message =
                world.record(Record::StatusMsg, Duration::from_secs(15), is_served).await.unwrap_or_default();
        }
        if message.contains("Tag the group again") {
            // The advice names a time: what is put before it still belongs to the puts that don't fit.
            tokio::time::sleep(advised(&message)).await;
        }
        if is_served(&message) {
            return world.record(Record::Status, LIMIT, |text| text == "Done").await.is_some();
        }
    }
    false
}

/// How long to wait until the time in "Tag the group again after 12:34:56".
fn advised(message: &str) -> Duration {
    let time = message
        .split("again after ")
        .nth(1)
        .and_then(|rest| rest.get(..8)?.parse::<jiff::civil::Time>().ok());
    let wait = time.map(|time| jiff::ZonedDateTime::now().time().duration_until(time));
    wait.and_then(|wait| Duration::try_from(wait).ok()).unwrap_or_default().min(LIMIT)
        + Duration::from_secs(1)
}

/// Waits until nothing is delivered any more, and the records show the group.
async fn at_rest(world: &World, group: Group) -> bool {
    let limit = Instant::now() + LIMIT;
    let journal = rusqlite::Connection::open(world.journal()).unwrap();
    let running = || {
        let sql = "SELECT (SELECT COUNT(*) FROM delivery WHERE state = 'running') \
                   + (SELECT COUNT(*) FROM message WHERE state = 'writing')";
        journal.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap_or(1)
    };
    let mut quiet = 0;
    while quiet < 20 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let rests = running() == 0 && world.text(Record::Email).await == group.pi();
        quiet = if rests { quiet + 1 } else { 0 };
        if Instant::now() > limit {
            return false;
        }
    }
    true
}
