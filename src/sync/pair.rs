//! From the settings to the pairs of the manifest.

use super::manifest::{FileState, NewPair, PairRow, Place};
use super::openat::SourceDirectory;
use super::{Engine, PairProblem, SyncError};
use crate::config::{self, Config, LabelTemplate, PairOwner, SyncScope};
use crate::domain::{Experiment, YearMonth};
use crate::journal::{DeliveryState, ExperimentRow};
use globus_sync::{PairSettings, with_slash};
use jiff::Timestamp;
use std::path::PathBuf;
use uuid::Uuid;

/// A pair of the manifest with its settings: what can be run.
#[derive(Clone, Debug)]
pub struct Pair {
    /// As the manifest has it
    pub row: PairRow,
    /// `[[sync]]`
    pub settings: config::Sync,
    /// Whose data it is, where the paths are an experiment's
    pub experiment: Option<Experiment>,
    /// Whose data it is, where the paths are a month's
    pub month: Option<YearMonth>,
    /// The source's directory on this machine
    pub local: Option<SourceDirectory>,
}

impl Pair {
    /// Its name; with its destination where there are several pairs of this name, one for each experiment or
    /// month.
    pub fn title(&self) -> String {
        match self.settings.scope() {
            SyncScope::Fixed => self.settings.name.clone(),
            SyncScope::Month | SyncScope::Experiment => {
                format!("{} ({})", self.settings.name, self.row.pair.destination.path)
            }
        }
    }

    /// Whose data it is.
    fn owner(&self) -> PairOwner<'_> {
        let month = self.month.map_or(PairOwner::Everyone, PairOwner::Month);
        self.experiment.as_ref().map_or(month, PairOwner::Experiment)
    }

    /// What the crate that moves the data needs.
    pub(super) fn for_moving(&self, config: &Config) -> globus_sync::Pair {
        let settings = &self.settings;
        let usual = || {
            let owner = match self.owner() {
                PairOwner::Everyone => String::new(),
                PairOwner::Month(month) => month.to_string(),
                PairOwner::Experiment(experiment) => experiment.to_string(),
            };
            LabelTemplate::plain(&format!("{} {} {owner}", config.beamline.name, settings.name))
        };
        let label = settings.label.as_ref().map_or_else(usual, |label| label.render(self.owner()));
        let settings = PairSettings {
            name: settings.name.clone(),
            label,
            fixed_source: settings.source.path.top().to_owned(),
            holds_hard_links: self.experiment.is_some(),
            filters: settings.filters.clone(),
            quiet: settings.quiet,
            level: settings.level,
            verify: settings.verify,
            encrypt: settings.encrypt,
            preserve_times: settings.preserve_times,
            deadline: settings.deadline,
            compare: settings.compare,
            clean_up: settings
                .clean_up
                .as_ref()
                .map(|clean_up| globus_sync::CleanUp { keep: clean_up.keep, below: clean_up.below }),
        };
        globus_sync::Pair { row: self.row.clone(), settings, local: self.local.clone() }
    }
}

impl Engine {
    /// Every pair of the settings for this experiment; without one, those of everyone. One that can't be
    /// resolved is told with its name, and holds up none of the others.
    pub async fn pairs(
        &self,
        experiment: Option<&ExperimentRow>,
    ) -> Result<Vec<Result<Pair, SyncError>>, SyncError> {
        let mut pairs = vec![];
        for settings in &self.config.sync {
            if experiment.is_some() || !settings.is_per_experiment() {
                pairs.push(self.pair(settings, experiment).await);
            }
        }
        Ok(pairs)
    }

