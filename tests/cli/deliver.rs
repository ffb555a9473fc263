use super::beamline::Beamline;

#[test]
fn each_verb_does_its_steps_and_no_more() {
    let beamline = Beamline::new();
    let rules = || beamline.globus.rules(beamline.collection).len();
    let before = rules();

    // As the service would, by the first start's rule.
    let ended = beamline.act(&["dirs"]);
    assert_eq!(ended.code, 3, "{}{}", ended.out, ended.err);
    assert!(ended.err.contains("First start") && ended.err.contains("--yes"), "{}", ended.err);
    assert_eq!(std::fs::read_dir(beamline.path("local")).unwrap().count(), 0);
    let ended = beamline.act(&["dirs", "--yes"]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    for top in ["local", "globus"] {
        assert!(beamline.path(top).join("2026-03/Li").is_dir(), "{top}: {}", ended.out);
    }
    assert_eq!((rules(), beamline.messages()), (before, 0), "dirs shares and mails nothing");

    let ended = beamline.act(&["share"]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("origin_path=%2F2026-03%2FLi%2F"), "{}", ended.out);
    assert_eq!((rules(), beamline.messages()), (before + 1, 0), "share mails nothing");

    let ended = beamline.act(&["email", "--test"]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert_eq!(beamline.messages(), 1, "the contact alone");
    assert!(ended.out.contains("contact@example.org  sent"), "{}", ended.out);

    let ended = beamline.act(&["email"]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert_eq!(beamline.messages(), 3, "the PI and the contact");
    for verb in ["email", "share", "dirs"] {
        assert_eq!(beamline.act(&[verb]).code, 0);
    }
    assert_eq!((rules(), beamline.messages()), (before + 1, 3), "a second time changes nothing");

    let history = beamline.act(&["history"]);
    assert_eq!(history.code, 0);
    assert!(
        history.out.contains("2026-03/Li (wei.li@example.org)") && history.out.contains("done"),
        "{}",
        history.out
    );
    let show = beamline.act(&["show"]);
    assert!(show.out.contains("Access     wei.li@example.org"), "{}", show.out);
    assert!(show.out.contains("E-mail     contact@example.org sent"), "{}", show.out);
}

#[test]
fn what_is_held_waits_for_approve() {
    let beamline = Beamline::new();
    assert_eq!(beamline.act(&["dirs", "-y"]).code, 0);

    // Another Li in the same month, without a proposal number to tell them apart.
    for (pv, value) in [("x:LastName", "Li"), ("x:Email", "other.li@example.org"), ("x:YearMonth", "2026-03")]
    {
        beamline.put(pv, value);
    }
    let held = beamline.act(&["share"]);
    assert_eq!(held.code, 3, "{}{}", held.out, held.err);
    assert!(held.err.contains("wei.li@example.org") && held.err.contains("--yes"), "{}", held.err);
    assert!(beamline.globus.rules(beamline.collection).iter().all(|rule| rule["path"] != "/2026-03/Li/"));

    // The name that it had before.
    let ended = beamline.act(&["share", "--approve"]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert!(beamline.globus.rules(beamline.collection).iter().any(|rule| rule["path"] == "/2026-03/Li/"));
    // Nothing is left that the service would go on with when it is started: nobody asked for e-mail.
    let history = beamline.act(&["history"]);
    assert!(!history.out.contains("running"), "{}", history.out);
}

#[test]
fn a_person_at_a_terminal_is_asked() {
    const TERMINAL: &str = r#"
import os, pty, sys
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[2], sys.argv[2:])
said = b""
while b"[y/N] " not in said:
    said += os.read(terminal, 1024)
os.write(terminal, sys.argv[1].encode() + b"\n")
try:
    while data := os.read(terminal, 1024):
        said += data
except OSError:
    pass
sys.stdout.write(said.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"#;
    let beamline = Beamline::new();
    for (answer, code) in [("", 3), ("no", 3), ("y", 0)] {
        let ended = beamline.python(TERMINAL, &[answer, env!("CARGO_BIN_EXE_beamshare"), "dirs"]);
        assert_eq!(ended.code, code, "{answer:?}: {}{}", ended.out, ended.err);
        assert!(ended.out.contains("The service would hold this: 2026-03/Li"), "{}", ended.out);
        assert!(ended.out.contains("First start"), "{}", ended.out);
        assert_eq!(beamline.path("local/2026-03/Li").exists(), code == 0, "{answer:?}");
    }
}

#[test]
fn without_an_experiment_nothing_is_done() {
    let beamline = Beamline::new();
    beamline.put("x:Email", "no address");
    let ended = beamline.act(&["dirs"]);
    assert_eq!(ended.code, 1, "{}{}", ended.out, ended.err);
    assert!(ended.err.contains("PI e-mail \"no address\""), "{}", ended.err);
    for pv in ["x:YearMonth", "x:LastName", "x:Email"] {
        beamline.put(pv, "Unknown");
    }
    for verb in [&["dirs"][..], &["share"], &["email"], &["email", "--test"]] {
        assert_eq!(beamline.act(verb).code, 4, "{verb:?}");
    }
    assert_eq!(std::fs::read_dir(beamline.path("local")).unwrap().count(), 0);
}

#[test]
fn what_is_away_ends_with_its_own_code() {
    let beamline = Beamline::new();
    beamline.globus.fault(globus_simulator::Fault::answer("mkdir", 503).always());
    let ended = beamline.act(&["share", "--yes", "--timeout", "2s"]);
    assert_eq!(ended.code, 5, "{}{}", ended.out, ended.err);
    assert!(ended.err.contains("not done within 2s"), "{}", ended.err);
    beamline.globus.clear_faults();
    assert_eq!(beamline.act(&["share"]).code, 0);

    let text = std::fs::read_to_string(beamline.path("beamshare.toml")).unwrap();
    std::fs::write(beamline.path("beamshare.toml"), text.split("[email]").next().unwrap()).unwrap();
    let ended = beamline.act(&["email", "--test"]);
    assert_eq!(ended.code, 2, "{}", ended.err);
    assert!(ended.err.contains("no [email]"), "{}", ended.err);
}
