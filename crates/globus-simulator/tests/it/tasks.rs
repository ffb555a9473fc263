//! Transfers and deletions.

use std::fs;
use std::time::Duration;

use globus_simulator::{Collection, Fault, Limits, Seed};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::beamline::{Beamline, GUEST, MAPPED, SERVICE, seed};

fn item(from: &str, to: &str) -> Value {
    json!({"DATA_TYPE": "transfer_item", "source_path": from, "destination_path": to})
}

fn transfer(items: Vec<Value>) -> Value {
    json!({"source_endpoint": MAPPED, "destination_endpoint": GUEST, "DATA": items})
}

fn with(mut body: Value, more: Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

#[tokio::test]
async fn filter_rules_links_and_what_is_too_much() {
    let beamline = Beamline::start(seed()).await;
    let raw = beamline.path("detector/raw");
    fs::create_dir(raw.join("sub")).unwrap();
    fs::write(raw.join("sub/keep.txt"), "k").unwrap();
    std::os::unix::fs::symlink("0.h5", raw.join("first")).unwrap();
    let there = beamline.path("share/open");
    let body = with(
        transfer(vec![item("/raw/", "/open/")]),
        json!({
            "delete_destination_extra": true,
            "recursive_symlinks": "keep",
            "filter_rules": [
                {"DATA_TYPE": "filter_rule", "method": "include", "name": "0.h5", "type": "file"},
                {"DATA_TYPE": "filter_rule", "method": "exclude", "name": "*.h5", "type": "file"},
            ],
        }),
    );
    let task = beamline.submit("transfer", body).await;
    let done = beamline.ended(&task).await;
    assert_eq!(done["status"], "SUCCEEDED", "{done:#}");
    assert_eq!(
        (&done["files_transferred"], &done["symlinks"], &done["directories"]),
        (&json!(2), &json!(2), &json!(2))
    );
    let mut names: Vec<_> = fs::read_dir(&there)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["0.h5", "first", "out", "sub"], "hello.txt was too much");
    assert_eq!(fs::read_link(there.join("first")).unwrap().to_str(), Some("0.h5"));
}

#[tokio::test]
async fn sync_levels() {
    let beamline = Beamline::start(seed()).await;
    let (from, to) = (beamline.path("detector/raw/0.h5"), beamline.path("share/open/0.h5"));
    // Same size, other content, and older than the source.
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
    for (level, change, copied) in [
        (0, "other", false),
        (1, "other", false),
        (1, "shorter", true),
        (2, "other", true),
        (3, "other", true),
        (3, "same", false),
    ] {
        let content = match change {
            "same" => fs::read(&from).unwrap(),
            "shorter" => vec![9; 10],
            _ => vec![9; 1000],
        };
        fs::write(&to, content).unwrap();
        fs::File::options().write(true).open(&to).unwrap().set_modified(long_ago).unwrap();
        let body = with(
            transfer(vec![item("/raw/0.h5", "/open/0.h5")]),
            json!({"sync_level": level, "preserve_timestamp": true, "verify_checksum": true}),
        );
        let done = beamline.ended(&beamline.submit("transfer", body).await).await;
        assert_eq!(done["files_transferred"], json!(u8::from(copied)), "level {level} {change}: {done:#}");
        assert_eq!(done["files_skipped"], json!(u8::from(!copied)), "level {level} {change}");
        assert_eq!(fs::read(&to).unwrap() == fs::read(&from).unwrap(), copied || change == "same");
    }
    let modified = |path| fs::metadata(path).unwrap().modified().unwrap();
    assert_eq!(modified(&to), long_ago, "the last one was not copied");
}

