//! A beamline's world: a person, a service, a mapped and a guest collection.

use std::path::{Path, PathBuf};

use globus_simulator::{Account, App, Builder, Collection, GivenToken, Limits, Seed, Simulator};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

pub const SERVICE: Uuid = Uuid::from_u128(0x1111_1111_1111_4111_8111_1111_1111_1111);
pub const SECRET: &str = "a secret with %, + and :";
pub const NATIVE: Uuid = Uuid::from_u128(0x2222_2222_2222_4222_8222_2222_2222_2222);
pub const MAPPED: Uuid = Uuid::from_u128(0x3333_3333_3333_4333_8333_3333_3333_3333);
pub const GUEST: Uuid = Uuid::from_u128(0x4444_4444_4444_4444_8444_4444_4444_4444);
pub const LAPTOP: Uuid = Uuid::from_u128(0x5555_5555_5555_4555_8555_5555_5555_5555);
pub const ADA: Uuid = Uuid::from_u128(0xada);

pub struct Beamline {
    pub root: TempDir,
    pub simulator: Simulator,
    pub http: reqwest::Client,
}

pub fn seed() -> Seed {
    let service = SERVICE.to_string();
    let mut guest =
        Collection::guest(GUEST, "Beamline share", "share", &service).rule("ada@example.org", "/open/", "r");
    guest.host = Some(MAPPED);
    Seed { limits: Limits { retry_milliseconds: 20, ..Limits::default() }, ..Seed::default() }
        .account(Account::new("ada@example.org", "Ada Lovelace").id(ADA))
        .account(Account::new("bob@example.org", "Bob"))
        .app(App::service(SERVICE, SECRET))
        .app(App::native(NATIVE))
        .collection(Collection::mapped(MAPPED, "Beamline detector", "detector", &service).data_access())
        .collection(guest)
        .token(GivenToken::transfer("service-transfer", &service))
        .token(GivenToken::auth("service-auth", &service))
        .token(GivenToken::transfer("ada-transfer", "ada@example.org"))
        .token(GivenToken::auth("ada-auth", "ada@example.org"))
}

/// The detector's disk on a Globus Connect Personal.
pub fn laptop() -> Collection {
    Collection::mapped(LAPTOP, "Beamline laptop", "detector", &SERVICE.to_string()).personal()
}

impl Beamline {
    pub async fn start(seed: Seed) -> Self {
        Self::with(Simulator::builder().seed(seed)).await
    }

    /// With the manager API of its Connect Server over HTTPS.
    pub async fn https(seed: Seed) -> Self {
        Self::with(Simulator::builder().seed(seed).https()).await
    }

    async fn with(builder: Builder) -> Self {
        let root = tempfile::tempdir().unwrap();
        let simulator = builder.root(root.path()).start().await.unwrap();
        // A second call finds it installed, which is just as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let beamline = Self { root, simulator, http };
        beamline.fill();
        beamline
    }

    fn fill(&self) {
        let raw = self.path("detector/raw");
        std::fs::create_dir_all(&raw).unwrap();
        for n in 0..5u8 {
            std::fs::write(raw.join(format!("{n}.h5")), vec![n; 1000]).unwrap();
        }
        // A link that leads out, as a hostile or careless user may leave one.
        std::os::unix::fs::symlink("/", raw.join("out")).unwrap();
        std::fs::create_dir_all(self.path("share/open")).unwrap();
        std::fs::write(self.path("share/open/hello.txt"), "hello").unwrap();
    }

    pub fn path(&self, inside: &str) -> PathBuf {
        self.root.path().join(inside)
    }

    /// A call to Transfer; the answer with its status.
    pub async fn transfer(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Value,
    ) -> (StatusCode, Value) {
        let url = format!("{}{path}", self.simulator.transfer_url());
        let mut request = self.http.request(method, url).bearer_auth(token);
        if !body.is_null() {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        (status, response.json().await.unwrap_or_default())
    }

    pub async fn get(&self, token: &str, path: &str) -> (StatusCode, Value) {
        self.transfer(token, Method::GET, path, Value::Null).await
    }

    pub async fn post(&self, token: &str, path: &str, body: Value) -> (StatusCode, Value) {
        self.transfer(token, Method::POST, path, body).await
    }

    pub async fn mkdir(&self, token: &str, path: &str) -> (StatusCode, Value) {
        let body = json!({"DATA_TYPE": "mkdir", "path": path});
        self.post(token, &format!("/operation/endpoint/{GUEST}/mkdir"), body).await
    }

    /// Hands a task in and returns its id.
    pub async fn submit(&self, kind: &str, mut body: Value) -> String {
        let id = self.get("service-transfer", "/submission_id").await.1["value"].clone();
        body["DATA_TYPE"] = kind.into();
        body["submission_id"] = id;
        let (status, answer) = self.post("service-transfer", &format!("/{kind}"), body).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
        answer["task_id"].as_str().unwrap().to_owned()
    }

    /// Waits until the task's document is as wanted.
    pub async fn until(&self, task: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..1000 {
            let document = self.get("service-transfer", &format!("/task/{task}")).await.1;
            if wanted(&document) {
                return document;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let document = self.get("service-transfer", &format!("/task/{task}")).await.1;
        panic!("the task did not get there in 20 s: {document:#}");
    }

    pub async fn ended(&self, task: &str) -> Value {
        self.until(task, |task| task["status"] != "ACTIVE").await
    }
}

/// The Python that has the official packages.
pub fn python() -> PathBuf {
    if let Some(python) = std::env::var_os("BEAMSHARE_PYTHON") {
        return python.into();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join(".venv/bin/python");
    assert!(
        python.exists(),
        "no Python with the official Globus packages: run `make test`, which makes .venv from \
         tests/requirements.txt, or set BEAMSHARE_PYTHON"
    );
    python
}
