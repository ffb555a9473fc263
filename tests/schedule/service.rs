//! The APS scheduling service: its documents, and what else comes back.

use crate::server::{ACTIVITIES, PASSWORD, RUNS, Reply, SCHEDULED, Server, USER, activity, all_runs, person};
use beamshare::config::ApsService;
use beamshare::schedule::{ApsSchedule, BeamTime, RunSchedule, ScheduleError, ScheduleSource};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

/// In the beam time of March.
const MARCH: &str = "2026-03-03T12:00:00-06:00";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The service with this password, each request limited to `timeout`.
struct Client {
    schedule: ApsSchedule,
    _password: tempfile::NamedTempFile,
}

fn client_with(server: &Server, password: &str, mode: u32, timeout: Duration) -> Client {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, format!("{password}\n")).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
    let service = ApsService {
        url: server.url.parse().unwrap(),
        beamline: "2-BM-A,B".into(),
        user: USER.into(),
        password_file: file.path().to_owned(),
        timeout,
    };
    let zone = TimeZone::get("America/Chicago").unwrap();
    let schedule = ApsSchedule::new(&service, zone).unwrap().with_retries(2, Duration::from_millis(1));
    Client { schedule, _password: file }
}

fn client(server: &Server) -> Client {
    client_with(server, PASSWORD, 0o600, Duration::from_secs(30))
}

async fn around(server: &Server, time: &str) -> Result<RunSchedule, ScheduleError> {
    client(server).schedule.around(at(time)).await
}

async fn current(server: &Server, time: &str) -> Result<Option<BeamTime>, ScheduleError> {
    client(server).schedule.current(at(time)).await
}

fn march(experimenters: Value) -> Value {
    json!([activity(json!(71001), "2026-03-02T08:00:00-0600", "2026-03-05T08:00:00-06", experimenters)])
}

#[tokio::test]
async fn the_beam_time_of_a_moment_with_everything_about_it() {
    let people = json!([
        person("Bo", "Li", json!("BoLi@MIT.edu"), "N"),
        person("Ana", "García", json!("Ana@upf.edu"), "Y"),
        person("Bo", "Li", json!("boli@mit.edu"), "N"),
        // Someone else who reads the same mail.
        person("Na", "Li", json!("ana@UPF.edu"), "N"),
    ]);
    let server = Server::with(march(people));
    let beam_time = current(&server, MARCH).await.unwrap().expect("a beam time");
    assert_eq!(beam_time.run.as_deref(), Some("2026-1"));
    assert_eq!(beam_time.start.to_string(), "2026-03-02T08:00:00-06:00[America/Chicago]");
    assert_eq!(beam_time.end.to_string(), "2026-03-05T08:00:00-06:00[America/Chicago]");
    assert_eq!(beam_time.esaf.as_deref(), Some("250031"));
    assert_eq!((beam_time.granted_shifts, beam_time.scheduled_shifts), (Some(9.0), Some(12.0)));
    let proposal = &beam_time.proposal;
    assert_eq!(proposal.number.as_deref(), Some("71001"));
    assert_eq!(proposal.title.as_deref(), Some("Pores in shells"));
    assert_eq!(proposal.kind.as_deref(), Some("General User Proposal"));
    assert_eq!(proposal.submitted.as_deref(), Some("2025-10-31"));
    assert_eq!((proposal.proprietary, proposal.mail_in), (Some(false), Some(true)));
    let pi = proposal.pi().unwrap();
    assert_eq!(
        (pi.name().as_str(), pi.badge.as_deref(), pi.institution.as_deref()),
        ("Ana García", Some("302211"), Some("UPF"))
    );
    let addresses: Vec<String> = beam_time.addresses().iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["BoLi@MIT.edu", "Ana@upf.edu"], "once each whatever the capitals");
    assert_eq!(proposal.experimenters.len(), 3);
    assert!(beam_time.names(&"ana@UPF.EDU".parse().unwrap()));
    assert!(!beam_time.names(&"mallory@upf.edu".parse().unwrap()));
    // As dmagic, which found that activities may be missing where the schedule has them.
    assert_eq!(server.asked(), [RUNS, SCHEDULED]);
}