#[tokio::test]
async fn a_file_that_comes_later_is_transferred_then() {
    let beamline = Beamline::start(seed()).await;
    let task = beamline.submit("transfer", transfer(vec![item("/raw/late.h5", "/open/late.h5")])).await;
    let waiting = beamline.until(&task, |task| task["faults"].as_u64() > Some(1)).await;
    assert_eq!((&waiting["status"], &waiting["nice_status"]), (&json!("ACTIVE"), &json!("FILE_NOT_FOUND")));
    assert_eq!((&waiting["is_ok"], &waiting["subtasks_retrying"]), (&json!(false), &json!(1)));
    fs::write(beamline.path("detector/raw/late.h5"), "at last").unwrap();
    let done = beamline.ended(&task).await;
    assert_eq!((&done["status"], &done["bytes_transferred"]), (&json!("SUCCEEDED"), &json!(7)));
    let events =
        beamline.get("service-transfer", &format!("/task/{task}/event_list?filter=is_error:1")).await.1;
    assert_eq!(events["DATA"][0]["code"], "FILE_NOT_FOUND");
}

#[tokio::test]
async fn a_hundred_thousand_items_and_not_one_more() {
    let beamline = Beamline::start(seed()).await;
    let items =
        |count: usize| (0..count).map(|n| item(&format!("/raw/none{n}"), "/open/x")).collect::<Vec<_>>();
    let task = beamline.submit("transfer", transfer(items(100_000))).await;
    let busy = beamline.until(&task, |task| task["faults"].as_u64() >= Some(100_000)).await;
    assert_eq!(busy["subtasks_total"], 100_000);
    beamline.post("service-transfer", &format!("/task/{task}/cancel"), Value::Null).await;
    let events = beamline.get("service-transfer", &format!("/task/{task}/event_list")).await.1;
    assert!(events["total"].as_u64() < Some(50), "one event a round: {}", events["total"]);
    let body =
        with(transfer(items(100_001)), json!({"DATA_TYPE": "transfer", "submission_id": Uuid::new_v4()}));
    let (status, answer) = beamline.post("service-transfer", "/transfer", body).await;
    assert_eq!((status.as_u16(), &answer["code"]), (400, &json!("ClientError.BadRequest.TooManyItems")));
}

#[tokio::test]
async fn a_wrong_external_checksum_fails_the_task() {
    let beamline = Beamline::start(seed()).await;
    let mut wrong = item("/raw/0.h5", "/open/0.h5");
    wrong["external_checksum"] = json!("0".repeat(64));
    wrong["checksum_algorithm"] = json!("SHA256");
    let done = beamline.ended(&beamline.submit("transfer", transfer(vec![wrong])).await).await;
    assert_eq!(
        (&done["status"], &done["fatal_error"]["code"]),
        (&json!("FAILED"), &json!("VERIFY_CHECKSUM"))
    );
    assert_eq!(done["subtasks_failed"], 1);
}

#[tokio::test]
async fn full_collections() {
    let target = Uuid::from_u128(9);
    let mut small = Collection::mapped(target, "small", "small", &SERVICE.to_string());
    small.quota = Some(1500);
    let beamline = Beamline::start(seed().collection(small)).await;
    let body = json!({
        "source_endpoint": MAPPED, "destination_endpoint": target, "fail_on_quota_errors": true,
        "DATA": [item("/raw/0.h5", "/0.h5"), item("/raw/1.h5", "/1.h5")],
    });
    let done = beamline.ended(&beamline.submit("transfer", body).await).await;
    assert_eq!(
        (&done["fatal_error"]["code"], &done["files_transferred"]),
        (&json!("QUOTA_EXCEEDED"), &json!(1))
    );
}

#[tokio::test]
async fn deadlines_labels_and_cancelling() {
    let beamline = Beamline::start(seed()).await;
    let body = with(transfer(vec![item("/raw/none", "/open/none")]), json!({"deadline": "2099-01-01"}));
    let task = beamline.submit("transfer", body).await;
    let path = format!("/task/{task}");
    assert_eq!(beamline.get("service-transfer", &path).await.1["deadline"], "2099-01-01T00:00:00+00:00");
    // Others neither see nor cancel it.
    assert_eq!(beamline.get("ada-transfer", &path).await.1["code"], "TaskNotFound");
    assert_eq!(
        beamline.post("ada-transfer", &format!("{path}/cancel"), Value::Null).await.0,
        StatusCode::NOT_FOUND
    );
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(2);
    let body = json!({"DATA_TYPE": "task", "deadline": soon.to_string(), "label": "hurry"});
    assert_eq!(beamline.transfer("service-transfer", Method::PUT, &path, body).await.0, StatusCode::OK);
    let done = beamline.ended(&task).await;
    assert_eq!((&done["label"], &done["fatal_error"]["code"]), (&json!("hurry"), &json!("DEADLINE_EXPIRED")));
    assert!(jiff::Timestamp::now() >= soon, "not before its time");
    let late = beamline.post("service-transfer", &format!("{path}/cancel"), Value::Null).await;
    assert_eq!((late.0, &late.1["code"]), (StatusCode::CONFLICT, &json!("TaskComplete")));
}

