//! Signs on Globus that an older state of the journal was restored.

use super::attempt_error::AttemptError;
use super::deliverer::Deliverer;
use std::collections::BTreeSet;

impl Deliverer {
    /// The directories of the collection that were shared after the journal's newest entry and that no
    /// experiment of the journal has. Directories as deep as those of the experiments count: what others
    /// share elsewhere is no sign. Empty without `[globus]` and in a journal without deliveries.
    pub async fn shared_after_the_journal(&self) -> Result<BTreeSet<String>, AttemptError> {
        let (Some(collection), Some(newest)) = (&self.collection, self.journal.complete_until().await?)
        else {
            return Ok(BTreeSet::new());
        };
        let known = self.journal.directories().await?;
        let depths: BTreeSet<usize> = known.iter().map(|path| path.components().count()).collect();
        let top = collection.settings().top.trim_matches('/').to_owned();
        let mut unknown = BTreeSet::new();
        for rule in collection.rules().await? {
            let path = rule.path.trim_matches('/');
            let Some(below) = path.strip_prefix(&top) else { continue };
            let depth = below.split('/').filter(|part| !part.is_empty()).count();
            let is_newer = rule.create_time.is_some_and(|created| created > newest);
            let is_known = known.iter().any(|directory| collection.covers(directory, &rule.path));
            if is_newer && depths.contains(&depth) && !is_known {
                unknown.insert(path.to_owned());
            }
        }
        Ok(unknown)
    }
}
