//! Bounds on what a peer can make the client do: sizes, waits, compression; and what an application can set.

use std::io::Write;
use std::time::Duration;

use globus_transfer_client::{
    Authorizer, ErrorKind, GlobusClient, GlobusClientBuilder, Method, RetryPolicy, Service,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stub::{Reply, Stub};

const COLLECTION: Uuid = Uuid::from_u128(7);
const MIB: usize = 1024 * 1024;

fn builder(stub: &Stub) -> GlobusClientBuilder {
    GlobusClient::builder()
        .auth_url(stub.url.clone())
        .transfer_url(stub.url.clone())
        .authorizer(Authorizer::access_token("a-secret-token"))
        .retry(RetryPolicy::none())
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn an_endless_response_is_cut_off() {
    let stub = Stub::start(|_, _| Reply::Raw(200, vec![], vec![b' '; MIB], true)).await;
    let client = builder(&stub).response_limit(8 * MIB).retry(RetryPolicy::default()).build().unwrap();
    let failure = client.transfer().ls(COLLECTION, "/").send().await.unwrap_err();
    assert_eq!(failure.kind(), &ErrorKind::ResponseTooLarge);
    assert!(failure.to_string().contains("larger than 8388608 bytes"), "{failure}");
    assert_eq!(stub.seen().len(), 1, "not retried: the next one would be as large");
}

#[tokio::test]
async fn an_endless_error_is_cut_off() {
    let stub = Stub::start(|_, _| Reply::Raw(503, vec![], b"<p>down</p>".repeat(1000), true)).await;
    let failure = builder(&stub).build().unwrap().transfer().ls(COLLECTION, "/").send().await.unwrap_err();
    assert_eq!((failure.kind(), failure.status()), (&ErrorKind::Server, Some(503)));
    assert!(failure.body().unwrap().len() <= 64 * 1024);
    assert!(failure.to_string().len() < 1000, "{failure}");
}

#[tokio::test]
async fn responses_are_compressed_and_a_bomb_is_cut_off() {
    let document = json!({ "DATA": [], "path": "/", "total": 0 }).to_string();
    let encoding =
        || vec![("content-encoding", "gzip".to_owned()), ("content-type", "application/json".to_owned())];
    let stub = Stub::start(move |_, n| {
        let body = if n == 0 { gzip(document.as_bytes()) } else { gzip(&vec![b' '; 64 * MIB]) };
        Reply::Raw(200, encoding(), body, false)
    })
    .await;
    let client = builder(&stub).response_limit(8 * MIB).build().unwrap();
    let listing = client.transfer().ls(COLLECTION, "/").send().await.unwrap();
    assert_eq!(listing.total, Some(0));
    assert_eq!(stub.seen()[0].header("accept-encoding").as_deref(), Some("gzip"));
    let failure = client.transfer().ls(COLLECTION, "/").send().await.unwrap_err();
    assert_eq!(
        failure.kind(),
        &ErrorKind::ResponseTooLarge,
        "64 MiB in {} KiB",
        gzip(&vec![b' '; 64 * MIB]).len() / 1024
    );
}

#[tokio::test]
async fn a_pathological_retry_after_is_reported() {
    for absurd in ["18446744073709551615", "99999999999999999999999999"] {
        let busy =
            move || Reply::With(429, "retry-after", absurd.to_owned(), json!({ "code": "TooManyRequests" }));
        let stub = Stub::start(move |_, _| busy()).await;
        let client = builder(&stub).retry(RetryPolicy::default().budget(Duration::MAX)).build().unwrap();
        let ls = client.transfer().ls(COLLECTION, "/");
        // The client waits for the next attempt, or gives up; it must not panic.
        match tokio::time::timeout(Duration::from_millis(200), ls.send()).await {
            Ok(Err(failure)) => assert!(failure.to_string().contains("more than 100 years"), "{failure}"),
            Ok(Ok(_)) => panic!("answered"),
            Err(_) => {}
        }
        let failure =
            builder(&stub).build().unwrap().transfer().ls(COLLECTION, "/").send().await.unwrap_err();
        assert!(failure.to_string().contains("more than 100 years"), "{failure}");
    }
}

#[tokio::test]
async fn a_file_name_forges_no_line_of_a_log() {
    let stub =
        Stub::start(|_, _| Reply::Json(404, json!({ "code": "ClientError.NotFound", "message": "a\nb" })))
            .await;
    let client = builder(&stub).build().unwrap();
    let path = "/x\n2026-11-24 ERROR forged\u{202e}gnp.exe";
    let failure = client.transfer().ls(COLLECTION, path).send().await.unwrap_err();
    let text = failure.to_string();
    assert!(!text.contains('\n') && !text.contains('\u{202e}'), "{text:?}");
}

#[tokio::test]
async fn any_call_can_be_made() {
    let stub = Stub::start(|seen, _| match (seen.method.as_str(), seen.path.as_str()) {
        ("PUT", "/task/1") => Reply::Json(200, json!({ "code": "Updated", "label": seen.json()["label"] })),
        ("DELETE", "/task/1") => Reply::Text(204, ""),
        _ => Reply::Json(404, json!({ "code": "NotFound", "request_id": "rq9" })),
    })
    .await;
    let client = builder(&stub).user_agent("mytool/2").build().unwrap();
    let transfer = Service::transfer;
    let update = client.request(Method::PUT, transfer(), "/task/1").json(&json!({ "label": "x" }));
    assert_eq!(update.send::<Value>().await.unwrap()["label"], "x");
    assert_eq!(stub.seen()[0].header("user-agent").as_deref(), Some("mytool/2"));
    client.request(Method::DELETE, transfer(), "task/1").send::<()>().await.unwrap();
    let failure = client.request(Method::GET, transfer(), "no such").send::<Value>().await.unwrap_err();
    assert_eq!((failure.kind(), failure.request_id()), (&ErrorKind::NotFound, Some("rq9")));
    assert_eq!(failure.operation(), "GET /no such");
    let failure = client.request(Method::GET, transfer(), "../admin").send::<Value>().await.unwrap_err();
    assert_eq!(failure.kind(), &ErrorKind::InvalidRequest, "nothing above the base is called");
}

#[tokio::test]
async fn an_application_can_bring_its_own_http_client() {
    let stub = Stub::start(|_, _| Reply::Json(200, json!({ "DATA": [] }))).await;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().user_agent("own/1").build().unwrap();
    let client = builder(&stub).http_client(http).build().unwrap();
    client.transfer().ls(COLLECTION, "/").send().await.unwrap();
    assert_eq!(stub.seen()[0].header("user-agent").as_deref(), Some("own/1"));
}

#[tokio::test]
async fn a_proxy_is_used_and_ca_certificates_are_read() {
    let proxy = Stub::start(|_, _| Reply::Json(200, json!({ "DATA": [] }))).await;
    let client = builder(&proxy)
        .transfer_url("http://transfer.example.invalid/v0.10".parse().unwrap())
        .proxy(proxy.url.clone())
        .build()
        .unwrap();
    client.transfer().ls(COLLECTION, "/").send().await.unwrap();
    assert_eq!(proxy.seen()[0].header("host").as_deref(), Some("transfer.example.invalid"));

    let broken = b"-----BEGIN CERTIFICATE-----\nnonsense!\n-----END CERTIFICATE-----\n".to_vec();
    let failure = builder(&proxy).ca_certificates(broken).build().unwrap_err();
    assert!(failure.to_string().contains("CA certificates"), "{failure}");
}
