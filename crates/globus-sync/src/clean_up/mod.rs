//! Removing at the source what was sent: only a file of which everything says that it is whole at the
//! destination.
//!
//! The manifest proposes files that the service listed in the successful transfers of a task with checksums,
//! that were sent long enough ago, and that nobody has seen change since. Then, directory by directory,
//! Globus is asked what is there now: the source must show the same size and time (so a wrong `local` removes
//! nothing), the destination the same size, in a file that was written by then. Then the file itself is
//! looked at, the removal is recorded, and only then the file goes.

pub(crate) mod listing;
mod local;
mod remote;

use super::manifest::{
    FileRow, FileState, NewRemoval, RemovalEnd, RemovalRow, SentBetween, TaskNumber, unblocked,
};
use super::openat::SourceDirectory;
use super::transfer::{
    Control, Engine, Error, FailureCause, Options, Progress, Run, RunAborted, SyncReport, SyncState, amount,
};
use crate::CleanUp;
use crate::Pair;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use tokio::sync::watch;

/// Files of the manifest that are judged in one go.
const PAGE: usize = 20_000;

/// What a clean-up did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CleanUpReport {
    /// Files removed (in a dry run: that would be)
    pub removed: u64,
    /// Their bytes
    pub bytes: u64,
    /// Directories that became empty by that, and were removed
    pub directories: u64,
    /// The reasons for which files stay
    pub kept: Vec<Kept>,
    /// Free space in bytes, where `below` is set and there is enough: nothing was removed for that reason
    pub enough_free: Option<u64>,
    /// Nothing was removed: this was only to see
    pub dry_run: bool,
}

/// Files that stay for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Why
    pub reason: String,
    /// How many
    pub files: u64,
    /// One of them, below the pair's top, where it is known
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<PathBuf>,
}

impl CleanUpReport {
    /// What went, as one sentence.
    pub fn sentence(&self) -> String {
        if let (Some(free), 0) = (self.enough_free, self.removed) {
            return format!("nothing removed: {} are free", indicatif::HumanBytes(free));
        }
        let would = if self.dry_run { "would be removed" } else { "removed" };
        let directories = match self.directories {
            0 => String::new(),
            1 => " and 1 directory".to_owned(),
            n => format!(" and {n} directories"),
        };
        format!("{}{directories} {would}", amount(self.removed, self.bytes))
    }
}

/// Whoever wants to see each file that goes, or would.
pub type OnRemoval<'a> = &'a mut (dyn FnMut(&Path) + Send);

impl Engine {
    /// Removes at the pair's source what may go, by `[sync.clean_up]`; in a dry run only tells it.
    /// `on_removal` is called for each file that goes (or would). The caller holds the pair's lock, but for a
    /// dry run.
    ///
    /// # Errors
    /// Where the pair has no `clean_up`, or Globus or the source can't be asked.
    pub async fn clean_up(
        &self,
        pair: &Pair,
        options: &Options,
        dry_run: bool,
        control: Control,
        report: watch::Sender<SyncReport>,
        on_removal: OnRemoval<'_>,
    ) -> Result<CleanUpReport, Error> {
        let Some(settings) = &pair.settings.clean_up else {
            let message =
                format!("pair {} has no [sync.clean_up], so nothing is ever removed", pair.settings.name);
            return Err(Error::Failed(message));
        };
        let mut run = Run::new(self, pair, options, control, Progress::new(report));
        let done = async {
            if !dry_run {
                run.finish_earlier().await?;
            }
            run.remove_what_may_go(settings, dry_run, on_removal).await
        };
        match done.await {
            Ok(report) => Ok(report),
            Err(RunAborted::Error(error)) => Err(error),
            Err(RunAborted::Away(failure)) => Err(Error::Away(failure.message)),
            Err(RunAborted::Failed(failure)) => Err(Error::Failed(failure.message)),
            Err(RunAborted::Stopped | RunAborted::Left) => Err(Error::Failed("stopped".to_owned())),
        }
    }
}

/// What is judged together: the files of one directory.
struct Group {
    directory: PathBuf,
    files: Vec<FileRow>,
}

/// What the manifest knows of all that was sent.
struct Known {
    tasks: HashMap<TaskNumber, SentBetween>,
    /// Directories that may be one at the destination
    alike: HashSet<PathBuf>,
}

/// Files that may go, as they are now, and files that stay, each with the reason.
type Judged = (Vec<NewRemoval>, Vec<(PathBuf, String)>);

