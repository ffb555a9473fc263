use super::check::{Check, check, resolve};
use super::data_only::{DataOnly, is_data_only};
use super::de::{Fault, Node, ReadError};
use super::key::{Key, key_text};
use super::{Config, ConfigError, Problem, Sender};
use crate::files::{FileError, read_trusted};
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path as KeyPath, Segment};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

pub(super) fn load(file: &Path, checks: &[Check]) -> Result<Config, ConfigError> {
    let failed = |problems| ConfigError { file: file.to_owned(), problems };
    let text = read_trusted(file).map_err(|error| {
        let message = match error {
            FileError::Io { kind: std::io::ErrorKind::NotFound, message } => {
                format!("can't read the configuration: {message}; beamshare init writes one")
            }
            FileError::Io { message, .. } => format!("can't read the configuration: {message}"),
            error => format!("the configuration {error}"),
        };
        failed(vec![Problem { at: None, key: String::new(), message }])
    })?;
    let document = Document::parse(&text).map_err(failed)?;
    let read = if is_data_only(document.root.get_ref()) {
        document.read::<DataOnly>().map(|settings| settings.into_config(file))
    } else {
        document.read::<Config>()
    };
    let mut config = read.map_err(failed)?;
    config.file = file.to_owned();
    if let Some(globus) = &mut config.globus {
        globus.file = file.to_owned();
    }
    if let Some(email) = &mut config.email {
        email.facility.clone_from(&config.beamline.facility);
    }
    resolve(&mut config);
    if let Some(email) = &config.email {
        config.sender = Some(Sender { from: email.from.clone(), transport: email.transport.clone() });
    }
    let problems: Vec<Problem> = std::iter::once(&(check as Check))
        .chain(checks)
        .flat_map(|check| check(&config))
        .map(|(key, message)| Problem { at: document.place(&key), key: key_text(&key), message })
        .collect();
    if !problems.is_empty() {
        return Err(failed(in_file_order(problems)));
    }
    config.fingerprint = fingerprint(&text, &config);
    Ok(config)
}

/// The files that the settings are made of: an edit of one is a change of the settings.
pub(super) fn files(config: &Config) -> Vec<PathBuf> {
    std::iter::once(config.file.clone()).chain(templates(config)).collect()
}

fn templates(config: &Config) -> impl Iterator<Item = PathBuf> {
    let mut email = config.email.clone();
    let files: Vec<PathBuf> =
        email.iter_mut().flat_map(|email| email.templates().map(|file| file.clone())).collect();
    files.into_iter()
}

/// Of the file's text as it was read and of its templates; one that can't be read counts as such.
fn fingerprint(text: &str, config: &Config) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    for file in templates(config) {
        read_trusted(&file).ok().hash(&mut hasher);
    }
    hasher.finish()
}

fn in_file_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by_key(|problem| problem.at);
    problems
}

/// A TOML text whose values know where they stand.
struct Document<'t> {
    text: &'t str,
    root: Spanned<DeTable<'t>>,
}

