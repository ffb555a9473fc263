//! What can go wrong, and what it means.

mod body;
mod kind;

use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

pub use kind::ErrorKind;

pub(crate) use body::Parsed;

/// The result of this crate's calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A call that failed: what was tried, what came back, and what to do about it.
///
/// [`Error::kind`] says what it means; the `Display` form is a sentence for people.
///
/// ```
/// use globus_transfer_client::{Error, ErrorKind};
///
/// fn is_fine(outcome: Result<(), Error>) -> Result<(), Error> {
///     match outcome {
///         Err(error) if *error.kind() == ErrorKind::Exists => Ok(()),
///         other => other,
///     }
/// }
/// # assert!(is_fine(Ok(())).is_ok());
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", self.describe())]
pub struct Error(Box<Detail>);

#[derive(Debug, Clone)]
struct Detail {
    kind: ErrorKind,
    tried: String,
    status: Option<u16>,
    code: Option<String>,
    message: Option<String>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    advice: Option<String>,
    unclear: bool,
    reached: bool,
}

impl Error {
    /// What the failure means.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # fn example(error: Error) {
    /// if *error.kind() == ErrorKind::NotFound {
    ///     println!("it is not there");
    /// }
    /// # }
    /// ```
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The HTTP status, when an answer came.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # fn example(error: Error) {
    /// println!("HTTP {}", error.status().unwrap_or_default());
    /// # }
    /// ```
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The service's error code as it sent it, such as `ClientError.NotFound`.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # fn example(error: Error) {
    /// let not_running = error.code() == Some("ExternalError.DirListingFailed.GCDisconnected");
    /// # }
    /// ```
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The service's message as it sent it, which may have several lines.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # fn example(error: Error) {
    /// println!("{}", error.message().unwrap_or("(nothing)"));
    /// # }
    /// ```
    pub fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }

    /// The id under which Globus support finds the request.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # fn example(error: Error) {
    /// println!("tell Globus support: {}", error.request_id().unwrap_or("(none)"));
    /// # }
    /// ```
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// How long the service asked to wait (`Retry-After`).
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # fn example(error: Error) {
    /// let wait = error.retry_after().unwrap_or(std::time::Duration::from_secs(5));
    /// # }
    /// ```
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Whether the same call can succeed later without anybody changing anything.
    ///
    /// It says nothing about whether repeating is safe: see [`Error::may_have_been_done`].
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # fn example(error: Error) {
    /// if error.can_retry() {
    ///     println!("{error}; waiting");
    /// }
    /// # }
    /// ```
    pub fn can_retry(&self) -> bool {
        self.0.kind.is_passing()
    }

    /// Whether the service may have carried the call out although it failed here: the connection broke or
    /// timed out after the request was sent, or this was the answer to a repetition of such a request.
    ///
    /// With [`ErrorKind::Exists`] it means that what exists may be this call's own doing.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # fn example(error: Error) {
    /// if error.may_have_been_done() {
    ///     println!("look whether it was done before trying again");
    /// }
    /// # }
    /// ```
    pub fn may_have_been_done(&self) -> bool {
        self.0.unclear
    }

    /// A failure on this side, before or without an answer of the service.
    pub(crate) fn local(kind: ErrorKind, tried: impl Into<String>, message: impl Into<String>) -> Self {
        Self(Box::new(Detail {
            kind,
            tried: tried.into(),
            status: None,
            code: None,
            message: Some(message.into()),
            request_id: None,
            retry_after: None,
            advice: None,
            unclear: false,
            reached: false,
        }))
    }

    /// No answer came: the connection failed, broke or took too long.
    pub(crate) fn from_transport(tried: &str, error: reqwest::Error) -> Self {
        // A failed connect means that nothing was sent; anything later is unclear.
        let reached = !error.is_connect() && !error.is_builder();
        let kind = if error.is_timeout() {
            ErrorKind::Timeout
        } else if error.is_builder() {
            ErrorKind::InvalidRequest
        } else {
            ErrorKind::Network
        };
        let mut made = Self::local(kind, tried, root_cause(&error.without_url()));
        made.0.unclear = reached;
        made.0.reached = reached;
        made
    }

    /// The service answered with an error.
    pub(crate) fn from_answer(tried: &str, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let parsed = Parsed::read(body);
        let kind = kind::classify(status.as_u16(), &parsed);
        Self(Box::new(Detail {
            kind,
            tried: tried.to_owned(),
            status: Some(status.as_u16()),
            code: parsed.code,
            message: parsed.message,
            request_id: parsed.request_id,
            retry_after: retry_after(headers),
            advice: None,
            // A gateway's 502/504 and an internal error say nothing about whether the work was done.
            unclear: matches!(status.as_u16(), 500 | 502 | 504) && parsed.is_foreign_to_endpoint,
            reached: true,
        }))
    }

    /// The service answered 2xx with something that could not be read.
    pub(crate) fn unreadable(tried: &str, status: StatusCode, why: impl std::fmt::Display) -> Self {
        let mut made = Self::local(ErrorKind::UnexpectedAnswer, tried, why.to_string());
        made.0.status = Some(status.as_u16());
        made.0.unclear = true;
        made.0.reached = true;
        made
    }

    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.0.advice = Some(advice.into());
        self
    }

    pub(crate) fn mark_unclear(mut self) -> Self {
        self.0.unclear = true;
        self
    }

    /// Whether the request certainly left this machine.
    pub(crate) fn reached_service(&self) -> bool {
        self.0.reached
    }

    fn describe(&self) -> String {
        let detail = &self.0;
        let mut text = format!("could not {}: ", detail.tried);
        match (detail.status, &detail.code) {
            (Some(status), Some(code)) => text.push_str(&format!("the service answered {status} {code}")),
            (Some(status), None) => text.push_str(&format!("the service answered {status}")),
            (None, _) => text.push_str(detail.kind.in_words()),
        }
        if let Some(message) = &detail.message {
            let line = one_line(message);
            if !line.is_empty() {
                text.push_str(": ");
                text.push_str(&line);
            }
        }
        if let Some(id) = &detail.request_id {
            text.push_str(&format!(" (request {})", one_line(id)));
        }
        let advice = detail.advice.as_deref().or_else(|| detail.kind.advice());
        if let Some(advice) = advice {
            text.push_str("; ");
            text.push_str(advice);
        }
        if let Some(wait) = detail.retry_after {
            text.push_str(&format!(" (the service asks to wait {} s)", wait.as_secs()));
        }
        text
    }
}

