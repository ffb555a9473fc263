//! Hosts that are dead, hang, refuse, or lack something.

use super::support::free_port;
use super::support::ioc::{python, repository};
use super::support::proxy::Proxy;
use super::support::sshd::Sshd;
use super::{path, place, says};
use beamshare::config;
use beamshare::domain::Retry;
use beamshare::places::{CreateOutcome, Home, Ownership, Place, SshPlace};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(1);
const RIGHTS: Ownership = Ownership { mode: 0o770, group: None };

fn at(sshd: &Sshd, host: &str, timeout: Duration, rights: Ownership) -> SshPlace {
    let place = config::Place { key_file: Some(sshd.key()), timeout, ..place(&sshd.top()) };
    SshPlace::new(&place, host, rights, sshd.home()).expect("a place")
}

#[tokio::test]
async fn a_dead_host_is_tried_again() {
    let sshd = Sshd::start();
    let host = format!("127.0.0.1:{}", free_port());
    let error = says(at(&sshd, &host, LIMIT, RIGHTS).make(&path("a")).await, &["refused", "Is sshd running"]);
    assert_eq!(error.retry, Retry::Backoff);
    let error = says(
        at(&sshd, "no-such-host.invalid", LIMIT, RIGHTS).make(&path("a")).await,
        &["no-such-host.invalid"],
    );
    assert_eq!(error.retry, Retry::Backoff);
}

