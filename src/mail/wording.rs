use super::python_tools;
use super::templates::TemplateError;
use crate::files::{FileError, read_trusted};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use std::collections::HashSet;
use std::path::Path;

/// What a message says, and when it says that: names of templates in the environment.
#[derive(Clone, Debug)]
pub(super) struct Wording {
    /// Where its keys stand, e.g. `email` or `email.choices[0]`
    pub table: Table,
    /// The condition; none for what is said otherwise
    pub when: Option<String>,
    pub subject: String,
    pub text: String,
    pub html: Option<String>,
}

/// The settings that words come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// `[email]`
    Email,
    /// `[[email.choices]]`, by its index
    Choice(usize),
    /// `[email]`, the keys of the reminder
    Reminder,
    /// `[email]`, the keys of the message about another principal investigator
    PiChange,
}

impl Table {
    /// The key of a part of the message, below `[email]`, e.g. `subject` or `reminder_subject`.
    pub fn key(self, part: &'static str) -> &'static str {
        match (self, part) {
            (Table::Reminder, "subject") => "reminder_subject",
            (Table::Reminder, "text_template") => "reminder_text_template",
            (Table::Reminder, "html_template") => "reminder_html_template",
            (Table::PiChange, "subject") => "pi_change_subject",
            (Table::PiChange, "text_template") => "pi_change_text_template",
            _ => part,
        }
    }

    /// The key in full, e.g. `email.choices[0].subject`.
    pub fn path(self, part: &'static str) -> String {
        match self {
            Table::Choice(n) => format!("email.choices[{n}].{part}"),
            _ => format!("email.{}", self.key(part)),
        }
    }
}

/// Templates on their way into an environment.
#[derive(Default)]
pub(super) struct Sources {
    templates: Vec<(String, String, Table, &'static str)>,
    html: HashSet<String>,
}

/// The limit of instructions for one part of a message. An endless loop must not stop the service; a list of a thousand
/// people takes about 20,000.
const FUEL: u64 = 1_000_000;

/// What a program without HTML shows of a message that has nothing else.
const HTML_ALONE: &str = "This message is written in HTML, and this program shows text alone.\n\
                          {% if data_link %}\nData link: {{ data_link }}\n{% endif %}";

impl Sources {
    /// Reads what one message says. A text that is HTML, as those of `dmagic` can be, is taken as such.
    pub fn wording(
        &mut self,
        table: Table,
        when: Option<&str>,
        subject: &str,
        text: &Path,
        html: Option<&Path>,
    ) -> Result<Wording, TemplateError> {
        let subject_name = table.path("subject");
        self.templates.push((subject_name.clone(), subject.to_owned(), table, "subject"));
        let mut wording = Wording {
            table,
            when: when.map(str::to_owned),
            subject: subject_name,
            text: text.display().to_string(),
            html: html.map(|html| html.display().to_string()),
        };
        let source = read(text).map_err(|error| error.at(table, "text_template"))?;
        if python_tools::is_html(&source) && html.is_none() {
            self.html.insert(wording.text.clone());
            self.templates.push((
                wording.text.clone(),
                python_tools::converted(&source, true),
                table,
                "text_template",
            ));
            wording.html = Some(wording.text);
            wording.text = format!("{} as text", table.path("text_template"));
            self.templates.push((wording.text.clone(), HTML_ALONE.to_owned(), table, "text_template"));
            return Ok(wording);
        }
        let source = python_tools::converted(&source, false);
        self.templates.push((wording.text.clone(), source, table, "text_template"));
        if let (Some(name), Some(file)) = (&wording.html, html) {
            let source = read(file).map_err(|error| error.at(table, "html_template"))?;
            self.html.insert(name.clone());
            self.templates.push((
                name.clone(),
                python_tools::converted(&source, true),
                table,
                "html_template",
            ));
        }
        Ok(wording)
    }

    /// What a message says whose text is beamshare's own.
    pub fn built_in(&mut self, table: Table, subject: &str, text: &str) -> Wording {
        let (subject_name, name) = (table.path("subject"), table.path("text_template"));
        self.templates.push((subject_name.clone(), subject.to_owned(), table, "subject"));
        self.templates.push((name.clone(), text.to_owned(), table, "text_template"));
        Wording { table, when: None, subject: subject_name, text: name, html: None }
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
