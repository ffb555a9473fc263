//! The token store: who may read it, what happens to it, and two processes at once.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use globus_transfer_client::{
    Authorizer, ErrorKind, GlobusClient, NativeApp, RetryPolicy, SignIn, TokenStore,
};
use serde_json::json;
use url::Url;
use uuid::Uuid;

use crate::stub::{Reply, Seen, Stub};

const CHILD: &str = "GLOBUS_CLIENT_TEST_CHILD";
const COLLECTION: Uuid = Uuid::from_u128(7);

fn client(url: &Url, authorizer: Authorizer) -> GlobusClient {
    GlobusClient::builder()
        .auth_url(url.clone())
        .transfer_url(url.join("v0.10").unwrap())
        .authorizer(authorizer)
        .retry(RetryPolicy::none())
        .request_timeout(Duration::from_secs(20))
        .build()
        .unwrap()
}

/// An Auth service whose refresh tokens are good once, and whose access tokens are too old at once. It
/// answers calls only to the newest access token or the one before it, which another process may still use.
struct Rotating {
    newest: Mutex<u64>,
}

impl Rotating {
    fn answer(&self, seen: &Seen) -> Reply {
        let mut newest = self.newest.lock().unwrap();
        if seen.path != "/v2/oauth2/token" {
            return Reply::Json(200, json!({ "DATA": [] }));
        }
        let shown = seen.form("refresh_token");
        if seen.form("grant_type").as_deref() == Some("refresh_token")
            && shown != Some(format!("refresh-{newest}"))
        {
            return Reply::Json(400, json!({ "error": "invalid_grant" }));
        }
        *newest += 1;
        Reply::Json(
            200,
            json!({ "access_token": format!("access-{newest}"), "refresh_token": format!("refresh-{newest}"),
                    "expires_in": 30, "token_type": "Bearer", "resource_server": "transfer.api.globus.org",
                    "scope": "urn:globus:auth:scope:transfer.api.globus.org:all", "other_tokens": [] }),
        )
    }
}

async fn rotating() -> Stub {
    let service = Rotating { newest: Mutex::new(0) };
    Stub::start(move |seen, _| service.answer(seen)).await
}

