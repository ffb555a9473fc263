use super::support::ioc::repository;
use super::{ID, address, email, header, message, part, templates};
use beamshare::domain::{BookedUser, Field};
use beamshare::mail::{MessageContext, Templates};
use mailparse::parse_mail;
use std::fs;

#[test]
fn the_message_to_a_user() {
    let message = message();
    assert_eq!(message.message_id, ID);
    let mail = parse_mail(&message.bytes).unwrap();
    assert_eq!(header(&mail, "From"), "\"Beamline 2-BM\" <2bm@example.org>");
    assert_eq!(header(&mail, "To"), "ada@example.org");
    assert_eq!(header(&mail, "Cc"), "\"Staff One\" <one@example.org>, two@example.org");
    assert_eq!(header(&mail, "Subject"), "Data of Müller, 2026-03");
    assert_eq!(header(&mail, "Message-ID"), ID);
    assert_eq!(header(&mail, "Auto-Submitted"), "auto-generated");
    assert!(mailparse::dateparse(&header(&mail, "Date")).unwrap() > 1_700_000_000);
    assert_eq!(mail.ctype.mimetype, "multipart/alternative");
    let context = MessageContext::sample();
    let text = part(&mail, "text/plain");
    for value in [&context.data_link, &context.expires, &context.pi_first_name, &context.proposal_title] {
        assert!(text.contains(value.as_str()), "{value:?} is not in {text}");
    }
    let html = part(&mail, "text/html");
    assert!(html.contains("Tomography of &lt;small&gt; &amp; large samples"), "{html}");
    assert!(!html.contains("<small>"));
    // RFC 5322, 2.1.1
    assert!(message.bytes.split(|byte| *byte == b'\n').all(|line| line.len() <= 999));
}

#[test]
fn templates_know_the_recipient_and_the_contacts() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("message.txt");
    fs::write(&text, "To {{ recipient }}. Ask {{ contacts | join(' or ') }}.").unwrap();
    let templates = Templates::load(&email(&text, None, "Data")).unwrap();
    let message = templates.compose(&MessageContext::sample(), &address("ada@example.org"), ID).unwrap();
    let text = parse_mail(&message.bytes).unwrap().get_body().unwrap();
    assert_eq!(text.trim_end(), "To ada@example.org. Ask Staff One <one@example.org> or two@example.org.");
}

#[test]
fn without_html_the_message_is_text() {
    let templates = Templates::load(&email(&repository("config/message.txt"), None, "Data")).unwrap();
    let message = templates.compose(&MessageContext::bare_sample(), &address("ada@example.org"), ID).unwrap();
    let mail = parse_mail(&message.bytes).unwrap();
    assert_eq!(mail.ctype.mimetype, "text/plain");
    assert_eq!(templates.contacts(), [address("one@example.org"), address("two@example.org")]);
}

#[test]
fn no_value_adds_a_header_or_an_address() {
    let evil = |n: usize| format!("x\r\nBcc: evil{n}@example.org\n\r\n<b>{n}</b>\u{2028}\0\x0b");
    let context = MessageContext {
        year_month: evil(0),
        pi_last_name: evil(1),
        pi_first_name: evil(2),
        pi_email: evil(3),
        pi_institution: evil(4),
        pi_badge: evil(5),
        proposal_number: evil(6),
        proposal_title: evil(7),
        esaf: evil(8),
        update_time: evil(9),
        beamline: evil(10),
        data_link: evil(11),
        path: evil(12),
        expires: evil(13),
        proposal_type: evil(14),
        run: evil(15),
        start: evil(16),
        end: evil(17),
        shifts: evil(18),
        users: vec![BookedUser { name: evil(19), email: evil(20), ..BookedUser::default() }],
    };
    let names = [
        "year_month",
        "pi_last_name",
        "pi_first_name",
        "pi_email",
        "pi_institution",
        "pi_badge",
        "proposal_number",
        "proposal_title",
        "esaf",
        "update_time",
        "beamline",
        "data_link",
        "path",
        "expires",
        "proposal_type",
        "run",
        "start",
        "end",
        "shifts",
        "users[0].name",
        "users[0].email",
    ];
    let fields: Vec<&str> = (Field::REQUIRED.iter()).map(|field| field.key()).collect();
    assert!(fields.iter().all(|field| names.contains(field)));
    let expected = [
        "Auto-Submitted",
        "Cc",
        "Content-Type",
        "Date",
        "From",
        "MIME-Version",
        "Message-ID",
        "Subject",
        "To",
    ];
    for name in names {
        let html = repository("config/message.html");
        let subject = format!("Data {{% if users %}}{{{{ {name} }}}}{{% endif %}}");
        let templates =
            Templates::load(&email(&repository("config/message.txt"), Some(&html), &subject)).unwrap();
        let message = templates.compose(&context, &address("ada@example.org"), ID).unwrap();
        let mail = parse_mail(&message.bytes).unwrap();
        let mut headers: Vec<String> = mail.headers.iter().map(|header| header.get_key()).collect();
        headers.sort();
        assert_eq!(headers, expected, "{name}");
        assert_eq!(header(&mail, "To"), "ada@example.org");
        let subject = header(&mail, "Subject");
        assert!(
            subject.starts_with("Data x Bcc: evil") && !subject.contains(char::is_control),
            "{subject:?}"
        );
        assert_eq!(mail.subparts.len(), 2);
        assert!(!part(&mail, "text/html").contains("<b>"));
    }
}

