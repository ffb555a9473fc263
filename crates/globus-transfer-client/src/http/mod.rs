//! One HTTP call to Globus: sent, retried where that is safe, and its response read.

mod call;
mod response;
mod retry;
mod tls;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use backon::Retryable;
use futures::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};

use crate::error::{Error, ErrorKind, Result};
use crate::transcript::{Seen, Transcript};

pub(crate) use call::{Body, Call, Repeat, base_url, endpoint};
pub use response::Response;
pub use retry::RetryPolicy;
pub(crate) use tls::HttpSettings;

/// How a request is authenticated.
#[derive(Clone, Copy)]
pub(crate) enum Credentials<'a> {
    None,
    Bearer(&'a SecretString),
    Basic { id: &'a str, secret: &'a SecretString },
}

/// The connections, and how calls over them are limited and retried.
#[derive(Debug)]
pub(crate) struct Transport {
    pub http: reqwest::Client,
    /// The longest time for one attempt.
    pub timeout: Duration,
    pub retry: RetryPolicy,
    /// The largest response body in bytes, after decompression.
    pub body_limit: usize,
    /// Where each exchange is written.
    pub transcript: Option<Transcript>,
}

impl Transport {
    /// Sends a call until it succeeds, fails for good, or the policy's retries or time are used up.
    ///
    /// Boxed: the compiler can't prove through the closures of `backon` that the future is `Send`.
    pub fn send<'a>(
        &'a self,
        call: &'a Call,
        credentials: Credentials<'a>,
    ) -> BoxFuture<'a, Result<Response>> {
        Box::pin(self.send_with_retries(call, credentials))
    }

    async fn send_with_retries(&self, call: &Call, credentials: Credentials<'_>) -> Result<Response> {
        let started = Instant::now();
        let unclear = AtomicBool::new(false);
        let outcome = (|| self.attempt(call, credentials))
            .retry(self.retry.backoff())
            .when(|error| call.repeat.allows(error))
            .adjust(|error, delay| self.retry.wait(error, delay?, started.elapsed()))
            .notify(|error, wait| {
                unclear.fetch_or(error.may_have_been_done(), Ordering::Relaxed);
                tracing::warn!(wait_ms = wait.as_millis() as u64, "{error}; retrying");
            })
            .await;
        outcome.map_err(|error| if unclear.into_inner() { error.mark_unclear() } else { error })
    }

    /// Boxed: the compiler can't prove through the closures of `backon` that the future is `Send`.
    fn attempt<'a>(
        &'a self,
        call: &'a Call,
        credentials: Credentials<'a>,
    ) -> BoxFuture<'a, Result<Response>> {
        Box::pin(self.send_once(call, credentials))
    }

    async fn send_once(&self, call: &Call, credentials: Credentials<'_>) -> Result<Response> {
        self.exchange(call, credentials).await.map_err(|error| match credentials {
            Credentials::None => error,
            // A gateway may show the request in its error page.
            Credentials::Bearer(secret) | Credentials::Basic { secret, .. } => {
                error.redact(secret.expose_secret())
            }
        })
    }

    async fn exchange(&self, call: &Call, credentials: Credentials<'_>) -> Result<Response> {
        let mut request = self.http.request(call.method.clone(), call.url.clone()).timeout(self.timeout);
        request = match credentials {
            Credentials::None => request,
            Credentials::Bearer(token) => request.bearer_auth(token.expose_secret()),
            Credentials::Basic { id, secret } => request.basic_auth(id, Some(secret.expose_secret())),
        };
        request = match &call.body {
            Body::Empty => request,
            Body::Json(document) => {
                request.header(reqwest::header::CONTENT_TYPE, "application/json").body(document.clone())
            }
            Body::Form(form) => request
                .header(reqwest::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.expose_secret().as_bytes().to_vec()),
        };
        let started = Instant::now();
        let sent = request.send().await;
        let record = |seen: Option<Seen<'_>>| {
            if let Some(transcript) = &self.transcript {
                transcript.add(call, credentials, started.elapsed(), seen);
            }
        };
        let received = sent.map_err(|error| {
            record(None);
            Error::from_transport(&call.operation, error)
        })?;
        let response = response::read(received, call, self.body_limit, |status, headers, body| {
            record(Some(Seen { status: status.as_u16(), headers, body }));
        })
        .await;
        tracing::debug!(
            method = %call.method,
            path = call.url.path(),
            status = response.as_ref().map_or_else(Error::status, |response| Some(response.status.as_u16())),
            ms = started.elapsed().as_millis() as u64,
            "globus"
        );
        response
    }
}

impl Repeat {
    /// Whether the client itself sends a call again that failed this way.
    ///
    /// `ExternalError.*` is the storage's response to this very request and isn't retried here, as in the
    /// Python SDK; `EndpointError` says that the collection couldn't be reached at all.
    fn allows(self, error: &Error) -> bool {
        let is_transient = match error.kind() {
            ErrorKind::RateLimited | ErrorKind::Network | ErrorKind::Timeout | ErrorKind::InvalidResponse => {
                true
            }
            ErrorKind::Server => matches!(error.status(), Some(500 | 502 | 503 | 504)),
            ErrorKind::EndpointError => error.code().is_some_and(|code| code.starts_with("EndpointError")),
            _ => false,
        };
        let not_done = !error.reached_service() || matches!(error.status(), Some(429 | 503));
        is_transient && (self == Repeat::Idempotent || not_done)
    }
}