async fn signed_in(url: &Url) -> SignIn {
    let client = client(url, Authorizer::nobody());
    client.auth().sign_in(&NativeApp::new(Uuid::from_u128(9))).unwrap().finish("code").await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_renew_the_same_token_a_thousand_times() {
    const ROUNDS: usize = 500;
    if let Ok(setting) = std::env::var(CHILD) {
        let (path, url) = setting.split_once('|').unwrap();
        let client = client(&url.parse().unwrap(), Authorizer::stored(TokenStore::at(path), "shared"));
        for _ in 0..ROUNDS {
            client.transfer().ls(COLLECTION, "/").send().await.unwrap();
        }
        return;
    }
    let stub = rotating().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tokens.json");
    let store = TokenStore::at(&path);
    store.put("shared", &signed_in(&stub.url).await).await.unwrap();

    let children: Vec<_> = (0..2)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    "store::two_processes_renew_the_same_token_a_thousand_times",
                    "--nocapture",
                ])
                .env(CHILD, format!("{}|{}", path.display(), stub.url))
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in children {
        let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(stub.count("/v2/oauth2/token"), 1 + 2 * ROUNDS);
    assert_eq!(stub.count("/ls"), 2 * ROUNDS);
    // The store holds the last one, and nothing else was left beside it.
    client(&stub.url, Authorizer::stored(store, "shared"))
        .transfer()
        .ls(COLLECTION, "/")
        .send()
        .await
        .unwrap();
    let mut left: Vec<_> =
        std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["tokens.json", "tokens.json.lock"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_new_token_is_kept_though_nobody_waits_for_it_any_more() {
    let (asked, was_asked) = std::sync::mpsc::channel();
    let (answer, may_answer) = std::sync::mpsc::channel::<()>();
    let (asked, may_answer) = (Mutex::new(asked), Mutex::new(may_answer));
    let service = Rotating { newest: Mutex::new(0) };
    let stub = Stub::start(move |seen, n| {
        if n == 1 {
            asked.lock().unwrap().send(()).unwrap();
            may_answer.lock().unwrap().recv().unwrap();
        }
        service.answer(seen)
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let store = TokenStore::at(directory.path().join("tokens.json"));
    store.put("x", &signed_in(&stub.url).await).await.unwrap();

    let client = client(&stub.url, Authorizer::stored(store, "x"));
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.transfer().ls(COLLECTION, "/").send().await }
    });
    tokio::task::spawn_blocking(move || was_asked.recv_timeout(Duration::from_secs(20)))
        .await
        .unwrap()
        .unwrap();
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    answer.send(()).unwrap();
    // The old refresh token is spent: only with the new one from the store does the next call work.
    client.transfer().ls(COLLECTION, "/").send().await.unwrap();
}

#[tokio::test]
async fn it_is_for_its_owner_only() {
    let stub = rotating().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new/tokens.json");
    let store = TokenStore::at(&path);
    let sign_in = signed_in(&stub.url).await;
    store.put("a", &sign_in).await.unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);

    for open in [0o640, 0o604, 0o660, 0o666] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(open)).unwrap();
        let failure = store.names().await.unwrap_err();
        assert_eq!(failure.kind(), &ErrorKind::TokenStore);
        assert!(failure.to_string().contains(&format!("chmod 600 '{}'", path.display())), "{failure}");
        assert_eq!(store.put("b", &sign_in).await.unwrap_err().kind(), &ErrorKind::TokenStore);
        let client = client(&stub.url, Authorizer::stored(store.clone(), "a"));
        assert_eq!(
            client.transfer().ls(COLLECTION, "/").send().await.unwrap_err().kind(),
            &ErrorKind::TokenStore
        );
    }
}

#[tokio::test]
async fn several_sign_ins_lie_side_by_side() {
    let stub = rotating().await;
    let directory = tempfile::tempdir().unwrap();
    let real = directory.path().join("real.json");
    let link = directory.path().join("tokens.json");
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let store = TokenStore::at(&link);
    assert!(store.names().await.unwrap().is_empty());
    for name in ["b", "a"] {
        store.put(name, &signed_in(&stub.url).await).await.unwrap();
    }
    assert_eq!(store.names().await.unwrap(), ["a", "b"]);
    store.remove("a").await.unwrap().unwrap();
    assert!(store.remove("a").await.unwrap().is_none());
    assert!(store.get("a").await.unwrap().is_none());
    assert_eq!(store.get("b").await.unwrap().unwrap().auth_url(), &stub.url);
}

#[tokio::test]
async fn a_broken_file_is_not_quoted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tokens.json");
    let store = TokenStore::at(&path);
    for text in
        [r#"{"version": 1, "sign_ins": "Ag-secret"}"#, r#"{"version": 9, "sign_ins": {}}"#, "Ag-secret"]
    {
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let failure = store.names().await.unwrap_err();
        assert_eq!(failure.kind(), &ErrorKind::TokenStore);
        assert!(!format!("{failure} {failure:?}").contains("Ag-secret"), "{failure}");
    }
}

fn make_pipe(path: &std::path::Path) {
    assert!(Command::new("mkfifo").args(["-m", "600"]).arg(path).status().unwrap().success());
}

