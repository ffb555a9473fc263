//! Directories of a pair, and the name of its tasks.

use crate::domain::{Experiment, Field, FieldError, PathTemplate};
use minijinja::{Environment, UndefinedBehavior};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;

/// What Transfer takes of a label, in characters.
const LABEL_MAX: usize = 128;

/// An absolute directory, the same for everyone or with a template over the experiment below it. What comes
/// from the experiment becomes safe components (see [`PathTemplate`]), so no value can lead out of the fixed
/// part.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct SyncPath {
    text: String,
    /// The fixed part, with a `/` at both ends
    top: String,
    below: Option<PathTemplate>,
}

impl SyncPath {
    /// Whether it is an experiment's own.
    pub fn is_template(&self) -> bool {
        self.below.is_some()
    }

    /// The fixed part, with a `/` at both ends; the whole where nothing is an experiment's.
    pub fn top(&self) -> &str {
        &self.top
    }

    /// The template below the fixed part.
    pub fn below(&self) -> Option<&PathTemplate> {
        self.below.as_ref()
    }

    /// The directory, with a `/` at the end.
    pub(super) fn render(&self, experiment: Option<&Experiment>) -> Result<String, FieldError> {
        let Some(below) = &self.below else { return Ok(self.top.clone()) };
        let Some(experiment) = experiment else {
            let reason = format!("is needed by the path {self}, and there is no experiment");
            return Err(FieldError { field: Field::PiLastName, value: String::new(), reason });
        };
        Ok(format!("{}{}/", self.top, below.render(experiment)?))
    }

    /// The directory of somebody, to compare paths with each other.
    pub(in super::super) fn example(&self) -> String {
        match self.below.as_ref().and_then(PathTemplate::example) {
            Some(below) => format!("{}{below}/", self.top),
            None => self.top.clone(),
        }
    }
}

impl fmt::Display for SyncPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for SyncPath {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        if !text.starts_with('/') {
            return Err(format!(
                "{text:?} must begin with /, like \"/data/{{{{ year_month }}}}/{{{{ pi_last_name }}}}\""
            ));
        }
        let inner = text.trim_matches('/');
        // A template can have a / in itself ({{ a / b }} can't be a path, {% if x %}/y{% endif %} can), so
        // the fixed part ends with the last / before it begins.
        let fixed = match inner.find('{') {
            Some(at) => inner[..at].rfind('/').map_or(0, |slash| slash + 1),
            None => inner.len(),
        };
        let (top, below) = inner.split_at(fixed);
        let top = top.trim_end_matches('/');
        let bad =
            |part: &str| part.is_empty() || matches!(part, "." | "..") || part.contains(char::is_control);
        if !top.is_empty() && top.split('/').any(bad) {
            return Err(format!("{text:?} is no directory; it may have neither // nor . or .. in it"));
        }
        let below = (!below.is_empty()).then(|| PathTemplate::try_from(below.to_owned())).transpose()?;
        let top = if top.is_empty() { "/".to_owned() } else { format!("/{top}/") };
        Ok(SyncPath { text, top, below })
    }
}

/// The name of a pair's tasks, a minijinja template over the experiment, e.g. `2-BM raw {{ pi_last_name }}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct LabelTemplate(String);

impl LabelTemplate {
    /// A text as the service takes it for a label.
    pub fn plain(text: &str) -> String {
        label(text)
    }

    /// The label: what the service doesn't take becomes `_`, and what the experiment lacks is left out.
    pub fn render(&self, experiment: Option<&Experiment>) -> String {
        let known =
            |field: Field| experiment.and_then(|experiment| experiment.text(field)).unwrap_or_default();
        let values: BTreeMap<&str, String> = Field::ALL.map(|field| (field.key(), known(field))).into();
        // Tried when it was made, with every value there.
        let text = environment().render_str(&self.0, &values).unwrap_or_else(|_| self.0.clone());
        label(&text)
    }
}

/// A text as Transfer takes it for a label: letters, digits, blanks, commas, hyphens and underscores.
fn label(text: &str) -> String {
    let taken = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | ',' | '-' | '_');
    let safe: String = deunicode::deunicode(text).chars().map(|c| if taken(c) { c } else { '_' }).collect();
    safe.trim().chars().take(LABEL_MAX).collect()
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment
}

