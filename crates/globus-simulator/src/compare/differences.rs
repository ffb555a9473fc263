//! What differs between two responses: status, headers, fields, types and codes. Values of people don't
//! matter.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::time::parse_time;

/// Fields whose values are compared, not only their types.
const CODES: [&str; 3] = ["DATA_TYPE", "code", "error"];

/// Headers of the way between client and service, which a simulator on the same machine hasn't.
const TRANSPORT: [&str; 22] = [
    "access-control-allow-credentials",
    "access-control-allow-origin",
    "age",
    "alt-svc",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-security-policy",
    "date",
    "etag",
    "expires",
    "keep-alive",
    "pragma",
    "referrer-policy",
    "server",
    "set-cookie",
    "strict-transport-security",
    "transfer-encoding",
    "vary",
    "via",
    "x-content-type-options",
];

/// What a value is, as far as a client can depend on it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    Bool,
    Number,
    Id,
    /// With the letter between date and time.
    Time(char),
    Text,
    Array,
    Object,
}

impl Form {
    /// None for null, which stands for a value of any form.
    fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => return None,
            Value::Bool(_) => Self::Bool,
            Value::Number(_) => Self::Number,
            Value::Array(_) => Self::Array,
            Value::Object(_) => Self::Object,
            Value::String(text) if Uuid::parse_str(text).is_ok() => Self::Id,
            Value::String(text) => match text.chars().nth(10) {
                Some(between @ ('T' | ' ')) if parse_time(text).is_some() => Self::Time(between),
                _ => Self::Text,
            },
        })
    }

    fn name(&self) -> String {
        match self {
            Self::Bool => "true or false".to_owned(),
            Self::Number => "a number".to_owned(),
            Self::Id => "an id".to_owned(),
            Self::Time(between) => format!("a time with '{between}'"),
            Self::Text => "a text".to_owned(),
            Self::Array => "a list".to_owned(),
            Self::Object => "an object".to_owned(),
        }
    }
}

/// Lists what differs between a recorded and a replayed document.
pub(super) fn documents(recorded: &Value, replayed: &Value) -> Vec<String> {
    let mut lines = BTreeSet::new();
    compare("", recorded, replayed, &mut lines);
    lines.into_iter().collect()
}

fn compare(path: &str, recorded: &Value, replayed: &Value, lines: &mut BTreeSet<String>) {
    let (Some(service), Some(simulator)) = (Form::of(recorded), Form::of(replayed)) else { return };
    let place = if path.is_empty() { "the document" } else { path };
    if service != simulator {
        // An empty text can stand for an id or a time that is not there.
        let empty = recorded == "" || replayed == "";
        if !empty {
            let (service, simulator) = (service.name(), simulator.name());
            lines.insert(format!("{place}: {service} from the service, {simulator} from the simulator"));
        }
        return;
    }
    match (recorded, replayed) {
        (Value::Object(recorded), Value::Object(replayed)) => objects(path, recorded, replayed, lines),
        (Value::Array(recorded), Value::Array(replayed)) => {
            if let (Some(recorded), Some(replayed)) = (merged(recorded), merged(replayed)) {
                compare(&format!("{path}[]"), &recorded, &replayed, lines);
            }
        }
        (Value::String(recorded), Value::String(replayed)) => {
            let field = path.rsplit(['.', ']']).next().unwrap_or_default();
            if CODES.contains(&field) && recorded != replayed {
                lines.insert(format!(
                    "{place}: '{recorded}' from the service, '{replayed}' from the simulator"
                ));
            }
        }
        _ => {}
    }
}

