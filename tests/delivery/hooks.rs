//! Hooks with real programs.

use crate::beamline::{Beamline, PI, Running, accept, assert_done, deliver, deliverer, li, run};
use beamshare::delivery::{Options, Outcome};
use beamshare::domain::{Step, StepStatus};
use beamshare::journal::Cause;
use rustix::process::{Pid, test_kill_process};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(20);

/// A beamline with these hooks, each `(keys, script)`; the n-th script is `hook<n>`, run in the beamline's
/// folder.
async fn with(hooks: &[(&str, &str)]) -> Beamline {
    let section = |(n, (keys, _)): (usize, &(&str, &str))| {
        let command =
            if keys.contains("command") { String::new() } else { format!("command = [\"./hook{n}\"]\n") };
        format!("[[hooks]]\n{keys}\n{command}")
    };
    let sections: String = hooks.iter().enumerate().map(section).collect();
    let beamline =
        Beamline::with(&[("[journal]", &format!("{sections}[journal]"))], |collection| collection).await;
    for (n, (_, script)) in hooks.iter().enumerate() {
        let file = beamline.path(&format!("hook{n}"));
        fs::write(&file, format!("#!/bin/sh\ncd '{}'\n{script}\n", beamline.folder.path().display()))
            .unwrap();
        fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
    }
    beamline
}

fn text(beamline: &Beamline, file: &str) -> String {
    fs::read_to_string(beamline.path(file)).unwrap_or_default()
}

