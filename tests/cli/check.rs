use super::beamline::Beamline;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;

/// The state of one finding, by section and the beginning of what was tried.
pub fn state<'d>(document: &'d Value, section: &str, what: &str) -> (&'d str, &'d str) {
    let checks = document["checks"].as_array().expect("a list");
    let found = checks.iter().find(|check| {
        check["section"] == section && check["what"].as_str().is_some_and(|text| text.starts_with(what))
    });
    let found = found.unwrap_or_else(|| panic!("no finding on {section} {what}: {document:#}"));
    (found["state"].as_str().expect("a text"), found["says"].as_str().expect("a text"))
}

#[test]
fn what_works_is_told_and_what_does_not_with_the_remedy() {
    let beamline = Beamline::new();
    let check = || {
        let ended = beamline.act(&["check", "--json"]);
        let document: Value =
            serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{}{}", ended.out, ended.err));
        (ended.code, document)
    };

    // Nobody has loaded the status records; all else works.
    let (code, document) = check();
    assert_eq!(code, 5, "{document:#}");
    for (section, what) in [
        ("epics", "PI last name x:LastName"),
        ("epics", "user group"),
        ("directories", "analysis"),
        ("globus", "sign-in"),
        ("globus", "access rules"),
        ("globus", "collection"),
        ("globus", "top directory"),
        ("email", "templates"),
        ("email", "transport"),
        ("journal", ""),
    ] {
        assert_eq!(state(&document, section, what).0, "ok", "{section} {what}: {document:#}");
    }
    assert_eq!(state(&document, "epics", "user group").1, "2026-03/Li (wei.li@example.org)");
    assert!(state(&document, "globus", "collection").1.contains("Beamline data"));
    let (state_of_monitors, says) = state(&document, "epics", "monitors of puts");
    assert!(state_of_monitors == "warning" && says.contains("caput x:YearMonth.MPST Always"), "{says}");
    let (away, says) = state(&document, "epics", "status records x:Share:");
    assert!(away == "away" && says.contains("load db/beamshare.db"), "{says}");
    assert!(!beamline.path("journal.sqlite").exists(), "looking makes no journal");
    assert_eq!(std::fs::read_dir(beamline.path("local")).unwrap().count(), 0, "nothing is left behind");
    assert_eq!(beamline.messages(), 0);

    let table = beamline.act(&["check"]);
    assert_eq!(table.code, 5);
    assert!(table.out.contains("AWAY") && table.out.contains("load db/beamshare.db"), "{}", table.out);

    // Now everything is wrong.
    std::fs::write(beamline.path("globus.secret"), "another secret").unwrap();
    std::fs::remove_dir(beamline.path("local")).unwrap();
    std::fs::remove_dir(beamline.path("outbox")).unwrap();
    std::fs::write(beamline.path("journal.sqlite"), "this is no database, but long enough to be looked at")
        .unwrap();
    beamline.put("x:LastName", "$(reboot)");
    let (code, document) = check();
    assert_eq!(code, 1, "{document:#}");
    for (section, what) in
        [("directories", "analysis"), ("globus", "sign-in"), ("email", "transport"), ("journal", "")]
    {
        assert_eq!(state(&document, section, what).0, "failed", "{section} {what}: {document:#}");
    }
    assert_eq!(state(&document, "epics", "user group").0, "warning");
    // What depends on the sign-in is one line, and not the same error again.
    let of_globus = |document: &Value| -> Vec<String> {
        let checks = document["checks"].as_array().unwrap().iter();
        checks.filter(|check| check["section"] == "globus").map(|check| check["what"].to_string()).collect()
    };
    assert_eq!(of_globus(&document), ["\"sign-in\"", "\"collection\""], "{document:#}");
    let not_tried = ("warning", "not tried: needs the sign-in");
    assert_eq!(state(&document, "globus", "collection"), not_tried);

    // A program that is not there, may not be run, may be changed by anyone.
    let settings = std::fs::read_to_string(beamline.path("beamshare.toml")).unwrap();
    let hook = "[[hooks]]\nafter = \"delivery\"\ncommand = [\"./tell-dm\"]\n";
    std::fs::write(beamline.path("beamshare.toml"), settings + hook).unwrap();
    let hook = || {
        let (_, document) = check();
        let (state, says) = state(&document, "hooks", "tell-dm of delivery");
        (state.to_owned(), says.to_owned())
    };
    let (missing, says) = hook();
    assert!(missing == "failed" && says.contains("No such file"), "{says}");
    std::fs::write(beamline.path("tell-dm"), "#!/bin/sh\ntouch ran\n").unwrap();
    for (mode, expected, told) in
        [(0o644, "failed", "chmod +x"), (0o777, "warning", "chmod o-w"), (0o755, "ok", "may be run")]
    {
        std::fs::set_permissions(beamline.path("tell-dm"), PermissionsExt::from_mode(mode)).unwrap();
        let (state, says) = hook();
        assert!(state == expected && says.contains(told), "{mode:o}: {state} {says}");
    }
    assert!(!beamline.path("ran").exists(), "it was run");

    std::fs::set_permissions(beamline.path("globus.secret"), PermissionsExt::from_mode(0o644)).unwrap();
    let (_, document) = check();
    assert!(state(&document, "globus", "sign-in").1.contains("chmod 600"), "{document:#}");
    assert!(!document.to_string().contains("another secret"));
    std::fs::remove_file(beamline.path("globus.secret")).unwrap();
    let (_, document) = check();
    assert_eq!(state(&document, "globus", "sign-in").0, "failed", "{document:#}");
    assert_eq!(state(&document, "globus", "collection"), not_tried);
}

