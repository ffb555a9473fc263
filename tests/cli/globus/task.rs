use super::*;
use globus_simulator::Fault;
use globus_transfer_client::TransferTask;

/// A file to transfer within the guest collection.
fn submit(site: &Site, label: &str, from: &str) -> String {
    std::fs::write(site.path("guest/scan.h5"), "12345").unwrap();
    let client = site.client();
    let task = TransferTask::new(GUEST, GUEST).label(label).file(from, format!("/{label}.h5"));
    site.runtime.block_on(client.transfer().submit_transfer(task)).unwrap().task_id.to_string()
}

#[test]
fn tasks_are_listed_shown_and_awaited() {
    let site = Site::new().signed_in();
    assert_eq!(site.act(&["task", "list"]).code, 4, "there is none yet");
    let good = submit(&site, "good", "/scan.h5");
    let waited = site.act(&["task", "wait", &good]);
    assert_eq!(waited.code, 0, "{}{}", waited.out, waited.err);
    assert!(waited.out.starts_with("succeeded  1/1 files, 5 B"), "{}", waited.out);
    assert_eq!(std::fs::read_to_string(site.path("guest/good.h5")).unwrap(), "12345");

    site.globus.fault(Fault::task_fail("transfer", "PERMISSION_DENIED"));
    let bad = submit(&site, "bad", "/scan.h5");
    let ended = site.act(&["task", "wait", &bad, "--json"]);
    assert_eq!(ended.code, 1, "{}", ended.out);
    assert!(ended.err.contains("PERMISSION_DENIED"), "{}", ended.err);
    assert_eq!(
        serde_json::from_str::<Value>(&ended.out).unwrap()["fatal_error"]["code"],
        "PERMISSION_DENIED"
    );

    let listed = site.json(&["task", "list"]);
    let labels: Vec<_> =
        listed.as_array().unwrap().iter().map(|task| task["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["bad", "good"], "the latest first");
    assert_eq!(site.json(&["task", "list", "--status", "failed"]).as_array().unwrap().len(), 1);
    assert_eq!(site.json(&["task", "list", "-n", "1"]).as_array().unwrap().len(), 1);
    let table = site.act(&["task", "list"]);
    let line = table.out.lines().find(|line| line.contains(&good)).unwrap();
    assert!(line.contains("succeeded") && line.contains("2-BM data") && line.contains("1/1"), "{line}");

    let shown = site.json(&["task", "show", &bad]);
    assert_eq!(shown["status"], "FAILED");
    assert!(shown["errors"].is_array(), "{shown:#}");
    let table = site.act(&["task", "show", &bad]);
    assert!(table.out.contains("failed") && table.out.contains("PERMISSION_DENIED"), "{}", table.out);
    let nowhere = Uuid::from_u128(77).to_string();
    for verb in ["show", "wait", "cancel"] {
        let ended = site.act(&["task", verb, &nowhere]);
        assert_eq!(ended.code, 1, "{verb}: {}", ended.out);
        assert!(ended.err.contains(&nowhere), "{}", ended.err);
    }
}

#[test]
fn a_task_that_goes_on_is_told_and_can_be_cancelled() {
    let site = Site::new().signed_in();
    site.globus.fault(Fault::task_stall("transfer"));
    let id = submit(&site, "slow", "/scan.h5");
    let ended = site.act(&["task", "wait", &id, "--timeout", "1s"]);
    assert_eq!(ended.code, 5, "{}{}", ended.out, ended.err);
    assert!(ended.err.contains("goes on") && ended.out.starts_with("active"), "{}{}", ended.out, ended.err);
    let ended = site.act(&["task", "cancel", &id]);
    assert_eq!((ended.code, ended.out), (0, format!("task {id} is cancelled\n")), "{}", ended.err);
    let ended = site.act(&["task", "wait", &id]);
    assert_eq!(ended.code, 1, "{}", ended.out);
    assert!(ended.err.contains("CANCELED"), "{}", ended.err);
    let ended = site.act(&["task", "cancel", &id]);
    assert_eq!(ended.code, 4, "{}", ended.err);
}