#[tokio::test]
async fn a_host_that_accepts_and_hangs_ends_with_the_limit() {
    let sshd = Sshd::start();
    // Its kernel accepts, and nobody ever reads or writes.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = format!("127.0.0.1:{}", silent.local_addr().unwrap().port());
    let place = at(&sshd, &host, LIMIT, RIGHTS);
    for _ in 0..2 {
        let started = Instant::now();
        let error = says(place.make(&path("a")).await, &["detector", "no answer"]);
        assert_eq!(error.retry, Retry::Backoff);
        assert!(started.elapsed() < LIMIT + Duration::from_secs(1), "took {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn a_host_that_hangs_in_the_middle_ends_with_the_limit_and_is_used_again_after() {
    let sshd = Sshd::start();
    let proxy = Proxy::to(sshd.port);
    sshd.know(&format!("[127.0.0.1]:{}", proxy.port), "ed25519");
    let host = format!("{}@127.0.0.1:{}", sshd.user, proxy.port);
    // How many bytes a whole call takes that makes one directory, as those below do.
    const MANY: u64 = 1 << 40;
    proxy.stop_after(MANY);
    at(&sshd, &host, Duration::from_secs(20), RIGHTS).make(&path("2026-03")).await.unwrap();
    proxy.stop_after(MANY);
    at(&sshd, &host, Duration::from_secs(20), RIGHTS).make(&path("2026-03/Li")).await.unwrap();
    let whole = proxy.passed_of(MANY);
    // Stopped at twelve moments: greeting, key exchange, sign-in, SFTP.
    for cut in 0..12 {
        let place = at(&sshd, &host, LIMIT, RIGHTS);
        let part = path(&format!("2026-03/cut-{cut:02}"));
        proxy.stop_after(whole * cut / 12);
        let started = Instant::now();
        let error = place.make(&part).await.expect_err("an error");
        assert_eq!(error.retry, Retry::Backoff, "{error}");
        assert!(started.elapsed() < LIMIT + Duration::from_secs(1), "took {:?}: {error}", started.elapsed());
        proxy.go_on();
        // CreateOutcome, or already there from the first try.
        let again = at(&sshd, &host, Duration::from_secs(20), RIGHTS).make(&part).await;
        assert!(again.is_ok(), "{again:?}");
        assert_eq!(super::mode(&sshd.top().join(part.as_str())), 0o770);
    }
}

#[tokio::test]
async fn a_kept_session_that_the_host_ended_is_replaced() {
    let sshd = Sshd::start();
    sshd.know_itself();
    let place = at(&sshd, &sshd.host(), Duration::from_secs(20), RIGHTS);
    assert_eq!(place.make(&path("a")).await, Ok(CreateOutcome::Created));
    sshd.end_sessions();
    assert_eq!(place.make(&path("b")).await, Ok(CreateOutcome::Created));
    assert_eq!(sshd.log().matches("Accepted publickey").count(), 2);
}

#[tokio::test]
async fn what_the_host_lacks_is_named() {
    let sshd = Sshd::start();
    sshd.know_itself();
    let limit = Duration::from_secs(20);
    let group = Ownership { mode: 0o770, group: Some("no-such-group".to_owned()) };
    let error =
        says(at(&sshd, &sshd.host(), limit, group).probe().await, &["no-such-group", "/etc/group", "number"]);
    assert_eq!(error.retry, Retry::Never);
    let place = config::Place { key_file: Some(sshd.key()), ..place(Path::new("/no/such/top")) };
    let place = SshPlace::new(&place, &sshd.host(), RIGHTS, sshd.home()).unwrap();
    let error = says(place.make(&path("a")).await, &["/no/such/top does not exist there"]);
    assert_eq!(error.retry, Retry::Never);

    let read_only = Sshd::with("Subsystem sftp internal-sftp -R");
    read_only.know_itself();
    let error =
        says(at(&read_only, &read_only.host(), limit, RIGHTS).make(&path("a")).await, &["permission denied"]);
    assert_eq!(error.retry, Retry::Never);
    says(at(&read_only, &read_only.host(), limit, RIGHTS).probe().await, &["permission denied"]);

    let no_sftp = Sshd::with("");
    no_sftp.know_itself();
    let error = says(
        at(&no_sftp, &no_sftp.host(), limit, RIGHTS).make(&path("a")).await,
        &["has no SFTP", "Subsystem"],
    );
    assert_eq!(error.retry, Retry::Never);
}

#[test]
fn a_host_that_is_none_is_refused_at_once() {
    let home = Home { directory: "/".into(), agent: None, machine_known_hosts: "/none".into() };
    for host in ["", "a b", "tomo@", "pg16:port", "-oProxyCommand=touch"] {
        assert!(
            SshPlace::new(&place(Path::new("/data")), host, RIGHTS, home.clone()).is_err(),
            "{host:?} was taken"
        );
    }
}

/// A server that takes a password, which OpenSSH's takes only for accounts of the machine.
struct PasswordServer {
    child: Child,
    port: u16,
}

impl PasswordServer {
    fn start(sshd: &Sshd, method: &str) -> Self {
        let mut child = Command::new(python())
            .arg(repository("tests/support/password_sshd.py"))
            .arg(sshd.file("host_ed25519"))
            .arg(method)
            .stdout(Stdio::piped())
            .spawn()
            .expect("python");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        PasswordServer { child, port: line.trim().parse().expect("the server's port") }
    }
}

impl Drop for PasswordServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn signs_in_by_the_password_file() {
    let sshd = Sshd::start();
    for method in ["password", "keyboard-interactive"] {
        let server = PasswordServer::start(&sshd, method);
        sshd.know(&format!("[127.0.0.1]:{}", server.port), "ed25519");
        let file = sshd.file("password");
        let host = format!("tomo@127.0.0.1:{}", server.port);
        let with = |text: &str, mode: u32| {
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            let place = config::Place { password_file: Some(file.clone()), ..place(&sshd.top()) };
            SshPlace::new(&place, &host, RIGHTS, sshd.home()).unwrap()
        };
        let made = with("open sesame\n", 0o600).make(&path(method)).await;
        assert_eq!(made, Ok(CreateOutcome::Created), "{method}");
        let error = says(
            with("wrong-one\n", 0o600).make(&path("b")).await,
            &["can't sign in", "password of", "was refused"],
        );
        assert_eq!(error.retry, Retry::Never);
        assert!(!error.message.contains("wrong-one"));
        let error = says(with("open sesame\n", 0o644).make(&path("b")).await, &["chmod 600"]);
        assert!(!error.message.contains("sesame"));
    }
}
