//! The schedule in the service: who may be served by themselves, and who comes and goes afterwards.

use crate::server::{PASSWORD, RUNS, Reply, SCHEDULED, Server, USER, activity, person};
use crate::site::{LIMIT, Site, garcia, li};
use beamshare::domain::Field;
use beamshare::status::Record;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use tokio::process::Command;

const ANA: &str = "ana@upf.example";
const BO: &str = "boli@mit.example";
const NA: &str = "nali@eth.example";

/// The service with this schedule and `recipients`, watching.
pub async fn started(server: &Server, recipients: &str) -> Site {
    let section = format!(
        "[schedule]\nrecipients = \"{recipients}\"\nevery = \"1s\"\n[schedule.from.aps]\nurl = \"{}\"\n\
         beamline = \"2-BM-A,B\"\nuser = \"{USER}\"\npassword_file = \"schedule.password\"\n[journal]",
        server.url
    );
    let mut site = Site::with(&Field::ALL, &[("[journal]", &section)]).await;
    let password = site.beamline.path("schedule.password");
    std::fs::write(&password, PASSWORD).unwrap();
    std::fs::set_permissions(&password, PermissionsExt::from_mode(0o600)).unwrap();
    site.start();
    site.idle().await;
    site
}

/// A schedule of these days, with people on Garcia's proposal: their addresses, the PI's first.
pub fn schedule(people: &[&str]) -> Server {
    let server = Server::start();
    server.answers(RUNS, runs());
    list(&server, people);
    server
}

fn runs() -> Reply {
    let hours = |hours: i64| (Timestamp::now() + hours.hours()).to_string();
    Reply::Json(json!([{ "runName": "2026-1", "startTime": hours(-240), "endTime": hours(240) }]))
}

/// From now on these are on the proposal.
fn list(server: &Server, people: &[&str]) {
    let hours = |hours: i64| (Timestamp::now() + hours.hours()).to_string();
    let people: Vec<Value> = people
        .iter()
        .enumerate()
        .map(|(n, email)| person(&format!("B{n}"), "Garcia", json!(email), if n == 0 { "Y" } else { "N" }))
        .collect();
    // The groups are tagged with a month of long ago, which must be in the beam time.
    let activities = json!([activity(json!(71001), "2026-03-01T08:00:00Z", &hours(24), json!(people))]);
    server.answers(SCHEDULED, Reply::Json(json!([{ "scheduleName": "2-BM-A,B", "activities": activities }])));
}