#[tokio::test]
async fn missing_and_null_fields_are_no_obstacle() {
    let server = Server::with(json!([
        null,
        "not an activity",
        {},
        { "startTime": "2026-03-02T08:00:00-0600", "endTime": "2026-03-05T08:00:00-0600", "beamtime": null },
        { "startTime": "2026-03-02T08:00:00-0600", "endTime": "2026-03-05T08:00:00-0600", "beamtime": { "proposal": null } },
        { "startTime": "2026-03-02T08:00:00", "endTime": "2026-03-05T08:00:00.000-06:00",
          "beamtime": { "grantedShifts": "6", "proposal": { "gupId": "71001", "proposalTitle": null, "experimenters": [
              null,
              {},
              { "firstName": null, "lastName": "Li", "badge": 302_212, "email": null, "piFlag": null },
              { "firstName": "Ana", "lastName": "García", "institution": null, "email": "ana at upf.edu" },
              { "lastName": "Ma", "email": "  MA@example.org " },
          ] } } },
    ]));
    let beam_time = current(&server, MARCH).await.unwrap().expect("a beam time");
    assert_eq!(beam_time.esaf, None);
    assert_eq!(beam_time.granted_shifts, Some(6.0));
    assert_eq!(beam_time.proposal.title, None);
    assert_eq!(
        beam_time.proposal.pi().unwrap().name(),
        "someone without a name",
        "nobody is flagged: the first listed"
    );
    let addresses: Vec<String> = beam_time.addresses().iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["MA@example.org"]);
    let unreachable: Vec<String> =
        beam_time.unreachable().map(|p| format!("{}: {}", p.name(), p.email)).collect();
    assert_eq!(unreachable[1], "Li: no e-mail address");
    assert!(
        unreachable[2].starts_with("Ana García: no usable e-mail address: \"ana at upf.edu\""),
        "{unreachable:?}"
    );
    assert_eq!(unreachable.len(), 3);

    let server = Server::with(march(Value::Null));
    let beam_time = current(&server, MARCH).await.unwrap().expect("a beam time");
    assert_eq!((beam_time.proposal.pi(), beam_time.addresses().len()), (None, 0));
}

