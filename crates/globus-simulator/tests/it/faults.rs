//! Faults on order, the pace limit, and the request log.

use std::time::Duration;

use globus_simulator::{Fault, Limits, Seed};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::beamline::{Beamline, GUEST, seed};

#[tokio::test]
async fn each_status_in_the_format_of_its_service() {
    let beamline = Beamline::start(seed()).await;
    for (status, code) in [
        (401, "ClientError.AuthenticationFailed"),
        (403, "PermissionDenied"),
        (404, "ClientError.NotFound"),
        (409, "Conflict"),
        (429, "TooManyRequests"),
        (500, "ServiceError"),
        (503, "ServiceUnavailable"),
    ] {
        beamline.simulator.fault(Fault::answer("mkdir", status));
        beamline.simulator.fault(Fault::answer("identities", status));
        let (got, answer) = beamline.mkdir("service-transfer", "/x").await;
        assert_eq!((got.as_u16(), &answer["code"]), (status, &json!(code)));
        assert_eq!(answer["request_id"].as_str().unwrap().len(), 9);
        let url = beamline.simulator.auth_url().join("/v2/api/identities?usernames=a@b.org").unwrap();
        let response = beamline.http.get(url).bearer_auth("service-auth").send().await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.json::<Value>().await.unwrap()["errors"][0]["status"], status.to_string());
        assert!(!beamline.path("share/x").exists(), "a refused call does nothing");
    }
    assert_eq!(beamline.mkdir("service-transfer", "/x").await.0, StatusCode::ACCEPTED);
    assert_eq!(beamline.simulator.requests()[0].path, format!("/v0.10/operation/endpoint/{GUEST}/mkdir"));
    assert_eq!(beamline.simulator.count("mkdir"), 8);
    assert_eq!(beamline.simulator.counts()["identities"], 7);
}

#[tokio::test]
async fn retry_after_and_a_code_of_ones_own() {
    let beamline = Beamline::start(seed()).await;
    beamline.simulator.fault(Fault::answer("ls", 409).code("OperationPaused").retry_after(7));
    let url = format!("{}/operation/endpoint/{GUEST}/ls", beamline.simulator.transfer_url());
    let response = beamline.http.get(url).bearer_auth("service-transfer").send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "7");
    assert_eq!(response.json::<Value>().await.unwrap()["code"], "OperationPaused");
}

#[tokio::test]
async fn a_code_of_ones_own_from_auth() {
    let beamline = Beamline::start(seed()).await;
    beamline.simulator.fault(Fault::answer("token", 400).code("invalid_grant"));
    let url = beamline.simulator.auth_url().join("/v2/oauth2/token").unwrap();
    let response = beamline.http.post(url).body("").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(response.json::<Value>().await.unwrap()["error"], "invalid_grant");
}

#[test]
fn secrets_stay_out_of_debug() {
    let text = format!("{:?}", seed());
    assert!(!text.contains(crate::beamline::SECRET) && !text.contains("service-transfer"), "{text}");
}

#[tokio::test]
async fn cut_before_and_after_being_carried_out() {
    let beamline = Beamline::start(seed()).await;
    let send = |path: &'static str| {
        let url = format!("{}/operation/endpoint/{GUEST}/mkdir", beamline.simulator.transfer_url());
        beamline
            .http
            .post(url)
            .bearer_auth("service-transfer")
            .json(&json!({"DATA_TYPE": "mkdir", "path": path}))
            .send()
    };
    // Each once: reqwest repeats a request on its own when a kept connection turns out to be closed.
    beamline.simulator.fault(Fault::cut_before("mkdir").times(2));
    assert!(send("/before").await.is_err());
    assert!(!beamline.path("share/before").exists());
    beamline.simulator.clear_faults();
    beamline.simulator.fault(Fault::cut_after("mkdir").times(2));
    assert!(send("/after").await.is_err());
    assert!(beamline.path("share/after").is_dir());
    assert!(beamline.simulator.requests().iter().all(|request| request.status.is_none()));
}

#[tokio::test]
async fn hanging_and_delay() {
    let beamline = Beamline::start(seed()).await;
    beamline.simulator.fault(Fault::hang("mkdir"));
    let hung =
        tokio::time::timeout(Duration::from_millis(300), beamline.mkdir("service-transfer", "/x")).await;
    assert!(hung.is_err(), "it answered");
    assert!(!beamline.path("share/x").exists());
    beamline.simulator.fault(Fault::delay("mkdir", 1));
    let began = std::time::Instant::now();
    assert_eq!(beamline.mkdir("service-transfer", "/x").await.0, StatusCode::ACCEPTED);
    assert!(began.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn too_many_requests_in_a_second() {
    let limits = Limits { requests_per_second: Some(3), ..Limits::default() };
    let beamline = Beamline::start(Seed { limits, ..seed() }).await;
    let url = format!("{}/bookmark_list", beamline.simulator.transfer_url());
    let mut refused = 0;
    for _ in 0..20 {
        let response = beamline.http.get(&url).bearer_auth("service-transfer").send().await.unwrap();
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(response.headers()["retry-after"], "1");
            refused += 1;
        }
    }
    assert!(refused > 0);
    // Each token has a pace of its own.
    assert_eq!(beamline.get("ada-transfer", "/bookmark_list").await.0, StatusCode::OK);
}

#[tokio::test]
async fn it_stops_when_it_is_dropped() {
    let beamline = Beamline::start(seed()).await;
    let url = format!("{}/bookmark_list", beamline.simulator.transfer_url());
    assert_eq!(beamline.http.get(&url).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    drop(beamline.simulator);
    for _ in 0..200 {
        if beamline.http.get(&url).send().await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it still answers");
}

#[tokio::test]
async fn a_fault_with_any_body() {
    let beamline = Beamline::start(seed()).await;
    let page = "<html><h1>502 Bad Gateway</h1></html>";
    beamline.simulator.fault(Fault::answer("ls", 502).body(json!(page)));
    beamline.simulator.fault(Fault::answer("ls", 403).nth(2).body(json!({"code": "Odd", "more": [1, 2]})));
    let url = format!("{}/operation/endpoint/{GUEST}/ls", beamline.simulator.transfer_url());
    let ask = || beamline.http.get(&url).bearer_auth("service-transfer").send();
    let first = ask().await.unwrap();
    assert_eq!((first.status().as_u16(), first.text().await.unwrap().as_str()), (502, page));
    let second = ask().await.unwrap();
    assert_eq!(second.status(), StatusCode::FORBIDDEN);
    assert_eq!(second.json::<Value>().await.unwrap(), json!({"code": "Odd", "more": [1, 2]}));
}

#[tokio::test]
async fn a_wrong_method_is_refused_with_a_document() {
    let beamline = Beamline::start(seed()).await;
    let (status, refusal) = beamline.post("service-transfer", &format!("/endpoint/{GUEST}"), json!({})).await;
    assert_eq!(
        (status.as_u16(), &refusal["code"]),
        (405, &json!("ClientError.MethodNotAllowed")),
        "{refusal}"
    );
    let url = beamline.simulator.auth_url().join("/v2/oauth2/userinfo").unwrap();
    let refusal: Value = beamline.http.delete(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(refusal["errors"][0]["status"], "405", "{refusal}");
    assert_eq!(beamline.simulator.count("unknown"), 2);
}
