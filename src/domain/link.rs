//! Links in texts of the user info. A name, a title or an institution comes from a PV and goes into messages
//! that the beamline signs, so a link in it would be phishing with the beamline's address.

use unicode_normalization::UnicodeNormalization;

/// Top-level domains that mail programs turn into links without a scheme, `www.` or a path. A short list,
/// since abbreviations ("Univ.of") and formulas ("Ni.Co") must not count.
const KNOWN: [&str; 24] = [
    "app", "biz", "click", "cn", "com", "dev", "edu", "gov", "info", "io", "link", "live", "me", "net",
    "online", "org", "page", "ru", "shop", "site", "store", "top", "web", "xyz",
];

/// The first part of the text that a mail program may show as a link: anything with a URL scheme, `www.`, an
/// e-mail address, a domain with a path or port, or a domain of a common top-level domain.
pub fn link_in(text: &str) -> Option<String> {
    let text: String =
        text.nfkc().map(|c| if matches!(c, '\u{3002}' | '\u{FF61}') { '.' } else { c }).collect();
    let parts = text.split(|c: char| c.is_whitespace() || "<>\"'`()[]{}|,;“”‘’«»".contains(c));
    parts
        .map(|part| part.trim_end_matches(['.', '!', '?', ':']))
        .find(|part| is_link(part))
        .map(str::to_owned)
}

fn is_link(part: &str) -> bool {
    let part = part.trim_start_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    const SCHEMES: [&str; 5] = ["www.", "mailto:", "tel:", "javascript:", "data:"];
    if part.contains("://") || SCHEMES.iter().any(|scheme| part.starts_with(scheme)) {
        return true;
    }
    let (before, after) = part.split_once('@').unwrap_or(("", &part));
    let host_end = after.find(['/', ':', '?', '#']).unwrap_or(after.len());
    let (host, rest) = after.split_at(host_end);
    let Some((name, top)) = host.rsplit_once('.') else { return false };
    let is_label = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-');
    let is_host =
        name.split('.').all(is_label) && top.chars().count() > 1 && top.chars().all(char::is_alphabetic);
    is_host && (!before.is_empty() || rest.len() > 1 || KNOWN.contains(&top))
}

/// The text with its links made unusable for mail programs and still legible for people:
/// `https[:]//evil[.]example/x`.
pub fn without_links(text: &str) -> String {
    if link_in(text).is_none() {
        return text.to_owned();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let before_a_letter = characters.peek().is_some_and(|next| next.is_alphanumeric());
        match c {
            '.' | '\u{FF0E}' | '\u{3002}' | '\u{FF61}' if before_a_letter => shown.push_str("[.]"),
            ':' | '\u{FF1A}' => shown.push_str("[:]"),
            '@' | '\u{FF20}' => shown.push_str("[at]"),
            c => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found() {
        for text in [
            "Your account is locked, verify at https://evil.example/login",
            "see HTTP://EVIL.EXAMPLE",
            "www.evil.example",
            "(evil.example/login)",
            "go to evil.com.",
            "evil.example:8080",
            "write to help@evil.example",
            "mailto:help@evil.example",
            "evil．com",
            "evil。com",
            "https：／／evil.example",
            "javascript:alert(1)",
            "<a href=\"//evil.com\">x</a>",
        ] {
            assert!(link_in(text).is_some(), "{text}");
            assert_eq!(link_in(&without_links(text)), None, "{}", without_links(text));
        }
    }

    #[test]
    fn titles_names_and_institutions_are_no_links() {
        for text in [
            "Pores in α-Al2O3/TiO2: 5 µm resolution",
            "St. John",
            "J.Li",
            "U.S. Geological Survey",
            "Univ.of Lyon, Inst. de Physique",
            "In-situ study at 1.5 K and 2.0 GPa (part 1/2)",
            "Ni.Co alloys",
            "Dept. Physics, Ph.D. thesis",
            "GUP-81234",
            "12345, 12346",
            "2026-03-01 09:00:00",
            "c/o MPI",
            "ratio 3:1; 4:3.",
            "标题。结束",
        ] {
            assert_eq!(link_in(text), None, "{text}");
            assert_eq!(without_links(text), text);
        }
    }
}
