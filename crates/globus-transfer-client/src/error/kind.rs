//! What an error means, from its status, code and message.
//!
//! The codes are those of the public Transfer and Auth documentation and of the Python SDK's test data.

use super::Parsed;

/// What a failure means, whatever words the service used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The path, collection, rule, task, bookmark or identity isn't there.
    NotFound,
    /// It is there already: the directory (`502 ExternalError.MkdirFailed.Exists`), the access rule (`409 Exists`).
    Exists,
    /// The path isn't a directory.
    NotDirectory,
    /// The account is known, and may not do this.
    PermissionDenied,
    /// The account hasn't consented to what the collection asks for.
    ConsentRequired {
        /// Scopes to sign in with, as the service spelled them.
        required_scopes: Vec<String>,
    },
    /// The session isn't enough: another identity, a policy or a second factor is asked for.
    SessionRequired,
    /// No valid token, client secret, or code.
    AuthenticationFailed,
    /// Too many requests in a short time.
    RateLimited,
    /// The state of things forbids it, such as cancelling a task that has ended.
    Conflict,
    /// A limit of the service is reached: 1000 access rules a collection, 100 tasks in the queue, the size of a listing.
    LimitExceeded,
    /// The storage behind the collection failed or can't be reached.
    EndpointTrouble,
    /// No connection, or it broke.
    Network,
    /// No answer in time.
    Timeout,
    /// The service itself failed or is down for maintenance.
    Server,
    /// The service doesn't accept the request as it is.
    InvalidRequest,
    /// The service's answer could not be read.
    UnexpectedAnswer,
    /// There is no sign-in under this name.
    NotSignedIn,
    /// The token store on this machine can't be used.
    TokenStore,
}

impl ErrorKind {
    /// Whether waiting alone can help.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::RateLimited | Self::EndpointTrouble | Self::Network | Self::Timeout | Self::Server)
    }

    /// What is said when the service gave no answer.
    pub(crate) fn in_words(&self) -> &'static str {
        match self {
            Self::Network => "no connection",
            Self::Timeout => "no answer in time",
            Self::NotSignedIn => "not signed in",
            Self::TokenStore => "the token store can't be used",
            Self::InvalidRequest => "the request isn't valid",
            _ => "failed",
        }
    }

    /// What a person can do about it.
    pub(crate) fn advice(&self) -> Option<&'static str> {
        Some(match self {
            Self::NotFound | Self::Exists | Self::NotDirectory | Self::Conflict | Self::InvalidRequest => return None,
            Self::PermissionDenied => "give the signed-in account a role or a permission there",
            Self::ConsentRequired { .. } => "sign in again and consent to what is asked",
            Self::SessionRequired => "sign in again as asked",
            Self::AuthenticationFailed => "sign in again, or check the client id and secret",
            Self::RateLimited => "wait and try again",
            Self::LimitExceeded => "remove what is no longer needed",
            Self::EndpointTrouble => "look at the collection's storage; then try again",
            Self::Network => "check the network and the address of the service",
            Self::Timeout | Self::Server => "try again later",
            Self::UnexpectedAnswer => "check that the address is that of the Globus service",
            Self::NotSignedIn => "sign in first",
            Self::TokenStore => return None,
        })
    }
}

pub(super) fn classify(status: u16, parsed: &Parsed) -> ErrorKind {
    let code = parsed.code.as_deref().unwrap_or_default();
    let message = parsed.message.as_deref().unwrap_or_default();
    let from_endpoint = !parsed.is_foreign_to_endpoint;
    let part = |name: &str| code.split('.').any(|part| part.eq_ignore_ascii_case(name));

    if code == "ConsentRequired" || (!parsed.required_scopes.is_empty() && status == 403) {
        return ErrorKind::ConsentRequired { required_scopes: parsed.required_scopes.clone() };
    }
    if parsed.session.is_some() {
        return ErrorKind::SessionRequired;
    }
    match parsed.oauth_error.as_deref() {
        Some("dependent_consent_required") => {
            return ErrorKind::ConsentRequired { required_scopes: parsed.required_scopes.clone() };
        }
        // RFC 6749 lets the token endpoint say these with 400 as well as with 401.
        Some("invalid_grant" | "invalid_client" | "unauthorized_client") => {
            return ErrorKind::AuthenticationFailed;
        }
        _ => {}
    }
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
    if code.ends_with("PermissionDenied") || (from_endpoint && message.contains("c=PERMISSION_DENIED")) {
        return ErrorKind::PermissionDenied;
    }
    // A directory whose parent is missing has no code of its own: the endpoint's words are quoted in the message.
    let quoted_missing = message.contains("c=PATH_NOT_FOUND") || message.contains("No such file or directory");
    if code.ends_with("NotFound") || part("EndpointDeleted") || (from_endpoint && quoted_missing) {
        return ErrorKind::NotFound;
    }
    if from_endpoint || part("GCDisconnected") || part("GCPaused") {
        return ErrorKind::EndpointTrouble;
    }
    match status {
        403 => ErrorKind::PermissionDenied,
        404 | 410 => ErrorKind::NotFound,
        408 => ErrorKind::Timeout,
        409 => ErrorKind::Conflict,
        500..=599 => ErrorKind::Server,
        400..=499 => ErrorKind::InvalidRequest,
        _ => ErrorKind::UnexpectedAnswer,
    }
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
            (502, "ExternalError.DirListingFailed.GCDisconnected", ErrorKind::EndpointTrouble),
            (502, "ExternalError.DirListingFailed.LoginFailed", ErrorKind::EndpointTrouble),
            (502, "EndpointError", ErrorKind::EndpointTrouble),
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
    fn a_missing_parent_is_told_from_other_trouble() {
        let said = |details: &str| format!(r#"{{"code": "ExternalError.MkdirFailed", "message": "{details}"}}"#);
        assert_eq!(kind(502, &said("550-GlobusError: v=1 c=PATH_NOT_FOUND")), ErrorKind::NotFound);
        assert_eq!(kind(502, &said("v=1 c=INTERNAL_ERROR")), ErrorKind::EndpointTrouble);
    }

    #[test]
    fn gateways_answer_without_a_code() {
        assert_eq!(kind(502, "<h1>Bad Gateway</h1>"), ErrorKind::Server);
        assert_eq!(kind(504, ""), ErrorKind::Server);
        assert_eq!(kind(302, ""), ErrorKind::UnexpectedAnswer);
    }

    #[test]
    fn consent_brings_its_scopes() {
        let body = r#"{"code": "ConsentRequired", "message": "m", "required_scopes": ["a[b]"]}"#;
        assert_eq!(kind(403, body), ErrorKind::ConsentRequired { required_scopes: vec!["a[b]".into()] });
    }
}