/// A verb of the command line: exit code and what it says.
async fn verb(site: &Site, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_beamshare"))
        .args(["--config", site.beamline.path("beamshare.toml").to_str().unwrap()])
        .args(arguments)
        .envs(site.ca.environment())
        .output()
        .await
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

/// Waits until this is so.
async fn until(site: &Site, what: impl Fn() -> bool) {
    let waits = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let in_time = tokio::time::timeout(LIMIT, waits).await.is_ok();
    assert!(in_time, "readers {:?}, mailed {:?}\n{}", site.readers(), site.mailed_to(), site.log());
}

fn readers(people: &[&str]) -> Vec<(String, String)> {
    people.iter().map(|who| ("/2026-03/Garcia/".to_owned(), (*who).to_owned())).collect()
}

#[tokio::test]
async fn who_is_not_on_the_schedule_waits_for_approve() {
    let server = schedule(&["Ana@UPF.example"]);
    let site = started(&server, "pi").await;
    site.tag(&garcia()).await;
    site.delivered(ANA).await;
    // A stray caput, and a whole set of a group whose time it is not.
    site.put(Field::PiEmail, NA).await;
    site.held("replaces").await;
    // The first reason is in StatusMsg, all of them in the list.
    let unscheduled = format!("Not on the schedule: the schedule does not name {NA} on proposal 71001");
    site.record(Record::PendingMsg, |text| text.contains(&unscheduled)).await;
    site.tag(&li()).await;
    let message = site.held("proposal 71002 has no beam time now; it is proposal 71001").await;
    assert!(message.starts_with("Approve?"), "{message}");
    site.press(Record::Run, 1).await;
    site.record(Record::Run, |text| text != "1" && text != "Running").await;
    site.held("Not on the schedule").await;
    assert_eq!((site.readers(), site.mailed_to()), (readers(&[ANA]), vec![ANA.to_owned()]));
    site.press(Record::Approve, 1).await;
    site.delivered(BO).await;
    assert_eq!(site.mailed_to(), [ANA, BO]);
    // What was accepted is never held again.
    site.tag(&garcia()).await;
    site.delivered(ANA).await;
    site.tag(&li()).await;
    site.delivered(BO).await;
    assert_eq!(site.mailed_to(), [ANA, BO]);
}

#[tokio::test]
async fn a_schedule_that_is_away_is_asked_until_it_answers() {
    let server = schedule(&[ANA]);
    let mut site = started(&server, "pi").await;
    for (trouble, told) in [
        (Reply::Status(401, "who are you"), "401"),
        (Reply::Status(500, "out of order"), "500"),
        (Reply::Json(json!("no list")), "but \"no list\""),
    ] {
        server.answers(RUNS, trouble);
        site.tag(&garcia()).await;
        let message = site.held("The schedule can't be asked").await;
        assert!(message.starts_with("Approve?"), "{message}");
        site.record(Record::StatusMsg, |text| text.contains(told)).await;
        server.asked();
        until(&site, || !server.asked().is_empty()).await;
        assert_eq!(site.text(Record::Status).await, "Approval", "also while it is asked again");
    }
    assert!(site.readers().is_empty() && site.mailed_to().is_empty());
    server.answers(RUNS, runs());
    site.delivered(ANA).await;
    assert_eq!((site.readers(), site.mailed_to()), (readers(&[ANA]), vec![ANA.to_owned()]));
    // Nor does the schedule hold up what was accepted.
    server.answers(RUNS, Reply::Status(500, "out of order"));
    site.kill();
    site.start();
    site.delivered(ANA).await;
}

#[tokio::test]
async fn approve_does_not_wait_for_a_schedule_that_is_away() {
    let server = schedule(&[ANA]);
    let site = started(&server, "pi").await;
    server.answers(RUNS, Reply::Stall);
    site.tag(&garcia()).await;
    site.held("(no answer within 10 s)").await;
    site.press(Record::Approve, 1).await;
    site.delivered(ANA).await;
    assert_eq!(site.mailed_to(), [ANA]);
}

#[tokio::test]
async fn the_proposals_people_are_served_as_they_come_and_go() {
    let server = schedule(&[ANA, BO]);
    let site = started(&server, "schedule").await;
    site.tag(&garcia()).await;
    site.delivered(ANA).await;
    assert_eq!(
        (site.readers(), site.mailed_to()),
        (readers(&[ANA, BO]), vec![ANA.to_owned(), BO.to_owned()])
    );

    list(&server, &[ANA, BO, NA]);
    until(&site, || site.mailed_to().len() == 3).await;
    site.delivered(ANA).await;
    assert_eq!(
        (site.readers(), site.mailed_to()),
        (readers(&[ANA, BO, NA]), vec![ANA.into(), BO.into(), NA.into()])
    );
    site.record(Record::RunCount, |text| text == "2").await;
    assert_eq!(site.text(Record::UsersShared).await, "4", "the staff of share_with, too");

    // Other capitals, and answers that do not tell, begin nothing.
    list(&server, &["ANA@upf.example", "BoLi@MIT.example", "Nali@ETH.EXAMPLE"]);
    for nothing in [&["ANA@UPF.example", BO, NA][..], &[], &[NA, BO]] {
        server.asked();
        until(&site, || server.asked().iter().filter(|path| *path == SCHEDULED).count() > 0).await;
        list(&server, nothing);
    }
    server.asked();
    until(&site, || !server.asked().is_empty()).await;
    assert_eq!(site.text(Record::RunCount).await, "2");
    assert_eq!(site.readers(), readers(&[ANA, BO, NA]));

    list(&server, &[ANA, NA]);
    until(&site, || site.readers() == readers(&[ANA, NA])).await;
    site.record(Record::RunCount, |text| text == "3").await;
    site.delivered(ANA).await;
    assert_eq!(site.mailed_to(), [ANA, BO, NA], "nobody is mailed twice");
    let (_, history) = verb(&site, &["history"]).await;
    assert_eq!(history.matches("schedule").count(), 2, "{history}");
}

#[tokio::test]
async fn who_was_known_is_served_while_the_schedule_is_away() {
    let server = schedule(&[ANA, BO]);
    let site = started(&server, "schedule").await;
    server.answers_in_turn(RUNS, [runs(), Reply::Status(500, "out of order")]);
    site.tag(&garcia()).await;
    site.record(Record::ShareMsg, |text| text.contains("500") && text.contains("next try")).await;
    until(&site, || site.mailed_to() == [ANA]).await;
    assert_eq!(site.readers(), readers(&[ANA]));
    server.answers(RUNS, runs());
    site.delivered(ANA).await;
    assert_eq!(
        (site.readers(), site.mailed_to()),
        (readers(&[ANA, BO]), vec![ANA.to_owned(), BO.to_owned()])
    );
}

#[tokio::test]
async fn a_schedule_that_refuses_fails_the_step_and_mends_itself() {
    let server = schedule(&[ANA, BO]);
    let site = started(&server, "schedule").await;
    server.answers_in_turn(RUNS, [runs(), Reply::Status(401, "who are you")]);
    site.tag(&garcia()).await;
    site.status("Failed").await;
    let message = site.text(Record::ShareMsg).await;
    assert!(message.contains("401") && message.contains("password_file"), "{message}");
    assert_eq!(site.mailed_to(), [ANA], "the PI has it all the same");
    server.answers(RUNS, runs());
    site.delivered(ANA).await;
    assert_eq!(site.mailed_to(), [ANA, BO]);
}

#[tokio::test]
async fn users_are_added_and_removed_by_hand() {
    let server = schedule(&[ANA, BO]);
    let mut site = started(&server, "schedule").await;
    let (code, told) = verb(&site, &["users", "add", NA]).await;
    assert_eq!(code, Some(4), "{told}");
    site.tag(&garcia()).await;
    site.delivered(ANA).await;

    let (code, told) = verb(&site, &["users", "add", "NaLi@eth.example", "--name", "Na Li"]).await;
    assert_eq!(code, Some(0), "{told}");
    until(&site, || site.mailed_to() == [ANA, BO, NA]).await;
    site.delivered(ANA).await;
    assert_eq!(site.readers(), readers(&[ANA, BO, NA]));

    // Removed by hand, though the schedule names him.
    let (code, told) = verb(&site, &["users", "remove", BO, NA, "staff@example.org"]).await;
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told.contains("staff@example.org  was not one of this experiment's people")
            && told.contains("share_with"),
        "{told}"
    );
    until(&site, || site.readers() == readers(&[ANA])).await;
    let (code, told) = verb(&site, &["users", "remove", ANA]).await;
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("removed, though the PI") && told.contains("beamshare users add"), "{told}");
    until(&site, || site.readers().is_empty()).await;
    let (code, told) = verb(&site, &["users", "add", ANA]).await;
    assert_eq!(code, Some(0), "{told}");
    until(&site, || site.readers() == readers(&[ANA])).await;
    server.asked();
    until(&site, || !server.asked().is_empty()).await;
    site.delivered(ANA).await;
    assert_eq!(site.readers(), readers(&[ANA]));

    // Killed before it has heard of it, and when it has begun.
    site.kill();
    let (code, told) = verb(&site, &["users", "add", BO, "--experiment", "2026-03/garcia"]).await;
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(site.readers(), readers(&[ANA]));
    site.beamline.globus.fault(globus_simulator::Fault::answer("access_create", 503).always());
    site.start();
    site.record(Record::ShareMsg, |text| text.contains("next try")).await;
    site.kill();
    site.beamline.globus.clear_faults();
    site.start();
    site.delivered(ANA).await;
    until(&site, || site.readers() == readers(&[ANA, BO])).await;
    assert_eq!(site.mailed_to(), [ANA, BO, NA], "Bo has his message");
    assert_eq!(
        site.beamline.globus.rules(site.beamline.collection).len(),
        3,
        "the staff of share_with keep theirs"
    );

    let (code, told) = verb(&site, &["users", "list", "--experiment", "71001", "--json"]).await;
    assert_eq!(code, Some(0), "{told}");
    let list: Value = serde_json::from_str(&told).unwrap();
    let row =
        |email: &str| list["people"].as_array().unwrap().iter().find(|row| row["address"] == email).unwrap();
    assert_eq!((&row(ANA)["by"], &row(ANA)["access"]), (&json!("pi"), &json!("granted")));
    assert_eq!((&row(BO)["state"], &row(BO)["message"]), (&json!("present"), &json!("sent")));
    assert_eq!((&row(NA)["state"], &row(NA)["access"]), (&json!("removed"), &json!("revoked")));
    assert_eq!(row(NA)["name"], "Na Li");
}

