//! A transcript of real calls: what stands in it, and its comparison with the simulator.

use std::fs;

use futures::TryStreamExt;
use globus_simulator::compare;
use globus_transfer_client::groups::MemberRole;
use globus_transfer_client::{
    Authorizer, ClientCredentials, GlobusClient, Service, Transcript, TransferTask,
};
use serde_json::{Value, json};

use crate::world::{GUEST, MAPPED, SECRET, SERVICE, World};

/// Does what a beamline does, and returns the transcript of it.
async fn scenario(world: &World) -> String {
    let file = world.root.path().join("transcript");
    let transcript = Transcript::create(&file).unwrap();
    let client = GlobusClient::builder()
        .auth_url(world.simulator.auth_url())
        .transfer_url(world.simulator.transfer_url())
        .service_url(&Service::groups(), world.simulator.url().join("v2").unwrap())
        .service_url(&Service::timers(), world.simulator.url())
        .authorizer(Authorizer::client_credentials(ClientCredentials::new(SERVICE, SECRET)))
        .transcript(transcript.clone())
        .build()
        .unwrap();
    fs::create_dir_all(world.directory("mapped/secret-run/deeper")).unwrap();
    fs::write(world.directory("mapped/secret-run/scan.h5"), "data").unwrap();
    let transfer = client.transfer();
    transfer.collection(MAPPED).get().await.unwrap();
    transfer.collection(GUEST).get().await.unwrap();
    transfer.ls(MAPPED, "/secret-run/").send().await.unwrap();
    transfer.mkdir(GUEST, "/Li-2026/").send().await.unwrap();
    transfer.mkdir(GUEST, "/Li-2026/").send().await.unwrap_err();
    let people = client.auth().identities().by_usernames(&["li@example.org"]).send().await.unwrap();
    let li = people.into_iter().next().unwrap().id;
    let rule = transfer.access_rules(GUEST).create(li, "/Li-2026/").send().await.unwrap();
    transfer.access_rules(GUEST).list().await.unwrap();
    let task = TransferTask::new(MAPPED, GUEST).directory("/secret-run/", "/Li-2026/");
    let task = transfer.submit_transfer(task).await.unwrap();
    transfer.task(task.task_id).wait().send().await.unwrap();
    transfer.access_rules(GUEST).delete(&rule).await.unwrap();
    transfer.collection(uuid::Uuid::from_u128(7)).get().await.unwrap_err();
    let group = client.groups().create("users of Li", "for one beam time").await.unwrap();
    client.groups().members(group.id).add(li, MemberRole::Member).send().await.unwrap();
    client.timers().list().await.unwrap();
    let server = client.connect_server_of(MAPPED).await.unwrap();
    let _: Vec<_> = server.collections().stream().try_collect().await.unwrap();
    transcript.finish().unwrap();
    fs::read_to_string(file).unwrap()
}

#[tokio::test]
async fn the_simulator_compares_equal_with_itself_and_known_changes_are_listed() {
    let world = World::start().await;
    let text = scenario(&world).await;
    let lower = text.to_lowercase();
    for private in [
        "lovelace",
        "li@",
        "li-2026",
        "secret-run",
        "scan",
        "facility storage",
        SECRET,
        "agsimulated",
        "127.0.0.1",
    ] {
        assert!(!lower.contains(private), "{private}: {text}");
    }
    let root = tempfile::tempdir().unwrap();
    let equal = compare(&text, root.path()).await.unwrap();
    assert!(equal.is_equal() && equal.replayed >= 15, "{equal}");
    assert!(equal.left_out.iter().all(|line| line.contains("sign-in")), "{equal}");

    // What another service might answer.
    let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut change = |path: &str, nth: usize, change: &dyn Fn(&mut Value)| {
        let mut found =
            lines.iter_mut().filter(|line| line["request"]["url"].as_str().unwrap().ends_with(path));
        change(&mut found.nth(nth).unwrap_or_else(|| panic!("{path}"))["response"]);
    };
    change("/ls", 1, &|response| {
        response["body"]["json"]["DATA"][0]["unheard_of"] = json!(true);
        response["body"]["json"]["total"] = json!("two");
        response["body"]["json"].as_object_mut().unwrap().remove("absolute_path");
    });
    change("/mkdir", 1, &|response| {
        response["body"]["json"]["code"] = json!("ClientError.Exists");
        response["status"] = json!(409);
        response["headers"]["retry-after"] = json!("3");
    });
    let changed: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let root = tempfile::tempdir().unwrap();
    let different = compare(&changed, root.path()).await.unwrap();
    assert_eq!(
        serde_json::to_value(&different.differences).unwrap(),
        json!({
            "GET /v0.10/operation/endpoint/{id}/ls": [
                "DATA[].unheard_of: only the service has this field (true or false)",
                "absolute_path: only the simulator has this field",
                "total: a text from the service, a number from the simulator",
            ],
            "POST /v0.10/operation/endpoint/{id}/mkdir": [
                "status: 409 from the service, 502 from the simulator",
                "header retry-after: only the service has it",
                "code: 'ClientError.Exists' from the service, 'ExternalError.MkdirFailed.Exists' from the \
                 simulator",
            ],
        }),
        "{different}"
    );
    let failure = compare("no transcript", root.path()).await.unwrap_err().to_string();
    assert!(failure.contains("line 1"), "{failure}");
}
