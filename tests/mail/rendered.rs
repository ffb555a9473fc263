//! The messages of config/ for somebody who has never used Globus: what they say, and how they look.

use super::browser::{Browser, Screen};
use super::support::ioc::repository;
use super::{ID, address, email, header, part};
use beamshare::config;
use beamshare::domain::{BookedUser, Booking};
use beamshare::mail::{ComposedMessage, MessageContext, Templates};
use mailparse::parse_mail;

/// Settings with all that a message can name, and the templates of config/ as those of each kind.
fn settings() -> config::Email {
    let html = repository("config/message.html");
    config::Email {
        facility: Some("Example Light Source".to_owned()),
        telephone: Some("+1 555 0100".to_owned()),
        reply_to: Some("2-BM staff <2bm-staff@example.org>".parse().unwrap()),
        reminder_text_template: Some(repository("config/reminder.txt")),
        reminder_html_template: Some(repository("config/reminder.html")),
        copy: Some(config::CopyMessage {
            subject: "A copy of your data".to_owned(),
            text_template: repository("config/message_copy.txt"),
            html_template: Some(repository("config/message_copy.html")),
        }),
        ..email(
            &repository("config/message.txt"),
            Some(&html),
            "Your data from {{ beamline }}, {{ year_month }}",
        )
    }
}

/// A message of each kind: the first, the reminder, the copy's.
fn messages() -> [(&'static str, ComposedMessage); 3] {
    let templates = Templates::load(&settings()).unwrap();
    let copies = Templates::load(&settings().of_copies().unwrap()).unwrap();
    let (context, to) = (MessageContext::sample(), address("ada@example.org"));
    let reminder = templates.compose_reminder(&context, &to, ID).unwrap().expect("a reminder is configured");
    [
        ("message", templates.compose(&context, &to, ID).unwrap()),
        ("reminder", reminder),
        ("copy", copies.compose(&context, &to, ID).unwrap()),
    ]
}

#[test]
fn every_message_helps_a_newcomer() {
    for (kind, message) in messages() {
        let mail = parse_mail(&message.bytes).unwrap();
        assert_eq!(header(&mail, "Reply-To"), "\"2-BM staff\" <2bm-staff@example.org>", "{kind}");
        let context = MessageContext::sample();
        for part in
            [part(&mail, "text/plain"), part(&mail, "text/html").replace("&amp;", "&").replace("&#x2f;", "/")]
        {
            for expected in [
                "ada@example.org",
                "permission denied",
                "https://app.globus.org/account/identities",
                "Staff One",
                "+1 555 0100",
                "Example Light Source",
                context.data_link.as_str(),
            ] {
                assert!(part.contains(expected), "{kind} does not say {expected}: {part}");
            }
        }
        let text = part(&mail, "text/plain").replace(&context.proposal_title, "title");
        assert!(
            text.lines().all(|line| line.chars().count() <= 80 || line.contains("https://")),
            "{kind}: {text}"
        );
        if kind == "message" {
            assert!(
                text.contains("Link Another Identity") && text.contains("https://www.globusid.org/create"),
                "{text}"
            );
        }
    }
}

#[test]
fn without_the_new_settings_the_messages_are_complete() {
    let of = |settings: config::Email| {
        let templates = Templates::load(&settings).unwrap();
        let message = templates.compose(&MessageContext::sample(), &address("ada@example.org"), ID).unwrap();
        let mail = parse_mail(&message.bytes).unwrap();
        assert!(mail.headers.iter().all(|header| header.get_key() != "Reply-To"));
        [part(&mail, "text/plain").replace("\r\n", "\n"), part(&mail, "text/html")]
    };
    let old = || config::Email { facility: None, telephone: None, reply_to: None, ..settings() };
    let [text, html] = of(old());
    assert!(text.contains("reply to this message,\nor write to Staff One <one@example.org>."), "{text}");
    assert!(text.trim_end().ends_with("Kind regards\n2-BM"), "{text}");
    assert!(html.contains("mailto:one@example.org"), "{html}");
    let [text, _] = of(config::Email { contacts: vec![], ..old() });
    assert!(text.contains("reply to this message.\n"), "{text}");
}

#[test]
fn texts_of_the_schedule_contain_no_links() {
    let booking = Booking {
        proposal_title: "See https://evil.example/login".to_owned(),
        users: vec![BookedUser {
            name: "Ada www.evil.example".to_owned(),
            first_name: "www.evil.example".to_owned(),
            email: "ada@example.org".to_owned(),
            ..BookedUser::default()
        }],
        ..Booking::default()
    };
    let context = MessageContext {
        proposal_title: String::new(),
        pi_first_name: String::new(),
        ..MessageContext::sample()
    };
    let context = context.with_booking(booking);
    let message =
        Templates::load(&settings()).unwrap().compose(&context, &address("ada@example.org"), ID).unwrap();
    let mail = parse_mail(&message.bytes).unwrap();
    for part in [part(&mail, "text/plain"), part(&mail, "text/html")] {
        assert!(part.contains("evil[.]example"), "{part}");
        assert!(!part.contains("evil.example"), "{part}");
    }
}

#[tokio::test]
async fn the_messages_can_be_read_on_a_phone_and_a_desktop() {
    let folder = tempfile::tempdir().unwrap();
    for (screen, name) in [(Screen::Phone, "phone"), (Screen::Desktop, "desktop")] {
        let browser = Browser::start(screen, false).await;
        for (kind, message) in messages() {
            let file = folder.path().join(format!("{kind}.html"));
            std::fs::write(&file, message.html().expect("it has HTML")).unwrap();
            browser.open(&format!("file://{}", file.display())).await;
            browser.fits().await;
            let button = "[...document.links].find(link => link.innerText === 'Open your data on Globus')";
            assert_eq!(browser.value(&format!("{button}.href")).await, MessageContext::sample().data_link);
            let size = browser.value(&format!("{button}.getBoundingClientRect().height")).await;
            assert!(size.as_f64() >= Some(40.0), "a finger can hit it: {size}");
            assert_eq!(browser.value("document.images.length + document.scripts.length").await, 0);
            browser.picture(&format!("mail-{kind}-{name}.png")).await;
        }
    }
}
