//! Compares a transcript of the real service with the simulator: the requests are replayed, and what differs
//! between the responses is listed document by document.
//!
//! Nothing is sent anywhere: the requests go to the simulator's routes inside of this process.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

mod differences;
mod read;
mod replay;
mod world;

use crate::Error;

/// What came of a comparison.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Comparison {
    /// How many exchanges were replayed.
    pub replayed: usize,
    /// What differs, by call: `GET /v0.10/endpoint/{id}`.
    pub differences: BTreeMap<String, Vec<String>>,
    /// Exchanges that could not be replayed, and why.
    pub left_out: Vec<String>,
}

impl Comparison {
    /// Whether every response that was replayed has the form of the recorded one.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.differences.is_empty()
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (call, lines) in &self.differences {
            writeln!(f, "{call}")?;
            for line in lines {
                writeln!(f, "  {line}")?;
            }
        }
        for line in &self.left_out {
            writeln!(f, "not replayed: {line}")?;
        }
        let count: usize = self.differences.values().map(Vec::len).sum();
        write!(
            f,
            "{} exchanges replayed, {count} differences in {} calls",
            self.replayed,
            self.differences.len()
        )
    }
}

/// Replays a transcript, as `globus-transfer-client` writes it, against a simulator whose files lie in
/// `root`.
///
/// # Errors
/// When a line of the transcript can't be read, or the directories can't be made.
pub async fn compare(transcript: &str, root: &Path) -> Result<Comparison, Error> {
    let exchanges = read::exchanges(transcript)?;
    let world = world::build(&exchanges, root)?;
    Ok(replay::replay(&exchanges, world).await)
}
