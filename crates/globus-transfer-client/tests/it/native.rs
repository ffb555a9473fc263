//! A person's sign-in against the simulator: browser, code, tokens, log-out.

use futures::future::join_all;
use globus_transfer_client::{
    Authorizer, ConfidentialApp, ErrorKind, Method, NativeApp, Scope, Service, TokenStore,
};

use crate::world::{ADA, MAPPED, NATIVE, SECRET, SERVICE, World, decide};

#[tokio::test]
async fn a_person_signs_in_and_out() {
    let world = World::start().await;
    let store = TokenStore::at(world.directory("tokens/globus.json"));
    let sign_in = world.sign_ada_in(&NativeApp::new(NATIVE).label("test")).await;
    assert!(sign_in.tokens().iter().all(|(_, token)| token.is_refreshable() && token.expires_at().is_some()));
    store.put("default", &sign_in).await.unwrap();

    let client = world.client(Authorizer::stored(store.clone(), "default"));
    let me = client.auth().userinfo().await.unwrap();
    assert_eq!(me.preferred_username.as_deref(), Some(ADA));
    assert_eq!(world.simulator.count("token"), 1, "a good token is used as it is");

    let removed = store.remove("default").await.unwrap().unwrap();
    client.auth().sign_out(&removed).await.unwrap();
    assert!(store.names().await.unwrap().is_empty());
    let failure = client.auth().userinfo().await.unwrap_err();
    assert_eq!(failure.kind(), &ErrorKind::NotSignedIn, "{failure}");

    // Put back, the revoked tokens are of no use.
    store.put("default", &removed).await.unwrap();
    let client = world.client(Authorizer::stored(store, "default"));
    let failure = client.auth().userinfo().await.unwrap_err();
    assert_eq!(failure.kind(), &ErrorKind::AuthenticationFailed);
    assert!(failure.kind().hint().unwrap().contains("sign in again"), "{failure}");
}

#[tokio::test]
async fn a_wrong_code_and_a_refusal_are_said() {
    let world = World::start().await;
    let client = world.client(Authorizer::nobody());
    let app = NativeApp::new(NATIVE).refresh_tokens(false).prompt_login();

    let pending = client.auth().sign_in(&app).unwrap();
    assert!(pending.url().query().unwrap().contains("code_challenge_method=S256"));
    let failure = pending.finish("not-the-code").await.unwrap_err();
    assert_eq!(failure.kind(), &ErrorKind::AuthenticationFailed);

    let pending = client.auth().sign_in(&app).unwrap();
    let refusal = decide(pending.url(), ADA, "deny").await;
    assert_eq!(pending.finish(&refusal).await.unwrap_err().kind(), &ErrorKind::AuthenticationFailed);

    // The code of one sign-in doesn't finish another one: the verifier is another.
    let one = client.auth().sign_in(&app).unwrap();
    let other = client.auth().sign_in(&app).unwrap();
    let code = decide(one.url(), ADA, "allow").await;
    assert_eq!(other.finish(&code).await.unwrap_err().kind(), &ErrorKind::AuthenticationFailed);
}

#[tokio::test]
async fn expired_tokens_are_renewed_once_for_all_calls() {
    let world = World::start().await;
    let store = TokenStore::at(world.directory("globus.json"));
    store.put("ada", &world.sign_ada_in(&NativeApp::new(NATIVE)).await).await.unwrap();
    let client = world.client(Authorizer::stored(store.clone(), "ada"));
    client.auth().userinfo().await.unwrap();

    world.simulator.expire_tokens();
    world.simulator.clear_requests();
    let calls = join_all((0..30).map(|_| client.auth().userinfo())).await;
    assert!(calls.iter().all(Result::is_ok), "{:?}", calls.iter().find(|call| call.is_err()));
    assert_eq!(world.simulator.count("token"), 1);

    // The other program finds the new token in the store.
    let other = world.client(Authorizer::stored(store, "ada"));
    other.auth().userinfo().await.unwrap();
    assert_eq!(world.simulator.count("token"), 1);
}

#[tokio::test]
async fn a_sign_in_without_renewal_ends() {
    let world = World::start().await;
    let store = TokenStore::at(world.directory("globus.json"));
    let app = NativeApp::new(NATIVE).refresh_tokens(false);
    store.put("ada", &world.sign_ada_in(&app).await).await.unwrap();
    let client = world.client(Authorizer::stored(store, "ada"));
    client.auth().userinfo().await.unwrap();
    world.simulator.expire_tokens();
    let failure = client.auth().userinfo().await.unwrap_err();
    assert_eq!(failure.kind(), &ErrorKind::AuthenticationFailed);
}

#[tokio::test]
async fn consent_given_in_another_window_is_picked_up() {
    let world = World::start().await;
    let store = TokenStore::at(world.directory("globus.json"));
    store.put("ada", &world.sign_ada_in(&NativeApp::new(NATIVE)).await).await.unwrap();
    let client = world.client(Authorizer::stored(store.clone(), "ada"));

    let failure = client.transfer().ls(MAPPED, "/").send().await.unwrap_err();
    let ErrorKind::ConsentRequired { required_scopes } = failure.kind() else { panic!("{failure}") };
    assert_eq!(&failure.authorization_parameters().unwrap().required_scopes, required_scopes);

    // She signs in with these scopes.
    let mut app = NativeApp::new(NATIVE);
    for text in required_scopes {
        app = app.scope(text.parse::<Scope>().unwrap());
    }
    store.put("ada", &world.sign_ada_in(&app).await).await.unwrap();
    client.transfer().ls(MAPPED, "/").send().await.unwrap();
}

