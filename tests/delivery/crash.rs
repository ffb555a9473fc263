//! kill -9 at every write to the journal: a start afterwards ends in the same state as no kill.
//!
//! Debian's strace kills the delivering process in the midst of its n-th write to the journal, for each n;
//! the product has no hook for it. The process is this test once more, which finds out by an environment
//! variable that it is to deliver.

use crate::beamline::{Beamline, PI, deliverer, li, run};
use crate::people::{SCHEDULE, schedule};
use beamshare::delivery::{DeliveryReport, Options};
use beamshare::journal::{Accepted, AcceptedBy, AccessState, Cause};
use futures::future::join_all;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use tokio::process::Command;

/// How many are killed side by side.
const AT_A_TIME: usize = 4;

/// The folder of the beamline and the PI's address, for the process that is to deliver.
const FOLDER: &str = "BEAMSHARE_TEST_FOLDER";
const EMAIL: &str = "BEAMSHARE_TEST_EMAIL";

/// What a delivery leaves in the world.
#[derive(Debug, PartialEq)]
struct World {
    directories: Vec<PathBuf>,
    rules: Vec<(String, String, String)>,
    /// How many messages each recipient got, told apart by their Message-ID
    recipients: Vec<String>,
    /// Who has or had access, whether by a rule of beamshare's own, and how it stands
    access: Vec<(String, bool, AccessState)>,
    report: DeliveryReport,
}

#[tokio::test]
async fn killed_in_a_first_delivery() {
    killed_at_every_write("crash::killed_in_a_first_delivery", &[(PI, &[])]).await;
}

#[tokio::test]
async fn killed_in_a_correction() {
    killed_at_every_write("crash::killed_in_a_correction", &[("wrong@example.org", &[]), (PI, &[])]).await;
}

#[tokio::test]
async fn killed_while_people_come_and_go() {
    let (before, after) = (&[PI, "wrong@example.org"], &[PI, "other@example.org"]);
    killed_at_every_write("crash::killed_while_people_come_and_go", &[(PI, before), (PI, after)]).await;
}

/// A beamline, and before each delivery who is on the proposal by its schedule; nobody: it has none.
async fn beamline(lists: &[(&str, &[&str])]) -> Beamline {
    if lists.iter().all(|(_, people)| people.is_empty()) {
        Beamline::new().await
    } else {
        Beamline::with(&[SCHEDULE], |collection| collection).await
    }
}

fn list(beamline: &Beamline, people: &[&str]) {
    let people: Vec<_> = people.iter().map(|email| ("Li", *email)).collect();
    schedule(beamline, &people);
}

/// Delivers to each address in turn, with these people on the proposal, and is killed while it delivers to
/// the last.
async fn killed_at_every_write(this_test: &str, emails: &[(&str, &[&str])]) {
    if let Ok(folder) = std::env::var(FOLDER) {
        return start(Path::new(&folder), &std::env::var(EMAIL).unwrap()).await;
    }
    let ((last, last_people), before) = emails.split_last().unwrap();
    let unkilled = beamline(emails).await;
    for (email, people) in emails {
        list(&unkilled, people);
        assert!(process(&unkilled, this_test, email, None).await.success());
    }
    let expected = world(&unkilled, last).await;
    assert_eq!(expected.rules.len(), 2 + last_people.len().saturating_sub(1), "{expected:?}");

    let mut kills = 0;
    loop {
        let batch = (1..=AT_A_TIME).map(|of_batch| async move {
            let beamline = beamline(emails).await;
            for (email, people) in before {
                list(&beamline, people);
                assert!(process(&beamline, this_test, email, None).await.success());
            }
            list(&beamline, last_people);
            let write = kills + of_batch;
            let status = process(&beamline, this_test, last, Some(write)).await;
            let killed = status.signal() == Some(9);
            assert!(killed || status.success(), "write {write}: {status}");
            if killed {
                assert!(
                    process(&beamline, this_test, last, None).await.success(),
                    "after a kill at write {write}"
                );
            }
            (write, killed, world(&beamline, last).await)
        });
        let ended = join_all(batch).await;
        for (write, killed, world) in &ended {
            assert_eq!(comparable(world), comparable(&expected), "killed at write {write}: {killed}");
        }
        kills += ended.iter().filter(|(_, killed, _)| *killed).count();
        if ended.iter().any(|(_, killed, _)| !killed) {
            break;
        }
    }
    println!("{kills} kills");
    assert!(kills > 20, "only {kills} writes: strace does not see the journal's");
}

