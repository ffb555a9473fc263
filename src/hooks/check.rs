use super::Command;
use crate::config::{Config, Problems, key};

/// Compiles the commands of `[[hooks]]`, and returns their mistakes.
pub fn check_commands(config: &Config) -> Problems {
    let hooks = config.hooks.iter().enumerate().filter(|(_, hook)| !hook.command.is_empty());
    hooks
        .filter_map(|(n, hook)| Some((key!["hooks", n, "command"], Command::parse(&hook.command).err()?)))
        .collect()
}
