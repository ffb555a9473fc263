//! Files that a task may have copied from elsewhere, because a user exchanged a directory or a file on the
//! way to them for a link while it ran. They leave the destination before anything else happens with the
//! task.

use super::super::manifest::{Place, TaskRow, unblocked};
use super::super::openat::DirectoryIdentity;
use super::inspection::{self, Doubt};
use super::report::{FailureCause, RunAborted, SyncState};
use super::request::Request;
use super::run_pair::Run;
use globus_transfer_client::DeleteTask;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// A deletion that has not begun by then begins anew, after another look.
const DEADLINE: SignedDuration = SignedDuration::from_mins(10);

/// How often a deletion is tried in one run.
const ATTEMPTS: usize = 3;

/// A checksum and its algorithm.
pub(super) type Checksum = (String, String);

/// What a task has copied.
#[derive(Clone, Copy)]
pub(super) enum Copied<'a> {
    /// Any of its files
    Unknown,
    /// These, and where the task did not succeed, any other in part
    Listed { files: &'a BTreeMap<PathBuf, Option<Checksum>>, all: bool },
}

/// What came of it.
#[derive(Default)]
pub(super) struct Foreign {
    /// Files whose state at the destination is unknown, or that were removed there: to be sent again
    pub again: Vec<PathBuf>,
    /// Files that a program replaced or removed while they were copied, so that nothing shows what was copied
    pub replaced: u64,
    /// Files that were reached through an exchanged directory or a link
    exchanged: Vec<PathBuf>,
    /// A directory on the way to the source is another one, or a link
    source_replaced: bool,
}

impl Foreign {
    /// What a person must know.
    pub fn sentence(&self) -> Option<String> {
        let what = match self.exchanged.first() {
            Some(first) => format!(
                "{} files were copied while a directory or file on the way to them was exchanged, so they \
                 may be another group's; they are removed at the destination (e.g. {first:?})",
                self.exchanged.len()
            ),
            None if self.source_replaced => {
                "a directory on the way to the source was exchanged for another while Globus copied"
                    .to_owned()
            }
            None => return None,
        };
        Some(format!("{what}. Find out who did that; what is in the source now is sent by the next run"))
    }
}

