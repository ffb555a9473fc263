//! Removing on a collection: by a Globus delete task for exactly the files that a fresh listing shows as they
//! were sent.

use super::super::manifest::{
    End, FileRow, FileState, NewRemoval, NewTask, RemovalEnd, RemovalRow, Rest, TaskNumber, TaskRow,
    TaskState,
};
use super::super::transfer::{FailureCause, Run, RunAborted, SyncState, with_slash};
use super::listing::{Shown, seconds_of};
use super::{CleanUpReport, Group, Known, OnRemoval, Reasons, by_directory};
use globus_transfer_client::DeleteTask;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// A deletion that has not begun by then must not begin any more: what the listing showed is too old.
const DEADLINE: SignedDuration = SignedDuration::from_mins(10);

/// The parameters of a deletion, beside its files.
#[derive(Serialize, Deserialize)]
struct Request {
    collection: Uuid,
    top: String,
    label: String,
}

/// How a file stands at the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum There {
    Gone,
    AsSent,
    Other,
}

impl Run<'_> {
    /// Removes what both ends show as it was sent; in a dry run only tells it.
    pub(super) async fn remove_remote(
        &mut self,
        groups: Vec<Group>,
        known: &Known,
        report: &mut CleanUpReport,
        reasons: &mut Reasons,
        on_removal: OnRemoval<'_>,
    ) -> Result<(), RunAborted> {
        let mut go = vec![];
        for group in groups {
            let (files, stay) = self.confirmed(group, known).await?;
            reasons.add_all(stay);
            go.extend(files.into_iter().map(|file| NewRemoval { path: file.path, stat: file.stat }));
        }
        if report.dry_run {
            for file in go {
                on_removal(&file.path);
                (report.removed, report.bytes) = (report.removed + 1, report.bytes + file.stat.size);
            }
            return Ok(());
        }
        if go.is_empty() {
            return Ok(());
        }
        self.go_on().await?;
        let submission_id = self.submission_id().await?;
        let source = &self.pair.row.pair.source;
        let label = self.pair.settings.label_for("clean-up");
        let request = Request { collection: source.collection, top: with_slash(&source.path), label };
        let request = serde_json::to_value(request)
            .map_err(|error| RunAborted::failed(FailureCause::Manifest, error.to_string()))?;
        let task = NewTask { submission_id, request, verified: false };
        let (task, rows) = self.engine.manifest().begin_removal(self.pair.row.id, go, Some(task)).await?;
        let Some(task) = task else { return Ok(()) };
        for (row, end) in self.delete(task, rows).await? {
            match end {
                RemovalEnd::Removed => {
                    on_removal(&row.path);
                    (report.removed, report.bytes) = (report.removed + 1, report.bytes + row.stat.size);
                }
                RemovalEnd::Kept(why) => reasons.add(why, 1, Some(&row.path)),
            }
        }
        Ok(())
    }

    /// A deletion that a killed run left behind. It is submitted again, under its own id, only if clean-up is
    /// still on, the pair isn't stopped, and every file is gone or as it was at both ends: it may never have
    /// reached Globus, and would only begin now.
    pub(crate) async fn finish_deletion(&mut self, task: TaskRow) -> Result<(), RunAborted> {
        let rows = self.engine.manifest().unfinished_removals(self.pair.row.id).await?;
        let rows: Vec<RemovalRow> = rows.into_iter().filter(|row| row.task == Some(task.number)).collect();
        if task.task_id.is_none() {
            let why = match &self.pair.settings.clean_up {
                None => Some("clean-up is off since"),
                Some(_) if self.stopped_elsewhere().await? => Some("the pair was stopped by hand"),
                Some(_) if self.still_may_go(&rows).await? => None,
                Some(_) => Some("files have changed since, or the destination has not all of them any more"),
            };
            if let Some(why) = why {
                let words = format!("beamshare was ended before Globus answered, and {why}");
                return self
                    .end_deletion(task.number, TaskState::Failed, rows, Some(words))
                    .await
                    .map(|_| ());
            }
        }
        self.delete(task, rows).await.map(|_| ())
    }

    /// Whether both ends show each file as it was sent, but for those that are gone at the source.
    async fn still_may_go(&mut self, rows: &[RemovalRow]) -> Result<bool, RunAborted> {
        let known = self.known().await?;
        let mut there = vec![];
        for (row, state) in rows.iter().zip(self.states(rows).await?) {
            match state {
                Ok(There::Gone) => {}
                Ok(There::AsSent) => there.push(FileRow {
                    path: row.path.clone(),
                    stat: row.stat,
                    state: FileState::Sent,
                    task: Some(row.sent_by),
                    sent_by: Some(row.sent_by),
                }),
                Ok(There::Other) | Err(_) => return Ok(false),
            }
        }
        for group in by_directory(there) {
            if !self.confirmed(group, &known).await?.1.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Hands the deletion in, follows it, and finds out what went.
    async fn delete(
        &mut self,
        task: TaskRow,
        rows: Vec<RemovalRow>,
    ) -> Result<Vec<(RemovalRow, RemovalEnd)>, RunAborted> {
        let request: Request = match serde_json::from_value(task.request.clone()) {
            Ok(request) => request,
            Err(error) => {
                let words = format!("its parameters in the manifest can't be read ({error})");
                return self.end_deletion(task.number, TaskState::Failed, rows, Some(words)).await;
            }
        };
        self.progress.say(SyncState::CleaningUp, format!("removing {} files at the source", rows.len()));
        let id = match task.task_id {
            Some(id) => id,
            None => {
                let deadline = Timestamp::now().saturating_add(DEADLINE).unwrap_or(Timestamp::MAX);
                let mut delete = DeleteTask::new(request.collection)
                    .submission_id(task.submission_id)
                    .label(request.label)
                    .deadline(deadline)
                    .ignore_missing(true)
                    .notify(false);
                for path in rows.iter().filter_map(|row| row.path.to_str()) {
                    delete = delete.path(format!("{}{path}", request.top));
                }
                let client = self.engine.client().clone();
                match self.ask(|| async { client.transfer().submit_delete(delete.clone()).await }).await? {
                    Ok(submitted) => {
                        self.engine.manifest().task_submitted(task.number, submitted.task_id).await?;
                        submitted.task_id
                    }
                    Err(error) => {
                        let words = self.engine.explain(&error);
                        return self.end_deletion(task.number, TaskState::Failed, rows, Some(words)).await;
                    }
                }
            }
        };
        let (state, words) = match self.follow(id, None).await? {
            Some(outcome) => (outcome.state, outcome.failure.map(|failure| failure.message)),
            None => (TaskState::Failed, Some(format!("Globus does not know the task {id} any more"))),
        };
        self.end_deletion(task.number, state, rows, words).await
    }

    /// Records what the source shows after a deletion.
    async fn end_deletion(
        &mut self,
        number: TaskNumber,
        state: TaskState,
        rows: Vec<RemovalRow>,
        words: Option<String>,
    ) -> Result<Vec<(RemovalRow, RemovalEnd)>, RunAborted> {
        let states = self.states(&rows).await?;
        let why = words.clone().unwrap_or_else(|| "Globus did not remove it".to_owned());
        let end = |state| match state {
            Ok(There::Gone) => RemovalEnd::Removed,
            Ok(There::AsSent | There::Other) => RemovalEnd::Kept(why.clone()),
            Err(unknown) => RemovalEnd::Kept(unknown),
        };
        let ends: Vec<_> = rows.into_iter().zip(states.into_iter().map(end)).collect();
        let numbers = ends.iter().map(|(row, end)| (row.number, end.clone())).collect();
        self.engine.manifest().end_removals(self.pair.row.id, numbers).await?;
        self.engine.manifest().end_task(number, End { state, rest: Rest::New, faults: 0, words }).await?;
        Ok(ends)
    }

    /// How files stand at the source now, in the order of the rows.
    async fn states(&mut self, rows: &[RemovalRow]) -> Result<Vec<Result<There, String>>, RunAborted> {
        let source = self.pair.row.pair.source.clone();
        let mut listed: HashMap<PathBuf, Shown> = HashMap::new();
        let mut states = vec![];
        for row in rows {
            let directory = row.path.parent().unwrap_or(Path::new("")).to_owned();
            if !listed.contains_key(&directory) {
                let shown = self.shown(&source, &directory).await?;
                listed.insert(directory.clone(), shown);
            }
            let name = row.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            states.push(match &listed[&directory] {
                Err(why) => Err(format!("Globus can't list the source: {why}")),
                Ok(entries) => {
                    Ok(entries.as_ref().and_then(|entries| entries.get(name)).map_or(There::Gone, |entry| {
                        let seconds = entry.last_modified.map(|time| time.as_second());
                        let as_sent =
                            entry.size == row.stat.size && seconds == Some(seconds_of(row.stat.mtime));
                        if as_sent { There::AsSent } else { There::Other }
                    }))
                }
            });
        }
        Ok(states)
    }
}
