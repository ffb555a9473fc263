//! What an error means, from its status, code and message.
//!
//! The codes are those of the public Transfer and Auth documentation and of the Python SDK's test data.

use super::Parsed;

/// What a failure means, whichever format the service used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The path, collection, rule, task, bookmark or identity doesn't exist.
    NotFound,
    /// It exists already: the directory (`502 ExternalError.MkdirFailed.Exists`), the access rule (`409
    /// Exists`).
    Exists,
    /// The path isn't a directory.
    NotDirectory,
    /// The account isn't allowed to do this. A Connect Server that rejects the login is reported as this,
    /// too.
    PermissionDenied,
    /// The account hasn't consented to the scopes that the service needs.
    ConsentRequired {
        /// Scopes to sign in with, as the service spells them.
        required_scopes: Vec<String>,
    },
    /// The session isn't sufficient: another identity, a policy or multi-factor authentication is required.
    /// See [`Error::authorization_parameters`](crate::Error::authorization_parameters).
    SessionRequired,
    /// The token, client secret or code isn't valid.
    AuthenticationFailed,
    /// Too many requests in a short time.
    RateLimited,
    /// The state of the object forbids it, such as cancelling a task that has ended.
    Conflict,
    /// A limit of the service is reached: 1000 access rules a collection, 100 tasks in the queue, the size of
    /// a listing.
    LimitExceeded,
    /// The quota or the space of the storage is used up.
    QuotaExceeded,
    /// The Globus Connect Personal of the collection isn't running, or its owner paused it.
    EndpointDisconnected,
    /// The storage behind the collection failed or can't be reached.
    EndpointError,
    /// The connection failed or broke.
    Network,
    /// No response in time.
    Timeout,
    /// The service itself failed or is down for maintenance.
    Server,
    /// The service doesn't accept the request as it is.
    InvalidRequest,
    /// The response isn't one of a Globus service: a redirect, the page of a gateway, a document cut in the
    /// middle.
    InvalidResponse,
    /// The response is larger than the client accepts.
    ResponseTooLarge,
    /// There is no sign-in, or none for this service.
    NotSignedIn,
    /// The token store on this machine can't be used.
    TokenStore,
}

impl ErrorKind {
    /// Whether waiting alone can help.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::RateLimited
                | Self::EndpointDisconnected
                | Self::EndpointError
                | Self::Network
                | Self::Timeout
                | Self::Server
                | Self::InvalidResponse
        )
    }

    /// The words for a failure without a response.
    pub(crate) fn in_words(&self) -> &'static str {
        match self {
            Self::Network => "no connection",
            Self::Timeout => "no response in time",
            Self::NotSignedIn => "not signed in",
            Self::TokenStore => "the token store can't be used",
            Self::InvalidRequest => "the request isn't valid",
            _ => "failed",
        }
    }

    /// What usually helps, for applications that have no advice of their own. It isn't part of an error's
    /// `Display`.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// assert_eq!(ErrorKind::NotSignedIn.hint(), Some("sign in first"));
    /// ```
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::PermissionDenied => "give the signed-in account a role or a permission there",
            Self::ConsentRequired { .. } => "sign in again and consent to the required scopes",
            Self::SessionRequired => "sign in again as required",
            Self::AuthenticationFailed => "sign in again, or check the client id and secret",
            Self::RateLimited => "wait and try again",
            Self::LimitExceeded => "remove what is no longer needed",
            Self::QuotaExceeded => "free space on the collection's storage, or raise its quota",
            Self::EndpointDisconnected => "start Globus Connect Personal on the collection's computer",
            Self::EndpointError => "check the collection's storage; then try again",
            Self::Network => "check the network and the address of the service",
            Self::Timeout | Self::Server => "try again later",
            Self::InvalidResponse | Self::ResponseTooLarge => {
                "check that the address is that of the Globus service"
            }
            Self::NotSignedIn => "sign in first",
            Self::NotFound
            | Self::Exists
            | Self::NotDirectory
            | Self::Conflict
            | Self::InvalidRequest
            | Self::TokenStore => return None,
        })
    }
}

