use super::Facts;
use crate::domain::TEMPLATE_FUEL;
use crate::mail::MessageContext;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, UndefinedBehavior};
use std::ffi::OsString;
use std::path::PathBuf;

/// A program and its arguments, each of them a minijinja template that makes exactly one argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    program: PathBuf,
    arguments: Vec<String>,
}

impl Command {
    /// Checks the arguments with an experiment that has all fields and with one that has only the required
    /// ones.
    ///
    /// # Errors
    /// Names the argument that can't be used, and the reason.
    pub fn parse(command: &[String]) -> Result<Command, String> {
        let Some((program, arguments)) = command.split_first() else { return Err("is empty".to_owned()) };
        if program.contains("{{") || program.contains("{%") {
            return Err(format!("{program:?}: the program can't be a template, only its arguments can"));
        }
        if let Some(argument) = command.iter().find(|argument| argument.contains('\0')) {
            return Err(format!("{argument:?} has a NUL in it, which no program can be given"));
        }
        for argument in arguments {
            // `-{{ x }}` would let the value choose the option.
            let named = argument.trim_start_matches('-').starts_with(|c: char| c.is_ascii_alphanumeric());
            if argument.starts_with('-') && is_template(argument) && !named {
                return Err(format!(
                    "{argument:?}: write out the option's name, like \"--name={{{{ path }}}}\""
                ));
            }
        }
        let command = Command { program: program.into(), arguments: arguments.to_vec() };
        for sample in [MessageContext::sample(), MessageContext::bare_sample()] {
            command.arguments(&Facts::sample(sample))?;
        }
        Ok(command)
    }

    /// The program's file.
    pub fn program(&self) -> &PathBuf {
        &self.program
    }

    /// The arguments for this delivery.
    ///
    /// # Errors
    /// Where a value would make an option of an argument.
    pub fn arguments(&self, facts: &Facts) -> Result<Vec<OsString>, String> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(TEMPLATE_FUEL));
        let values = Value::from(Serde(facts));
        let render = |argument: &String| {
            if !is_template(argument) {
                return Ok(argument.into());
            }
            let text = environment.render_str(argument, &values).map_err(|error| {
                let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
                format!("{argument:?}: {}{detail}", error.kind())
            })?;
            if text.starts_with('-') && !argument.starts_with('-') {
                Err(format!(
                    "the argument {argument:?} comes out as {text:?}, which the program would take for an \
                     option; write it behind the option's name (\"--name={argument}\"), or use the \
                     environment variables"
                ))
            } else {
                Ok(text.into())
            }
        };
        self.arguments.iter().map(render).collect()
    }
}

fn is_template(argument: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|begin| argument.contains(begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Command, String> {
        let command: Vec<String> =
            ["/bin/prog"].iter().chain(arguments).map(|text| (*text).to_owned()).collect();
        Command::parse(&command)
    }

    fn facts(title: &str) -> Facts {
        Facts::sample(MessageContext { proposal_title: title.to_owned(), ..MessageContext::sample() })
    }

    #[test]
    fn a_value_is_one_argument_whatever_is_in_it() {
        let command =
            parse(&["add", "--title={{ proposal_title }}", "{{ proposal_title }}", "$(x) {"]).unwrap();
        let title = "a b; rm -rf / $(x) `y` \"z\" --force";
        let expected = ["add", &format!("--title={title}"), title, "$(x) {"].map(OsString::from);
        assert_eq!(command.arguments(&facts(title)).unwrap(), expected);
    }

    #[test]
    fn a_value_never_becomes_an_option() {
        let bare = parse(&["{{ proposal_title }}"]).unwrap();
        for title in ["--delete-all", "-x", "-"] {
            let error = bare.arguments(&facts(title)).unwrap_err();
            assert!(error.contains("for an option") && error.contains(title), "{error}");
        }
        let named = parse(&["--title={{ proposal_title }}", "-t{{ proposal_title }}"]).unwrap();
        assert_eq!(named.arguments(&facts("-x")).unwrap(), ["--title=-x", "-t-x"].map(OsString::from));
        for argument in ["-{{ proposal_title }}", "--{{ proposal_title }}", "--{% if esaf %}x{% endif %}"] {
            assert!(parse(&[argument]).unwrap_err().contains("write out the option's name"), "{argument}");
        }
    }

    #[test]
    fn what_can_not_work_is_told_at_once() {
        for (arguments, expected) in [
            (&["{{ pi_lastname }}"][..], "pi_lastname"),
            (&["{{ path"], "syntax error"),
            (&["a\0b"], "NUL"),
            (&["{{ path | nofilter }}"], "nofilter"),
            (&["{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}"], "fuel"),
        ] {
            let error = parse(arguments).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert!(Command::parse(&[]).is_err());
        assert!(Command::parse(&["/opt/{{ path }}".to_owned()]).unwrap_err().contains("can't be a template"));
    }
}
