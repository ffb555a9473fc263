//! Directories of a pair, and the name of its tasks.

use super::PairOwner;
use crate::domain::{Field, FieldError, MonthPath, PathTemplate, template_environment};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;

/// What Transfer takes of a label, in characters.
const LABEL_MAX: usize = 128;

/// An absolute directory: the same for everyone, one for each month, or one for each experiment. The values
/// of an experiment become safe components (see [`PathTemplate`]), so no value can lead out of the fixed
/// part.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct SyncPath {
    text: String,
    /// The fixed part, with a `/` at both ends
    top: String,
    below: Below,
}

/// What follows the fixed part.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Below {
    Nothing,
    Month(MonthPath),
    Experiment(PathTemplate),
}

/// What a directory differs by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncScope {
    /// The same for everyone
    Fixed,
    /// One for each month
    Month,
    /// One for each experiment
    Experiment,
}

impl SyncPath {
    /// What the directory differs by.
    pub fn scope(&self) -> SyncScope {
        match self.below {
            Below::Nothing => SyncScope::Fixed,
            Below::Month(_) => SyncScope::Month,
            Below::Experiment(_) => SyncScope::Experiment,
        }
    }

    /// The fixed part, with a `/` at both ends; the whole path if it has no template.
    pub fn top(&self) -> &str {
        &self.top
    }

    /// The template of an experiment's own directory, below the fixed part.
    pub fn of_experiment(&self) -> Option<&PathTemplate> {
        match &self.below {
            Below::Experiment(template) => Some(template),
            Below::Nothing | Below::Month(_) => None,
        }
    }

    /// Whether both have the same template below their fixed parts.
    pub(super) fn ends_like(&self, other: &SyncPath) -> bool {
        self.below == other.below
    }

    /// The directory, with a `/` at the end.
    pub(super) fn render(&self, owner: PairOwner<'_>) -> Result<String, FieldError> {
        let failed = |field, reason| FieldError { field, value: String::new(), reason };
        let below = match (&self.below, owner) {
            (Below::Nothing, _) => return Ok(self.top.clone()),
            (Below::Experiment(template), PairOwner::Experiment(experiment)) => {
                template.render(experiment)?
            }
            (Below::Experiment(_), _) => {
                let reason = format!("is needed by the path {self}, and there is no experiment");
                return Err(failed(Field::PiLastName, reason));
            }
            (Below::Month(path), PairOwner::Month(month)) => {
                path.render(month).map_err(|reason| failed(Field::YearMonth, reason))?
            }
            (Below::Month(_), _) => {
                let reason = format!("is needed by the path {self}, and there is no month");
                return Err(failed(Field::YearMonth, reason));
            }
        };
        Ok(format!("{}{below}/", self.top))
    }

    /// The directory of an example, to compare paths with each other.
    pub(in super::super) fn example(&self) -> String {
        let below = match &self.below {
            Below::Nothing => None,
            Below::Month(path) => "2026-03".parse().ok().and_then(|month| path.render(month).ok()),
            Below::Experiment(template) => template.example(),
        };
        below.map_or_else(|| self.top.clone(), |below| format!("{}{below}/", self.top))
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
        let below = match below {
            "" => Below::Nothing,
            _ => match MonthPath::try_from(below.to_owned()) {
                Ok(path) => Below::Month(path),
                Err(_) => Below::Experiment(PathTemplate::try_from(below.to_owned())?),
            },
        };
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

    /// The label: what Globus rejects becomes `_`, and what the owner lacks is left out.
    pub fn render(&self, owner: PairOwner<'_>) -> String {
        let known = |field: Field| match (owner, field) {
            (PairOwner::Experiment(experiment), _) => experiment.text(field).unwrap_or_default(),
            (PairOwner::Month(month), Field::YearMonth) => month.to_string(),
            _ => String::new(),
        };
        let values: BTreeMap<&str, String> = Field::ALL.map(|field| (field.key(), known(field))).into();
        // Tried when it was made, with every value there.
        let text = template_environment().render_str(&self.0, &values).unwrap_or_else(|_| self.0.clone());
        label(&text)
    }
}

/// A text as Transfer takes it for a label: letters, digits, blanks, commas, hyphens and underscores.
fn label(text: &str) -> String {
    let taken = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | ',' | '-' | '_');
    let safe: String = deunicode::deunicode(text).chars().map(|c| if taken(c) { c } else { '_' }).collect();
    safe.trim().chars().take(LABEL_MAX).collect()
}

