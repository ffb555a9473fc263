//! What goes wrong: services away, tasks that fail, stall, pause, and people who interfere.

use super::site::{AT_ONCE, DESTINATION, Site, options, program, run, the_pair, tree};
use beamshare::sync::manifest::FileState;
use beamshare::sync::{Control, Engine, Pair, RunResult, SyncError, SyncReport, SyncState, controls};
use globus_simulator::Fault;
use std::time::Duration;
use tokio::sync::watch;

fn failure(result: &RunResult) -> &str {
    match result {
        RunResult::Failed(failure) => &failure.message,
        other => panic!("{other:?}"),
    }
}

/// A run that is watched.
struct Watched<'e> {
    run: std::pin::Pin<Box<dyn Future<Output = Result<beamshare::sync::Ended, SyncError>> + 'e>>,
    report: watch::Receiver<SyncReport>,
}

impl<'e> Watched<'e> {
    fn start(
        engine: &'e Engine,
        pair: &'e Pair,
        options: &'e beamshare::sync::Options,
        control: Control,
    ) -> Self {
        let (sender, report) = watch::channel(SyncReport::default());
        Watched { run: Box::pin(engine.run(pair, options, control, sender)), report }
    }

    /// Goes on until the report is so.
    async fn until(&mut self, what: impl Fn(&SyncReport) -> bool) -> SyncReport {
        let shown = async {
            tokio::select! {
                ended = &mut self.run => panic!("ended first: {ended:?}"),
                shown = self.report.wait_for(what) => shown.unwrap().clone(),
            }
        };
        tokio::time::timeout(Duration::from_secs(30), shown).await.expect("shown in time")
    }

