//! A run of a pair, from what is left of the last one to the mail about its end.

use super::super::manifest::{FileState, Limit, NewTask, TaskKind, TaskRow};
use super::report::{
    Ended, FailureCause, Progress, RunAborted, RunFailure, RunResult, SyncReport, SyncState, amount,
};
use super::request::Request;
use super::{Control, Engine, Error, Options};
use crate::Pair;
use crate::SyncLevel;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use uuid::Uuid;

/// How many names a remark tells.
const NAMES_TOLD: usize = 3;

/// A run that is under way.
pub(crate) struct Run<'e> {
    pub engine: &'e Engine,
    pub pair: &'e Pair,
    pub options: &'e Options,
    pub control: Control,
    pub progress: Progress,
    pub sent: (u64, u64),
    pub present: u64,
    pub remarks: Vec<String>,
    pub waiting_until: Option<Timestamp>,
}

impl Engine {
    /// Runs a pair: what is left of an earlier run first, then what is new, then clean-up, where it is on.
    /// Dropping the future leaves a task to Globus; the next run follows it. The caller holds the pair's
    /// lock.
    ///
    /// # Errors
    /// Where nothing could be begun, since the manifest can't be used. What goes wrong later is in
    /// [`Ended::result`].
    pub async fn run_pair(
        &self,
        pair: &Pair,
        options: &Options,
        control: Control,
        report: watch::Sender<SyncReport>,
    ) -> Result<Ended, Error> {
        let progress = Progress::new(report);
        if options.by_hand {
            self.manifest.set_stopped(pair.row.id, false).await?;
        }
        let mut run = Run::new(self, pair, options, control, progress);
        let moved = run.move_all().await;
        let clean_up = match (&moved, &pair.settings.clean_up) {
            (Ok(()) | Err(RunAborted::Failed(_)), Some(settings)) => Some(run.clean_up(settings).await),
            _ => None,
        };
        let (clean_up, cleaned) = match clean_up {
            Some(Ok(report)) => (Some(report), Ok(())),
            Some(Err(halt)) => (None, Err(halt)),
            None => (None, Ok(())),
        };
        // What failed first is what a person must know first.
        let result = match moved.and(cleaned) {
            Ok(()) => RunResult::Done,
            Err(RunAborted::Stopped) => RunResult::Stopped,
            Err(RunAborted::Left) => RunResult::Left,
            Err(RunAborted::Failed(failure)) => RunResult::Failed(failure),
            Err(RunAborted::Away(failure)) => RunResult::Away(failure),
            Err(RunAborted::Error(error)) => {
                let failure = RunFailure::new(FailureCause::Manifest, error.to_string());
                match error {
                    Error::Manifest(error) if error.is_transient() => RunResult::Away(failure),
                    _ => RunResult::Failed(failure),
                }
            }
        };
        let ended = Ended {
            result,
            sent: run.sent.0,
            sent_bytes: run.sent.1,
            present: run.present,
            waiting_until: run.waiting_until,
            remarks: std::mem::take(&mut run.remarks),
            clean_up,
        };
        let state = match ended.result {
            RunResult::Done => SyncState::Done,
            RunResult::Stopped => SyncState::Stopped,
            RunResult::Left => SyncState::Active,
            RunResult::Failed(_) => SyncState::Failed,
            RunResult::Away(_) => SyncState::Away,
        };
        run.progress.say(state, ended.sentence());
        Ok(ended)
    }

