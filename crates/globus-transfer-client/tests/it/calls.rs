//! How one call goes: what is repeated, what is not, and what an error says.

use std::time::{Duration, Instant};

use globus_transfer_client::{Authorizer, Creation, Error, ErrorKind, GlobusClient, RetryPolicy};
use serde_json::json;
use uuid::Uuid;

use crate::stub::{Reply, Stub};

const COLLECTION: Uuid = Uuid::from_u128(7);
const PERSON: Uuid = Uuid::from_u128(8);

fn quick() -> RetryPolicy {
    RetryPolicy::default().min_wait(Duration::from_millis(1)).max_wait(Duration::from_millis(5))
}

fn client(stub: &Stub, retry: RetryPolicy) -> GlobusClient {
    GlobusClient::builder()
        .auth_url(stub.url.clone())
        .transfer_url(stub.url.join("v0.10").unwrap())
        .authorizer(Authorizer::access_token("a-secret-token"))
        .retry(retry)
        .request_timeout(Duration::from_secs(5))
        .build()
        .unwrap()
}

fn error(code: &str) -> serde_json::Value {
    json!({ "code": code, "message": "it says so", "request_id": "rq1", "resource": "/x" })
}

fn empty_listing() -> serde_json::Value {
    json!({ "DATA_TYPE": "file_list", "path": "/", "DATA": [] })
}

#[tokio::test]
async fn a_call_is_repeated_until_it_is_answered() {
    for trouble in [
        || Reply::Json(503, error("ServiceUnavailable")),
        || Reply::Text(502, "<b>bad</b>"),
        || Reply::Cut,
        || Reply::Json(502, error("EndpointError")),
        // A gateway in front of the service.
        || Reply::Text(200, "<h1>Maintenance</h1>"),
        || Reply::Text(200, r#"{"DATA": [{"na"#),
        || Reply::With(302, "location", "https://elsewhere.example/".to_owned(), json!({})),
    ] {
        let stub =
            Stub::start(move |_, n| if n < 2 { trouble() } else { Reply::Json(200, empty_listing()) }).await;
        let listing = client(&stub, quick()).transfer().ls(COLLECTION, "/").send().await.unwrap();
        assert!(listing.entries.is_empty());
        assert_eq!(stub.seen().len(), 3);
    }
}

#[tokio::test]
async fn without_retries_the_first_failure_is_given() {
    let stub = Stub::start(|_, _| Reply::Json(503, error("ServiceUnavailable"))).await;
    let failure = client(&stub, RetryPolicy::none()).transfer().ls(COLLECTION, "/").send().await.unwrap_err();
    assert_eq!(failure.kind(), &ErrorKind::Server);
    assert!(failure.is_transient());
    assert_eq!(stub.seen().len(), 1);
}

#[tokio::test]
async fn retries_end() {
    let stub = Stub::start(|_, _| Reply::Json(503, error("ServiceUnavailable"))).await;
    let failure =
        client(&stub, quick().max_retries(3)).transfer().ls(COLLECTION, "/").send().await.unwrap_err();
    assert_eq!(failure.status(), Some(503));
    assert_eq!(stub.seen().len(), 4);
}

#[tokio::test]
async fn what_waiting_cannot_help_is_not_repeated() {
    for (status, code, kind) in [
        (404, "ClientError.NotFound", ErrorKind::NotFound),
        (403, "EndpointPermissionDenied", ErrorKind::PermissionDenied),
        (409, "ClientError.Conflict", ErrorKind::Conflict),
        (502, "ExternalError.DirListingFailed.GCDisconnected", ErrorKind::EndpointDisconnected),
        (400, "ClientError.BadRequest", ErrorKind::InvalidRequest),
        (401, "ClientError.AuthenticationFailed", ErrorKind::AuthenticationFailed),
    ] {
        let stub = Stub::start(move |_, _| Reply::Json(status, error(code))).await;
        let failure = client(&stub, quick()).transfer().ls(COLLECTION, "/a/").send().await.unwrap_err();
        assert_eq!(failure.kind(), &kind);
        assert_eq!((failure.code(), failure.request_id()), (Some(code), Some("rq1")));
        assert_eq!(stub.seen().len(), 1, "{code}");
        let said = failure.to_string();
        for part in ["/a/", &COLLECTION.to_string(), code, "it says so", "rq1"] {
            assert!(said.contains(part), "{said}");
        }
    }
}

#[tokio::test]
async fn retry_after_is_waited_for() {
    let busy = |seconds: &str| Reply::With(429, "retry-after", seconds.to_owned(), error("TooManyRequests"));
    let stub =
        Stub::start(move |_, n| if n == 0 { busy("1") } else { Reply::Json(200, empty_listing()) }).await;
    let began = Instant::now();
    client(&stub, quick()).transfer().ls(COLLECTION, "/").send().await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1));

    // Longer than there is time for: the caller is told at once, with the wait.
    let stub = Stub::start(move |_, _| busy("7200")).await;
    let failure = client(&stub, quick()).transfer().ls(COLLECTION, "/").send().await.unwrap_err();
    assert_eq!(failure.kind(), &ErrorKind::RateLimited);
    assert_eq!(failure.retry_after(), Some(Duration::from_secs(7200)));
    assert_eq!(stub.seen().len(), 1);
}

