//! What the manager API answers: `result` documents, for successes and refusals alike.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// A `result` document of a success.
pub(super) fn envelope(status: StatusCode, message: &str, data: Value) -> Value {
    json!({
        "DATA_TYPE": "result#1.1.0",
        "code": "success",
        "detail": if status == StatusCode::CREATED { "created" } else { "success" },
        "http_response_code": status.as_u16(),
        "message": message,
        "data": data,
        "has_next_page": false,
        "marker": "",
    })
}

/// A success with one document, or none.
pub(super) fn success(status: StatusCode, message: &str, document: Option<Value>) -> Response {
    let data: Vec<Value> = document.into_iter().collect();
    (status, Json(envelope(status, message, json!(data)))).into_response()
}

/// A refusal by the manager API.
#[derive(Debug, Clone)]
pub(crate) struct GcsError {
    status: StatusCode,
    code: &'static str,
    message: String,
    detail: Value,
    authorization_parameters: Option<Value>,
}

impl GcsError {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), detail: Value::Null, authorization_parameters: None }
    }

    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "permission_denied", message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unprocessable_entity", message)
    }

    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", message)
    }

    /// The usual refusal for a status that a fault orders.
    pub fn usual(status: StatusCode, code: Option<&str>) -> Self {
        let code = match (code, status.as_u16()) {
            (Some("permission_denied"), _) | (None, 403) => "permission_denied",
            (Some("not_found"), _) | (None, 404) => "not_found",
            (None, 401) => "unauthorized",
            (None, 409) => "conflict",
            (None, 422) => "unprocessable_entity",
            (None, 429) => "too_many_requests",
            (None, 503) => "service_unavailable",
            _ => "error",
        };
        Self::new(status, code, status.canonical_reason().unwrap_or("Error"))
    }

    /// A document that says more, such as `not_from_allowed_domain#1.0.0`.
    pub fn detail(mut self, detail: Value) -> Self {
        self.detail = detail;
        self
    }

    /// What the caller must consent to or sign in with.
    pub fn parameters(mut self, parameters: Value) -> Self {
        self.authorization_parameters = Some(parameters);
        self
    }
}

impl IntoResponse for GcsError {
    fn into_response(self) -> Response {
        let mut body = json!({
            "DATA_TYPE": "result#1.1.0",
            "code": self.code,
            "detail": self.detail,
            "http_response_code": self.status.as_u16(),
            "message": self.message,
            "data": [],
            "has_next_page": false,
            "marker": "",
        });
        if let Some(parameters) = self.authorization_parameters {
            body["authorization_parameters"] = parameters;
        }
        (self.status, Json(body)).into_response()
    }
}
