//! One transfer task, from handing it in to what became of each of its files.

use super::super::manifest::{End, Rest, TaskNumber, TaskRow, TaskState};
use super::super::openat::DirectoryIdentity;
use super::foreign::{Checksum, Copied};
use super::report::{FailureCause, RunAborted, RunFailure, SyncState};
use super::request::Request;
use super::run_pair::Run;
use crate::SyncLevel;
use futures::TryStreamExt;
use globus_transfer_client as globus;
use globus_transfer_client::{ErrorKind, TaskStatus};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::Duration;
use uuid::Uuid;

/// The interval of asking for a task's state, at first and later: Transfer allows a few requests a second to
/// each account. It is no backoff, since nothing has failed.
const FIRST_LOOK: Duration = Duration::from_millis(250);
const LATER_LOOKS: Duration = Duration::from_secs(5);

/// Files of the service's lists that are recorded in one commit.
const PAGE: usize = 1000;

/// Maximum number of a task's errors in a report.
const ERRORS_TOLD: usize = 2;

/// What the service says of a task that has ended.
pub(crate) struct Outcome {
    pub state: TaskState,
    pub faults: u64,
    /// Why it did not succeed, and what to do
    pub failure: Option<RunFailure>,
}

/// The successful transfers of a task.
#[derive(Default)]
struct Successful {
    /// By their paths below the pair's top, with the checksums that Globus compared
    copied: BTreeMap<PathBuf, Option<Checksum>>,
    /// Files with paths that are not this pair's
    strange: u64,
}

