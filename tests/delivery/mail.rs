//! A mail server (aiosmtpd) that refuses, and one that is away.

use crate::beamline::{Beamline, CONTACT, PI, Running, accept, assert_done, deliver, li, run};
use crate::support::free_port;
use crate::support::smtp::{Received, SmtpServer};
use beamshare::delivery::{Options, Outcome};
use beamshare::domain::{Step, StepStatus};
use beamshare::journal::{Cause, MessageState};
use serde_json::json;

/// A beamline with two contacts that mails by this port.
async fn beamline(port: u16) -> Beamline {
    with_limits(port, "").await
}

/// The same with these further keys of `[email.transport.smtp]`.
async fn with_limits(port: u16, limits: &str) -> Beamline {
    let server = format!(
        "[email.transport.smtp]\nhost = \"127.0.0.1\"\nport = {port}\nsecurity = \"none\"\n{limits}\n"
    );
    let changes = [
        ("[email.transport.folder]\npath = \"outbox\"\n", server.as_str()),
        ("\"Contact <contact@example.org>\"", "\"Contact <contact@example.org>\", \"gone@example.org\""),
    ];
    Beamline::with(&changes, |collection| collection).await
}

fn recipients(received: &[Received]) -> Vec<String> {
    let mut recipients: Vec<_> = received.iter().flat_map(|message| message.to.clone()).collect();
    recipients.sort();
    recipients
}

fn message_id(message: &Received) -> String {
    let text = String::from_utf8_lossy(&message.bytes).into_owned();
    text.lines().find_map(|line| line.strip_prefix("Message-ID: ")).unwrap().to_owned()
}

#[tokio::test]
async fn one_refused_of_three_stops_nobody_else_and_is_named() {
    let refusal = "550 5.1.1 no such user here";
    let server = SmtpServer::start(&json!({"security": "none", "answers": {"gone@example.org": refusal}}));
    let beamline = beamline(server.port).await;
    let deliverer = beamline.deliverer().await;
    let (id, outcome, report) = deliver(&deliverer, &li(PI, "1234")).await;
    let Outcome::Failed { message } = outcome else { panic!("{outcome:?}") };
    assert!(message.contains("gone@example.org") && message.contains("no such user here"), "{message}");
    assert_eq!(report.steps[&Step::Email].0, StepStatus::Failed);
    assert_eq!((report.emails_sent, report.emails_failed), (2, 1));
    assert_eq!(recipients(&server.take(2)), [PI, CONTACT]);
    let rows = deliverer.journal().messages(id).await.unwrap();
    let state = |who: &str| rows.iter().find(|row| row.recipient.as_str().eq_ignore_ascii_case(who)).unwrap();
    assert_eq!(state(PI).state, MessageState::Sent);
    assert_eq!(state("gone@example.org").state, MessageState::Refused);
    assert!(state("gone@example.org").server_reply.contains(refusal), "{rows:?}");
    let row = deliverer.journal().experiment(id).await.unwrap().unwrap();
    let recalled = deliverer.report_of(&row).await.unwrap();
    assert_eq!((recalled.emails_sent, recalled.emails_failed), (2, 1), "{recalled:#?}");

    // Run tries the refused one again, under its Message-ID, and nobody else.
    let other = SmtpServer::start(&json!({"security": "none"}));
    let file = beamline.path("beamshare.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        text.replace(&format!("port = {}", server.port), &format!("port = {}", other.port)),
    )
    .unwrap();
    let (outcome, report) = run(&beamline.deliverer().await, id, &Options::all(Cause::Run, "test")).await;
    assert_done(&outcome, &report);
    assert_eq!((report.emails_sent, report.emails_failed), (3, 0));
    let now = other.take(1);
    assert_eq!(recipients(&now), ["gone@example.org"]);
    assert_eq!(message_id(&now[0]), message_id(&server.received()[0]));
}

#[tokio::test]
async fn a_server_that_answers_late_gets_each_message_once() {
    let server = SmtpServer::start(&json!({"security": "none", "slow": 3}));
    let beamline = with_limits(server.port, "timeout = \"1s\"").await;
    let (_, outcome, report) = deliver(&beamline.deliverer().await, &li(PI, "1234")).await;
    assert_done(&outcome, &report);
    assert_eq!(recipients(&server.received()), [PI, CONTACT, "gone@example.org"]);
}

#[tokio::test]
async fn a_message_that_the_server_may_have_accepted_is_repeated_twice_under_its_message_id() {
    let server = SmtpServer::start(&json!({"security": "none", "mute": true}));
    let beamline = with_limits(server.port, "accept_timeout = \"500ms\"\nrepeat_after = \"100ms\"").await;
    let (_, outcome, _) = deliver(&beamline.deliverer().await, &li(PI, "1234")).await;
    let Outcome::Failed { message } = outcome else { panic!("{outcome:?}") };
    assert!(
        message.contains("unclear whether the mail server has accepted") && message.contains("3 attempts"),
        "{message}"
    );
    let received = server.received();
    assert_eq!(received.len(), 9, "{:?}", recipients(&received));
    let mut ids: Vec<_> = received.iter().map(message_id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 1, "the contacts' copies are of the PI's message");
}

#[tokio::test]
async fn a_mail_server_that_is_away_is_waited_for() {
    let port = free_port();
    let beamline = beamline(port).await;
    let deliverer = beamline.deliverer().await;
    let id = accept(&deliverer, &deliverer.plan(&li(PI, "1234")).await.unwrap()).await;
    let mut running = Running::start(&deliverer, id, |_| {});
    running.shows("next try at").await;
    assert_eq!(running.report.borrow().users_shared, 2, "the sharing doesn't wait for it");
    let server = SmtpServer::start(&json!({"security": "none", "port": port}));
    let report = running.report.clone();
    running.controller.hurry();
    assert_done(&running.ends().await, &report.borrow());
    assert_eq!(recipients(&server.take(3)), [PI, CONTACT, "gone@example.org"]);
}

#[tokio::test]
async fn a_server_that_takes_the_message_and_drops_the_connection_does_not_get_it_twice() {
    let server = SmtpServer::start(&json!({"security": "none", "drop": true}));
    let beamline = beamline(server.port).await;
    let deliverer = beamline.deliverer().await;
    let (_, outcome, report) = deliver(&deliverer, &li(PI, "1234")).await;
    assert_done(&outcome, &report);
    let received = server.received();
    let mut ids: Vec<_> = received.iter().map(message_id).collect();
    ids.dedup();
    assert_eq!(ids.len(), 1, "one message, whoever gets a copy");
}
