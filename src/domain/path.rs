use super::name::is_reserved_by_windows;
use super::{Experiment, Field, FieldError, path_component};
use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Longest component, in bytes: what the usual file systems take (NAME_MAX).
const COMPONENT_MAX: usize = 255;

/// Longest path, in bytes: the record that shows it holds 256 characters.
const PATH_MAX: usize = 250;

/// A path below a place's top directory: one or more components made by [`super::path_component`]'s alphabet,
/// so it can never leave the top. Made by [`PathTemplate::render`] and by parsing a journal's text.
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

    /// What paths are compared by: in small letters, since a Globus collection can stand on a file system
    /// that does not tell capitals apart.
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
    /// Errors read on after the path: "is absolute; …".
    fn try_from(text: String) -> Result<Self, String> {
        if text.is_empty() {
            return Err("is empty".to_owned());
        }
        if text.starts_with('/') {
            return Err("is absolute; it must be below the place's top directory".to_owned());
        }
        if text.len() > PATH_MAX {
            return Err(format!("has {} bytes; a path may have {PATH_MAX}", text.len()));
        }
        text.split('/').try_for_each(check_component)?;
        Ok(RelativePath(text))
    }
}

/// What [`path_component`] makes, and what a template's own text may add to it: also a leading `_`.
fn check_component(component: &str) -> Result<(), String> {
    if component.is_empty() {
        return Err("has an empty component".to_owned());
    }
    if let Some(c) = component.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')))
    {
        return Err(format!(
            "holds {}; a path may hold ASCII letters, digits and _ - . /",
            super::text::named(c)
        ));
    }
    if component.starts_with(['.', '-']) || component.ends_with(['.', '-']) || component.contains("..") {
        return Err(format!(
            "has the component {component:?}; none may begin or end with a dot or a dash, or have two dots \
             in a row"
        ));
    }
    if component.len() > COMPONENT_MAX {
        return Err(format!("has a component of {} bytes; it may have {COMPONENT_MAX}", component.len()));
    }
    if is_reserved_by_windows(component) {
        return Err(format!("has the component {component:?}, which Windows reserves"));
    }
    Ok(())
}

impl From<RelativePath> for String {
    fn from(value: RelativePath) -> String {
        value.0
    }
}

/// A path as the configuration gives it, e.g. `{{ year_month }}/{{ pi_last_name }}` (minijinja). Each value
/// becomes a safe component before it is put in, so only the template itself can make a `/`. Checked when it
/// is made: it compiles, names only known fields, stays below the top, and differs from one user group to
/// another.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PathTemplate(String);

impl PathTemplate {
    /// The template's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path for this experiment; an error names the field that the template needs and the experiment
    /// lacks.
    pub fn render(&self, experiment: &Experiment) -> Result<RelativePath, FieldError> {
        let mut values = Values::new();
        for field in Field::ALL {
            let Some(text) = experiment.text(field) else { continue };
            match path_component(&text) {
                Some(component) => drop(values.insert(field.key(), component)),
                // Only a field that the path needs may hold it up.
                None if self.needs(field) => {
                    let reason = format!(
                        "has nothing that a directory could be named by, and the path {self} needs it"
                    );
                    return Err(FieldError { field, value: text, reason });
                }
                None => {}
            }
        }
        let template = self;
        template.render_values(&values).map_err(|error| {
            let field = template.missing(&values).unwrap_or(Field::PiLastName);
            let value = experiment.text(field).unwrap_or_default();
            let reason = match error {
                Unrendered::Undefined => format!("is not set, and the path {template} needs it"),
                Unrendered::Wrong(wrong) => format!("can't go into the path {template}: {wrong}"),
            };
            FieldError { field, value, reason }
        })
    }

    /// The path of somebody, to compare templates with each other.
    pub(crate) fn example(&self) -> Option<RelativePath> {
        self.render_values(&sample(0)).ok()
    }

    fn render_values(&self, values: &Values) -> Result<RelativePath, Unrendered> {
        let environment = template_environment();
        let text = environment.render_str(&self.0, values).map_err(|error| match error.kind() {
            ErrorKind::UndefinedError => Unrendered::Undefined,
            _ => Unrendered::Wrong(sentence(&error)),
        })?;
        let shown = format!("{text:?}");
        RelativePath::try_from(text).map_err(|wrong| Unrendered::Wrong(format!("{shown} {wrong}")))
    }

