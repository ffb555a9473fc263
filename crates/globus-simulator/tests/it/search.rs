//! Finding collections, and their documents.

use globus_simulator::{Collection, Seed};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::beamline::{Beamline, GUEST, LAPTOP, MAPPED, SERVICE, laptop, seed};

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
        assert_eq!(
            found(&beamline, token, query).await,
            expected.into_iter().cloned().collect::<Vec<_>>(),
            "{query}"
        );
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
    let beamline = Beamline::start(seed().collection(laptop())).await;
    let make = |path: &str, host: Uuid| json!({"DATA_TYPE": "shared_endpoint", "host_endpoint": host, "host_path": path, "display_name": "new"});
    for (body, status, code) in [
        (make("/none/", LAPTOP), 404, "ClientError.NotFound"),
        (make("/open/", GUEST), 409, "NotSupported"),
        (make("/raw/out/", LAPTOP), 404, "ClientError.NotFound"),
        // Collections of a Connect Server are made through its own manager API.
        (make("/raw/", MAPPED), 409, "NotSupported"),
        (make("/raw/", SERVICE), 404, "EndpointNotFound"),
    ] {
        let (got, answer) = beamline.post("ada-transfer", "/shared_endpoint", body).await;
        assert_eq!((got.as_u16(), &answer["code"]), (status, &json!(code)), "{answer}");
    }
    let (status, made) = beamline.post("ada-transfer", "/shared_endpoint", make("/raw/", LAPTOP)).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let path = format!("/endpoint/{}", made["id"].as_str().unwrap());
    let document = beamline.get("ada-transfer", &path).await.1;
    assert_eq!(
        (&document["host_path"], &document["mapped_collection_id"], &document["acl_editable"]),
        (&json!("/raw/"), &json!(LAPTOP), &json!(true))
    );
    let other = beamline.post("service-transfer", "/shared_endpoint", make("/", LAPTOP)).await.0;
    assert_eq!(other, StatusCode::CREATED);
    let listed = beamline
        .get("service-transfer", &format!("/endpoint/{LAPTOP}/shared_endpoint_list?max_results=1"))
        .await
        .1;
    let token = listed["next_token"].as_str().expect("there are two");
    let next = format!("/endpoint/{LAPTOP}/shared_endpoint_list?max_results=1&next_token={token}");
    assert!(beamline.get("service-transfer", &next).await.1["next_token"].is_null());
    let host = beamline
        .transfer("service-transfer", Method::DELETE, &format!("/endpoint/{LAPTOP}"), Value::Null)
        .await;
    assert_eq!(host.1["code"], "Conflict", "it has guest collections");
    assert_eq!(
        beamline.transfer("service-transfer", Method::DELETE, &path, Value::Null).await.0.as_u16(),
        403
    );
    assert_eq!(
        beamline.transfer("ada-transfer", Method::DELETE, &path, Value::Null).await.1["code"],
        "Deleted"
    );
    assert!(beamline.path("detector/raw/0.h5").exists(), "files stay");
}

#[tokio::test]
async fn the_documents_have_the_fields_of_the_service() {
    let beamline = Beamline::start(seed().collection(laptop())).await;
    let document = beamline.get("service-transfer", &format!("/endpoint/{GUEST}")).await.1;
    assert_eq!(document["is_go_storage"], false);
    // On a Connect Server the record is the server's; the string names the person or service behind it.
    let server = document["owner_id"].as_str().unwrap().to_owned();
    assert_ne!(server, SERVICE.to_string());
    assert_eq!(document["owner_string"], format!("{SERVICE}@clients.auth.globus.org"));
    assert!(document["gcs_manager_url"].as_str().unwrap().ends_with(&server));
    let itself = beamline.get("service-transfer", &format!("/endpoint/{server}")).await.1;
    assert_eq!(
        (&itself["entity_type"], &itself["gcs_manager_url"]),
        (&json!("GCSv5_endpoint"), &document["gcs_manager_url"])
    );
    let personal = beamline.get("service-transfer", &format!("/endpoint/{LAPTOP}")).await.1;
    assert_eq!(
        (&personal["entity_type"], &personal["gcp_connected"]),
        (&json!("GCP_mapped_collection"), &json!(true))
    );
    let found = beamline.get("ada-transfer", "/endpoint_search?filter_fulltext=beamline").await.1;
    assert_eq!(found["DATA"][0]["_rank"], 1.0);
}

