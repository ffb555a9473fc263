//! Finding collections, and their documents.

use globus_simulator::{Collection, Seed};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::beamline::{Beamline, GUEST, MAPPED, SERVICE, seed};

async fn found(beamline: &Beamline, token: &str, query: &str) -> Vec<String> {
    let (status, answer) = beamline.get(token, &format!("/endpoint_search?{query}")).await;
    assert_eq!(status, StatusCode::OK, "{query}: {answer}");
    answer["DATA"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn scopes() {
    let beamline = Beamline::start(seed()).await;
    let (mapped, guest) = (MAPPED.to_string(), GUEST.to_string());
    for (token, query, expected) in [
        ("service-transfer", "filter_fulltext=beamline", vec![&mapped, &guest]),
        ("service-transfer", "filter_fulltext=BEAMLINE%20share", vec![&guest]),
        ("service-transfer", "filter_fulltext=elsewhere", vec![]),
        ("service-transfer", "filter_scope=my-endpoints", vec![&mapped, &guest]),
        ("service-transfer", "filter_scope=shared-by-me", vec![&guest]),
        (
            "service-transfer",
            "filter_scope=administered-by-me&filter_entity_type=GCSv5_mapped_collection",
            vec![&mapped],
        ),
        ("service-transfer", "filter_scope=my-gcp-endpoints", vec![]),
        ("service-transfer", "filter_scope=recently-used", vec![]),
        ("ada-transfer", "filter_scope=my-endpoints", vec![]),
        ("ada-transfer", "filter_scope=shared-with-me", vec![&guest]),
        ("ada-transfer", "filter_scope=in-use", vec![]),
        ("ada-transfer", "filter_fulltext=beamline&limit=1&offset=1", vec![&guest]),
    ] {
        assert_eq!(found(&beamline, token, query).await, expected.into_iter().cloned().collect::<Vec<_>>(), "{query}");
    }
    beamline.mkdir("service-transfer", "/x").await;
    assert_eq!(found(&beamline, "service-transfer", "filter_scope=recently-used").await, [guest]);
    for wrong in ["", "filter_scope=mine", "filter_fulltext=a&limit=1000", "filter_fulltext=a&offset=1000"] {
        let (status, _) = beamline.get("ada-transfer", &format!("/endpoint_search?{wrong}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[tokio::test]
async fn pages_of_a_hundred() {
    let mut many: Seed = seed();
    for n in 0..150u128 {
        many = many.collection(Collection::mapped(
            Uuid::from_u128(1000 + n),
            &format!("many {n:03}"),
            "many",
            "bob@example.org",
        ));
    }
    let beamline = Beamline::start(many).await;
    let page = beamline.get("ada-transfer", "/endpoint_search?filter_fulltext=many").await.1;
    assert_eq!((page["DATA"].as_array().unwrap().len(), &page["has_next_page"]), (100, &json!(true)));
    let page = beamline.get("ada-transfer", "/endpoint_search?filter_fulltext=many&offset=100").await.1;
    assert_eq!((page["DATA"].as_array().unwrap().len(), &page["has_next_page"]), (50, &json!(false)));
}

#[tokio::test]
async fn what_is_private_is_seen_by_those_with_a_role_or_rule() {
    let private = Uuid::from_u128(9);
    let mut closed =
        Collection::guest(private, "closed", "closed", "bob@example.org").rule("ada@example.org", "/a/", "r");
    closed.public = false;
    let beamline = Beamline::start(seed().collection(closed)).await;
    let path = format!("/endpoint/{private}");
    assert_eq!(beamline.get("ada-transfer", &path).await.0, StatusCode::OK);
    let (status, refusal) = beamline.get("service-transfer", &path).await;
    assert_eq!((status.as_u16(), &refusal["code"]), (403, &json!("PermissionDenied")));
    assert!(found(&beamline, "service-transfer", "filter_fulltext=closed").await.is_empty());
}

#[tokio::test]
async fn guest_collections_come_and_go() {
    let beamline = Beamline::start(seed()).await;
    // The first token of the seed acts without an app, so no consent is asked for.
    let make = |path: &str, host: Uuid| json!({"DATA_TYPE": "shared_endpoint", "host_endpoint": host, "host_path": path, "display_name": "new"});
    for (body, status, code) in [
        (make("/none/", MAPPED), 404, "ClientError.NotFound"),
        (make("/open/", GUEST), 409, "NotSupported"),
        (make("/raw/out/", MAPPED), 404, "ClientError.NotFound"),
        (make("/raw/", SERVICE), 404, "EndpointNotFound"),
    ] {
        let (got, answer) = beamline.post("ada-transfer", "/shared_endpoint", body).await;
        assert_eq!((got.as_u16(), &answer["code"]), (status, &json!(code)), "{answer}");
    }
    let (status, made) = beamline.post("ada-transfer", "/shared_endpoint", make("/raw/", MAPPED)).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let path = format!("/endpoint/{}", made["id"].as_str().unwrap());
    let document = beamline.get("ada-transfer", &path).await.1;
    assert_eq!(
        (&document["host_path"], &document["mapped_collection_id"], &document["acl_editable"]),
        (&json!("/raw/"), &json!(MAPPED), &json!(true))
    );
    let listed =
        beamline.get("service-transfer", &format!("/endpoint/{MAPPED}/shared_endpoint_list?max_results=1")).await.1;
    let token = listed["next_token"].as_str().expect("there are two");
    let next = format!("/endpoint/{MAPPED}/shared_endpoint_list?max_results=1&next_token={token}");
    assert!(beamline.get("service-transfer", &next).await.1["next_token"].is_null());
    let host = beamline.transfer("service-transfer", Method::DELETE, &format!("/endpoint/{MAPPED}"), Value::Null).await;
    assert_eq!(host.1["code"], "Conflict", "it has guest collections");
    assert_eq!(beamline.transfer("service-transfer", Method::DELETE, &path, Value::Null).await.0.as_u16(), 403);
    assert_eq!(beamline.transfer("ada-transfer", Method::DELETE, &path, Value::Null).await.1["code"], "Deleted");
    assert!(beamline.path("detector/raw/0.h5").exists(), "files stay");
}
