//! Groups and Timers.

use std::fs;
use std::time::Duration;

use globus_transfer_client::groups::{GroupPolicies, MemberRole};
use globus_transfer_client::timers::{NewTimer, TimerStatus};
use globus_transfer_client::{ErrorKind, PrincipalType, TransferTask};
use serde_json::{Map, Value, json};

use crate::world::{GUEST, MAPPED, SERVICE, World};

fn fields(document: Value) -> Map<String, Value> {
    document.as_object().cloned().unwrap()
}

#[tokio::test]
async fn a_directory_is_shared_with_a_group() {
    let world = World::start().await;
    let client = world.service();
    let groups = client.groups();
    let li = world.simulator.identity("li@example.org").unwrap();
    let ada = world.simulator.identity("ada@example.org").unwrap();
    let group = groups.create("2026-03 Li", "Users of one beam time").await.unwrap();
    assert_eq!(group.my_memberships[0].role, MemberRole::Admin);
    assert_eq!(groups.mine(&[]).await.unwrap()[0].id, group.id);
    assert!(groups.mine(&["invited"]).await.unwrap().is_empty());

    let changes = groups
        .members(group.id)
        .add(ada, MemberRole::Member)
        .invite(li, MemberRole::Manager)
        .send()
        .await
        .unwrap();
    assert_eq!((changes.done.len(), changes.refused.len()), (2, 0));
    let changes = groups
        .members(group.id)
        .add(ada, MemberRole::Member)
        .change_role(ada, MemberRole::Admin)
        .send()
        .await
        .unwrap();
    assert_eq!(
        (changes.done[0].role, changes.refused[0].code.as_str()),
        (MemberRole::Admin, "ALREADY_ACTIVE")
    );
    let members = groups.get(group.id, &["memberships"]).await.unwrap().memberships;
    assert_eq!(members.len(), 3);

    fs::create_dir_all(world.directory("guest/2026-03")).unwrap();
    let rules = client.transfer().access_rules(GUEST);
    rules.create_for(PrincipalType::Group, Some(group.id), "/2026-03/").send().await.unwrap();
    world.ada().transfer().ls(GUEST, "/2026-03/").send().await.unwrap();
    groups.members(group.id).remove(ada).send().await.unwrap();
    let failure = world.ada().transfer().ls(GUEST, "/2026-03/").send().await.unwrap_err();
    assert_eq!(failure.kind(), &ErrorKind::PermissionDenied);

    let policies = GroupPolicies {
        join_requests: true,
        group_visibility: "authenticated".into(),
        ..GroupPolicies::default()
    };
    assert!(groups.set_policies(group.id, &policies).await.unwrap().join_requests);
    assert_eq!(groups.policies(group.id).await.unwrap().group_visibility, "authenticated");
    let mine = fields(json!({ SERVICE.to_string(): {"institution": "Example"} }));
    assert_eq!(groups.set_membership_fields(group.id, &mine).await.unwrap(), mine);
    assert_eq!(groups.membership_fields(group.id).await.unwrap(), mine);
    let preferences = fields(json!({ SERVICE.to_string(): {"allow_add": false} }));
    assert_eq!(groups.set_preferences(&preferences).await.unwrap(), preferences);
    assert_eq!(groups.preferences().await.unwrap(), preferences);
    groups.set_subscription_admin_verified(group.id, None).await.unwrap();
    assert_eq!(groups.by_subscription(uuid::Uuid::nil()).await.unwrap_err().kind(), &ErrorKind::NotFound);
    assert_eq!(groups.update(group.id, &fields(json!({"name": "closed"}))).await.unwrap().name, "closed");
    groups.delete(group.id).await.unwrap();
    assert_eq!(groups.get(group.id, &[]).await.unwrap_err().kind(), &ErrorKind::NotFound);
}

#[tokio::test]
async fn a_timer_starts_its_transfer_and_can_be_paused() {
    let world = World::start().await;
    fs::write(world.directory("mapped/scan.h5"), "data").unwrap();
    let client = world.service();
    let timers = client.timers();
    let task = || TransferTask::new(MAPPED, GUEST).file("/scan.h5", "/by-timer.h5");
    // The consent for the mapped collection, beneath Timers and Transfer, is one that a service gets by
    // itself.
    let once = timers.create(NewTimer::once(task()).name("now")).await.unwrap();
    assert_eq!((once.name.as_deref(), once.status), (Some("now"), TimerStatus::New));
    let limit = std::time::Instant::now() + Duration::from_secs(30);
    while !world.directory("guest/by-timer.h5").exists() {
        assert!(std::time::Instant::now() < limit, "{:?}", timers.get(once.id).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let done = timers.get(once.id).await.unwrap();
    assert_eq!((done.status, done.runs, done.errors, done.next_run), (TimerStatus::Ended, 1, 0, None));

    let failure = timers.create(NewTimer::every(Duration::from_secs(1), task())).await.unwrap_err();
    assert_eq!(failure.kind(), &ErrorKind::InvalidRequest, "{failure}");
    assert!(failure.to_string().contains("interval_seconds"), "{failure}");
    let later = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let nightly = NewTimer::every(Duration::from_secs(86_400), task()).at(later).times(3).name("nightly");
    let nightly = timers.create(nightly).await.unwrap();
    assert_eq!(nightly.schedule["interval_seconds"], 86_400);
    assert_eq!(timers.list().await.unwrap().len(), 2);
    timers.pause(nightly.id).await.unwrap();
    let paused = timers.get(nightly.id).await.unwrap();
    assert_eq!((paused.status, &paused.inactive_reason["cause"]), (TimerStatus::Inactive, &json!("user")));
    timers.resume(nightly.id, None).await.unwrap();
    assert_eq!(
        timers.update(nightly.id, &fields(json!({"name": "daily"}))).await.unwrap().name.as_deref(),
        Some("daily")
    );
    timers.delete(nightly.id).await.unwrap();
    assert_eq!(timers.get(nightly.id).await.unwrap_err().kind(), &ErrorKind::NotFound);
    let job = fields(json!({"name": "no start"}));
    assert_eq!(timers.create_job(&job).await.unwrap_err().kind(), &ErrorKind::InvalidRequest);
}