#[tokio::test]
async fn a_step_by_hand_leaves_the_rest_to_the_service() {
    let mut site = Site::started().await;
    site.press(Record::Auto, 0).await;
    site.tag(&garcia()).await;
    site.held("Auto is Off").await;
    site.terminate();
    let (code, told) = verb(&site, &["dirs"]).await;
    assert_eq!(code, Some(0), "{told}");
    assert!(site.beamline.path("local/2026-03/Garcia").is_dir());
    site.start();
    site.held("Auto is Off").await;
    site.record(Record::DirsSts, |text| text == "Done").await;
    for step in [Record::ShareSts, Record::EmailSts] {
        site.record(step, |text| text == "Pending").await;
    }
    assert!(site.mailed_to().is_empty());
    site.press(Record::Auto, 1).await;
    site.delivered(ANA).await;
    assert_eq!((site.readers(), site.mailed_to()), (readers(&[ANA]), vec![ANA.to_owned()]));

    // Nor does it make half a set whole.
    site.terminate();
    site.tag_some(&li(), 4).await;
    let (code, told) = verb(&site, &["dirs", "--approve"]).await;
    assert_eq!(code, Some(0), "{told}");
    site.start();
    site.held("Not one whole tagging").await;
    assert_eq!(site.mailed_to(), [ANA]);
}
