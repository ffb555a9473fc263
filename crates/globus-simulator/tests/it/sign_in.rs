//! The web pages of the sign-in.

use reqwest::{Response, StatusCode};
use url::Url;

use crate::beamline::{Beamline, NATIVE, seed};

const TRANSFER: &str = "urn:globus:auth:scope:transfer.api.globus.org:all";

fn query(redirect: &str) -> Vec<(&'static str, String)> {
    vec![
        ("client_id", NATIVE.to_string()),
        ("redirect_uri", redirect.to_owned()),
        ("response_type", "code".to_owned()),
        ("scope", TRANSFER.to_owned()),
        ("state", "<&\"'>".to_owned()),
        ("code_challenge", "x".repeat(43)),
        ("code_challenge_method", "S256".to_owned()),
    ]
}

async fn ask(beamline: &Beamline, query: &[(&str, String)]) -> Response {
    let mut url = beamline.simulator.auth_url().join("/v2/oauth2/authorize").unwrap();
    url.query_pairs_mut().extend_pairs(query);
    beamline.http.get(url).send().await.unwrap()
}

async fn decide(
    beamline: &Beamline,
    mut form: Vec<(&str, String)>,
    decision: &str,
    username: &str,
) -> Response {
    form.push(("decision", decision.to_owned()));
    form.push(("username", username.to_owned()));
    let url = beamline.simulator.auth_url().join("/v2/oauth2/authorize").unwrap();
    beamline.http.post(url).form(&form).send().await.unwrap()
}

#[tokio::test]
async fn the_page_offers_people_and_says_what_is_asked() {
    let beamline = Beamline::start(seed()).await;
    let response = ask(&beamline, &query("http://localhost:1/")).await;
    assert_eq!(response.status(), StatusCode::OK);
    let page = response.text().await.unwrap();
    assert!(page.contains("ada@example.org") && page.contains("bob@example.org"));
    assert!(page.contains(TRANSFER));
    assert!(!page.contains("clients.auth.globus.org"), "apps are no people");
    assert!(page.contains("&lt;&amp;&quot;&#39;&gt;"), "what comes in the query is escaped: {page}");
}

#[tokio::test]
async fn back_to_the_app_with_code_or_refusal() {
    let beamline = Beamline::start(seed()).await;
    for (decision, key) in [("allow", "code"), ("deny", "error")] {
        let response =
            decide(&beamline, query("http://localhost:1/done?a=b"), decision, "ada@example.org").await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        let target = Url::parse(response.headers()["location"].to_str().unwrap()).unwrap();
        assert_eq!((target.host_str(), target.path()), (Some("localhost"), "/done"));
        let pairs: Vec<_> = target.query_pairs().into_owned().collect();
        assert!(pairs.iter().any(|(name, value)| name == key && !value.is_empty()), "{target}");
        assert!(pairs.contains(&("state".to_owned(), "<&\"'>".to_owned())), "{target}");
    }
}

#[tokio::test]
async fn what_is_shown_as_wrong_and_never_redirected() {
    let beamline = Beamline::start(seed()).await;
    let good = query("http://localhost:1/");
    for (name, value) in [
        ("client_id", "who"),
        ("redirect_uri", "http://evil.example/"),
        ("redirect_uri", "not a url"),
        ("response_type", "token"),
        ("scope", "nonsense"),
        ("code_challenge", ""),
    ] {
        let wrong: Vec<_> = good
            .iter()
            .map(|(key, old)| (*key, if *key == name { value.to_owned() } else { old.clone() }))
            .collect();
        assert_eq!(ask(&beamline, &wrong).await.status(), StatusCode::BAD_REQUEST, "{name}={value}");
        let posted = decide(&beamline, wrong, "allow", "ada@example.org").await;
        assert_eq!(posted.status(), StatusCode::BAD_REQUEST, "{name}={value}");
    }
    let nobody = decide(&beamline, good, "allow", "nobody@example.org").await;
    assert_eq!(nobody.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn without_a_browser() {
    let beamline = Beamline::start(seed()).await;
    let mut link = beamline.simulator.auth_url().join("/v2/oauth2/authorize").unwrap();
    link.query_pairs_mut().extend_pairs(query("http://localhost:1/")).append_pair("access_type", "offline");
    let simulator = &beamline.simulator;
    assert!(
        simulator.sign_in(link.as_str(), "nobody@example.org").unwrap_err().to_string().contains("nobody")
    );
    assert!(simulator.sign_in("not a link", "ada@example.org").is_err());
    // The verifier doesn't fit the challenge, which is told only to who has a code that is known.
    for code in [
        simulator.sign_in(link.as_str(), "ADA@example.org").unwrap(),
        beamline
            .http
            .post(simulator.url().join("/_simulator/sign_in").unwrap())
            .json(&serde_json::json!({"link": link, "username": "ada@example.org"}))
            .send()
            .await
            .unwrap()
            .json::<serde_json::Value>()
            .await
            .unwrap()["code"]
            .as_str()
            .unwrap()
            .to_owned(),
    ] {
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", &NATIVE.to_string()),
            ("code", &code),
            ("redirect_uri", "http://localhost:1/"),
            ("code_verifier", "wrong"),
        ];
        let url = simulator.auth_url().join("/v2/oauth2/token").unwrap();
        let answer: serde_json::Value =
            beamline.http.post(url).form(&form).send().await.unwrap().json().await.unwrap();
        assert!(answer["error_description"].as_str().unwrap().contains("code_verifier"), "{answer}");
    }
}
