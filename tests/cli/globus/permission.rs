use super::*;

#[test]
fn rules_are_made_listed_and_deleted() {
    let site = Site::new().signed_in();
    let before = site.globus.rules(GUEST).len();
    let made = site.json(&["permission", "create", "li@example.org", "/2026-03/Li", "--expires", "28d"]);
    let id = made["id"].as_str().unwrap();
    assert_eq!((made["permissions"].as_str(), made["new"].as_bool()), (Some("r"), Some(true)), "{made:#}");
    assert_eq!(made["path"], "/2026-03/Li/");
    let ends: jiff::Timestamp = made["expiration_date"].as_str().unwrap().parse().unwrap();
    let days = (ends - jiff::Timestamp::now()).as_secs_f64() / 86_400.0;
    assert!((27.9..28.1).contains(&days), "{ends}");
    assert_eq!(made["principal"], site.globus.identity("li@example.org").expect("provisioned").to_string());
    assert!(site.globus.notifications().is_empty(), "Globus mails only when it is asked to");

    // What ends soon, the soonest first.
    site.json(&["permission", "create", "ma@example.org", "/2026-03/Ma", "--expires", "5d"]);
    let ending = |within: &str| -> Vec<String> {
        let listed = site.json(&["permission", "list", "--ending", within]);
        assert_eq!(
            listed["used"].as_u64(),
            Some(before as u64 + 2),
            "all count, whatever is listed: {listed:#}"
        );
        let rules = listed["rules"].as_array().unwrap().iter();
        rules.map(|rule| rule["username"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ending("1d"), [""; 0]);
    assert_eq!(ending("7d"), ["ma@example.org"]);
    assert_eq!(ending("30d"), ["ma@example.org", "li@example.org"]);
    let soon = site.act(&["permission", "list", "--ending", "7d"]).out;
    assert!(soon.contains(", in 4 days") && !soon.contains("li@example.org"), "{soon}");
    let ended = site.act(&["permission", "delete", "ma@example.org", "/2026-03/Ma", "--json"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let document: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(
        (&document["path"], &document["username"]),
        (&"/2026-03/Ma/".into(), &"ma@example.org".into())
    );

    let ended = site.act(&["permission", "create", BOB, "/in", "--permissions", "rw", "--notify"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.starts_with("bob@example.org may read and write /in/: rule "), "{}", ended.out);
    assert_eq!(site.globus.notifications().len(), 1);

    let listed = site.json(&["permission", "list"]);
    assert_eq!(
        (listed["used"].as_u64(), listed["limit"].as_u64()),
        (Some(before as u64 + 2), Some(1000)),
        "{listed:#}"
    );
    let rules = listed["rules"].as_array().unwrap();
    let li = rules.iter().find(|rule| rule["id"] == id).unwrap();
    assert_eq!(li["username"], "li@example.org");
    let table = site.act(&["permission", "list"]);
    assert!(table.out.contains(&format!("{} of 1000 access rules are used", before + 2)), "{}", table.out);
    let line = table.out.lines().find(|line| line.contains("li@example.org")).unwrap();
    assert!(
        line.contains("/2026-03/Li/") && line.contains(id) && line.contains(&ends.to_string()[..4]),
        "{line}"
    );
    assert!(table.out.contains("from a role"), "the access manager's: {}", table.out);

    // By username and path, and by id.
    let ended = site.act(&["permission", "delete", BOB, "/in"]);
    assert_eq!(
        (ended.code, ended.out.as_str()),
        (0, "bob@example.org may no longer read and write /in/\n"),
        "{}",
        ended.err
    );
    let ended = site.act(&["permission", "delete", id]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(site.globus.rules(GUEST).len(), before);
    assert_eq!(site.act(&["permission", "delete", id]).code, 1, "it is gone");
    let ended = site.act(&["permission", "delete", BOB, "/in"]);
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("has no access rule on /in/"), "{}", ended.err);
    let ended = site.act(&["permission", "delete", BOB]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("path"), "{}", ended.err);
}

#[test]
fn a_rule_that_is_there_is_left_as_it_is() {
    let site = Site::new().signed_in();
    let create = |more: &[&str]| site.act(&[&["permission", "create", BOB, "/in/"], more].concat());
    assert_eq!(create(&[]).code, 0);
    let rules = site.globus.rules(GUEST);
    let again = create(&[]);
    assert_eq!(again.code, 0, "{}", again.err);
    assert!(again.out.contains("may read /in/ already"), "{}", again.out);
    for other in [&["--permissions", "rw"][..], &["--expires", "28d"]] {
        let ended = create(other);
        assert_eq!(ended.code, 1, "{other:?}: {}", ended.out);
        assert!(ended.err.contains("permission delete"), "{}", ended.err);
    }
    assert_eq!(site.globus.rules(GUEST), rules);
    for wrong in [&["--permissions", "w"][..], &["--expires", "soon"], &["--expires", "1 month"]] {
        assert_eq!(create(wrong).code, 2, "{wrong:?}");
    }
}

#[test]
fn who_may_not_and_what_is_full_is_told() {
    let site = Site::with_limits(Limits { rules: 1, ..Limits::default() }).signed_in();
    let shared = SHARED.to_string();
    for verb in [&["list"][..], &["create", BOB, "/x"]] {
        let ended = site.act(&[&["permission", "--collection", &shared], verb].concat());
        assert_eq!(ended.code, 1, "{verb:?}: {}", ended.out);
        assert!(ended.err.contains("403") && ended.err.contains("role"), "{}", ended.err);
    }
    assert_eq!(site.act(&["permission", "create", BOB, "/one"]).code, 0);
    let ended = site.act(&["permission", "create", BOB, "/two"]);
    assert_eq!(ended.code, 1, "{}", ended.out);
    assert!(ended.err.contains("remove what is no longer needed"), "{}", ended.err);
    let ended = site.act(&["permission", "create", "no username", "/x"]);
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(ended.err.contains("no username"), "{}", ended.err);
}