#[test]
fn a_message_id_that_is_none_is_refused() {
    let templates = templates();
    for id in
        ["", "a@b", "<a>", "<a@b>\r\nBcc: c@d", "<a@b\n>", "<a b@c>", "<@b>", "<a@>", "<a@b@c>", "<a<@b>"]
    {
        let composed = templates.compose(&MessageContext::sample(), &address("ada@example.org"), id);
        assert!(composed.is_err(), "{id:?} was taken");
    }
}

#[test]
fn a_broken_template_is_told_with_file_and_line_before_anyone_needs_it() {
    let folder = tempfile::tempdir().unwrap();
    let (text, html) = (folder.path().join("message.txt"), folder.path().join("message.html"));
    fs::write(&html, "<p>{{ path }}</p>").unwrap();
    for (template, parts) in [
        ("Dear user,\n{{ pi_lastname }}\n", ["message.txt:2", "pi_lastname"]),
        ("Dear user,\n\n{% if expires %}\n", ["message.txt:", "syntax error"]),
        ("{{ path | no_such_filter }}", ["message.txt:1", "no_such_filter"]),
        // Only where a value is missing.
        ("{% if not proposal_number %}{{ nothing.at.all }}{% endif %}", ["message.txt:1", "nothing"]),
    ] {
        fs::write(&text, template).unwrap();
        let error = Templates::load(&email(&text, Some(&html), "Data")).unwrap_err().to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error} does not say {parts:?}");
    }
    fs::write(&text, "fine").unwrap();
    fs::write(&html, "<p>\n{{ pi_frist_name }}</p>").unwrap();
    let error = Templates::load(&email(&text, Some(&html), "Data")).unwrap_err().to_string();
    assert!(error.contains("message.html:2") && error.contains("pi_frist_name"), "{error}");
    let error = Templates::load(&email(&text, None, "Data {{ what }}")).unwrap_err().to_string();
    assert!(error.contains("email.subject") && error.contains("what"), "{error}");
    let error = Templates::load(&email(&text, None, "{% if expires %}x{% endif %}")).unwrap_err().to_string();
    assert!(error.contains("email.subject") && error.contains("empty"), "{error}");
    let error = Templates::load(&email(&folder.path().join("none"), None, "Data")).unwrap_err().to_string();
    assert!(error.contains("none") && error.contains("beamshare init"), "{error}");
}

/// An endless loop is a mistake in the settings, and does not keep the service from starting or serving.
#[test]
fn a_template_that_never_ends_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let endless =
        "{% for a in range(100000) %}{% for b in range(100000) %}{% set c = a %}{% endfor %}{% endfor %}Data";
    let (text, html) = (folder.path().join("message.txt"), folder.path().join("message.html"));
    fs::write(&text, "Data").unwrap();
    let error = Templates::load(&email(&text, None, endless)).unwrap_err();
    assert!(error.message.contains("email.subject") && error.message.contains("fuel"), "{error}");
    fs::write(&html, endless).unwrap();
    let error = Templates::load(&email(&text, Some(&html), "Data")).unwrap_err();
    assert!(error.message.contains("message.html") && error.message.contains("fuel"), "{error}");
    fs::write(&text, endless).unwrap();
    let error = Templates::load(&email(&text, None, "Data")).unwrap_err();
    assert!(error.message.contains("message.txt") && error.message.contains("fuel"), "{error}");
    // A loop over a thousand people is not.
    fs::write(&text, "{% for user in users %}{{ user.name }} <{{ user.email }}>\n{% endfor %}").unwrap();
    let person = |n| BookedUser { name: format!("User {n}"), ..BookedUser::default() };
    let context = MessageContext { users: (0..1000).map(person).collect(), ..MessageContext::sample() };
    Templates::load(&email(&text, None, "Data"))
        .unwrap()
        .compose(&context, &address("ada@example.org"), ID)
        .unwrap();
}
