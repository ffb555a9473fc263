use super::python_tools;
use super::template_error::{Table, TemplateError};
use crate::files::{FileError, read_trusted};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use std::collections::HashSet;
use std::path::Path;

/// The templates of a message, by their names in the environment, and its condition.
#[derive(Clone, Debug)]
pub(super) struct MessageTemplates {
    /// The part of the settings with its keys, e.g. `email` or `email.choices[0]`
    pub table: Table,
    /// The condition; `None` for the message that is used otherwise
    pub when: Option<String>,
    pub subject: String,
    pub text: String,
    pub html: Option<String>,
}

/// The sources of the templates, to be added to an environment.
#[derive(Default)]
pub(super) struct Sources {
    templates: Vec<(String, String, Table, &'static str)>,
    html: HashSet<String>,
}

/// The limit of instructions for one part of a message. An endless loop must not stop the service; a list of
/// a thousand people takes about 20,000.
const FUEL: u64 = 1_000_000;

/// The text that a mail program without HTML shows for a message that has only HTML.
const HTML_ALONE: &str = "This message is written in HTML, and this program shows text alone.\n\
                          {% if data_link %}\nData link: {{ data_link }}\n{% endif %}";

impl Sources {
    /// Reads the templates of one message. A text that is HTML, as those of `dmagic` can be, is treated as
    /// HTML.
    pub fn read(
        &mut self,
        table: Table,
        when: Option<&str>,
        subject: &str,
        text: &Path,
        html: Option<&Path>,
    ) -> Result<MessageTemplates, TemplateError> {
        let subject_name = table.path("subject");
        self.templates.push((subject_name.clone(), subject.to_owned(), table, "subject"));
        let mut parts = MessageTemplates {
            table,
            when: when.map(str::to_owned),
            subject: subject_name,
            text: text.display().to_string(),
            html: html.map(|html| html.display().to_string()),
        };
        let source = read(text).map_err(|error| error.at(table, "text_template"))?;
        if python_tools::is_html(&source) && html.is_none() {
            self.html.insert(parts.text.clone());
            self.templates.push((
                parts.text.clone(),
                python_tools::converted(&source, true),
                table,
                "text_template",
            ));
            parts.html = Some(parts.text);
            parts.text = format!("{} as text", table.path("text_template"));
            self.templates.push((parts.text.clone(), HTML_ALONE.to_owned(), table, "text_template"));
            return Ok(parts);
        }
        let source = python_tools::converted(&source, false);
        self.templates.push((parts.text.clone(), source, table, "text_template"));
        if let (Some(name), Some(file)) = (&parts.html, html) {
            let source = read(file).map_err(|error| error.at(table, "html_template"))?;
            self.html.insert(name.clone());
            self.templates.push((
                name.clone(),
                python_tools::converted(&source, true),
                table,
                "html_template",
            ));
        }
        Ok(parts)
    }

    /// The templates of a message whose text is built in.
    pub fn built_in(&mut self, table: Table, subject: &str, text: &str) -> MessageTemplates {
        let (subject_name, name) = (table.path("subject"), table.path("text_template"));
        self.templates.push((subject_name.clone(), subject.to_owned(), table, "subject"));
        self.templates.push((name.clone(), text.to_owned(), table, "text_template"));
        MessageTemplates { table, when: None, subject: subject_name, text: name, html: None }
    }

    pub fn environment(self) -> Result<Environment<'static>, TemplateError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        // An error then knows which piece of the template it is about.
        environment.set_debug(true);
        let html = self.html;
        environment.set_auto_escape_callback(move |name| {
            if html.contains(name) { AutoEscape::Html } else { AutoEscape::None }
        });
        for (name, source, table, part) in self.templates {
            let added = environment.add_template_owned(name.clone(), source);
            added.map_err(|error| TemplateError::of(&name, &error).at(table, part))?;
        }
        Ok(environment)
    }
}

fn read(path: &Path) -> Result<String, TemplateError> {
    read_trusted(path).map_err(|error| {
        let message = match error {
            FileError::Io { message, .. } => {
                format!("{}: can't read the template: {message}. `beamshare init` writes one", path.display())
            }
            error => format!("the template {} {error}", path.display()),
        };
        TemplateError { message, key: None }
    })
}
