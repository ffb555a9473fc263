//! Transfers and deletions against the simulator, which really copies and deletes.

use std::fs;
use std::time::Duration;

use futures::TryStreamExt;
use globus_simulator::Fault;
use globus_transfer_client::{
    DeleteTask, ErrorKind, FilterMethod, FilterType, SyncLevel, Task, TaskStatus, TransferTask,
};
use jiff::Timestamp;
use uuid::Uuid;

use crate::world::{GUEST, MAPPED, World};

async fn done(client: &globus_transfer_client::GlobusClient, id: Uuid) -> Task {
    let wait = client.transfer().task(id).wait().every(Duration::from_millis(10));
    let task = wait.limit(Duration::from_secs(30)).send().await.unwrap();
    assert!(task.has_ended(), "{task:?}");
    task
}

fn filled(world: &World) {
    let from = world.directory("guest/from/deep");
    fs::create_dir_all(&from).unwrap();
    for n in 0..5 {
        fs::write(world.directory("guest/from").join(format!("{n}.h5")), format!("scan {n}")).unwrap();
    }
    fs::write(from.join("deep.h5"), "deep").unwrap();
    fs::write(from.join("x.tmp"), "not this").unwrap();
}

#[tokio::test]
async fn a_transfer_is_handed_in_waited_for_and_looked_into() {
    let world = World::with(|mut seed| {
        seed.limits.page = 4;
        seed
    })
    .await;
    filled(&world);
    let client = world.service();
    let transfer = client.transfer();
    let id = transfer.submission_id().await.unwrap();
    let task = TransferTask::new(GUEST, MAPPED)
        .submission_id(id)
        .label("2026-03 Li")
        .sync_level(SyncLevel::Checksum)
        .verify_checksum(true)
        .preserve_timestamp(true)
        .notify(false)
        .deadline("2199-01-01T00:00:00Z".parse().unwrap())
        .filter(FilterMethod::Exclude, "*.tmp", Some(FilterType::File))
        .directory("/from/", "/to/");
    let first = transfer.submit_transfer(task.clone()).await.unwrap();
    let second = transfer.submit_transfer(task).await.unwrap();
    assert_eq!((first.task_id, first.is_duplicate()), (second.task_id, false));
    assert!(second.is_duplicate());

    let mut looks = 0;
    let wait =
        transfer.task(first.task_id).wait().every(Duration::from_millis(10)).limit(Duration::from_secs(30));
    let ended = wait.send_with(|_| looks += 1).await.unwrap();
    assert!(looks > 0);
    assert_eq!((ended.status, ended.kind.as_str()), (TaskStatus::Succeeded, "TRANSFER"));
    assert_eq!((ended.files_transferred, ended.label.as_deref()), (Some(6), Some("2026-03 Li")));
    assert!(ended.completion_time.is_some() && ended.request_time <= ended.completion_time);
    assert_eq!(fs::read_to_string(world.directory("mapped/to/deep/deep.h5")).unwrap(), "deep");
    assert!(!world.directory("mapped/to/deep/x.tmp").exists());

    let files: Vec<_> = transfer.task(first.task_id).successful_transfers().try_collect().await.unwrap();
    assert_eq!(files.len(), 6);
    assert_eq!(world.simulator.count("task_successful_transfers"), 2, "two pages");
    assert!(files.iter().any(|file| file.destination_path.ends_with("/to/deep/deep.h5")), "{files:?}");
    let events: Vec<_> = transfer.task(first.task_id).events().stream().try_collect().await.unwrap();
    assert!(events.iter().any(|event| event.code == "SUCCEEDED" && event.time.is_some()), "{events:?}");
    let errors: Vec<_> =
        transfer.task(first.task_id).events().errors_only().stream().try_collect().await.unwrap();
    assert!(errors.is_empty());
    assert!(transfer.task(first.task_id).pause_info().await.unwrap().pause_rules.is_empty());
    assert!(!transfer.task(first.task_id).cancel().await.unwrap(), "it has ended");
    // Nothing to do the second time.
    let again = TransferTask::new(GUEST, MAPPED).sync_level(SyncLevel::Checksum).directory("/from/", "/to/");
    let again = done(&client, transfer.submit_transfer(again).await.unwrap().task_id).await;
    assert_eq!(
        (again.status, again.files_transferred),
        (TaskStatus::Succeeded, Some(1)),
        "only what was filtered"
    );
}

#[tokio::test]
async fn a_submission_whose_answer_was_lost_is_one_task() {
    let world = World::start().await;
    filled(&world);
    let client = world.service_with_consent();
    world.simulator.fault(Fault::cut_after("transfer"));
    let submitted = client
        .transfer()
        .submit_transfer(TransferTask::new(GUEST, MAPPED).file("/from/1.h5", "/1.h5"))
        .await
        .unwrap();
    assert!(submitted.is_duplicate());
    let tasks: Vec<_> = client.transfer().tasks().stream().try_collect().await.unwrap();
    assert_eq!(tasks.iter().map(|task| task.task_id).collect::<Vec<_>>(), [submitted.task_id]);
}

#[tokio::test]
async fn errors_at_the_source_are_skipped_and_listed() {
    let world = World::start().await;
    filled(&world);
    let client = world.service();
    let task = TransferTask::new(GUEST, MAPPED)
        .skip_source_errors(true)
        .file("/from/1.h5", "/1.h5")
        .file("/from/missing.h5", "/missing.h5");
    let id = client.transfer().submit_transfer(task).await.unwrap().task_id;
    assert_eq!(done(&client, id).await.status, TaskStatus::Succeeded);
    let skipped: Vec<_> = client.transfer().task(id).skipped_errors().try_collect().await.unwrap();
    assert_eq!(skipped.len(), 1);
    assert_eq!(
        (skipped[0].error_code.as_str(), skipped[0].source_path.as_str()),
        ("FILE_NOT_FOUND", "/from/missing.h5")
    );
    assert!(skipped[0].error_time.is_some());
}