pub(super) fn classify(status: u16, parsed: &Parsed) -> ErrorKind {
    if let Some(kind) = authorization(status, parsed) {
        return kind;
    }
    let code = parsed.code.as_deref().unwrap_or_default();
    let part = |name: &str| code.split('.').any(|part| part.eq_ignore_ascii_case(name));
    if part("Exists") {
        return ErrorKind::Exists;
    }
    if status == 401 || part("AuthenticationFailed") {
        return ErrorKind::AuthenticationFailed;
    }
    if status == 429 || part("RateLimitExceeded") {
        return ErrorKind::RateLimited;
    }
    if part("LimitExceeded") || part("SizeLimit") || part("TooManyPendingJobs") {
        return ErrorKind::LimitExceeded;
    }
    if part("NotDirectory") {
        return ErrorKind::NotDirectory;
    }
    if part("GCDisconnected") || part("GCPaused") {
        return ErrorKind::EndpointDisconnected;
    }
    if part("LoginFailed") {
        return failed_login(parsed);
    }
    if code.ends_with("PermissionDenied") {
        return ErrorKind::PermissionDenied;
    }
    if code.ends_with("NotFound") || part("EndpointDeleted") {
        return ErrorKind::NotFound;
    }
    if part("QuotaExceeded") {
        return ErrorKind::QuotaExceeded;
    }
    if parsed.is_from_endpoint {
        return from_endpoint(code, parsed.message.as_deref().unwrap_or_default());
    }
    match status {
        403 => ErrorKind::PermissionDenied,
        404 | 410 => ErrorKind::NotFound,
        408 => ErrorKind::Timeout,
        409 => ErrorKind::Conflict,
        500..=599 => ErrorKind::Server,
        400..=499 => ErrorKind::InvalidRequest,
        _ => ErrorKind::InvalidResponse,
    }
}

/// A missing consent, an insufficient session, or wrong credentials of OAuth.
fn authorization(status: u16, parsed: &Parsed) -> Option<ErrorKind> {
    let is_consent = parsed.code.as_deref() == Some("ConsentRequired")
        || parsed.oauth_error.as_deref() == Some("dependent_consent_required");
    let required = parsed.authorization.as_ref();
    let scopes = required.map(|required| required.required_scopes.clone()).unwrap_or_default();
    if is_consent || (!scopes.is_empty() && (status == 403 || parsed.is_from_endpoint)) {
        return Some(ErrorKind::ConsentRequired { required_scopes: scopes });
    }
    if required.is_some_and(super::AuthorizationParameters::requires_session) {
        return Some(ErrorKind::SessionRequired);
    }
    match parsed.oauth_error.as_deref() {
        // RFC 6749 lets the token endpoint say these with 400 as well as with 401.
        Some("invalid_grant" | "invalid_client" | "unauthorized_client") => {
            Some(ErrorKind::AuthenticationFailed)
        }
        _ => None,
    }
}

/// A Connect Server that rejects the login denies access, unless its own result says that the server failed.
fn failed_login(parsed: &Parsed) -> ErrorKind {
    let status = parsed.endpoint_result.as_ref().and_then(|result| result["http_response_code"].as_u64());
    match status {
        Some(500..) => ErrorKind::EndpointError,
        _ => ErrorKind::PermissionDenied,
    }
}

