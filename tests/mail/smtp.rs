use super::support::free_port;
use super::support::smtp::{Certificates, SmtpServer};
use super::{ID, address, header, message};
use beamshare::config::{MailTransport, Smtp, SmtpSecurity};
use beamshare::domain::Retry;
use beamshare::mail::{MailError, MailErrorKind, Mailer};
use mailparse::parse_mail;
use serde_json::{Value, json};
use std::fmt::Debug;
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const REPEAT_AFTER: Duration = Duration::from_secs(1800);
const PASSWORD: &str = "correct horse battery";

pub(super) struct Client<'a> {
    pub(super) security: SmtpSecurity,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) login: Option<(&'a str, &'a Path)>,
    pub(super) timeout: Duration,
}

pub(super) const IN_THE_CLEAR: Client =
    Client { security: SmtpSecurity::None, ca_file: None, login: None, timeout: Duration::from_secs(20) };

impl Client<'_> {
    pub(super) fn to(&self, port: u16) -> Mailer {
        Mailer::new(&MailTransport::Smtp(Smtp {
            host: "127.0.0.1".to_owned(),
            port: Some(port),
            security: self.security,
            ca_file: self.ca_file.clone(),
            user: self.login.map(|(user, _)| user.to_owned()),
            password_file: self.login.map(|(_, file)| file.to_owned()),
            timeout: self.timeout,
            accept_timeout: self.timeout,
            repeat_after: REPEAT_AFTER,
        }))
        .expect("a mailer")
    }
}

fn server(security: &str, certificates: &Certificates, more: Value) -> SmtpServer {
    let mut settings = json!({"security": security, "cert": certificates.file("cert.pem"), "key": certificates.file("key.pem")});
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    SmtpServer::start(&settings)
}

fn plain_server(more: Value) -> SmtpServer {
    let mut settings = json!({"security": "none"});
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    SmtpServer::start(&settings)
}