#[tokio::test]
async fn a_wrong_checksum_fails_the_task() {
    let world = World::start().await;
    filled(&world);
    let client = world.service();
    let task =
        TransferTask::new(GUEST, MAPPED).file_with_checksum("/from/1.h5", "/1.h5", "00".repeat(32), "SHA256");
    let id = client.transfer().submit_transfer(task).await.unwrap().task_id;
    let task = done(&client, id).await;
    assert_eq!(task.status, TaskStatus::Failed);
    assert!(task.fatal_error.is_some(), "{task:?}");
}

#[tokio::test]
async fn a_task_is_changed_and_cancelled() {
    let world = World::start().await;
    filled(&world);
    let client = world.service_with_consent();
    let transfer = client.transfer();
    world.simulator.fault(Fault::task_stall("transfer"));
    let id = transfer
        .submit_transfer(TransferTask::new(GUEST, MAPPED).file("/from/1.h5", "/1.h5"))
        .await
        .unwrap()
        .task_id;
    let deadline: Timestamp = "2199-01-01T00:00:00Z".parse().unwrap();
    transfer.task(id).update(Some("another name"), Some(deadline)).await.unwrap();
    let task = transfer.task(id).get().await.unwrap();
    assert_eq!((task.label.as_deref(), task.deadline), (Some("another name"), Some(deadline)));

    // The limit ends the waiting, not the task; a service that is away for a moment ends nothing.
    world.simulator.fault(Fault::answer("task_get", 503).times(8));
    let wait = transfer.task(id).wait().every(Duration::from_millis(1)).limit(Duration::from_secs(1));
    assert_eq!(wait.send().await.unwrap().status, TaskStatus::Active);

    let active: Vec<_> = transfer
        .tasks()
        .status(&[TaskStatus::Active])
        .label("another*")
        .stream()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(active.iter().map(|task| task.task_id).collect::<Vec<_>>(), [id]);
    let none: Vec<_> =
        transfer.tasks().status(&[TaskStatus::Succeeded]).ids(&[id]).stream().try_collect().await.unwrap();
    assert!(none.is_empty());

    assert!(transfer.task(id).cancel().await.unwrap());
    let task = done(&client, id).await;
    assert_eq!((task.status, task.fatal_error.unwrap().code.as_str()), (TaskStatus::Failed, "CANCELED"));
    let unknown = transfer.task(Uuid::from_u128(1)).wait().send().await.unwrap_err();
    assert_eq!(unknown.kind(), &ErrorKind::NotFound);
}

#[tokio::test]
async fn tasks_are_listed_page_by_page() {
    let world = World::start().await;
    filled(&world);
    let client = world.service();
    let before = Timestamp::now();
    let mut ids = Vec::new();
    for n in 0..5 {
        let task =
            TransferTask::new(GUEST, MAPPED).label(format!("n{n}")).file("/from/1.h5", format!("/{n}.h5"));
        ids.push(client.transfer().submit_transfer(task).await.unwrap().task_id);
    }
    let since = before - jiff::SignedDuration::from_secs(60);
    let list = client
        .transfer()
        .tasks()
        .since(since)
        .filter("type:TRANSFER")
        .order_by("request_time ASC")
        .page_size(2);
    let listed: Vec<_> = list.stream().map_ok(|task| task.task_id).try_collect().await.unwrap();
    assert_eq!(listed, ids);
    assert_eq!(world.simulator.count("task_list"), 3);
}

#[tokio::test]
async fn a_deletion_deletes() {
    let world = World::start().await;
    filled(&world);
    let client = world.service();
    let task = DeleteTask::new(GUEST)
        .label("old")
        .recursive(true)
        .ignore_missing(true)
        .interpret_globs(true)
        .path("/from/*.h5")
        .path("/nothing");
    let submitted = client.transfer().submit_delete(task).await.unwrap();
    let task = done(&client, submitted.task_id).await;
    assert_eq!((task.status, task.kind.as_str()), (TaskStatus::Succeeded, "DELETE"));
    let left: Vec<_> = fs::read_dir(world.directory("guest/from"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["deep"]);
}

#[tokio::test]
async fn too_little_and_too_much_is_refused_here() {
    let world = World::start().await;
    let client = world.service();
    let empty = client.transfer().submit_transfer(TransferTask::new(GUEST, MAPPED)).await.unwrap_err();
    assert_eq!(empty.kind(), &ErrorKind::InvalidRequest);
    let mut large = TransferTask::new(GUEST, MAPPED);
    for n in 0..=globus_transfer_client::ITEM_LIMIT {
        large = large.file(format!("/{n}"), format!("/{n}"));
    }
    let failure = client.transfer().submit_transfer(large.clone()).await.unwrap_err();
    assert!(failure.to_string().ends_with("split it"), "{failure}");
    assert!(world.simulator.requests().is_empty());
    assert_eq!(large.split().len(), 2);
    let unknown = TransferTask::new(GUEST, Uuid::from_u128(1)).file("/a", "/b");
    assert_eq!(client.transfer().submit_transfer(unknown).await.unwrap_err().kind(), &ErrorKind::NotFound);
}