    async fn end(self) -> beamshare::sync::Ended {
        tokio::time::timeout(Duration::from_secs(40), self.run).await.expect("it ends").unwrap()
    }
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_task() {
    let site = Site::new(AT_ONCE).await;
    site.write("a", "a");
    for fault in
        [Fault::cut_after("transfer"), Fault::answer("submission_id", 503), Fault::answer("task_get", 502)]
    {
        site.globus.fault(fault);
    }
    site.globus.fault(Fault::cut_before("task_successful_transfers"));
    assert_eq!(site.done().await.sent, 1);
    assert_eq!((site.globus.count("transfer"), site.globus.tasks().len()), (2, 1));
}

#[tokio::test]
async fn a_task_of_a_killed_run_is_found_again() {
    let site = Site::new(AT_ONCE).await;
    site.write("a", "a");
    // Globus has the task, and beamshare is killed before it hears that.
    site.globus.fault(Fault::cut_after("transfer").always());
    let engine = site.engine().await;
    let pair = the_pair(&engine).await;
    let options = options();
    {
        let mut watched = Watched::start(&engine, &pair, &options, controls().1);
        watched.until(|report| report.state == SyncState::Away).await;
    }
    site.globus.clear_faults();
    site.write("b", "b");
    let ended = site.done().await;
    assert_eq!((ended.sent, site.globus.tasks().len()), (2, 2), "one task with a, one with b");
    assert_eq!(tree(&site.destination("")), tree(&site.source("")));

    // Killed while it is followed.
    site.globus.fault(Fault::task_pause("transfer", "for a moment"));
    site.write("c", "c");
    {
        let mut watched = Watched::start(&engine, &pair, &options, controls().1);
        watched.until(|report| report.state == SyncState::Paused).await;
    }
    site.globus.resume_tasks();
    assert_eq!(site.done().await.sent, 1);
    assert_eq!(site.globus.tasks().len(), 3);
}

#[tokio::test]
async fn a_failed_task_is_told_in_globus_words_and_its_files_go_with_the_next() {
    let site = Site::new(AT_ONCE).await;
    site.write("a", "a");
    site.globus.fault(Fault::task_fail("transfer", "PERMISSION_DENIED"));
    let engine = site.engine().await;
    let pair = the_pair(&engine).await;
    let ended = run(&engine, &pair).await;
    let why = failure(&ended.result);
    assert!(why.contains("PERMISSION_DENIED") && why.contains("let the account"), "{why}");
    assert_eq!(site.files(FileState::New).await, 1);
    // For the same reason again: no second mail.
    site.globus.fault(Fault::task_fail("transfer", "PERMISSION_DENIED"));
    failure(&run(&engine, &pair).await.result);
    assert_eq!(site.subjects(), ["2-BM: raw: data is not sent"]);
    assert_eq!(run(&engine, &pair).await.sent, 1);
    assert_eq!(site.subjects().len(), 2);
}

#[tokio::test]
async fn each_cause_of_failure_is_mailed_once() {
    let site = Site::new(AT_ONCE).await;
    site.write("a", "a");
    let engine = site.engine().await;
    let pair = the_pair(&engine).await;
    for (code, mails) in [("PERMISSION_DENIED", 1), ("PERMISSION_DENIED", 1), ("QUOTA_EXCEEDED", 2)] {
        site.globus.fault(Fault::task_fail("transfer", code));
        failure(&run(&engine, &pair).await.result);
        assert_eq!(site.subjects(), vec!["2-BM: raw: data is not sent"; mails], "{code}");
    }
}

#[tokio::test]
async fn a_stalled_task_ends_by_its_deadline_and_the_next_run_goes_on() {
    let site = Site::new(&format!("{AT_ONCE}deadline = \"2s\"\n")).await;
    site.write("a", "a");
    site.globus.fault(Fault::task_stall("transfer"));
    let engine = site.engine().await;
    let pair = the_pair(&engine).await;
    let options = options();
    let mut watched = Watched::start(&engine, &pair, &options, controls().1);
    let report = watched.until(|report| report.faults > 0).await;
    assert!(report.message.contains("stalled by order"), "{report:?}");
    let why = watched.end().await;
    let why = failure(&why.result);
    assert!(why.contains("deadline has passed") && why.contains("the next run sends the rest"), "{why}");
    assert!(why.contains("connect failed") && why.contains("stalled by order"), "Globus's own events: {why}");
    assert_eq!(site.done().await.sent, 1);
}

#[tokio::test]
async fn a_task_that_someone_cancels_is_told_as_that() {
    let site = Site::new(AT_ONCE).await;
    site.write("a", "a");
    site.globus.fault(Fault::task_stall("transfer"));
    let engine = site.engine().await;
    let pair = the_pair(&engine).await;
    let options = options();
    let mut watched = Watched::start(&engine, &pair, &options, controls().1);
    let report = watched.until(|report| report.task.is_some()).await;
    let client = beamshare::globus::client(engine.config().globus.as_ref().unwrap()).unwrap();
    client.transfer().task(report.task.unwrap()).cancel().await.unwrap();
    let ended = watched.end().await;
    assert!(failure(&ended.result).contains("cancelled"), "{ended:?}");
    // Not by beamshare: the next run goes on by itself.
    assert_eq!(site.done().await.sent, 1);
}

#[tokio::test]
async fn paused_and_inactive_tasks_are_shown_as_what_they_are() {
    let site = Site::new(AT_ONCE).await;
    let engine = site.engine().await;
    let pair = the_pair(&engine).await;
    let options = options();
    for (fault, state, words) in [
        (
            Fault::task_pause("transfer", "storage maintenance until noon"),
            SyncState::Paused,
            "storage maintenance until noon",
        ),
        (Fault::task_inactive("transfer"), SyncState::Inactive, "Renew the credential"),
    ] {
        site.globus.fault(fault);
        site.write(format!("{state:?}"), "x");
        let mut watched = Watched::start(&engine, &pair, &options, controls().1);
        let report = watched.until(|report| report.state == state).await;
        assert!(
            report.message.contains(words) && report.message.contains("beamshare sync stop"),
            "{report:?}"
        );
        site.globus.resume_tasks();
        assert_eq!(watched.end().await.result, RunResult::Done);
    }
}

#[tokio::test]
async fn a_full_destination_is_told_and_the_rest_goes_when_there_is_room() {
    let site = Site::new(AT_ONCE).await;
    for n in 0..5 {
        site.write(format!("{n}"), vec![n; 1000]);
    }
    site.globus.set_quota(DESTINATION, Some(2500));
    let ended = site.run().await;
    let why = failure(&ended.result);
    assert!(why.contains("QUOTA_EXCEEDED") && why.contains("make room at the destination"), "{why}");
    assert_eq!((ended.sent, site.files(FileState::Sent).await, site.files(FileState::New).await), (2, 2, 3));
    site.globus.set_quota(DESTINATION, None);
    assert_eq!(site.done().await.sent, 3);
    assert_eq!(tree(&site.destination("")), tree(&site.source("")));
}

#[tokio::test]
async fn a_file_that_goes_away_holds_nothing_up() {
    let site = Site::new(AT_ONCE).await;
    for name in ["a", "b", "c"] {
        site.write(name, name);
    }
    // Held until the file is gone.
    site.globus.fault(Fault::task_pause("transfer", "wait"));
    let engine = site.engine().await;
    let pair = the_pair(&engine).await;
    let options = options();
    let mut watched = Watched::start(&engine, &pair, &options, controls().1);
    watched.until(|report| report.state == SyncState::Paused).await;
    std::fs::remove_file(site.source("b")).unwrap();
    site.globus.resume_tasks();
    let ended = watched.end().await;
    assert_eq!((&ended.result, ended.sent, ended.present), (&RunResult::Done, 2, 0), "{ended:?}");
}

#[tokio::test]
async fn stop_cancels_and_holds_until_a_run_by_hand() {
    let site = Site::new(AT_ONCE).await;
    site.write("a", "a");
    site.globus.fault(Fault::task_stall("transfer"));
    let engine = site.engine().await;
    let pair = the_pair(&engine).await;
    let options = options();
    let (controller, control) = controls();
    let mut watched = Watched::start(&engine, &pair, &options, control);
    watched.until(|report| report.task.is_some()).await;
    controller.stop();
    assert_eq!(watched.end().await.result, RunResult::Stopped);
    assert_eq!(site.globus.tasks()[0]["fatal_error"]["code"], "CANCELED");
    // The daemon starts nothing.
    let mut by_itself = options.clone();
    by_itself.by_hand = false;
    let (sender, _) = watch::channel(SyncReport::default());
    let ended = engine.run(&pair, &by_itself, controls().1, sender).await.unwrap();
    assert_eq!((ended.result, site.globus.count("transfer")), (RunResult::Stopped, 1));
    assert_eq!(site.done().await.sent, 1);

    // By another process, as `beamshare sync stop` is one.
    site.write("b", "b");
    site.globus.fault(Fault::task_stall("transfer"));
    let mut watched = Watched::start(&engine, &pair, &options, controls().1);
    watched.until(|report| report.task.is_some()).await;
    let other = site.engine().await;
    other.stop(&the_pair(&other).await, &options).await.unwrap();
    assert_eq!(watched.end().await.result, RunResult::Stopped);

    // Of a task that nobody follows.
    assert_eq!(site.done().await.sent, 1);
    site.write("c", "c");
    site.globus.fault(Fault::task_stall("transfer"));
    {
        let mut watched = Watched::start(&engine, &pair, &options, controls().1);
        watched.until(|report| report.task.is_some() && report.faults > 0).await;
    }
    other.stop(&the_pair(&other).await, &options).await.unwrap();
    assert!(engine.manifest().unfinished_task(pair.row.id).await.unwrap().is_none());
    assert_eq!(site.globus.tasks().pop().unwrap()["fatal_error"]["code"], "CANCELED");
}

#[tokio::test]
async fn left_tasks_go_on() {
    let site = Site::new(AT_ONCE).await;
    site.write("a", "a");
    site.globus.fault(Fault::task_pause("transfer", "wait"));
    let engine = site.engine().await;
    let pair = the_pair(&engine).await;
    let options = options();
    let (controller, control) = controls();
    let mut watched = Watched::start(&engine, &pair, &options, control);
    watched.until(|report| report.state == SyncState::Paused).await;
    // Nobody else may run it meanwhile.
    let (sender, _) = watch::channel(SyncReport::default());
    let other = engine.run(&pair, &options, controls().1, sender).await;
    assert!(
        matches!(&other, Err(SyncError::Lock(error)) if error.to_string().contains("process")),
        "{other:?}"
    );
    controller.leave();
    assert_eq!(watched.end().await.result, RunResult::Left);
    site.globus.resume_tasks();
    assert_eq!((site.done().await.sent, site.globus.tasks().len()), (1, 1));
}

#[tokio::test]
async fn a_task_that_globus_has_forgotten_is_done_anew() {
    let site = Site::new(AT_ONCE).await;
    site.write("a", "a");
    site.globus.fault(Fault::answer("task_get", 404).code("TaskNotFound"));
    let ended = site.run().await;
    assert!(failure(&ended.result).contains("does not know the task"), "{ended:?}");
    let ended = site.done().await;
    assert_eq!(ended.sent + ended.present, 1, "{ended:?}");
    // The list of what was copied is gone, too.
    site.write("b", "b");
    site.globus.fault(Fault::answer("task_successful_transfers", 404).code("TaskNotFound"));
    failure(&site.run().await.result);
    assert_eq!((site.files(FileState::New).await, site.files(FileState::Sending).await), (1, 0));
    assert_eq!(site.done().await.present, 1);
}

#[tokio::test]
async fn globus_away_for_too_long_ends_the_run_and_the_next_goes_on() {
    let site = Site::new(AT_ONCE).await;
    site.write("a", "a");
    site.globus.fault(Fault::answer("task_get", 503).always());
    let engine = site.engine().await;
    let pair = the_pair(&engine).await;
    let mut options = options();
    options.patience = Duration::from_secs(2);
    let (sender, _) = watch::channel(SyncReport::default());
    let ended = engine.run(&pair, &options, controls().1, sender).await.unwrap();
    assert!(
        matches!(&ended.result, RunResult::Away(failure) if failure.message.contains("503")),
        "{ended:?}"
    );
    assert_eq!(site.files(FileState::Sending).await, 1);
    site.globus.clear_faults();
    assert_eq!((site.done().await.sent, site.globus.tasks().len()), (1, 1));
}

#[tokio::test]
async fn one_failed_pair_stops_neither_the_others_nor_the_report() {
    let site = Site::new(AT_ONCE).await;
    let missing =
        site.local_pair(AT_ONCE).replace("\"raw\"", "\"missing\"").replace("source/data", "nothing");
    let missing = missing.replace("\"/data\"", "\"/nothing\"").replace("/2bm/raw", "/2bm/missing");
    site.configure(&(missing + &site.local_pair(AT_ONCE)));
    site.write("a", "a");
    let folder = site.folder.path().to_owned();
    let act = move |arguments: &[&str]| {
        let output = program(&folder).args(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    tokio::task::spawn_blocking(move || {
        let (code, out, err) = act(&["sync", "status"]);
        assert_eq!((code, out.as_str()), (4, ""), "{err}");
        let (code, out, err) = act(&["sync", "run"]);
        assert_eq!(code, 1, "{out}{err}");
        assert!(out.contains("raw: 1 file (1 B) sent"), "{out}");
        assert!(err.contains("missing: can't read the source directory"), "{err}");
        let (code, out, _) = act(&["sync", "status"]);
        assert!(code == 0 && out.contains("in step") && out.contains("not looked at yet"), "{out}");
        let (code, out, err) = act(&["sync", "status", "--json"]);
        let document: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, &document[1]["sent"]["files"]), (0, &1.into()), "{out}{err}");
        let (code, out, _) = act(&["sync", "run", "raw", "--json"]);
        let document: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(
            (code, &document[0]["result"], &document[0]["files_sent"]),
            (0, &"done".into(), &0.into()),
            "{out}"
        );
        assert_eq!(act(&["sync", "run", "nonsense"]).0, 2);
        assert_eq!(act(&["sync", "run", "--experiment", "2026-03/Nobody"]).0, 4);
        assert_eq!(act(&["sync", "clean"]).0, 2, "no pair has clean_up");
        let (code, out, err) = act(&["sync", "stop", "raw"]);
        assert_eq!((code, out.as_str()), (0, "raw: stopped\n"), "{err}");
        assert!(act(&["sync", "status"]).1.contains("stopped"));
        assert_eq!(act(&["sync", "reset", "raw"]).0, 2, "nobody can be asked");
        let (code, out, err) = act(&["sync", "reset", "raw", "--yes"]);
        assert_eq!((code, out.as_str()), (0, "raw: 1 files are forgotten\n"), "{err}");
        let (code, out, err) = act(&["sync", "report"]);
        assert_eq!((code, out.as_str()), (0, "mailed to staff@example.org\n"), "{err}");
        let (code, out, err) = act(&["sync", "run", "raw"]);
        assert!(code == 0 && out.contains("nothing new"), "there already: {out}{err}");
    })
    .await
    .unwrap();
    assert!(site.subjects().contains(&"2-BM: how the data stands".to_owned()), "{:?}", site.subjects());
}

/// The service opens its databases more than once, and verbs come and go beside it.
#[tokio::test]
async fn a_verb_that_ends_takes_nothing_from_who_has_the_databases_open() {
    let site = Site::new(AT_ONCE).await;
    let (engine, _again) = (site.engine().await, site.engine().await);
    site.write("a", "a");
    assert_eq!(run(&engine, &the_pair(&engine).await).await.sent, 1);
    let mut program = program(site.folder.path());
    tokio::task::spawn_blocking(move || drop(program.args(["sync", "status"]).assert().success()))
        .await
        .unwrap();
    for file in ["journal.sqlite-wal", "journal.sync.sqlite-wal"] {
        assert!(site.path(file).exists(), "{file} is gone, with what is written after this");
    }
}
