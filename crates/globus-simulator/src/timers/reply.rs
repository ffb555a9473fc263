//! What Timers answers when it rejects a call.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// A refusal by Timers: `{"error": {code, detail, status}}`, or a list of what is wrong with a document.
#[derive(Debug, Clone)]
pub(crate) struct TimersError {
    status: StatusCode,
    pub(super) body: Value,
}

impl TimersError {
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        let detail: String = detail.into();
        Self { status, body: json!({"error": {"code": code, "detail": detail, "status": status.as_u16()}}) }
    }

    /// The usual refusal for a status that a fault orders.
    pub fn usual(status: StatusCode, code: Option<&str>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self::new(status, code.unwrap_or("ERROR"), title)
    }

    /// One field of the document is missing or wrong.
    pub(super) fn field(location: &[&str], message: impl Into<String>) -> Self {
        let location: Vec<&str> = std::iter::once("body").chain(location.iter().copied()).collect();
        let message: String = message.into();
        let detail = json!([{"loc": location, "msg": message, "type": "value_error"}]);
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, body: json!({"detail": detail}) }
    }

    /// A consent is missing, in the form of Globus Auth's requirements.
    pub(super) fn requirements(document: Value) -> Self {
        Self { status: StatusCode::FORBIDDEN, body: document }
    }
}

impl IntoResponse for TimersError {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}
