//! The verbs that speak with the running service, through the records of db/beamshare.db.

use super::beamline::Beamline;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(40);

/// Waits until the records say so.
fn status_until(beamline: &Beamline, what: &str, fits: impl Fn(&Value) -> bool) -> (i32, Value) {
    let began = Instant::now();
    loop {
        let ended = beamline.act(&["status", "--json"]);
        let document: Value =
            serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{}{}", ended.out, ended.err));
        if fits(&document) {
            return (ended.code, document);
        }
        assert!(began.elapsed() < LIMIT, "no {what}: {document:#}\n{}", beamline.log());
    }
}

#[test]
fn a_service_that_does_not_run_is_told() {
    let beamline = Beamline::with_records();
    for verb in ["status", "rerun"] {
        let ended = beamline.act(&[verb]);
        assert_eq!(ended.code, 5, "{verb}: {}{}", ended.out, ended.err);
        assert!(ended.err.contains("does not run") && ended.err.contains("x:Share:Alive"), "{}", ended.err);
    }
    let ended = beamline.act(&["check"]);
    assert_eq!(ended.code, 0, "a stopped service is a warning: {}", ended.out);
    assert!(ended.out.contains("all there; Status is Idle"), "{}", ended.out);

    // Where no service runs, the message goes out from here.
    assert_eq!(beamline.act(&["share", "--yes"]).code, 0);
    let ended = beamline.act(&["email", "--resend", "--yes"]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert_eq!(beamline.messages(), 2);
}

/// Lines of `status --watch` where no terminal is.
#[test]
fn the_watched_status_tells_each_change() {
    use std::io::{BufRead, BufReader};
    let mut beamline = Beamline::with_records();
    let mut watch = beamline.spawn(&["status", "--watch"]);
    let lines = BufReader::new(watch.stdout.take().unwrap()).lines().map_while(Result::ok);
    let (sender, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || lines.for_each(|line| drop(sender.send(line))));
    let until = |what: &str| {
        let mut all = vec![];
        while !all.last().is_some_and(|line: &String| line.starts_with(what)) {
            all.push(heard.recv_timeout(LIMIT).unwrap_or_else(|_| panic!("no {what:?}: {all:?}")));
        }
        all
    };
    until("service stopped");
    beamline.serve();
    until("Approval  Run or Approve?");
    assert_eq!(beamline.act(&["rerun", "--yes"]).code, 0);
    let told = until("Done  ");
    // From the first line of the living service on.
    assert!(told.iter().all(|line| !line.contains("service stopped")), "{told:?}");
    watch.kill().unwrap();
    watch.wait().unwrap();
    let ended = beamline.act(&["status"]);
    assert!(ended.out.contains("Served by   ") && ended.out.contains("stands by"), "{}", ended.out);
}

#[test]
fn a_delivery_by_the_service_is_asked_for_and_waited_for() {
    let mut beamline = Beamline::with_records();
    beamline.serve();

    // The first start holds the group that it finds.
    let (code, document) = status_until(&beamline, "Approval", |document| {
        document["status"] == "Approval" && document["alive"] == true
    });
    assert_eq!(code, 3, "{document:#}");
    assert_eq!((&document["alive"], &document["running"]), (&Value::Bool(true), &Value::Bool(false)));
    assert_eq!(beamline.messages(), 0);
    // The list of the held group is the same in `status` and `show`.
    let held = &document["held"];
    assert_eq!((&held["release"], &document["group_served"]), (&json!("run"), &json!(false)), "{document:#}");
    let reason = &held["reasons"][0];
    assert!(reason["reason"].as_str().is_some_and(|text| text.starts_with("First start")), "{held:#}");
    assert_eq!(reason["remedy"], "If not, press Run or Approve");
    assert_eq!(document["group"], "2026-03 Li");
    let shown = beamline.act(&["show", "--json"]);
    let shown: Value = serde_json::from_str(&shown.out).unwrap_or_else(|_| panic!("{}", shown.err));
    assert_eq!(&shown["held"], held);
    let out = beamline.act(&["status"]).out;
    assert!(out.starts_with("2-BM  Approval  A group is held: press Run or Approve"), "{out}");
    assert!(!out.contains("served last"), "no group was served: {out}");
    for verb in ["status", "show"] {
        let out = beamline.act(&[verb]).out;
        for text in
            ["Held        Serve 2026-03 Li?", "Reason 1    First start", "-> If not, press Run or Approve"]
        {
            assert!(out.contains(text), "{verb} has no {text:?}: {out}");
        }
        assert_eq!(out.matches("First start").count(), 1, "{verb} says it once: {out}");
    }

    // Run would release it, so somebody must confirm that.
    let ended = beamline.act(&["rerun"]);
    assert_eq!(ended.code, 3, "{}{}\n{}", ended.out, ended.err, beamline.log());
    assert!(ended.err.contains("First start") && ended.err.contains("--yes"), "{}", ended.err);
    let ended = beamline.act(&["rerun", "--yes"]);
    assert_eq!(ended.code, 0, "{}{}\n{}", ended.out, ended.err, beamline.log());
    assert!(ended.out.starts_with("Done: "), "{}", ended.out);
    assert_eq!(beamline.messages(), 2, "the PI and the contact");
    let (code, document) = status_until(&beamline, "Done", |document| document["status"] == "Done");
    assert_eq!(code, 0, "{document:#}");
    assert_eq!((&document["held"], &document["group_served"]), (&Value::Null, &json!(true)));
    assert_eq!(document["experiment"]["path"], "2026-03/Li");
    assert_eq!(document["steps"]["email"]["status"], "Done");
    assert_eq!(document["users_shared"], 1.0);
    assert!(document["missing"].as_array().is_some_and(Vec::is_empty), "{document:#}");
    let ended = beamline.act(&["status"]);
    assert!(ended.out.contains("2-BM  Done") && ended.out.contains("e-mails: 2 sent"), "{}", ended.out);

    assert_eq!(beamline.act(&["rerun"]).code, 0);
    assert_eq!(beamline.messages(), 2, "a rerun mails nobody again");
    let ended = beamline.act(&["email", "--resend"]);
    assert_eq!(ended.code, 3, "{}{}", ended.out, ended.err);
    assert!(ended.err.contains("mails 2 recipients again") && ended.err.contains("--yes"), "{}", ended.err);
    let folder = beamline.path("preview");
    let ended = beamline.act(&["email", "--preview", folder.to_str().unwrap()]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    let message = std::fs::read_to_string(folder.join("message.eml")).unwrap();
    assert!(
        message.contains("Subject: ") && ended.out.contains("Nothing was sent"),
        "{message}{}",
        ended.out
    );
    assert_eq!(beamline.messages(), 2, "neither an unconfirmed resend nor a preview mails anybody");
    let ended = beamline.act(&["email", "--resend", "--yes"]);
    assert_eq!(ended.code, 0, "{}{}\n{}", ended.out, ended.err, beamline.log());
    assert_eq!(beamline.messages(), 4, "everyone again");

    // Something that needs a person.
    std::fs::rename(beamline.path("local"), beamline.path("away")).unwrap();
    let ended = beamline.act(&["rerun"]);
    assert_eq!(ended.code, 1, "{}{}\n{}", ended.out, ended.err, beamline.log());
    assert!(ended.out.starts_with("Failed: "), "{}", ended.out);
    assert_eq!(beamline.act(&["status"]).code, 1);

    // While the next group is incomplete, the steps are of the one before it, and `status` says so.
    assert!(!beamline.act(&["status"]).out.contains("served last"));
    beamline.put("x:Email", "");
    status_until(&beamline, "Waiting", |document| document["status"] == "Waiting");
    let out = beamline.act(&["status"]).out;
    assert!(out.contains("are of the group that was served last:\n"), "{out}");

    // An edit that is rejected does not end the service.
    let file = beamline.path("beamshare.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text + "\nno key\n").unwrap();
    let ended = beamline.act(&["status"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("keeps its previous settings"), "{}", ended.err);
}