fn password_file(folder: &Path, password: &str) -> PathBuf {
    let file = folder.join("password");
    fs::write(&file, format!("{password}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    file
}

#[track_caller]
pub(super) fn fails<T: Debug>(
    result: Result<T, MailError>,
    kind: MailErrorKind,
    parts: &[&str],
) -> MailError {
    let error = result.expect_err("an error");
    assert_eq!(error.kind, kind, "{error}");
    for part in parts {
        assert!(error.message.contains(part), "{:?} does not say {part:?}", error.message);
    }
    error
}

#[tokio::test]
async fn delivers_in_the_clear_by_starttls_and_by_tls_with_and_without_login() {
    let certificates = Certificates::for_name("IP:127.0.0.1");
    let folder = tempfile::tempdir().unwrap();
    let file = password_file(folder.path(), PASSWORD);
    let modes =
        [("none", SmtpSecurity::None), ("starttls", SmtpSecurity::Starttls), ("tls", SmtpSecurity::Tls)];
    for (name, security) in modes {
        for login in [None, Some(("2bm", file.as_path()))] {
            let settings = login.map_or(json!({}), |(user, _)| json!({"login": [user, PASSWORD]}));
            let server = server(name, &certificates, settings);
            let ca_file = Some(certificates.file("ca.pem"));
            let mailer = Client { security, ca_file, login, ..IN_THE_CLEAR }.to(server.port);
            let said = mailer.probe().await.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(said.contains("takes mail"), "{said}");
            assert_eq!(server.received().len(), 0);
            let message = message();
            let accepted = mailer.send(&message, &address("ada@example.org")).await.unwrap();
            assert_eq!(accepted.server_reply, "250 2.0.0 queued as 4F2");
            let received = server.take(1);
            assert_eq!(received[0].from, "2bm@example.org");
            assert_eq!(received[0].to, ["ada@example.org"]);
            assert_eq!(received[0].tls, security != SmtpSecurity::None, "{name}");
            assert_eq!(received[0].user.as_deref(), login.map(|(user, _)| user));
            assert!(received[0].bytes == message.bytes, "{}", String::from_utf8_lossy(&received[0].bytes));
            assert_eq!(header(&parse_mail(&received[0].bytes).unwrap(), "Message-ID"), ID);
        }
    }
}

#[tokio::test]
async fn one_of_three_is_refused_and_the_others_get_theirs_on_one_connection() {
    let server = plain_server(json!({"answers": {"gone@example.org": "550 5.1.1 no such user here"}}));
    let mailer = IN_THE_CLEAR.to(server.port);
    let message = message();
    mailer.send(&message, &address("ada@example.org")).await.unwrap();
    let refused = mailer.send(&message, &address("gone@example.org")).await;
    let error =
        fails(refused, MailErrorKind::RefusedRecipient, &["gone@example.org", "550 5.1.1 no such user here"]);
    assert_eq!(error.retry(), Retry::Never);
    mailer.send(&message, &address("one@example.org")).await.unwrap();
    let to: Vec<String> = server.take(2).into_iter().flat_map(|message| message.to).collect();
    assert_eq!(to, ["ada@example.org", "one@example.org"]);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let cases = [
        (json!({"ada@example.org": "450 4.2.0 greylisted"}), MailErrorKind::TryLater, "450 4.2.0 greylisted"),
        (
            json!({"DATA": "554 5.7.1 looks like spam"}),
            MailErrorKind::RefusedMessage,
            "554 5.7.1 looks like spam",
        ),
        (json!({"DATA": "452 4.3.1 disk full"}), MailErrorKind::TryLater, "452 4.3.1 disk full"),
        (json!({"MAIL": "553 5.7.1 not your address"}), MailErrorKind::RefusedMessage, "email.from"),
    ];
    for (answers, kind, words) in cases {
        let server = plain_server(json!({"answers": answers}));
        let mailer = IN_THE_CLEAR.to(server.port);
        let error = fails(mailer.send(&message(), &address("ada@example.org")).await, kind, &[words]);
        assert_eq!(error.retry() == Retry::Backoff, kind == MailErrorKind::TryLater);
        assert_eq!(server.received().len(), 0);
    }
}

#[tokio::test]
async fn a_wrong_login_is_told_without_the_password() {
    let folder = tempfile::tempdir().unwrap();
    let file = password_file(folder.path(), "not the password");
    let server = plain_server(json!({"login": ["2bm", PASSWORD]}));
    let mailer = Client { login: Some(("2bm", &file)), ..IN_THE_CLEAR }.to(server.port);
    for result in
        [mailer.probe().await.map(|_| ()), mailer.send(&message(), &address("a@b.org")).await.map(|_| ())]
    {
        let error = fails(result, MailErrorKind::LoginRefused, &["login is refused", "535", "password_file"]);
        assert!(!error.message.contains("not the password"));
    }
    // A corrected file counts at the next try.
    password_file(folder.path(), PASSWORD);
    mailer.send(&message(), &address("a@b.org")).await.unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    fails(mailer.probe().await, MailErrorKind::Setup, &["chmod 600"]);
    // A server without logins.
    let server = plain_server(json!({}));
    password_file(folder.path(), PASSWORD);
    let mailer = Client { login: Some(("2bm", &file)), ..IN_THE_CLEAR }.to(server.port);
    fails(mailer.probe().await, MailErrorKind::LoginRefused, &["offers no login"]);
}

#[tokio::test]
async fn the_log_at_its_finest_does_not_hold_the_password() {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _until_the_end = tracing::subscriber::set_default(subscriber);
    tracing::info!("the log is on");
    let folder = tempfile::tempdir().unwrap();
    let file = password_file(folder.path(), PASSWORD);
    let server = plain_server(json!({"login": ["2bm", PASSWORD]}));
    Client { login: Some(("2bm", &file)), ..IN_THE_CLEAR }.to(server.port).probe().await.unwrap();
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("the log is on"));
    let encode = |text: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(text)
    };
    for secret in [PASSWORD.to_owned(), encode(PASSWORD), encode(&format!("\0{}\0{PASSWORD}", "2bm"))] {
        assert!(!text.contains(&secret), "{text}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_ends_with_the_limit() {
    let limit = Duration::from_secs(1);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let servers = ["greeting", "RCPT", "DATA"].map(|at| plain_server(json!({"hang_at": at})));
    let [greeting, recipient, data] = servers.each_ref().map(|server| server.port);
    let unclear = MailErrorKind::Unclear { pause: REPEAT_AFTER };
    let cases = [
        (greeting, MailErrorKind::TryLater, Retry::Backoff),
        (recipient, MailErrorKind::TryLater, Retry::Backoff),
        (silent.local_addr().unwrap().port(), MailErrorKind::TryLater, Retry::Backoff),
        // The text was sent: the server may have accepted it.
        (data, unclear, Retry::Sparse(REPEAT_AFTER)),
    ];
    for (port, kind, retry) in cases {
        let mailer = Client { timeout: limit, ..IN_THE_CLEAR }.to(port);
        let started = Instant::now();
        let error = fails(mailer.send(&message(), &address("a@b.org")).await, kind, &["within 1s"]);
        assert_eq!(error.retry(), retry);
        assert!(started.elapsed() < limit + Duration::from_secs(1), "took {:?}", started.elapsed());
    }
    let tls = Client { timeout: limit, security: SmtpSecurity::Tls, ..IN_THE_CLEAR };
    fails(tls.to(silent.local_addr().unwrap().port()).probe().await, MailErrorKind::TryLater, &["within 1s"]);
}

#[tokio::test]
async fn a_dead_server_is_tried_again() {
    let mailer = IN_THE_CLEAR.to(free_port());
    let error = fails(
        mailer.send(&message(), &address("a@b.org")).await,
        MailErrorKind::TryLater,
        &["refused", "Is it up"],
    );
    assert_eq!(error.retry(), Retry::Backoff);
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_replaced() {
    let server = plain_server(json!({"drop": true}));
    let mailer = IN_THE_CLEAR.to(server.port);
    for _ in 0..3 {
        mailer.send(&message(), &address("ada@example.org")).await.unwrap();
    }
    assert_eq!(server.take(3).len(), 3);
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn nothing_is_sent_where_the_connection_can_not_be_trusted() {
    let good = Certificates::for_name("IP:127.0.0.1");
    let other = Certificates::for_name("DNS:other.example.org");
    let ca = |certificates: &Certificates| Some(certificates.file("ca.pem"));
    for (name, security) in [("starttls", SmtpSecurity::Starttls), ("tls", SmtpSecurity::Tls)] {
        let unknown = server(name, &good, json!({}));
        let mailer = Client { security, ..IN_THE_CLEAR }.to(unknown.port);
        let error =
            fails(mailer.send(&message(), &address("a@b.org")).await, MailErrorKind::Tls, &["ca_file"]);
        assert_eq!(error.retry(), Retry::Never);
        let mailer = Client { security, ca_file: ca(&other), ..IN_THE_CLEAR }.to(unknown.port);
        fails(mailer.probe().await, MailErrorKind::Tls, &["ca_file"]);
        let misnamed = server(name, &other, json!({}));
        let mailer = Client { security, ca_file: ca(&other), ..IN_THE_CLEAR }.to(misnamed.port);
        fails(
            mailer.send(&message(), &address("a@b.org")).await,
            MailErrorKind::Tls,
            &["name that is in the certificate"],
        );
        assert_eq!(unknown.received().len() + misnamed.received().len(), 0);
    }
    // A certificate signed by itself is trusted where the configuration says so, and where it is no
    // authority's.
    for authority in [false, true] {
        let own = Certificates::self_signed("IP:127.0.0.1", authority);
        let server = server("tls", &own, json!({}));
        let ca_file = Some(own.file("cert.pem"));
        let probed =
            Client { security: SmtpSecurity::Tls, ca_file, ..IN_THE_CLEAR }.to(server.port).probe().await;
        if authority {
            fails(probed, MailErrorKind::Tls, &["CA:FALSE"]);
        } else {
            assert!(probed.is_ok(), "{probed:?}");
        }
    }
    // An active attacker strips STARTTLS: nothing goes out in the clear.
    let plain = plain_server(json!({}));
    let mailer =
        Client { security: SmtpSecurity::Starttls, ca_file: ca(&good), ..IN_THE_CLEAR }.to(plain.port);
    fails(mailer.send(&message(), &address("a@b.org")).await, MailErrorKind::Tls, &["no STARTTLS"]);
    let mailer = Client { security: SmtpSecurity::Tls, ca_file: ca(&good), ..IN_THE_CLEAR }.to(plain.port);
    fails(mailer.send(&message(), &address("a@b.org")).await, MailErrorKind::Tls, &["starttls"]);
    assert_eq!(plain.received().len(), 0);
}

#[test]
fn a_certificate_file_that_holds_none_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for text in ["", "no certificate"] {
        let file = folder.path().join("ca.pem");
        fs::write(&file, text).unwrap();
        let transport = MailTransport::Smtp(Smtp {
            host: "mail.example.org".to_owned(),
            port: None,
            security: SmtpSecurity::Starttls,
            ca_file: Some(file),
            user: None,
            password_file: None,
            timeout: Duration::from_secs(1),
            accept_timeout: Duration::from_secs(1),
            repeat_after: REPEAT_AFTER,
        });
        let error = Mailer::new(&transport).err().expect("an error");
        assert!(error.message.contains("ca.pem"), "{error}");
    }
}
