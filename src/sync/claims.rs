//! A pair's directories in the journal's claims: one group's data never goes into, or comes out of, what is
//! another's.

use super::{Engine, PairProblem, SyncError};
use crate::config::{self, SyncPath};
use crate::domain::RelativePath;
use crate::globus::place_name;
use crate::journal::{ClaimState, ExperimentRow};
use uuid::Uuid;

impl Engine {
    /// Claims the pair's directories for the experiment. A destination that is shared is claimed, looked at
    /// and made by the experiment's delivery, which must have come so far.
    ///
    /// # Errors
    /// [`PairProblem::Taken`] where another experiment has one of the paths, one above it or one below it, in
    /// any place; [`PairProblem::NotMade`] before the delivery has made a shared destination.
    pub(super) async fn claim(&self, settings: &config::Sync, row: &ExperimentRow) -> Result<(), SyncError> {
        let (source, destination) = (&settings.source, &settings.destination);
        let at = |collection: Uuid, path: &SyncPath| -> Result<Option<(String, RelativePath)>, SyncError> {
            let Some(below) = path.of_experiment() else { return Ok(None) };
            let below =
                below.render(&row.experiment).map_err(|error| PairProblem::Path(error).of(settings))?;
            Ok(Some((place_name(collection, path.top()), below)))
        };
        let from = at(source.collection, &source.path)?;
        let to = at(destination.collection, &destination.path)?;
        if let Some((place, path)) = to.as_ref().filter(|_| settings.share) {
            let claims = self.journal.claims(row.id).await?;
            let is_made = claims.iter().any(|claim| {
                claim.place == *place && claim.path.key() == path.key() && claim.state == ClaimState::Made
            });
            if !is_made {
                let path = format!("{}{path}", destination.path.top());
                return Err(PairProblem::NotMade { path }.of(settings));
            }
        }
        let wanted: Vec<_> = from.into_iter().chain(to).collect();
        let mut conflicts = self.journal.claim_added(row.id, &row.experiment, &wanted).await?;
        // On the collection of the first directories paths are compared as a whole, however they are split
        // into top and rest.
        let held = self.journal.claims(row.id).await?;
        for (end, path) in [(source.collection, &source.path), (destination.collection, &destination.path)] {
            let Some(path) = self.below_first(end, path, row) else { continue };
            if !held.iter().any(|held| held.path.key() == path.key()) {
                conflicts.extend(self.journal.conflicts(&row.experiment, Some(row.id), &path).await?);
            }
        }
        match conflicts.into_iter().next() {
            None => Ok(()),
            Some(conflict) => {
                let other = format!("{} has {}", conflict.named, conflict.path);
                Err(PairProblem::taken(settings, conflict.wanted.to_string(), other).of(settings))
            }
        }
    }

    /// The directory as a path below `[globus] top`, where it is on that collection and there.
    fn below_first(&self, collection: Uuid, path: &SyncPath, row: &ExperimentRow) -> Option<RelativePath> {
        let first = &self.settings;
        let whole = format!("{}{}", path.top(), path.of_experiment()?.render(&row.experiment).ok()?);
        let below = whole.strip_prefix(&first.top).filter(|_| collection == first.collection)?;
        RelativePath::try_from(below.to_owned()).ok()
    }
}
