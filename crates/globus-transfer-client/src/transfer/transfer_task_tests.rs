use super::*;
use serde_json::json;

#[test]
fn a_transfer_is_written_as_the_service_reads_it() {
    let task = TransferTask::new(Uuid::from_u128(1), Uuid::from_u128(2))
        .submission_id(Uuid::from_u128(3))
        .label("l")
        .sync_level(SyncLevel::Mtime)
        .verify_checksum(true)
        .preserve_timestamp(true)
        .encrypt(true)
        .deadline("2026-11-22T00:00:00.123456789Z".parse().unwrap())
        .skip_source_errors(true)
        .fail_on_quota_errors(true)
        .delete_destination_extra(false)
        .symlinks(Symlinks::Keep)
        .notify(false)
        .source_local_user("s")
        .destination_local_user("d")
        .filter(FilterMethod::Exclude, "*.tmp", Some(FilterType::File))
        .directory("/a/", "/b/")
        .file_with_checksum("/c", "/d", "00ff", "SHA256");
    let expected = json!({
        "DATA_TYPE": "transfer",
        "source_endpoint": "00000000-0000-0000-0000-000000000001",
        "destination_endpoint": "00000000-0000-0000-0000-000000000002",
        "submission_id": "00000000-0000-0000-0000-000000000003",
        "label": "l", "sync_level": 2, "verify_checksum": true, "preserve_timestamp": true, "encrypt_data": true,
        "deadline": "2026-11-22T00:00:00Z", "skip_source_errors": true, "fail_on_quota_errors": true,
        "delete_destination_extra": false, "recursive_symlinks": "keep",
        "notify_on_succeeded": false, "notify_on_failed": false, "notify_on_inactive": false,
        "source_local_user": "s", "destination_local_user": "d",
        "filter_rules": [{ "DATA_TYPE": "filter_rule", "method": "exclude", "name": "*.tmp", "type": "file" }],
        "DATA": [
            { "DATA_TYPE": "transfer_item", "source_path": "/a/", "destination_path": "/b/", "recursive": true },
            { "DATA_TYPE": "transfer_item", "source_path": "/c", "destination_path": "/d", "recursive": false,
              "external_checksum": "00ff", "checksum_algorithm": "SHA256" },
        ],
    });
    assert_eq!(serde_json::to_value(&task).unwrap(), expected);
    let bare = serde_json::to_value(TransferTask::new(Uuid::nil(), Uuid::nil())).unwrap();
    assert_eq!(bare.as_object().unwrap().len(), 4, "the service decides what isn't set: {bare}");
}

#[test]
fn splitting_keeps_every_item_and_setting() {
    let mut task = TransferTask::new(Uuid::nil(), Uuid::nil()).label("l").submission_id(Uuid::nil());
    for n in 0..10 {
        task = task.file(format!("/s{n}"), format!("/d{n}"));
    }
    let parts = task.clone().split_at(4);
    assert_eq!(parts.iter().map(TransferTask::len).collect::<Vec<_>>(), [4, 4, 2]);
    let items: Vec<String> =
        parts.iter().flat_map(|part| &part.items).map(|item| item.source_path.clone()).collect();
    assert_eq!(items, (0..10).map(|n| format!("/s{n}")).collect::<Vec<_>>());
    assert!(parts.iter().all(|part| part.label.as_deref() == Some("l") && part.submission_id.is_none()));
    assert_eq!(task.split_at(10)[0].submission_id, Some(Uuid::nil()), "one that fits stays as it is");
}
