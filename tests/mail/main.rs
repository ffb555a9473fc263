//! Messages: made from templates, handed to a real SMTP server and to a folder.
#[path = "../support/browser.rs"]
#[allow(dead_code)]
mod browser;
#[path = "../support/mod.rs"]
mod support;

mod choices;
mod folder;
mod hostile;
mod python_tools;
mod rendered;
mod smtp;
mod templates;

use beamshare::config;
use beamshare::domain::EmailAddress;
use beamshare::mail::{ComposedMessage, MessageContext, Templates};
use mailparse::{MailHeaderMap, ParsedMail};
use std::path::Path;
use support::ioc::repository;

const ID: &str = "<7b1f8c1e-0000-4000-8000-000000000000@beamshare.example.org>";

fn email(text: &Path, html: Option<&Path>, subject: &str) -> config::Email {
    config::Email {
        pi_change_subject: "Another PI of {{ path }}".to_owned(),
        pi_change_text_template: None,
        from: "Beamline 2-BM <2bm@example.org>".parse().unwrap(),
        reply_to: None,
        telephone: None,
        facility: None,
        contacts: vec!["Staff One <one@example.org>".parse().unwrap(), "two@example.org".parse().unwrap()],
        subject: subject.to_owned(),
        text_template: text.to_owned(),
        html_template: html.map(Path::to_owned),
        choices: vec![],
        reminder: None,
        reminder_subject: "Ends on {{ expires }}".to_owned(),
        reminder_text_template: None,
        reminder_html_template: None,
        copy: None,
        transport: config::MailTransport::Folder { path: "/".into() },
    }
}

/// With the templates that `beamshare init` writes.
fn templates() -> Templates {
    let html = repository("config/message.html");
    let email =
        email(&repository("config/message.txt"), Some(&html), "Data of {{ pi_last_name }}, {{ year_month }}");
    Templates::load(&email).expect("the templates of config/")
}

fn address(text: &str) -> EmailAddress {
    text.parse().expect("an address")
}

fn message() -> ComposedMessage {
    templates().compose(&MessageContext::sample(), &address("ada@example.org"), ID).expect("a message")
}

fn header(mail: &ParsedMail, name: &str) -> String {
    let values = mail.headers.get_all_values(name);
    assert_eq!(values.len(), 1, "{name}: {values:?}");
    values[0].clone()
}

/// The part of this type.
fn part(mail: &ParsedMail, kind: &str) -> String {
    let part =
        mail.parts().find(|part| part.ctype.mimetype == kind).unwrap_or_else(|| panic!("no part {kind}"));
    part.get_body().unwrap()
}
