//! What can go wrong, and what it means.

mod authorization;
mod body;
mod kind;
mod text;

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

pub use authorization::AuthorizationParameters;
pub use kind::ErrorKind;

pub(crate) use body::Parsed;
use text::{LONGEST_WAIT, one_line, retry_after, root_cause, text_of};

/// The result of this crate's calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A call that failed: the operation, the response, and what it means.
///
/// [`Error::kind`] says what it means. The `Display` form is one line for people: the operation and the
/// response, without advice ([`ErrorKind::hint`] has some). Nothing that the service said is lost: see
/// [`Error::body`], [`Error::authorization_parameters`] and [`Error::request_id`].
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
    operation: String,
    status: Option<u16>,
    code: Option<String>,
    message: Option<String>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    authorization: Option<AuthorizationParameters>,
    endpoint_result: Option<Value>,
    body: Option<String>,
    /// Whether the service may have carried the call out.
    is_unclear: bool,
    /// Whether the request certainly left this machine.
    has_reached: bool,
}

impl Error {
    /// What the failure means.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # fn example(error: Error) {
    /// if *error.kind() == ErrorKind::NotFound {
    ///     println!("it does not exist");
    /// }
    /// # }
    /// ```
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The operation that failed, such as `list /2026-03/ on collection 313c…`: the rest of "could not …".
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # fn example(error: Error) {
    /// println!("{} failed", error.operation());
    /// # }
    /// ```
    pub fn operation(&self) -> &str {
        &self.0.operation
    }

    /// The HTTP status, when there was a response.
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
    /// let is_not_running = error.code() == Some("ExternalError.DirListingFailed.GCDisconnected");
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
    /// println!("{}", error.message().unwrap_or("(none)"));
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
    /// println!("request id for Globus support: {}", error.request_id().unwrap_or("(none)"));
    /// # }
    /// ```
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// The response body as it came, up to 64 KiB. `None` without a response, and where it could hold a
    /// token.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # fn example(error: Error) {
    /// let document: Option<serde_json::Value> = error.body().and_then(|body| serde_json::from_str(body).ok());
    /// # }
    /// ```
    pub fn body(&self) -> Option<&str> {
        self.0.body.as_deref()
    }

    /// What the session or its consents lack, where the service says so: for [`ErrorKind::ConsentRequired`]
    /// and [`ErrorKind::SessionRequired`].
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # fn example(error: Error) {
    /// if let Some(required) = error.authorization_parameters() {
    ///     println!("sign in as one of {:?}", required.session_required_identities);
    /// }
    /// # }
    /// ```
    pub fn authorization_parameters(&self) -> Option<&AuthorizationParameters> {
        self.0.authorization.as_ref()
    }

    /// The result document of the Globus Connect Server that the message quotes (`GridFTP-JSON-Result`).
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # fn example(error: Error) {
    /// if let Some(result) = error.endpoint_result() {
    ///     println!("{}", result["message"]);
    /// }
    /// # }
    /// ```
    pub fn endpoint_result(&self) -> Option<&Value> {
        self.0.endpoint_result.as_ref()
    }

    /// How long the service asked to wait (`Retry-After`), at most 100 years.
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
    /// It doesn't say whether repeating is safe: see [`Error::may_have_been_done`].
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # fn example(error: Error) {
    /// if error.is_transient() {
    ///     println!("{error}; waiting");
    /// }
    /// # }
    /// ```
    pub fn is_transient(&self) -> bool {
        self.0.kind.is_transient()
    }

    /// Whether the service may have carried the call out although it failed here: the connection broke or
    /// timed out after the request was sent, or this was the response to a retry of such a request.
    ///
    /// With [`ErrorKind::Exists`] it means that this call itself may have created what exists.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # fn example(error: Error) {
    /// if error.may_have_been_done() {
    ///     println!("check whether it was done before trying again");
    /// }
    /// # }
    /// ```
    pub fn may_have_been_done(&self) -> bool {
        self.0.is_unclear
    }

    /// A failure on this side, before or without a response.
    pub(crate) fn local(kind: ErrorKind, operation: impl Into<String>, message: impl Into<String>) -> Self {
        Self(Box::new(Detail {
            kind,
            operation: operation.into(),
            status: None,
            code: None,
            message: Some(message.into()),
            request_id: None,
            retry_after: None,
            authorization: None,
            endpoint_result: None,
            body: None,
            is_unclear: false,
            has_reached: false,
        }))
    }

    /// No response came: the connection failed, broke or took too long.
    pub(crate) fn from_transport(operation: &str, error: reqwest::Error) -> Self {
        // A failed connect means that nothing was sent; after any later failure the outcome is unclear.
        let has_reached = !error.is_connect() && !error.is_builder();
        let kind = if error.is_timeout() {
            ErrorKind::Timeout
        } else if error.is_builder() {
            ErrorKind::InvalidRequest
        } else {
            ErrorKind::Network
        };
        let mut made = Self::local(kind, operation, root_cause(&error.without_url()));
        made.0.is_unclear = has_reached;
        made.0.has_reached = has_reached;
        made
    }

