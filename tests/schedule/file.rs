//! A schedule kept by hand.

use beamshare::schedule::{FileSchedule, RunSchedule, ScheduleError, ScheduleSource};
use jiff::Timestamp;
use jiff::tz::TimeZone;

const TOML: &str = r#"
[[beam_time]]
run = "2026-1"
start = 2026-03-02T08:00:00
end = "2026-03-05T08:00:00-06:00"
proposal = 71001
title = "Pores in shells"
granted_shifts = 9
[[beam_time.user]]
first_name = "Bo"
last_name = "Li"
email = "boli@mit.edu"
[[beam_time.user]]
first_name = "Ana"
last_name = "García"
institution = "UPF"
badge = 302211
email = "ana@upf.edu"
pi = true

[[beam_time]]
start = 2026-03-06
end = 2026-03-07
proposal = "71002"
"#;

const CSV: &str = "\u{FEFF}# who comes when
start,end,proposal,title,run,granted_shifts,first_name,last_name,institution,badge,email,pi
2026-03-02 08:00,2026-03-05T08:00:00-06:00,71001,\"Pores in shells\",2026-1,9,Bo,Li,,,boli@mit.edu,

2026-03-02 08:00,2026-03-05T08:00:00-06:00,71001,,,, Ana ,García,UPF,302211,ana@upf.edu,yes
2026-03-06,2026-03-07,71002,,,,,,,,,
";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

async fn read(name: &str, text: &str) -> Result<RunSchedule, ScheduleError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, text).unwrap();
    let schedule = FileSchedule::new(&file, TimeZone::get("America/Chicago").unwrap());
    schedule.around(at("2026-03-03T12:00:00Z")).await
}

#[tokio::test]
async fn both_kinds_of_file_say_the_same() {
    let toml = read("users.toml", TOML).await.unwrap();
    assert_eq!(toml, read("users.csv", CSV).await.unwrap());
    let semicolons = CSV.replace(',', ";");
    assert_eq!(toml, read("users.CSV", &semicolons).await.unwrap());

    let beam_time = toml.current(at("2026-03-03T12:00:00Z")).unwrap().expect("a beam time");
    assert_eq!(beam_time.proposal.number.as_deref(), Some("71001"));
    assert_eq!(beam_time.proposal.pi().unwrap().name(), "Ana García");
    assert_eq!(beam_time.addresses().len(), 2);
    assert_eq!(beam_time.granted_shifts, Some(9.0));
    // A day alone lasts from its first moment to its last, by the facility's clocks.
    let day = |time| toml.current(at(time)).unwrap().and_then(|beam_time| beam_time.proposal.number.clone());
    assert_eq!(day("2026-03-06T05:59:59Z"), None);
    assert_eq!(day("2026-03-06T06:00:00Z").as_deref(), Some("71002"));
    assert_eq!(day("2026-03-08T05:59:59Z").as_deref(), Some("71002"));
    assert_eq!(day("2026-03-08T06:00:00Z"), None);
    assert_eq!(read("empty.toml", "").await.unwrap(), RunSchedule::default());
}

#[tokio::test]
async fn a_mistake_is_told_with_its_line() {
    for (name, text, told) in [
        ("a.toml", "[[beam_time]]\nstart = 2026-03-02\n", ":1: missing field `end`"),
        (
            "a.toml",
            "[[beam_time]]\nstart = 2026-03-02\nend = 2026-03-03\npropsal = 1\n",
            ":4: unknown field `propsal`",
        ),
        ("a.toml", "\n[[beam_time]]\nstart = \"soon\"\nend = 2026-03-03\n", ":2: start: \"soon\" is no time"),
        ("a.toml", "[[beam_time]]\nstart = 2026-03-09\nend = 2026-03-03\n", ":1: this beam time ends"),
        ("a.toml", "[[beam_time]]\nstart = true\nend = 2026-03-03\n", ":2: a text is expected"),
        ("a.toml", "beam time\n", ":1: "),
        ("a.csv", "start,end,gup\n", ":1: there is no column \"gup\""),
        ("a.csv", "start,email\n", ":1: the column end is missing"),
        (
            "a.csv",
            "start,end,email\n2026-03-02,2026-03-03,a@b.org\n2026-03-04,2026-03-05\n",
            ":3: this row has 2 columns",
        ),
        ("a.csv", "start,end,pi\n2026-03-02,2026-03-03,maybe\n", ":2: pi: \"maybe\" is neither"),
        ("a.csv", "start,end,granted_shifts\n2026-03-02,2026-03-03,many\n", ":2: column 3: "),
        ("a.csv", "start,end\n02/03/2026,2026-03-03\n", ":2: start: \"02/03/2026\" is no time"),
    ] {
        let error = read(name, text).await.expect_err(text).to_string();
        assert!(error.contains(&format!("{name}{told}")), "{told}: {error}");
    }
    let missing = FileSchedule::new("/nonexistent/users.toml".as_ref(), TimeZone::UTC);
    let error = missing.around(at("2026-03-03T12:00:00Z")).await.unwrap_err().to_string();
    assert!(error.contains("/nonexistent/users.toml: can't read the schedule: No such file"), "{error}");
}

#[tokio::test]
async fn a_hostile_file_is_refused() {
    let many_values = format!("a = [{}]\n", "[],".repeat(300_000));
    let rows = "2026-03-02,2026-03-03\n".repeat(20_000);
    let beam_times = "[[beam_time]]\nstart = 2026-03-02\nend = 2026-03-03\n".repeat(20_000);
    for (name, text, told) in [
        ("a.toml", "#".repeat(3 << 20), "holds more than 2 MB"),
        ("a.toml", many_values, "more than 200000 values"),
        ("a.toml", beam_times, "there are more than 10000 beam times"),
        ("a.csv", format!("start,end\n{rows}"), "there are more than 10000 rows"),
    ] {
        let error = read(name, &text).await.expect_err(told).to_string();
        assert!(error.contains(told), "{told}: {error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users.csv");
    std::fs::write(&file, CSV).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let schedule = FileSchedule::new(&file, TimeZone::UTC);
    let error = schedule.around(at("2026-03-03T12:00:00Z")).await.unwrap_err().to_string();
    assert!(error.contains("can be changed by every account"), "{error}");
    // What never ends, and what never begins.
    for device in ["/dev/zero", "/dev/stdin"] {
        let schedule = FileSchedule::new(device.as_ref(), TimeZone::UTC);
        assert!(schedule.around(at("2026-03-03T12:00:00Z")).await.is_err(), "{device}");
    }
}
