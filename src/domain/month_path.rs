use super::path::{RelativePath, template_environment};
use super::{Field, YearMonth};
use serde::Deserialize;
use std::fmt;

/// A path that has a directory for each month, the same for everyone, e.g. `{{ year_month }}/raw`
/// (minijinja). Checked when it is created: it compiles, names `year_month` and nothing else, and stays below
/// the top.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct MonthPath(String);

impl MonthPath {
    /// The path for this month.
    ///
    /// # Errors
    /// If the template yields no usable path for the month, e.g. because of a condition in it.
    pub fn render(&self, month: YearMonth) -> Result<RelativePath, String> {
        let values = [(Field::YearMonth.key(), month.to_string())];
        let values = std::collections::BTreeMap::from(values);
        let text = template_environment().render_str(&self.0, values).map_err(|error| {
            format!("the template {self} can't be used: {}", super::path::sentence(&error))
        })?;
        RelativePath::try_from(text).map_err(|wrong| format!("the path of the template {self} {wrong}"))
    }
}

impl fmt::Display for MonthPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for MonthPath {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let path = MonthPath(text.trim().trim_end_matches('/').to_owned());
        let environment = template_environment();
        let template = environment.template_from_str(&path.0).map_err(|error| {
            format!("the template {path} can't be read: {}", super::path::sentence(&error))
        })?;
        let names = template.undeclared_variables(false);
        if names.len() != 1 || !names.contains(Field::YearMonth.key()) {
            return Err(format!("the template {path} must name year_month and nothing else"));
        }
        let months = ["2026-03", "2026-04"].map(|month| month.parse::<YearMonth>());
        let [Ok(one), Ok(next)] = months else { return Err("no month can be tried".to_owned()) };
        if path.render(one)?.key() == path.render(next)?.key() {
            return Err(format!("the template {path} gives each month the same directory"));
        }
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_month_has_a_directory() {
        let path = |text: &str| MonthPath::try_from(text.to_owned());
        let march: YearMonth = "2026-03".parse().unwrap();
        for (text, rendered) in [
            ("{{ year_month }}", "2026-03"),
            ("{{ year_month }}/raw/", "2026-03/raw"),
            ("logs_{{ year_month | replace('-', '_') }}", "logs_2026_03"),
        ] {
            assert_eq!(path(text).unwrap().render(march).unwrap().as_str(), rendered);
        }
        for (text, told) in [
            ("{{ year_month", "can't be read"),
            ("{{ year_month }}/{{ pi_last_name }}", "nothing else"),
            ("logs", "nothing else"),
            ("{{ year_month }}/../x", "component"),
            ("{% if year_month %}x{% endif %}", "the same directory"),
        ] {
            let error = path(text).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
