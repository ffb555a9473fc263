//! Reads a transcript: one exchange a line.

use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::Error;

/// One request and its response.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Exchange {
    pub number: u64,
    pub request: Recorded,
    /// None when no response came.
    pub response: Option<Answer>,
}

/// A request as it was recorded.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Recorded {
    pub method: String,
    pub url: String,
    #[serde(default)]
    pub query: Vec<(String, String)>,
    #[serde(default)]
    pub authorization: Option<String>,
    #[serde(default)]
    pub body: Option<Content>,
}

/// A response as it was recorded.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Answer {
    pub status: u16,
    #[serde(default)]
    pub headers: Map<String, Value>,
    #[serde(default)]
    pub body: Option<Content>,
}

/// A body: a JSON document, a form of Globus Auth, or neither.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Content {
    pub json: Option<Value>,
    pub form: Option<Map<String, Value>>,
}

/// The service that a request was for, by its path; their paths are all different.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    Auth,
    Transfer,
    Groups,
    Timers,
    ConnectServer,
}

impl Exchange {
    /// The path of the request.
    pub fn path(&self) -> &str {
        let rest = self.request.url.split_once("://").map_or(self.request.url.as_str(), |(_, rest)| rest);
        rest.find('/').map_or("/", |at| &rest[at..])
    }

    pub fn service(&self) -> Service {
        let path = self.path();
        let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| path.starts_with(prefix));
        if starts(&["/v0.10", "/v2/bookmarks"]) {
            Service::Transfer
        } else if starts(&["/v2/groups", "/v2/preferences", "/v2/subscription_info"]) {
            Service::Groups
        } else if starts(&["/jobs", "/v2/timer"]) {
            Service::Timers
        } else if path.contains("/api/") && !starts(&["/v2/api"]) {
            Service::ConnectServer
        } else {
            Service::Auth
        }
    }

    /// The JSON document of the response.
    pub fn document(&self) -> Option<&Value> {
        self.response.as_ref()?.body.as_ref()?.json.as_ref()
    }

    /// The JSON document of the request.
    pub fn sent(&self) -> Option<&Value> {
        self.request.body.as_ref()?.json.as_ref()
    }

    pub fn succeeded(&self) -> bool {
        self.response.as_ref().is_some_and(|response| (200..300).contains(&response.status))
    }

    /// The call without ids and names: `GET /v0.10/endpoint/{id}`.
    pub fn call(&self) -> String {
        let parts: Vec<&str> = self
            .path()
            .split('/')
            .map(|part| match part {
                part if Uuid::parse_str(part).is_ok() => "{id}",
                part if part.starts_with("name-") => "{name}",
                part => part,
            })
            .collect();
        format!("{} {}", self.request.method, parts.join("/"))
    }

    /// The first id of the path.
    pub fn path_id(&self) -> Option<Uuid> {
        self.path().split('/').find_map(|part| Uuid::parse_str(part).ok())
    }
}

/// Reads every line.
pub(super) fn exchanges(transcript: &str) -> Result<Vec<Exchange>, Error> {
    let lines = transcript.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(at, line)| {
            serde_json::from_str(line).map_err(|error| Error::Transcript(format!("line {}: {error}", at + 1)))
        })
        .collect()
}
