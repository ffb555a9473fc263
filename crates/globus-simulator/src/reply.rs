//! Responses: Transfer's result and error documents, and Auth's error format.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// What each response repeats of its request: the id and the resource.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub request_id: String,
    pub resource: String,
}

tokio::task_local! {
    /// Set by the gate in front of every route, so that a handler need not carry it.
    pub(crate) static CALL: Call;
}

fn call() -> Call {
    CALL.try_with(Clone::clone).unwrap_or_else(|_| Call { request_id: request_id(), resource: String::new() })
}

/// The id of the request that is being answered.
pub(crate) fn current_request_id() -> String {
    call().request_id
}

/// Nine letters and digits, as Transfer makes them.
pub(crate) fn request_id() -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    Uuid::new_v4().as_bytes()[..9]
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]))
        .collect()
}

/// A refusal by Transfer: `{"code", "message", "request_id", "resource"}` and what a code adds.
#[derive(Debug, Clone)]
pub(crate) struct TransferError {
    pub status: StatusCode,
    pub code: String,
    pub message: String,
    pub more: Map<String, Value>,
}

impl TransferError {
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), more: Map::new() }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    pub fn invalid_path(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidPath", message)
    }

    pub fn permission_denied(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "PermissionDenied", message)
    }

    pub fn not_found(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    pub fn conflict(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    pub fn endpoint_not_found(id: &str) -> Self {
        Self::not_found("EndpointNotFound", format!("No such endpoint '{id}'"))
    }

    pub fn with(mut self, key: &str, value: Value) -> Self {
        self.more.insert(key.to_owned(), value);
        self
    }
}

impl IntoResponse for TransferError {
    fn into_response(self) -> Response {
        let call = call();
        let mut body = self.more;
        body.insert("code".into(), self.code.into());
        body.insert("message".into(), self.message.into());
        body.insert("request_id".into(), call.request_id.into());
        body.insert("resource".into(), call.resource.into());
        (self.status, Json(Value::Object(body))).into_response()
    }
}

/// A refusal by Auth: `{"errors": [{status, id, code, detail, title}], "error", "error_description"}`.
#[derive(Debug, Clone)]
pub(crate) struct AuthError {
    pub status: StatusCode,
    pub code: String,
    pub error: String,
    pub title: String,
    pub detail: String,
}

impl AuthError {
    pub fn new(status: StatusCode, code: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            error: code.to_ascii_lowercase(),
            title: title.to_owned(),
            detail: detail.into(),
        }
    }

    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "Unauthorized", "Call must be authenticated")
    }

    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "FORBIDDEN", "Forbidden", detail)
    }

    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", "Bad Request", detail)
    }

    /// A refusal of the token endpoint, named by OAuth 2 (RFC 6749, 5.2).
    pub fn oauth(status: StatusCode, error: &str, detail: impl Into<String>) -> Self {
        Self { error: error.to_owned(), ..Self::new(status, &error.to_ascii_uppercase(), error, detail) }
    }
}

impl IntoResponse for AuthError {
    fn into_response(self) -> Response {
        let id = Uuid::new_v4();
        let body = json!({
            "errors": [{
                "status": self.status.as_u16().to_string(),
                "id": id,
                "code": self.code,
                "detail": self.detail,
                "title": self.title,
            }],
            "error": self.error,
            "error_description": self.detail,
        });
        let mut response = (self.status, Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"globus\""));
        }
        response
    }
}

/// A result document of Transfer, with the request id and the resource that it carries.
pub(crate) fn result(
    status: StatusCode,
    data_type: &str,
    code: &str,
    message: impl Into<String>,
    more: Value,
) -> Response {
    let call = call();
    let mut body = match more {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    body.insert("DATA_TYPE".into(), data_type.into());
    body.insert("code".into(), code.into());
    body.insert("message".into(), message.into().into());
    body.insert("request_id".into(), call.request_id.into());
    body.insert("resource".into(), call.resource.into());
    (status, Json(Value::Object(body))).into_response()
}
