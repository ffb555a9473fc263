//! Questions to the service: with a limit of time, tried again where that can help.

use super::super::ScheduleError;
use super::super::text::{check_size, fitting, one_line};
use crate::config::{ApsService, read_secret};
use crate::domain::Backoff;
use reqwest::{Client, Response, StatusCode, Url};
use rustls_platform_verifier::BuilderVerifierExt;
use secrecy::{ExposeSecret, SecretString};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Largest answer taken, in bytes. A run of one beamline has a few hundred kilobytes.
const ANSWER_MAX: usize = 8 << 20;

/// Longest wait that the service may ask for (Retry-After).
const WAIT_MAX: Duration = Duration::from_secs(60);

/// The service, with the account that asks.
pub(super) struct Service {
    http: Client,
    url: Url,
    user: String,
    password_file: PathBuf,
    timeout: Duration,
    retries: usize,
    /// Between tries
    backoff: Backoff,
}

/// What the service has at a path.
pub(super) enum Answer {
    NotFound,
    Found { url: String, json: serde_json::Value },
}

/// One try that failed.
enum Failure {
    /// Another try may succeed, after the wait that the service asks for
    Passing {
        reason: String,
        wait: Option<Duration>,
    },
    Final(ScheduleError),
}

impl Service {
    pub(super) fn new(config: &ApsService) -> Result<Service, ScheduleError> {
        Ok(Service {
            http: client(&config.url)?,
            url: config.url.clone(),
            user: config.user.clone(),
            password_file: config.password_file.clone(),
            timeout: config.timeout,
            retries: 2,
            backoff: Backoff::new(Duration::from_secs(1), WAIT_MAX),
        })
    }

    pub(super) fn retries(&mut self, retries: usize, delay: Duration) {
        (self.retries, self.backoff) = (retries, Backoff::new(delay, WAIT_MAX));
    }

    pub(super) fn url(&self) -> String {
        self.url.to_string().trim_end_matches('/').to_owned()
    }

