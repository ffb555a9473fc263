//! Replaces everything in requests and responses that could name a person, a place or a secret.
//!
//! The rule is what may stay, not what must go: numbers, booleans, times, field names, and words of the
//! services' own vocabulary. Everything else becomes a placeholder, the same one for the same value all
//! through a transcript.

use std::collections::HashMap;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::words::{is_known, is_known_name};

/// Fields whose values are names that the services define.
const NAMES: &[&str] = &[
    "DATA_TYPE",
    "algorithm",
    "checksum_algorithm",
    "code",
    "collection_type",
    "condition",
    "entity_type",
    "error",
    "grant_type",
    "group_members_visibility",
    "group_type",
    "group_visibility",
    "identity_type",
    "method",
    "my_effective_roles",
    "network_use",
    "nice_status",
    "nice_status_short_description",
    "permissions",
    "principal_type",
    "recursive_symlinks",
    "rel",
    "role",
    "role_type",
    "scheme",
    "status",
    "storage_type",
    "timer_type",
    "token_type",
    "type",
    "filter_scope",
    "include",
    "fields",
    "orderby",
    "statuses",
    "cause",
];

/// Fields that hold sentences, scopes or addresses of the services, in which known words stay.
const TEXTS: &[&str] = &[
    "detail",
    "details",
    "error_description",
    "href",
    "message",
    "msg",
    "nice_status_details",
    "principal",
    "required_scope",
    "required_scopes",
    "resource",
    "scope",
    "session_message",
    "title",
    "unapproved_scopes",
];

/// Fields that are secrets whatever they look like.
const SECRETS: &[&str] = &[
    "access_token",
    "authorization",
    "client_secret",
    "code_challenge",
    "code_verifier",
    "globus_connect_setup_key",
    "id_token",
    "nonce",
    "password",
    "refresh_token",
    "secret",
    "state",
    "token",
];

/// The placeholders given so far.
#[derive(Debug, Default)]
pub(super) struct Redactor {
    known: HashMap<(&'static str, String), usize>,
    counts: HashMap<&'static str, usize>,
}

impl Redactor {
    fn number(&mut self, kind: &'static str, value: &str) -> usize {
        let key = (kind, value.to_owned());
        if let Some(number) = self.known.get(&key) {
            return *number;
        }
        let count = self.counts.entry(kind).or_insert(0);
        *count += 1;
        self.known.insert(key, *count);
        *count
    }

    fn placeholder(&mut self, kind: &'static str, value: &str) -> String {
        format!("{kind}-{}", self.number(kind, value))
    }

    /// An id becomes another id, so that what is replayed is still well-formed.
    pub fn id(&mut self, id: Uuid) -> String {
        let number = self.number("id", &id.to_string());
        Uuid::from_u128(0x0000_0000_0000_4000_8000_0000_0000_0000 + number as u128).to_string()
    }

    /// The header `Authorization`, of which the kind stays.
    pub fn authorization(&mut self, kind: &str, secret: &str) -> String {
        format!("{kind} {}", self.placeholder("secret", secret))
    }

