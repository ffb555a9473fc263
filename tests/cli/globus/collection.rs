//! Guest collections on a Connect Server, by someone who has a mapped collection and nothing else.

use super::*;

#[test]
fn a_guest_collection_is_created_listed_and_deleted() {
    let site = Site::new().signed_in();
    std::fs::create_dir_all(site.path("mapped/2bm")).unwrap();
    let mapped = MAPPED.to_string();
    let create =
        ["collection", "create-guest", &mapped, "/2bm", "2-BM users", "--description", "scans", "--private"];
    // The sign-in has no token for the server yet: the message names the command that gets one, with
    // everything in it.
    let ended = site.act(&create);
    assert_eq!(ended.code, 1, "{}", ended.out);
    let server = site.globus.server_of(MAPPED).unwrap();
    let scope = format!(
        "urn:globus:auth:scope:{server}:manage_collections[https://auth.globus.org/scopes/{MAPPED}/data_access]"
    );
    assert!(ended.err.contains(&format!("login --scope '{scope}'")), "{}", ended.err);
    assert_eq!(site.login(ADA, &["--scope", &scope]).0.code, 0);

    let made = site.json(&create);
    let id = made["id"].as_str().unwrap().to_owned();
    assert_eq!(
        (made["collection_base_path"].as_str(), made["public"].as_bool()),
        (Some("/2bm/"), Some(false))
    );
    assert_eq!(site.act(&["endpoint", "mkdir", "/2026-03", "--collection", &id]).code, 0);
    assert!(site.path("mapped/2bm/2026-03").is_dir());
    let listed = site.act(&["collection", "list", &mapped, "--mine"]);
    assert!(
        listed.out.contains("2-BM users") && listed.out.contains("/2bm/") && listed.out.contains(&id),
        "{}",
        listed.out
    );

    let asked = site.act(&["collection", "delete", &id]);
    assert_eq!(asked.code, 2, "{}", asked.out);
    assert!(asked.err.contains("2-BM users") && asked.err.contains("--yes"), "{}", asked.err);
    assert_eq!(site.act(&["collection", "delete", &id, "--yes"]).out, "deleted 2-BM users\n");
    assert!(site.path("mapped/2bm/2026-03").is_dir(), "files stay");

    // Without --json it says what to put into the settings.
    let ended = site.act(&["collection", "create-guest", &mapped, "/2bm", "2-BM users"]);
    assert!(ended.out.contains("collection = \""), "{}{}", ended.out, ended.err);
    let missing = site.act(&["collection", "create-guest", &mapped, "/none", "nowhere"]);
    assert_eq!(missing.code, 1, "{}", missing.out);
    assert!(missing.err.contains("No directory /none"), "{}", missing.err);
}