#[tokio::test]
async fn a_service_gets_the_consent_by_itself() {
    let world = World::start().await;
    let client = world.service();
    client.transfer().ls(MAPPED, "/").send().await.unwrap();
    assert_eq!(world.simulator.count("token"), 2);

    let again = world.client(Authorizer::client_credentials(
        globus_transfer_client::ClientCredentials::new(crate::world::SERVICE, crate::world::SECRET)
            .data_access(MAPPED),
    ));
    world.simulator.clear_requests();
    again.transfer().ls(MAPPED, "/").send().await.unwrap();
    assert_eq!(world.simulator.count("token"), 1, "asked for from the start");
}

#[tokio::test]
async fn given_tokens_are_used_until_they_are_refused() {
    let world = World::start().await;
    let client = world.ada();
    assert_eq!(client.auth().userinfo().await.unwrap().preferred_username.as_deref(), Some(ADA));
    world.simulator.expire_tokens();
    let failure = client.auth().userinfo().await.unwrap_err();
    assert_eq!(failure.kind(), &ErrorKind::AuthenticationFailed);
    assert!(!format!("{failure:?} {client:?}").contains(crate::world::ADA_AUTH));
}

#[tokio::test]
async fn the_browser_on_this_machine_hands_the_code_back() {
    let world = World::start().await;
    let client = world.client(Authorizer::nobody());
    let pending = client.auth().sign_in_on_loopback(&NativeApp::new(NATIVE)).await.unwrap();
    let returned = decide(pending.url(), ADA, "allow").await;
    assert!(returned.starts_with("http://localhost:"), "{returned}");

    let browser = reqwest::Client::builder().no_proxy().build().unwrap();
    let home: url::Url = returned.parse().unwrap();
    let finished = tokio::spawn(pending.finish());
    // Browsers fetch an icon first; a stranger's request ends nothing.
    let icon = browser.get(home.join("/favicon.ico").unwrap()).send().await.unwrap();
    assert_eq!(icon.status(), 404);
    let page = browser.get(home).send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert!(page.text().await.unwrap().contains("return to the program"));
    let sign_in = finished.await.unwrap().unwrap();

    // In memory only, and renewed there.
    let client = world.client(Authorizer::signed_in(sign_in));
    assert_eq!(client.auth().userinfo().await.unwrap().preferred_username.as_deref(), Some(ADA));
    world.simulator.expire_tokens();
    world.simulator.clear_requests();
    client.auth().userinfo().await.unwrap();
    client.auth().userinfo().await.unwrap();
    assert_eq!(world.simulator.count("token"), 1);
}

#[tokio::test]
async fn a_code_of_another_sign_in_ends_none_on_loopback() {
    let world = World::start().await;
    let client = world.client(Authorizer::nobody());
    let pending = client.auth().sign_in_on_loopback(&NativeApp::new(NATIVE)).await.unwrap();
    let returned: url::Url = decide(pending.url(), ADA, "allow").await.parse().unwrap();
    let code = returned.query_pairs().find(|(key, _)| key == "code").unwrap().1.into_owned();
    let finished = tokio::spawn(pending.finish());
    let browser = reqwest::Client::builder().no_proxy().build().unwrap();
    for planted in [
        format!("code={code}&state=planted"),
        format!("code={code}"),
        "error=access_denied".to_owned(),
        "error=access_denied&state=planted".to_owned(),
    ] {
        let mut address = returned.clone();
        address.set_query(Some(&planted));
        assert_eq!(browser.get(address).send().await.unwrap().status(), 404, "{planted}");
    }
    assert_eq!(browser.get(returned).send().await.unwrap().status(), 200);
    finished.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_person_signs_in_to_a_portal() {
    let world = World::start().await;
    let page = "https://portal.example.org/signed-in".parse().unwrap();
    let portal = ConfidentialApp::new(SERVICE, SECRET, page).label("portal");
    let client = world.client(Authorizer::nobody());
    let pending = client.auth().sign_in_to_portal(&portal).unwrap();
    let returned = decide(pending.url(), ADA, "allow").await;
    assert!(returned.starts_with("https://portal.example.org/signed-in?"), "{returned}");
    // Somebody else's code, with which a visitor would work in that account.
    let other = client.auth().sign_in_to_portal(&portal).unwrap();
    let failure = other.finish(returned.split("&state=").next().unwrap()).await.unwrap_err();
    assert!(failure.to_string().contains("another sign-in"), "{failure}");
    let sign_in = pending.finish(&returned).await.unwrap();
    assert!(!format!("{sign_in:?}").contains(SECRET));

    // The store keeps what a renewal needs.
    let store = TokenStore::at(world.directory("portal.json"));
    store.put("ada", &sign_in).await.unwrap();
    let client = world.client(Authorizer::stored(store.clone(), "ada"));
    client.auth().userinfo().await.unwrap();
    world.simulator.expire_tokens();
    client.auth().userinfo().await.unwrap();
    client.auth().sign_out(&store.remove("ada").await.unwrap().unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_service_without_a_consent_is_told_by_its_scopes() {
    let world = World::start().await;
    let store = TokenStore::at(world.directory("globus.json"));
    store.put("ada", &world.sign_ada_in(&NativeApp::new(NATIVE)).await).await.unwrap();
    let client = world.client(Authorizer::stored(store, "ada"));
    let call = client.request(Method::GET, Service::groups(), "groups/my_groups");
    let failure = call.send::<serde_json::Value>().await.unwrap_err();
    let wanted = Service::groups().scopes()[0].to_string();
    assert_eq!(failure.kind(), &ErrorKind::ConsentRequired { required_scopes: vec![wanted.clone()] });
    assert_eq!(failure.authorization_parameters().unwrap().required_scopes, [wanted]);
}