/// `Retry-After` in both its forms: a number of seconds, or an HTTP date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(date.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO))
}

/// The innermost cause, which is the one that says something ("Connection refused").
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// Messages of endpoints have several lines and quoted line ends; logs and screens have one line.
fn one_line(text: &str) -> String {
    const LIMIT: usize = 300;
    let plain = text.replace("\\r\\n", " ");
    let mut line = String::new();
    for word in plain.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
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
    }

    #[test]
    fn a_message_of_an_endpoint_becomes_one_line() {
        let line = one_line("Path not found\nDetails: 550-Error\\r\\n550 End.\\r\\n\n\u{1b}[31m");
        assert_eq!(line, "Path not found Details: 550-Error 550 End. [31m");
        assert_eq!(one_line(&"x ".repeat(1000)).chars().count(), 301);
    }

    #[test]
    fn the_sentence_says_what_was_tried_what_came_back_and_what_to_do() {
        let body = br#"{"code": "EndpointPermissionDenied", "message": "Denied by endpoint", "request_id": "abc"}"#;
        let error = Error::from_answer("list /a/ on X", StatusCode::FORBIDDEN, &HeaderMap::new(), body);
        assert_eq!(
            error.to_string(),
            "could not list /a/ on X: the service answered 403 EndpointPermissionDenied: Denied by endpoint \
             (request abc); give the signed-in account a role or a permission there"
        );
    }
}