    /// The pairs of earlier experiments and months that are not closed: all their data is to be sent, whoever
    /// is next.
    pub async fn earlier(&self, present: Option<Uuid>) -> Result<Vec<Pair>, SyncError> {
        let mut pairs = vec![];
        let rows = self.manifest().pairs(false).await?;
        for row in &rows {
            // Taken out of the settings: nothing moves any more, and status says so.
            let Some(settings) = self.config.sync.iter().find(|settings| settings.name == row.pair.name)
            else {
                continue;
            };
            match (row.pair.experiment, settings.scope()) {
                (Some(id), SyncScope::Experiment) if Some(id) != present => {
                    let Some(owner) = self.journal.experiment(id).await? else { continue };
                    let experiment = &owner.experiment;
                    // Of two that an edit of the paths has made, only the one of the present settings.
                    let is_replaced = rows.iter().any(|other| {
                        other.id != row.id
                            && (&other.pair.name, other.pair.experiment) == (&row.pair.name, Some(id))
                    });
                    if is_replaced
                        && fitting(&row.pair, settings, PairOwner::Experiment(experiment)).is_none()
                    {
                        continue;
                    }
                    pairs.extend(earlier_experiment(row.clone(), settings, experiment));
                }
                (None, SyncScope::Month) => {
                    // A pair that was created at the turn of the month can be the last month's.
                    let created = self.month_of(row.created_at);
                    let months = [created, created.previous()];
                    let earlier = months.into_iter().filter(|month| *month != self.present_month());
                    let pair = earlier.filter_map(|month| earlier_month(row.clone(), settings, month));
                    pairs.extend(pair);
                }
                _ => {}
            }
        }
        Ok(pairs)
    }

    /// The month in the beamline's time zone.
    pub fn present_month(&self) -> YearMonth {
        self.month_of(Timestamp::now())
    }

    fn month_of(&self, time: Timestamp) -> YearMonth {
        time.to_zoned_datetime(self.config.beamline.zone()).date().into()
    }

    /// One pair of the settings, made in the manifest where it is new.
    pub async fn pair(
        &self,
        settings: &config::Sync,
        experiment: Option<&ExperimentRow>,
    ) -> Result<Pair, SyncError> {
        let experiment = experiment.filter(|_| settings.is_per_experiment());
        if let Some(row) =
            experiment.filter(|row| !self.config.directories.makes_first(&row.path, &row.experiment))
        {
            let (experiment, accepted) = (row.experiment.to_string(), row.path.to_string());
            return Err(PairProblem::OtherPath { experiment, accepted }.of(settings));
        }
        let month = (settings.scope() == SyncScope::Month).then(|| self.present_month());
        let owner = match (experiment, month) {
            (Some(row), _) => PairOwner::Experiment(&row.experiment),
            (None, Some(month)) => PairOwner::Month(month),
            (None, None) => PairOwner::Everyone,
        };
        let paths = settings.resolve(owner).map_err(|error| PairProblem::Path(error).of(settings))?;
        let local = paths.local.map(source_directory);
        let new = NewPair {
            name: settings.name.clone(),
            experiment: experiment.map(|row| row.id),
            source: Place { collection: settings.source.collection, path: paths.source },
            destination: Place { collection: settings.destination.collection, path: paths.destination },
            local: local.as_ref().map(SourceDirectory::path),
        };
        self.refuse_taken(settings, &new, experiment).await?;
        if let Some(experiment) = experiment {
            let last = self.journal.last_whole_delivery(experiment.id).await?;
            if last.is_some_and(|last| last.state == DeliveryState::Held) {
                return Err(PairProblem::Held { experiment: experiment.experiment.to_string() }.of(settings));
            }
            self.claim(settings, experiment).await?;
        }
        let row = self.manifest().open_pair(&new).await?;
        let experiment = experiment.map(|row| row.experiment.clone());
        Ok(Pair { row, settings: settings.clone(), experiment, month, local })
    }

    /// One group's data must never go where another's is, whatever the templates say. A group that was accepted again
    /// after an edit of `[directories] paths` is no other group.
    async fn refuse_taken(
        &self,
        settings: &config::Sync,
        new: &NewPair,
        experiment: Option<&ExperimentRow>,
    ) -> Result<(), SyncError> {
        let Some(experiment) = experiment else { return Ok(()) };
        for row in self.manifest().pairs(true).await? {
            let Some(other) = row.pair.experiment.filter(|other| *other != experiment.id) else { continue };
            // Also from where another group's data goes: pairs can be one behind the other.
            let (from, to) = (&row.pair.source, &row.pair.destination);
            let ends =
                [&new.source, &new.destination].into_iter().flat_map(|ours| [(ours, from), (ours, to)]);
            for (ours, theirs) in ends {
                if overlap(ours, theirs) {
                    let whose = self.journal.experiment(other).await?;
                    if whose.as_ref().is_some_and(|whose| whose.is_same_group(experiment)) {
                        continue;
                    }
                    let whose = whose.map_or_else(|| other.to_string(), |row| row.experiment.to_string());
                    let other = format!("{}, {whose}", row.pair.name);
                    return Err(PairProblem::taken(settings, ours.path.clone(), other).of(settings));
                }
            }
        }
        Ok(())
    }