    /// The service responded with an error.
    pub(crate) fn from_response(
        operation: &str,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Self {
        let parsed = Parsed::read(body);
        Self(Box::new(Detail {
            kind: kind::classify(status.as_u16(), &parsed),
            operation: operation.to_owned(),
            status: Some(status.as_u16()),
            code: parsed.code,
            message: parsed.message,
            request_id: parsed.request_id,
            retry_after: retry_after(headers),
            authorization: parsed.authorization,
            endpoint_result: parsed.endpoint_result,
            body: text_of(body),
            // A gateway's 502 or 504 and an internal error don't say whether the work was done.
            is_unclear: matches!(status.as_u16(), 500 | 502 | 504) && !parsed.is_from_endpoint,
            has_reached: true,
        }))
    }

    /// The service responded 2xx with JSON of another shape than expected.
    pub(crate) fn unreadable(operation: &str, status: StatusCode, why: impl std::fmt::Display) -> Self {
        let mut made = Self::local(ErrorKind::InvalidResponse, operation, why.to_string());
        made.0.status = Some(status.as_u16());
        made.0.is_unclear = true;
        made.0.has_reached = true;
        made
    }

    /// The service, or a gateway before it, responded 2xx with something other than JSON.
    pub(crate) fn not_json(operation: &str, status: StatusCode, why: serde_json::Error, body: &[u8]) -> Self {
        let words = Parsed::read(body).message.unwrap_or_default();
        let mut made = Self::unreadable(operation, status, format!("not a JSON document ({why}): {words}"));
        made.0.body = text_of(&body[..body.len().min(64 * 1024)]);
        made
    }

    /// The response was larger than `limit` bytes and was not read to its end.
    pub(crate) fn too_large(operation: &str, status: StatusCode, limit: usize) -> Self {
        let mut made =
            Self::unreadable(operation, status, format!("the response is larger than {limit} bytes"));
        made.0.kind = ErrorKind::ResponseTooLarge;
        made
    }

    /// The signed-in account lacks consents for a service, known before any call.
    #[cfg(feature = "oauth")]
    pub(crate) fn consent_required(operation: impl Into<String>, scopes: Vec<String>) -> Self {
        let kind = ErrorKind::ConsentRequired { required_scopes: scopes.clone() };
        let mut made = Self::local(kind, operation, "the sign-in has no token for this service");
        made.0.authorization =
            Some(AuthorizationParameters { required_scopes: scopes, ..Default::default() });
        made
    }

    /// Removes a secret from everything that the service sent back.
    pub(crate) fn redact(mut self, secret: &str) -> Self {
        let detail = &mut self.0;
        let texts = [&mut detail.code, &mut detail.message, &mut detail.request_id, &mut detail.body];
        for text in texts.into_iter().flatten() {
            if !secret.is_empty() && text.contains(secret) {
                *text = text.replace(secret, "[secret]");
            }
        }
        self
    }

    pub(crate) fn mark_unclear(mut self) -> Self {
        self.0.is_unclear = true;
        self
    }

    /// Whether the request certainly left this machine.
    pub(crate) fn reached_service(&self) -> bool {
        self.0.has_reached
    }

    fn describe(&self) -> String {
        let detail = &self.0;
        let mut text = format!("could not {}: ", one_line(&detail.operation));
        match (detail.status, &detail.code) {
            (Some(status), Some(code)) => {
                text.push_str(&format!("the service answered {status} {}", one_line(code)));
            }
            (Some(status), None) => text.push_str(&format!("the service answered {status}")),
            (None, _) => text.push_str(detail.kind.in_words()),
        }
        let line = one_line(detail.message.as_deref().unwrap_or_default());
        if !line.is_empty() {
            text.push_str(": ");
            text.push_str(&line);
        }
        if let Some(id) = &detail.request_id {
            text.push_str(&format!(" (request {})", one_line(id)));
        }
        match detail.retry_after {
            Some(LONGEST_WAIT) => text.push_str(" (the service asks to wait more than 100 years)"),
            Some(wait) => text.push_str(&format!(" (the service asks to wait {} s)", wait.as_secs())),
            None => {}
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::RETRY_AFTER;

    fn headers(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, value.parse().unwrap());
        headers
    }

    #[test]
    fn an_absurd_wait_is_reported_as_such() {
        let error =
            |value: &str| Error::from_response("list /", StatusCode::TOO_MANY_REQUESTS, &headers(value), b"");
        assert!(
            error("7200").to_string().ends_with("(the service asks to wait 7200 s)"),
            "{}",
            error("7200")
        );
        let absurd = error("18446744073709551615").to_string();
        assert!(absurd.ends_with("(the service asks to wait more than 100 years)"), "{absurd}");
    }

    #[test]
    fn the_sentence_names_the_operation_and_the_response() {
        let body =
            br#"{"code": "EndpointPermissionDenied", "message": "Denied by endpoint", "request_id": "abc"}"#;
        let error = Error::from_response("list /a/ on X", StatusCode::FORBIDDEN, &HeaderMap::new(), body);
        assert_eq!(
            error.to_string(),
            "could not list /a/ on X: the service answered 403 EndpointPermissionDenied: Denied by endpoint \
             (request abc)"
        );
    }
}
