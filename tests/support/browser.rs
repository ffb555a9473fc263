//! A real headless Chromium, driven by its own chromedriver (W3C WebDriver).

use crate::support::free_port;
use crate::support::ioc::repository;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// For whatever is waited for: long, since a failure is all that ends it.
const LIMIT: Duration = Duration::from_secs(60);

/// The screen of a browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// 390 × 844, as a phone shows it
    Phone,
    /// 1280 × 900
    Desktop,
}

pub struct Browser {
    client: Client,
    /// The address of the session
    session: String,
    driver: Child,
    _profile: TempDir,
}

impl Browser {
    /// A browser without a page. `dark` is the colour scheme that the reader prefers.
    pub async fn start(screen: Screen, dark: bool) -> Browser {
        let profile = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("chromedriver: {error}; apt install chromium chromium-driver"));
        let (width, height) = match screen {
            Screen::Phone => (390, 844),
            Screen::Desktop => (1280, 900),
        };
        let mut arguments = vec![
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--hide-scrollbars".to_owned(),
            format!("--window-size={width},{height}"),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        arguments.extend(dark.then(|| "--force-dark-mode".to_owned()));
        let mut options = json!({ "args": arguments });
        if screen == Screen::Phone {
            let metrics = json!({ "width": width, "height": height, "pixelRatio": 2.0, "touch": true });
            options["mobileEmulation"] = json!({ "deviceMetrics": metrics });
        }
        let capabilities =
            json!({ "alwaysMatch": { "browserName": "chrome", "goog:chromeOptions": options } });
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().timeout(LIMIT).build().expect("a client");
        let sessions = format!("http://127.0.0.1:{port}/session");
        let limit = Instant::now() + LIMIT;
        let mut browser = Browser { client, session: sessions, driver, _profile: profile };
        loop {
            match browser.command(Method::POST, "", json!({ "capabilities": capabilities })).await {
                Ok(session) => {
                    browser.session += &format!("/{}", session["sessionId"].as_str().expect("its id"));
                    return browser;
                }
                // chromedriver does not listen yet.
                Err(error) => assert!(Instant::now() < limit, "no browser: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// A command of the session, and its value.
    async fn command(&self, method: Method, path: &str, body: Value) -> Result<Value, String> {
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.session));
        if method == Method::POST {
            request = request.json(&body);
        }
        let answer = request.send().await.map_err(|error| error.to_string())?;
        let (status, mut document) =
            (answer.status(), answer.json::<Value>().await.map_err(|error| error.to_string())?);
        if status.is_success() {
            Ok(document["value"].take())
        } else {
            Err(document["value"]["message"].to_string())
        }
    }

    pub async fn open(&self, url: &str) {
        let opened = self.command(Method::POST, "/url", json!({ "url": url })).await;
        opened.unwrap_or_else(|error| panic!("{url}: {error}"));
    }

    /// The value of an expression in the page.
    pub async fn value(&self, expression: &str) -> Value {
        let script = json!({ "script": format!("return {expression};"), "args": [] });
        let value = self.command(Method::POST, "/execute/sync", script).await;
        value.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// The text of the page as a reader sees it.
    pub async fn text(&self) -> String {
        self.value("document.body.innerText").await.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an expression is true in the page, without loading it again.
    pub async fn until(&self, expression: &str) {
        let limit = Instant::now() + LIMIT;
        while self.value(&format!("Boolean({expression})")).await != true {
            if Instant::now() > limit {
                panic!("{expression} is not true; the page reads:\n{}", self.text().await);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Fails where a reader would have to scroll sideways.
    pub async fn fits(&self) {
        let widths = self.value("[document.documentElement.scrollWidth, window.innerWidth]").await;
        assert!(widths[0].as_i64() <= widths[1].as_i64(), "the page is wider than the screen: {widths}");
    }

    /// The screen as a PNG in docs/img, where BEAMSHARE_PICTURES is set (`make pictures`).
    pub async fn picture(&self, name: &str) {
        let png = self.command(Method::GET, "/screenshot", Value::Null).await;
        let png = png.unwrap_or_else(|error| panic!("{name}: {error}"));
        let png = BASE64_STANDARD.decode(png.as_str().expect("base64")).expect("base64");
        assert!(png.len() > 5_000, "{name} shows something");
        if std::env::var_os("BEAMSHARE_PICTURES").is_some() {
            std::fs::write(repository(Path::new("docs/img").join(name).to_str().expect("UTF-8")), png)
                .expect("a picture");
        }
    }
}

impl Drop for Browser {
    /// Ends the session, also after a panic: chromedriver leaves its browser running when it is killed.
    fn drop(&mut self) {
        let _ = end_session(&self.session);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Ends a session without a runtime, and waits for the answer.
fn end_session(session: &str) -> std::io::Result<()> {
    let (host, path) = session.trim_start_matches("http://").split_once('/').unwrap_or((session, ""));
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(LIMIT))?;
    write!(stream, "DELETE /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    stream.read(&mut [0; 1024]).map(drop)
}
