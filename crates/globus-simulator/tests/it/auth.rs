//! Tokens and identities.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::beamline::{ADA, Beamline, GUEST, MAPPED, NATIVE, SECRET, SERVICE, seed};

const TRANSFER: &str = "urn:globus:auth:scope:transfer.api.globus.org:all";

async fn token(beamline: &Beamline, secret: &str, form: &[(&str, &str)]) -> (StatusCode, Value) {
    let response = beamline
        .http
        .post(beamline.simulator.auth_url().join("/v2/oauth2/token").unwrap())
        .basic_auth(SERVICE, Some(secret))
        .form(form)
        .send()
        .await
        .unwrap();
    (response.status(), response.json().await.unwrap())
}

async fn identities(beamline: &Beamline, token: &str, query: &[(&str, &str)]) -> (StatusCode, Value) {
    let mut url = beamline.simulator.auth_url().join("/v2/api/identities").unwrap();
    url.query_pairs_mut().extend_pairs(query);
    let response = beamline.http.get(url).bearer_auth(token).send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

#[tokio::test]
async fn a_service_gets_a_token_for_each_service_it_asks_for() {
    let beamline = Beamline::start(seed()).await;
    let scope = format!("openid email {TRANSFER}");
    let form = [("grant_type", "client_credentials"), ("scope", &scope)];
    let (status, answer) = token(&beamline, SECRET, &form).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer["resource_server"], "auth.globus.org");
    assert_eq!(answer["scope"], "openid email");
    assert_eq!(answer["expires_in"], 172_800);
    assert_eq!(answer["id_token"].as_str().unwrap().split('.').count(), 3);
    let other = &answer["other_tokens"][0];
    assert_eq!(other["resource_server"], "transfer.api.globus.org");
    assert!(other.get("refresh_token").is_none(), "a service gets no refresh token");
    let (status, endpoint) =
        beamline.get(other["access_token"].as_str().unwrap(), &format!("/endpoint/{GUEST}")).await;
    assert_eq!((status, &endpoint["acl_editable"]), (StatusCode::OK, &json!(true)));
}

#[tokio::test]
async fn what_the_token_endpoint_refuses() {
    let beamline = Beamline::start(seed()).await;
    let nowhere = format!("{TRANSFER}[https://auth.globus.org/scopes/{SERVICE}/data_access]");
    for (secret, form, status, error) in [
        ("wrong", vec![("grant_type", "client_credentials"), ("scope", TRANSFER)], 401, "invalid_client"),
        (SECRET, vec![("grant_type", "client_credentials"), ("scope", "nonsense")], 400, "unknown_scope"),
        (SECRET, vec![("grant_type", "client_credentials"), ("scope", "a[")], 400, "invalid_scope"),
        (SECRET, vec![("grant_type", "client_credentials"), ("scope", &nowhere)], 400, "unknown_scope"),
        (SECRET, vec![("grant_type", "refresh_token"), ("refresh_token", "x")], 400, "invalid_grant"),
        (SECRET, vec![("grant_type", "authorization_code"), ("code", "x")], 400, "invalid_grant"),
        (SECRET, vec![("grant_type", "password")], 400, "unsupported_grant_type"),
    ] {
        let (got, answer) = token(&beamline, secret, &form).await;
        assert_eq!((got.as_u16(), &answer["error"]), (status, &json!(error)), "{form:?}: {answer}");
        assert!(answer["errors"][0]["id"].is_string(), "{answer}");
    }
}

#[tokio::test]
async fn a_consent_belongs_to_app_and_account_not_to_a_token() {
    let beamline = Beamline::start(seed()).await;
    let form = [("grant_type", "client_credentials"), ("scope", TRANSFER)];
    let first = token(&beamline, SECRET, &form).await.1["access_token"].as_str().unwrap().to_owned();
    let ls = format!("/operation/endpoint/{MAPPED}/ls?path=/");
    let (status, refusal) = beamline.get(&first, &ls).await;
    assert_eq!((status, &refusal["code"]), (StatusCode::FORBIDDEN, &json!("ConsentRequired")));
    let wanted = refusal["required_scopes"][0].as_str().unwrap();
    let form = [("grant_type", "client_credentials"), ("scope", wanted)];
    assert_eq!(token(&beamline, SECRET, &form).await.0, StatusCode::OK);
    // The first token works now, as with the service: globus-cli relies on it.
    assert_eq!(beamline.get(&first, &ls).await.0, StatusCode::OK);
}

