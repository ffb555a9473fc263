//! Verbs that read and put PVs, against EPICS base's own soft IOC.

use super::support::ioc::CaTest;
use super::{Ended, beamshare, put, run, settings};
use std::path::Path;

const USER_INFO: &str = r#"
record(stringout, "x:YearMonth") { field(VAL, "2026-03") field(PINI, "YES") }
record(stringout, "x:LastName")  { field(VAL, "Müller")  field(PINI, "YES") }
record(waveform,  "x:Email")     { field(FTVL, "CHAR") field(NELM, "256") }
"#;

fn act(test: &CaTest, folder: &Path, arguments: &[&str]) -> Ended {
    let mut command = beamshare(folder);
    command.envs(test.environment());
    run(command, arguments)
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("beamshare.toml"), settings("x:")).unwrap();
    folder
}

#[test]
fn show_tells_whom_the_pvs_name() {
    let (test, folder) = (CaTest::new(), folder());
    let _ioc = test.ioc_with_records(USER_INFO);

    let ended = act(&test, folder.path(), &["show"]);
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(ended.err.contains("PI e-mail \"\": is not set"), "{}", ended.err);

    put(&test, "x:Email", "mueller@example.org");
    let ended = act(&test, folder.path(), &["show"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    for told in
        ["Müller", "x:LastName", "mueller@example.org", "Directory  2026-03/Muller", "Nothing was done"]
    {
        assert!(ended.out.contains(told), "{told}: {}", ended.out);
    }
    let ended = act(&test, folder.path(), &["show", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&ended.out).expect("JSON");
    assert_eq!(document["experiment"]["pi_email"], "mueller@example.org");
    assert_eq!(document["paths"][0], "2026-03/Muller");
    assert!(document["delivered"].is_null());

    // A terminal must not obey what someone has put.
    put(&test, "x:LastName", "\u{1b}[2J$(reboot)");
    let ended = act(&test, folder.path(), &["show"]);
    assert_eq!(ended.code, 1);
    assert!(!ended.out.contains('\u{1b}') && !ended.err.contains('\u{1b}'));
    assert!(ended.err.contains("PI last name"), "{}", ended.err);

    for pv in ["x:YearMonth", "x:LastName", "x:Email"] {
        put(&test, pv, "Unknown");
    }
    let ended = act(&test, folder.path(), &["show"]);
    assert_eq!(ended.code, 4, "{}", ended.err);
    assert!(ended.err.contains("name nobody"), "{}", ended.err);
}

#[test]
fn without_an_ioc_a_service_is_away() {
    let (test, folder) = (CaTest::new(), folder());
    for verb in ["show", "status", "rerun"] {
        let ended = act(&test, folder.path(), &[verb]);
        assert_eq!(ended.code, 5, "{verb}: {}", ended.err);
        assert!(ended.err.contains("EPICS_CA_ADDR_LIST"), "{verb}: {}", ended.err);
    }
    let ended = act(&test, folder.path(), &["tag", "--dry-run"]);
    assert_eq!(ended.code, 2, "{}", ended.err);
    assert!(ended.err.contains("no schedule") && ended.err.contains("tag --manual"), "{}", ended.err);
    // One finding, and not the same paragraph for each PV.
    let ended = act(&test, folder.path(), &["check"]);
    assert_eq!(ended.code, 5, "{}", ended.err);
    assert_eq!(ended.out.matches("none of the 3 user-info PVs answers").count(), 1, "{}", ended.out);
    assert!(!ended.out.contains("PI last name x:LastName"), "{}", ended.out);
}
