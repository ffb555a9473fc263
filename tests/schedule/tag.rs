//! `beamshare schedule` and `beamshare tag`, with the service and EPICS base's own soft IOC.

use crate::server::{PASSWORD, RUNS, Reply, SCHEDULED, Server, activity, person};
use crate::support::ioc::CaTest;
use crate::support::settings;
use assert_cmd::Command;
use beamshare::domain::Field;
use jiff::{Span, ZonedDateTime};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

/// The tagging tool's PVs as sites have them: CHAR waveforms, short and long strings, a number.
pub(crate) const RECORDS: &str = r#"
record(waveform,  "x:FirstName")   { field(FTVL, "CHAR") field(NELM, "256") }
record(waveform,  "x:LastName")    { field(FTVL, "CHAR") field(NELM, "256") }
record(stringout, "x:Institution") { field(VAL, "old institution") field(PINI, "YES") }
record(lso,       "x:Email")       { field(SIZV, "256") }
record(longout,   "x:Badge")       { field(VAL, "99") field(PINI, "YES") }
record(stringout, "x:Proposal")    { }
record(waveform,  "x:Title")       { field(FTVL, "CHAR") field(NELM, "64") }
record(stringout, "x:YearMonth")   { }
record(stringout, "x:Esaf")        { field(VAL, "old form") field(PINI, "YES") }
record(stringout, "x:UpdateTime")  { field(VAL, "never") field(PINI, "YES") }
"#;

pub(crate) const NAMES: [(Field, &str); 10] = [
    (Field::PiFirstName, "FirstName"),
    (Field::PiLastName, "LastName"),
    (Field::PiInstitution, "Institution"),
    (Field::PiEmail, "Email"),
    (Field::PiBadge, "Badge"),
    (Field::ProposalNumber, "Proposal"),
    (Field::ProposalTitle, "Title"),
    (Field::YearMonth, "YearMonth"),
    (Field::Esaf, "Esaf"),
    (Field::UpdateTime, "UpdateTime"),
];

/// A folder with settings for these PVs and this service.
pub(crate) fn folder(server: &Server) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let pvs: String = NAMES.iter().map(|(field, name)| format!("{} = \"x:{name}\"\n", field.key())).collect();
    let schedule = format!(
        "[schedule.from.aps]\nurl = \"{}\"\nbeamline = \"2-BM-A,B\"\nuser = \"2bm\"\npassword_file = \"password\"\n",
        server.url
    );
    let base = settings::base("x:Share:", &pvs, "{{ year_month }}/{{ pi_email }}");
    let base = base.replace("[epics]\n", "time_zone = \"America/Chicago\"\n[epics]\n");
    let settings = [&base, settings::JOURNAL, &schedule].concat();
    std::fs::write(folder.path().join("beamshare.toml"), settings).unwrap();
    std::fs::write(folder.path().join("password"), PASSWORD).unwrap();
    std::fs::set_permissions(folder.path().join("password"), PermissionsExt::from_mode(0o600)).unwrap();
    folder
}

pub(crate) struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

pub(crate) fn program(folder: &Path, test: &CaTest) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_beamshare"));
    command
        .current_dir(folder)
        .env_remove("BEAMSHARE_CONFIG")
        .env_remove("BEAMSHARE_LOG")
        .env("NO_COLOR", "1");
    command.envs(test.environment());
    command
}

pub(crate) fn run(folder: &Path, test: &CaTest, arguments: &[&str]) -> Ended {
    let output =
        program(folder, test).args(arguments).timeout(Duration::from_secs(60)).output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ended { code: output.status.code().expect("it ends"), out: text(output.stdout), err: text(output.stderr) }
}