#[tokio::test]
async fn identities_of_many_in_one_call() {
    let beamline = Beamline::start(seed()).await;
    let query = [("usernames", "ADA@Example.org,new@else.org,bob@example.org"), ("provision", "true")];
    let (status, answer) = identities(&beamline, "service-auth", &query).await;
    assert_eq!(status, StatusCode::OK);
    let found = answer["identities"].as_array().unwrap();
    assert_eq!(found.len(), 3);
    assert_eq!(found[0]["id"], ADA.to_string());
    assert_eq!((&found[1]["status"], &found[1]["email"]), (&json!("unused"), &Value::Null));
    let again = identities(&beamline, "service-auth", &[("usernames", "NEW@else.org")]).await.1;
    assert_eq!(again["identities"][0]["id"], found[1]["id"], "provisioned once, found ever after");
    assert_eq!(
        beamline.simulator.identity("new@else.org").unwrap().to_string(),
        found[1]["id"].as_str().unwrap()
    );
}

#[tokio::test]
async fn what_the_identities_call_refuses() {
    let beamline = Beamline::start(seed()).await;
    let many = vec!["a@b.org"; 101].join(",");
    for (token, query, status, code) in [
        ("service-auth", vec![], 400, "BAD_REQUEST"),
        ("service-auth", vec![("ids", "x")], 400, "BAD_REQUEST"),
        ("service-auth", vec![("usernames", many.as_str())], 400, "BAD_REQUEST"),
        ("no-such-token", vec![("usernames", "a@b.org")], 401, "UNAUTHORIZED"),
        ("service-transfer", vec![("usernames", "a@b.org")], 403, "FORBIDDEN"),
    ] {
        let (got, answer) = identities(&beamline, token, &query).await;
        assert_eq!((got.as_u16(), &answer["errors"][0]["code"]), (status, &json!(code)), "{query:?}");
    }
    let unsaid = identities(&beamline, "service-auth", &[("usernames", "who@b.org")]).await.1;
    assert_eq!(unsaid["identities"], json!([]), "nobody is provisioned unasked");
    let nobody =
        identities(&beamline, "service-auth", &[("usernames", "no address"), ("provision", "true")]).await.1;
    assert_eq!(nobody["identities"], json!([]));
}

#[tokio::test]
async fn an_expired_token_is_refused_and_introspected_as_inactive() {
    let beamline = Beamline::start(seed()).await;
    assert_eq!(beamline.get("service-transfer", "/bookmark_list").await.0, StatusCode::OK);
    beamline.simulator.expire_tokens();
    let (status, refusal) = beamline.get("service-transfer", "/bookmark_list").await;
    assert_eq!(
        (status, &refusal["code"]),
        (StatusCode::UNAUTHORIZED, &json!("ClientError.AuthenticationFailed"))
    );
    let answer: Value = beamline
        .http
        .post(beamline.simulator.auth_url().join("/v2/oauth2/token/introspect").unwrap())
        .basic_auth(SERVICE, Some(SECRET))
        .form(&[("token", "service-transfer")])
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(answer, json!({"active": false}));
}

#[tokio::test]
async fn a_native_app_cannot_act_for_itself() {
    let beamline = Beamline::start(seed()).await;
    let response = beamline
        .http
        .post(beamline.simulator.auth_url().join("/v2/oauth2/token").unwrap())
        .form(&[
            ("grant_type", "client_credentials"),
            ("scope", TRANSFER),
            ("client_id", &NATIVE.to_string()),
        ])
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(response.json::<Value>().await.unwrap()["error"], "unauthorized_client");
}
