//! One HTTP call to Globus: sent, repeated where that is safe, and its answer read.

mod call;
mod retry;
mod tls;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use backon::Retryable;
use futures::future::BoxFuture;
use reqwest::header::HeaderMap;
use reqwest::{StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind, Result};

pub(crate) use call::{Body, Call, Repeat, endpoint};
pub use retry::RetryPolicy;

/// What a request proves who it comes from with.
#[derive(Clone, Copy)]
pub(crate) enum Credentials<'a> {
    None,
    Bearer(&'a SecretString),
    Basic { id: &'a str, secret: &'a SecretString },
}

/// An answer with a status of success.
pub(crate) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads the body as a JSON document.
    pub fn json<T: DeserializeOwned>(&self, tried: &str) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|error| Error::unreadable(tried, self.status, error))
    }
}

/// The connections, and how calls over them are repeated.
#[derive(Debug)]
pub(crate) struct Transport {
    http: reqwest::Client,
    timeout: Duration,
    retry: RetryPolicy,
}

impl Transport {
    pub fn new(urls: &[&Url], user_agent: &str, timeout: Duration, retry: RetryPolicy) -> Result<Self> {
        Ok(Self { http: tls::http_client(urls, user_agent)?, timeout, retry })
    }

    /// Sends a call until it is answered, cannot be helped, or the policy's retries or time are used up.
    ///
    /// Boxed, because callers' compilers can't see through the closures of `backon` that the future is `Send`.
    pub fn send<'a>(&'a self, call: &'a Call, credentials: Credentials<'a>) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(self.repeat(call, credentials))
    }

    async fn repeat(&self, call: &Call, credentials: Credentials<'_>) -> Result<Answer> {
        let started = Instant::now();
        let unclear = AtomicBool::new(false);
        let outcome = (|| self.attempt(call, credentials))
            .retry(self.retry.backoff())
            .when(|error| call.repeat.allows(error))
            .adjust(|error, delay| self.retry.wait(error, delay?, started.elapsed()))
            .notify(|error, wait| {
                unclear.fetch_or(error.may_have_been_done(), Ordering::Relaxed);
                tracing::warn!(wait_ms = wait.as_millis() as u64, "{error}; trying again");
            })
            .await;
        outcome.map_err(|error| if unclear.into_inner() { error.mark_unclear() } else { error })
    }

    /// Boxed, because the compiler can't see through the closures of `backon` that the future is `Send`.
    fn attempt<'a>(&'a self, call: &'a Call, credentials: Credentials<'a>) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(self.attempt_now(call, credentials))
    }

    async fn attempt_now(&self, call: &Call, credentials: Credentials<'_>) -> Result<Answer> {
        let tried = call.tried.as_str();
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
        let began = Instant::now();
        let answer = request.send().await.map_err(|error| Error::from_transport(tried, error))?;
        let status = answer.status();
        let headers = answer.headers().clone();
        let body = answer.bytes().await.map_err(|error| Error::from_transport(tried, error))?;
        tracing::debug!(
            method = %call.method,
            path = call.url.path(),
            status = status.as_u16(),
            ms = began.elapsed().as_millis() as u64,
            "globus"
        );
        if status.is_success() {
            Ok(Answer { status, headers, body: body.into() })
        } else {
            Err(Error::from_answer(tried, status, &headers, &body))
        }
    }
}

impl Repeat {
    /// Whether a call that failed this way is sent again by the client itself.
    ///
    /// Trouble of a storage endpoint isn't over in seconds, so it is left to the caller, as the Python SDK does.
    fn allows(self, error: &Error) -> bool {
        let short_lived = match error.kind() {
            ErrorKind::RateLimited | ErrorKind::Network | ErrorKind::Timeout => true,
            ErrorKind::Server => matches!(error.status(), Some(500 | 502 | 503 | 504)),
            _ => false,
        };
        let not_done = !error.reached_service() || matches!(error.status(), Some(429 | 503));
        short_lived && (self == Repeat::Harmless || not_done)
    }
}
