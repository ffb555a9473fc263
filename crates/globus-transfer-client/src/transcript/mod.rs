//! A transcript: each request and response in a file, with everything that names a person, a place or a
//! secret replaced by placeholders.

mod redact;
mod words;

use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use crate::http::{Body, Call, Credentials};
use redact::Redactor;

/// Writes each request and response of a client to a file, one JSON document a line; see
/// [`GlobusClientBuilder::transcript`](crate::GlobusClientBuilder::transcript). Cheap to clone; clones write
/// to the same file.
///
/// Tokens, secrets, names, usernames, addresses, paths and ids are replaced by placeholders, the same one for
/// the same value throughout the file. Numbers, times, field names, and words of the services' own vocabulary
/// stay: that is what a comparison with `globus-simulator compare` needs.
#[derive(Clone)]
pub struct Transcript(Arc<Mutex<Writer>>);

struct Writer {
    out: Box<dyn Write + Send>,
    redactor: Redactor,
    number: u64,
    /// The first failure to write; the client goes on without the transcript.
    failure: Option<io::Error>,
}

impl fmt::Debug for Transcript {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Transcript")
    }
}

impl Transcript {
    /// Writes to a new file.
    ///
    /// # Errors
    /// When the file can't be created.
    ///
    /// ```no_run
    /// use globus_transfer_client::{GlobusClient, Transcript};
    ///
    /// let transcript = Transcript::create("globus.transcript")?;
    /// let builder = GlobusClient::builder().transcript(transcript);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self::to(BufWriter::new(File::create(path)?)))
    }

    /// Writes to anything else.
    pub fn to(out: impl Write + Send + 'static) -> Self {
        let writer = Writer { out: Box::new(out), redactor: Redactor::default(), number: 0, failure: None };
        Self(Arc::new(Mutex::new(writer)))
    }

    /// Writes out what is buffered.
    ///
    /// # Errors
    /// The first failure to write, of now or of an earlier request.
    pub fn finish(&self) -> io::Result<()> {
        let mut writer = self.writer();
        match writer.failure.take() {
            Some(failure) => Err(failure),
            None => writer.out.flush(),
        }
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an exchange; `response` is none when none came.
    pub(crate) fn add(
        &self,
        call: &Call,
        credentials: Credentials<'_>,
        took: Duration,
        response: Option<Seen<'_>>,
    ) {
        let mut writer = self.writer();
        writer.number += 1;
        let number = writer.number;
        let redactor = &mut writer.redactor;
        let line = json!({
            "number": number,
            "request": request(redactor, call, credentials),
            "response": response.map(|seen| respond(redactor, &seen)),
            "milliseconds": took.as_millis() as u64,
        });
        if let Err(failure) = writeln!(writer.out, "{line}")
            && writer.failure.is_none()
        {
            tracing::warn!(%failure, "the transcript can't be written");
            writer.failure = Some(failure);
        }
    }
}

/// A response as it came.
pub(crate) struct Seen<'a> {
    pub status: u16,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
}

fn request(redactor: &mut Redactor, call: &Call, credentials: Credentials<'_>) -> Value {
    let query: Vec<Value> = call
        .url
        .query_pairs()
        .map(|(name, value)| json!([redactor.field_name(&name), redactor.value(&name, &value)]))
        .collect();
    let authorization = match credentials {
        Credentials::None => None,
        Credentials::Bearer(token) => Some(("Bearer", token)),
        Credentials::Basic { secret, .. } => Some(("Basic", secret)),
    };
    let body = match &call.body {
        Body::Empty => Value::Null,
        Body::Json(document) => json_or_text(redactor, document),
        Body::Form(form) => {
            let form = form.expose_secret();
            let fields = url::form_urlencoded::parse(form.as_bytes())
                .map(|(name, value)| (redactor.field_name(&name), redactor.form(&name, &value).into()))
                .collect::<Map<String, Value>>();
            json!({ "form": fields })
        }
    };
    json!({
        "method": call.method.as_str(),
        "url": redactor.address(call.url.as_str()),
        "query": query,
        "authorization": authorization.map(|(kind, secret)| redactor.authorization(kind, secret.expose_secret())),
        "body": body,
    })
}

fn respond(redactor: &mut Redactor, seen: &Seen<'_>) -> Value {
    let mut headers = Map::new();
    for name in seen.headers.keys() {
        // Of most headers the presence alone is told.
        let value = match (name == CONTENT_TYPE || name == RETRY_AFTER, seen.headers[name].to_str()) {
            (true, Ok(text)) if text.len() <= 8 && text.chars().all(|c| c.is_ascii_digit()) => json!(text),
            (true, Ok(text)) => json!(redactor.sentence(text)),
            _ => Value::Null,
        };
        headers.insert(redactor.field_name(&name.as_str().replace('-', "_")).replace('_', "-"), value);
    }
    json!({
        "status": seen.status,
        "headers": headers,
        "body": json_or_text(redactor, seen.body),
    })
}

