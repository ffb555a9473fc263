//! The level of trust, as `beamshare check` explains it and the service's log mentions it.

use super::beamline::Beamline;
use super::check::state;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;

/// What `check` says: the document, and its exit code.
fn checked(beamline: &Beamline) -> (Value, i32) {
    let ended = beamline.act(&["check", "--json"]);
    let document = serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{}{}", ended.out, ended.err));
    (document, ended.code)
}

/// Changes the settings as an editor does.
fn rules(beamline: &Beamline, rules: &str, more: &str) {
    let path = beamline.path("beamshare.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once("[rules]\n").unwrap();
    let after = &rest[rest.find("settle").unwrap()..];
    let after = after.split("\n# end of the test's settings").next().unwrap();
    std::fs::write(&path, format!("{before}[rules]\n{rules}\n{after}\n# end of the test's settings\n{more}"))
        .unwrap();
}

#[test]
fn check_explains_each_level_of_trust() {
    let beamline = Beamline::with_records();
    let level = |name: &str| {
        let (document, code) = checked(&beamline);
        let (state, says) = state(&document, "trust", &format!("level {name}"));
        assert_eq!(code, 0, "{document:#}");
        (state.to_owned(), says.to_owned())
    };
    let (silent, says) = level("network");
    assert_eq!(silent, "warning");
    assert!(says.contains("any e-mail address") && says.contains("trust = \"network\""), "{says}");

    rules(&beamline, "trust = \"network\"\nrequire_approval = true", "");
    let (explicit, says) = level("network");
    assert_eq!(explicit, "ok");
    assert!(says.contains("require_approval") && !says.contains("[schedule]"), "{says}");

    rules(&beamline, "email_domains = [\"example.org\", \"example.edu\"]", "");
    let (domains, says) = level("domains");
    assert_eq!(domains, "ok");
    assert!(says.contains("example.org or example.edu") && says.contains("x:Share:Approve"), "{says}");

    std::fs::write(beamline.path("schedule.csv"), "start,end,proposal,last_name,email\n").unwrap();
    rules(&beamline, "", "[schedule.from.file]\npath = \"schedule.csv\"\n");
    let (_, says) = level("schedule");
    assert!(says.contains("that the schedule lists"), "{says}");
}

#[test]
fn check_tries_the_key_and_the_signature() {
    let beamline = Beamline::with_records();
    let path = beamline.path("beamshare.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let fields = "[epics.user_info]\nsignature = \"x:Signature\"\nupdate_time = \"x:UpdateTime\"\n";
    std::fs::write(&path, text.replace("[epics.user_info]\n", fields)).unwrap();
    rules(&beamline, "trust = \"signed\"\ntag_key_file = \"tag.key\"", "");

    let (document, code) = checked(&beamline);
    assert_eq!(code, 1);
    let (failed, says) = state(&document, "trust", "key file");
    assert!(failed == "failed" && says.contains("every group is held"), "{says}");
    assert!(state(&document, "trust", "level signed").1.contains("Neither Run nor Approve"), "{document:#}");

    assert_eq!(beamline.act(&["tag", "--new-key", "tag.key"]).code, 0);
    let (document, code) = checked(&beamline);
    assert_eq!((code, state(&document, "trust", "key file").0), (0, "ok"), "{document:#}");
    assert!(state(&document, "trust", "key file").1.contains("one key"));
    let (unsigned, says) = state(&document, "trust", "signature x:Signature");
    assert!(unsigned == "warning" && says.contains("Tag again with beamshare tag"), "{says}");

    let by_hand = ["tag", "--manual", "--last-name", "Garcia", "--email", "ana@upf.example"];
    let ended = beamline.act(&by_hand);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let (document, _) = checked(&beamline);
    assert_eq!(state(&document, "trust", "signature x:Signature").0, "ok", "{document:#}");

    beamline.put("x:Email", "thief@evil.example");
    let (document, _) = checked(&beamline);
    assert!(state(&document, "trust", "signature").1.contains("does not match"), "{document:#}");

    std::fs::set_permissions(beamline.path("tag.key"), PermissionsExt::from_mode(0o640)).unwrap();
    let (document, code) = checked(&beamline);
    let (failed, says) = state(&document, "trust", "key file");
    assert!(code == 1 && failed == "failed" && says.contains("chmod 600"), "{says}");

    // A record that is too short for it.
    std::fs::set_permissions(beamline.path("tag.key"), PermissionsExt::from_mode(0o600)).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("x:Signature", "x:ShortSignature")).unwrap();
    let (document, _) = checked(&beamline);
    let (failed, says) = state(&document, "trust", "signature x:ShortSignature");
    assert!(failed == "failed" && says.contains("64"), "{says}");
}

#[test]
fn the_service_mentions_once_that_nothing_restricts_who_is_named() {
    let mut beamline = Beamline::with_records();
    const SAYS: &str = "can name any person";
    beamline.serve();
    super::support::until("the service watches", || beamline.log().contains("watching the user-info PVs"));
    assert_eq!(beamline.log().matches(SAYS).count(), 1, "{}", beamline.log());

    beamline.kill_service();
    rules(&beamline, "trust = \"network\"", "");
    beamline.serve();
    super::support::until("the service watches", || beamline.log().contains("watching the user-info PVs"));
    assert!(!beamline.log().contains(SAYS), "{}", beamline.log());
}

/// SECURITY.md names the test of each statement.
#[test]
fn the_tests_that_the_security_page_names_exist() {
    let page = std::fs::read_to_string(soft_ioc::repository("SECURITY.md")).unwrap();
    let mut named = 0;
    for row in page.lines().filter(|line| line.starts_with("| ") && line.contains(".rs`: `")) {
        let mut words = row.split('`').skip(1).step_by(2).filter(|word| *word != "check");
        let file = words.next().expect("a file");
        let text = std::fs::read_to_string(soft_ioc::repository(file))
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        for test in words {
            assert!(text.contains(&format!("fn {test}(")), "{file} has no test {test}");
            named += 1;
        }
    }
    assert!(named > 20, "{named}");
}