#[tokio::test]
async fn a_service_that_is_away_was_not_reached() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap()).parse().unwrap();
    drop(free);
    let client = GlobusClient::builder()
        .transfer_url(url)
        .authorizer(Authorizer::access_token("a-secret-token"))
        .retry(RetryPolicy::none())
        .build()
        .unwrap();
    let failure = client.transfer().mkdir(COLLECTION, "/a/").send().await.unwrap_err();
    assert_eq!(failure.kind(), &ErrorKind::Network);
    assert!(failure.is_transient());
    assert!(!failure.may_have_been_done());
    assert!(failure.to_string().contains("refused"), "{failure}");
}

#[tokio::test]
async fn a_service_that_hangs_is_given_up() {
    let stub = Stub::start(|_, _| Reply::Hang).await;
    let client = GlobusClient::builder()
        .transfer_url(stub.url.clone())
        .authorizer(Authorizer::access_token("a-secret-token"))
        .retry(RetryPolicy::none())
        .request_timeout(Duration::from_millis(200))
        .build()
        .unwrap();
    let failure = client.transfer().mkdir(COLLECTION, "/a/").send().await.unwrap_err();
    assert_eq!(failure.kind(), &ErrorKind::Timeout);
    assert!(failure.may_have_been_done());
}

#[tokio::test]
async fn a_response_that_is_not_of_globus_is_reported_as_such() {
    let stub = Stub::start(|_, _| Reply::Text(200, "<h1>It works!</h1>")).await;
    let failure = client(&stub, quick()).transfer().ls(COLLECTION, "/").send().await.unwrap_err();
    assert_eq!(failure.kind(), &ErrorKind::InvalidResponse);
    assert!(failure.to_string().contains("It works!"), "{failure}");
    assert_eq!(stub.seen().len(), 6);

    // What could create something twice isn't sent again.
    let stub = Stub::start(|_, _| Reply::Text(200, "<h1>It works!</h1>")).await;
    let failure = client(&stub, quick()).transfer().rename(COLLECTION, "/a", "/b").await.unwrap_err();
    assert!(failure.may_have_been_done(), "{failure}");
    assert_eq!(stub.seen().len(), 1);
}

#[tokio::test]
async fn a_directory_whose_answer_was_lost_is_neither_new_nor_old() {
    let stub = Stub::start(|_, n| {
        if n == 0 { Reply::Cut } else { Reply::Json(502, error("ExternalError.MkdirFailed.Exists")) }
    })
    .await;
    let client = client(&stub, quick());
    let failure = client.transfer().mkdir(COLLECTION, "/a/").send().await.unwrap_err();
    assert_eq!(failure.kind(), &ErrorKind::Exists);
    assert!(failure.may_have_been_done());

    let failure = client.transfer().mkdir(COLLECTION, "/a/").send().await.unwrap_err();
    assert_eq!(failure.kind(), &ErrorKind::Exists);
    assert!(!failure.may_have_been_done(), "this time there was only one attempt");
}

#[tokio::test]
async fn parents_are_made_from_the_first_that_is_missing() {
    // The service has /top/ and makes the rest; a missing parent is said in the words of an endpoint.
    let have = std::sync::Mutex::new(vec!["/top/".to_owned()]);
    let stub = Stub::start(move |seen, _| {
        let path = seen.json()["path"].as_str().unwrap().to_owned();
        let mut have = have.lock().unwrap();
        let parent = path[..path[..path.len() - 1].rfind('/').unwrap() + 1].to_owned();
        if have.contains(&path) {
            Reply::Json(502, error("ExternalError.MkdirFailed.Exists"))
        } else if have.contains(&parent) {
            have.push(path);
            Reply::Json(
                202,
                json!({ "DATA_TYPE": "mkdir_result", "code": "DirectoryCreated", "message": "m" }),
            )
        } else {
            Reply::Json(502, error("ExternalError.MkdirFailed"))
        }
    })
    .await;
    let client = client(&stub, quick());
    let steps = client.transfer().create_dir_all(COLLECTION, "/top/2026-03/Li").send().await.unwrap();
    let steps: Vec<_> = steps.iter().map(|step| (step.path.as_str(), step.creation)).collect();
    assert_eq!(steps, [("/top/2026-03/", Creation::Created), ("/top/2026-03/Li/", Creation::Created)]);
    assert_eq!(stub.seen().len(), 3);

    let steps = client.transfer().create_dir_all(COLLECTION, "/top/2026-03/Li/").send().await.unwrap();
    assert_eq!(steps.len(), 1);
    assert_eq!(steps[0].creation, Creation::Existed);
    assert_eq!(stub.seen().len(), 4, "one request when it is there");

    // Nothing is made above the top that must exist.
    let refused = client
        .transfer()
        .create_dir_all(COLLECTION, "/unmounted/x/y")
        .below("/unmounted")
        .send()
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Some("ExternalError.MkdirFailed"));
    let tried: Vec<_> = stub.seen()[4..].iter().map(|seen| seen.json()["path"].clone()).collect();
    assert_eq!(tried, ["/unmounted/x/y/", "/unmounted/x/"]);
    let outside = client.transfer().create_dir_all(COLLECTION, "/other/x").below("/unmounted").send().await;
    assert_eq!(outside.unwrap_err().kind(), &ErrorKind::InvalidRequest);
}