fn objects(
    path: &str,
    recorded: &Map<String, Value>,
    replayed: &Map<String, Value>,
    lines: &mut BTreeSet<String>,
) {
    // Where fields are named by ids, as in the preferences of Groups, any of them stands for all.
    if let (Some(recorded), Some(replayed)) = (by_id(recorded), by_id(replayed)) {
        return compare(&format!("{path}{{id}}"), recorded, replayed, lines);
    }
    let below = |field: &str| if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") };
    for (field, value) in recorded {
        match replayed.get(field) {
            Some(other) => compare(&below(field), value, other, lines),
            None => {
                let form = Form::of(value).map_or_else(|| "null".to_owned(), |form| form.name());
                lines.insert(format!("{}: only the service has this field ({form})", below(field)));
            }
        }
    }
    for field in replayed.keys().filter(|field| !recorded.contains_key(*field)) {
        lines.insert(format!("{}: only the simulator has this field", below(field)));
    }
}

fn by_id(fields: &Map<String, Value>) -> Option<&Value> {
    fields.iter().next().filter(|(name, _)| Uuid::parse_str(name).is_ok()).map(|(_, value)| value)
}

/// One item with the fields of all: a field that is null in one item can have its form from another.
fn merged(items: &[Value]) -> Option<Value> {
    let mut all = items.first()?.clone();
    for item in &items[1..] {
        if let (Value::Object(all), Value::Object(item)) = (&mut all, item) {
            for (field, value) in item {
                let known = all.entry(field).or_insert(Value::Null);
                if known.is_null() {
                    *known = value.clone();
                }
            }
        }
    }
    Some(all)
}

/// Lists what differs between the headers. Recorded ones have values only where they matter.
pub(super) fn headers(recorded: &Map<String, Value>, replayed: &BTreeMap<String, String>) -> Vec<String> {
    let kind = |text: &str| text.split(';').next().unwrap_or_default().trim().to_owned();
    let relevant = |name: &str| !TRANSPORT.contains(&name) && !name.starts_with("x-");
    let mut lines = Vec::new();
    for (name, value) in recorded.iter().filter(|(name, _)| relevant(name)) {
        match (replayed.get(name), value.as_str()) {
            (None, _) => lines.push(format!("header {name}: only the service has it")),
            (Some(other), Some(value)) if name == "content-type" && kind(other) != kind(value) => {
                let (value, other) = (kind(value), kind(other));
                lines
                    .push(format!("header {name}: '{value}' from the service, '{other}' from the simulator"));
            }
            _ => {}
        }
    }
    for name in replayed.keys().filter(|name| relevant(name) && !recorded.contains_key(*name)) {
        lines.push(format!("header {name}: only the simulator has it"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_types_and_codes() {
        let recorded = json!({
            "DATA_TYPE": "endpoint", "id": Uuid::nil(), "size": 1, "new": "x", "name": "a", "when": "2026-01-02 03:04:05+00:00",
            "DATA": [{"a": null}, {"a": 1, "b": true}], "empty": [], "none": null,
        });
        assert_eq!(documents(&recorded, &recorded), Vec::<String>::new());
        let replayed = json!({
            "DATA_TYPE": "collection", "id": Uuid::nil(), "size": "1", "name": "b", "when": "2026-01-02T03:04:05+00:00",
            "DATA": [{"a": "text"}], "empty": [1], "none": 7, "more": 1,
        });
        assert_eq!(
            documents(&recorded, &replayed),
            [
                "DATA[].a: a number from the service, a text from the simulator",
                "DATA[].b: only the service has this field (true or false)",
                "DATA_TYPE: 'endpoint' from the service, 'collection' from the simulator",
                "more: only the simulator has this field",
                "new: only the service has this field (a text)",
                "size: a number from the service, a text from the simulator",
                "when: a time with ' ' from the service, a time with 'T' from the simulator",
            ]
        );
    }

    #[test]
    fn headers_that_matter() {
        let recorded = json!({"content-type": "application/json", "date": null, "retry-after": "3"});
        let replayed = BTreeMap::from([("content-type".to_owned(), "text/html; charset=utf-8".to_owned())]);
        assert_eq!(
            headers(recorded.as_object().unwrap(), &replayed),
            [
                "header content-type: 'application/json' from the service, 'text/html' from the simulator",
                "header retry-after: only the service has it",
            ]
        );
    }
}