impl Run<'_> {
    /// Removes files from the destination that the task may have copied from elsewhere. When this returns
    /// they are gone.
    ///
    /// # Errors
    /// Where the source can't be looked at or the files not be removed. The task must not be ended then: the
    /// next run tries again.
    pub(super) async fn recall_foreign(
        &mut self,
        task: &TaskRow,
        request: &Request,
        copied: Copied<'_>,
    ) -> Result<Foreign, RunAborted> {
        let way = self.engine.manifest().task_directories(task.number).await?;
        let source_replaced = !self.is_source_in_place(&way).await;
        let mut foreign = Foreign { source_replaced, ..Foreign::default() };
        let mut remove = vec![];
        for (path, doubt) in self.doubtful(task, way).await? {
            let (may_be_copied, checksum) = match copied {
                Copied::Unknown => (true, None),
                Copied::Listed { files, all } => match files.get(&path) {
                    None => (!all, None),
                    Some(checksum) => (true, checksum.clone()),
                },
            };
            let is_told = checksum.is_some();
            if may_be_copied && self.is_own(&path, checksum).await {
                continue;
            }
            foreign.again.push(path.clone());
            if !may_be_copied {
                continue;
            }
            match doubt {
                Doubt::Linked => foreign.exchanged.push(path.clone()),
                // It has not changed, and yet something else was copied under its name.
                Doubt::AsItWas if is_told => foreign.exchanged.push(path.clone()),
                Doubt::AsItWas | Doubt::Gone | Doubt::Replaced => foreign.replaced += 1,
            }
            remove.push(path);
        }
        if let Some(first) = foreign.exchanged.first() {
            let count = foreign.exchanged.len();
            tracing::error!(
                pair = self.name(),
                "{count} files may be another group's, e.g. {first:?}: removing them"
            );
        }
        if !remove.is_empty() {
            self.remove_at_destination(task, request, &remove).await?;
        }
        if foreign.replaced > 0 {
            self.remarks.push(format!(
                "{} files were replaced or removed at the source while Globus copied them; their copies are \
                 removed, and what is there now is sent",
                foreign.replaced
            ));
        }
        Ok(foreign)
    }

    /// Whether the directories on the way to a source of this machine are those of the beginning.
    pub(super) async fn is_source_in_place(&self, way: &HashMap<PathBuf, DirectoryIdentity>) -> bool {
        let Some(source) = self.pair.local.clone().filter(|_| !way.is_empty()) else { return true };
        let way: HashMap<_, _> = way
            .iter()
            .filter(|(path, _)| source.below.starts_with(path))
            .map(|(p, i)| (p.clone(), *i))
            .collect();
        // An error is no answer: the look at the end tells.
        unblocked(move || inspection::is_source_in_place(&source, &way)).await.unwrap_or(true)
    }

    /// Files of the task whose paths may have led elsewhere while it ran.
    async fn doubtful(
        &mut self,
        task: &TaskRow,
        way: HashMap<PathBuf, DirectoryIdentity>,
    ) -> Result<BTreeMap<PathBuf, Doubt>, RunAborted> {
        let files = self.engine.manifest().task_files(task.number).await?;
        let Some(source) = self.pair.local.clone() else {
            let all = || files.into_iter().map(|file| (file.path, Doubt::Linked)).collect();
            return Ok(if self.link_on_the_way().await?.is_some() { all() } else { BTreeMap::new() });
        };
        let path = source.path();
        unblocked(move || inspection::doubtful(&source, &files, &way)).await.map_err(|error| {
            let message = format!(
                "can't look at the source directory {} after a transfer: {error}; what was sent counts when \
                 that works again",
                path.display()
            );
            RunAborted::failed(FailureCause::Source, message)
        })
    }

    /// Whether a copied file has the content of the group's own file.
    async fn is_own(&self, path: &Path, checksum: Option<Checksum>) -> bool {
        let Some((source, (checksum, algorithm))) = self.pair.local.clone().zip(checksum) else {
            return false;
        };
        let path = path.to_owned();
        unblocked(move || inspection::has_checksum(&source, &path, &algorithm, &checksum)).await
    }

    async fn remove_at_destination(
        &mut self,
        task: &TaskRow,
        request: &Request,
        files: &[PathBuf],
    ) -> Result<(), RunAborted> {
        let (collection, top) = request.destination.clone();
        let place = Place { collection, path: top.clone() };
        self.progress
            .say(SyncState::CleaningUp, format!("removing {} files at the destination", files.len()));
        // One that was submitted before a kill is followed first: it must not run when the files are sent
        // anew.
        let mut pending = task.recall_submission_id;
        for _ in 0..ATTEMPTS {
            let id = match pending.take() {
                Some(id) => id,
                None if !self.any_is_there(&place, files).await? => return Ok(()),
                None => {
                    let id = self.submission_id().await?;
                    self.engine.manifest().set_recall(task.number, Some(id)).await?;
                    id
                }
            };
            self.delete_at_destination(id, collection, &top, files).await?;
            self.engine.manifest().set_recall(task.number, None).await?;
        }
        if !self.any_is_there(&place, files).await? {
            return Ok(());
        }
        let message = format!(
            "{} files below {top} on collection {collection} may be another group's and can't be removed \
             (e.g. {:?}); remove them by hand, or let the account do it. Nothing more is sent until then",
            files.len(),
            files[0]
        );
        Err(RunAborted::failed(FailureCause::Foreign, message))
    }

    async fn delete_at_destination(
        &mut self,
        submission_id: Uuid,
        collection: Uuid,
        top: &str,
        files: &[PathBuf],
    ) -> Result<(), RunAborted> {
        let deadline = Timestamp::now().saturating_add(DEADLINE).unwrap_or(Timestamp::MAX);
        let mut delete = DeleteTask::new(collection)
            .submission_id(submission_id)
            .label(self.pair.settings.label_for("recall"))
            .deadline(deadline)
            .ignore_missing(true)
            .notify(false);
        for path in files.iter().filter_map(|path| path.to_str()) {
            delete = delete.path(format!("{top}{path}"));
        }
        let client = self.engine.client().clone();
        match self.ask(|| async { client.transfer().submit_delete(delete.clone()).await }).await? {
            Ok(submitted) => self.follow(submitted.task_id, None).await.map(|_| ()),
            Err(error) => Err(RunAborted::Failed(self.engine.rejected(&error))),
        }
    }

    /// Whether the destination shows one of the files.
    async fn any_is_there(&mut self, place: &Place, files: &[PathBuf]) -> Result<bool, RunAborted> {
        let mut names: BTreeMap<&Path, Vec<&str>> = BTreeMap::new();
        for file in files {
            let name = file.file_name().and_then(|name| name.to_str());
            names.entry(file.parent().unwrap_or(Path::new(""))).or_default().extend(name);
        }
        for (directory, names) in names {
            match self.shown(place, directory).await? {
                Ok(Some(entries)) if names.iter().any(|name| entries.contains_key(*name)) => return Ok(true),
                Ok(_) => {}
                Err(why) => return Err(RunAborted::failed(FailureCause::Listing, why)),
            }
        }
        Ok(false)
    }
}
