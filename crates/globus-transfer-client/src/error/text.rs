//! Texts of responses: `Retry-After`, and one line for logs and screens.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// The longest `Retry-After` that is passed on: 100 years can be added to any clock without an overflow.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// `Retry-After` in both its forms: a number of seconds, or an HTTP date.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Only a number too large for 64 bits fails to parse here.
        return Some(text.parse().map_or(LONGEST_WAIT, Duration::from_secs).min(LONGEST_WAIT));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    let wait = Duration::try_from(date.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO);
    Some(wait.min(LONGEST_WAIT))
}

pub(super) fn text_of(body: &[u8]) -> Option<String> {
    (!body.is_empty()).then(|| String::from_utf8_lossy(body).into_owned())
}

/// The innermost cause, which is the specific one ("Connection refused").
pub(super) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// One line of at most 300 characters: messages of endpoints have several lines and quoted line ends.
pub(super) fn one_line(text: &str) -> String {
    const LIMIT: usize = 300;
    let plain = text.replace("\\r\\n", " ");
    let mut line = String::new();
    for word in plain.split(|c: char| c.is_whitespace() || is_hidden(c)).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.chars().count() > LIMIT {
            let mut cut: String = line.chars().take(LIMIT).collect();
            cut.push('…');
            return cut;
        }
    }
    line
}

/// Characters that change what a terminal or a log shows: controls, and marks that reverse the direction of
/// text.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, value.parse().unwrap());
        headers
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        assert_eq!(retry_after(&headers("7")), Some(Duration::from_secs(7)));
        let past = retry_after(&headers("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!(past, Some(Duration::ZERO));
        let soon = Timestamp::now() + jiff::SignedDuration::from_secs(90);
        let text = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&soon).unwrap();
        let wait = retry_after(&headers(&text)).unwrap();
        assert!((80..=90).contains(&wait.as_secs()), "{wait:?}");
        assert_eq!(retry_after(&headers("soon")), None);
        let absurd = retry_after(&headers("18446744073709551615")).unwrap();
        assert_eq!(absurd, LONGEST_WAIT);
        assert!(std::time::Instant::now().checked_add(absurd).is_some());
        assert_eq!(retry_after(&headers("99999999999999999999999")), Some(LONGEST_WAIT));
    }

    #[test]
    fn a_message_of_an_endpoint_becomes_one_line() {
        let line = one_line("Path not found\nDetails: 550-Error\\r\\n550 End.\\r\\n\n\u{1b}[31m");
        assert_eq!(line, "Path not found Details: 550-Error 550 End. [31m");
        assert_eq!(one_line(&"x ".repeat(1000)).chars().count(), 301);
    }
}
