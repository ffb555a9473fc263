//! The web page of the running service, in a real browser and by plain requests.

use crate::browser::{Browser, Screen};
use crate::site::{LIMIT, Site, garcia, group, li, other_li};
use crate::support;
use beamshare::domain::Field;
use beamshare::status::Record;
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A hook after `share`: fails while there is a file `fail`, and waits while there is a file `wait`.
const GATE: &str =
    "#!/bin/sh\ncat > /dev/null\n[ -e \"@/fail\" ] && exit 1\nwhile [ -e \"@/wait\" ]; do sleep 0.1; done\n";

struct Served {
    site: Site,
    url: String,
    client: Client,
}

impl Served {
    /// A site whose service serves the page, with these further lines of `[web]`.
    async fn with(web: &str) -> Served {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let port = support::free_port();
        let sections = format!(
            "[[hooks]]\nafter = \"share\"\ncommand = [\"./gate\"]\nrequired = true\n\
             [web]\nlisten = \"127.0.0.1:{port}\"\n{web}\n[journal]"
        );
        let mut site = Site::with(&Field::ALL, &[("[journal]", &sections)]).await;
        let gate = site.beamline.path("gate");
        std::fs::write(&gate, GATE.replace('@', &site.beamline.folder.path().display().to_string())).unwrap();
        std::fs::set_permissions(&gate, PermissionsExt::from_mode(0o755)).unwrap();
        site.start();
        site.idle().await;
        Served { site, url: format!("http://127.0.0.1:{port}"), client: Client::new() }
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        let answer = self.client.get(format!("{}{path}", self.url)).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    async fn json(&self, path: &str) -> Value {
        let (status, text) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    fn touch(&self, name: &str) {
        std::fs::write(self.site.beamline.path(name), "").unwrap();
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.site.beamline.path(name)).unwrap();
    }
}

/// Waits until each open page shows this state, without a reload, and takes its picture.
async fn shown(browsers: &[(&Browser, &str)], state: &str, expected: &[&str]) {
    for (browser, screen) in browsers {
        browser.until(&format!("document.querySelector('.state')?.innerText === '{state}'")).await;
        for text in expected {
            let text = Value::from(text.to_lowercase());
            browser.until(&format!("document.body.innerText.toLowerCase().includes({text})")).await;
        }
        browser.fits().await;
        browser.picture(&format!("web-{}-{screen}.png", state.to_lowercase().replace(' ', "-"))).await;
    }
}

#[tokio::test]
async fn the_page_follows_the_service_through_its_states() {
    let mut served = Served::with("").await;
    let (desktop, phone) =
        (Browser::start(Screen::Desktop, false).await, Browser::start(Screen::Phone, true).await);
    let pages = [(&desktop, "desktop"), (&phone, "phone")];
    for (browser, _) in &pages {
        browser.open(&served.url).await;
        browser.until("document.getElementById('connection').innerText.startsWith('Live')").await;
    }
    // The style sheet is in force under the page's own policy, and follows the reader's colours.
    assert_eq!(phone.value("matchMedia('(prefers-color-scheme: dark)').matches").await, true);
    assert_ne!(
        desktop.value("getComputedStyle(document.body).backgroundColor").await,
        phone.value("getComputedStyle(document.body).backgroundColor").await,
    );
    shown(&pages, "Idle", &["No user group is tagged"]).await;

    served.touch("wait");
    served.site.tag(&garcia()).await;
    shown(&pages, "Delivering", &["2026-03 / Garcia", "ana@upf.example"]).await;
    served.remove("wait");
    shown(&pages, "Delivered", &["2 of 2 have access", "Read-only"]).await;
    assert_eq!(desktop.value("document.querySelectorAll('.step.done').length").await, 4);

    served.touch("fail");
    served.site.tag(&li()).await;
    shown(&pages, "Failed", &["boli@mit.example", "press Run"]).await;
    served.remove("fail");

    served.site.tag(&other_li()).await;
    shown(&pages, "Held", &["nali@eth.example", "Approve", "Gain access", "It waits because", "Served last"])
        .await;
    let reasons = desktop.value("document.querySelectorAll('.reasons li').length").await;
    assert!(reasons.as_u64() >= Some(1), "{reasons}");
    let green = desktop
        .value("[...document.querySelectorAll('.step.done')].some(step => step.offsetHeight > 0)")
        .await;
    assert_eq!(green, false, "nothing green stands for a group that was served before");

    served.site.put(Field::PiEmail, "").await;
    shown(&pages, "Waiting", &["no PI e-mail yet"]).await;

    // The history, its search, and a delivery with its log lines.
    desktop.open(&format!("{}/history", served.url)).await;
    assert_eq!(desktop.value("document.querySelectorAll('tbody tr').length").await, 2);
    desktop.picture("web-history-desktop.png").await;
    let one_line = "[...document.querySelectorAll('.badge')].every(badge => \
                    badge.offsetHeight < 2 * parseFloat(getComputedStyle(badge).lineHeight))";
    desktop.value("document.querySelector('.history').style.width = '500px'").await;
    assert_eq!(desktop.value(one_line).await, true, "a badge is broken into two lines");
    phone.open(&format!("{}/history?q=ANA%40upf", served.url)).await;
    assert_eq!(phone.value("document.querySelectorAll('tbody tr').length").await, 1);
    phone.fits().await;
    phone.picture("web-history-phone.png").await;
    desktop.value("document.querySelector('tr.failed a').click()").await;
    desktop.until("location.pathname === '/delivery' && document.querySelector('.log')").await;
    let text = desktop.text().await;
    assert!(text.contains("gate") && text.contains("boli@mit.example") && text.contains("ERROR"), "{text}");
    desktop.picture("web-delivery-desktop.png").await;

    // A service that has ended looks old, and a new one is shown again.
    for (browser, _) in &pages {
        browser.open(&served.url).await;
        browser.until("document.getElementById('connection').innerText.startsWith('Live')").await;
    }
    served.site.kill();
    for (browser, screen) in &pages {
        browser.until("document.body.classList.contains('old')").await;
        assert!(browser.text().await.contains("Everything below is old"));
        browser.picture(&format!("web-stopped-{screen}.png")).await;
    }
    served.site.start();
    for (browser, _) in &pages {
        browser.until("!document.body.classList.contains('old')").await;
    }
}

#[tokio::test]
async fn requests_are_read_only_bounded_and_of_this_server() {
    let mut served = Served::with("hosts = [\"beamshare.example.org\"]").await;
    let hostile = group([
        "<script>alert(1)</script>",
        "Garcia",
        "<img src=x onerror=alert(1)>",
        "ana@upf.example",
        "11",
        "03-01 09:00",
        "71001",
        "<b>Shells</b>",
        "2026-03",
        "21",
    ]);
    served.site.tag(&hostile).await;
    served.site.record(Record::Status, |text| text == "Done" || text == "Approval").await;

    let status = served.json("/api/status").await;
    let beamline = &status["beamlines"][0];
    assert_eq!((&beamline["condition"], &beamline["names_hidden"]), (&"serving".into(), &false.into()));
    assert_eq!(served.get("/healthz").await.0, StatusCode::OK);
    assert!(served.get("/metrics").await.1.contains("beamshare_lease_held"));
    for path in ["/", "/history", "/delivery?number=1", "/style.css", "/live.js", "/icon.svg"] {
        let answer = served.client.get(format!("{}{path}", served.url)).send().await.unwrap();
        let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(answer.headers()["cache-control"], "no-store", "{path}");
        let text = answer.text().await.unwrap();
        assert!(
            !text.contains("<script>") && !text.contains("<img src=x") && !text.contains('\u{202e}'),
            "{path}"
        );
    }
    let (code, text) = served.get("/api/history?q=%3Cscript%3E&limit=3").await;
    assert_eq!(code, StatusCode::OK, "{text}");
    assert_eq!(served.get("/nothing").await.0, StatusCode::NOT_FOUND);
    assert_eq!(served.get("/api/history?beamline=none").await.0, StatusCode::NOT_FOUND);
    assert_eq!(served.get("/api/delivery?number=4711").await.0, StatusCode::NOT_FOUND);
    assert_eq!(served.get("/delivery?number=x").await.0, StatusCode::BAD_REQUEST);
    for path in ["/api/history?limit=abc", "/api/history?before=-", "/api/delivery?number=x", "/api/delivery"]
    {
        let (code, text) = served.get(path).await;
        let answer: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{path}: {text}"));
        assert_eq!(code, StatusCode::BAD_REQUEST, "{path}");
        assert!(answer["error"].as_str().is_some_and(|text| text.contains("limit")), "{path}: {text}");
    }

    // Nothing can be changed.
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        let answer = served.client.request(method.clone(), format!("{}/", served.url)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(answer.headers()["allow"], "GET, HEAD");
    }
    let head = served.client.head(format!("{}/healthz", served.url)).send().await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);

