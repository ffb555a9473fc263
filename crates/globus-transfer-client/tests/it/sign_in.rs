//! Tokens: fetched once for all that wait, replaced after a refusal, extended when a collection asks for
//! consent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use globus_transfer_client::{
    Authorizer, BoxFuture, ClientCredentials, Connection, Error, ErrorKind, GlobusClient, Method, NativeApp,
    RetryPolicy, Scope, Service, Token, TokenSource,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stub::{Reply, Seen, Stub};

const COLLECTION: Uuid = Uuid::from_u128(7);
const SECRET: &str = "s3cr3t/+=";

fn service(stub: &Stub) -> GlobusClient {
    let service = ClientCredentials::new(Uuid::from_u128(9), SECRET);
    GlobusClient::builder()
        .auth_url(stub.url.clone())
        .transfer_url(stub.url.join("v0.10").unwrap())
        .authorizer(Authorizer::client_credentials(service))
        .retry(RetryPolicy::none())
        .request_timeout(Duration::from_secs(5))
        .build()
        .unwrap()
}

fn tokens(name: &str, lifetime: u64) -> Value {
    let token = |server: &str| {
        json!({ "access_token": format!("{name}-{server}"), "expires_in": lifetime, "token_type": "Bearer",
                "resource_server": server, "scope": "some scope" })
    };
    let mut all = token("transfer.api.globus.org");
    all["other_tokens"] = json!([token("auth.globus.org")]);
    all
}

fn is_token_request(seen: &Seen) -> bool {
    seen.path == "/v2/oauth2/token"
}

#[tokio::test]
async fn one_request_brings_the_tokens_of_all_services() {
    let stub = Stub::start(|seen, _| match seen.path.as_str() {
        "/v2/oauth2/token" => Reply::Json(200, tokens("t", 172_800)),
        "/v2/api/identities" => Reply::Json(200, json!({ "identities": [] })),
        _ => Reply::Json(200, json!({ "DATA": [] })),
    })
    .await;
    let client = service(&stub);
    let calls = join_all((0..50).map(|_| client.transfer().ls(COLLECTION, "/").send())).await;
    assert!(calls.iter().all(Result::is_ok));
    client.auth().identities().by_usernames(&["a@x.org"]).send().await.unwrap();

    let seen = stub.seen();
    let asked: Vec<_> = seen.iter().filter(|seen| is_token_request(seen)).collect();
    assert_eq!(asked.len(), 1);
    // The secret as it is, as the Python SDK sends it.
    assert_eq!(asked[0].authorization.as_deref(), Some(basic_of_test_client()));
    assert_eq!(asked[0].form("grant_type").as_deref(), Some("client_credentials"));
    let scopes = asked[0].form("scope").unwrap();
    assert!(scopes.contains("transfer.api.globus.org:all") && scopes.contains("view_identities"), "{scopes}");
    for call in seen.iter().filter(|seen| !is_token_request(seen)) {
        let expected = if call.path.starts_with("/v2") {
            "Bearer t-auth.globus.org"
        } else {
            "Bearer t-transfer.api.globus.org"
        };
        assert_eq!(call.authorization.as_deref(), Some(expected));
    }
}

/// `00000000-0000-0000-0000-000000000009:s3cr3t/+=` in base64.
fn basic_of_test_client() -> &'static str {
    "Basic MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDA5OnMzY3IzdC8rPQ=="
}

