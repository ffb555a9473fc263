//! An SMTP server on loopback for one test (PyPI `aiosmtpd`), with certificates made by openssl.

use super::ioc::{python, repository};
use base64::Engine as _;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

/// The server.
pub struct SmtpServer {
    child: Child,
    pub port: u16,
    events: Arc<Mutex<Vec<Value>>>,
}

/// A message as the server took it.
pub struct Received {
    pub bytes: Vec<u8>,
    pub from: String,
    pub to: Vec<String>,
    pub tls: bool,
    pub user: Option<String>,
}

impl Received {
    /// Its Message-ID.
    pub fn id(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        text.lines().find_map(|line| line.strip_prefix("Message-ID: ")).unwrap_or_default().trim().to_owned()
    }
}

impl SmtpServer {
    /// The settings are those of tests/support/smtp_server.py.
    pub fn start(settings: &Value) -> Self {
        let mut child = Command::new(python())
            .arg(repository("tests/support/smtp_server.py"))
            .arg(settings.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python");
        let (ready, started) = mpsc::channel();
        let events: Arc<Mutex<Vec<Value>>> = Arc::default();
        let (kept, lines) = (Arc::clone(&events), BufReader::new(child.stdout.take().expect("stdout")));
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let event: Value = serde_json::from_str(&line).expect("the server's event");
                if let Some(port) = event["port"].as_u64() {
                    let _ = ready.send(port);
                }
                kept.lock().unwrap().push(event);
            }
        });
        let port = started.recv_timeout(Duration::from_secs(30)).expect("the SMTP server's port");
        SmtpServer { child, port: port.try_into().unwrap(), events }
    }

    /// Changes its settings; those that are not named are the usual ones from now on.
    pub fn change(&self, settings: &Value) {
        let mut stdin = self.child.stdin.as_ref().expect("a pipe");
        writeln!(stdin, "{settings}").expect("the SMTP server reads its settings");
    }

    /// What it has taken so far. It tells of a message before it answers for it.
    pub fn received(&self) -> Vec<Received> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let events = self.events.lock().unwrap();
        let messages = events.iter().filter_map(|event| Some((event, event["message"].as_str()?)));
        let received = messages.map(|(event, encoded)| Received {
            bytes: base64::engine::general_purpose::STANDARD.decode(encoded).expect("base64"),
            from: text(&event["from"]).unwrap(),
            to: event["to"].as_array().unwrap().iter().filter_map(text).collect(),
            tls: event["tls"].as_bool().unwrap(),
            user: text(&event["user"]),
        });
        received.collect()
    }

    /// Waits until it has taken this many messages.
    pub fn take(&self, count: usize) -> Vec<Received> {
        super::until("messages at the SMTP server", || self.received().len() >= count);
        self.received()
    }

    /// How many connections were made to it.
    pub fn connections(&self) -> usize {
        self.events.lock().unwrap().iter().filter(|event| event["connection"] == true).count()
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An authority and a server's certificate signed by it.
pub struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    /// For this name or address (`DNS:mail.example.org`, `IP:127.0.0.1`).
    pub fn for_name(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder for certificates");
        let certificates = Certificates { folder };
        openssl(
            certificates.folder.path(),
            &[
                "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem",
                "req -newkey rsa:2048 -nodes -subj /CN=mail -keyout key.pem -out mail.csr",
            ],
        );
        std::fs::write(certificates.file("extensions"), format!("subjectAltName={name}\n")).unwrap();
        openssl(
            certificates.folder.path(),
            &["x509 -req -in mail.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile \
               extensions -out cert.pem"],
        );
        certificates
    }

    /// Signed by itself, as openssl makes one where nobody says more, or marked as no authority.
    pub fn self_signed(name: &str, authority: bool) -> Self {
        let certificates = Certificates { folder: tempfile::tempdir().expect("a folder for certificates") };
        let basic = if authority { "TRUE" } else { "FALSE" };
        openssl(
            certificates.folder.path(),
            &[&format!(
                "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=mail -addext subjectAltName={name} \
                 -addext basicConstraints=critical,CA:{basic} -keyout key.pem -out cert.pem"
            )],
        );
        certificates
    }

    /// `ca.pem`, `cert.pem` or `key.pem`
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn openssl(folder: &Path, commands: &[&str]) {
    for command in commands {
        let done =
            Command::new("openssl").args(command.split(' ')).current_dir(folder).output().expect("openssl");
        assert!(done.status.success(), "openssl {command}: {}", String::from_utf8_lossy(&done.stderr));
    }
}