    // A foreign name that resolves to this address reads nothing.
    for (host, code) in [
        ("evil.example", StatusCode::MISDIRECTED_REQUEST),
        ("127.0.0.1.evil.example", StatusCode::MISDIRECTED_REQUEST),
        ("beamshare.example.org", StatusCode::OK),
        ("localhost:1", StatusCode::OK),
    ] {
        let request = served.client.get(format!("{}/api/status", served.url)).header("host", host);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), code, "{host}");
        let text = answer.text().await.unwrap();
        assert!(code == StatusCode::OK || !text.contains("Garcia"), "{text}");
    }

    // A head without end is refused, a silent client is dropped, and the page still answers.
    let address = served.url.trim_start_matches("http://").to_owned();
    let mut long = tokio::net::TcpStream::connect(&address).await.unwrap();
    let head = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n", "x".repeat(20_000));
    let _ = long.write_all(head.as_bytes()).await;
    let mut reply = vec![];
    let read = tokio::time::timeout(LIMIT, long.read_to_end(&mut reply)).await.expect("it ends");
    assert!(read.is_err() || !String::from_utf8_lossy(&reply).contains("200 OK"));
    let mut silent = tokio::net::TcpStream::connect(&address).await.unwrap();
    silent.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let ended = tokio::time::timeout(LIMIT, silent.read_to_end(&mut reply)).await.expect("it is dropped");
    assert!(ended.is_ok() || ended.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
    assert_eq!(served.get("/").await.0, StatusCode::OK);

    // Without an IOC the service can do nothing, and a monitor is told.
    served.site.kill_ioc();
    let limit = Instant::now() + LIMIT;
    while served.get("/healthz").await.0 != StatusCode::SERVICE_UNAVAILABLE {
        assert!(Instant::now() < limit, "the monitor is told nothing");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let status = served.json("/api/status").await;
    assert_eq!(status["beamlines"][0]["condition"], "unreachable");
    assert!(served.get("/").await.1.contains("IOC unreachable"));
}

#[tokio::test]
async fn without_names_nothing_names_anybody() {
    let served = Served::with("names = false").await;
    served.site.tag(&garcia()).await;
    served.site.delivered("ana@upf.example").await;
    served.site.tag(&li()).await;
    served.site.delivered("boli@mit.example").await;
    served.site.tag(&other_li()).await;
    served.site.status("Approval").await;
    let limit = Instant::now() + LIMIT;
    while served.json("/api/status").await["beamlines"][0]["status"] != "Approval" {
        assert!(Instant::now() < limit, "the page does not show the hold");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    let mut events = served.client.get(format!("{}/events", served.url)).send().await.unwrap();
    let event = tokio::time::timeout(LIMIT, events.chunk()).await.expect("an event").unwrap().unwrap();
    let mut texts = vec![("/events", String::from_utf8_lossy(&event).into_owned())];
    for path in
        ["/", "/api/status", "/history", "/api/history", "/delivery?number=1", "/api/delivery?number=2"]
    {
        let (status, text) = served.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {text}");
        texts.push((path, text));
    }
    for (path, text) in &texts {
        for name in ["Garcia", "garcia", "ana@", "Li", "boli@", "nali@", "UPF", "contact@", "/Li"] {
            // Words of the page itself.
            let text = text.replace("Live", "").replace("link", "");
            assert!(!text.contains(name), "{path} names {name}: {text}");
        }
    }
    assert!(texts[1].1.contains("2026-03"), "what names nobody is shown");
    // A search must not tell whether somebody is there.
    let found = async |q: &str| served.json(&format!("/api/history?q={q}")).await["deliveries"].clone();
    assert_eq!(found("garcia").await.as_array().map(Vec::len), Some(0));
    assert_eq!(found("71001").await.as_array().map(Vec::len), Some(1));
}
