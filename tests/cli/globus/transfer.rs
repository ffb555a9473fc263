use super::*;
use globus_simulator::Fault;

#[test]
fn files_and_directories_are_transferred_by_hand() {
    let site = Site::new().signed_in();
    std::fs::create_dir_all(site.path("guest/raw")).unwrap();
    std::fs::write(site.path("guest/raw/scan.h5"), "12345").unwrap();
    let guest = GUEST.to_string();

    let ended = site.act(&["transfer", ":/raw/scan.h5", &format!("{guest}:/copy.h5"), "--label", "by hand"]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    let (first, last) = ended.out.split_once('\n').unwrap();
    let id: Uuid = first.strip_prefix("task ").unwrap().parse().unwrap();
    assert!(last.starts_with("succeeded  1/1 files, 5 B"), "{last}");
    assert_eq!(std::fs::read_to_string(site.path("guest/copy.h5")).unwrap(), "12345");
    assert_eq!(site.json(&["task", "show", &id.to_string()])["label"], "by hand");

    let ended = site.act(&["transfer", ":/raw/", ":/all/"]);
    assert_eq!(ended.code, 2, "{}", ended.err);
    assert!(ended.err.contains("--recursive"), "{}", ended.err);
    let task = site.json(&["transfer", ":/raw/", ":/all/", "--recursive", "--sync", "checksum"]);
    assert_eq!((task["status"].as_str(), task["files"].as_u64()), (Some("SUCCEEDED"), Some(1)), "{task:#}");
    assert_eq!(std::fs::read_to_string(site.path("guest/all/scan.h5")).unwrap(), "12345");

    for wrong in ["/raw", "nonsense:/raw", ":raw"] {
        assert_eq!(site.act(&["transfer", wrong, ":/x"]).code, 2, "{wrong}");
    }
}

#[test]
fn a_transfer_that_fails_or_takes_long_is_reported() {
    let site = Site::new().signed_in();
    std::fs::write(site.path("guest/scan.h5"), "12345").unwrap();
    site.globus.fault(Fault::task_fail("transfer", "PERMISSION_DENIED"));
    let ended = site.act(&["transfer", ":/scan.h5", ":/copy.h5"]);
    assert_eq!(ended.code, 1, "{}", ended.out);
    assert!(ended.err.contains("PERMISSION_DENIED"), "{}", ended.err);

    site.globus.fault(Fault::task_stall("transfer"));
    let ended = site.act(&["transfer", ":/scan.h5", ":/copy.h5", "--timeout", "1s"]);
    assert_eq!(ended.code, 5, "{}{}", ended.out, ended.err);
    assert!(ended.err.contains("beamshare task show"), "{}", ended.err);

    let submitted = site.json(&["transfer", ":/scan.h5", ":/copy.h5", "--no-wait"]);
    let id = submitted["task_id"].as_str().unwrap();
    assert_eq!(site.act(&["task", "wait", id]).code, 0);
}