#[tokio::test]
async fn a_token_is_replaced_ahead_of_its_end() {
    // 30 s to live is less than the margin of a minute, so each call finds it too old.
    let stub = Stub::start(|seen, _| {
        if is_token_request(seen) {
            Reply::Json(200, tokens("t", 30))
        } else {
            Reply::Json(200, json!({ "DATA": [] }))
        }
    })
    .await;
    let client = service(&stub);
    for _ in 0..3 {
        client.transfer().ls(COLLECTION, "/").send().await.unwrap();
    }
    assert_eq!(stub.count("/v2/oauth2/token"), 3);
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_for_all_calls() {
    let given = AtomicUsize::new(0);
    let stub = Stub::start(move |seen, _| {
        if is_token_request(seen) {
            let number = given.fetch_add(1, Ordering::SeqCst);
            return Reply::Json(200, tokens(&format!("t{number}"), 172_800));
        }
        if seen.authorization.as_deref() == Some("Bearer t1-transfer.api.globus.org") {
            Reply::Json(200, json!({ "DATA": [] }))
        } else {
            Reply::Json(401, json!({ "code": "AuthenticationFailed", "message": "Token is not active" }))
        }
    })
    .await;
    let client = service(&stub);
    let calls = join_all((0..50).map(|_| client.transfer().ls(COLLECTION, "/").send())).await;
    assert!(calls.iter().all(Result::is_ok), "{:?}", calls.iter().find(|call| call.is_err()));
    assert_eq!(stub.count("/v2/oauth2/token"), 2);
}

#[tokio::test]
async fn a_token_that_stays_refused_ends_in_an_error() {
    let stub = Stub::start(|seen, _| {
        if is_token_request(seen) {
            Reply::Json(200, tokens("t", 172_800))
        } else {
            Reply::Json(401, json!({ "code": "AuthenticationFailed", "message": "no" }))
        }
    })
    .await;
    let failure = service(&stub).transfer().ls(COLLECTION, "/").send().await.unwrap_err();
    assert_eq!(failure.kind(), &ErrorKind::AuthenticationFailed);
    assert_eq!((stub.count("/v2/oauth2/token"), stub.count("/ls")), (2, 2));
}

#[tokio::test]
async fn a_failed_sign_in_is_shared_by_all_that_wait() {
    let stub = Stub::start(|_, _| Reply::Json(401, json!({ "error": "invalid_client" }))).await;
    let client = service(&stub);
    for failure in join_all((0..20).map(|_| client.transfer().ls(COLLECTION, "/").send())).await {
        let failure = failure.unwrap_err();
        assert_eq!(failure.kind(), &ErrorKind::AuthenticationFailed);
        assert!(failure.kind().hint().unwrap().contains("client id and secret"), "{failure}");
        assert!(!format!("{failure} {failure:?} {client:?}").contains(SECRET));
    }
    assert_eq!(stub.seen().len(), 1);
    // A later call tries again: the secret may have been put right at the service.
    client.transfer().ls(COLLECTION, "/").send().await.unwrap_err();
    assert_eq!(stub.seen().len(), 2);
}

#[tokio::test]
async fn a_service_fetches_the_consent_that_a_collection_asks_for() {
    let wanted = Scope::transfer_all().with(Scope::data_access(COLLECTION)).to_string();
    let required = wanted.clone();
    let with_consent = AtomicUsize::new(0);
    let stub = Stub::start(move |seen, _| {
        if is_token_request(seen) {
            let granted = seen.form("scope").unwrap().contains("data_access");
            return Reply::Json(200, tokens(if granted { "granted" } else { "plain" }, 172_800));
        }
        if seen.authorization.as_deref().unwrap().contains("granted") {
            with_consent.fetch_add(1, Ordering::SeqCst);
            Reply::Json(200, json!({ "DATA": [] }))
        } else {
            let message = "Missing required data_access consent";
            Reply::Json(
                403,
                json!({ "code": "ConsentRequired", "message": message, "required_scopes": [required] }),
            )
        }
    })
    .await;
    let client = service(&stub);
    let calls = join_all((0..10).map(|_| client.transfer().ls(COLLECTION, "/").send())).await;
    assert!(calls.iter().all(Result::is_ok), "{:?}", calls.iter().find(|call| call.is_err()));
    let asked: Vec<_> =
        stub.seen().into_iter().filter(is_token_request).map(|seen| seen.form("scope").unwrap()).collect();
    assert_eq!(asked.len(), 2);
    assert!(asked[1].contains(&wanted), "{}", asked[1]);
}

#[tokio::test]
async fn consent_that_does_not_help_ends_in_an_error() {
    let wanted = Scope::transfer_all().with(Scope::data_access(COLLECTION)).to_string();
    let required = wanted.clone();
    let stub = Stub::start(move |seen, _| {
        if is_token_request(seen) {
            Reply::Json(200, tokens("t", 172_800))
        } else {
            Reply::Json(
                403,
                json!({ "code": "ConsentRequired", "message": "no", "required_scopes": [required] }),
            )
        }
    })
    .await;
    let client = service(&stub);
    for _ in 0..2 {
        let failure = client.transfer().ls(COLLECTION, "/").send().await.unwrap_err();
        assert_eq!(failure.kind(), &ErrorKind::ConsentRequired { required_scopes: vec![wanted.clone()] });
    }
    assert_eq!(stub.count("/v2/oauth2/token"), 2, "asked for once, not with every call");
}

#[tokio::test]
async fn a_consent_that_auth_refuses_spoils_nothing_else() {
    let required = Scope::transfer_all().with(Scope::data_access(COLLECTION)).to_string();
    let stub = Stub::start(move |seen, _| {
        if is_token_request(seen) {
            return if seen.form("scope").unwrap().contains("data_access") {
                Reply::Json(400, json!({ "error": "invalid_scope" }))
            } else {
                // Too old at once, so that every call asks for another one.
                Reply::Json(200, tokens("t", 30))
            };
        }
        if seen.path.ends_with("/ls") {
            return Reply::Json(403, json!({ "code": "ConsentRequired", "required_scopes": [required] }));
        }
        Reply::Json(200, json!({ "DATA": [] }))
    })
    .await;
    let client = service(&stub);
    let failure = client.transfer().ls(COLLECTION, "/").send().await.unwrap_err();
    assert_eq!((failure.kind(), failure.code()), (&ErrorKind::InvalidRequest, Some("invalid_scope")));
    client.transfer().access_rules(COLLECTION).list().await.unwrap();
}

#[tokio::test]
async fn what_the_session_lacks_is_in_the_error() {
    let stub = Stub::start(|_, _| {
        let lacking =
            json!({ "session_required_identities": ["ada@example.org"], "session_message": "staff only" });
        Reply::Json(
            403,
            json!({ "code": "AuthPolicyFailed", "message": "no", "authorization_parameters": lacking }),
        )
    })
    .await;
    let client = GlobusClient::builder()
        .transfer_url(stub.url.clone())
        .authorizer(Authorizer::access_token("a-secret-token"))
        .build()
        .unwrap();
    let failure = client.transfer().ls(COLLECTION, "/").send().await.unwrap_err();
    assert_eq!(failure.kind(), &ErrorKind::SessionRequired);
    assert!(!failure.is_transient());
    let required = failure.authorization_parameters().unwrap();
    assert_eq!(required.session_required_identities, ["ada@example.org"]);
    assert!(failure.body().unwrap().contains("session_message"), "the raw body is kept");

    let app = NativeApp::new(COLLECTION).satisfying(required).unwrap();
    let pending = client.auth().sign_in(&app).unwrap();
    let asked: std::collections::HashMap<_, _> = pending.url().query_pairs().into_owned().collect();
    assert_eq!(asked["session_required_identities"], "ada@example.org");
    assert_eq!(asked["session_message"], "staff only");
    assert!(!asked.contains_key("session_required_mfa"));
}

/// Hands out a token by name; a rejected one is replaced by the next.
#[derive(Debug, Default)]
struct Numbered(AtomicUsize);

impl TokenSource for Numbered {
    fn token<'a>(
        &'a self,
        _: &'a Connection<'a>,
        service: &'a Service,
    ) -> BoxFuture<'a, Result<Arc<Token>, Error>> {
        let number = self.0.load(Ordering::SeqCst);
        Box::pin(async move { Ok(Arc::new(Token::new(format!("{}-{number}", service.resource_server())))) })
    }

    fn replacement<'a>(
        &'a self,
        to: &'a Connection<'a>,
        service: &'a Service,
        _: &'a Arc<Token>,
    ) -> BoxFuture<'a, Result<Option<Arc<Token>>, Error>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move { self.token(to, service).await.map(Some) })
    }
}