/// An `ExternalError` without a code of its own quotes the words of the storage. `EndpointError` says that
/// the collection itself can't be opened, whatever is quoted.
fn from_endpoint(code: &str, message: &str) -> ErrorKind {
    let quotes = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if quotes(&["c=QUOTA_EXCEEDED", "c=NO_SPACE_LEFT", "quota exceeded", "No space left on device"]) {
        return ErrorKind::QuotaExceeded;
    }
    if quotes(&["c=PERMISSION_DENIED"]) {
        return ErrorKind::PermissionDenied;
    }
    // A directory whose parent is missing has no code of its own.
    if !code.starts_with("EndpointError") && quotes(&["c=PATH_NOT_FOUND", "No such file or directory"]) {
        return ErrorKind::NotFound;
    }
    ErrorKind::EndpointError
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16, body: &str) -> ErrorKind {
        classify(status, &Parsed::read(body.as_bytes()))
    }

    #[test]
    fn codes_mean_what_the_documentation_says() {
        let code = |status, code: &str| kind(status, &format!(r#"{{"code": "{code}", "message": "m"}}"#));
        for (status, name, expected) in [
            (502, "ExternalError.MkdirFailed.Exists", ErrorKind::Exists),
            (409, "Exists", ErrorKind::Exists),
            (404, "ClientError.NotFound", ErrorKind::NotFound),
            (404, "EndpointNotFound", ErrorKind::NotFound),
            (404, "TaskNotFound", ErrorKind::NotFound),
            (403, "EndpointPermissionDenied", ErrorKind::PermissionDenied),
            (403, "PermissionDenied", ErrorKind::PermissionDenied),
            (403, "ExternalError.MkdirFailed.PermissionDenied", ErrorKind::PermissionDenied),
            (401, "ClientError.AuthenticationFailed", ErrorKind::AuthenticationFailed),
            (401, "AuthenticationFailed", ErrorKind::AuthenticationFailed),
            (429, "ClientError.TooManyRequests", ErrorKind::RateLimited),
            (409, "LimitExceeded", ErrorKind::LimitExceeded),
            (502, "ExternalError.DirListingFailed.SizeLimit", ErrorKind::LimitExceeded),
            (502, "ExternalError.DirListingFailed.NotDirectory", ErrorKind::NotDirectory),
            (502, "ExternalError.DirListingFailed.GCDisconnected", ErrorKind::EndpointDisconnected),
            (409, "ClientError.GCPaused", ErrorKind::EndpointDisconnected),
            (502, "ExternalError.DirListingFailed.LoginFailed", ErrorKind::PermissionDenied),
            (502, "ExternalError.MkdirFailed.QuotaExceeded", ErrorKind::QuotaExceeded),
            (502, "EndpointError", ErrorKind::EndpointError),
            (409, "ClientError.Conflict", ErrorKind::Conflict),
            (409, "TaskComplete", ErrorKind::Conflict),
            (503, "ServiceUnavailable", ErrorKind::Server),
            (500, "InternalError", ErrorKind::Server),
            (400, "ClientError.BadRequest.NoTransferItems", ErrorKind::InvalidRequest),
        ] {
            assert_eq!(code(status, name), expected, "{status} {name}");
        }
    }

    #[test]
    fn the_token_endpoint_speaks_oauth() {
        for error in ["invalid_grant", "invalid_client"] {
            for status in [400, 401] {
                let body = format!(r#"{{"error": "{error}"}}"#);
                assert_eq!(kind(status, &body), ErrorKind::AuthenticationFailed, "{error}");
            }
        }
        assert_eq!(kind(400, r#"{"error": "invalid_scope"}"#), ErrorKind::InvalidRequest);
    }

    #[test]
    fn the_words_of_an_endpoint_tell_its_failures_apart() {
        let said =
            |details: &str| format!(r#"{{"code": "ExternalError.MkdirFailed", "message": "{details}"}}"#);
        assert_eq!(kind(502, &said("550-GlobusError: v=1 c=PATH_NOT_FOUND")), ErrorKind::NotFound);
        assert_eq!(kind(502, &said("v=1 c=INTERNAL_ERROR")), ErrorKind::EndpointError);
        assert_eq!(kind(502, &said("v=1 c=QUOTA_EXCEEDED")), ErrorKind::QuotaExceeded);
        assert_eq!(kind(502, &said("mkdir: Disk quota exceeded")), ErrorKind::QuotaExceeded);
        // The directory of the collection itself is missing: its storage isn't mounted.
        let body = r#"{"code": "EndpointError", "message": "can't open: No such file or directory"}"#;
        assert_eq!(kind(502, body), ErrorKind::EndpointError);
    }

    #[test]
    fn a_failed_login_is_a_matter_of_permission_or_session() {
        let said = |result: &str| {
            let message = format!("Login Failed\nDetails: 530-GridFTP-JSON-Result: {result}\\r\\n530 End.");
            let body = serde_json::json!({ "code": "ExternalError.DirListingFailed.LoginFailed", "message": message });
            kind(502, &body.to_string())
        };
        assert_eq!(
            said(r#"{"code": "permission_denied", "http_response_code": 403}"#),
            ErrorKind::PermissionDenied
        );
        assert_eq!(
            said(r#"{"authorization_parameters": {"session_required_identities": ["a@example.org"]}}"#),
            ErrorKind::SessionRequired
        );
        let consent = ErrorKind::ConsentRequired { required_scopes: vec!["s".to_owned()] };
        assert_eq!(said(r#"{"authorization_parameters": {"required_scopes": ["s"]}}"#), consent);
        assert_eq!(said(r#"{"code": "server_error", "http_response_code": 503}"#), ErrorKind::EndpointError);
    }

    #[test]
    fn gateways_answer_without_a_code() {
        assert_eq!(kind(502, "<h1>Bad Gateway</h1>"), ErrorKind::Server);
        assert_eq!(kind(504, ""), ErrorKind::Server);
        assert_eq!(kind(302, ""), ErrorKind::InvalidResponse);
    }

    #[test]
    fn consent_brings_its_scopes() {
        let body = r#"{"code": "ConsentRequired", "message": "m", "required_scopes": ["a[b]"]}"#;
        assert_eq!(kind(403, body), ErrorKind::ConsentRequired { required_scopes: vec!["a[b]".into()] });
    }
}
