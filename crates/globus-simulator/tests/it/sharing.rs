//! Access rules and roles.

use globus_simulator::{Collection, Limits, Seed};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::beamline::{ADA, Beamline, GUEST, SERVICE, seed};

fn rule(path: &str) -> Value {
    json!({
        "DATA_TYPE": "access",
        "principal_type": "identity",
        "principal": ADA,
        "path": path,
        "permissions": "r",
    })
}

fn access() -> String {
    format!("/endpoint/{GUEST}/access")
}

async fn create(beamline: &Beamline, rule: Value) -> (StatusCode, Value) {
    beamline.post("service-transfer", &access(), rule).await
}

#[tokio::test]
async fn a_rule_opens_its_path_and_all_beneath_and_nothing_else() {
    let beamline = Beamline::start(seed()).await;
    for path in ["/a/", "/a/b/", "/ab/"] {
        assert_eq!(beamline.mkdir("service-transfer", path).await.0, StatusCode::ACCEPTED);
    }
    let ls = |path: &str| format!("/operation/endpoint/{GUEST}/ls?path={path}");
    assert_eq!(beamline.get("ada-transfer", &ls("/a/")).await.0, StatusCode::FORBIDDEN);
    let (status, answer) = create(&beamline, rule("/a/")).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    for (path, status) in [("/a", 200), ("/a/b/", 200), ("/ab/", 403), ("/", 403), ("/a/../ab/", 403)] {
        assert_eq!(beamline.get("ada-transfer", &ls(path)).await.0.as_u16(), status, "{path}");
    }
    // Reading is not writing.
    let (status, refusal) = beamline.mkdir("ada-transfer", "/a/c").await;
    assert_eq!((status.as_u16(), &refusal["code"]), (403, &json!("EndpointPermissionDenied")));
    let one = format!("{}/{}", access(), answer["access_id"].as_str().unwrap());
    let body = json!({"DATA_TYPE": "access", "permissions": "rw"});
    assert_eq!(beamline.transfer("service-transfer", Method::PUT, &one, body).await.0, StatusCode::OK);
    assert_eq!(beamline.mkdir("ada-transfer", "/a/c").await.0, StatusCode::ACCEPTED);
    let gone = beamline.transfer("service-transfer", Method::DELETE, &one, Value::Null).await;
    assert_eq!(gone.1["code"], "Deleted");
    assert_eq!(beamline.get("ada-transfer", &ls("/a/")).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_is_no_rule() {
    let beamline = Beamline::start(seed()).await;
    for (field, value, status, code) in [
        ("path", json!("/no/end"), 400, "InvalidPath"),
        ("path", json!("no/start/"), 400, "InvalidPath"),
        ("path", json!("/a/../b/"), 400, "InvalidPath"),
        ("path", json!("/a//b/"), 400, "InvalidPath"),
        ("path", Value::Null, 400, "BadRequest"),
        ("permissions", json!("rwx"), 400, "BadRequest"),
        ("principal_type", json!("user"), 400, "BadRequest"),
        ("principal", json!(SERVICE.as_u128().to_string()), 400, "BadRequest"),
        ("principal_type", json!("all_authenticated_users"), 400, "BadRequest"),
        ("expiration_date", json!("soon"), 400, "BadRequest"),
        ("expiration_date", json!("2001-01-01T00:00:00Z"), 400, "BadRequest"),
        ("DATA_TYPE", json!("rule"), 400, "BadRequest"),
    ] {
        let mut wrong = rule("/a/");
        wrong[field] = value.clone();
        let (got, answer) = create(&beamline, wrong).await;
        assert_eq!((got.as_u16(), &answer["code"]), (status, &json!(code)), "{field} {value}: {answer}");
        assert!(answer["request_id"].is_string() && answer["resource"] == access(), "{answer}");
    }
    let before = beamline.simulator.rules(GUEST).len();
    assert_eq!(before, 1, "nothing was stored but the seed's");
}

#[tokio::test]
async fn a_second_rule_for_the_same_is_refused_and_the_limit_holds() {
    let beamline = Beamline::start(Seed { limits: Limits { rules: 3, ..Limits::default() }, ..seed() }).await;
    assert_eq!(create(&beamline, rule("/a/")).await.0, StatusCode::CREATED);
    let (status, answer) = create(&beamline, rule("/a/")).await;
    assert_eq!((status, &answer["code"]), (StatusCode::CONFLICT, &json!("Exists")));
    assert_eq!(create(&beamline, rule("/b/")).await.0, StatusCode::CREATED);
    let (status, answer) = create(&beamline, rule("/c/")).await;
    assert_eq!((status, &answer["code"]), (StatusCode::CONFLICT, &json!("LimitExceeded")));
    // The roles' own rules are listed but don't count.
    let listed = beamline.get("service-transfer", &format!("/endpoint/{GUEST}/access_list")).await.1;
    assert_eq!(listed["length"], 4);
    assert_eq!(listed["DATA"].as_array().unwrap().iter().filter(|rule| rule["id"].is_null()).count(), 1);
}

#[tokio::test]
async fn an_expired_rule_is_gone() {
    let beamline = Beamline::start(seed()).await;
    let mut soon = rule("/a/");
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(2);
    soon["expiration_date"] = json!(at.to_string());
    let (status, answer) = create(&beamline, soon).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    beamline.mkdir("service-transfer", "/a/").await;
    let ls = format!("/operation/endpoint/{GUEST}/ls?path=/a/");
    assert_eq!(beamline.get("ada-transfer", &ls).await.0, StatusCode::OK);
    for _ in 0..500 {
        if beamline.get("ada-transfer", &ls).await.0 == StatusCode::FORBIDDEN {
            assert!(jiff::Timestamp::now() >= at, "it was taken away too early");
            assert_eq!(
                create(&beamline, rule("/a/")).await.0,
                StatusCode::CREATED,
                "its place is free again"
            );
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the rule did not expire");
}

#[tokio::test]
async fn the_notice_of_a_share() {
    let beamline = Beamline::start(seed()).await;
    let mut told = rule("/a/");
    told["notify_email"] = json!("ada@example.org");
    told["notify_message"] = json!("your scans");
    create(&beamline, told).await;
    let notices = beamline.simulator.notifications();
    assert_eq!(notices.len(), 1);
    assert_eq!(notices[0].to, "ada@example.org");
    assert!(notices[0].text.contains("your scans"));
}

#[tokio::test]
async fn only_those_with_the_role_manage_rules() {
    let beamline = Beamline::start(seed()).await;
    let (status, answer) = beamline.post("ada-transfer", &access(), rule("/a/")).await;
    assert_eq!((status.as_u16(), &answer["code"]), (403, &json!("PermissionDenied")));
    let role = json!({"DATA_TYPE": "role", "principal_type": "identity", "principal": ADA, "role": "access_manager"});
    let (status, made) =
        beamline.post("service-transfer", &format!("/endpoint/{GUEST}/role"), role.clone()).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let again = beamline.post("service-transfer", &format!("/endpoint/{GUEST}/role"), role.clone()).await;
    assert_eq!((again.0, &again.1["code"]), (StatusCode::CONFLICT, &json!("Exists")));
    assert_eq!(beamline.post("ada-transfer", &access(), rule("/a/")).await.0, StatusCode::CREATED);
    // An access manager gives no roles.
    assert_eq!(beamline.post("ada-transfer", &format!("/endpoint/{GUEST}/role"), role).await.0.as_u16(), 403);
}

#[tokio::test]
async fn groups_linked_identities_and_everybody() {
    let group = uuid::Uuid::from_u128(7);
    let mut seed = seed();
    seed.accounts[1].linked = vec!["ada@example.org".to_owned()];
    seed.groups.push(globus_simulator::Group {
        id: group,
        members: vec!["bob@example.org".to_owned()],
        ..Default::default()
    });
    seed.collections.retain(|collection| collection.id != GUEST);
    let share = Collection::guest(GUEST, "share", "share", &SERVICE.to_string())
        .rule(&group.to_string(), "/group/", "r")
        .rule("bob@example.org", "/bob/", "r")
        .rule("all_authenticated_users", "/all/", "rw");
    let beamline = Beamline::start(seed.collection(share)).await;
    for path in ["/group/", "/bob/", "/all/", "/none/"] {
        beamline.mkdir("service-transfer", path).await;
    }
    for (path, status) in [("/group/", 200), ("/bob/", 200), ("/all/", 200), ("/none/", 403)] {
        let ls = format!("/operation/endpoint/{GUEST}/ls?path={path}");
        assert_eq!(beamline.get("ada-transfer", &ls).await.0.as_u16(), status, "{path}");
    }
}