#[tokio::test]
async fn who_administers_the_host_is_a_restricted_administrator_of_its_guest_collections() {
    let guest = Uuid::from_u128(9);
    let ada = Collection::guest(guest, "Ada's", "share", "ada@example.org").host(MAPPED);
    let beamline = Beamline::start(seed().collection(ada)).await;
    let document = beamline.get("service-transfer", &format!("/endpoint/{guest}")).await.1;
    assert_eq!(document["my_effective_roles"], json!(["restricted_administrator"]));
    let (status, refusal) =
        beamline.get("service-transfer", &format!("/operation/endpoint/{guest}/ls?path=/")).await;
    assert_eq!((status.as_u16(), &refusal["code"]), (403, &json!("EndpointPermissionDenied")), "no data");
    let own = beamline.get("ada-transfer", &format!("/endpoint/{guest}")).await.1;
    assert!(!own["my_effective_roles"].as_array().unwrap().contains(&json!("restricted_administrator")));
}

#[tokio::test]
async fn a_refused_login_says_what_the_session_lacks() {
    let mut seed = seed();
    seed.collections[0].data_access = false;
    seed.collections[0].domains = vec!["facility.example".to_owned()];
    let beamline = Beamline::start(seed).await;
    let (status, refusal) =
        beamline.get("ada-transfer", &format!("/operation/endpoint/{MAPPED}/ls?path=/")).await;
    assert_eq!(
        (status.as_u16(), &refusal["code"]),
        (502, &json!("ExternalError.DirListingFailed.LoginFailed")),
        "{refusal}"
    );
    let lacking = json!({"session_required_single_domain": ["facility.example"]});
    assert_eq!(refusal["authorization_parameters"], lacking);
    // The data server's own result is quoted inside of the message, on a line of its own.
    let message = refusal["message"].as_str().unwrap();
    let line = message.split("530-GridFTP-JSON-Result: ").nth(1).unwrap().split("\\r\\n").next().unwrap();
    let result: Value = serde_json::from_str(line).unwrap();
    assert_eq!(
        (&result["code"], &result["authorization_parameters"]),
        (&json!("permission_denied"), &lacking)
    );
}

#[tokio::test]
async fn bookmarks_of_version_2() {
    let beamline = Beamline::start(seed()).await;
    let url = |path: &str| beamline.simulator.url().join(path).unwrap();
    let collection = json!({"data": {"type": "Collection", "id": GUEST}});
    let body = json!({"data": {
        "type": "Bookmark",
        "attributes": {"name": "march", "path": "/2026-03"},
        "relationships": {"collection": collection},
    }});
    let call = |method: Method, path: &str, body: Value| {
        let mut request = beamline.http.request(method, url(path)).bearer_auth("service-transfer");
        if !body.is_null() {
            request = request.json(&body);
        }
        async move {
            let response = request.send().await.unwrap();
            (response.status().as_u16(), response.json::<Value>().await.unwrap())
        }
    };
    let (status, made) = call(Method::POST, "/v2/bookmarks", body).await;
    assert_eq!((status, &made["data"]["relationships"]["collection"]), (201, &collection), "{made}");
    let one = format!("/v2/bookmarks/{}", made["data"]["id"].as_str().unwrap());
    let listed = call(Method::GET, "/v2/bookmarks", Value::Null).await.1;
    assert_eq!(listed["data"][0], made["data"]);
    assert_eq!(listed["included"][0]["attributes"]["display_name"], "Beamline share");
    let renamed = json!({"data": {"type": "Bookmark", "attributes": {"name": "March"}}});
    assert_eq!(call(Method::PATCH, &one, renamed).await.1["data"]["attributes"]["name"], "March");
    let old = beamline.get("service-transfer", "/bookmark_list").await.1;
    assert_eq!(old["DATA"][0]["name"], "March", "both versions show the same bookmarks");
    assert!(call(Method::DELETE, &one, Value::Null).await.1["meta"]["request_id"].is_string());
    let (status, refusal) = call(Method::GET, &one, Value::Null).await;
    assert_eq!((status, &refusal["code"]), (404, &json!("BookmarkNotFound")));
}
