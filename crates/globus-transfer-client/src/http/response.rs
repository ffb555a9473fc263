//! Reading a response: bounded, decompressed, and known to be JSON.

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::Call;
use crate::error::{Error, Result};

/// The largest body of an error that is kept, in bytes. Those of Globus have some hundreds.
const ERROR_LIMIT: usize = 64 * 1024;

/// A successful response as it came.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Response {
    /// The HTTP status, 200 to 299.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, decompressed.
    pub body: Vec<u8>,
}

impl Response {
    /// Reads the body as a JSON document; an empty body reads as `null`.
    pub(crate) fn json<T: DeserializeOwned>(&self, operation: &str) -> Result<T> {
        let text: &[u8] = if self.body.trim_ascii().is_empty() { b"null" } else { &self.body };
        serde_json::from_slice(text).map_err(|error| Error::unreadable(operation, self.status, error))
    }
}

/// Reads a response up to `limit` bytes.
///
/// # Errors
/// What the service reports; [`ErrorKind::InvalidResponse`](crate::ErrorKind::InvalidResponse) for a success
/// that isn't JSON, such as the page of a gateway or a document cut in the middle.
///
/// `observe` is shown what came, before it is judged.
pub(super) async fn read(
    mut received: reqwest::Response,
    call: &Call,
    limit: usize,
    observe: impl FnOnce(StatusCode, &HeaderMap, &[u8]),
) -> Result<Response> {
    let operation = call.operation.as_str();
    let (status, headers) = (received.status(), received.headers().clone());
    let limit = if status.is_success() { limit } else { limit.min(ERROR_LIMIT) };
    let mut body = Vec::new();
    while let Some(chunk) = received.chunk().await.map_err(|error| Error::from_transport(operation, error))? {
        if body.len() + chunk.len() > limit {
            if status.is_success() {
                return Err(Error::too_large(operation, status, limit));
            }
            // The beginning of an error page is enough. Dropping the response closes the connection.
            body.extend_from_slice(&chunk[..limit - body.len()]);
            break;
        }
        body.extend_from_slice(&chunk);
    }
    observe(status, &headers, &body);
    if !status.is_success() {
        return Err(Error::from_response(operation, status, &headers, &body));
    }
    if !body.trim_ascii().is_empty()
        && let Err(error) = serde_json::from_slice::<IgnoredAny>(&body)
    {
        return Err(Error::not_json(operation, status, error, if call.is_secret() { b"" } else { &body }));
    }
    Ok(Response { status, headers, body })
}