    /// Gets what is below `beamline-scheduling/sched-api`; each part becomes one segment, whatever is in it.
    pub(super) async fn get(&self, path: &[&str]) -> Result<Answer, ScheduleError> {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["beamline-scheduling", "sched-api"]).extend(path);
        }
        // Read each time: a service that runs for months takes a new password without a restart.
        let password = read_secret(&self.password_file)?;
        let (mut tries, mut backoff) = (0, self.backoff);
        loop {
            tries += 1;
            let (reason, wait) = match self.try_once(&url, &password).await {
                Ok(answer) => return Ok(answer),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing { reason, wait }) => (reason, wait),
            };
            if tries > self.retries {
                let tries = if tries == 1 { "once".to_owned() } else { format!("{tries} times") };
                return Err(ScheduleError::NoAnswer { url: url.to_string(), tries, reason });
            }
            let delay = backoff.next_pause().max(wait.unwrap_or_default());
            tracing::warn!(%url, "the scheduling service did not answer: {reason}; next try in {delay:.1?}");
            tokio::time::sleep(delay).await;
        }
    }

    async fn try_once(&self, url: &Url, password: &SecretString) -> Result<Answer, Failure> {
        let network = |error: reqwest::Error| Failure::Passing { reason: self.network(&error), wait: None };
        let response = self
            .http
            .get(url.clone())
            .basic_auth(&self.user, Some(password.expose_secret()))
            .header(reqwest::header::ACCEPT, "application/json")
            .timeout(self.timeout)
            .send()
            .await
            .map_err(network)?;
        let status = response.status();
        let wait = retry_after(&response);
        let moved = response
            .headers()
            .get(reqwest::header::LOCATION)
            .map(|to| one_line(&String::from_utf8_lossy(to.as_bytes())));
        let body = self.body(response, url).await?;
        let said = || format!("{status}{}", excerpt(&body));
        let refused = |remedy| {
            let (url, user) = (url.to_string(), self.user.clone());
            Err(Failure::Final(ScheduleError::Refused { url, user, reason: said(), remedy }))
        };
        match status {
            StatusCode::OK | StatusCode::NO_CONTENT => self.json(url, &body).map_err(Failure::Final),
            StatusCode::NOT_FOUND => Ok(Answer::NotFound),
            StatusCode::UNAUTHORIZED => {
                refused("Check schedule.from.aps.user and the password in schedule.from.aps.password_file")
            }
            StatusCode::FORBIDDEN => {
                refused("Ask the facility to let this account see the beamline's schedule")
            }
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                Err(Failure::Passing { reason: said(), wait })
            }
            status if status.is_server_error() => Err(Failure::Passing { reason: said(), wait }),
            status if status.is_redirection() => {
                let to = moved.unwrap_or_else(|| "nowhere".to_owned());
                let reason = format!("{status}, to {}; a password is not sent on", fitting(&to, 200));
                Err(Failure::Final(ScheduleError::Answer { url: url.to_string(), reason }))
            }
            _ => Err(Failure::Final(ScheduleError::Answer { url: url.to_string(), reason: said() })),
        }
    }

    async fn body(&self, mut response: Response, url: &Url) -> Result<Vec<u8>, Failure> {
        let mut body = vec![];
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > ANSWER_MAX => {
                    let reason = format!("more than {} MB", ANSWER_MAX >> 20);
                    return Err(Failure::Final(ScheduleError::Answer { url: url.to_string(), reason }));
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return Ok(body),
                Err(error) => return Err(Failure::Passing { reason: self.network(&error), wait: None }),
            }
        }
    }

    fn json(&self, url: &Url, body: &[u8]) -> Result<Answer, ScheduleError> {
        let url = url.to_string();
        check_size(body).map_err(|reason| ScheduleError::Answer { url: url.clone(), reason })?;
        let json: serde_json::Value = match serde_json::from_slice(body) {
            _ if body.is_empty() => serde_json::Value::Null,
            Ok(json) => json,
            Err(error) => {
                let reason = format!("no JSON ({error}){}", excerpt(body));
                return Err(ScheduleError::Answer { url, reason });
            }
        };
        // What the service has to say in place of a list, e.g. that the account may not see the beamline.
        if let Some(message) = json.get("message") {
            let reason = fitting(&one_line(message.as_str().unwrap_or(&message.to_string())), 200);
            let remedy = "Ask the facility to let this account see the beamline's schedule";
            return Err(ScheduleError::Refused { url, user: self.user.clone(), reason, remedy });
        }
        Ok(Answer::Found { url, json })
    }

    /// Why there was no answer, down to the cause: reqwest's own text only names the address.
    fn network(&self, error: &reqwest::Error) -> String {
        if error.is_timeout() {
            return format!("no answer within {:?}", self.timeout);
        }
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        let what = if error.is_connect() { "can't connect" } else { "the connection broke" };
        format!("{what}: {cause}")
    }
}

/// HTTPS with rustls and the machine's own root certificates.
fn client(url: &Url) -> Result<Client, ScheduleError> {
    let failed = |reason: String| ScheduleError::Setup { reason };
    // Given here and not installed for the process, so that other parts stay free to choose another one.
    let builder =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(error.to_string()))?;
    let plain = url.scheme() == "http";
    let tls = if plain {
        // The configuration allows it on this machine's loopback alone, where no certificate is needed.
        builder.with_root_certificates(rustls::RootCertStore::empty())
    } else {
        builder.with_platform_verifier().map_err(|error| failed(error.to_string()))?
    };
    let mut client = Client::builder()
        .user_agent(concat!("beamshare/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .tls_backend_preconfigured(tls.with_no_client_auth());
    if plain {
        client = client.no_proxy();
    }
    client.build().map_err(|error| failed(error.to_string()))
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(reqwest::header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(WAIT_MAX))
}

/// The beginning of an answer, for an error message.
fn excerpt(body: &[u8]) -> String {
    let text = one_line(&String::from_utf8_lossy(&body[..body.len().min(1000)]));
    if text.is_empty() { String::new() } else { format!(": {}", fitting(&text, 200)) }
}
