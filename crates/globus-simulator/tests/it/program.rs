//! The simulator as a program, and its admin path.

use std::process::Stdio;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::beamline::{Beamline, GUEST, seed};

async fn start(root: &std::path::Path, seed: &str) -> (Child, String) {
    let file = root.join("seed.toml");
    std::fs::write(&file, seed).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_globus-simulator"))
        .args(["--listen", "127.0.0.1:0", "--root"])
        .arg(root)
        .arg("--seed")
        .arg(&file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(std::time::Duration::from_secs(20), lines.next_line()).await;
    let url = line.expect("no line within 20 s").unwrap().unwrap_or_default();
    (child, url)
}

#[tokio::test]
async fn it_prints_its_url_when_it_is_ready_and_serves_the_seed_of_its_readme() {
    let readme = include_str!("../../README.md");
    let seed = readme.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let root = tempfile::tempdir().unwrap();
    let (_child, url) = start(root.path(), seed).await;
    // Only for its HTTP client; the program is another process.
    let beamline = Beamline::start(crate::beamline::seed()).await;
    let response = beamline
        .http
        .get(format!("{url}v0.10/endpoint_search?filter_fulltext=2-BM"))
        .bearer_auth("a-token-for-the-demo")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.json::<Value>().await.unwrap()["DATA"].as_array().unwrap().len(), 2);
    assert!(root.path().join("data").is_dir());
    let counts: Value =
        beamline.http.get(format!("{url}_simulator/requests")).send().await.unwrap().json().await.unwrap();
    assert_eq!(counts["counts"], json!({"endpoint_search": 1}));
}

#[tokio::test]
async fn the_first_commands_of_the_readme_work_with_the_url_as_printed() {
    let readme = include_str!("../../README.md");
    let seed = readme.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let root = tempfile::tempdir().unwrap();
    let (_child, url) = start(root.path(), seed).await;
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md").to_owned();
    crate::official::python_program("readme.py", &[("PRINTED_URL", url), ("README", file)]).await;
}

#[tokio::test]
async fn a_wrong_seed_says_where() {
    for (seed, part) in [
        ("[[accounts]]\nuser = \"x\"\n", "line 2"),
        (
            "[[collections]]\nid = \"33333333-3333-4333-8333-333333333333\"\nname = \"a\"\nkind = \"guest\"\ndirectory = \"d\"\nowner = \"nobody\"\n",
            "collections.owner",
        ),
    ] {
        let root = tempfile::tempdir().unwrap();
        let (child, url) = start(root.path(), seed).await;
        assert_eq!(url, "");
        let done = child.wait_with_output().await.unwrap();
        assert!(!done.status.success());
        let text = String::from_utf8(done.stderr).unwrap();
        assert!(text.contains(part), "{text}");
    }
}

#[tokio::test]
async fn faults_and_counts_by_http() {
    let beamline = Beamline::start(seed()).await;
    let admin = |path: &str| beamline.simulator.url().join(&format!("/_simulator/{path}")).unwrap();
    let order = |body: Value| beamline.http.post(admin("faults")).json(&body).send();
    let one = json!({"call": "mkdir", "action": "answer", "status": 503});
    assert_eq!(order(one).await.unwrap().status(), StatusCode::NO_CONTENT);
    let list = json!([{"call": "ls", "nth": 2, "times": 0, "action": "cut_after"}]);
    assert_eq!(order(list).await.unwrap().status(), StatusCode::NO_CONTENT);
    let wrong = order(json!({"call": "ls", "action": "explode"})).await.unwrap();
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
    assert!(wrong.text().await.unwrap().contains("explode"));
    assert_eq!(beamline.mkdir("service-transfer", "/x").await.0, StatusCode::SERVICE_UNAVAILABLE);
    let open: Value = beamline.http.get(admin("faults")).send().await.unwrap().json().await.unwrap();
    assert_eq!((&open["faults"][0]["seen"], &open["faults"][1]["seen"]), (&json!(1), &json!(0)));
    let log: Value = beamline.http.get(admin("requests")).send().await.unwrap().json().await.unwrap();
    assert_eq!((&log["total"], &log["requests"][0]["status"]), (&json!(1), &json!(503)));
    beamline.http.delete(admin("requests")).send().await.unwrap();
    beamline.http.delete(admin("faults")).send().await.unwrap();
    assert!(beamline.simulator.requests().is_empty());
    let given = json!({"token": "late", "account": "bob@example.org", "scopes": ["urn:globus:auth:scope:transfer.api.globus.org:all"]});
    beamline.http.post(admin("tokens")).json(&given).send().await.unwrap();
    assert_eq!(beamline.get("late", "/bookmark_list").await.0, StatusCode::OK);
    beamline.http.post(admin("tokens/expire")).send().await.unwrap();
    assert_eq!(beamline.get("late", "/bookmark_list").await.0, StatusCode::UNAUTHORIZED);
    let rules: Value = beamline
        .http
        .get(admin(&format!("collections/{GUEST}/rules")))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(rules["rules"][0]["path"], "/open/");
}

#[tokio::test]
async fn compare_lists_differences_and_tells_by_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("transcript");
    let run = async |text: String| {
        std::fs::write(&file, text).unwrap();
        let run = Command::new(env!("CARGO_BIN_EXE_globus-simulator")).arg("compare").arg(&file).output();
        let done = run.await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (done.status.code(), text(done.stdout), text(done.stderr))
    };
    let answer = json!({"DATA_TYPE": "bookmark_list", "DATA": []});
    let line = |document: &Value| {
        let request = json!({
            "method": "GET", "url": "https://transfer.api.globus.org/v0.10/bookmark_list", "authorization": "Bearer secret-1",
        });
        let headers = json!({"content-type": "application/json", "date": null});
        let response = json!({"status": 200, "headers": headers, "body": {"json": document}});
        format!("{}\n", json!({"number": 1, "request": request, "response": response, "milliseconds": 3}))
    };
    let (code, out, _) = run(line(&answer)).await;
    assert_eq!((code, out.trim()), (Some(0), "1 exchanges replayed, 0 differences in 0 calls"));
    let mut other = answer.clone();
    other["owner"] = json!("name-1");
    let (code, out, _) = run(line(&other)).await;
    assert_eq!(code, Some(1), "{out}");
    assert!(
        out.starts_with("GET /v0.10/bookmark_list\n  owner: only the service has this field (a text)\n"),
        "{out}"
    );
    let (code, _, err) = run("nonsense".to_owned()).await;
    assert!(code == Some(2) && err.contains("line 1"), "{err}");
}