    /// The first field without which the template can't be rendered from these values: with all others there
    /// it still fails. A template may do without a field (`{{ esaf | default("none") }}`), so the names in it
    /// tell nothing.
    fn missing(&self, values: &Values) -> Option<Field> {
        Field::ALL.into_iter().filter(|field| !values.contains_key(field.key())).find(|missing| {
            let mut others = sample(0);
            others.remove(missing.key());
            matches!(self.render_values(&others), Err(Unrendered::Undefined))
        })
    }

    /// Whether the template names this field.
    pub fn needs(&self, field: Field) -> bool {
        let environment = template_environment();
        environment
            .template_from_str(&self.0)
            .is_ok_and(|t| t.undeclared_variables(false).contains(field.key()))
    }

    fn check(&self) -> Result<(), String> {
        let environment = template_environment();
        let template = environment
            .template_from_str(&self.0)
            .map_err(|error| format!("the template {self} can't be read: {}", sentence(&error)))?;
        let known = || Field::ALL.map(Field::key);
        let mut names: Vec<String> = template.undeclared_variables(false).into_iter().collect();
        names.sort();
        if let Some(unknown) = names.iter().find(|name| !known().contains(&name.as_str())) {
            return Err(format!("{unknown} is no field; a path may hold {}", known().join(", ")));
        }
        let render = |n| {
            self.render_values(&sample(n)).map_err(|error| match error {
                Unrendered::Undefined => format!("the template {self} uses a value that doesn't exist"),
                Unrendered::Wrong(wrong) => {
                    format!("the template {self} gives a path that can't be used: {wrong}")
                }
            })
        };
        // Two samples that differ in person and proposal only: one month, one time, one institution.
        if render(0)?.key() == render(1)?.key() {
            return Err(format!(
                "the template {self} gives every user group of a month the same directory; \
                 put {{{{ pi_last_name }}}}, {{{{ pi_email }}}} or {{{{ proposal_number }}}} into it"
            ));
        }
        Ok(())
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for PathTemplate {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let template = PathTemplate(text.trim().trim_end_matches('/').to_owned());
        template.check()?;
        Ok(template)
    }
}

/// Fields' values by their name in templates, each a safe path component.
type Values = BTreeMap<&'static str, String>;

enum Unrendered {
    Undefined,
    Wrong(String),
}

/// The limit of instructions for a template of one line: nested loops must not keep the service busy.
pub(crate) const TEMPLATE_FUEL: u64 = 20_000;

/// The environment for templates of one line. Undefined values are errors, but a template may ask `{% if
/// proposal_number %}`.
pub(crate) fn template_environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_fuel(Some(TEMPLATE_FUEL));
    environment
}

/// The template engine's error without its place in a template of one line.
pub(super) fn sentence(error: &minijinja::Error) -> String {
    error.detail().map_or_else(|| error.kind().to_string(), |detail| detail.to_owned())
}

