/// A template that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// File, line and what is wrong
    pub message: String,
    /// Its place in the settings: the table, and the key for a message of `[email]`
    pub key: Option<(Table, &'static str)>,
}

impl TemplateError {
    pub(super) fn new(message: String) -> TemplateError {
        TemplateError { message, key: None }
    }

    /// The same, with its place in the settings.
    pub(super) fn at(self, table: Table, part: &'static str) -> TemplateError {
        TemplateError { key: self.key.or(Some((table, table.key(part)))), ..self }
    }

    /// `message.txt:12: …`, with the causes.
    pub(super) fn of(name: &str, error: &minijinja::Error) -> TemplateError {
        let place = error.name().unwrap_or(name);
        let line = error.line().map_or_else(String::new, |line| format!(":{line}"));
        TemplateError::explained(format!("{place}{line}"), error)
    }

    pub(super) fn of_expression(name: &str, error: &minijinja::Error) -> TemplateError {
        TemplateError::explained(name.to_owned(), error)
    }

    fn explained(place: String, error: &minijinja::Error) -> TemplateError {
        let mut text = format!("{place}: {}", error.kind());
        if let Some(detail) = error.detail() {
            text.push_str(&format!(": {detail}"));
        }
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        TemplateError::new(text)
    }
}

/// The part of the settings that a message belongs to.
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
