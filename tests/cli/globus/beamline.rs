//! What the verbs say about what beamshare itself did.

use super::super::beamline::Beamline;
use super::*;

#[test]
fn what_beamshare_granted_is_deleted_only_on_request() {
    let beamline = Beamline::new();
    assert_eq!(beamline.act(&["share", "--yes"]).code, 0);
    let listed = beamline.act(&["permission", "list"]);
    assert!(
        listed.out.contains("wei.li@example.org") && listed.out.contains("/2026-03/Li/"),
        "{}",
        listed.out
    );
    let delete = ["permission", "delete", "wei.li@example.org", "/2026-03/Li"];
    let refused = beamline.act(&delete);
    assert_eq!(refused.code, 1, "{}", refused.out);
    assert!(
        refused.err.contains("beamshare itself gave wei.li@example.org") && refused.err.contains("--yes")
    );
    assert!(beamline.act(&["permission", "list"]).out.contains("wei.li@example.org"));
    let ended = beamline.act(&[&delete[..], &["--yes"]].concat());
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(!beamline.act(&["permission", "list"]).out.contains("wei.li@example.org"));
    // As the refusal said.
    assert_eq!(beamline.act(&["share"]).code, 0);
    assert!(beamline.act(&["permission", "list"]).out.contains("wei.li@example.org"));
}

#[test]
fn show_lists_the_collections_of_the_account() {
    let beamline = Beamline::new();
    let id = beamline.collection.to_string();
    let ended = beamline.act(&["show"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let lists = ended.out.split("Collections owned by this account:").nth(1).expect(&ended.out);
    let (owned, rest) = lists.split_once("Collections shared with this account: none").expect(lists);
    assert!(owned.contains(&id) && owned.contains("Beamline data"), "{owned}");
    assert!(rest.contains("Collections shared by this account:") && rest.contains(&id), "{rest}");
    let document: Value = serde_json::from_str(&beamline.act(&["show", "--json"]).out).unwrap();
    assert_eq!(document["collections"]["owned"][0]["id"], id);
    assert_eq!(document["collections"]["shared_with"], serde_json::json!([]));

    beamline.globus.fault(globus_simulator::Fault::answer("endpoint_search", 503).always());
    let ended = beamline.act(&["show"]);
    assert_eq!(ended.code, 0, "the PVs are what it is about: {}", ended.err);
    assert!(
        ended.out.contains("x:LastName") && ended.out.contains("The Globus collections can't be told"),
        "{}",
        ended.out
    );
}