    /// Closes an earlier experiment's pair when there is nothing left to do for it. True when it is closed.
    pub async fn close_if_finished(&self, pair: &Pair) -> Result<bool, SyncError> {
        let counts = self.manifest().counts(pair.row.id).await?;
        let to_send = counts.files(FileState::New) + counts.files(FileState::Sending);
        let to_remove = if pair.settings.clean_up.is_some() { counts.files(FileState::Sent) } else { 0 };
        let under_way = self.manifest().unfinished_task(pair.row.id).await?.is_some();
        let finished = to_send + to_remove == 0 && !under_way && pair.row.walked_at.is_some();
        if finished {
            self.manifest().close_pair(pair.row.id).await?;
        }
        Ok(finished)
    }
}

/// The pair of an earlier month; none where the settings have got other paths or collections since.
fn earlier_month(row: PairRow, settings: &config::Sync, month: YearMonth) -> Option<Pair> {
    let paths = fitting(&row.pair, settings, PairOwner::Month(month))?;
    let local = paths.local.map(source_directory);
    Some(Pair { row, settings: settings.clone(), experiment: None, month: Some(month), local })
}

/// The pair of an earlier experiment, with the paths that it was begun with; none where it doesn't continue.
fn earlier_experiment(row: PairRow, settings: &config::Sync, experiment: &Experiment) -> Option<Pair> {
    let local = match fitting(&row.pair, settings, PairOwner::Experiment(experiment)) {
        Some(paths) => paths.local.map(source_directory),
        None if !continues(&row.pair, settings) => return None,
        None => match (&settings.source.local, &row.pair.local) {
            (None, _) => None,
            (Some(path), Some(local)) => {
                let root = PathBuf::from(path.top());
                let below = local.strip_prefix(&root).ok()?.to_owned();
                Some(SourceDirectory { root, below })
            }
            (Some(_), None) => return None,
        },
    };
    Some(Pair { row, settings: settings.clone(), experiment: Some(experiment.clone()), month: None, local })
}

/// Whether a pair that was begun goes on with these settings: its collections and the fixed parts of its paths are the
/// same. What follows the fixed parts can be another template.
pub fn continues(pair: &NewPair, settings: &config::Sync) -> bool {
    let is_below = |place: &Place, collection: Uuid, path: &config::SyncPath| {
        place.collection == collection && with_slash(&place.path).starts_with(path.top())
    };
    let (source, destination) = (&settings.source, &settings.destination);
    pair.name == settings.name
        && is_below(&pair.source, source.collection, &source.path)
        && is_below(&pair.destination, destination.collection, &destination.path)
}

fn source_directory(local: config::LocalPath) -> SourceDirectory {
    SourceDirectory { root: local.fixed, below: local.below }
}

/// The paths of the settings, if they still mean this pair.
fn fitting(pair: &NewPair, settings: &config::Sync, owner: PairOwner<'_>) -> Option<config::SyncPaths> {
    settings.resolve(owner).ok().filter(|paths| {
        settings.source.collection == pair.source.collection
            && settings.destination.collection == pair.destination.collection
            && with_slash(&pair.source.path) == paths.source
            && with_slash(&pair.destination.path) == paths.destination
    })
}

/// Whether one directory is the other or lies in it; capitals make no difference.
fn overlap(one: &Place, other: &Place) -> bool {
    let (a, b) = (with_slash(&one.path).to_lowercase(), with_slash(&other.path).to_lowercase());
    one.collection == other.collection && (a.starts_with(&b) || b.starts_with(&a))
}
