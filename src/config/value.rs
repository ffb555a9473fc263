//! How single values of the file are read: each error says what would be right.

use crate::domain::EmailAddress;
use jiff::{Span, SpanRelativeTo};
use lettre::message::Mailbox;
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use std::fmt;
use std::time::Duration;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use url::{Host, Url};
use uuid::Uuid;

/// Reads a text as a `T`; a value of another type is told what text was expected.
struct Text<T> {
    expected: &'static str,
    parse: fn(&str) -> Result<T, String>,
}

impl<T> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).map_err(E::custom)
    }
}

impl<'de, T> DeserializeSeed<'de> for Text<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_str(self)
    }
}

/// A list of such texts.
struct Texts<T>(fn() -> Text<T>);

impl<'de, T> Visitor<'de> for Texts<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "a list, each {}", (self.0)().expected)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let mut values = vec![];
        while let Some(value) = list.next_element_seed((self.0)())? {
            values.push(value);
        }
        Ok(values)
    }
}

pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_str(Text {
        expected: "a duration like \"10s\", \"20 min\" or \"28d\"",
        parse: to_duration,
    })
}

pub(super) fn some_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

/// Reads a filter of the log, like `info` or `info,beamshare=debug`.
///
/// # Errors
/// What is wrong with it. A single word must be a level: the library would take `loud` for a module of that
/// name, and log nothing else.
pub fn log_filter(text: &str) -> Result<EnvFilter, String> {
    let is_word = |part: &&str| !part.is_empty() && !part.contains(['=', ':', '[', '_']);
    let unknown =
        text.split(',').map(str::trim).filter(is_word).find(|word| word.parse::<LevelFilter>().is_err());
    match unknown {
        Some(word) => Err(format!("{word:?} is no level; they are off, error, warn, info, debug and trace")),
        None => EnvFilter::builder().parse(text).map_err(|error| error.to_string()),
    }
}

/// Reads a duration like `10s`, `20 min` or `28d`; a day has 24 hours.
///
/// # Errors
/// For what is no duration, is zero, or has months or years in it, with what would be right.
pub fn to_duration(text: &str) -> Result<Duration, String> {
    let wrong = |why: &str| format!("{text:?} is no duration like \"10s\", \"20 min\" or \"28d\"{why}");
    let span: Span = text.parse().map_err(|_: jiff::Error| wrong(""))?;
    // A day has 24 hours here; a month has no length without a date.
    let duration = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| wrong(": months and years have no fixed length; give days"))?;
    match Duration::try_from(duration) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err(wrong(": it must be longer than 0 s")),
    }
}

pub(super) fn mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    deserializer.deserialize_str(Text { expected: "an octal mode in quotes, like \"0770\"", parse: to_mode })
}

pub(super) fn some_mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    mode(deserializer).map(Some)
}

fn to_mode(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let octal = (3..=5).contains(&digits.len()) && digits.bytes().all(|b| matches!(b, b'0'..=b'7'));
    let mode = octal.then(|| u32::from_str_radix(digits, 8).ok()).flatten().filter(|mode| *mode <= 0o7777);
    match mode {
        None => Err(format!("{text:?} is no octal mode like \"0770\"")),
        Some(mode) if mode & 0o700 != 0o700 => Err(format!(
            "mode {text:?} shuts out the account that makes the directories; it must begin with 7, like \"0770\""
        )),
        Some(mode) => Ok(mode),
    }
}

pub(super) fn uuid<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uuid, D::Error> {
    deserializer.deserialize_str(Text {
        expected: "an id like \"6f7ad9ab-29a7-4de9-a0ae-10d4b2c0e5c5\"",
        parse: |text| {
            let hint =
                "it should read like 6f7ad9ab-29a7-4de9-a0ae-10d4b2c0e5c5 (app.globus.org shows it as UUID)";
            text.parse().map_err(|_| format!("{text:?} is no id; {hint}"))
        },
    })
}

pub(super) fn some_uuid<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Uuid>, D::Error> {
    uuid(deserializer).map(Some)
}

pub(super) fn url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    deserializer
        .deserialize_str(Text { expected: "an address like \"https://auth.globus.org\"", parse: to_url })
}

fn to_url(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|error| format!("{text:?} is no web address: {error}"))?;
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if url.scheme() != "https" && !(url.scheme() == "http" && loopback) {
        return Err(format!(
            "{text:?} must begin with https://: tokens go to this address (http is for this machine's \
             loopback only)"
        ));
    }
    if !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err(format!("{text:?} may have neither user, password, query nor fragment"));
    }
    Ok(url)
}

pub(super) fn collection_top<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    deserializer.deserialize_str(Text {
        expected: "a directory on the collection, like \"/\" or \"/2bm/\"",
        parse: |text| {
            let inner = text.trim_end_matches('/');
            let bad =
                |part: &str| part.is_empty() || matches!(part, "." | "..") || part.contains(char::is_control);
            if !text.starts_with('/') || (!inner.is_empty() && inner.split('/').skip(1).any(bad)) {
                return Err(format!(
                    "{text:?} is no directory on a collection; it begins with / and has neither // nor .."
                ));
            }
            Ok(format!("{inner}/"))
        },
    })
}

