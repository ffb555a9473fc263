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
    let part = part.to_lowercase();
    const SCHEMES: [&str; 4] = ["mailto:", "tel:", "javascript:", "data:"];
    if part.contains("://") || SCHEMES.iter().any(|scheme| begins_a_word(&part, scheme)) {
        return true;
    }
    // Mail programs find a host anywhere in a word: after "URL:", "=", "→", "user@" …
    let mut start = 0;
    for host in part.split(|c: char| !is_of_a_host(c)) {
        let (before, after) = (&part[..start], &part[start + host.len()..]);
        if is_linked_host(host, before, after) {
            return true;
        }
        start += host.len() + after.chars().next().map_or(0, char::len_utf8);
    }
    false
}

/// Whether the text occurs at the beginning of a word.
fn begins_a_word(part: &str, text: &str) -> bool {
    part.match_indices(text).any(|(at, _)| !part[..at].ends_with(char::is_alphanumeric))
}

fn is_of_a_host(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '.')
}

/// Whether a mail program shows the host as a link, by the text before and after it.
fn is_linked_host(host: &str, before: &str, after: &str) -> bool {
    let host = host.trim_matches(['.', '-']);
    let Some((name, top)) = host.rsplit_once('.') else { return false };
    let is_domain = !name.split('.').any(str::is_empty)
        && (top.starts_with("xn--") || top.chars().count() > 1 && top.chars().all(char::is_alphabetic));
    let is_address =
        before.strip_suffix('@').is_some_and(|local| local.ends_with(|c: char| !c.is_whitespace()));
    let mut after = after.chars();
    let goes_on = match after.next() {
        Some('/' | '?' | '#') => after.next().is_some(),
        Some(':') => after.next().is_some_and(|c| c.is_ascii_digit()),
        _ => false,
    };
    host.starts_with("www.") || is_domain && (is_address || goes_on || KNOWN.contains(&top))
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
            "Login:evil.example/confirm",
            "verify=evil.com",
            "Login→evil.example/confirm",
            "x@y@evil.example",
            "evil.com/login@home",
            "locked/unlock/evil.example/confirm",
            "evil.xn--p1ai/login",
            "see:www.evil.example",
            "*WWW.EVIL",
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