async fn appears(file: &Path) {
    let since = Instant::now();
    while !file.exists() {
        assert!(since.elapsed() < LIMIT, "{} never appears", file.display());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn lives(pid: &str) -> bool {
    // A zombie that nobody reaps is dead, too.
    let state = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    let zombie = state.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z');
    let pid = pid.trim().parse().ok().and_then(Pid::from_raw).expect("a pid");
    test_kill_process(pid).is_ok() && !zombie
}

#[tokio::test]
async fn they_run_before_and_after_their_steps_and_once_a_delivery() {
    let mark =
        |name: &str| format!("echo {name} $(ls local globus outbox | grep -c -e 2026 -e eml) >> order");
    let marks: Vec<String> = ["start", "end", "before-share", "after-share", "before-email", "after-email"]
        .iter()
        .map(|name| mark(name))
        .collect();
    let keys = [
        "before = \"delivery\"",
        "after = \"delivery\"",
        "before = \"share\"",
        "after = \"share\"",
        "before = \"email\"",
        "after = \"email\"",
    ];
    let hooks: Vec<(&str, &str)> =
        keys.iter().zip(&marks).map(|(keys, mark)| (*keys, mark.as_str())).collect();
    let beamline = with(&hooks).await;
    let deliverer = beamline.deliverer().await;
    let (id, outcome, report) = deliver(&deliverer, &li(PI, "1234")).await;
    assert_done(&outcome, &report);
    let order = text(&beamline, "order");
    let names: Vec<&str> = order.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(names, ["start", "before-share", "after-share", "before-email", "after-email", "end"]);
    assert!(order.starts_with("start 0\n"), "nothing is made before the first: {order}");
    assert!(
        order.contains("before-email 1\n") || order.contains("before-email 2\n"),
        "nothing is mailed: {order}"
    );
    assert!(order.ends_with("end 4\n"), "all is there at the end: {order}");
    assert_eq!(report.steps[&Step::Delivery].0, StepStatus::Done);

    // What the journal tells is the same; a step by itself runs its own alone; Run is another delivery.
    let row = deliverer.find_same(&li(PI, "1234")).await.unwrap().unwrap();
    let told = deliverer.report_of(&row).await.unwrap();
    assert_eq!(told.steps[&Step::Delivery], report.steps[&Step::Delivery]);
    assert_eq!(told.steps[&Step::Share].0, StepStatus::Done);
    fs::remove_file(beamline.path("order")).unwrap();
    let only = Options { only: Some([Step::Share].into()), ..Options::all(Cause::Command, "test") };
    run(&deliverer, id, &only).await;
    assert_eq!(text(&beamline, "order").lines().count(), 2);
    run(&deliverer, id, &Options::all(Cause::Run, "test")).await;
    assert_eq!(text(&beamline, "order").lines().count(), 8);
}

#[tokio::test]
async fn a_program_is_told_everything_and_hostile_values_stay_values() {
    let dump = "env -0 > environment; cat > input; for a in \"$@\"; do printf '%s\\n' \"$a\"; done > \
                arguments; pwd > pwd";
    let command = "after = \"share\"\ncommand = [\"./hook0\", \"--title={{ proposal_title }}\", \"{{ path \
                   }}\", \"$HOME;id\"]";
    let beamline = with(&[(command, dump)]).await;
    let deliverer = beamline.deliverer().await;
    let mut experiment = li(PI, "1234");
    let title = "$(touch hacked); `touch hacked` \"'\\ --x=1 BEAMSHARE_PATH=/etc";
    experiment.details.insert(beamshare::domain::Field::ProposalTitle, title.to_owned());
    let (_, outcome, report) = deliver(&deliverer, &experiment).await;
    assert_done(&outcome, &report);
    let arguments = text(&beamline, "arguments");
    assert_eq!(
        arguments.lines().collect::<Vec<_>>(),
        [&format!("--title={title}"), "2026-03/Li", "$HOME;id"]
    );
    assert!(!beamline.path("hacked").exists());

    let environment = text(&beamline, "environment");
    let value = |name: &str| {
        let values: Vec<_> =
            environment.split('\0').filter_map(|line| line.strip_prefix(&format!("{name}="))).collect();
        assert_eq!(values.len(), 1, "{name}: {environment}");
        values[0].to_owned()
    };
    assert_eq!(value("BEAMSHARE_PROPOSAL_TITLE"), title);
    for (name, expected) in [
        ("YEAR_MONTH", "2026-03"),
        ("PI_LAST_NAME", "Li"),
        ("PI_EMAIL", PI),
        ("PROPOSAL_NUMBER", "1234"),
        ("ESAF", ""),
        ("BEAMLINE", "2-BM"),
        ("PATH", "2026-03/Li"),
        ("PATHS", "2026-03/Li"),
        ("STEP", "share"),
        ("WHEN", "after"),
        ("HOOK", "hook0"),
        ("CAUSE", "user_info"),
        ("DELIVERY", "1"),
        ("ATTEMPT", "1"),
    ] {
        assert_eq!(value(&format!("BEAMSHARE_{name}")), expected, "{name}");
    }
    assert!(value("BEAMSHARE_DATA_LINK").contains("origin_path=%2F2026-03%2FLi%2F"));
    assert!(value("BEAMSHARE_CONFIG").ends_with("beamshare.toml"));
    let input: serde_json::Value = serde_json::from_str(&text(&beamline, "input")).unwrap();
    assert_eq!((&input["proposal_title"], &input["paths"][0]), (&title.into(), &"2026-03/Li".into()));
    // Nothing of what opens doors.
    assert!(!environment.contains("a secret") && !text(&beamline, "input").contains("a secret"));
}

#[tokio::test]
async fn a_value_that_would_be_an_option_runs_nothing() {
    let command = "before = \"dirs\"\ncommand = [\"./hook0\", \"{{ proposal_title }}\"]";
    let beamline = with(&[(command, "touch ran")]).await;
    let mut experiment = li(PI, "1234");
    experiment.details.insert(beamshare::domain::Field::ProposalTitle, "--purge".to_owned());
    let (_, outcome, report) = deliver(&beamline.deliverer().await, &experiment).await;
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    let (status, message) = &report.steps[&Step::Dirs];
    assert_eq!(*status, StepStatus::Failed);
    assert!(message.contains("for an option") && message.contains("--purge"), "{message}");
    assert!(!beamline.path("ran").exists());
}

#[tokio::test]
async fn a_failed_one_before_a_step_keeps_it_and_its_followers_from_running() {
    let hooks = [
        ("name = \"quota\"\nbefore = \"globus\"", "echo no room on the array >&2; exit 3"),
        ("name = \"second\"\nbefore = \"globus\"", "touch second"),
        ("name = \"later\"\nafter = \"globus\"", "touch later"),
        ("name = \"end\"\nafter = \"delivery\"", "touch end"),
    ];
    let beamline = with(&hooks).await;
    let deliverer = beamline.deliverer().await;
    let (id, outcome, report) = deliver(&deliverer, &li(PI, "1234")).await;
    let Outcome::Failed { message } = outcome else { panic!("{outcome:?}") };
    assert!(
        message.contains("hook quota") && message.contains("exit code 3: no room on the array"),
        "{message}"
    );
    assert_eq!(report.steps[&Step::Globus].0, StepStatus::Failed, "{report:#?}");
    assert_eq!(report.steps[&Step::Dirs].0, StepStatus::Done, "what doesn't need it is done");
    for step in [Step::Share, Step::Email] {
        assert_ne!(report.steps[&step].0, StepStatus::Done, "{step}");
    }
    assert!(beamline.rules().is_empty() && beamline.messages().is_empty());
    assert_eq!(fs::read_dir(beamline.path("globus")).unwrap().count(), 0);
    for file in ["second", "later", "end"] {
        assert!(!beamline.path(file).exists(), "{file} has run");
    }
    // Once there is room, Run goes on.
    fs::write(beamline.path("hook0"), "#!/bin/sh\n").unwrap();
    let (outcome, report) = run(&deliverer, id, &Options::all(Cause::Run, "test")).await;
    assert_done(&outcome, &report);
    assert!(["second", "later", "end"].iter().all(|file| beamline.path(file).exists()));
}

#[tokio::test]
async fn a_failed_one_after_a_step_is_told_and_fails_it_only_where_it_is_required() {
    let optional = with(&[("name = \"dm\"\nafter = \"dirs\"", "echo away; exit 1")]).await;
    let deliverer = optional.deliverer().await;
    let (_, outcome, report) = deliver(&deliverer, &li(PI, "1234")).await;
    assert_done(&outcome, &report);
    let message = &report.steps[&Step::Dirs].1;
    assert!(message.contains("hook dm: failed") && message.contains("exit code 1: away"), "{message}");
    let row = deliverer.find_same(&li(PI, "1234")).await.unwrap().unwrap();
    assert_eq!(deliverer.report_of(&row).await.unwrap().steps[&Step::Dirs], report.steps[&Step::Dirs]);

    let required = with(&[("name = \"dm\"\nafter = \"dirs\"\nrequired = true", "echo away; exit 1")]).await;
    let (_, outcome, report) = deliver(&required.deliverer().await, &li(PI, "1234")).await;
    assert!(matches!(&outcome, Outcome::Failed { message } if message.contains("hook dm")), "{outcome:?}");
    assert_eq!(report.steps[&Step::Dirs].0, StepStatus::Failed);
    assert_eq!(required.messages().len(), 2, "the rest is done");
}

#[tokio::test]
async fn exit_code_75_asks_for_another_try() {
    let script = "echo \"try $BEAMSHARE_ATTEMPT\" >> tries; [ $(wc -l < tries) -ge 3 ] || exit 75";
    let beamline = with(&[("after = \"share\"\nrequired = true", script)]).await;
    let (_, outcome, report) = deliver(&beamline.deliverer().await, &li(PI, "1234")).await;
    assert_done(&outcome, &report);
    assert_eq!(text(&beamline, "tries"), "try 1\ntry 2\ntry 3\n");
}

#[tokio::test]
async fn a_program_that_takes_too_long_is_ended_with_all_that_it_started() {
    // It doesn't want to end, and neither does what it started.
    let script =
        "trap '' TERM; (trap '' TERM; exec sleep 1000) & echo $! > child; echo $$ > parent; echo begun; wait";
    let beamline = with(&[("name = \"slow\"\nafter = \"dirs\"\ntimeout = \"1s\"", script)]).await;
    let (_, outcome, report) = deliver(&beamline.deliverer().await, &li(PI, "1234")).await;
    assert_done(&outcome, &report);
    let message = &report.steps[&Step::Dirs].1;
    assert!(message.contains("did not end within 1s and was killed: begun"), "{message}");
    for process in ["parent", "child"] {
        assert!(!lives(&text(&beamline, process)), "the {process} lives");
    }
}

#[tokio::test]
async fn an_abort_ends_a_running_one() {
    let script = "echo $$ > pid.new; mv pid.new pid; exec sleep 1000";
    let beamline = with(&[("name = \"slow\"\nbefore = \"email\"", script)]).await;
    let deliverer = beamline.deliverer().await;
    let plan = deliverer.plan(&li(PI, "1234")).await.unwrap();
    let id = accept(&deliverer, &plan).await;
    let running = Running::start(&deliverer, id, |_| {});
    appears(&beamline.path("pid")).await;
    running.controller.abort();
    assert!(matches!(running.ends().await, Outcome::Aborted));
    let pid = text(&beamline, "pid");
    let since = Instant::now();
    while lives(&pid) {
        assert!(since.elapsed() < LIMIT, "it lives");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(beamline.messages().is_empty());
}

#[tokio::test]
async fn what_can_not_be_run_is_told_and_what_is_left_behind_holds_nothing_up() {
    let beamline =
        with(&[("name = \"gone\"\nafter = \"dirs\"\ncommand = [\"/nonexistent/tool\"]", "")]).await;
    let (_, outcome, report) = deliver(&beamline.deliverer().await, &li(PI, "1234")).await;
    assert_done(&outcome, &report);
    let message = &report.steps[&Step::Dirs].1;
    assert!(
        message.contains("can't run /nonexistent/tool") && message.contains("beamshare check"),
        "{message}"
    );

    // A process in the background keeps the output open.
    let beamline = with(&[("after = \"dirs\"", "(sleep 1000) & echo $! > child; echo done here")]).await;
    let (_, outcome, report) = deliver(&beamline.deliverer().await, &li(PI, "1234")).await;
    assert_done(&outcome, &report);
    assert!(report.steps[&Step::Dirs].1.contains("done here"));
    let child = text(&beamline, "child");
    assert!(lives(&child), "what it left in the background was killed");
    rustix::process::kill_process(
        Pid::from_raw(child.trim().parse().unwrap()).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
}

/// What a log was told.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn its_output_is_in_the_log_line_by_line_and_bounded() {
    let script = "echo one; echo two >&2; printf 'esc\\033[31m\\n\\n'; head -c 3000 /dev/zero | tr '\\0' x; \
                  echo; seq 1 2000; printf 'no line end'";
    let beamline = with(&[("name = \"talk\"\nafter = \"dirs\"", script)]).await;
    let deliverer = beamline.deliverer().await;
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let (_, outcome, report) = deliver(&deliverer, &li(PI, "1234")).await;
    drop(guard);
    assert_done(&outcome, &report);
    assert!(report.steps[&Step::Dirs].1.contains("hook talk: no line end"), "{report:#?}");
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let of_hook: Vec<&str> = text.lines().filter(|line| line.contains("hook=\"talk\"")).collect();
    let order: Vec<_> = ["one", "two", "esc\\u{1b}[31m"]
        .iter()
        .map(|said| text.find(&format!(" {said} ")).unwrap())
        .collect();
    assert!(order.is_sorted(), "{order:?}");
    assert!(of_hook.iter().all(|line| line.len() < 700), "a line without bounds");
    assert!((490..520).contains(&of_hook.len()), "{} lines", of_hook.len());
    assert!(text.contains("more output than is logged") && !text.contains('\u{1b}'));
}

/// Killed while the second of two hooks runs: the first does not run again, the second does.
#[tokio::test]
async fn kill_9_in_the_middle_runs_none_twice_that_was_done() {
    const FOLDER: &str = "BEAMSHARE_TEST_HOOKS";
    if let Ok(folder) = std::env::var(FOLDER) {
        let deliverer = deliverer(Path::new(&folder)).await;
        let (_, outcome, report) = deliver(&deliverer, &li(PI, "1234")).await;
        return assert_done(&outcome, &report);
    }
    let hooks = [
        ("name = \"first\"\nbefore = \"share\"", "echo first >> runs"),
        (
            "name = \"second\"\nbefore = \"share\"",
            "echo second $BEAMSHARE_ATTEMPT >> runs; echo $$ > pid; touch in_the_middle; \
             while [ ! -e go_on ]; do sleep 0.05; done",
        ),
    ];
    let beamline = with(&hooks).await;
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hooks::kill_9_in_the_middle_runs_none_twice_that_was_done"])
        .env(FOLDER, beamline.folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    appears(&beamline.path("in_the_middle")).await;
    child.start_kill().unwrap();
    assert_eq!(child.wait().await.unwrap().signal(), Some(9));
    // The program ends with the beamshare that started it, so that it can't run beside its next run.
    let pid = text(&beamline, "pid");
    let since = Instant::now();
    while lives(&pid) {
        assert!(since.elapsed() < LIMIT, "the program lives on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    fs::write(beamline.path("go_on"), "").unwrap();

    let deliverer = beamline.deliverer().await;
    let unfinished = deliverer.journal().unfinished().await.unwrap();
    assert_eq!(unfinished.len(), 1);
    let (outcome, report) =
        run(&deliverer, unfinished[0].experiment, &Options::of(&unfinished[0], "test")).await;
    assert_done(&outcome, &report);
    assert_eq!(text(&beamline, "runs"), "first\nsecond 1\nsecond 2\n");
}