fn a_mailbox() -> Text<Mailbox> {
    Text {
        expected: "a mail address like \"2-BM staff <2bm@example.org>\"",
        parse: |text| {
            if text.contains(char::is_control) {
                return Err(format!("{text:?} has a control character in it"));
            }
            text.parse().map_err(|error| {
                format!("{text:?} is no mail address like \"Name <name@example.org>\": {error}")
            })
        },
    }
}

pub(super) fn mailbox<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Mailbox, D::Error> {
    deserializer.deserialize_str(a_mailbox())
}

pub(super) fn some_mailbox<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Mailbox>, D::Error> {
    mailbox(deserializer).map(Some)
}

pub(super) fn mailboxes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Mailbox>, D::Error> {
    deserializer.deserialize_seq(Texts(a_mailbox))
}

pub(super) fn addresses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<EmailAddress>, D::Error> {
    deserializer.deserialize_seq(Texts(|| Text {
        expected: "an e-mail address like \"name@example.org\"",
        parse: |text| text.parse().map_err(|why| format!("{text:?} {why}")),
    }))
}

pub(super) fn mail_domains<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    deserializer.deserialize_seq(Texts(|| Text {
        expected: "a mail domain like \"example.org\"",
        parse: mail_domain,
    }))
}

/// A mail domain in small letters; the error says what is wrong with it.
pub fn mail_domain(text: &str) -> Result<String, String> {
    let label = |part: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
        !part.is_empty() && !part.starts_with('-') && part.chars().all(allowed)
    };
    if text.split('.').all(label) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(format!("{text:?} is no mail domain like \"example.org\""))
    }
}

pub(super) fn default_mode() -> u32 {
    0o770
}

pub(super) fn default_timeout() -> Duration {
    Duration::from_secs(30)
}

pub(super) fn default_accept_timeout() -> Duration {
    Duration::from_secs(10 * 60)
}

pub(super) fn default_repeat_after() -> Duration {
    Duration::from_secs(30 * 60)
}

pub(super) fn default_schedule_every() -> Duration {
    Duration::from_secs(60 * 60)
}

pub(super) fn default_schedule_grace() -> Duration {
    Duration::from_secs(24 * 60 * 60)
}

pub(super) fn default_hook_timeout() -> Duration {
    Duration::from_secs(5 * 60)
}

pub(super) fn default_collection_top() -> String {
    "/".to_owned()
}

pub(super) fn default_copy_subject() -> String {
    "A copy of your data from {{ beamline }}, {{ year_month }}".to_owned()
}

pub(super) fn default_subject() -> String {
    "Your data from {{ beamline }}, {{ year_month }}".to_owned()
}

pub(super) fn default_pi_change_subject() -> String {
    "{{ beamline }}: another principal investigator of {{ path }}".to_owned()
}

pub(super) fn default_reminder_subject() -> String {
    "Your access to the data from {{ beamline }} ends on {{ expires }}".to_owned()
}

// Parsed when they are needed: the texts are constant, and a test reads each.
macro_rules! default_url {
    ($name:ident, $text:literal) => {
        pub(super) fn $name() -> Url {
            #[allow(clippy::expect_used, reason = "a constant that a test reads")]
            Url::parse($text).expect("a constant address")
        }
    };
}
default_url!(default_auth_url, "https://auth.globus.org");
default_url!(default_transfer_url, "https://transfer.api.globus.org/v0.10");
default_url!(default_file_manager_url, "https://app.globus.org/file-manager");
default_url!(default_schedule_url, "https://beam-api.aps.anl.gov");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, seconds) in
            [("10s", 10), ("20 min", 1200), ("28d", 28 * 86400), ("1h 30m", 5400), ("2 weeks", 1209600)]
        {
            assert_eq!(to_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "10", "0s", "-5s", "5s ago", "1 month", "1 year", "soon"] {
            assert!(to_duration(text).is_err_and(|error| error.contains("20 min")), "{text}");
        }
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!(to_mode("0770"), Ok(0o770));
        assert_eq!(to_mode("2775"), Ok(0o2775));
        assert_eq!(to_mode("0o750"), Ok(0o750));
        for text in ["", "0780", "rwx", "070", "0077", "77777", "70"] {
            assert!(to_mode(text).is_err(), "{text}");
        }
    }

    #[test]
    fn tokens_go_over_https_or_stay_on_this_machine() {
        for text in
            ["https://auth.globus.org", "http://127.0.0.1:8080/v0.10", "http://localhost:1", "http://[::1]:1"]
        {
            assert!(to_url(text).is_ok(), "{text}");
        }
        for text in [
            "http://auth.globus.org",
            "http://localhost.example.org",
            "ftp://127.0.0.1",
            "https://a:b@c.org",
            "x",
        ] {
            assert!(to_url(text).is_err(), "{text}");
        }
        for url in
            [default_auth_url(), default_transfer_url(), default_file_manager_url(), default_schedule_url()]
        {
            assert_eq!(to_url(url.as_str()), Ok(url));
        }
    }
}