#[test]
fn an_id_that_no_collection_has_is_told_once() {
    let beamline = Beamline::new();
    let file = beamline.path("beamshare.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let other = "11111111-2222-3333-4444-555555555555";
    std::fs::write(&file, text.replace(&beamline.collection.to_string(), other)).unwrap();
    let document: Value = serde_json::from_str(&beamline.act(&["check", "--json"]).out).unwrap();
    let (found, says) = state(&document, "globus", "collection");
    assert!(found == "failed" && says.ends_with("correct [globus] collection"), "{says}");
    assert_eq!(document.to_string().matches(other).count(), 1, "{document:#}");
}

#[test]
fn values_of_the_example_are_named() {
    let beamline = Beamline::new();
    let check = || -> Value { serde_json::from_str(&beamline.act(&["check", "--json"]).out).unwrap() };
    let file = beamline.path("beamshare.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let from = text.lines().find(|line| line.starts_with("from = ")).unwrap();
    std::fs::write(&file, text.replace(from, "from = \"2-BM beamline <2bm@upf.example>\"")).unwrap();
    let examples = |document: &Value| {
        let mut checks = document["checks"].as_array().unwrap().iter();
        checks.find(|check| check["what"] == "examples").map(|check| check["says"].to_string())
    };
    let before = examples(&check()).unwrap_or_default();
    assert!(!before.contains("[email] from"), "{before}");
    std::fs::write(&file, text.replace(from, "from = \"2-BM beamline <2bm@example.org>\"")).unwrap();
    assert!(examples(&check()).unwrap().contains("[email] from"));
}

#[test]
fn a_message_without_a_link_is_warned_about() {
    let beamline = Beamline::new();
    let template = beamline.path("message.txt");
    std::fs::write(&template, "Your data is shared by Globus.\n").unwrap();
    let check = || -> Value { serde_json::from_str(&beamline.act(&["check", "--json"]).out).unwrap() };
    let document = check();
    let (found, says) = state(&document, "email", "templates");
    assert!(found == "warning" && says.contains("notify_email"), "{document:#}");
    let file = beamline.path("beamshare.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("[globus]\n", "[globus]\nnotify_email = true\n")).unwrap();
    assert_eq!(state(&check(), "email", "templates").0, "ok");
}

/// systemd is not there in a test; what it is asked for is what counts.
#[test]
fn as_the_service_it_runs_under_the_restrictions_of_the_unit() {
    let beamline = Beamline::new();
    let programs = tempfile::tempdir().unwrap();
    let unit = super::support::ioc::repository("config/beamshare.service");
    for (name, script) in [
        ("systemctl", format!("test \"$*\" = 'cat -- beamshare.service' && cat {}", unit.display())),
        ("systemd-run", "printf '%s\\n' \"$@\"; exit 5".to_owned()),
    ] {
        let file = programs.path().join(name);
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let mut command = beamline.command();
    command.env("PATH", format!("{}:/usr/bin:/bin", programs.path().display()));
    let ended = super::run(command, &["check", "--as-service", "--json"]);
    assert_eq!(ended.code, 5, "the check's own: {}", ended.err);
    let arguments: Vec<&str> = ended.out.lines().collect();
    for property in ["User=beamshare", "ProtectHome=read-only", "StateDirectory=beamshare", "MemoryMax=2G"] {
        assert!(arguments.contains(&&*format!("--property={property}")), "{property}: {arguments:#?}");
    }
    let check = arguments.iter().position(|argument| *argument == "--").unwrap();
    assert!(arguments[check + 1].ends_with("beamshare") && arguments[check + 2] == "check", "{arguments:?}");
    assert!(arguments[check + 4].starts_with('/') && arguments.last() == Some(&"--json"), "{arguments:?}");
}
