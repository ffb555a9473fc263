use super::*;
use globus_simulator::Fault;

#[test]
fn collections_are_found_and_shown() {
    let site = Site::new().signed_in();
    let found = site.json(&["endpoint", "search", "tomography"]);
    assert_eq!(found.as_array().unwrap().len(), 1, "{found:#}");
    assert_eq!(found[0]["id"], GUEST.to_string());
    let table = site.act(&["endpoint", "search", "--scope", "shared-with-me"]);
    assert_eq!(table.code, 0, "{}", table.err);
    assert!(table.out.contains("Bob's scans") && table.out.contains(&SHARED.to_string()), "{}", table.out);
    assert!(!table.out.contains("2-BM data"), "{}", table.out);
    let ended = site.act(&["endpoint", "search", "nothing-is-called-so"]);
    assert_eq!((ended.code, ended.out.as_str()), (4, ""));
    assert_eq!(site.act(&["endpoint", "search"]).code, 2, "without words and scope");
    let some = site.act(&["endpoint", "search", "--scope", "recently-used", "-n", "1"]);
    assert!(matches!(some.code, 0 | 4), "{}", some.err);

    let shown = site.json(&["endpoint", "show"]);
    assert_eq!(
        (shown["display_name"].as_str(), shown["acl_editable"].as_bool()),
        (Some("2-BM data"), Some(true))
    );
    let table = site.act(&["endpoint", "show", &SHARED.to_string()]);
    assert!(
        table.out.contains("Bob's scans") && table.out.contains("needs the role access manager"),
        "{}",
        table.out
    );
    let table = site.act(&["endpoint", "show", &MAPPED.to_string()]);
    assert!(table.out.contains("only guest collections have them"), "{}", table.out);
}

#[test]
fn names_on_a_collection_add_no_line_and_reach_no_terminal() {
    let site = Site::of_service();
    let name = "scan\nbeamshare: all is well\u{1b}[2J\u{202e}5h";
    std::fs::write(site.path("guest").join(name), "").unwrap();
    let listed = site.act(&["endpoint", "ls", "/"]);
    let row = listed.out.lines().find(|line| line.contains("scan")).unwrap();
    assert!(row.ends_with(r"scan\nbeamshare: all is well\u{1b}[2J\u{202e}5h"), "{row:?}");
    assert!(!listed.out.contains(['\u{1b}', '\u{202e}']), "{:?}", listed.out);
    let document = site.act(&["endpoint", "ls", "/", "--json"]);
    assert!(!document.out.contains(['\u{1b}', '\u{202e}']), "{:?}", document.out);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&document.out).unwrap()[0]["name"], name);
    let missing = site.act(&["endpoint", "ls", &format!("/{name}/nowhere")]);
    assert!(!missing.err.contains(['\u{1b}', '\u{202e}']), "{:?}", missing.err);
}

#[test]
fn directories_are_made_and_listed() {
    let site = Site::new().signed_in();
    let ended = site.act(&["endpoint", "mkdir", "/2026-03"]);
    assert_eq!((ended.code, ended.out.as_str()), (0, "made /2026-03/\n"), "{}", ended.err);
    assert!(site.path("guest/2026-03").is_dir());
    let ended = site.act(&["endpoint", "mkdir", "/2026-03"]);
    assert_eq!(ended.code, 1, "it is there");
    let ended = site.act(&["endpoint", "mkdir", "--parents", "/2026-03/Li/raw/"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(
        ended.out.contains("made /2026-03/Li/raw/") && site.path("guest/2026-03/Li/raw").is_dir(),
        "{}",
        ended.out
    );
    let ended = site.act(&["endpoint", "mkdir", "-p", "/2026-03/Li"]);
    assert!(
        ended.code == 0 && ended.out.contains("there already: /2026-03/Li/"),
        "{}{}",
        ended.out,
        ended.err
    );

    let ended = site.act(&["endpoint", "mkdir", "-p", "/2026-03/Li/rec", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let directories = document["directories"].as_array().unwrap();
    let last = directories.last().unwrap();
    assert!(last["path"] == "/2026-03/Li/rec/" && last["new"] == true, "{document}");
    let ended = site.act(&["endpoint", "mkdir", "-p", "/2026-03/Li/rec", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(document["directories"][0]["new"], false, "{document}");

    std::fs::write(site.path("guest/2026-03/scan.h5"), "12345").unwrap();
    std::fs::write(site.path("guest/2026-03/.hidden"), "").unwrap();
    let table = site.act(&["endpoint", "ls", "/2026-03"]);
    assert!(table.out.contains("Li/") && table.out.contains("scan.h5"), "{}", table.out);
    assert!(!table.out.contains(".hidden"), "{}", table.out);
    let listed = site.json(&["endpoint", "ls", "/2026-03", "--all"]);
    let names: Vec<_> =
        listed.as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect();
    assert!(names.contains(&".hidden"), "{names:?}");
    let scan = listed.as_array().unwrap().iter().find(|entry| entry["name"] == "scan.h5").unwrap();
    assert_eq!((scan["size"].as_u64(), scan["type"].as_str()), (Some(5), Some("file")));
    assert!(site.act(&["endpoint", "ls"]).out.contains("2026-03/"), "the top of the settings");
}

/// Each class of failure by its exit code, with what came back and what to do.
#[test]
fn what_goes_wrong_is_told() {
    let site = Site::new().signed_in();
    let told = |arguments: &[&str], code: i32, words: &[&str]| {
        let ended = site.act(arguments);
        assert_eq!(ended.code, code, "{arguments:?}: {}{}", ended.out, ended.err);
        for word in words {
            assert!(ended.err.contains(word), "{arguments:?} without {word:?}: {}", ended.err);
        }
    };
    let nowhere = Uuid::from_u128(99).to_string();
    let (mapped, shared) = (MAPPED.to_string(), SHARED.to_string());
    told(&["endpoint", "show", &nowhere], 1, &["404", &nowhere]);
    told(&["endpoint", "show", "not-an-id"], 2, &["not-an-id"]);
    told(&["endpoint", "ls", "/nowhere"], 1, &["/nowhere"]);
    told(&["endpoint", "mkdir", "/../etc"], 2, &["'..' is not allowed"]);
    told(&["endpoint", "show", "my-collection"], 2, &["an id reads like 6c54cade"]);
    told(&["endpoint", "mkdir", "relative"], 2, &["must begin with /"]);
    told(&["endpoint", "mkdir", "/x", "--collection", &shared], 1, &["403", "role or a permission"]);
    told(&["endpoint", "ls", "/", "--collection", &mapped], 1, &["ConsentRequired", "login --scope"]);
    for (status, words) in [(429, "wait"), (503, "later"), (500, "later")] {
        site.globus.fault(Fault::answer("ls", status));
        told(&["endpoint", "ls"], 5, &[&status.to_string(), words]);
    }
    site.globus.fault(Fault::answer("ls", 429).retry_after(7));
    told(&["endpoint", "ls"], 5, &["wait 7 s"]);
    site.globus.fault(Fault::cut_before("ls"));
    told(&["endpoint", "ls"], 5, &["no connection"]);

    // A token that has ended is renewed without a word.
    site.globus.expire_tokens();
    told(&["endpoint", "ls"], 0, &[]);
}
