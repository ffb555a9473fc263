//! One request: method, URL, body, and whether sending it twice is safe.

use reqwest::{Method, Url};
use secrecy::SecretString;
use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};

/// Whether a call is sent again when the response to its first attempt is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It reads, or makes a change that a second attempt leaves as it is.
    Idempotent,
    /// A second attempt could create a second object: retried only when the first certainly had no effect.
    OnlyIfNotDone,
}

#[derive(Debug)]
pub(crate) enum Body {
    Empty,
    Json(Vec<u8>),
    /// A form, already encoded. Those of Auth hold secrets.
    Form(SecretString),
}

/// One request, ready to be sent any number of times.
#[derive(Debug)]
pub(crate) struct Call {
    /// What the call does, as the rest of "could not …".
    pub operation: String,
    pub method: Method,
    pub url: Url,
    pub body: Body,
    pub repeat: Repeat,
}

impl Call {
    /// A call without a body. POST and PATCH aren't retried after a lost response until [`Call::idempotent`].
    pub fn new(method: Method, url: Url, operation: impl Into<String>) -> Self {
        let repeat = match method {
            Method::POST | Method::PATCH => Repeat::OnlyIfNotDone,
            _ => Repeat::Idempotent,
        };
        Self { operation: operation.into(), method, url, body: Body::Empty, repeat }
    }

    pub fn get(url: Url, operation: impl Into<String>) -> Self {
        Self::new(Method::GET, url, operation)
    }

    pub fn delete(url: Url, operation: impl Into<String>) -> Self {
        Self::new(Method::DELETE, url, operation)
    }

    pub fn put(url: Url, operation: impl Into<String>, document: &impl Serialize) -> Result<Self> {
        Self::new(Method::PUT, url, operation).json(document)
    }

    pub fn post(url: Url, operation: impl Into<String>, document: &impl Serialize) -> Result<Self> {
        Self::new(Method::POST, url, operation).json(document)
    }

    pub fn post_form(url: Url, operation: impl Into<String>, fields: &[(&str, &str)]) -> Self {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        Self { body: Body::Form(form.into()), ..Self::new(Method::POST, url, operation) }.idempotent()
    }

    pub fn idempotent(mut self) -> Self {
        self.repeat = Repeat::Idempotent;
        self
    }

    pub fn query(mut self, key: &str, value: impl AsRef<str>) -> Self {
        self.url.query_pairs_mut().append_pair(key, value.as_ref());
        self
    }

    pub fn query_if(self, key: &str, value: Option<impl AsRef<str>>) -> Self {
        match value {
            Some(value) => self.query(key, value),
            None => self,
        }
    }

    pub fn json(mut self, document: &impl Serialize) -> Result<Self> {
        let bytes = serde_json::to_vec(document).map_err(|error| {
            Error::local(ErrorKind::InvalidRequest, self.operation.as_str(), error.to_string())
        })?;
        self.body = Body::Json(bytes);
        Ok(self)
    }

    /// Whether the response may hold tokens, and must not be kept in an error.
    pub fn is_secret(&self) -> bool {
        matches!(self.body, Body::Form(_))
    }
}

/// Parses the base URL of a service.
pub(crate) fn base_url(text: &str) -> Result<Url> {
    let rejected =
        |why: String| Error::local(ErrorKind::InvalidRequest, format!("use the address {text}"), why);
    let url: Url = text.parse().map_err(|error: url::ParseError| rejected(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(rejected("it must begin with https:// (or http:// for a local service)".to_owned()));
    }
    Ok(url)
}

/// The URL of something below a base URL. Each segment is percent-encoded, so it stays one segment.
pub(crate) fn endpoint(base: &Url, segments: &[&str]) -> Result<Url> {
    let rejected =
        |why: String| Error::local(ErrorKind::InvalidRequest, format!("use the address {base}"), why);
    // The URL standard drops these, which would address the parent instead. It drops tabs and line ends
    // first.
    let is_dropped =
        |segment: &&&str| matches!(**segment, "" | "." | "..") || segment.contains(char::is_control);
    if let Some(bad) = segments.iter().find(is_dropped) {
        return Err(rejected(format!("{bad:?} can't be a part of a path")));
    }
    let mut url = base.clone();
    url.path_segments_mut()
        .map_err(|()| rejected("it can't be a base".to_owned()))?
        .pop_if_empty()
        .extend(segments);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_are_joined_with_and_without_a_slash() {
        for base in ["https://transfer.api.globus.org/v0.10", "https://transfer.api.globus.org/v0.10/"] {
            let url = endpoint(&base.parse().unwrap(), &["endpoint", "x", "ls"]).unwrap();
            assert_eq!(url.as_str(), "https://transfer.api.globus.org/v0.10/endpoint/x/ls");
        }
    }

    #[test]
    fn dots_name_nothing() {
        let base: Url = "http://localhost:1/".parse().unwrap();
        for bad in ["", ".", "..", ".\t.", "\n..", "\r", "a\tb", "\u{0}"] {
            assert_eq!(endpoint(&base, &["access", bad]).unwrap_err().kind(), &ErrorKind::InvalidRequest);
        }
    }

    proptest! {
        #[test]
        fn a_segment_stays_one_segment(segment in "\\PC{1,40}|[./%2eEfF?#;@:\\\\]{1,8}") {
            prop_assume!(!matches!(segment.as_str(), "." | ".."));
            let base: Url = "http://localhost:1/v0.10".parse().unwrap();
            let url = endpoint(&base, &["access", &segment, "end"]).unwrap();
            let read: Vec<String> = url
                .path_segments()
                .unwrap()
                .map(|part| percent_encoding::percent_decode_str(part).decode_utf8().unwrap().into_owned())
                .collect();
            prop_assert_eq!(read, ["v0.10", "access", segment.as_str(), "end"]);
            prop_assert_eq!(url.host_str(), Some("localhost"));
            prop_assert_eq!(url.query(), None);
            prop_assert_eq!(url.fragment(), None);
        }

        #[test]
        fn a_query_value_arrives_as_it_was(key in "[a-z_]{1,10}", value in any::<String>()) {
            let call = Call::get("http://localhost:1/ls".parse().unwrap(), "x").query(&key, &value);
            let url: Url = call.url.as_str().parse().unwrap();
            let read: Vec<(String, String)> = url.query_pairs().into_owned().collect();
            prop_assert_eq!(read, [(key, value)]);
        }
    }
}
