//! The inspection of an experiment's directories before anything is made.

use super::collection::{Collection, NAMES_SHOWN};
use super::obstacle::Obstacle;
use crate::domain::{RelativePath, Retry, StepError};
use crate::places::{DirectoryState, Place};
use futures::future::try_join_all;
use globus_transfer_client::AccessRule;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long a plan waits for places. One that does not answer by then is inspected in its step.
const LOOK_LIMIT: Duration = Duration::from_secs(5);
/// How long the findings of a plan are recent enough to act on.
const FRESH: Duration = Duration::from_secs(30);

/// The findings of a plan, kept so that the run that follows need not look again.
#[derive(Clone, Debug)]
pub(super) struct Inspection {
    at: Instant,
    pub found: HashMap<(String, RelativePath), DirectoryState>,
    pub rules: Option<Vec<AccessRule>>,
}

impl Inspection {
    /// An inspection that begins now.
    pub fn now() -> Inspection {
        Inspection { at: Instant::now(), found: HashMap::new(), rules: None }
    }

    pub fn is_fresh(&self) -> bool {
        self.at.elapsed() < FRESH
    }

    /// Whether the path in this place was inspected.
    pub fn covers(&self, place: &str, path: &RelativePath) -> bool {
        self.found.contains_key(&(place.to_owned(), path.clone()))
    }
}

pub(super) async fn inspect(
    place: &dyn Place,
    paths: &[RelativePath],
) -> Result<Vec<(RelativePath, DirectoryState)>, StepError> {
    let mut seen = Vec::with_capacity(paths.len());
    for path in paths {
        seen.push((path.clone(), place.look(path).await?));
    }
    Ok(seen)
}

pub(super) type FoundOnGlobus = (Vec<(RelativePath, DirectoryState)>, Vec<AccessRule>);

pub(super) async fn inspect_collection(
    collection: &Collection,
    paths: Vec<RelativePath>,
) -> Result<FoundOnGlobus, StepError> {
    let looks = try_join_all(paths.iter().map(|path| collection.look(path)));
    let (found, rules) = tokio::try_join!(looks, collection.rules())?;
    Ok((paths.into_iter().zip(found).collect(), rules))
}

pub(super) async fn within<T>(look: impl Future<Output = Result<T, StepError>>) -> Result<T, StepError> {
    tokio::time::timeout(LOOK_LIMIT, look).await.unwrap_or_else(|_| {
        let message = format!("no answer within {} s", LOOK_LIMIT.as_secs());
        Err(StepError { message, retry: Retry::Backoff })
    })
}

pub(super) fn occupied(
    place: &str,
    path: &RelativePath,
    found: &DirectoryState,
    own: &[RelativePath],
    key: Option<String>,
) -> Option<Obstacle> {
    // Another tree of this experiment in it, made a moment ago in another place that shows the same file
    // system.
    let is_own = |name: &String| {
        let below = format!("{path}/{name}").to_lowercase();
        own.iter().any(|own| format!("{}/", own.key()).starts_with(&format!("{below}/")))
    };
    match found {
        DirectoryState::Missing | DirectoryState::Empty => None,
        DirectoryState::Occupied(names) if names.len() < NAMES_SHOWN && names.iter().all(is_own) => None,
        DirectoryState::Occupied(names) => {
            let (place, path, names) = (place.to_owned(), path.clone(), names.clone());
            Some(Obstacle::Occupied { place, path, names, key })
        }
    }
}