#[tokio::test]
async fn a_task_that_takes_its_time_can_be_cancelled_in_the_middle() {
    let slow = Limits { bytes_per_second: Some(50_000), ..Limits::default() };
    let beamline = Beamline::start(Seed { limits: slow, ..seed() }).await;
    fs::write(beamline.path("detector/raw/big"), vec![1; 10_000_000]).unwrap();
    let task = beamline.submit("transfer", transfer(vec![item("/raw/big", "/open/big")])).await;
    let busy = beamline.until(&task, |task| task["bytes_transferred"].as_u64() > Some(0)).await;
    assert_eq!(busy["status"], "ACTIVE");
    let search = beamline.get("service-transfer", "/endpoint_search?filter_scope=in-use").await.1;
    assert_eq!(search["DATA"].as_array().unwrap().len(), 2);
    beamline.post("service-transfer", &format!("/task/{task}/cancel"), Value::Null).await;
    let done = beamline.ended(&task).await;
    assert_eq!((&done["fatal_error"]["code"], &done["subtasks_canceled"]), (&json!("CANCELED"), &json!(1)));
    let size = fs::metadata(beamline.path("share/open/big")).unwrap().len();
    assert!(size < 10_000_000, "{size}");
}

#[tokio::test]
async fn access_rules_hold_inside_of_tasks() {
    let beamline = Beamline::start(seed()).await;
    let id = beamline.get("ada-transfer", "/submission_id").await.1["value"].clone();
    // Ada may read /open/ but not write there.
    let body = json!({
        "DATA_TYPE": "transfer", "submission_id": id, "source_endpoint": GUEST, "destination_endpoint": GUEST,
        "DATA": [item("/open/hello.txt", "/open/copy.txt")],
    });
    let (status, answer) = beamline.post("ada-transfer", "/transfer", body.clone()).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    // Somebody else can't take the submission for theirs.
    assert_eq!(beamline.post("service-transfer", "/transfer", body).await.1["code"], "Conflict");
    let path = format!("/task/{}", answer["task_id"].as_str().unwrap());
    for _ in 0..500 {
        let task = beamline.get("ada-transfer", &path).await.1;
        assert_eq!(task["status"], "ACTIVE");
        if task["nice_status"] == "PERMISSION_DENIED" {
            assert!(!beamline.path("share/open/copy.txt").exists());
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the task was not refused");
}

#[tokio::test]
async fn deletions() {
    let beamline = Beamline::start(seed()).await;
    fs::create_dir_all(beamline.path("share/d/e")).unwrap();
    for name in ["a.tmp", "b.tmp", "c.h5"] {
        fs::write(beamline.path("share/d").join(name), "x").unwrap();
    }
    let erase = |path: &str, more: Value| {
        with(json!({"endpoint": GUEST, "DATA": [{"DATA_TYPE": "delete_item", "path": path}]}), more)
    };
    for (path, more, status, code) in [
        ("/d", json!({}), "FAILED", "IS_A_DIRECTORY"),
        ("/none", json!({}), "FAILED", "FILE_NOT_FOUND"),
        ("/none", json!({"ignore_missing": true}), "SUCCEEDED", ""),
        ("/d/*.tmp", json!({"interpret_globs": true}), "SUCCEEDED", ""),
        ("/", json!({"recursive": true}), "FAILED", "PERMISSION_DENIED"),
    ] {
        let done = beamline.ended(&beamline.submit("delete", erase(path, more)).await).await;
        assert_eq!(done["status"], status, "{path}: {done:#}");
        assert_eq!(done["fatal_error"]["code"].as_str().unwrap_or_default(), code, "{path}");
    }
    let left: Vec<_> = fs::read_dir(beamline.path("share/d")).unwrap().collect();
    assert_eq!(left.len(), 2, "c.h5 and e");
    let done =
        beamline.ended(&beamline.submit("delete", erase("/d", json!({"recursive": true}))).await).await;
    assert_eq!((&done["status"], &done["type"]), (&json!("SUCCEEDED"), &json!("DELETE")));
    assert!(!beamline.path("share/d").exists() && beamline.path("share/open").exists());
}

#[tokio::test]
async fn what_is_no_submission() {
    let beamline = Beamline::start(seed()).await;
    let good = with(
        transfer(vec![item("/raw/0.h5", "/open/0.h5")]),
        json!({"DATA_TYPE": "transfer", "submission_id": Uuid::new_v4()}),
    );
    for (field, value, status, code) in [
        ("DATA", json!([]), 400, "ClientError.BadRequest.NoTransferItems"),
        ("DATA", json!([{"DATA_TYPE": "delete_item", "path": "/"}]), 400, "BadRequest"),
        ("DATA", json!([item("/a\r\n", "/b")]), 400, "InvalidPath"),
        ("submission_id", json!("mine"), 400, "BadRequest"),
        ("sync_level", json!(4), 400, "BadRequest"),
        ("deadline", json!("2001-01-01"), 400, "BadRequest"),
        ("recursive_symlinks", json!("follow"), 400, "BadRequest"),
        ("label", json!("2-BM: raw/data"), 400, "BadRequest"),
        ("label", json!("x".repeat(129)), 400, "BadRequest"),
        ("source_endpoint", json!(SERVICE), 404, "EndpointNotFound"),
    ] {
        let mut wrong = good.clone();
        wrong[field] = value.clone();
        let (got, answer) = beamline.post("service-transfer", "/transfer", wrong).await;
        assert_eq!((got.as_u16(), &answer["code"]), (status, &json!(code)), "{field}: {answer}");
    }
    assert!(beamline.simulator.tasks().is_empty());
}

#[tokio::test]
async fn successful_transfers_and_skipped_errors_come_in_pages() {
    let pages = Limits { page: 2, ..Limits::default() };
    let beamline = Beamline::start(Seed { limits: pages, ..seed() }).await;
    let body = with(
        transfer(vec![
            with(item("/raw/", "/open/"), json!({"recursive": true})),
            item("/raw/none", "/open/none"),
        ]),
        json!({"skip_source_errors": true}),
    );
    let task = beamline.submit("transfer", body).await;
    let done = beamline.ended(&task).await;
    assert_eq!((&done["status"], &done["subtasks_skipped_errors"]), (&json!("SUCCEEDED"), &json!(1)));
    let mut marker = String::new();
    let mut sizes = Vec::new();
    loop {
        let path = format!("/task/{task}/successful_transfers?{marker}");
        let page = beamline.get("service-transfer", &path).await.1;
        sizes.push(page["DATA"].as_array().unwrap().len());
        match &page["next_marker"] {
            Value::Null => break,
            next => marker = format!("marker={next}"),
        }
    }
    assert_eq!(sizes, [2, 2, 1]);
    let skipped = beamline.get("service-transfer", &format!("/task/{task}/skipped_errors")).await.1;
    assert_eq!(skipped["DATA"][0]["source_path"], "/raw/none");
    assert_eq!(beamline.simulator.notifications().len(), 0, "a service has no address");
}

#[tokio::test]
async fn tasks_by_status_label_and_time() {
    let beamline = Beamline::start(seed()).await;
    let mut ids = Vec::new();
    for label in ["scan 1", "scan 2", "other_3"] {
        let body = with(transfer(vec![item("/raw/0.h5", "/open/0.h5")]), json!({"label": label}));
        let id = beamline.submit("transfer", body).await;
        beamline.ended(&id).await;
        ids.push(id);
    }
    for (query, expected) in [
        ("", vec![2, 1, 0]),
        ("limit=1&offset=1", vec![1]),
        ("orderby=request_time", vec![0, 1, 2]),
        ("filter=label:~SCAN*", vec![1, 0]),
        ("filter=label:!~scan*/status:SUCCEEDED", vec![2]),
        ("filter=label:other_3", vec![2]),
        ("filter=status:ACTIVE,INACTIVE", vec![]),
        ("filter=type:DELETE", vec![]),
        ("filter=request_time:2020-01-01,", vec![2, 1, 0]),
        ("filter=completion_time:,2020-01-01", vec![]),
    ] {
        let page = beamline.get("service-transfer", &format!("/task_list?{query}")).await.1;
        let found: Vec<usize> = page["DATA"]
            .as_array()
            .unwrap_or_else(|| panic!("{query}: {page}"))
            .iter()
            .map(|task| ids.iter().position(|id| task["task_id"] == id.as_str()).unwrap())
            .collect();
        assert_eq!(found, expected, "{query}");
    }
    let few = beamline.get("service-transfer", &format!("/task/{}?fields=status,faults", ids[0])).await.1;
    assert_eq!(few, json!({"status": "SUCCEEDED", "faults": 0}));
    for wrong in ["filter=color:red", "filter=status", "orderby=color", "limit=0"] {
        assert_eq!(
            beamline.get("service-transfer", &format!("/task_list?{wrong}")).await.0.as_u16(),
            400,
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn tasks_that_fail_or_stall_by_order() {
    let beamline = Beamline::start(seed()).await;
    let body = || transfer(vec![item("/raw/0.h5", "/open/0.h5")]);
    beamline.simulator.fault(Fault::task_fail("transfer", "ENDPOINT_ERROR"));
    beamline.simulator.fault(Fault::task_stall("transfer").nth(2));
    let done = beamline.ended(&beamline.submit("transfer", body()).await).await;
    assert_eq!(
        (&done["status"], &done["fatal_error"]["description"]),
        (&json!("FAILED"), &json!("endpoint error"))
    );
    let stalled = beamline.submit("transfer", body()).await;
    beamline.until(&stalled, |task| task["nice_status"] == "CONNECT_FAILED").await;
    let third = beamline.ended(&beamline.submit("transfer", body()).await).await;
    assert_eq!(third["status"], "SUCCEEDED");
    assert_eq!(beamline.get("service-transfer", &format!("/task/{stalled}")).await.1["status"], "ACTIVE");
    beamline.post("service-transfer", &format!("/task/{stalled}/cancel"), Value::Null).await;
    assert_eq!(beamline.ended(&stalled).await["fatal_error"]["code"], "CANCELED");
}

#[tokio::test]
async fn the_document_of_a_task_names_both_ends_and_the_owner() {
    let beamline = Beamline::start(seed()).await;
    let body = with(
        transfer(vec![item("/raw/0.h5", "/open/a/0.h5"), item("/raw/1.h5", "/open/b/1.h5")]),
        json!({"store_base_path_info": true}),
    );
    let done = beamline.ended(&beamline.submit("transfer", body).await).await;
    assert_eq!(done["owner_string"], format!("{SERVICE}@clients.auth.globus.org"));
    assert_eq!(
        (&done["source_base_path"], &done["destination_base_path"]),
        (&json!("/raw/"), &json!("/open/"))
    );
    assert_eq!(
        (&done["source_mapped_collection_id"], &done["destination_mapped_collection_id"]),
        (&Value::Null, &json!(crate::beamline::MAPPED))
    );
    assert_eq!(done["destination_mapped_collection_display_name"], "Beamline detector");
    for side in ["source", "destination"] {
        for field in ["host_endpoint", "host_endpoint_id", "host_endpoint_display_name", "host_path"] {
            assert!(done.as_object().unwrap().contains_key(&format!("{side}_{field}")), "{side}_{field}");
        }
    }
    let plain = transfer(vec![item("/raw/0.h5", "/open/0.h5")]);
    let done = beamline.ended(&beamline.submit("transfer", plain).await).await;
    assert_eq!(done["source_base_path"], Value::Null, "only when it was asked for");
}
