//! Other words for some experiments, and what all words know.

use super::{ID, address, email};
use beamshare::config::{Email, MessageChoice};
use beamshare::mail::{MessageContext, Templates};
use mailparse::{MailHeaderMap, parse_mail};
use std::fs;
use std::path::{Path, PathBuf};

fn choice(when: &str, subject: Option<&str>, text: Option<&Path>) -> MessageChoice {
    let (subject, text_template) = (subject.map(str::to_owned), text.map(Path::to_owned));
    MessageChoice { when: when.to_owned(), subject, text_template, html_template: None }
}

/// Subject, type and text of the message for this kind of proposal.
fn said(templates: &Templates, kind: &str) -> (String, String, String) {
    let context = MessageContext { proposal_type: kind.to_owned(), ..MessageContext::sample() };
    let message = templates.compose(&context, &address("ada@example.org"), ID).unwrap();
    let mail = parse_mail(&message.bytes).unwrap();
    let text = mail.parts().find(|part| part.ctype.mimetype == "text/plain").unwrap().get_body().unwrap();
    (
        mail.headers.get_first_value("Subject").unwrap(),
        mail.ctype.mimetype.clone(),
        text.trim_end().to_owned(),
    )
}

fn with_choices(folder: &Path, choices: Vec<MessageChoice>) -> Email {
    let file = |name: &str, text: &str| -> PathBuf {
        fs::write(folder.join(name), text).unwrap();
        folder.join(name)
    };
    let (text, html) = (file("message.txt", "Dear users"), file("message.html", "<p>Dear users</p>"));
    file("commissioning.txt", "Dear staff of {{ beamline }}");
    Email { choices, ..email(&text, Some(&html), "Your data") }
}

#[test]
fn the_first_choice_that_is_true_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("commissioning.txt");
    let choices = vec![
        choice("proposal_type == 'commissioning'", Some("Commissioning {{ year_month }}"), Some(&other)),
        choice("proposal_type in ['commissioning', 'PUP'] and users | length > 1", Some("Proprietary"), None),
    ];
    let templates = Templates::load(&with_choices(folder.path(), choices)).unwrap();
    let text = |text: &str| text.to_owned();
    let commissioning = (text("Commissioning 2026-03"), text("text/plain"), text("Dear staff of 2-BM"));
    assert_eq!(said(&templates, "commissioning"), commissioning, "its text goes without the others' HTML");
    assert_eq!(
        said(&templates, "PUP"),
        (text("Proprietary"), text("multipart/alternative"), text("Dear users"))
    );
    assert_eq!(
        said(&templates, "GUP"),
        (text("Your data"), text("multipart/alternative"), text("Dear users"))
    );
}

#[test]
fn a_wrong_choice_is_told_with_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.txt");
    fs::write(&broken, "Dear\n{{ nobody }}").unwrap();
    for (wrong, key, told) in [
        (choice("proposal_type =", None, None), "when", "syntax error"),
        (choice("proposal_kind == 'x'", None, None), "when", "proposal_kind"),
        (choice("proposal_kind", None, None), "when", "proposal_kind"),
        (choice("esaf | nofilter", None, None), "when", "nofilter"),
        (choice("esaf", Some("{{ nobody }}"), None), "subject", "nobody"),
        (choice("esaf", None, Some(&broken)), "text_template", "broken.txt:2"),
        (choice("esaf", None, Some(Path::new("/nonexistent"))), "text_template", "can't read"),
    ] {
        let when = wrong.when.clone();
        let settings = with_choices(folder.path(), vec![choice("esaf", None, None), wrong]);
        let error = Templates::load(&settings).expect_err(&when);
        let (table, name) = error.key.expect("where it stands");
        assert_eq!(table.path(name), format!("email.choices[1].{key}"), "{error}");
        assert!(error.message.contains(told), "{error}");
    }
}

#[test]
fn everything_that_the_schedule_says_can_be_told() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("message.txt");
    let template = "Dear {{ recipient_name or 'user' }}: {{ run }} {{ proposal_type }} {{ start }} - {{ end \
                    }} {{ shifts }} {% for user in users %}{{ user.name }} <{{ user.email }}> {{ \
                    user.institution }} {{ user.badge }}{{ ' PI' if user.pi }}; {% endfor %}";
    fs::write(&text, template).unwrap();
    let templates = Templates::load(&email(&text, None, "x")).unwrap();
    let body = |context: &MessageContext, to: &str| {
        let message = templates.compose(context, &address(to), ID).unwrap();
        let body = parse_mail(&message.bytes).unwrap().get_body().unwrap();
        body.trim_end().to_owned()
    };
    assert_eq!(
        body(&MessageContext::sample(), "ADA@example.org"),
        "Dear Ada Müller: 2026-1 GUP 2026-03-02 08:00 CST - 2026-03-05 08:00 CST 9 \
         Ada Müller <ada@example.org> Example University 123456 PI; Bo <>  ;"
    );
    assert_eq!(body(&MessageContext::bare_sample(), "x@example.org"), "Dear user:    -");
    assert!(body(&MessageContext::bare_sample(), "ada@example.org").starts_with("Dear Müller:"));
}
