//! A simulated Globus with a person, a service, and collections on real directories.

use std::path::PathBuf;
use std::time::Duration;

use globus_simulator::{Account, App, Collection, GivenToken, Seed, Simulator};
use globus_transfer_client::{Authorizer, ClientCredentials, GlobusClient, RetryPolicy, Service, SignIn};
use tempfile::TempDir;
use url::Url;
use uuid::Uuid;

pub const SERVICE: Uuid = Uuid::from_u128(0x5e);
pub const SECRET: &str = "the-secret-of-the-service";
pub const NATIVE: Uuid = Uuid::from_u128(0xa9);
pub const GUEST: Uuid = Uuid::from_u128(0x9e);
pub const MAPPED: Uuid = Uuid::from_u128(0x3a);
/// The facility's storage on a Globus Connect Personal.
pub const LAPTOP: Uuid = Uuid::from_u128(0x1a);
pub const ADA: &str = "ada@example.org";
/// Tokens of Ada that are there from the start.
pub const ADA_TRANSFER: &str = "Ag-ada-transfer-token";
pub const ADA_AUTH: &str = "Ag-ada-auth-token";

pub struct World {
    pub simulator: Simulator,
    pub root: TempDir,
}

impl World {
    pub async fn start() -> Self {
        Self::with(|seed| seed).await
    }

    pub async fn with(change: impl FnOnce(Seed) -> Seed) -> Self {
        let root = tempfile::tempdir().unwrap();
        let service = SERVICE.to_string();
        let mut guest = Collection::guest(GUEST, "Beamline data", "guest", &service);
        guest.host = Some(MAPPED);
        let seed = Seed::default()
            .account(Account::new(ADA, "Ada Lovelace"))
            .account(Account::new("li@example.org", "Li Wei"))
            .app(App::service(SERVICE, SECRET))
            .app(App::native(NATIVE))
            .collection(Collection::mapped(MAPPED, "Facility storage", "mapped", ADA).data_access())
            .collection(guest)
            .collection(Collection::mapped(LAPTOP, "Laptop", "mapped", ADA).personal())
            .token(GivenToken::transfer(ADA_TRANSFER, ADA))
            .token(GivenToken::auth(ADA_AUTH, ADA));
        let simulator = Simulator::builder().root(root.path()).seed(change(seed)).start().await.unwrap();
        Self { simulator, root }
    }

    pub fn directory(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    pub fn client(&self, authorizer: Authorizer) -> GlobusClient {
        let quick =
            RetryPolicy::default().min_wait(Duration::from_millis(1)).max_wait(Duration::from_millis(5));
        GlobusClient::builder()
            .auth_url(self.simulator.auth_url())
            .transfer_url(self.simulator.transfer_url())
            .service_url(&Service::groups(), self.simulator.url().join("v2").unwrap())
            .service_url(&Service::timers(), self.simulator.url())
            .authorizer(authorizer)
            .retry(quick)
            .request_timeout(Duration::from_secs(10))
            .build()
            .unwrap()
    }

    /// The registered service, which owns the guest collection.
    pub fn service(&self) -> GlobusClient {
        self.client(Authorizer::client_credentials(ClientCredentials::new(SERVICE, SECRET)))
    }

    /// The same, which asked for the data of the mapped collection from the start.
    pub fn service_with_consent(&self) -> GlobusClient {
        let service = ClientCredentials::new(SERVICE, SECRET).data_access(MAPPED);
        self.client(Authorizer::client_credentials(service))
    }

    /// Ada, who owns the mapped collection, by tokens that were given.
    pub fn ada(&self) -> GlobusClient {
        self.client(Authorizer::access_tokens(ADA_TRANSFER, ADA_AUTH))
    }

    /// Signs Ada in as she would in her browser.
    pub async fn sign_ada_in(&self, app: &globus_transfer_client::NativeApp) -> SignIn {
        let client = self.client(Authorizer::nobody());
        let pending = client.auth().sign_in(app).unwrap();
        let code = decide(pending.url(), ADA, "allow").await;
        pending.finish(&code).await.unwrap()
    }
}

/// What the browser does when a person has chosen: gives the address that the page leads to.
pub async fn decide(page: &Url, username: &str, decision: &str) -> String {
    // Plain HTTP on loopback, but the library wants to know whose TLS it would use.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let browser =
        reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let shown = browser.get(page.clone()).send().await.unwrap();
    assert_eq!(shown.status(), 200, "{}", shown.text().await.unwrap());
    let mut form: Vec<(String, String)> = page.query_pairs().into_owned().collect();
    form.push(("username".into(), username.into()));
    form.push(("decision".into(), decision.into()));
    let mut target = page.clone();
    target.set_query(None);
    let answer = browser.post(target).form(&form).send().await.unwrap();
    assert!(answer.status().is_redirection(), "{}", answer.text().await.unwrap());
    answer.headers()["location"].to_str().unwrap().to_owned()
}
