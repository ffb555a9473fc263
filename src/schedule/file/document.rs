//! `[[beam_time]]` tables, each with its `[[beam_time.user]]`.

use super::{ENTRIES_MAX, Entry, Mistake, User};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use toml::{Spanned, Value};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    beam_time: Vec<Spanned<BeamTime>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BeamTime {
    start: Text,
    end: Text,
    run: Option<Text>,
    esaf: Option<Text>,
    granted_shifts: Option<f64>,
    scheduled_shifts: Option<f64>,
    proposal: Option<Text>,
    title: Option<Text>,
    kind: Option<Text>,
    #[serde(default)]
    user: Vec<Person>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Person {
    first_name: Option<Text>,
    last_name: Option<Text>,
    institution: Option<Text>,
    badge: Option<Text>,
    email: Option<Text>,
    #[serde(default)]
    pi: bool,
}

/// A text, or what people write without quotes in its place: a number, a date.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Text(text)),
            Value::Integer(number) => Ok(Text(number.to_string())),
            Value::Datetime(time) => Ok(Text(time.to_string())),
            other => {
                Err(D::Error::custom(format!("a text is expected, not the {} {other}", other.type_str())))
            }
        }
    }
}

pub(super) fn read(text: &str) -> Result<Vec<Entry>, Mistake> {
    let line_ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
    let line = |offset: usize| line_ends.partition_point(|end| *end < offset) as u64 + 1;
    let document: Document = toml::from_str(text).map_err(|error| Mistake {
        line: error.span().map(|span| line(span.start)),
        reason: error.message().to_owned(),
    })?;
    if let Some(beam_time) = document.beam_time.get(ENTRIES_MAX) {
        let reason = format!("there are more than {ENTRIES_MAX} beam times; take old ones out");
        return Err(Mistake::at(line(beam_time.span().start), reason));
    }
    let some = |text: Option<Text>| text.map(|Text(text)| text);
    let entry = |beam_time: Spanned<BeamTime>| {
        let line = line(beam_time.span().start);
        let beam_time = beam_time.into_inner();
        let users = beam_time.user.into_iter().map(|person| User {
            first_name: some(person.first_name),
            last_name: some(person.last_name),
            institution: some(person.institution),
            badge: some(person.badge),
            email: some(person.email),
            pi: person.pi,
        });
        Entry {
            line,
            start: beam_time.start.0,
            end: beam_time.end.0,
            run: some(beam_time.run),
            esaf: some(beam_time.esaf),
            granted_shifts: beam_time.granted_shifts,
            scheduled_shifts: beam_time.scheduled_shifts,
            proposal: some(beam_time.proposal),
            title: some(beam_time.title),
            kind: some(beam_time.kind),
            users: users.collect(),
        }
    };
    Ok(document.beam_time.into_iter().map(entry).collect())
}
