//! Templates of the Python tools `globus` and `dmagic`, which beamlines still have.
//!
//! They have no expressions, but two marks: `%%DATA_LINK%%`, and in a plain text a line that begins with
//! `Data link:`, which is replaced by one with the link. `dmagic` also has `%%SLIDES_LINK%%`. All other text
//! is literal, including braces and percent signs.

const SLIDES: &str = "(no beamtime log slides found for this proposal)";

/// Whether `dmagic` would have treated the text as HTML.
pub(super) fn is_html(source: &str) -> bool {
    source.trim_start().starts_with('<')
}

/// The minijinja template that renders the Python tools' message.
pub(super) fn converted(source: &str, html: bool) -> String {
    let link = if html {
        "{% if data_link %}<a href=\"{{ data_link }}\">{{ data_link }}</a>{% endif %}"
    } else {
        "{{ data_link }}"
    };
    let literal = |text: &str| {
        if text.is_empty() || uses_jinja(source) {
            text.to_owned()
        } else {
            format!("{{% raw %}}{text}{{% endraw %}}")
        }
    };
    let marked = |text: &str| {
        let parts = text.split("%%DATA_LINK%%").map(|part| {
            let parts: Vec<String> = part.split("%%SLIDES_LINK%%").map(literal).collect();
            parts.join(SLIDES)
        });
        parts.collect::<Vec<_>>().join(link)
    };
    if html {
        return marked(source);
    }
    let mut text = String::new();
    let mut plain = String::new();
    for line in source.split_inclusive('\n') {
        if line.starts_with("Data link:") && !line.contains("{{") && !line.contains("%%DATA_LINK%%") {
            text += &marked(&plain);
            plain.clear();
            text += "Data link: {{ data_link }}";
            plain += if line.ends_with("\r\n") { "\r\n" } else { "\n" };
        } else {
            plain += line;
        }
    }
    text + &marked(&plain)
}

/// Whether the text contains a minijinja expression, statement or comment, and not only stray braces.
fn uses_jinja(source: &str) -> bool {
    const STATEMENTS: [&str; 8] = ["if", "for", "set", "with", "raw", "filter", "macro", "include"];
    let after = |begin: &str| {
        let pieces: Vec<&str> = source.split(begin).skip(1).collect();
        pieces.into_iter().map(|rest| rest.trim_start_matches(['-', '+']).trim_start())
    };
    let word = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    after("{{")
        .any(|rest| rest.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '"' | '\'' | '(')))
        || after("{%").any(|rest| STATEMENTS.contains(&&*word(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jinja_is_told_from_stray_braces() {
        for text in
            ["{{ path }}", "{{path}}", "{{- path }}", "{% if path %}", "{%- for u in users -%}", "{{ 'a' }}"]
        {
            assert!(uses_jinja(text), "{text}");
        }
        for text in [
            "",
            "100%",
            "{a}",
            "a {{ } b",
            "{% 50 %}",
            "{%d}",
            "body { color: red }",
            "{#top{}}",
            "{{}}",
            "%}{",
        ] {
            assert!(!uses_jinja(text), "{text}");
            let text = format!("{text}\n");
            let environment = minijinja::Environment::new();
            assert_eq!(environment.render_str(&converted(&text, false), ()).unwrap(), text, "unchanged");
        }
    }

    #[test]
    fn the_marks_also_work_beside_jinja() {
        let environment = minijinja::Environment::new();
        let values = minijinja::context! { data_link => "L", path => "P" };
        let rendered = |text: &str| environment.render_str(&converted(text, false), &values).unwrap();
        assert_eq!(rendered("{{ path }} %%DATA_LINK%% 5%"), "P L 5%");
        assert_eq!(rendered("a\r\nData link: old\r\n{{ path }}"), "a\r\nData link: L\r\nP");
        assert_eq!(rendered("Data link: {{ data_link }}!"), "Data link: L!");
        assert_eq!(rendered("Data link: %%DATA_LINK%%\n."), "Data link: L\n.");
        assert_eq!(rendered("My Data link:\nData link:"), "My Data link:\nData link: L\n");
    }
}
