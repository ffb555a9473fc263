//! The manager API of a Connect Server: who may do what.

use globus_simulator::{Fault, GivenToken};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::beamline::{ADA, Beamline, GUEST, MAPPED, seed};

struct Manager {
    beamline: Beamline,
    server: Uuid,
}

impl Manager {
    async fn start(seed: globus_simulator::Seed) -> Self {
        let beamline = Beamline::start(seed).await;
        let server = beamline.simulator.server_of(MAPPED).unwrap();
        for (token, account) in [("bob-gcs", "bob@example.org"), ("ada-gcs", "ada@example.org")] {
            let token = GivenToken::manage_collections(token, account, server);
            beamline.simulator.give_token(&token).unwrap();
        }
        Self { beamline, server }
    }

    async fn call(&self, token: &str, method: Method, path: &str, body: Value) -> (u16, Value) {
        let url = format!("{}/api/{path}", self.beamline.simulator.gcs_url(self.server).unwrap());
        let mut request = self.beamline.http.request(method, url).bearer_auth(token);
        if !body.is_null() {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn get(&self, token: &str, path: &str) -> (u16, Value) {
        self.call(token, Method::GET, path, Value::Null).await
    }

    async fn credential(&self, token: &str) -> String {
        let gateway = self.get(token, "storage_gateways").await.1["data"][0]["id"].clone();
        let body = json!({"DATA_TYPE": "user_credential#1.0.0", "storage_gateway_id": gateway});
        let (status, made) = self.call(token, Method::POST, "user_credentials", body).await;
        assert_eq!(status, 201, "{made}");
        made["data"][0]["id"].as_str().unwrap().to_owned()
    }
}

fn guest(credential: &str) -> Value {
    json!({
        "DATA_TYPE": "collection#1.0.0",
        "collection_type": "guest",
        "mapped_collection_id": MAPPED,
        "collection_base_path": "/raw/",
        "display_name": "scans",
        "user_credential_id": credential,
    })
}

#[tokio::test]
async fn a_token_for_another_service_is_refused() {
    let manager = Manager::start(seed()).await;
    let (status, refusal) = manager.get("ada-transfer", "collections").await;
    assert_eq!((status, &refusal["code"]), (403, &json!("permission_denied")));
    assert_eq!(refusal["DATA_TYPE"], "result#1.1.0");
    let (status, refusal) = manager.get("nobody", "collections").await;
    assert_eq!((status, &refusal["code"]), (401, &json!("unauthorized")));
    // What everybody may know.
    assert_eq!(manager.get("nobody", "info").await.1["data"][0]["endpoint_id"], json!(manager.server));
}

#[tokio::test]
async fn guest_collections_belong_to_those_who_make_them() {
    let manager = Manager::start(seed()).await;
    let credential = manager.credential("ada-gcs").await;
    // Neither with somebody else's credential nor for somebody else.
    let (status, refusal) = manager.call("bob-gcs", Method::POST, "collections", guest(&credential)).await;
    assert_eq!((status, &refusal["detail"]["DATA_TYPE"]), (422, &json!("credential_not_found#1.0.0")));
    let mut for_ada = guest(&manager.credential("bob-gcs").await);
    for_ada["identity_id"] = json!(ADA);
    let (status, refusal) = manager.call("bob-gcs", Method::POST, "collections", for_ada).await;
    assert_eq!((status, &refusal["detail"]["DATA_TYPE"]), (403, &json!("id_not_in_identity_set#1.0.0")));

    let (status, made) = manager.call("ada-gcs", Method::POST, "collections", guest(&credential)).await;
    assert_eq!(status, 201, "{made}");
    let one = format!("collections/{}", made["data"][0]["id"].as_str().unwrap());
    assert_eq!(made["data"][0]["identity_id"], json!(ADA));
    let change = json!({"DATA_TYPE": "collection#1.0.0", "display_name": "mine"});
    assert_eq!(manager.call("bob-gcs", Method::PATCH, &one, change.clone()).await.0, 403);
    assert_eq!(manager.call("bob-gcs", Method::DELETE, &one, Value::Null).await.0, 403);
    assert!(
        manager.get("bob-gcs", &one).await.1["data"][0].get("collection_base_path").is_none(),
        "not for everybody"
    );
    assert_eq!(
        manager.call("ada-gcs", Method::PATCH, &one, change).await.1["data"][0]["display_name"],
        "mine"
    );
    assert_eq!(manager.call("ada-gcs", Method::DELETE, &one, Value::Null).await.0, 200);
    assert_eq!(manager.get("ada-gcs", &one).await.0, 404);
    assert!(manager.beamline.path("detector/raw/0.h5").exists(), "files stay");
}

#[tokio::test]
async fn whoever_cannot_log_in_makes_nothing() {
    let mut seed = seed();
    seed.collections[0].users = Some(vec!["ada@example.org".to_owned()]);
    let bob = seed.accounts.iter_mut().find(|one| one.username.starts_with("bob")).unwrap();
    bob.username = "bob@elsewhere.example".to_owned();
    let beamline = Beamline::start(seed).await;
    let server = beamline.simulator.server_of(MAPPED).unwrap();
    let token = GivenToken::manage_collections("bob-gcs", "bob@elsewhere.example", server);
    beamline.simulator.give_token(&token).unwrap();
    let manager = Manager { beamline, server };
    let gateway = manager.get("bob-gcs", "storage_gateways").await.1["data"][0]["id"].clone();
    let body = json!({"DATA_TYPE": "user_credential#1.0.0", "storage_gateway_id": gateway});
    assert_eq!(manager.call("bob-gcs", Method::POST, "user_credentials", body).await.0, 403);
    let (status, refusal) =
        manager.call("bob-gcs", Method::POST, "collections", guest(&Uuid::nil().to_string())).await;
    assert_eq!(
        (status, &refusal["authorization_parameters"]["session_required_single_domain"]),
        (403, &json!(["example.org"])),
        "{refusal}"
    );
}

#[tokio::test]
async fn what_is_no_collection() {
    let manager = Manager::start(seed()).await;
    let good = guest(&manager.credential("ada-gcs").await);
    for (field, value, status) in [
        ("DATA_TYPE", json!("endpoint#1.0.0"), 422),
        ("collection_type", json!("shared"), 422),
        ("mapped_collection_id", json!("mine"), 422),
        ("mapped_collection_id", json!(Uuid::nil()), 404),
        ("mapped_collection_id", json!(GUEST), 422),
        ("collection_base_path", Value::Null, 422),
        ("collection_base_path", json!("/raw/out/"), 404),
        ("display_name", json!(""), 422),
        ("user_credential_id", Value::Null, 422),
        ("public", json!("no"), 422),
    ] {
        let mut wrong = good.clone();
        wrong[field] = value.clone();
        let (got, refusal) = manager.call("ada-gcs", Method::POST, "collections", wrong).await;
        assert_eq!(
            (got, &refusal["http_response_code"]),
            (status, &json!(status)),
            "{field} {value}: {refusal}"
        );
    }
    let listed = manager.get("ada-gcs", "collections?filter=created_by_me").await.1;
    assert_eq!(listed["data"], json!([]), "nothing was made");
}

#[tokio::test]
async fn faults_in_the_format_of_the_manager_api() {
    let manager = Manager::start(seed()).await;
    manager.beamline.simulator.fault(Fault::answer("gcs_collection_list", 503));
    let (status, refusal) = manager.get("ada-gcs", "collections").await;
    assert_eq!((status, &refusal["code"]), (503, &json!("service_unavailable")));
    let (status, refusal) = manager.call("ada-gcs", Method::DELETE, "collections", Value::Null).await;
    assert_eq!((status, &refusal["http_response_code"]), (405, &json!(405)));
}