impl<'t> Document<'t> {
    fn parse(text: &'t str) -> Result<Document<'t>, Vec<Problem>> {
        let (root, errors) = DeTable::parse_recoverable(text);
        let document = Document { text, root };
        if errors.is_empty() {
            return Ok(document);
        }
        let problem = |error: &Error| {
            let at = error.span().map(|span| document.line_and_column(span.start));
            Problem { at, key: String::new(), message: format!("this is no TOML: {}", error.message()) }
        };
        Err(errors.iter().map(problem).collect())
    }

    /// The settings, or every value that can't be read: serde ends at the first, so each one found is taken
    /// out and the rest read again.
    fn read<T: DeserializeOwned>(&self) -> Result<T, Vec<Problem>> {
        let mut root = self.root.clone();
        let mut problems: Vec<Problem> = vec![];
        // Taken out by us, or written wrong: that these are missing is no news.
        let mut explained: Vec<Vec<Key>> = vec![];
        loop {
            let error = match serde_path_to_error::deserialize::<_, T>(Node::root(root.clone())) {
                Ok(config) if problems.is_empty() => return Ok(config),
                Ok(_) => return Err(in_file_order(problems)),
                Err(error) => error,
            };
            let mut keys = keys(error.path());
            let ReadError { fault, span } = error.into_inner();
            let at = span.map(|span| self.line_and_column(span.start)).or_else(|| self.place(&keys));
            let message = match fault {
                Fault::MissingKey(missing) => {
                    let table = keys.clone();
                    keys.push(Key::from(missing));
                    if !explained.contains(&keys) {
                        let message = "this key is missing".to_owned();
                        problems.push(Problem { at: self.place(&table), key: key_text(&keys), message });
                    }
                    // Without its table, the rest of the file can still be read.
                    if !take_out(root.get_mut(), &table) {
                        return Err(in_file_order(problems));
                    }
                    explained.push(table);
                    continue;
                }
                Fault::UnknownKey { name, known } => {
                    if keys.last() != Some(&Key::from(name.as_str())) {
                        keys.push(Key::from(name.as_str()));
                    }
                    let meant = similar(&name, known);
                    if let (Some(meant), [table @ .., _]) = (meant, keys.as_slice()) {
                        explained.push([table, &[Key::from(meant)]].concat());
                    }
                    format!("there is no such key here; {}", hint(meant, known))
                }
                Fault::UnknownValue { name, known } => {
                    format!("there is no {name:?} here; {}", hint(similar(&name, known), known))
                }
                Fault::NotOneKind => "there must be exactly one kind of it; take the others out".to_owned(),
                Fault::Other(message) => message,
            };
            problems.push(Problem { at, key: key_text(&keys), message });
            if !take_out(root.get_mut(), &keys) {
                return Err(in_file_order(problems));
            }
            while let Some(Key::Index(_)) = keys.last() {
                keys.pop();
            }
            explained.push(keys);
        }
    }

    /// Where the value stands, or the innermost of the tables around it that is in the file.
    fn place(&self, keys: &[Key]) -> Option<(usize, usize)> {
        let mut start = None;
        let mut table = Some(self.root.get_ref());
        let mut value: Option<&Spanned<DeValue>> = None;
        for key in keys {
            let found = match key {
                Key::Name(name) => {
                    table.and_then(|table| table.get_key_value(name.as_str())).map(|(key, value)| {
                        start = Some(key.span().start);
                        value
                    })
                }
                Key::Index(index) => {
                    let item = value
                        .and_then(|value| value.get_ref().as_array())
                        .and_then(|array| array.get(*index));
                    item.inspect(|item| start = Some(item.span().start))
                }
            };
            let Some(found) = found else { break };
            table = found.get_ref().as_table();
            value = Some(found);
        }
        start.map(|start| self.line_and_column(start))
    }

    /// Both from 1, in characters.
    fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        (before.matches('\n').count() + 1, line.chars().count() + 1)
    }
}

fn keys(path: &KeyPath) -> Vec<Key> {
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(Key::Index(*index)),
            Segment::Map { key } => Some(Key::Name(key.clone())),
            Segment::Enum { variant } => Some(Key::Name(variant.clone())),
            Segment::Unknown => None,
        })
        .collect()
}

/// Takes the value out, so that the next one that is wrong can be found. False where that is not possible.
fn take_out(table: &mut DeTable, keys: &[Key]) -> bool {
    let [Key::Name(name), rest @ ..] = keys else { return false };
    if rest.is_empty() {
        return table.remove(name.as_str()).is_some();
    }
    let Some(mut value) = table.get_mut(name.as_str()) else { return false };
    let mut rest = rest;
    while let [Key::Index(index), after @ ..] = rest {
        let DeValue::Array(array) = value.get_mut() else { return false };
        if after.is_empty() {
            // A list keeps its length, so that the indices of what follows stay true: the list goes as a
            // whole.
            return table.remove(name.as_str()).is_some();
        }
        let Some(item) = array.get_mut(*index) else { return false };
        (value, rest) = (item, after);
    }
    match value.get_mut() {
        DeValue::Table(inner) => take_out(inner, rest),
        _ => false,
    }
}

/// The known name that was probably meant.
fn similar(unknown: &str, known: &[&'static str]) -> Option<&'static str> {
    let distances = known.iter().map(|known| (strsim::damerau_levenshtein(unknown, known), *known));
    distances.filter(|(distance, known)| *distance <= known.len() / 3).min().map(|(_, close)| close)
}

/// What would be right.
fn hint(meant: Option<&str>, known: &[&str]) -> String {
    match meant {
        Some(meant) => format!("did you mean {meant}?"),
        None => format!("known here: {}", known.join(", ")),
    }
}