impl Run<'_> {
    /// Submits a task, or submits it again, follows it, and records the result.
    pub(super) async fn carry(&mut self, task: TaskRow) -> Result<(), RunAborted> {
        let request: Request = match serde_json::from_value(task.request.clone()) {
            Ok(request) => request,
            Err(error) => {
                let message = format!("its parameters in the manifest can't be read ({error})");
                return self.give_up(&task, RunFailure::new(FailureCause::Manifest, message)).await;
            }
        };
        let id = match task.task_id {
            Some(id) => id,
            None => {
                self.progress.say(SyncState::Submitting, format!("submitting {} files", task.files));
                let files = self.engine.manifest().task_files(task.number).await?;
                let transfer = request.task(task.submission_id, &files);
                drop(files);
                let client = self.engine.client().clone();
                let answer =
                    self.ask(|| async { client.transfer().submit_transfer(transfer.clone()).await }).await?;
                match answer {
                    Ok(submitted) => {
                        self.engine.manifest().task_submitted(task.number, submitted.task_id).await?;
                        submitted.task_id
                    }
                    Err(error) => return self.refused(&task, &error).await,
                }
            }
        };
        tracing::info!(pair = self.name(), task = %id, files = task.files, "the task is at Globus");
        let way = self.engine.manifest().task_directories(task.number).await?;
        let outcome = match self.follow(id, Some(&way)).await? {
            Some(outcome) => outcome,
            None => {
                let message =
                    format!("Globus does not know the task {id} any more; its files are compared once more");
                self.recall_foreign(&task, &request, Copied::Unknown).await?;
                let lost = FailureCause::Task("NOT_FOUND".to_owned());
                return self.give_up(&task, RunFailure::new(lost, message)).await;
            }
        };
        self.settle(&task, id, &request, outcome).await
    }

    /// The service did not take it. Where that says nothing about this task (a sign-in has ended), it stays
    /// to be submitted again under its own id: an answer may have been lost before.
    async fn refused(&mut self, task: &TaskRow, error: &globus::Error) -> Result<(), RunAborted> {
        let failure = self.engine.rejected(error);
        let says_nothing = matches!(
            error.kind(),
            ErrorKind::NotSignedIn
                | ErrorKind::AuthenticationFailed
                | ErrorKind::SessionRequired
                | ErrorKind::ConsentRequired { .. }
                | ErrorKind::TokenStore
                | ErrorKind::InvalidResponse
        );
        if says_nothing { Err(RunAborted::Failed(failure)) } else { self.give_up(task, failure).await }
    }

    /// Nothing of the task can be known: all its files are new again, and compared with the destination by
    /// the next one.
    async fn give_up(&mut self, task: &TaskRow, failure: RunFailure) -> Result<(), RunAborted> {
        let words = Some(failure.message.clone());
        let end = End { state: TaskState::Failed, rest: Rest::New, faults: 0, words };
        self.engine.manifest().end_task(task.number, end).await?;
        Err(RunAborted::Failed(failure))
    }

    /// Follows a task to its end; none where the service does not know it. It is cancelled as soon as a
    /// directory on the way to the source is not one of `way` any more.
    pub(crate) async fn follow(
        &mut self,
        id: Uuid,
        way: Option<&HashMap<PathBuf, DirectoryIdentity>>,
    ) -> Result<Option<Outcome>, RunAborted> {
        let client = self.engine.client().clone();
        let mut interval = FIRST_LOOK;
        let mut cancelled = false;
        loop {
            if let Some(way) = way.filter(|_| !cancelled)
                && !self.is_source_in_place(way).await
            {
                cancelled = true;
                self.cancel(id).await?;
            }
            if !cancelled && (self.control.is_stopped() || self.stopped_elsewhere().await?) {
                self.engine.manifest().set_stopped(self.pair.row.id, true).await?;
                cancelled = true;
                self.cancel(id).await?;
            }
            let task = match self.look_at(id, cancelled).await? {
                Ok(task) => task,
                Err(error) if *error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(RunAborted::Failed(self.engine.rejected(&error))),
            };
            if task.has_ended() {
                self.progress.task(&task, SyncState::Recording, "the task has ended".to_owned());
                return Ok(Some(self.outcome(&client, &task).await));
            }
            let (state, message) = self.situation(&client, &task).await;
            self.progress.task(&task, state, message);
            if cancelled {
                tokio::time::sleep(interval).await;
            } else {
                match self.pause(interval).await {
                    // The next round cancels it.
                    Ok(()) | Err(RunAborted::Stopped) => {}
                    Err(halt) => return Err(halt),
                }
            }
            interval = interval.mul_f64(1.5).min(LATER_LOOKS);
        }
    }

    async fn look_at(
        &mut self,
        id: Uuid,
        cancelled: bool,
    ) -> Result<globus::Result<globus::Task>, RunAborted> {
        let client = self.engine.client().clone();
        if cancelled {
            // An operator has interfered already, so only the answer ends the wait.
            let began = tokio::time::Instant::now();
            loop {
                match client.transfer().task(id).get().await {
                    Err(error) if error.is_transient() && began.elapsed() < self.options.patience => {
                        tokio::time::sleep(
                            error.retry_after().unwrap_or(LATER_LOOKS).min(self.options.patience),
                        )
                        .await;
                    }
                    Err(error) if error.is_transient() => {
                        let message = self.engine.explain(&error);
                        return Err(RunAborted::Away(RunFailure::new(FailureCause::Unreachable, message)));
                    }
                    other => return Ok(other),
                }
            }
        }
        match self.ask(|| async { client.transfer().task(id).get().await }).await {
            // To be cancelled, which needs an answer first.
            Err(RunAborted::Stopped) => Box::pin(self.look_at(id, true)).await,
            other => other,
        }
    }

    async fn cancel(&mut self, id: Uuid) -> Result<(), RunAborted> {
        self.progress.say(SyncState::Cancelling, "stopping: the task is being cancelled");
        let client = self.engine.client().clone();
        let began = tokio::time::Instant::now();
        loop {
            match client.transfer().task(id).cancel().await {
                Ok(_) => return Ok(()),
                Err(error) if error.is_transient() && began.elapsed() < self.options.patience => {
                    let pause = error.retry_after().unwrap_or(Duration::from_secs(2));
                    tokio::time::sleep(pause.min(self.options.patience)).await;
                }
                Err(error) if *error.kind() == ErrorKind::NotFound => return Ok(()),
                Err(error) => {
                    let RunFailure { cause, message } = self.engine.rejected(&error);
                    let message = format!("the task {id} can't be cancelled and continues: {message}");
                    return Err(RunAborted::failed(cause, message));
                }
            }
        }
    }

    /// What an unfinished task is about, and what a person can do.
    async fn situation(&self, client: &globus::GlobusClient, task: &globus::Task) -> (SyncState, String) {
        let id = task.task_id;
        let says = || {
            let nice = task.nice_status_details.as_deref().filter(|details| !details.trim().is_empty());
            let nice = nice.or(task.nice_status_short_description.as_deref()).or(task.nice_status.as_deref());
            nice.map(one_line).unwrap_or_else(|| "Globus says no reason".to_owned())
        };
        if task.is_paused {
            let info = client.transfer().task(id).pause_info().await.ok();
            let words = info.map(|info| {
                let rules = info.pause_rules.into_iter().filter_map(|rule| rule.message);
                let all: Vec<String> =
                    rules.chain(info.source_pause_message).chain(info.destination_pause_message).collect();
                all.iter().map(|text| one_line(text)).collect::<Vec<_>>().join("; ")
            });
            let words = words.filter(|words| !words.is_empty()).unwrap_or_else(says);
            let message = format!(
                "paused by who manages the collection: {words}. It goes on when they let it; beamshare sync \
                 stop cancels it"
            );
            return (SyncState::Paused, message);
        }
        if task.status == TaskStatus::Inactive {
            let message = format!(
                "Globus waits for a person: {}. Renew the credential at app.globus.org/activity/{id}; \
                 beamshare sync stop cancels it",
                says()
            );
            return (SyncState::Inactive, message);
        }
        let ok =
            task.nice_status.as_deref().is_none_or(|nice| nice.is_empty() || nice.eq_ignore_ascii_case("ok"));
        if ok {
            (SyncState::Active, "Globus copies".to_owned())
        } else {
            (SyncState::Retrying, format!("Globus has met errors and retries: {}", says()))
        }
    }

    /// How a task ended, with the service's own words where it did not end well.
    async fn outcome(&self, client: &globus::GlobusClient, task: &globus::Task) -> Outcome {
        if task.status == TaskStatus::Succeeded {
            return Outcome { state: TaskState::Succeeded, faults: task.faults, failure: None };
        }
        let (code, description) = match &task.fatal_error {
            Some(error) => (error.code.clone(), error.description.clone().unwrap_or_default()),
            None => ("FAILED".to_owned(), task.nice_status.clone().unwrap_or_default()),
        };
        let upper = code.to_uppercase();
        let is = |parts: &[&str]| parts.iter().any(|part| upper.contains(part));
        let (state, advice) = if is(&["CANCEL"]) {
            (TaskState::Cancelled, "it was cancelled; the next run sends the rest")
        } else if is(&["DEADLINE", "TIMEOUT", "EXPIRED"]) {
            (TaskState::Cancelled, "its deadline has passed; the next run sends the rest")
        } else if is(&["QUOTA", "SPACE"]) {
            (TaskState::Failed, "make room at the destination; the next run sends the rest")
        } else if is(&["PERMISSION"]) {
            (
                TaskState::Failed,
                "let the account read the source and write to the destination; the next run tries again",
            )
        } else {
            (TaskState::Failed, "the next run tries again")
        };
        let mut words = format!("task {} failed: {code}", task.task_id);
        if !description.is_empty() && !description.eq_ignore_ascii_case(&code.replace('_', " ")) {
            words += &format!(" ({})", one_line(&description));
        }
        words += &format!(": {advice}");
        // They make the reason plain, but without them it is one all the same.
        let errors: Result<Vec<globus::Event>, _> =
            client.transfer().task(task.task_id).events().errors_only().stream().try_collect().await;
        let mut told: Vec<String> = vec![];
        for event in errors.unwrap_or_default() {
            let text = one_line(&format!("{}: {}", event.description, event.details));
            let text = text.trim_end_matches([':', ' ']).to_owned();
            let bare = event.details.trim().is_empty() && event.code == code;
            if !bare && !told.contains(&text) && told.len() < ERRORS_TOLD {
                told.push(text);
            }
        }
        if !told.is_empty() {
            words += &format!(". Globus's last events: {}", told.join(" | "));
        }
        let failure = Some(RunFailure::new(FailureCause::Task(code), words));
        Outcome { state, faults: task.faults, failure }
    }

    /// Records the result of each file. Foreign files are removed from the destination first.
    async fn settle(
        &mut self,
        task: &TaskRow,
        id: Uuid,
        request: &Request,
        outcome: Outcome,
    ) -> Result<(), RunAborted> {
        let succeeded = outcome.state == TaskState::Succeeded;
        self.progress.say(SyncState::Recording, "reading which files were copied");
        let Successful { copied, strange } = match self.successful(id, request).await? {
            Ok(successful) => successful,
            // Unknown what was copied: all is compared with the destination once more.
            Err(error) => {
                self.recall_foreign(task, request, Copied::Unknown).await?;
                return self.refused(task, &error).await;
            }
        };
        let foreign =
            self.recall_foreign(task, request, Copied::Listed { files: &copied, all: succeeded }).await?;
        self.engine.manifest().mark_skipped(task.number, foreign.again.clone()).await?;
        // Of a task that did not succeed, only what is listed with its checksum counts.
        let sent =
            copied.into_iter().filter(|(_, checksum)| succeeded || checksum.is_some()).map(|(path, _)| path);
        let sent: Vec<PathBuf> = sent.collect();
        for page in sent.chunks(PAGE) {
            self.engine.manifest().mark_sent(task.number, page.to_vec()).await?;
        }
        let skipped = match self.mark_skipped(task.number, id, request).await? {
            Ok(skipped) => skipped + foreign.again.len() as u64,
            Err(error) => return self.refused(task, &error).await,
        };
        let rest = match (succeeded, request.level) {
            (false, _) => Rest::New,
            (true, SyncLevel::Checksum) => Rest::PresentByChecksum,
            (true, _) => Rest::Present,
        };
        let exchanged = foreign.sentence().map(|message| RunFailure::new(FailureCause::Foreign, message));
        let failure = exchanged.or(outcome.failure);
        let words = failure.as_ref().map(|failure| failure.message.clone());
        let end = End { state: outcome.state, rest, faults: outcome.faults, words };
        self.engine.manifest().end_task(task.number, end).await?;
        let tasks = self.engine.manifest().tasks(self.pair.row.id, 1).await?;
        let row = tasks.into_iter().find(|row| row.number == task.number);
        let (files, bytes) = row.map_or((0, 0), |row| (row.files_sent, row.bytes_sent));
        self.count_sent(files, bytes);
        if succeeded {
            self.present += task.files.saturating_sub(files + skipped);
        }
        self.progress.task_ended(if succeeded { task.files } else { files });
        if strange > 0 {
            let remark = format!(
                "{strange} files of Globus's list have other paths than were asked for; none of them is \
                 removed"
            );
            self.remarks.push(remark);
        }
        match failure {
            _ if self.stopped_elsewhere().await? => Err(RunAborted::Stopped),
            Some(failure) => Err(RunAborted::Failed(failure)),
            None => Ok(()),
        }
    }

    /// The service's list of what was copied.
    async fn successful(
        &mut self,
        id: Uuid,
        request: &Request,
    ) -> Result<Result<Successful, globus::Error>, RunAborted> {
        let client = self.engine.client().clone();
        // A page that fails begins the list anew.
        self.ask(|| async {
            let mut list = client.transfer().task(id).successful_transfers();
            let mut successful = Successful::default();
            while let Some(file) = list.try_next().await? {
                let path = request.below_source(&file.source_path);
                match path.or_else(|| request.below_destination(&file.destination_path)) {
                    Some(path) => {
                        let checksum = file.checksum.zip(file.checksum_algorithm);
                        successful.copied.insert(path, checksum);
                    }
                    None => successful.strange += 1,
                }
            }
            Ok(successful)
        })
        .await
    }

    /// Files that the service could not read at the source: new, so that a later run tries them again.
    async fn mark_skipped(
        &mut self,
        number: TaskNumber,
        id: Uuid,
        request: &Request,
    ) -> Result<Result<u64, globus::Error>, RunAborted> {
        let client = self.engine.client().clone();
        let listed = self
            .ask(|| async {
                client.transfer().task(id).skipped_errors().try_collect::<Vec<globus::SkippedError>>().await
            })
            .await?;
        let skipped = match listed {
            Ok(skipped) => skipped,
            Err(error) => return Ok(Err(error)),
        };
        let paths: Vec<PathBuf> =
            skipped.iter().filter_map(|skip| request.below_source(&skip.source_path)).collect();
        let count = self.engine.manifest().mark_skipped(number, paths).await?;
        // One that is gone at the source is no news: files are moved and deleted while data is taken.
        let trouble: Vec<&globus::SkippedError> =
            skipped.iter().filter(|skip| !skip.error_code.contains("NOT_FOUND")).collect();
        if let Some(first) = trouble.first() {
            self.remarks.push(format!(
                "Globus could not read {} files at the source, e.g. {} ({}); let the account read them",
                trouble.len(),
                one_line(&first.source_path),
                first.error_code
            ));
        }
        Ok(Ok(count))
    }
}

/// A text of the service on one line, and not longer than a screen.
fn one_line(text: &str) -> String {
    const MAX: usize = 300;
    let text = text.replace("\\r\\n", " ");
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    words.join(" ").chars().take(MAX).collect()
}