    /// Cancels the pair's task and waits for its end. The caller holds the pair's lock; see
    /// [`Manifest::set_stopped`](crate::manifest::Manifest::set_stopped).
    ///
    /// # Errors
    /// Where Globus can't be reached, or the task can't be cancelled.
    pub async fn cancel_task(&self, pair: &Pair, options: &Options) -> Result<(), Error> {
        let (report, _) = watch::channel(SyncReport::default());
        let (controller, control) = super::controls();
        controller.stop();
        let mut run = Run::new(self, pair, options, control, Progress::new(report));
        match run.finish_earlier().await {
            Ok(()) | Err(RunAborted::Stopped | RunAborted::Left) => Ok(()),
            Err(RunAborted::Failed(failure)) => Err(Error::Failed(failure.message)),
            Err(RunAborted::Away(failure)) => Err(Error::Away(failure.message)),
            Err(RunAborted::Error(error)) => Err(error),
        }
    }
}

impl<'e> Run<'e> {
    pub fn new(
        engine: &'e Engine,
        pair: &'e Pair,
        options: &'e Options,
        control: Control,
        progress: Progress,
    ) -> Self {
        let (remarks, waiting_until) = (vec![], None);
        Run { engine, pair, options, control, progress, sent: (0, 0), present: 0, remarks, waiting_until }
    }
}