/// Why files stay, counted.
#[derive(Default)]
struct Reasons(BTreeMap<String, (u64, Option<PathBuf>)>);

impl Reasons {
    fn add(&mut self, reason: impl Into<String>, files: u64, example: Option<&Path>) {
        let entry = self.0.entry(reason.into()).or_default();
        entry.0 += files;
        if entry.1.is_none() {
            entry.1 = example.map(Path::to_owned);
        }
    }

    fn add_all(&mut self, stay: Vec<(PathBuf, String)>) {
        stay.into_iter().for_each(|(path, reason)| self.add(reason, 1, Some(&path)));
    }

    fn into_list(self) -> Vec<Kept> {
        let kept = self.0.into_iter().filter(|(_, (files, _))| *files > 0);
        kept.map(|(reason, (files, example))| Kept { reason, files, example }).collect()
    }
}

impl Run<'_> {
    /// Clean-up at the end of a run.
    pub(super) async fn clean_up(&mut self, settings: &CleanUp) -> Result<CleanUpReport, RunAborted> {
        self.remove_what_may_go(settings, false, &mut |_| {}).await
    }

    async fn known(&self) -> Result<Known, RunAborted> {
        let (manifest, pair) = (self.engine.manifest(), self.pair.row.id);
        Ok(Known {
            tasks: manifest.sent_between(pair).await?,
            alike: manifest.directories_alike(pair).await?,
        })
    }

    async fn remove_what_may_go(
        &mut self,
        settings: &CleanUp,
        dry_run: bool,
        on_removal: OnRemoval<'_>,
    ) -> Result<CleanUpReport, RunAborted> {
        let mut report = CleanUpReport { dry_run, ..CleanUpReport::default() };
        let local = self.pair.local.clone();
        if !dry_run {
            self.find_out_about_killed_removals().await?;
        }
        if let Some(free) = self.enough_free(settings)? {
            report.enough_free = Some(free);
            return Ok(report);
        }
        self.progress.say(SyncState::CleaningUp, "looking for what may go at the source");
        let keep = SignedDuration::try_from(settings.keep).unwrap_or(SignedDuration::MAX);
        let sent_before = Timestamp::now().saturating_sub(keep).unwrap_or(Timestamp::MIN);
        let mut reasons = Reasons::default();
        let known = self.known().await?;
        let (mut cursor, mut judged) = (None, 0);
        'pages: loop {
            let manifest = self.engine.manifest();
            let page = manifest.deletable(self.pair.row.id, sent_before, cursor, PAGE).await?;
            judged += page.files.len() as u64;
            let groups = by_directory(page.files);
            match &local {
                None => {
                    self.remove_remote(groups, &known, &mut report, &mut reasons, &mut *on_removal).await?
                }
                Some(top) => {
                    for group in groups {
                        if !dry_run {
                            self.go_on().await?;
                        }
                        self.remove_local(top, group, &known, &mut report, &mut reasons, &mut *on_removal)
                            .await?;
                        if !dry_run && report.removed > 0 {
                            report.enough_free = self.enough_free(settings)?;
                            if report.enough_free.is_some() {
                                break 'pages;
                            }
                        }
                    }
                }
            }
            cursor = page.next;
            if cursor.is_none() {
                self.tell_the_others(
                    judged - if dry_run { 0 } else { report.removed },
                    settings,
                    &mut reasons,
                )
                .await?;
                break;
            }
        }
        report.kept = reasons.into_list();
        if report.removed > 0 && !dry_run {
            tracing::info!(pair = self.name(), "clean-up: {}", report.sentence());
        }
        Ok(report)
    }

    /// The free space, where it is more than the mark.
    fn enough_free(&self, settings: &CleanUp) -> Result<Option<u64>, RunAborted> {
        let (Some(below), Some(source)) = (settings.below, &self.pair.local) else { return Ok(None) };
        let space = source.open().and_then(|top| Ok(rustix::fs::fstatvfs(top)?)).map_err(|error| {
            let message = format!("can't tell the free space of {}: {error}", source.path().display());
            RunAborted::failed(FailureCause::Source, message)
        })?;
        let free = space.f_bavail.saturating_mul(space.f_frsize);
        Ok((free >= below).then_some(free))
    }

    /// Why the files stay that the manifest does not even propose; `judged` are those that it did and that
    /// are still there.
    async fn tell_the_others(
        &mut self,
        judged: u64,
        settings: &CleanUp,
        reasons: &mut Reasons,
    ) -> Result<(), RunAborted> {
        let counts = self.engine.manifest().counts(self.pair.row.id).await?;
        let sent = counts.files(FileState::Sent).saturating_sub(judged);
        reasons.add(
            format!("sent less than {:?} ago, or without comparing checksums", settings.keep),
            sent,
            None,
        );
        reasons.add("not sent yet, or changed since", counts.files(FileState::New), None);
        reasons.add("being sent", counts.files(FileState::Sending), None);
        let present = counts.files(FileState::Present);
        reasons.add(
            "the destination had it before beamshare sent anything, so nothing was verified",
            present,
            None,
        );
        let unsendable = FileState::ALL.into_iter().filter(|state| matches!(state, FileState::Unsendable(_)));
        reasons.add("can't be sent", unsendable.map(|state| counts.files(state)).sum(), None);
        Ok(())
    }

    /// Removals that were recorded when beamshare was killed: gone, or still there.
    async fn find_out_about_killed_removals(&mut self) -> Result<(), RunAborted> {
        let rows = self.engine.manifest().unfinished_removals(self.pair.row.id).await?;
        let rows: Vec<RemovalRow> = rows.into_iter().filter(|row| row.task.is_none()).collect();
        let Some(top) = self.pair.local.clone().filter(|_| !rows.is_empty()) else { return Ok(()) };
        let ends = unblocked(move || {
            let top = local::Top::open(&top).map_err(|why| RunAborted::failed(FailureCause::Source, why))?;
            let end = |row: &RemovalRow| match top.is_gone(&row.path) {
                Ok(true) => RemovalEnd::Removed,
                Ok(false) => RemovalEnd::Kept("beamshare was ended before it was removed".to_owned()),
                Err(why) => RemovalEnd::Kept(why),
            };
            Ok::<_, RunAborted>(rows.iter().map(|row| (row.number, end(row))).collect())
        })
        .await?;
        self.engine.manifest().end_removals(self.pair.row.id, ends).await?;
        Ok(())
    }

    async fn remove_local(
        &mut self,
        top: &SourceDirectory,
        group: Group,
        known: &Known,
        report: &mut CleanUpReport,
        reasons: &mut Reasons,
        on_removal: OnRemoval<'_>,
    ) -> Result<(), RunAborted> {
        let directory = group.directory.clone();
        let (files, stay) = self.confirmed(group, known).await?;
        reasons.add_all(stay);
        if files.is_empty() {
            return Ok(());
        }
        let source = top.clone();
        let begun_at = |file: &FileRow| file.task.and_then(|task| Some(known.tasks.get(&task)?.begun_at));
        let files = files.into_iter().map(|file| (begun_at(&file), file)).collect();
        let (go, stay) = unblocked(move || local::look(&source, files)).await;
        reasons.add_all(stay);
        if report.dry_run {
            for file in go {
                on_removal(&file.path);
                (report.removed, report.bytes) = (report.removed + 1, report.bytes + file.stat.size);
            }
            return Ok(());
        }
        let (_, rows) = self.engine.manifest().begin_removal(self.pair.row.id, go, None).await?;
        self.progress.say(SyncState::CleaningUp, format!("removing {} files of {directory:?}", rows.len()));
        let source = top.clone();
        let (ends, directories) = unblocked(move || local::remove(&source, &directory, &rows)).await;
        report.directories += directories;
        let mut numbers = vec![];
        for (row, end) in ends {
            match &end {
                RemovalEnd::Removed => {
                    on_removal(&row.path);
                    (report.removed, report.bytes) = (report.removed + 1, report.bytes + row.stat.size);
                }
                RemovalEnd::Kept(why) => reasons.add(why.clone(), 1, Some(&row.path)),
            }
            numbers.push((row.number, end));
        }
        self.engine.manifest().end_removals(self.pair.row.id, numbers).await?;
        Ok(())
    }
}

fn by_directory(files: Vec<FileRow>) -> Vec<Group> {
    let mut groups: Vec<Group> = vec![];
    for file in files {
        let directory = file.path.parent().unwrap_or(Path::new("")).to_owned();
        match groups.last_mut() {
            Some(group) if group.directory == directory => group.files.push(file),
            _ => groups.push(Group { directory, files: vec![file] }),
        }
    }
    groups
}
