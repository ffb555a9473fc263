//! Documents of the shapes that the official SDK's recorded fixtures have, with values of our own: every
//! method sends the documented request and reads the whole document.

use std::sync::Mutex;

use futures::TryStreamExt;
use globus_transfer_client::transfer::NewPauseRule;
use globus_transfer_client::{
    Authorizer, ClientCredentials, GlobusClient, Permissions, PrincipalType, RetryPolicy, TaskStatus,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stub::{Reply, Stub};

const ID: Uuid = Uuid::from_u128(0xa1);
const OTHER: Uuid = Uuid::from_u128(0xb2);

/// A service that answers `METHOD path?query` with a document each, in this order, and fails the test on
/// anything else.
async fn scripted(script: Vec<(&'static str, Value)>) -> (Stub, GlobusClient) {
    let script = Mutex::new(std::collections::VecDeque::from(script));
    let stub = Stub::start(move |seen, _| {
        let query: Vec<String> = seen.query.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let request = format!("{} {}{mark}{}", seen.method, seen.path, query.join("&"));
        match script.lock().unwrap().pop_front() {
            Some((expected, document)) if expected == request => Reply::Json(200, document),
            Some((expected, _)) => {
                Reply::Json(400, json!({ "code": "Test", "message": format!("{expected} != {request}") }))
            }
            None => Reply::Json(400, json!({ "code": "Test", "message": format!("unexpected {request}") })),
        }
    })
    .await;
    let client = GlobusClient::builder()
        .auth_url(stub.url.clone())
        .transfer_url(stub.url.join("v0.10").unwrap())
        .authorizer(Authorizer::access_token("t"))
        .retry(RetryPolicy::none())
        .build()
        .unwrap();
    (stub, client)
}

fn task(id: Uuid) -> Value {
    json!({
        "DATA_TYPE": "task", "task_id": id, "type": "TRANSFER", "status": "ACTIVE", "label": "scan 12", "owner_id": OTHER,
        "owner_string": "li@example.org", "username": "u_li", "request_time": "2026-11-24T10:00:00+00:00",
        "completion_time": null, "deadline": "2026-11-25T10:00:00+00:00", "source_endpoint_id": ID,
        "source_endpoint": "x#y", "source_endpoint_display_name": "Detector", "destination_endpoint_id": OTHER,
        "destination_endpoint_display_name": "Archive", "files": 3, "directories": 1, "symlinks": 0, "files_skipped": 0,
        "files_transferred": null, "subtasks_total": 4, "subtasks_pending": 2, "subtasks_retrying": 0,
        "subtasks_failed": 0, "subtasks_succeeded": 2, "subtasks_canceled": 0, "subtasks_expired": 0,
        "subtasks_skipped_errors": 0, "bytes_transferred": 14, "bytes_checksummed": 0, "effective_bytes_per_second": 5,
        "faults": 0, "is_paused": false, "is_ok": true, "nice_status": "OK", "nice_status_details": null,
        "nice_status_short_description": "OK", "nice_status_expires_in": -1, "fatal_error": null, "sync_level": null,
        "encrypt_data": false, "verify_checksum": true, "preserve_timestamp": false, "history_deleted": false,
        "canceled_by_admin": null, "canceled_by_admin_message": null, "command": "API 0.10", "filter_rules": null,
        "recursive_symlinks": "ignore", "source_base_path": "/", "destination_base_path": null,
    })
}

fn collection(id: Uuid) -> Value {
    json!({
        "DATA_TYPE": "endpoint", "id": id, "display_name": "Beamline data", "canonical_name": "u_x#y", "name": "y",
        "entity_type": "GCSv5_guest_collection", "owner_id": OTHER, "owner_string": "li@example.org",
        "description": null, "organization": "Example", "public": true, "default_directory": null,
        "host_endpoint_id": OTHER, "host_endpoint": null, "host_path": "/data/", "acl_available": true,
        "acl_editable": true, "acl_max_expiration_period_mins": null, "my_effective_roles": ["administrator"],
        "gcp_connected": null, "gcp_paused": null, "gcs_manager_url": "https://abc.data.example.org",
        "high_assurance": false, "subscription_id": OTHER, "tlsftp_server": null, "https_server": "https://x",
        "keywords": "a,b", "contact_email": null, "force_encryption": false, "disable_verify": false, "shareable": false,
    })
}

fn pause_rule() -> Value {
    json!({ "DATA_TYPE": "pause_rule", "id": ID, "message": "until noon", "endpoint_id": OTHER, "identity_id": null,
            "start_time": null, "endpoint_display_name": "Archive", "pause_ls": false, "pause_mkdir": false,
            "pause_rename": false, "pause_task_delete": true, "pause_task_transfer_write": true,
            "pause_task_transfer_read": true, "editable": true, "created_by_host_manager": false,
            "modified_time": "2026-11-24T10:00:00+00:00", "modified_by_host_manager": false })
}

#[tokio::test]
async fn documents_are_kept_whole() {
    let rule = json!({ "DATA_TYPE": "access", "id": "r1", "principal_type": "identity", "principal": OTHER,
                       "path": "/a/", "permissions": "r", "role_id": null, "role_type": null,
                       "expiration_date": "2026-12-24T10:00:00+00:00", "create_time": "2026-11-24T10:00:00+00:00" });
    let odd = json!({ "DATA_TYPE": "access", "id": "r2", "principal_type": "robot", "principal": null, "path": 5,
                      "permissions": "rwx" });
    let broken = json!("not even a document");
    let (_stub, client) = scripted(vec![
        ("GET /v0.10/task/00000000-0000-0000-0000-0000000000a1", task(ID)),
        ("GET /v0.10/endpoint/00000000-0000-0000-0000-0000000000a1", collection(ID)),
        (
            "GET /v0.10/endpoint/00000000-0000-0000-0000-0000000000a1/access_list",
            json!({ "DATA_TYPE": "access_list", "endpoint": ID, "length": 3, "DATA": [rule, odd, broken] }),
        ),
    ])
    .await;
    let read = client.transfer().task(ID).get().await.unwrap();
    assert_eq!((read.status, read.files, read.files_transferred), (TaskStatus::Active, 3, None));
    assert_eq!(read.extra["owner_string"], "li@example.org");
    let written = serde_json::to_value(&read).unwrap();
    for (key, value) in task(ID).as_object().unwrap() {
        // Times are written in the form of RFC 9557; everything else as it came.
        if !key.ends_with("_time") && key != "deadline" {
            assert_eq!(&written[key], value, "{key}");
        }
    }
    let read = client.transfer().collection(ID).get().await.unwrap();
    assert!(read.is_guest() && read.acl_editable && !read.needs_data_access());
    assert_eq!((&read.extra["subscription_id"], &read.extra["keywords"]), (&json!(OTHER), &json!("a,b")));
    assert_eq!(serde_json::to_value(&read).unwrap()["https_server"], "https://x");

    // One odd rule doesn't hide the others.
    let rules = client.transfer().access_rules(ID).list().await.unwrap().rules;
    assert_eq!(rules.len(), 2);
    assert_eq!((rules[0].permissions, rules[0].is_for(OTHER)), (Permissions::Read, true));
    assert_eq!(
        (rules[1].permissions, rules[1].principal_type),
        (Permissions::Unknown, PrincipalType::Unknown)
    );
    assert_eq!((rules[1].id.as_deref(), rules[1].path.as_str()), (Some("r2"), ""));
}

#[tokio::test]
async fn collections_are_changed_and_their_roles_given() {
    let role = json!({ "DATA_TYPE": "role", "id": ID, "principal_type": "group", "principal": OTHER,
                       "role": "activity_monitor" });
    let done = json!({ "DATA_TYPE": "result", "code": "Updated", "message": "m", "request_id": "r" });
    let (stub, client) = scripted(vec![
        ("PUT /v0.10/endpoint/00000000-0000-0000-0000-0000000000a1", done.clone()),
        ("PUT /v0.10/endpoint/00000000-0000-0000-0000-0000000000a1/subscription", done.clone()),
        ("PUT /v0.10/endpoint/00000000-0000-0000-0000-0000000000a1/subscription", done.clone()),
        ("PUT /v0.10/endpoint/00000000-0000-0000-0000-0000000000a1/subscription_admin_verified", done),
        ("POST /v0.10/endpoint/00000000-0000-0000-0000-0000000000a1/role", role.clone()),
        ("GET /v0.10/endpoint/00000000-0000-0000-0000-0000000000a1/role/00000000-0000-0000-0000-0000000000b2", role),
        (
            "GET /v0.10/endpoint/00000000-0000-0000-0000-0000000000a1/my_effective_pause_rule_list",
            json!({ "DATA": [pause_rule()] }),
        ),
        (
            "GET /v0.10/endpoint/00000000-0000-0000-0000-0000000000a1/shared_endpoint_list",
            json!({ "shared_endpoints": [collection(ID)], "next_token": "n1" }),
        ),
        (
            "GET /v0.10/endpoint/00000000-0000-0000-0000-0000000000a1/shared_endpoint_list?next_token=n1",
            json!({ "shared_endpoints": [collection(OTHER)], "next_token": null }),
        ),
        ("GET /v0.10/endpoint/00000000-0000-0000-0000-0000000000a1/server_list", json!({ "DATA": [{ "id": 12 }] })),
        ("GET /v0.10/endpoint/00000000-0000-0000-0000-0000000000a1/server/12", json!({ "hostname": "h" })),
    ])
    .await;
    let handler = client.transfer().collection(ID);
    handler.update().display_name("n").keywords(&["a", "b"]).public(false).send().await.unwrap();
    handler.set_subscription(Some(OTHER)).await.unwrap();
    handler.set_default_subscription().await.unwrap();
    handler.set_admin_verified(true).await.unwrap();
    let role = handler.roles().create_for_group(OTHER, "activity_monitor").await.unwrap();
    assert_eq!(role.principal_type, PrincipalType::Group);
    handler.roles().get(OTHER).await.unwrap();
    let rules = handler.my_pause_rules().await.unwrap();
    assert!(rules[0].pause_task_delete && rules[0].extra["editable"] == true);
    let guests: Vec<_> = handler.guest_collections().map_ok(|guest| guest.id).try_collect().await.unwrap();
    assert_eq!(guests, [ID, OTHER]);
    assert_eq!(handler.servers().await.unwrap()[0]["id"], 12);
    assert_eq!(handler.server(12).await.unwrap()["hostname"], "h");
    let sent: Vec<Value> = stub.seen().iter().take(5).map(|seen| seen.json()).collect();
    assert_eq!(
        sent,
        [
            json!({ "DATA_TYPE": "endpoint", "display_name": "n", "keywords": "a,b", "public": false }),
            json!({ "subscription_id": OTHER }),
            json!({ "subscription_id": "DEFAULT" }),
            json!({ "subscription_admin_verified": true }),
            json!({ "DATA_TYPE": "role", "principal_type": "group", "principal": OTHER, "role": "activity_monitor" }),
        ]
    );
}

#[tokio::test]
async fn a_manager_sees_and_steers_the_tasks_of_others() {
    let event = json!({ "code": "STARTED", "description": "started", "details": "{}", "is_error": false,
                        "time": "2026-11-24T10:00:00+00:00" });
    let (stub, client) = scripted(vec![
        ("GET /v0.10/endpoint_manager/monitored_endpoints", json!({ "DATA": [collection(ID)] })),
        (
            "GET /v0.10/endpoint_manager/endpoint/00000000-0000-0000-0000-0000000000a1/hosted_endpoint_list",
            json!({ "DATA": [collection(OTHER)] }),
        ),
        ("GET /v0.10/endpoint_manager/endpoint/00000000-0000-0000-0000-0000000000a1", collection(ID)),
        (
            "GET /v0.10/endpoint_manager/endpoint/00000000-0000-0000-0000-0000000000a1/access_list",
            json!({ "DATA": [] }),
        ),
        (
            "GET /v0.10/endpoint_manager/task_list?filter_status=ACTIVE,INACTIVE&filter_is_paused=true",
            json!({ "DATA": [task(ID)], "has_next_page": true, "last_key": "k1", "limit": 100 }),
        ),
        (
            "GET /v0.10/endpoint_manager/task_list?last_key=k1&filter_status=ACTIVE,INACTIVE&filter_is_paused=true",
            json!({ "DATA": [task(OTHER)], "has_next_page": false, "last_key": "k2", "limit": 100 }),
        ),
        ("GET /v0.10/endpoint_manager/task/00000000-0000-0000-0000-0000000000a1", task(ID)),
        (
            "GET /v0.10/endpoint_manager/task/00000000-0000-0000-0000-0000000000a1/event_list?limit=1000&offset=0",
            json!({ "DATA": [event], "total": 1 }),
        ),
        (
            "GET /v0.10/endpoint_manager/task/00000000-0000-0000-0000-0000000000a1/pause_info",
            json!({ "pause_rules": [pause_rule()], "source_pause_message": null }),
        ),
        (
            "GET /v0.10/endpoint_manager/task/00000000-0000-0000-0000-0000000000a1/successful_transfers",
            json!({ "DATA": [{ "source_path": "/a", "destination_path": "/b" }], "next_marker": 7 }),
        ),
        (
            "GET /v0.10/endpoint_manager/task/00000000-0000-0000-0000-0000000000a1/successful_transfers?marker=7",
            json!({ "DATA": [{ "source_path": "/c", "destination_path": "/d" }], "next_marker": null }),
        ),
        (
            "GET /v0.10/endpoint_manager/task/00000000-0000-0000-0000-0000000000a1/skipped_errors",
            json!({ "DATA": [{ "source_path": "/a", "error_code": "FILE_NOT_FOUND" }] }),
        ),
        ("POST /v0.10/endpoint_manager/admin_cancel", json!({ "id": ID, "done": false })),
        (
            "GET /v0.10/endpoint_manager/admin_cancel/00000000-0000-0000-0000-0000000000a1",
            json!({ "id": ID, "done": true }),
        ),
        ("POST /v0.10/endpoint_manager/admin_pause", json!({ "code": "PauseAccepted" })),
        ("POST /v0.10/endpoint_manager/admin_resume", json!({ "code": "ResumeAccepted" })),
        (
            "GET /v0.10/endpoint_manager/pause_rule_list?filter_endpoint=00000000-0000-0000-0000-0000000000b2",
            json!({ "DATA": [pause_rule()] }),
        ),
        ("POST /v0.10/endpoint_manager/pause_rule", pause_rule()),
        ("GET /v0.10/endpoint_manager/pause_rule/00000000-0000-0000-0000-0000000000a1", pause_rule()),
        ("PUT /v0.10/endpoint_manager/pause_rule/00000000-0000-0000-0000-0000000000a1", pause_rule()),
        (
            "DELETE /v0.10/endpoint_manager/pause_rule/00000000-0000-0000-0000-0000000000a1",
            json!({ "code": "Deleted" }),
        ),
    ])
    .await;
    let manager = client.transfer().manager();
    assert_eq!(manager.monitored_collections().await.unwrap()[0].id, ID);
    assert_eq!(manager.hosted_collections(ID).await.unwrap()[0].id, OTHER);
    manager.collection(ID).await.unwrap();
    assert_eq!(manager.access_rules(ID).await.unwrap().used(), 0);
    let running = manager.tasks().status(&[TaskStatus::Active, TaskStatus::Inactive]).is_paused(true);
    let ids: Vec<_> = running.stream().map_ok(|task| task.task_id).try_collect().await.unwrap();
    assert_eq!(ids, [ID, OTHER]);
    let one = manager.task(ID);
    assert_eq!(one.get().await.unwrap().owner_id, Some(OTHER));
    assert_eq!(one.events().stream().try_collect::<Vec<_>>().await.unwrap()[0].code, "STARTED");
    assert_eq!(one.pause_info().await.unwrap().pause_rules[0].endpoint_id, Some(OTHER));
    assert_eq!(one.successful_transfers().try_collect::<Vec<_>>().await.unwrap().len(), 2);
    assert_eq!(one.skipped_errors().try_collect::<Vec<_>>().await.unwrap()[0].error_code, "FILE_NOT_FOUND");
    let cancel = manager.cancel_tasks(&[ID], "disk replaced").await.unwrap();
    assert!(!cancel.done && manager.cancel_status(cancel.id).await.unwrap().done);
    manager.pause_tasks(&[ID], "wait").await.unwrap();
    manager.resume_tasks(&[ID]).await.unwrap();
    assert_eq!(manager.pause_rules(Some(OTHER)).await.unwrap().len(), 1);
    let rule =
        NewPauseRule::new("until noon").pause_deletions().start("2026-12-01T06:00:00.5Z".parse().unwrap());
    manager.create_pause_rule(OTHER, rule.clone()).await.unwrap();
    manager.pause_rule(ID).await.unwrap();
    manager.update_pause_rule(ID, &rule).await.unwrap();
    manager.delete_pause_rule(ID).await.unwrap();
    let created = stub
        .seen()
        .into_iter()
        .find(|seen| seen.method == "POST" && seen.path.ends_with("/pause_rule"))
        .unwrap();
    assert_eq!(
        created.json(),
        json!({ "DATA_TYPE": "pause_rule", "message": "until noon", "endpoint_id": OTHER,
                "start_time": "2026-12-01T06:00:00Z", "pause_ls": false, "pause_mkdir": false, "pause_rename": false,
                "pause_task_delete": true, "pause_task_transfer_write": true, "pause_task_transfer_read": true })
    );
}

#[tokio::test]
async fn tunnels_lie_beside_the_older_version() {
    let tunnel =
        json!({ "data": { "id": ID, "type": "Tunnel", "attributes": { "state": "AWAITING_LISTENER" } } });
    let (stub, client) = scripted(vec![
        ("POST /v2/tunnels", tunnel.clone()),
        ("GET /v2/tunnels", json!({ "data": [tunnel["data"]] })),
        ("GET /v2/tunnels/00000000-0000-0000-0000-0000000000a1", tunnel.clone()),
        ("PATCH /v2/tunnels/00000000-0000-0000-0000-0000000000a1", tunnel),
        ("GET /v2/tunnels/00000000-0000-0000-0000-0000000000a1/events", json!({ "data": [] })),
        (
            "GET /v2/stream_access_points/00000000-0000-0000-0000-0000000000b2",
            json!({ "data": { "id": OTHER } }),
        ),
        ("DELETE /v2/tunnels/00000000-0000-0000-0000-0000000000a1", json!({ "data": null })),
    ])
    .await;
    let tunnels = client.transfer().tunnels();
    tunnels.create(ID, OTHER, json!({ "label": "l" })).await.unwrap();
    assert_eq!(tunnels.list().await.unwrap()[0]["id"], json!(ID));
    assert_eq!(tunnels.get(ID).await.unwrap()["attributes"]["state"], "AWAITING_LISTENER");
    tunnels.update(ID, json!({ "state": "STOPPING" })).await.unwrap();
    assert_eq!(tunnels.events(ID).await.unwrap(), json!([]));
    assert_eq!(tunnels.access_point(OTHER).await.unwrap()["id"], json!(OTHER));
    tunnels.delete(ID).await.unwrap();
    let created = &stub.seen()[0].json()["data"];
    assert_eq!(created["relationships"]["listener"]["data"]["id"], json!(OTHER));
    assert_eq!(created["attributes"], json!({ "label": "l" }));
}

#[tokio::test]
async fn auth_knows_providers_consents_and_dependent_tokens() {
    let provider = json!({ "id": OTHER, "short_name": "example", "name": "Example Lab", "domains": ["example.org"],
                           "alternative_names": [] });
    let identity = json!({ "id": ID, "username": "li@example.org", "name": null, "email": null, "organization": null,
                           "status": "unused", "identity_provider": OTHER, "identity_type": "login" });
    let consent = json!({ "id": 142, "client": OTHER, "scope": ID, "scope_name": "openid", "status": "approved",
                          "dependency_path": [142], "created": "2026-11-24T10:00:00.5+00:00", "last_used": null,
                          "allows_refresh": true, "auto_approved": false, "effective_identity": ID });
    let (stub, client) = scripted(vec![
        (
            "GET /v2/api/identities?ids=00000000-0000-0000-0000-0000000000a1&include=identity_provider",
            json!({ "identities": [identity], "included": { "identity_providers": [provider] } }),
        ),
        ("GET /v2/api/identity_providers?domains=example.org", json!({ "identity_providers": [provider] })),
        (
            "GET /v2/api/identity_providers?ids=00000000-0000-0000-0000-0000000000b2",
            json!({ "identity_providers": [provider] }),
        ),
        ("GET /v2/api/identities/00000000-0000-0000-0000-0000000000a1/consents", json!({ "consents": [consent] })),
        ("GET /.well-known/openid-configuration", json!({ "issuer": "https://auth.example.org" })),
        ("GET /jwk.json", json!({ "keys": [] })),
        (
            "POST /v2/oauth2/token",
            json!([{ "access_token": "AgGroups", "expires_in": 120, "token_type": "bearer", "scope": "view_my_groups",
                     "resource_server": "groups.api.globus.org" }]),
        ),
        ("POST /v2/oauth2/token/revoke", json!({ "active": false })),
    ])
    .await;
    let auth = client.auth();
    let found = auth.identities().by_ids(&[ID]).include_providers().send().await.unwrap();
    assert_eq!(found.identity_providers[0].domains, ["example.org"]);
    assert_eq!(found.find("LI@example.org").unwrap().identity_provider, Some(OTHER));
    assert_eq!(auth.identity_providers_by_domains(&["example.org"]).await.unwrap()[0].id, OTHER);
    assert_eq!(auth.identity_providers_by_ids(&[OTHER]).await.unwrap()[0].name, "Example Lab");
    assert_eq!(auth.consents(ID).await.unwrap()[0].scope_name, "openid");
    assert_eq!(auth.openid_configuration().await.unwrap()["issuer"], "https://auth.example.org");
    assert_eq!(auth.signing_keys().await.unwrap()["keys"], json!([]));
    let service = ClientCredentials::new(OTHER, "s3cret");
    let tokens = auth.dependent_tokens(&service, &"received".into(), &[], true).await.unwrap();
    assert!(tokens.get("groups.api.globus.org").is_some());
    auth.revoke(OTHER, Some(&"s3cret".into()), &"received".into()).await.unwrap();
    let asked = &stub.seen()[6];
    assert_eq!(asked.form("grant_type").as_deref(), Some("urn:globus:auth:grant_type:dependent_token"));
    assert_eq!(
        (asked.form("token").as_deref(), asked.form("access_type").as_deref()),
        (Some("received"), Some("offline"))
    );
    assert!(asked.authorization.as_deref().unwrap().starts_with("Basic "));
}