impl Run<'_> {
    pub fn name(&self) -> &str {
        &self.pair.settings.name
    }

    /// Nothing begins after somebody interfered, here or in another process.
    pub async fn go_on(&self) -> Result<(), RunAborted> {
        if self.control.is_stopped() {
            self.engine.manifest.set_stopped(self.pair.row.id, true).await?;
            return Err(RunAborted::Stopped);
        }
        if self.control.is_left() {
            return Err(RunAborted::Left);
        }
        if self.stopped_elsewhere().await? {
            return Err(RunAborted::Stopped);
        }
        Ok(())
    }

    pub async fn stopped_elsewhere(&self) -> Result<bool, Error> {
        let row = self.engine.manifest.pair(self.pair.row.id).await?;
        Ok(row.is_some_and(|row| row.stopped_at.is_some()))
    }

    async fn move_all(&mut self) -> Result<(), RunAborted> {
        self.finish_earlier().await?;
        self.go_on().await?;
        if self.options.walk {
            self.progress.say(SyncState::Looking, "looking for new files");
            self.look().await?;
        }
        if self.repairs() {
            self.compare_destination().await?;
        }
        let sent = self.send_new().await;
        self.tell_unsendable().await?;
        sent
    }

    /// Whether this run compares the destination with what was sent.
    fn repairs(&self) -> bool {
        self.options.repair
            || super::next_repair(self.pair.settings.compare, &self.pair.row)
                .is_some_and(|due| due <= Timestamp::now())
    }

    /// Sends what is new, task by task.
    async fn send_new(&mut self) -> Result<(), RunAborted> {
        let mut waited = false;
        loop {
            self.go_on().await?;
            let counts = self.engine.manifest.counts(self.pair.row.id).await?;
            self.progress.expect(counts.files(FileState::New), counts.bytes(FileState::New));
            if let Some(task) = self.next_task().await? {
                self.carry(task).await?;
                continue;
            }
            let Some(until) = self.waiting_until.filter(|_| self.options.wait_for_quiet && !waited) else {
                return Ok(());
            };
            waited = true;
            self.progress.say(SyncState::Looking, "waiting for files that changed a moment ago");
            let pause = until.duration_since(Timestamp::now()).try_into().unwrap_or_default();
            self.pause(pause).await?;
            if self.options.walk {
                self.look().await?;
            }
        }
    }

    /// What a run before this one began is brought to its end first.
    pub(crate) async fn finish_earlier(&mut self) -> Result<(), RunAborted> {
        let Some(task) = self.engine.manifest.unfinished_task(self.pair.row.id).await? else { return Ok(()) };
        tracing::info!(pair = self.name(), submission_id = %task.submission_id, "going on with an unfinished task");
        match task.kind {
            TaskKind::Transfer => {
                self.progress.expect(task.files, task.bytes);
                self.carry(task).await
            }
            TaskKind::Delete => self.finish_deletion(task).await,
        }
    }

    /// Writes the next task down: files that are new and quiet.
    async fn next_task(&mut self) -> Result<Option<TaskRow>, RunAborted> {
        let quiet = SignedDuration::try_from(self.pair.settings.quiet).unwrap_or(SignedDuration::MAX);
        let manifest = &self.engine.manifest;
        loop {
            let now = Timestamp::now();
            let quiet_since = now.saturating_sub(quiet).unwrap_or(Timestamp::MIN);
            let limit = Limit { files: self.options.files_a_task, bytes: u64::MAX };
            let ready = manifest.ready(self.pair.row.id, quiet_since, limit).await?;
            if ready.files.is_empty() && ready.newest_waiting.is_some_and(|newest| newest > now) {
                manifest.restart_quiet(self.pair.row.id, now).await?;
                continue;
            }
            if ready.files.is_empty() {
                self.waiting_until = ready.oldest_waiting.and_then(|since| since.checked_add(quiet).ok());
                return Ok(None);
            }
            // Written since the walk, which can be long ago: these wait, or go as they are now.
            let Some(directories) = self.look_again(&ready.files).await? else { continue };
            self.progress.say(SyncState::Submitting, format!("submitting {} files", ready.files.len()));
            let submission_id = self.submission_id().await?;
            let (source, destination) = (&self.pair.row.pair.source, &self.pair.row.pair.destination);
            let mut request = Request::new(source, destination, &self.pair.settings);
            // Only the ctime of some has changed since they were sent: sizes and times can't tell whether the
            // content has.
            if self.repairs() || ready.files.iter().any(|file| file.sent_by.is_some()) {
                request.level = SyncLevel::Checksum;
            }
            let request = serde_json::to_value(&request)
                .map_err(|error| RunAborted::failed(FailureCause::Manifest, error.to_string()))?;
            let task = NewTask { submission_id, request, verified: self.pair.settings.verify };
            if let Some((task, _)) =
                manifest.begin_task(self.pair.row.id, task, ready.files, directories).await?
            {
                return Ok(Some(task));
            }
        }
    }

    /// Under which a task can be submitted as often as it takes.
    pub async fn submission_id(&mut self) -> Result<Uuid, RunAborted> {
        let client = self.engine.client.clone();
        let answer = self.ask(|| async { client.transfer().submission_id().await }).await?;
        answer.map_err(|error| RunAborted::Failed(self.engine.rejected(&error)))
    }

    /// Reports at each run the files that will never be sent.
    async fn tell_unsendable(&mut self) -> Result<(), RunAborted> {
        use super::super::manifest::Unsendable;
        let manifest = &self.engine.manifest;
        let counts = manifest.counts(self.pair.row.id).await?;
        for (state, what) in [
            (
                FileState::Unsendable(Unsendable::Name),
                "a name that is no UTF-8, which Globus can't take: rename",
            ),
            (FileState::Unsendable(Unsendable::Special), "sockets, pipes or devices"),
            (
                FileState::Unsendable(Unsendable::HardLink),
                "hard links to files that also have a name outside of this directory: copy them",
            ),
        ] {
            let count = counts.files(state);
            if count > 0 {
                let some = manifest.examples(self.pair.row.id, state, NAMES_TOLD).await?;
                let some: Vec<String> = some.iter().map(|file| format!("{:?}", file.path)).collect();
                self.remarks.push(format!("not sent, {what}: {count} ({})", some.join(", ")));
            }
        }
        let links = counts.files(FileState::Unsendable(Unsendable::Link));
        if links > 0 {
            let what = if links == 1 { "symbolic link" } else { "symbolic links" };
            self.remarks.push(format!("{links} {what} not followed and not sent"));
        }
        Ok(())
    }

    pub fn count_sent(&mut self, files: u64, bytes: u64) {
        self.sent = (self.sent.0 + files, self.sent.1 + bytes);
        tracing::info!(pair = self.name(), "{} sent", amount(files, bytes));
    }
}