#[tokio::test]
async fn a_rule_whose_answer_was_lost_is_found_again() {
    let stub = Stub::start(|seen, n| match (n, seen.path.rsplit('/').next()) {
        (0, _) => Reply::Cut,
        (_, Some("access")) => Reply::Json(409, error("Exists")),
        _ => Reply::Json(
            200,
            json!({ "DATA_TYPE": "access_list", "DATA": [
                { "id": null, "role_id": "r", "principal_type": "identity", "principal": PERSON, "path": "/a/",
                  "permissions": "rw" },
                { "id": "other", "principal_type": "identity", "principal": PERSON, "path": "/b/", "permissions": "r" },
                { "id": "mine", "principal_type": "identity", "principal": PERSON, "path": "/a/", "permissions": "r" },
            ]}),
        ),
    })
    .await;
    let client = client(&stub, quick());
    let rules = client.transfer().access_rules(COLLECTION);
    assert_eq!(rules.create(PERSON, "/a").ensure().await.unwrap(), ("mine".to_owned(), Creation::Unclear));
    assert_eq!(rules.create(PERSON, "/a").ensure().await.unwrap(), ("mine".to_owned(), Creation::Existed));
    let listed = rules.list().await.unwrap();
    assert_eq!(listed.used(), 2, "what a role implies is not a rule");
    assert_eq!(listed.find(PERSON, "/a").unwrap().id.as_deref(), Some("mine"));
}

#[tokio::test]
async fn a_deletion_whose_answer_was_lost_is_a_deletion() {
    let stub =
        Stub::start(|_, n| if n == 0 { Reply::Cut } else { Reply::Json(404, error("AccessRuleNotFound")) })
            .await;
    let client = client(&stub, quick());
    client.transfer().access_rules(COLLECTION).delete("x").await.unwrap();
    assert_eq!(stub.seen()[1].method, "DELETE");
    let failure = client.transfer().access_rules(COLLECTION).delete("x").await.unwrap_err();
    assert_eq!(failure.kind(), &ErrorKind::NotFound);
}

#[tokio::test]
async fn many_usernames_are_asked_for_a_hundred_at_a_time() {
    let stub = Stub::start(|seen, _| {
        let names = &seen.query.iter().find(|(key, _)| key == "usernames").unwrap().1;
        let found: Vec<_> = names
            .split(',')
            .map(|name| json!({ "id": Uuid::from_u128(name[1..4].parse().unwrap()), "username": name.to_lowercase() }))
            .collect();
        Reply::Json(200, json!({ "identities": found }))
    })
    .await;
    let client = client(&stub, quick());
    let names: Vec<String> = (0..250).map(|n| format!("U{n:03}@example.org")).collect();
    let twice: Vec<&String> = names.iter().chain(&names).collect();
    let found = client.auth().identities().by_usernames(&twice).provision(true).send().await.unwrap();
    assert_eq!((found.len(), stub.seen().len()), (250, 3));
    assert_eq!(found.find(" u249@Example.org").unwrap().id, Uuid::from_u128(249));
    assert_eq!(found.missing(&["u001@example.org", "nobody@example.org"]), ["nobody@example.org"]);
    assert!(stub.seen()[0].query.contains(&("provision".into(), "true".into())));

    for bad in ["a@x.org,b@x.org", " "] {
        let refused = client.auth().identities().by_usernames(&[bad]).send().await.unwrap_err();
        assert_eq!(refused.kind(), &ErrorKind::InvalidRequest);
    }
    assert_eq!(stub.seen().len(), 3, "nothing was asked for these");
}

#[tokio::test]
async fn calls_can_be_spawned() {
    let stub = Stub::start(|_, _| Reply::Json(200, empty_listing())).await;
    let client = client(&stub, quick());
    let task = tokio::spawn(async move {
        client.transfer().ls(COLLECTION, "/").send().await?;
        client.transfer().create_dir_all(COLLECTION, "/").send().await?;
        Ok::<(), Error>(())
    });
    task.await.unwrap().unwrap();
}
