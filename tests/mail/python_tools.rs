//! Templates as the Python tools (`globus`, `dmagic`) have them, unchanged.

use super::{ID, address, email, part};
use beamshare::mail::{MessageContext, Templates};
use mailparse::parse_mail;
use std::fs;

/// Like the plain texts of those tools: a line for the link, prose, stray braces and per cents, no end of
/// line at the end.
const PLAIN: &str = "This is an automated message about your experiment.\n\nData link: \n\nKeep 20% of \
                     {your} disk free {% 50%, or {{ 2 }}}, {#1}.\n=======\nThe Team";

/// Like `dmagic`'s HTML: the mark within a paragraph, entities, a style with braces.
const HTML: &str = "<html>\n<head><style>p{color:#222}#top{width:100%}@media print{p{}}</style></head>\n\
                    <body>\n\
                    <p>Slides: %%SLIDES_LINK%%</p>\n<p>Data link: %%DATA_LINK%%</p>\n<p>Settings &rarr; \
                    Identities</p>\n\
                    </body>\n</html>\n";

fn sample() -> MessageContext {
    MessageContext { data_link: "https://app.globus.org/f?a=1&b=2".to_owned(), ..MessageContext::sample() }
}

#[test]
fn a_plain_text_gets_the_link_behind_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("message-7bm.txt");
    for (template, link) in
        [(PLAIN.to_owned(), "Data link: \n"), (PLAIN.replace("link: ", "link: https://old"), "https://old\n")]
    {
        assert!(template.contains(link));
        fs::write(&text, &template).unwrap();
        let templates = Templates::load(&email(&text, None, "Important information")).unwrap();
        let message = templates.compose(&sample(), &address("ada@example.org"), ID).unwrap();
        let body = parse_mail(&message.bytes).unwrap().get_body().unwrap().replace("\r\n", "\n");
        let expected = PLAIN.replace("Data link: ", "Data link: https://app.globus.org/f?a=1&b=2");
        assert_eq!(body.trim_end(), expected);
    }
    assert_eq!(
        fs::read_to_string(&text).unwrap(),
        PLAIN.replace("link: ", "link: https://old"),
        "the file is not written"
    );
}

#[test]
fn html_in_the_text_s_place_is_sent_as_html() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("message-2bm.txt");
    fs::write(&file, HTML).unwrap();
    let as_text = email(&file, None, "Important information");
    let (text, html) = (folder.path().join("message.txt"), folder.path().join("message.html"));
    fs::write(&text, "see %%DATA_LINK%%").unwrap();
    fs::write(&html, HTML).unwrap();
    for (settings, plain) in
        [(as_text, "Data link: https://app"), (email(&text, Some(&html), "x"), "see https://app")]
    {
        let templates = Templates::load(&settings).unwrap();
        let message = templates.compose(&sample(), &address("ada@example.org"), ID).unwrap();
        let mail = parse_mail(&message.bytes).unwrap();
        let link = "https://app.globus.org/f?a=1&amp;b=2";
        let expected = HTML
            .replace("%%DATA_LINK%%", &format!("<a href=\"{link}\">{link}</a>"))
            .replace("%%SLIDES_LINK%%", "(no beamtime log slides found for this proposal)");
        assert_eq!(
            part(&mail, "text/html").replace("\r\n", "\n").replace("&#x2f;", "/").trim_end(),
            expected.trim_end()
        );
        let text = part(&mail, "text/plain");
        assert!(text.contains(plain) && text.contains("a=1&b=2"), "{text}");
    }
    // Without anything shared, there is no dead link.
    let templates = Templates::load(&email(&text, Some(&html), "x")).unwrap();
    let message = templates.compose(&MessageContext::bare_sample(), &address("ada@example.org"), ID).unwrap();
    let html = part(&parse_mail(&message.bytes).unwrap(), "text/html");
    assert!(html.contains("<p>Data link: </p>") && !html.contains("href"), "{html}");
}

/// Also a text that was taken for HTML, with values of a schedule: titles and names are whatever people
/// wrote.
#[test]
fn no_value_is_read_as_a_mark_a_template_or_html() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("message.txt");
    let template = "<p>{{ proposal_title }}, {{ recipient_name }}{% for user in users %}, {{ user.name }}, \
                    {{ user.institution }}{% endfor %}</p>\n<p>Data link: %%DATA_LINK%%</p>\n";
    let evil = "%%DATA_LINK%%{{ data_link }}{% raw %}<a href='https://evil.example'>\"&lt;script>";
    let mut context = MessageContext { proposal_title: evil.to_owned(), ..sample() };
    for user in &mut context.users {
        (user.name, user.institution) = (evil.to_owned(), evil.to_owned());
    }
    for (source, kind) in [(template.to_owned(), "text/html"), (template.replace('<', "("), "text/plain")] {
        fs::write(&file, source).unwrap();
        let templates = Templates::load(&email(&file, None, "About {{ proposal_title }}")).unwrap();
        let message = templates.compose(&context, &address("ada@example.org"), ID).unwrap();
        let mail = parse_mail(&message.bytes).unwrap();
        let body = if kind == "text/html" { part(&mail, kind) } else { mail.get_body().unwrap() };
        assert_eq!(body.matches("%%DATA_LINK%%{{ data_link }}{% raw %}").count(), 6, "as it is: {body}");
        let links = if kind == "text/html" { "<a " } else { "app.globus.org" };
        assert_eq!(body.matches(links).count(), 1, "{body}");
        assert!(!(kind == "text/html" && body.contains("<script")), "{body}");
    }
}