/// A JSON document, or the beginning of another text.
fn json_or_text(redactor: &mut Redactor, body: &[u8]) -> Value {
    const LONGEST: usize = 4096;
    if body.is_empty() {
        return Value::Null;
    }
    match serde_json::from_slice::<Value>(body) {
        Ok(document) => json!({ "json": redactor.json("", &document) }),
        Err(_) => {
            let text = String::from_utf8_lossy(&body[..body.len().min(LONGEST)]);
            json!({ "text": redactor.sentence(&text) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use secrecy::SecretString;

    /// What a transcript of one exchange holds.
    fn written(call: &Call, credentials: Credentials<'_>, body: &[u8]) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        let transcript = Transcript::create(file.path()).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, "application/json".parse().unwrap());
        transcript.add(
            call,
            credentials,
            Duration::from_millis(3),
            Some(Seen { status: 200, headers: &headers, body }),
        );
        transcript.finish().unwrap();
        std::fs::read_to_string(file.path()).unwrap()
    }

    #[test]
    fn what_stays_and_what_goes() {
        let body = json!({
            "DATA_TYPE": "access",
            "id": "6c54cade-bde5-45c1-bdea-f4bd71dba2cc",
            "principal": "6c54cade-bde5-45c1-bdea-f4bd71dba2cc",
            "path": "/2026-03/Lovelace/",
            "permissions": "rw",
            "notify_email": "ada@uni.example",
            "create_time": "2026-11-24T18:00:00+00:00",
            "code": "ExternalError.MkdirFailed.Exists",
            "message": "Path already exists, Error (mkdir)\nEndpoint: 2-BM \
                        (6c54cade-bde5-45c1-bdea-f4bd71dba2cc)",
            "length": 3,
            "6c54cade-bde5-45c1-bdea-f4bd71dba2cc": {"institution": "Analytical Engines"},
        });
        let url = "https://transfer.api.globus.org/v0.10/operation/endpoint/6c54cade-bde5-45c1-bdea-f4bd71dba2cc/ls?path=%2F2026-03%2FLovelace%2F";
        let call = Call::get(url.parse().unwrap(), "x");
        let token = SecretString::from("AgVeryBearer");
        let text = written(&call, Credentials::Bearer(&token), body.to_string().as_bytes());
        let line: Value = serde_json::from_str(&text).unwrap();
        let id = "00000000-0000-4000-8000-000000000001";
        assert_eq!(
            line["request"],
            json!({
                "method": "GET",
                "url": format!("https://transfer.api.globus.org/v0.10/operation/endpoint/{id}/ls"),
                "query": [["path", "/name-1/name-2/"]],
                "authorization": "Bearer secret-1",
                "body": null,
            })
        );
        assert_eq!(
            line["response"]["body"]["json"],
            json!({
                "DATA_TYPE": "access",
                "id": id,
                "principal": id,
                "path": "/name-1/name-2/",
                "permissions": "rw",
                "notify_email": "user-1@example.org",
                "create_time": "2026-11-24T18:00:00+00:00",
                "code": "ExternalError.MkdirFailed.Exists",
                "message": format!("Path already exists, Error (mkdir)\nEndpoint: 0-~ ({id})"),
                "length": 3,
                id: {"institution": "name-3"},
            })
        );
    }

    #[test]
    fn the_form_of_a_sign_in_keeps_its_kind_only() {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", "Error"),
            ("code_verifier", "xyz"),
            ("client_id", "me"),
        ];
        let call = Call::post_form("https://auth.globus.org/v2/oauth2/token".parse().unwrap(), "x", &form);
        let secret = SecretString::from("Access");
        let text = written(
            &call,
            Credentials::Basic { id: "me", secret: &secret },
            br#"{"access_token": "Active"}"#,
        );
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            line["request"]["body"]["form"],
            json!({"grant_type": "authorization_code", "code": "secret-1", "code_verifier": "secret-2", "client_id": "name-1"})
        );
        assert_eq!(line["request"]["authorization"], "Basic secret-3");
        assert_eq!(line["response"]["body"]["json"], json!({"access_token": "secret-4"}));
    }

    /// Words that no vocabulary of a service has, so that finding one is finding a leak.
    fn private() -> impl Strategy<Value = String> {
        "[A-Z][a-z]{3,8}Zq[a-z]{2,6}"
    }

    fn text() -> impl Strategy<Value = String> {
        private().prop_flat_map(|name| {
            prop_oneof![
                Just(name.clone()),
                Just(format!("{name}@uni-{name}.example")),
                Just(format!("/data/{name}/scan 1.h5")),
                Just(format!("https://{name}.example/{name}?who={name}")),
                Just(format!("Error (list)\nEndpoint: {name} (x)\nServer: {name}.example:443\r\n")),
                Just(format!("urn:globus:auth:identity:{name}")),
                Just(format!("ExternalError.{name}Failed")),
                Just(format!("{name},{name}")),
                Just(format!("{name}éß{name}")),
                Just(format!("2026-11-24 {name}")),
            ]
        })
    }

    fn field() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("DATA_TYPE".to_owned()),
            Just("code".to_owned()),
            Just("message".to_owned()),
            Just("display_name".to_owned()),
            Just("path".to_owned()),
            Just("scope".to_owned()),
            Just("status".to_owned()),
            Just("access_token".to_owned()),
            "[a-y_]{1,8}",
            private(),
            text(),
        ]
    }

    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u32>().prop_map(Value::from),
            text().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((field(), inner), 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn no_name_address_or_secret_is_found(
            body in document(),
            sent in document(),
            path in private(),
            query in text(),
            token in private(),
            page in text(),
        ) {
            let url = format!("https://{path}.example/v0.10/endpoint/{path}/access");
            let call = Call::post(url.parse().unwrap(), "x", &sent).unwrap().query("path", &query).query(&path, &query);
            let secret = SecretString::from(token);
            for answer in [body.to_string(), page, format!("<html>{body}</html>")] {
                let text = written(&call, Credentials::Bearer(&secret), answer.as_bytes());
                // Each private word has these letters, in one case or another.
                prop_assert!(!text.to_lowercase().contains("zq"), "{}", text);
                prop_assert!(!text.contains("uni-") && !text.contains("scan"), "{}", text);
            }
        }
    }
}
