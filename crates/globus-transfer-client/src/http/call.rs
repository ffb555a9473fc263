//! What is sent: method, address, document, and whether sending it twice does harm.

use reqwest::{Method, Url};
use secrecy::SecretString;
use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};

/// Whether sending a call twice does what sending it once does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Reading, or a change that the second time changes nothing.
    Harmless,
    /// A second time could make a second thing: repeated only when the first surely did nothing.
    OnlyIfNotDone,
}

#[derive(Debug)]
pub(crate) enum Body {
    Empty,
    Json(Vec<u8>),
    /// A form, already encoded; those of Auth hold secrets.
    Form(SecretString),
}

/// One request, ready to be sent any number of times.
#[derive(Debug)]
pub(crate) struct Call {
    /// What is tried, as the rest of "could not …".
    pub tried: String,
    pub method: Method,
    pub url: Url,
    pub body: Body,
    pub repeat: Repeat,
}

impl Call {
    pub fn get(url: Url, tried: impl Into<String>) -> Self {
        Self { tried: tried.into(), method: Method::GET, url, body: Body::Empty, repeat: Repeat::Harmless }
    }

    pub fn delete(url: Url, tried: impl Into<String>) -> Self {
        Self { method: Method::DELETE, ..Self::get(url, tried) }
    }

    pub fn put(url: Url, tried: impl Into<String>, document: &impl Serialize) -> Result<Self> {
        Self { method: Method::PUT, ..Self::get(url, tried) }.with(document)
    }

    /// A POST is taken for one that must not be repeated until [`Call::harmless`] says otherwise.
    pub fn post(url: Url, tried: impl Into<String>, document: &impl Serialize) -> Result<Self> {
        Self { method: Method::POST, repeat: Repeat::OnlyIfNotDone, ..Self::get(url, tried) }.with(document)
    }

    pub fn post_form(url: Url, tried: impl Into<String>, fields: &[(&str, &str)]) -> Self {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        Self { method: Method::POST, body: Body::Form(form.into()), repeat: Repeat::Harmless, ..Self::get(url, tried) }
    }

    pub fn harmless(mut self) -> Self {
        self.repeat = Repeat::Harmless;
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

    fn with(mut self, document: &impl Serialize) -> Result<Self> {
        let bytes = serde_json::to_vec(document)
            .map_err(|error| Error::local(ErrorKind::InvalidRequest, self.tried.as_str(), error.to_string()))?;
        self.body = Body::Json(bytes);
        Ok(self)
    }
}

/// The address of something below a base URL. Each segment is percent-encoded, so it stays one segment.
pub(crate) fn endpoint(base: &Url, segments: &[&str]) -> Result<Url> {
    let refuse = |why: String| Error::local(ErrorKind::InvalidRequest, format!("use the address {base}"), why);
    // The URL standard drops these, which would address the thing above instead.
    if let Some(bad) = segments.iter().find(|segment| matches!(**segment, "" | "." | "..")) {
        return Err(refuse(format!("{bad:?} can't name anything in it")));
    }
    let mut url = base.clone();
    url.path_segments_mut().map_err(|()| refuse("it can't be a base".to_owned()))?.pop_if_empty().extend(segments);
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
        for bad in ["", ".", ".."] {
            assert_eq!(endpoint(&base, &["access", bad]).unwrap_err().kind(), &ErrorKind::InvalidRequest);
        }
    }

    proptest! {
        #[test]
        fn a_segment_stays_one_segment(segment in "\\PC{1,40}") {
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
