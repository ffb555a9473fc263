//! Mail servers that attack: every answer is bounded, and nothing that came before TLS counts after it.

use super::smtp::{Client, IN_THE_CLEAR, fails};
use super::support::smtp::Certificates;
use super::{address, message};
use beamshare::config::SmtpSecurity;
use beamshare::mail::MailErrorKind;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;

/// What sockets and buffers of both sides may hold of an answer that nobody reads any more, in bytes.
const BUFFERED: u64 = 16 << 20;

/// Serves one connection.
fn serve<T: Send + 'static>(
    conversation: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (u16, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (port, std::thread::spawn(move || conversation(listener.accept().unwrap().0)))
}

/// Sends the text without end, until the client hangs up; returns the number of bytes sent.
fn flood(mut to: impl Write, text: &str) -> u64 {
    let block = text.repeat(65_536 / text.len());
    let mut sent = 0;
    while to.write_all(block.as_bytes()).is_ok() {
        sent += block.len() as u64;
    }
    sent
}

#[tokio::test]
async fn an_endless_line_or_answer_ends_the_conversation() {
    for text in ["a", "220-more\r\n", "\0"] {
        let (port, greeting) = serve(move |mut stream| {
            stream.write_all(b"220 ").unwrap();
            flood(stream, text)
        });
        let error = fails(IN_THE_CLEAR.to(port).probe().await, MailErrorKind::TryLater, &["127.0.0.1"]);
        assert!(!error.message.contains("within"), "ended by its size, not by the time: {error}");
        let sent = greeting.join().unwrap();
        assert!(sent < BUFFERED, "{text:?}: {sent} bytes were taken");
    }
}

#[tokio::test]
async fn an_endless_answer_to_each_command_ends_the_conversation() {
    let commands = ["EHLO", "MAIL", "RCPT", "DATA", "."];
    for at in commands {
        let (port, answers) = serve(move |mut stream| {
            stream.write_all(b"220 mail.example.org\r\n").unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let mut data = false;
            while let Some(Ok(line)) = lines.next() {
                if line.starts_with(at) {
                    return flood(stream, "2");
                }
                data |= line == "DATA";
                match line.as_str() {
                    "DATA" => stream.write_all(b"354 go on\r\n").unwrap(),
                    _ if data => {}
                    _ => stream.write_all(b"250 mail.example.org\r\n").unwrap(),
                }
            }
            panic!("the client hung up before {at}");
        });
        let error = IN_THE_CLEAR.to(port).send(&message(), &address("a@b.org")).await.expect_err("no answer");
        assert!(!error.message.contains("within"), "{at}: ended by its size, not by the time: {error}");
        let sent = answers.join().unwrap();
        assert!(sent < BUFFERED, "{at}: {sent} bytes were taken");
    }
}

#[tokio::test]
async fn what_came_before_tls_is_no_answer_after_it() {
    let certificates = Certificates::for_name("IP:127.0.0.1");
    let chain = vec![CertificateDer::from_pem_file(certificates.file("cert.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(certificates.file("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let (port, commands) = serve(move |mut stream| {
        let line = |stream: &TcpStream| {
            let mut line = String::new();
            BufReader::with_capacity(1, stream).read_line(&mut line).unwrap();
            line
        };
        stream.write_all(b"220 mail.example.org\r\n").unwrap();
        assert!(line(&stream).starts_with("EHLO"));
        stream.write_all(b"250-mail.example.org\r\n250 STARTTLS\r\n").unwrap();
        assert!(line(&stream).starts_with("STARTTLS"));
        // Between the two an attacker in the network can put an answer of their own.
        stream.write_all(b"220 go on\r\n250-mail.example.org\r\n250 SIZE 1000\r\n").unwrap();
        let mut connection = rustls::ServerConnection::new(Arc::new(tls)).unwrap();
        let mut heard = vec![];
        // To the end of the conversation, which an unanswered client that waits for an answer does not go on
        // with.
        let _ = rustls::Stream::new(&mut connection, &mut stream).read_to_end(&mut heard);
        String::from_utf8_lossy(&heard).into_owned()
    });
    let client = Client {
        security: SmtpSecurity::Starttls,
        ca_file: Some(certificates.file("ca.pem")),
        ..IN_THE_CLEAR
    };
    let outcome = client.to(port).send(&message(), &address("a@b.org")).await;
    let heard = commands.join().unwrap();
    assert!(!heard.contains("MAIL"), "an injected answer was taken: {heard}");
    let error = fails(outcome, MailErrorKind::Tls, &["STARTTLS", "attack"]);
    assert!(!error.message.contains("within"), "{error}");
}