/// One of two complete sets of values that differ only in who has the beam time.
fn sample(n: usize) -> Values {
    Field::ALL
        .into_iter()
        .map(|field| {
            let value = match field {
                Field::YearMonth => "2026-03",
                Field::PiLastName => ["Li", "Curie"][n],
                Field::PiEmail => ["li_example.org", "curie_example.org"][n],
                Field::ProposalNumber => ["81234", "76543"][n],
                Field::PiFirstName => "Wei",
                Field::PiInstitution => "Institute_of_Physics",
                Field::PiBadge => "290123",
                Field::ProposalTitle => "Pores_in_cement",
                Field::Esaf => "280099",
                Field::UpdateTime => "2026-03-01_08_00",
                Field::Signature => "0123456789abcdef",
            };
            (field.key(), value.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::UserInfo;
    use super::*;
    use proptest::prelude::*;

    fn template(text: &str) -> PathTemplate {
        PathTemplate::try_from(text.to_owned()).unwrap()
    }

    fn experiment(fields: &[(Field, &str)]) -> Experiment {
        let mut user_info = UserInfo::default();
        for (field, text) in [
            (Field::YearMonth, "2026-03"),
            (Field::PiLastName, "Müller"),
            (Field::PiEmail, "Anna.Mueller@example.org"),
        ]
        .iter()
        .chain(fields)
        {
            user_info.0.insert(*field, (*text).to_owned());
        }
        Experiment::parse(&user_info).unwrap()
    }

    #[test]
    fn a_template_is_filled_with_safe_components() {
        for (text, path) in [
            ("{{ year_month }}/{{ pi_last_name }}", "2026-03/Muller"),
            ("{{ year_month }}/{{ pi_last_name }}_rec/", "2026-03/Muller_rec"),
            ("{{ year_month }}-{{ pi_last_name }}-{{ proposal_number }}", "2026-03-Muller-81234"),
            ("{{ pi_email }}", "Anna.Mueller_example.org"),
            ("{{ pi_last_name | lower }}/{{ proposal_title }}", "muller/A_B_etc_passwd_x"),
            ("{{ pi_last_name }}/{{ esaf | default('no_esaf') }}", "Muller/no_esaf"),
            ("{{ pi_last_name }}{% if esaf %}-{{ esaf }}{% endif %}", "Muller"),
        ] {
            let experiment = experiment(&[
                (Field::ProposalNumber, "81234"),
                (Field::ProposalTitle, "A/B ../../etc/passwd $(x)"),
            ]);
            assert_eq!(template(text).render(&experiment).unwrap().as_str(), path, "{text}");
        }
    }

    #[test]
    fn every_field_can_name_an_experiment_and_its_sibling() {
        let experiment = experiment(&[
            (Field::PiFirstName, "Anna"),
            (Field::PiInstitution, "TU Graz"),
            (Field::PiBadge, "290123"),
            (Field::ProposalNumber, "81234"),
            (Field::ProposalTitle, "Pores: 5 µm"),
            (Field::Esaf, "280099"),
            (Field::UpdateTime, "2026-03-02 09:00:00"),
        ]);
        for field in Field::ALL {
            let name = match field {
                Field::YearMonth => "2026-03",
                Field::PiLastName => "Muller",
                Field::PiEmail => "Anna.Mueller_example.org",
                Field::PiFirstName => "Anna",
                Field::PiInstitution => "TU_Graz",
                Field::PiBadge => "290123",
                Field::ProposalNumber => "81234",
                Field::ProposalTitle => "Pores_5_um",
                Field::Esaf => "280099",
                Field::UpdateTime => "2026-03-02_09_00_00",
                Field::Signature => unreachable!("no path is named after it"),
            };
            let text = format!("{{{{ year_month }}}}-{{{{ pi_last_name }}}}-{{{{ {} }}}}", field.key());
            let rendered = |text: &str| template(text).render(&experiment).unwrap().as_str().to_owned();
            assert_eq!(rendered(&text), format!("2026-03-Muller-{name}"));
            assert_eq!(rendered(&format!("{text}_rec")), format!("2026-03-Muller-{name}_rec"));
        }
    }

    #[test]
    fn a_missing_field_is_named() {
        let error = template(
            "{{ pi_last_name }}/{{ esaf | default('x') }}/{{ proposal_number }}/{{ proposal_title }}",
        )
        .render(&experiment(&[(Field::ProposalTitle, "Pores")]))
        .unwrap_err();
        assert_eq!(error.field, Field::ProposalNumber);
        assert!(error.reason.contains("is not set"), "{error}");
    }

    #[test]
    fn a_value_without_a_letter_holds_up_only_a_path_that_needs_it() {
        let experiment = experiment(&[(Field::ProposalTitle, "???")]);
        assert!(template("{{ pi_last_name }}").render(&experiment).is_ok());
        let error = template("{{ pi_last_name }}/{{ proposal_title }}").render(&experiment).unwrap_err();
        assert_eq!(error.field, Field::ProposalTitle);
    }

    #[test]
    fn a_template_that_can_go_wrong_is_refused() {
        for (text, told) in [
            ("", "is empty"),
            ("/", "is empty"),
            ("data/2026", "same directory"),
            ("{{ year_month }}", "same directory"),
            ("{{ pi_last_name", "can't be read"),
            ("{{ pi_name }}", "pi_name is no field; a path may hold year_month, pi_last_name"),
            ("/{{ pi_last_name }}", "is absolute"),
            ("{{ pi_last_name }}/../x", "component \"..\""),
            ("{{ pi_last_name }}//x", "empty component"),
            ("./{{ pi_last_name }}", "component \".\""),
            (".{{ pi_last_name }}", "begin or end with a dot"),
            ("{{ pi_last_name }} raw", "' ' (U+0020)"),
            ("{{ pi_last_name }}\\raw", "U+005C"),
            ("{{ pi_last_name }}/con", "Windows"),
            ("{{ pi_last_name.first }}", "can't be used|doesn't exist"),
            ("{{ range(3) }}/{{ pi_last_name }}", "range is no field"),
        ] {
            let error = PathTemplate::try_from(text.to_owned()).expect_err(text);
            assert!(told.split('|').any(|told| error.contains(told)), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_journals_path_is_checked_like_any_other() {
        for text in
            ["", "/etc", "..", "a/../b", "a//b", "a/", "a/.b", "a..b", "a-", "a b", "a\0", "ä", "a/NUL"]
        {
            assert!(serde_json::from_value::<RelativePath>(text.into()).is_err(), "{text:?}");
        }
        assert!(RelativePath::try_from("2026-03/Li_rec".to_owned()).is_ok());
    }

    /// Parts of templates, whole and broken, put together at random.
    fn parts() -> impl Strategy<Value = String> {
        let part = prop::sample::select(vec![
            "{{ year_month }}",
            "{{ pi_last_name }}",
            "{{ proposal_title }}",
            "{{ esaf | default('none') }}",
            "{{ pi_email | upper }}",
            "{{ nobody }}",
            "{{ '/' }}",
            "{{ '../' * 300 }}",
            "{{ pi_last_name * 1000000 }}",
            "{% if esaf %}",
            "{% else %}",
            "{% endif %}",
            "{% for i in range(10000) %}",
            "{% endfor %}",
            "{% set x = pi_last_name %}",
            "{% raw %}",
            "{#",
            "#}",
            "{{",
            "%}",
            "/",
            "..",
            ".",
            "-",
            "~",
            "raw",
            "\n",
            "\0",
            "\u{202e}",
        ]);
        prop::collection::vec(part, 0..10).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn no_template_leaves_the_top(text in prop_oneof![parts(), "(?s).{0,80}", "\\PC{0,80}"], title in "(?s).{0,60}") {
            let Ok(template) = PathTemplate::try_from(text) else { return Ok(()) };
            let user_info = UserInfo(BTreeMap::from([
                (Field::YearMonth, "2026-03".to_owned()),
                (Field::PiLastName, "Li".to_owned()),
                (Field::PiEmail, "li@example.org".to_owned()),
                (Field::ProposalTitle, title),
            ]));
            let Ok(experiment) = Experiment::parse(&user_info) else { return Ok(()) };
            let Ok(path) = template.render(&experiment) else { return Ok(()) };
            prop_assert!(path.as_str().len() <= PATH_MAX);
            let joined = std::path::Path::new("/top").join(path.as_str());
            let normal = |c: &std::path::Component| matches!(c, std::path::Component::Normal(_));
            prop_assert!(joined.components().skip(1).all(|c| normal(&c)), "{joined:?}");
            prop_assert!(path.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./".contains(&b)), "{joined:?}");
        }

        #[test]
        fn no_text_leaves_the_top(title in "(?s).{0,60}|[./\\\\~$ \
                                            -]{0,20}|\\PC{0,60}", name in "[\\p{L}\\p{M} '.-]{1,30}") {
            let user_info = UserInfo(BTreeMap::from([
                (Field::YearMonth, "2026-03".to_owned()),
                (Field::PiLastName, name),
                (Field::PiEmail, "li@example.org".to_owned()),
                (Field::ProposalTitle, title),
            ]));
            let Ok(experiment) = Experiment::parse(&user_info) else { return Ok(()) };
            for text in ["{{ year_month }}/{{ pi_last_name }}", "{{ pi_last_name }}/{{ proposal_title \
                                                                 }}/raw"] {
                let Ok(path) = template(text).render(&experiment) else { continue };
                prop_assert_eq!(path.components().count(), text.split('/').count(), "only the template makes a /");
                let joined = std::path::Path::new("/top").join(path.as_str());
                let normal = |c: &std::path::Component| matches!(c, std::path::Component::Normal(_));
                prop_assert!(joined.components().skip(1).all(|c| normal(&c)));
                prop_assert!(path.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./".contains(&b)));
            }
        }
    }
}
