use std::fmt;
use std::path::PathBuf;

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line and column, from 1; none where it is about the file itself
    pub at: Option<(usize, usize)>,
    /// The key, e.g. `directories.on[1].top`; empty where it is about the file itself
    pub key: String,
    /// What is wrong, and what would be right
    pub message: String,
}

/// All that is wrong with a configuration file: one line for each, `file:line:column: key: what`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The file
    pub file: PathBuf,
    /// What is wrong with it, in the file's order; never empty
    pub problems: Vec<Problem>,
}

impl ConfigError {
    /// The first problem, and how many more there are, on one line for the screen.
    pub fn summary(&self) -> String {
        let first = self.problems.first().map(|problem| self.line(problem)).unwrap_or_default();
        match self.problems.len() {
            0 | 1 => first,
            n => format!("{first} (and {} more; see the log, or run: beamshare check)", n - 1),
        }
    }

    fn line(&self, problem: &Problem) -> String {
        let mut line = self.file.display().to_string();
        if let Some((row, column)) = problem.at {
            line += &format!(":{row}:{column}");
        }
        if !problem.key.is_empty() {
            line += &format!(": {}", problem.key);
        }
        line + ": " + &problem.message
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.problems.iter().map(|problem| self.line(problem)).collect();
        f.write_str(&lines.join("\n"))
    }
}