    /// A whole JSON document, below the name of its field.
    pub fn json(&mut self, field: &str, value: &Value) -> Value {
        match value {
            Value::Number(number) if SECRETS.contains(&field) => {
                Value::String(self.placeholder("secret", &number.to_string()))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
            Value::String(text) => Value::String(self.value(field, text)),
            Value::Array(items) => Value::Array(items.iter().map(|item| self.json(field, item)).collect()),
            Value::Object(fields) => {
                let mut redacted = Map::new();
                for (name, value) in fields {
                    let value = self.json(name, value);
                    redacted.insert(self.field_name(name), value);
                }
                Value::Object(redacted)
            }
        }
    }

    /// The name of a field. Where fields are named by ids or people, the name is a value.
    pub fn field_name(&mut self, name: &str) -> String {
        if let Ok(id) = Uuid::parse_str(name) {
            return self.id(id);
        }
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let is_field = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && name.len() <= 64
            && name.chars().all(plain);
        if is_field || matches!(name, "DATA" | "DATA_TYPE") {
            name.to_owned()
        } else {
            self.placeholder("field", name)
        }
    }

    /// One text below the name of its field.
    pub fn value(&mut self, field: &str, text: &str) -> String {
        if text.is_empty() {
            return String::new();
        }
        if SECRETS.contains(&field) {
            return self.placeholder("secret", text);
        }
        if let Ok(id) = Uuid::parse_str(text) {
            return self.id(id);
        }
        if NAMES.contains(&field) && text.split(',').all(is_known_name) {
            return text.to_owned();
        }
        if TEXTS.contains(&field) {
            return self.sentence(text);
        }
        if is_time(text) || is_count(field, text) {
            return text.to_owned();
        }
        if text.contains("://") {
            return self.address(text);
        }
        if text.contains('@') {
            return format!("{}@example.org", self.placeholder("user", text));
        }
        if text.starts_with('/') || text.starts_with('~') {
            return self.path(text);
        }
        self.placeholder("name", text)
    }

    /// A path keeps its depth; the same component is the same placeholder everywhere.
    pub fn path(&mut self, path: &str) -> String {
        let parts: Vec<String> = path
            .split('/')
            .map(|part| match part {
                "" | "~" | "." | ".." => part.to_owned(),
                name => self.placeholder("name", name),
            })
            .collect();
        parts.join("/")
    }

    /// The path of a request below the base of its service: known words and ids stay what they are.
    pub fn request_path(&mut self, path: &str) -> String {
        let parts: Vec<String> = path
            .split('/')
            .map(|part| {
                if let Ok(id) = Uuid::parse_str(part) {
                    self.id(id)
                } else if part.is_empty() || matches!(part, "v0.10" | "v2" | "oauth2") || is_known_name(part)
                {
                    part.to_owned()
                } else {
                    self.placeholder("name", part)
                }
            })
            .collect();
        parts.join("/")
    }

    /// A form field; the code of a sign-in is a secret there, unlike the code of an error.
    pub fn form(&mut self, field: &str, value: &str) -> String {
        if matches!(field, "code" | "device_code") {
            self.placeholder("secret", value)
        } else {
            self.value(field, value)
        }
    }

    /// An address: hosts of Globus's own services stay, and the rest is replaced.
    pub fn address(&mut self, text: &str) -> String {
        let Some((scheme, rest)) = text.split_once("://") else {
            return self.placeholder("name", text);
        };
        let scheme = if is_known(scheme) { scheme.to_owned() } else { self.placeholder("name", scheme) };
        let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let host = match host {
            "auth.globus.org"
            | "transfer.api.globus.org"
            | "groups.api.globus.org"
            | "timer.automate.globus.org"
            | "app.globus.org" => host.to_owned(),
            other => format!("{}.example.org", self.placeholder("host", other)),
        };
        let path = path.split(['?', '#']).next().unwrap_or_default();
        format!("{scheme}://{host}{}", self.request_path(path))
    }

    /// A sentence keeps its known words and its punctuation; ids keep their places, digits become `0`.
    pub fn sentence(&mut self, text: &str) -> String {
        const ID: usize = 36;
        let mut out = String::new();
        let mut word = String::new();
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            if word.is_empty()
                && let Some(id) = rest.get(..ID).and_then(|start| Uuid::parse_str(start).ok())
            {
                out.push_str(&self.id(id));
                rest = &rest[ID..];
                continue;
            }
            match letter {
                c if c.is_alphabetic() => word.push(c),
                c => {
                    self.end_word(&mut out, &mut word);
                    out.push(if c.is_numeric() {
                        '0'
                    } else if c.is_ascii() || c.is_whitespace() {
                        c
                    } else {
                        '?'
                    });
                }
            }
            rest = &rest[letter.len_utf8()..];
        }
        self.end_word(&mut out, &mut word);
        out
    }

    fn end_word(&mut self, out: &mut String, word: &mut String) {
        if word.is_empty() {
            return;
        }
        let taken = std::mem::take(word);
        if is_known_name(&taken) {
            out.push_str(&taken);
        } else {
            // Not numbered: a number for each word of a sentence would make it unreadable.
            out.push('~');
        }
    }
}

/// `2026-11-24T18:00:00+00:00` and its other spellings: a date, and what a clock can show.
fn is_time(text: &str) -> bool {
    let shape = |c: char| c.is_ascii_digit() || matches!(c, '-' | ':' | 'T' | 'Z' | '+' | '.' | ' ');
    text.len() >= 10
        && text.len() <= 35
        && text.chars().all(shape)
        && text.get(..10).is_some_and(|date| date.parse::<jiff::civil::Date>().is_ok())
}

/// A number that a query carries as text.
fn is_count(field: &str, text: &str) -> bool {
    matches!(
        field,
        "limit" | "offset" | "page_size" | "max_results" | "show_hidden" | "expires_in" | "permissions"
    ) && text.len() <= 7
        && text.chars().all(|c| c.is_ascii_digit())
}