/// What another client, pyepics on EPICS base's libca, reads of all PVs: the text and the time of the last
/// put.
pub(crate) fn read(test: &CaTest) -> BTreeMap<String, (String, f64)> {
    let names: Vec<&str> = NAMES.iter().map(|(_, name)| *name).collect();
    let script = format!(
        "import epics, json\nread = {{}}\nfor name in {names:?}:\n  \
         pv = epics.PV('x:' + name + ('.VAL$' if name == 'Email' else ''), form='time')\n  \
         assert pv.wait_for_connection(timeout=30)\n  \
         read[name] = (pv.get(as_string=True, timeout=30), pv.get_timevars(timeout=30)['timestamp'])\n\
         print('READ', json.dumps(read))"
    );
    let read: BTreeMap<String, (String, f64)> = serde_json::from_str(&printed(test, &script)).expect("JSON");
    // pyepics takes each byte of a CHAR waveform for a character.
    let utf8 = |text: String| match text.chars().map(u8::try_from).collect::<Result<Vec<u8>, _>>() {
        Ok(bytes) => String::from_utf8(bytes).unwrap_or(text),
        Err(_) => text,
    };
    read.into_iter().map(|(name, (text, time))| (name, (utf8(text), time))).collect()
}

/// What a script prints after "READ": libca itself prints there, too, where it finds no repeater.
pub(crate) fn printed(test: &CaTest, script: &str) -> String {
    let output = test.python(script);
    let line = output.lines().find_map(|line| line.split_once("READ "));
    line.unwrap_or_else(|| panic!("nothing read: {output}")).1.to_owned()
}

fn texts(test: &CaTest) -> BTreeMap<String, String> {
    read(test).into_iter().map(|(name, (text, _))| (name, text)).collect()
}

/// Days from today, as the service writes a time. The run of the test goes on around today.
fn day(days: i64) -> String {
    let zone = jiff::tz::TimeZone::get("America/Chicago").unwrap();
    let time: ZonedDateTime =
        jiff::Timestamp::now().to_zoned_datetime(zone).checked_add(Span::new().days(days)).unwrap();
    time.strftime("%Y-%m-%dT%H:%M:%S%z").to_string()
}

/// A service whose run goes on now, with these activities.
pub(crate) fn service(activities: Value) -> Server {
    let server = Server::with(activities);
    server.answers(
        RUNS,
        Reply::Json(json!([{ "runName": "2026-1", "startTime": day(-40), "endTime": day(40) }])),
    );
    server
}

pub(crate) fn garcia() -> Value {
    let people = json!([
        person("Bo", "Li", json!("boli@mit.edu"), "N"),
        person("Ana", "García", json!("Ana@upf.edu"), "Y")
    ]);
    activity(json!(71001), &day(-1), &day(2), people)
}

fn li() -> Value {
    let mut activity =
        activity(json!(71002), &day(5), &day(7), json!([person("Bo", "Li", json!("boli@mit.edu"), "Y")]));
    activity["experimentId"] = Value::Null;
    activity["beamtime"]["proposal"]["experimenters"][0]["badge"] = Value::Null;
    activity["beamtime"]["proposal"]["proposalTitle"] = json!("Foam ".repeat(30));
    activity
}

