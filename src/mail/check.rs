use super::{Table, Templates};
use crate::config::{Config, Email, Key, Problems, key};

/// Compiles the message templates, and returns their mistakes.
pub fn check_templates(config: &Config) -> Problems {
    let Some(email) = &config.email else { return vec![] };
    let of_copies = email.of_copies().and_then(|email| check(&email, &["email", "copy"]));
    check(email, &["email"]).into_iter().chain(of_copies).collect()
}

/// The first mistake in the templates of one kind of message, which the settings name in this table.
fn check(email: &Email, table: &[&'static str]) -> Option<(Vec<Key>, String)> {
    let error = Templates::load(email).err()?;
    let key = |name| table.iter().copied().chain([name]).map(Key::from).collect::<Vec<_>>();
    let key = match error.key {
        Some((Table::Choice(n), name)) => key!["email", "choices", n, name],
        Some((_, name)) => key(name),
        None => table.iter().copied().map(Key::from).collect(),
    };
    // The template of a subject is named after its key, which the message has already.
    let prefixes = ["email.subject:1: ", "email.reminder_subject:1: ", "email.pi_change_subject:1: "].iter();
    let message = prefixes.fold(error.message.as_str(), |message, prefix| message.trim_start_matches(prefix));
    Some((key, message.to_owned()))
}