impl TryFrom<String> for LabelTemplate {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let environment = environment();
        let wrong = |error: minijinja::Error| format!("the template {text:?} can't be read: {error}");
        let template = environment.template_from_str(&text).map_err(wrong)?;
        let mut names: Vec<String> = template.undeclared_variables(false).into_iter().collect();
        names.sort();
        if let Some(unknown) = names.iter().find(|name| !Field::ALL.iter().any(|field| field.key() == *name))
        {
            let known: Vec<&str> = Field::ALL.map(Field::key).into();
            return Err(format!("{unknown} is no field; a label may hold {}", known.join(", ")));
        }
        let values: BTreeMap<&str, &str> = Field::ALL.map(|field| (field.key(), "x")).into();
        let sample = template.render(&values).map_err(wrong)?;
        if label(&sample).is_empty() {
            return Err("must not be empty".to_owned());
        }
        Ok(LabelTemplate(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::UserInfo;

    fn li() -> Experiment {
        let fields = [
            (Field::YearMonth, "2026-03"),
            (Field::PiLastName, "O'Néill"),
            (Field::PiEmail, "li@example.org"),
            (Field::ProposalTitle, "../../etc $(x)"),
        ];
        Experiment::parse(&UserInfo(fields.map(|(field, text)| (field, text.to_owned())).into())).unwrap()
    }

    fn path(text: &str) -> SyncPath {
        SyncPath::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn paths_are_absolute_and_values_stay_components() {
        for (text, rendered) in [
            ("/", "/"),
            ("/data", "/data/"),
            ("/~/my data/", "/~/my data/"),
            ("/data/{{ year_month }}/{{ pi_last_name }}", "/data/2026-03/ONeill/"),
            ("/{{ pi_last_name }}/raw/", "/ONeill/raw/"),
            ("/d/x_{{ pi_last_name }}", "/d/x_ONeill/"),
            ("/d/{{ pi_last_name }}{% if esaf %}/{{ esaf }}{% endif %}", "/d/ONeill/"),
        ] {
            assert_eq!(path(text).render(Some(&li())).unwrap(), rendered, "{text}");
            assert_eq!(path(text).is_template(), text.contains('{'));
        }
        let titled = path("/d/{{ pi_last_name }}/{{ proposal_title }}").render(Some(&li())).unwrap();
        assert!(titled.starts_with("/d/ONeill/") && titled.matches('/').count() == 4, "{titled}");
        for (text, told) in [
            ("data", "must begin with /"),
            ("", "must begin with /"),
            ("/a/../b", "neither // nor"),
            ("/a//b", "neither // nor"),
            ("/data/{{ year_month }}", "same directory"),
            ("/data/{{ pi_name }}", "is no field"),
            ("/data/{{ pi_last_name }}/../x", "component \"..\""),
        ] {
            assert!(SyncPath::try_from(text.to_owned()).unwrap_err().contains(told), "{text}");
        }
        let error = path("/{{ pi_last_name }}/{{ esaf }}").render(Some(&li())).unwrap_err();
        assert_eq!(error.field, Field::Esaf);
        assert!(path("/{{ pi_last_name }}").render(None).unwrap_err().to_string().contains("no experiment"));
    }

    #[test]
    fn a_label_is_what_the_service_takes() {
        let template = |text: &str| LabelTemplate::try_from(text.to_owned());
        let label = template("2-BM raw: {{ pi_last_name }} {{ proposal_title }} {{ esaf }}")
            .unwrap()
            .render(Some(&li()));
        assert!(label.starts_with("2-BM raw_ O_Neill") && label.is_ascii(), "{label}");
        assert!(!label.contains(['/', '$', '.', '(']), "{label}");
        assert_eq!(template(&"x".repeat(200)).unwrap().render(None).len(), 128);
        assert!(template("{{ pi_nmae }}").unwrap_err().contains("is no field"));
        assert!(template("{{ pi_last_name").unwrap_err().contains("can't be read"));
        assert!(template(" ").unwrap_err().contains("empty"));
    }
}