impl TryFrom<String> for LabelTemplate {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let environment = template_environment();
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
    use crate::domain::{Experiment, UserInfo, YearMonth};

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
            let li = li();
            assert_eq!(path(text).render(PairOwner::Experiment(&li)).unwrap(), rendered, "{text}");
            let scope = if text.contains('{') { SyncScope::Experiment } else { SyncScope::Fixed };
            assert_eq!(path(text).scope(), scope);
        }
        let li = li();
        let titled = path("/d/{{ pi_last_name }}/{{ proposal_title }}");
        let titled = titled.render(PairOwner::Experiment(&li)).unwrap();
        assert!(titled.starts_with("/d/ONeill/") && titled.matches('/').count() == 4, "{titled}");
        for (text, told) in [
            ("data", "must begin with /"),
            ("", "must begin with /"),
            ("/a/../b", "neither // nor"),
            ("/a//b", "neither // nor"),
            ("/data/{{ pi_name }}", "is no field"),
            ("/data/{{ pi_last_name }}/../x", "component \"..\""),
        ] {
            assert!(SyncPath::try_from(text.to_owned()).unwrap_err().contains(told), "{text}");
        }
        let error = path("/{{ pi_last_name }}/{{ esaf }}").render(PairOwner::Experiment(&li)).unwrap_err();
        assert_eq!(error.field, Field::Esaf);
        let march: YearMonth = "2026-03".parse().unwrap();
        for nobodys in [PairOwner::Everyone, PairOwner::Month(march)] {
            let error = path("/{{ pi_last_name }}").render(nobodys).unwrap_err();
            assert!(error.to_string().contains("no experiment"));
        }
    }

    #[test]
    fn a_path_of_a_month() {
        let march = "2026-03".parse().unwrap();
        let monthly = path("/data/{{ year_month }}/raw");
        assert_eq!(monthly.scope(), SyncScope::Month);
        assert_eq!(monthly.render(PairOwner::Month(march)).unwrap(), "/data/2026-03/raw/");
        assert!(monthly.render(PairOwner::Everyone).unwrap_err().to_string().contains("no month"));
        let label = LabelTemplate::try_from("logs {{ year_month }} {{ esaf }}".to_owned()).unwrap();
        assert_eq!(label.render(PairOwner::Month(march)), "logs 2026-03");
    }

    #[test]
    fn a_label_is_what_the_service_takes() {
        let template = |text: &str| LabelTemplate::try_from(text.to_owned());
        let label = template("2-BM raw: {{ pi_last_name }} {{ proposal_title }} {{ esaf }}")
            .unwrap()
            .render(PairOwner::Experiment(&li()));
        assert!(label.starts_with("2-BM raw_ O_Neill") && label.is_ascii(), "{label}");
        assert!(!label.contains(['/', '$', '.', '(']), "{label}");
        assert_eq!(template(&"x".repeat(200)).unwrap().render(PairOwner::Everyone).len(), 128);
        assert!(template("{{ pi_nmae }}").unwrap_err().contains("is no field"));
        assert!(template("{{ pi_last_name").unwrap_err().contains("can't be read"));
        assert!(template(" ").unwrap_err().contains("empty"));
        let endless =
            ["{% for x in [0, 1, 2, 3, 4, 5, 6, 7] %}".repeat(9), "{% endfor %}x".repeat(9)].concat();
        let error = template(&endless).unwrap_err();
        assert!(error.contains("fuel"), "{error}");
    }
}