/// What a start of beamshare does: goes on with what was cut short, or delivers what is new.
async fn start(folder: &Path, email: &str) {
    let deliverer = deliverer(folder).await;
    let experiment = li(email, "1234");
    let mut unfinished = deliverer.journal().unfinished().await.unwrap();
    let known = deliverer.find_same(&experiment).await.unwrap();
    let row =
        unfinished.pop().filter(|_| known.is_some_and(|row| row.experiment.pi_email == experiment.pi_email));
    let (id, options) = match row {
        Some(row) => (row.experiment, Options::of(&row, "the test")),
        None => {
            let mut plan = deliverer.plan(&experiment).await.unwrap();
            if plan.replaces().is_some() {
                plan.approve();
            }
            match deliverer.accept(&plan, AcceptedBy::Auto, None).await.unwrap() {
                Accepted::Accepted { id, .. } => (id, Options::all(Cause::UserInfo, "the test")),
                Accepted::Taken(conflicts) => panic!("{conflicts:?}"),
            }
        }
    };
    let (outcome, report) = run(&deliverer, id, &options).await;
    assert!(matches!(outcome, beamshare::delivery::Outcome::Done), "{outcome:?} {report:#?}");
}

/// Starts beamshare in a process of its own, which is killed at its n-th write to the journal.
async fn process(beamline: &Beamline, this_test: &str, email: &str, killed_at: Option<usize>) -> ExitStatus {
    let itself = std::env::current_exe().unwrap();
    let mut command = match killed_at {
        None => Command::new(itself),
        Some(n) => {
            let mut strace = Command::new("strace");
            strace.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=pwrite64"]);
            strace.arg(format!("--inject=pwrite64:signal=SIGKILL:when={n}"));
            strace.arg("-P").arg(beamline.path("journal.sqlite-wal")).arg("--").arg(itself);
            strace
        }
    };
    command.args(["--exact", this_test, "--nocapture"]).env(FOLDER, beamline.folder.path()).env(EMAIL, email);
    let output = command.stdin(Stdio::null()).output().await.expect("strace is installed");
    if output.status.signal() != Some(9) && !output.status.success() {
        println!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    }
    output.status
}

async fn world(beamline: &Beamline, email: &str) -> World {
    let deliverer = beamline.deliverer().await;
    assert!(deliverer.journal().unfinished().await.unwrap().is_empty());
    let row = deliverer.find_same(&li(email, "1234")).await.unwrap().unwrap();
    let mut directories = vec![];
    for place in ["local", "globus"] {
        for month in std::fs::read_dir(beamline.path(place)).unwrap() {
            let month = month.unwrap().path();
            let names = std::fs::read_dir(&month).unwrap().map(|name| name.unwrap().path());
            directories
                .extend(names.map(|path| path.strip_prefix(beamline.folder.path()).unwrap().to_owned()));
        }
    }
    directories.sort();
    let recipients = beamline.messages().into_iter().map(|(recipient, _)| recipient).collect();
    let access = deliverer.journal().access(row.id).await.unwrap();
    let mut access: Vec<_> = access.iter().map(|row| (row.email.to_string(), row.ours, row.state)).collect();
    access.sort_by(|a, b| a.0.cmp(&b.0));
    let report = deliverer.report_of(&row).await.unwrap();
    World { directories, rules: beamline.rules(), recipients, access, report }
}

/// Without what differs from one beamline to the next, and the words that tell a second start from a first.
fn comparable(world: &World) -> impl PartialEq + std::fmt::Debug {
    let report = &world.report;
    let steps: Vec<_> = report.steps.iter().map(|(step, (status, _))| (*step, *status)).collect();
    (
        (world.directories.clone(), world.rules.clone(), world.recipients.clone(), world.access.clone()),
        (steps, report.users_shared, report.emails_sent, report.emails_failed, report.message.clone()),
    )
}
