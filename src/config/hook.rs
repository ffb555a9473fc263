use super::{Config, value};
use crate::domain::Step;
use crate::files::{FileError, check_trusted};
use serde::Deserialize;
use std::path::Path;
use std::time::Duration;

/// `[[hooks]]`: a program of the facility's own, run before or after a step of each delivery.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// What it is called on the screen and in the journal; without it, as its program
    name: Option<String>,
    /// The step that waits for it, and does not run if it fails
    before: Option<Step>,
    /// The step after which it runs, once that has come true
    after: Option<Step>,
    /// The program and its arguments, as they are handed to the system: no shell reads them
    pub command: Vec<String>,
    /// After how long it is ended, with all that it started
    #[serde(default = "value::default_hook_timeout", deserialize_with = "value::duration")]
    pub timeout: Duration,
    /// Of a hook after a step: whether its failure is the step's
    required: Option<bool>,
}

/// When a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Before the step
    Before,
    /// After the step
    After,
}

impl Hook {
    /// The step it belongs to.
    pub fn step(&self) -> Step {
        self.before.or(self.after).unwrap_or(Step::Delivery)
    }

    /// When it runs.
    pub fn when(&self) -> When {
        if self.before.is_some() { When::Before } else { When::After }
    }

    /// What it is called.
    pub fn name(&self) -> String {
        let program =
            || Path::new(self.command.first()?).file_name().map(|name| name.to_string_lossy().into_owned());
        self.name.clone().or_else(program).unwrap_or_default()
    }

    /// Whether the step can't be done without it.
    pub fn required(&self) -> bool {
        self.when() == When::Before || self.required == Some(true)
    }

    /// What is wrong with it, each with the key below it.
    pub(super) fn check(&self, config: &Config) -> Vec<(Option<&'static str>, String)> {
        let mut problems = vec![];
        let mut wrong = |key, message: String| problems.push((key, message));
        match (self.before, self.after) {
            (None, None) => wrong(
                None,
                "needs the step it belongs to: before = or after = one of dirs, globus, share, email, \
                 delivery"
                    .to_owned(),
            ),
            (Some(_), Some(_)) => {
                wrong(Some("after"), "is there beside before; make two hooks of it".to_owned());
            }
            _ => {}
        }
        if self.when() == When::Before && self.required.is_some() {
            let message =
                "is for hooks after a step: what comes before one always keeps it from running when it fails";
            wrong(Some("required"), message.to_owned());
        }
        let missing = match self.step() {
            Step::Dirs => config.directories.on.is_empty().then_some("[[directories.on]]"),
            Step::Globus | Step::Share => config.globus.is_none().then_some("[globus]"),
            Step::Email => config.email.is_none().then_some("[email]"),
            Step::Sync => Some("transfer in a delivery"),
            Step::Delivery => None,
        };
        if let Some(section) = missing {
            let key = if self.when() == When::Before { "before" } else { "after" };
            wrong(Some(key), format!("would never run: there is no {section}"));
        }
        match self.command.first() {
            None => wrong(Some("command"), "needs a program, like [\"/usr/local/bin/tell-dm\"]".to_owned()),
            Some(program) if !program.contains('/') => wrong(
                Some("command"),
                format!(
                    "{program:?} must be the program's path, like \"/usr/local/bin/{program}\": no PATH is \
                     searched"
                ),
            ),
            Some(_) => {}
        }
        // The second one is an interpreter's script.
        for file in self.command.iter().take(2).filter(|word| word.starts_with('/')).map(Path::new) {
            if let Err(error @ (FileError::Exposed { .. } | FileError::FolderExposed { .. })) =
                check_trusted(file)
            {
                wrong(Some("command"), format!("{} {error}", file.display()));
            }
        }
        let name = self.name();
        if self.name.is_some() && (name.trim().is_empty() || name.contains(char::is_control)) {
            wrong(Some("name"), format!("{name:?} can't be shown on the screen"));
        }
        problems
    }
}
