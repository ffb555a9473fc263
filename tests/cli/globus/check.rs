//! The transcript that a site sends to the developers.

use super::*;

#[test]
fn check_writes_a_transcript_that_names_nobody_and_compares_with_the_simulator() {
    let site = Site::new().signed_in();
    let ended = site.act(&["check", "--transcript", "globus.transcript"]);
    assert!(ended.out.contains("collection"), "{}{}", ended.out, ended.err);
    let text = std::fs::read_to_string(site.path("globus.transcript")).unwrap();
    assert!(text.lines().count() >= 4, "{text}");
    for private in
        ["ada", "lovelace", "2-bm", "tomography", "127.0.0.1", &GUEST.to_string(), &NATIVE_APP.to_string()]
    {
        assert!(!text.to_lowercase().contains(private), "{private}: {text}");
    }
    let store = std::fs::read_to_string(site.store()).unwrap();
    let tokens: Vec<&str> = store.split('"').filter(|word| word.starts_with("AgSimulated")).collect();
    assert!(!tokens.is_empty() && tokens.iter().all(|token| !text.contains(token)), "{text}");
    let root = tempfile::tempdir().unwrap();
    let comparison = site.runtime.block_on(globus_simulator::compare(&text, root.path())).unwrap();
    assert!(comparison.is_equal() && comparison.replayed >= 3, "{comparison}");

    let ended = site.act(&["check", "--transcript", "no/such/directory/file"]);
    assert_eq!(ended.code, 1, "{}", ended.out);
    assert!(ended.err.contains("can't write the transcript"), "{}", ended.err);
}