#[tokio::test]
async fn the_list_of_users_is_asked_anew_each_time() {
    let server = Server::with(march(json!([person("Ana", "García", json!("ana@upf.edu"), "Y")])));
    let client = client(&server);
    let addresses = async || {
        let beam_time = client.schedule.current(at(MARCH)).await.unwrap().expect("a beam time");
        beam_time.addresses().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(addresses().await, ["ana@upf.edu"]);
    let grown = march(json!([
        person("Ana", "García", json!("ANA@upf.edu"), "Y"),
        person("Bo", "Li", json!("boli@mit.edu"), "N")
    ]));
    server.answers(SCHEDULED, Reply::Json(json!([{ "activities": grown }])));
    assert_eq!(addresses().await, ["ANA@upf.edu", "boli@mit.edu"]);
    let shrunk = march(json!([person("Bo", "Li", json!("boli@mit.edu"), "Y")]));
    server.answers(SCHEDULED, Reply::Json(json!([{ "activities": shrunk }])));
    assert_eq!(addresses().await, ["boli@mit.edu"]);
}

#[tokio::test]
async fn nobody_is_scheduled() {
    // Between two runs; in an empty run; without any run; between two beam times.
    let server = Server::with(march(json!([])));
    assert_eq!(current(&server, "2026-05-10T12:00:00Z").await.unwrap(), None);
    assert_eq!(server.asked(), [RUNS], "no run, so nothing more to ask");
    assert_eq!(current(&server, "2026-03-05T14:00:00Z").await.unwrap(), None, "it ends at 08:00 -06:00");

    let empty = Server::with(json!([]));
    assert_eq!(current(&empty, MARCH).await.unwrap(), None);
    assert_eq!(empty.asked(), [RUNS, SCHEDULED], "an empty schedule is an answer");

    empty.answers(RUNS, Reply::Json(json!([])));
    assert_eq!(current(&empty, MARCH).await.unwrap(), None);
    empty.answers(RUNS, Reply::Json(Value::Null));
    assert_eq!(current(&empty, MARCH).await.unwrap(), None);
}

#[tokio::test]
async fn without_a_schedule_of_the_beamlines_name_its_activities_are_asked() {
    for none in [
        Reply::Json(json!([])),
        Reply::Json(json!([null])),
        Reply::Status(404, "no schedule"),
        Reply::Status(204, ""),
    ] {
        let server = Server::with(json!([]));
        server.answers(SCHEDULED, none);
        server.answers(ACTIVITIES, Reply::Json(march(json!([]))));
        assert!(current(&server, MARCH).await.unwrap().is_some());
        assert_eq!(server.asked(), [RUNS, SCHEDULED, ACTIVITIES]);
    }
    let server = Server::with(json!([]));
    server.answers(SCHEDULED, Reply::Json(json!([])));
    assert_eq!(current(&server, MARCH).await.unwrap(), None, "a schedule that is empty, and no activities");
    server.answers(SCHEDULED, Reply::Status(404, ""));
    let error = current(&server, MARCH).await.unwrap_err();
    assert!(matches!(&error, ScheduleError::NoSuchBeamline { .. }), "{error}");
    assert!(error.to_string().contains("\"2-BM-A,B\"") && error.to_string().contains("2026-1"), "{error}");
    server.answers(SCHEDULED, Reply::Json(json!([])));
    server.answers(ACTIVITIES, Reply::Status(500, ""));
    assert!(current(&server, MARCH).await.is_err(), "it isn't known whether nobody is scheduled");
}

#[tokio::test]
async fn times_that_cannot_be_read_are_told_and_never_taken_for_nobody() {
    let mut activities = march(json!([]));
    let wrong = activity(json!(71002), "soon", "2026-03-09T08:00:00-0600", json!([]));
    let backward = activity(json!(71003), "2026-03-09T08:00:00Z", "2026-03-08T08:00:00Z", json!([]));
    activities.as_array_mut().unwrap().extend([wrong, backward]);
    let server = Server::with(activities);
    let schedule = around(&server, MARCH).await.unwrap();
    assert_eq!(schedule.not_understood.len(), 2, "{:?}", schedule.not_understood);
    assert!(schedule.current(at(MARCH)).unwrap().is_some());
    let error = current(&server, "2026-03-07T12:00:00Z").await.unwrap_err().to_string();
    for told in ["proposal 71002: startTime \"soon\"", "proposal 71003: its endTime"] {
        assert!(error.contains(told), "{error}");
    }
    let mut runs = all_runs();
    runs[2]["endTime"] = json!(null);
    server.answers(RUNS, Reply::Json(runs));
    let error = current(&server, MARCH).await.unwrap_err().to_string();
    assert!(error.contains("run 2026-1: it has no endTime"), "{error}");
}

#[tokio::test]
async fn who_may_not_ask_is_told_what_to_do() {
    let server = Server::with(march(json!([])));
    let stranger = client_with(&server, "wrong", 0o600, Duration::from_secs(30));
    let error = stranger.schedule.current(at(MARCH)).await.unwrap_err().to_string();
    for told in ["401", "user 2bm", "schedule.from.aps.password_file", "getAllRuns"] {
        assert!(error.contains(told), "{told}: {error}");
    }
    assert!(!error.contains("wrong"), "{error}");
    assert_eq!(server.asked().len(), 1, "a refusal is not tried again");

    let open = client_with(&server, PASSWORD, 0o644, Duration::from_secs(30));
    let error = open.schedule.current(at(MARCH)).await.unwrap_err().to_string();
    assert!(error.contains("chmod 600"), "{error}");
    assert!(server.asked().is_empty(), "such a password is not sent");

    server.answers(SCHEDULED, Reply::Status(403, "not yours"));
    let error = current(&server, MARCH).await.unwrap_err().to_string();
    assert!(error.contains("403") && error.contains("not yours"), "{error}");
    // The service says so with a 200, too.
    server.answers(SCHEDULED, Reply::Json(json!({ "message": "User 2bm is not authorized for 2-BM-A,B" })));
    let error = current(&server, MARCH).await.unwrap_err();
    assert!(matches!(&error, ScheduleError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("not authorized for 2-BM-A,B"), "{error}");
}

#[tokio::test]
async fn a_passing_failure_is_tried_again() {
    let server = Server::with(march(json!([])));
    for failure in [Reply::Status(500, "oops"), Reply::Status(503, ""), Reply::With(429, "retry-after", "0")]
    {
        server.answers_in_turn(RUNS, [failure.clone(), failure, Reply::Json(all_runs())]);
        assert!(current(&server, MARCH).await.unwrap().is_some());
        assert_eq!(server.asked(), [RUNS, RUNS, RUNS, SCHEDULED]);
    }
    server.answers(RUNS, Reply::Status(500, "<html>\n<b>oops</b>"));
    let error = current(&server, MARCH).await.unwrap_err();
    assert!(matches!(&error, ScheduleError::NoAnswer { .. }), "{error}");
    for told in ["500", "<html> <b>oops</b>", "3 times"] {
        assert!(error.to_string().contains(told), "{told}: {error}");
    }
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn a_service_that_stalls_is_given_up() {
    let server = Server::with(march(json!([])));
    for stall in [Reply::Stall, Reply::StallInBody] {
        server.answers(RUNS, stall.clone());
        let hasty = client_with(&server, PASSWORD, 0o600, Duration::from_millis(200));
        let answer = tokio::time::timeout(Duration::from_secs(30), hasty.schedule.current(at(MARCH))).await;
        let error = answer.expect("it is given up").unwrap_err().to_string();
        assert!(error.contains("no answer within 200ms") && error.contains("3 times"), "{error}");
        assert_eq!(server.asked().len(), 3);

        server.answers_in_turn(RUNS, [stall, Reply::Json(all_runs())]);
        let patient = client_with(&server, PASSWORD, 0o600, Duration::from_secs(1));
        assert!(patient.schedule.current(at(MARCH)).await.unwrap().is_some(), "a stall that passes");
        server.asked();
    }
    let mut gone = Server::start();
    gone.url = "http://127.0.0.1:1".into();
    let error = current(&gone, MARCH).await.unwrap_err().to_string();
    assert!(error.contains("can't connect") && error.contains("Connection refused"), "{error}");
}

#[tokio::test]
async fn another_answer_than_a_schedule_is_told() {
    let server = Server::with(march(json!([])));
    for (reply, told) in [
        (Reply::Status(200, "<html><title>Sign in</title>"), "no JSON"),
        (Reply::Json(json!("maintenance")), "not a list"),
        (Reply::Json(json!({ "runs": [] })), "not a list"),
        (
            Reply::With(302, "location", "https://login.example.org/"),
            "302 Found, to https://login.example.org/",
        ),
        (Reply::Status(404, ""), "no list of runs"),
        (Reply::Status(418, ""), "418"),
    ] {
        server.answers(RUNS, reply);
        let error = current(&server, MARCH).await.unwrap_err();
        assert!(matches!(&error, ScheduleError::Answer { .. }), "{error}");
        assert!(error.to_string().contains(told), "{told}: {error}");
        assert_eq!(server.asked().len(), 1, "{told}");
    }
    server.answers(RUNS, Reply::Json(all_runs()));
    for reply in [json!([[]]), json!([{ "activities": "none" }])] {
        server.answers(SCHEDULED, Reply::Json(reply));
        let error = current(&server, MARCH).await.unwrap_err();
        assert!(matches!(&error, ScheduleError::Answer { .. }), "{error}");
    }
}

#[tokio::test]
async fn overlapping_proposals_are_held() {
    let mut activities = march(json!([]));
    let again = activity(json!(71001), "2026-03-03T00:00:00-0600", "2026-03-06T08:00:00-0600", json!([]));
    activities.as_array_mut().unwrap().push(again);
    let server = Server::with(activities.clone());
    assert!(current(&server, MARCH).await.unwrap().is_some(), "two activities of one proposal");
    let other = activity(json!(71009), "2026-03-03T00:00:00-0600", "2026-03-06T08:00:00-0600", json!([]));
    activities.as_array_mut().unwrap().push(other);
    server.answers(SCHEDULED, Reply::Json(json!([{ "activities": activities }])));
    let error = current(&server, MARCH).await.unwrap_err().to_string();
    assert!(error.contains("71001") && error.contains("71009") && error.contains("--proposal"), "{error}");
}

/// The most memory that this process has had, in bytes.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn an_answer_of_many_values_does_not_fill_the_memory() {
    let server = Server::start();
    for (count, told) in [(2_000_000, "more than 200000 values"), (10_000_000, "more than 8 MB")] {
        let body: &'static str = format!("[{}[]]", "[],".repeat(count)).leak();
        server.answers(RUNS, Reply::Status(200, body));
        let error = around(&server, MARCH).await.unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
    // The bodies themselves are 36 MB of it.
    assert!(peak_memory() < 200 << 20, "{} MB", peak_memory() >> 20);
}