#[test]
fn a_whole_set_is_put_with_the_update_time_last() {
    let (test, server) = (CaTest::new(), service(json!([li(), garcia()])));
    let (folder, _ioc) = (folder(&server), test.ioc_with_records(RECORDS));

    let dry = run(folder.path(), &test, &["tag", "--dry-run"]);
    assert_eq!(dry.code, 0, "{}", dry.err);
    for told in ["PI e-mail", "x:Email", "Ana@upf.edu", "old institution", "WOULD BE"] {
        assert!(dry.out.contains(told), "{told}: {}", dry.out);
    }
    assert_eq!(texts(&test)["UpdateTime"], "never", "nothing was put");

    let ended = run(folder.path(), &test, &["tag"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let first = read(&test);
    let text = |name: &str| first[name].0.as_str();
    assert_eq!((text("FirstName"), text("LastName"), text("Institution")), ("Ana", "García", "UPF"));
    assert_eq!((text("Email"), text("Badge"), text("Proposal")), ("Ana@upf.edu", "302211", "71001"));
    assert_eq!((text("Title"), text("Esaf")), ("Pores in shells", "250031"));
    assert_eq!(text("YearMonth"), &day(-1)[..7]);
    let put_at: jiff::Timestamp = text("UpdateTime").parse().expect("a time with its offset");
    assert!(
        jiff::Timestamp::now().duration_since(put_at).abs() < jiff::SignedDuration::from_secs(60),
        "{put_at}"
    );
    for (field, name) in NAMES {
        assert!(first[name].1 <= first["UpdateTime"].1, "{field} was put after the update time");
    }
    // Both sides of the matter on one page.
    let shown = run(folder.path(), &test, &["show"]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    assert!(shown.out.contains("Ana García (PI)") && shown.out.contains("x:LastName"), "{}", shown.out);
    let shown: Value =
        serde_json::from_str(&run(folder.path(), &test, &["show", "--json"]).out).expect("JSON");
    assert_eq!(
        shown["schedule"]["current"]["proposal"]["number"],
        shown["experiment"]["details"]["proposal_number"]
    );

    // Another group: what its proposal doesn't have is cleared, and every PV is put anew, which tells a whole
    // set.
    let ended = run(folder.path(), &test, &["tag", "--set", "6"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let second = read(&test);
    let text = |name: &str| second[name].0.as_str();
    assert_eq!((text("LastName"), text("Badge"), text("Esaf")), ("Li", "0", ""));
    assert!(text("Title").starts_with("Foam Foam") && text("Title").ends_with("Foam…"), "{}", text("Title"));
    assert!(text("Title").len() < 64 && ended.out.contains("(cut to fit)"), "{}", ended.out);
    for (field, name) in NAMES {
        assert!(second[name].1 > first[name].1, "the {field} was not put again");
        assert!(second[name].1 <= second["UpdateTime"].1, "{field} was put after the update time");
    }
    assert_ne!(second["UpdateTime"].0, first["UpdateTime"].0);
}

#[test]
fn where_nobody_is_scheduled_the_pvs_are_left_alone() {
    let (test, server) = (CaTest::new(), service(json!([garcia()])));
    let (folder, _ioc) = (folder(&server), test.ioc_with_records(RECORDS));
    for days in ["3", "-2", "100"] {
        let ended = run(folder.path(), &test, &["tag", "--set", days]);
        assert_eq!(ended.code, 4, "{days}: {}", ended.err);
        assert!(
            ended.err.contains("Nobody is scheduled at") && ended.err.contains("left as they are"),
            "{}",
            ended.err
        );
        assert!(ended.err.contains("beamshare tag --manual"), "{}", ended.err);
    }
    server.answers(SCHEDULED, Reply::Status(403, ""));
    assert_eq!(run(folder.path(), &test, &["tag"]).code, 1);
    let texts = texts(&test);
    assert_eq!((texts["UpdateTime"].as_str(), texts["LastName"].as_str()), ("never", ""));
}

#[test]
fn commissioning_is_tagged_by_hand() {
    let (test, server) = (CaTest::new(), service(json!([garcia()])));
    let (folder, _ioc) = (folder(&server), test.ioc_with_records(RECORDS));
    let tag = |arguments: &[&str]| run(folder.path(), &test, &[&["tag"], arguments].concat());
    for (arguments, told) in [
        (&["--last-name", "Staff"][..], "--manual"),
        (&["--manual"], "--proposal NUMBER"),
        (&["--manual", "--last-name", "Staff"], "PI e-mail \"\": is not set"),
        (&["--manual", "--last-name", "../x", "--email", "staff@example.org"], "PI last name \"../x\""),
        (&["--manual", "--proposal", "71001", "--email", "nobody"], "PI e-mail \"nobody\""),
        (&["--every", "4h", "--manual"], "cannot be used with"),
        (&["--every", "soon"], "4h"),
    ] {
        let ended = tag(arguments);
        assert_eq!(ended.code, 2, "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains(told), "{arguments:?}: {}", ended.err);
    }
    assert_eq!(tag(&["--manual", "--proposal", "1"]).code, 4);
    assert_eq!(texts(&test)["UpdateTime"], "never");

    let staff =
        ["--manual", "--last-name", "Staff", "--email", "staff@example.org", "--title", "Mirror test"];
    let ended = tag(&[&staff[..], &["--year-month", "2026-11"]].concat());
    assert_eq!(ended.code, 0, "{}", ended.err);
    let by_hand = texts(&test);
    let text = |name: &str| by_hand[name].as_str();
    assert_eq!(
        (text("LastName"), text("Email"), text("YearMonth")),
        ("Staff", "staff@example.org", "2026-11")
    );
    assert_eq!(
        (text("Institution"), text("Esaf"), text("Title")),
        ("", "", "Mirror test"),
        "nothing of others stays"
    );

    // A scheduled proposal, whenever it is, with one field set right.
    let ended = tag(&["--manual", "--proposal", "71001", "--email", "garcia@upf.edu"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let texts = texts(&test);
    assert_eq!((texts["LastName"].as_str(), texts["Email"].as_str()), ("García", "garcia@upf.edu"));
}

#[test]
fn a_pi_without_an_address_makes_watchers_wait() {
    let mut activity = garcia();
    activity["beamtime"]["proposal"]["experimenters"][1]["email"] = Value::Null;
    let (test, server) = (CaTest::new(), service(json!([activity])));
    let (folder, _ioc) = (folder(&server), test.ioc_with_records(RECORDS));
    let staff = ["tag", "--manual", "--last-name", "Staff", "--email", "staff@example.org"];
    assert_eq!(run(folder.path(), &test, &staff).code, 0);
    let ended = run(folder.path(), &test, &["tag"]);
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(ended.err.contains("PI e-mail") && ended.err.contains("--email ADDRESS"), "{}", ended.err);
    let texts = texts(&test);
    assert_eq!(
        (texts["LastName"].as_str(), texts["Email"].as_str()),
        ("García", ""),
        "no other group's address stays"
    );
}

#[test]
fn nothing_is_put_unless_everything_can_be() {
    let (test, server) = (CaTest::new(), service(json!([garcia()])));
    let folder = folder(&server);
    let without_title: String = RECORDS.lines().filter(|line| !line.contains("Title")).collect();
    let ioc = test.ioc_with_records(&without_title);
    let ended = run(folder.path(), &test, &["tag"]);
    assert_eq!(ended.code, 5, "{}", ended.err);
    assert!(ended.err.contains("nothing was put: x:Title"), "{}", ended.err);
    let last_name = || {
        let script = "import epics; pv = epics.PV('x:LastName'); pv.wait_for_connection(timeout=30); \
                      print('READ', repr(pv.get(as_string=True)))";
        printed(&test, script)
    };
    assert_eq!(last_name(), "''");
    ioc.kill();

    // A record that would cut the address.
    let short = RECORDS.replace(
        r#"record(lso,       "x:Email")       { field(SIZV, "256") }"#,
        r#"record(waveform, "x:Email") { field(FTVL, "CHAR") field(NELM, "8") }"#,
    );
    assert_ne!(short, RECORDS);
    let ioc = test.ioc_with_records(&short);
    let ended = run(folder.path(), &test, &["tag"]);
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(
        ended.err.contains("nothing was put: the PI e-mail") && ended.err.contains("holds 7"),
        "{}",
        ended.err
    );
    assert_eq!(last_name(), "''");
    ioc.kill();

    // A record that keeps nothing: the set is not confirmed, and the update time stays.
    let forgetful = RECORDS.to_owned()
        + r#"record(stringout, "x:Wipe") { field(DOL, "") field(OMSL, "closed_loop") field(OUT, "x:Esaf CA") }"#;
    let forgetful = forgetful.replace(
        r#"record(stringout, "x:Proposal")    { }"#,
        r#"record(stringout, "x:Proposal") { field(OMSL, "closed_loop") field(DOL, "x:Esaf") }"#,
    );
    let _ioc = test.ioc_with_records(&forgetful);
    let ended = run(folder.path(), &test, &["tag"]);
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(ended.err.contains("half a set: x:Proposal") && ended.err.contains("\"71001\""), "{}", ended.err);
    assert_eq!(texts(&test)["UpdateTime"], "never");
}

/// Ended with the test, however that ends.
struct Service(std::process::Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn as_a_service_it_tags_again_and_ends_when_told() {
    let (test, server) = (CaTest::new(), service(json!([garcia()])));
    let (folder, _ioc) = (folder(&server), test.ioc_with_records(RECORDS));
    let mut service = Service(
        std::process::Command::new(env!("CARGO_BIN_EXE_beamshare"))
            .args(["tag", "--every", "1s"])
            .current_dir(folder.path())
            .envs(test.environment())
            .env_remove("BEAMSHARE_CONFIG")
            .stdout(std::process::Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap(),
    );
    let log = || std::fs::read_to_string(folder.path().join("log")).unwrap();
    let until = |wanted: &dyn Fn(&BTreeMap<String, String>) -> bool| {
        let mut last = BTreeMap::new();
        for _ in 0..60 {
            last = texts(&test);
            if wanted(&last) {
                return last;
            }
        }
        panic!("not in sixty reads: {last:?}\n{}", log());
    };
    let first = until(&|texts| texts["LastName"] == "García" && texts["UpdateTime"] != "never");
    // The schedule is away for a while; then the next group has the beam.
    server.answers(RUNS, Reply::Status(401, ""));
    let mut next = li();
    (next["startTime"], next["endTime"]) = (json!(day(-1)), json!(day(1)));
    server.answers(SCHEDULED, Reply::Json(json!([{ "activities": [next] }])));
    server.asked();
    while server.asked().is_empty() {
        std::thread::yield_now();
    }
    server.answers(
        RUNS,
        Reply::Json(json!([{ "runName": "2026-1", "startTime": day(-40), "endTime": day(40) }])),
    );
    let second = until(&|texts| texts["LastName"] == "Li" && texts["UpdateTime"] != first["UpdateTime"]);
    assert_eq!(second["Email"], "boli@mit.edu");
    let pid = rustix::process::Pid::from_child(&service.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(service.0.wait().unwrap().code(), Some(0), "it ends in order");
    assert!(log().contains("401"), "{}", log());
}

#[test]
fn the_schedule_is_shown() {
    let (test, server) = (CaTest::new(), service(json!([garcia(), li()])));
    let folder = folder(&server);
    let show = |arguments: &[&str]| run(folder.path(), &test, &[&["schedule"], arguments].concat());
    let ended = show(&[]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    for told in [
        "2026-1",
        "Ana García (PI)",
        "Bo Li",
        "boli@mit.edu",
        "71001",
        "Pores in shells",
        "General User Proposal",
        "250031",
        "9 granted, 12 scheduled",
        "2025-10-31",
        "302211",
        "UPF",
        "Mail-in",
    ] {
        assert!(ended.out.contains(told), "{told}: {}", ended.out);
    }
    let document: Value = serde_json::from_str(&show(&["--json"]).out).expect("JSON");
    assert_eq!(document["current"]["proposal"]["number"], "71001");
    assert_eq!(document["current"]["proposal"]["experimenters"][0]["email"], "boli@mit.edu");
    assert!(document["current"]["start"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    assert!(document["nobody"].is_null());

    let ended = show(&["--set", "3"]);
    assert_eq!((ended.code, ended.out.as_str()), (4, ""));
    assert!(
        ended.err.contains("last: proposal 71001") && ended.err.contains("next: proposal 71002"),
        "{}",
        ended.err
    );
    let ended = show(&["--all"]);
    assert!(ended.out.contains("71001") && ended.out.contains("71002"), "{}", ended.out);

    // `beamshare check` tries it, too.
    let check = || {
        let ended = run(folder.path(), &test, &["check", "--json"]);
        let document: Value = serde_json::from_str(&ended.out).expect("JSON");
        let checks = document["checks"].as_array().unwrap().iter();
        checks
            .filter(|check| check["section"] == "schedule")
            .map(|check| check["state"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(check(), ["ok"]);
    server.answers(RUNS, Reply::Status(401, ""));
    assert_eq!(check(), ["failed"]);
    let ended = show(&[]);
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(!ended.err.contains(PASSWORD), "{}", ended.err);
    std::fs::set_permissions(folder.path().join("password"), PermissionsExt::from_mode(0o640)).unwrap();
    assert_eq!(show(&[]).code, 2);

    let settings = std::fs::read_to_string(folder.path().join("beamshare.toml")).unwrap();
    let without = settings.split("[schedule").next().unwrap();
    std::fs::write(folder.path().join("beamshare.toml"), without).unwrap();
    for verb in ["schedule", "tag"] {
        let ended = run(folder.path(), &test, &[verb]);
        assert_eq!(ended.code, 2, "{}", ended.err);
        assert!(ended.err.contains("[schedule.from.aps]"), "{}", ended.err);
    }
}