#[tokio::test]
async fn an_application_can_bring_its_own_tokens() {
    let stub = Stub::start(|seen, _| match seen.authorization.as_deref() {
        Some("Bearer flows.globus.org-1") => Reply::Json(200, json!({ "flows": [] })),
        _ => Reply::Json(401, json!({ "code": "AuthenticationFailed" })),
    })
    .await;
    let flows = Service::new("flows.globus.org", stub.url.to_string());
    let client = GlobusClient::builder().authorizer(Authorizer::source(Numbered::default())).build().unwrap();
    let found: serde_json::Value =
        client.request(Method::GET, flows, "flows").query("limit", "5").send().await.unwrap();
    assert_eq!(found["flows"], json!([]));
    assert_eq!(stub.seen().last().unwrap().query, [("limit".to_owned(), "5".to_owned())]);
}

#[tokio::test]
async fn a_service_requests_the_scopes_of_a_further_service() {
    let stub = Stub::start(|seen, _| {
        if is_token_request(seen) {
            let with_groups = seen.form("scope").unwrap().contains("groups.api.globus.org");
            let mut document = tokens("t", 172_800);
            if with_groups {
                let mut groups = document["other_tokens"][0].clone();
                groups["resource_server"] = "groups.api.globus.org".into();
                groups["access_token"] = "t-groups".into();
                document["other_tokens"].as_array_mut().unwrap().push(groups);
            }
            return Reply::Json(200, document);
        }
        Reply::Json(200, json!([]))
    })
    .await;
    let client = GlobusClient::builder()
        .auth_url(stub.url.clone())
        .transfer_url(stub.url.clone())
        .service_url(&Service::groups(), stub.url.join("v2").unwrap())
        .authorizer(Authorizer::client_credentials(ClientCredentials::new(Uuid::from_u128(9), SECRET)))
        .build()
        .unwrap();
    client.transfer().bookmarks().list().await.unwrap_err();
    let groups: serde_json::Value =
        client.request(Method::GET, Service::groups(), "groups/my_groups").send().await.unwrap();
    assert_eq!(groups, json!([]));
    let last = stub.seen().pop().unwrap();
    assert_eq!(
        (last.path.as_str(), last.authorization.as_deref()),
        ("/v2/groups/my_groups", Some("Bearer t-groups"))
    );
}

#[tokio::test]
async fn nobody_is_told_to_sign_in() {
    let client = GlobusClient::builder().build().unwrap();
    let failure = client.transfer().ls(COLLECTION, "/").send().await.unwrap_err();
    assert_eq!(failure.kind(), &ErrorKind::NotSignedIn);
}