#[tokio::test]
async fn what_others_have_planted_is_not_used() {
    let stub = rotating().await;
    let sign_in = signed_in(&stub.url).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tokens.json");
    let store = TokenStore::at(&path);
    // A pipe that nobody writes, and a file without an end.
    for special in ["pipe", "/dev/zero"] {
        let _ = std::fs::remove_file(&path);
        if special == "pipe" {
            make_pipe(&path);
        } else {
            std::os::unix::fs::symlink(special, &path).unwrap();
        }
        let failure = store.names().await.unwrap_err();
        assert!(failure.to_string().contains("isn't a token store"), "{special}: {failure}");
    }
    std::fs::remove_file(&path).unwrap();
    // A link and a pipe at the lock's name.
    let (lock, elsewhere) = (directory.path().join("tokens.json.lock"), directory.path().join("elsewhere"));
    std::os::unix::fs::symlink(&elsewhere, &lock).unwrap();
    assert_eq!(store.put("a", &sign_in).await.unwrap_err().kind(), &ErrorKind::TokenStore);
    assert!(!elsewhere.exists());
    std::fs::remove_file(&lock).unwrap();
    make_pipe(&lock);
    assert_eq!(store.put("a", &sign_in).await.unwrap_err().kind(), &ErrorKind::TokenStore);
    std::fs::remove_file(&lock).unwrap();
    store.put("a", &sign_in).await.unwrap();
    assert_eq!(store.names().await.unwrap(), ["a"]);
}

#[tokio::test]
async fn tokens_go_only_to_their_own_service() {
    let stub = rotating().await;
    let directory = tempfile::tempdir().unwrap();
    let store = TokenStore::at(directory.path().join("tokens.json"));
    store.put("x", &signed_in(&stub.url).await).await.unwrap();
    let elsewhere = rotating().await;
    let client = client(&elsewhere.url, Authorizer::stored(store, "x"));
    let failure = client.transfer().ls(COLLECTION, "/").send().await.unwrap_err();
    assert_eq!(failure.kind(), &ErrorKind::NotSignedIn);
    assert!(elsewhere.seen().is_empty());
}

/// Everything that is logged, as a subscriber that wants all of it sees it.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_token_is_in_no_output() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer({
            let log = log.clone();
            move || log.clone()
        })
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    // Failures of every kind, met by every kind of request, with the tokens on their way in headers, forms
    // and answers.
    let service = Rotating { newest: Mutex::new(0) };
    let stub = Stub::start(move |seen, n| match n % 5 {
        1 => Reply::Json(503, json!({ "code": "ServiceUnavailable", "message": "m" })),
        2 if seen.path.ends_with("/token") => Reply::Text(200, "access-1 refresh-1 is not JSON"),
        // A gateway that shows the request.
        2 => Reply::Raw(
            200,
            vec![],
            format!("no JSON; {}", seen.authorization.as_deref().unwrap()).into(),
            false,
        ),
        3 if n > 20 => {
            Reply::Json(403, json!({ "code": "Denied", "message": seen.authorization.as_deref() }))
        }
        3 => Reply::Cut,
        _ => service.answer(seen),
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let store = TokenStore::at(directory.path().join("tokens.json"));
    let sign_in = signed_in(&stub.url).await;
    store.put("x", &sign_in).await.unwrap();
    let client = GlobusClient::builder()
        .auth_url(stub.url.clone())
        .transfer_url(stub.url.join("v0.10").unwrap())
        .authorizer(Authorizer::stored(store.clone(), "x"))
        .retry(RetryPolicy::default().max_retries(1).min_wait(Duration::from_millis(1)))
        .build()
        .unwrap();
    let mut said = BTreeMap::from([("types", format!("{client:?} {sign_in:?} {store:?}"))]);
    let mut failures = String::new();
    for _ in 0..20 {
        if let Err(failure) = client.transfer().ls(COLLECTION, "/").send().await {
            failures += &format!("{failure} {failure:?}\n");
        }
    }
    assert!(!failures.is_empty());
    said.insert("failures", failures);
    said.insert("log", String::from_utf8(log.0.lock().unwrap().clone()).unwrap());
    assert!(
        said["log"].contains("renew the sign-in") && said["log"].contains("; retrying"),
        "{}",
        said["log"]
    );
    for (what, text) in said {
        assert!(!text.contains("access-") && !text.contains("refresh-"), "{what}: {text}");
    }
}
