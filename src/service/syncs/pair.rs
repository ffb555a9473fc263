//! One pair of `[[sync]]` while the service moves its data: when it runs, and its status.

use super::PairEvent;
use super::pair_status::PairStatus;
use super::source_state::{SourceState, follow};
use crate::config::SyncOn;
use crate::domain::{Backoff, StepStatus};
use crate::sync::events::{self, Follower};
use crate::sync::manifest::{FileState, Limit, ManifestError, PairId, PairRow};
use crate::sync::walk::{Filters, Tree};
use crate::sync::{Engine, Options, Pair, RunResult, Schedule, SyncError, SyncReport, SyncState, controls};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// The pause after the first failure of a pair; each failure doubles it.
const FIRST_REST: Duration = Duration::from_secs(10);
/// The longest such pause.
const LONGEST_REST: Duration = Duration::from_secs(30 * 60);
/// The interval of checks whether another process runs or stops the pair.
const OTHERS: Duration = Duration::from_secs(2);
/// The interval of clean-ups at the source.
const CLEAN_EVERY: Duration = Duration::from_secs(60 * 60);
/// How long an earlier group's pair is kept when all its files are sent, since some are written after the
/// beam time.
const LINGER: SignedDuration = SignedDuration::from_hours(24);
/// The interval of checks for a missing source.
const MISSING: Duration = Duration::from_secs(10);

/// Moves the data of one pair.
pub(super) struct PairRunner {
    pub engine: Arc<Engine>,
    pub pair: Pair,
    /// Whether its group is the present one; a pair of an earlier group ends when all its files are sent
    pub present: watch::Receiver<bool>,
    /// While `true`, no run begins
    pub paused: watch::Receiver<bool>,
    pub status: watch::Sender<PairStatus>,
    pub events: mpsc::UnboundedSender<PairEvent>,
}

/// When the pair runs next.
struct PairSchedule {
    schedule: Schedule,
    began: Timestamp,
    follows: bool,
    /// When files that changed a moment ago are quiet
    quiet_at: Option<Timestamp>,
    /// After a failure, no run begins earlier
    rest_until: Option<Timestamp>,
    /// After failures; none after a run that has ended well
    backoff: Option<Backoff>,
    /// When the next clean-up is due
    clean_at: Option<Timestamp>,
    last_run: Option<Timestamp>,
}

/// The next action.
enum Next {
    /// A run, with a walk of its own or on the files that the follower has found
    Run { walk: bool },
    /// No run before this time, or before an event where there is none
    Wait(Option<Timestamp>),
}

impl PairRunner {
    fn id(&self) -> PairId {
        self.pair.row.id
    }

    /// Moves data until the group is an earlier one and all its files are sent. Dropping the future leaves a
    /// task to Globus.
    pub async fn run_until_finished(mut self) {
        let settings = &self.pair.settings;
        let local = self.pair.local.clone();
        let follows = settings.on == Some(SyncOn::Files) && local.is_some();
        let (sender, mut looked) = watch::channel(SourceState::default());
        let mut follower = JoinSet::new();
        if let Some(source) = local.filter(|_| follows) {
            let tree = Tree { source, filters: Arc::new(Filters::new(&settings.filters)) };
            let quiet = events::Options::default();
            follower.spawn_local(follow(
                Follower::new(self.engine.manifest().clone(), self.id(), tree, quiet),
                sender,
            ));
        }
        let mut plan = PairSchedule {
            schedule: Schedule::new(settings, self.engine.config().beamline.zone()),
            began: Timestamp::now(),
            follows,
            quiet_at: None,
            rest_until: None,
            backoff: None,
            clean_at: None,
            last_run: None,
        };
        loop {
            let next = match self.next(&mut plan, &looked).await {
                Ok(Some(next)) => next,
                Ok(None) => break,
                Err(error) => {
                    self.failed(&mut plan, error.to_string());
                    Next::Wait(plan.rest_until)
                }
            };
            match next {
                Next::Run { walk } => self.run(walk, &mut plan).await,
                Next::Wait(until) => {
                    let pause = until.map(|until| until.duration_since(Timestamp::now()));
                    // Slightly later, so that it is never too early.
                    let pause = pause.map(|pause| {
                        Duration::try_from(pause).unwrap_or_default() + Duration::from_millis(5)
                    });
                    tokio::select! {
                        Ok(()) = looked.changed() => {}
                        Ok(()) = self.present.changed() => {}
                        Ok(()) = self.paused.changed() => {}
                        () = tokio::time::sleep(pause.unwrap_or(Duration::MAX)) => {}
                    }
                }
            }
        }
        tracing::info!(
            pair = self.pair.title(),
            "all is sent, and its group is gone: nothing more is looked for"
        );
        let _ = self.events.send(PairEvent::Finished(self.id()));
    }

    /// The next action; `None` if the group is an earlier one and all its files are sent.
    async fn next(
        &mut self,
        plan: &mut PairSchedule,
        looked: &watch::Receiver<SourceState>,
    ) -> Result<Option<Next>, SyncError> {
        let looked = looked.borrow().clone();
        let engine = self.engine.clone();
        let manifest = engine.manifest();
        let Some(row) = manifest.pair(self.id()).await? else { return Ok(None) };
        self.pair.row = row;
        let (present, now) = (*self.present.borrow(), Timestamp::now());
        self.status.send_if_modified(|shown| {
            let title = if present { self.pair.settings.name.clone() } else { self.pair.title() };
            (shown.title, shown.earlier) = (title, !present);
            false
        });
        let is_over = !present && lingered(&self.pair.row, now) && self.is_looked_at(plan, &looked);
        if is_over && engine.close_if_finished(&self.pair).await? {
            return Ok(None);
        }
        let after = |pause: Duration| {
            now.saturating_add(SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX))
        };
        let soon = |pause| Ok(Some(Next::Wait(after(pause).ok())));
        if let Some(since) = self.pair.row.stopped_at {
            let since = since.to_zoned_datetime(engine.config().beamline.zone()).strftime("%Y-%m-%d %H:%M");
            let name = &self.pair.settings.name;
            self.show(
                StepStatus::Pending,
                format!("stopped by hand at {since}; go on: beamshare sync run {name}"),
            );
            return soon(OTHERS);
        }
        if *self.paused.borrow() {
            self.show_waiting("paused by the operator: set Pause to Go");
            return Ok(Some(Next::Wait(None)));
        }
        if let Some(until) = plan.rest_until.filter(|until| *until > now) {
            return Ok(Some(Next::Wait(Some(until))));
        }
        // A task from before a kill, or from before the pair was left.
        if manifest.unfinished_task(self.id()).await?.is_some() {
            return Ok(Some(Next::Run { walk: false }));
        }
        if let Some((trouble, missing)) = looked.trouble.clone().filter(|_| plan.follows) {
            let status = if missing { StepStatus::Pending } else { StepStatus::Failed };
            self.show(status, trouble);
            return Ok(Some(Next::Wait(None)));
        }
        if !plan.follows
            && let Some(source) = self.pair.local.as_ref().filter(|source| !source.exists())
        {
            let message = format!("waits for the source {}: it is not there", source.path().display());
            self.show(StepStatus::Pending, message);
            return soon(MISSING);
        }
        // To be closed, at the latest.
        let mut wake: Vec<Timestamp> = (!present)
            .then(|| now.checked_add(SignedDuration::from_hours(1)).ok())
            .into_iter()
            .flatten()
            .collect();
        // By the clock, and once more for an earlier group.
        let last = self.pair.row.walked_at.into_iter().chain(plan.last_run).max();
        if let Some(due) = plan.schedule.next(last.filter(|_| !plan.follows).or(plan.last_run), plan.began) {
            if due <= now && (!plan.follows || looked.walked) {
                return Ok(Some(Next::Run { walk: !plan.follows }));
            }
            wake.push(due);
        }
        let once_more = !present && plan.last_run.is_none() || plan.backoff.is_some();
        if once_more && !plan.follows && self.runs_by_itself() {
            return Ok(Some(Next::Run { walk: true }));
        }
        if plan.follows && looked.walked {
            let quiet = SignedDuration::try_from(self.pair.settings.quiet).unwrap_or(SignedDuration::MAX);
            let quiet_since = now.saturating_sub(quiet).unwrap_or(Timestamp::MIN);
            let ready = manifest.ready(self.id(), quiet_since, Limit { files: 1, bytes: u64::MAX }).await?;
            if !ready.files.is_empty() {
                return Ok(Some(Next::Run { walk: false }));
            }
            plan.quiet_at = ready.oldest_waiting.and_then(|since| since.checked_add(quiet).ok());
            wake.extend(plan.quiet_at);
        }
        if let Some(due) = crate::sync::next_repair(self.pair.settings.compare, &self.pair.row)
            .filter(|_| self.runs_by_itself())
        {
            if due <= now && (!plan.follows || looked.walked) {
                return Ok(Some(Next::Run { walk: false }));
            }
            wake.push(due);
        }
        if self.pair.settings.clean_up.is_some() && self.runs_by_itself() {
            let due = *plan.clean_at.get_or_insert(now);
            let sent = manifest.counts(self.id()).await?.files(FileState::Sent);
            if due <= now && sent > 0 && (!plan.follows || looked.walked) {
                return Ok(Some(Next::Run { walk: false }));
            }
            wake.push(if due <= now { after(CLEAN_EVERY).unwrap_or(Timestamp::MAX) } else { due });
        }
        self.show_at_rest(plan, &looked).await?;
        Ok(Some(Next::Wait(wake.into_iter().min())))
    }

    /// Whether the whole source was read since the service began with the pair.
    fn is_looked_at(&self, plan: &PairSchedule, looked: &SourceState) -> bool {
        if plan.follows { looked.walked } else { plan.last_run.is_some() || !self.runs_by_itself() }
    }

    fn runs_by_itself(&self) -> bool {
        let settings = &self.pair.settings;
        settings.on.is_some() || settings.every.is_some() || settings.at.is_some()
    }

    async fn run(&mut self, walk: bool, plan: &mut PairSchedule) {
        let engine = self.engine.clone();
        let options = Options {
            walk,
            wait_for_quiet: walk,
            ..Options::of_service("beamshare run", engine.config().rules.retry_for)
        };
        let (controller, control) = controls();
        let (report, mut reports) = watch::channel(SyncReport::default());
        plan.last_run = Some(Timestamp::now());
        let clean = SignedDuration::try_from(CLEAN_EVERY).unwrap_or_default();
        plan.clean_at = plan.last_run.and_then(|last| last.checked_add(clean).ok());
        let pair = self.pair.clone();
        let run = engine.run(&pair, &options, control, report);
        tokio::pin!(run);
        let ended = loop {
            tokio::select! {
                ended = &mut run => break ended,
                Ok(()) = reports.changed() => {
                    let report = reports.borrow_and_update().clone();
                    self.show_run(report);
                }
                // Running tasks at Globus end; no further one begins.
                Ok(()) = self.paused.changed() => if *self.paused.borrow_and_update() { controller.finish() },
            }
        };
        let _ = self.events.send(PairEvent::Ran);
        match ended {
            Ok(ended) => {
                plan.quiet_at = ended.waiting_until;
                match &ended.result {
                    RunResult::Done => {
                        (plan.backoff, plan.rest_until) = (None, None);
                        let last = reports.borrow().clone();
                        if ended.sent + ended.present > 0 || !ended.remarks.is_empty() {
                            self.show_end(last, ended.sentence());
                        }
                    }
                    // The next status is computed at once.
                    RunResult::Stopped | RunResult::Left => {}
                    RunResult::Failed(failure) | RunResult::Away(failure) => {
                        self.failed(plan, failure.message.clone());
                    }
                }
            }
            Err(SyncError::Lock(error)) => {
                self.show(StepStatus::Running, error.to_string());
                plan.last_run = None;
                plan.rest_until =
                    Timestamp::now().checked_add(SignedDuration::try_from(OTHERS).unwrap_or_default()).ok();
            }
            Err(error) => self.failed(plan, error.to_string()),
        }
    }

    /// Pauses the pair, longer after each failure. Other pairs are not affected.
    fn failed(&mut self, plan: &mut PairSchedule, why: String) {
        let backoff = plan.backoff.get_or_insert(Backoff::new(FIRST_REST, LONGEST_REST));
        let rest = backoff.next_pause();
        let until = Timestamp::now().saturating_add(SignedDuration::try_from(rest).unwrap_or_default());
        plan.rest_until = until.ok();
        tracing::error!(pair = self.pair.title(), "{why}; trying again in {} s", rest.as_secs());
        let next =
            plan.rest_until.unwrap_or(Timestamp::MAX).to_zoned_datetime(self.engine.config().beamline.zone());
        self.show(StepStatus::Failed, format!("next try at {}: {why}", next.strftime("%H:%M:%S")));
    }

    /// Shows the status between two runs without a failure.
    async fn show_at_rest(&self, plan: &PairSchedule, looked: &SourceState) -> Result<(), ManifestError> {
        let counts = self.engine.manifest().counts(self.id()).await?;
        let there = counts.files(FileState::Sent) + counts.files(FileState::Present);
        let (status, message) = if !self.runs_by_itself() {
            (StepStatus::Skipped, format!("by hand: beamshare sync run {}", self.pair.settings.name))
        } else if plan.follows && !looked.walked {
            (StepStatus::Running, "looking for files".to_owned())
        } else if plan.quiet_at.is_some() {
            (StepStatus::Running, "waits until new files are quiet".to_owned())
        } else if there > 0 {
            (StepStatus::Done, format!("{there} files are there"))
        } else {
            (StepStatus::Pending, "no files yet".to_owned())
        };
        let is_new = self.status.send_if_modified(|shown| {
            // The message of the last run has more details.
            let has_more = status == StepStatus::Done && shown.status == status && !shown.message.is_empty();
            !has_more && shown.set(status, message)
        });
        if is_new {
            let _ = self.events.send(PairEvent::Changed);
        }
        Ok(())
    }

    fn show(&self, status: StepStatus, message: String) {
        if self.status.send_if_modified(|shown| shown.set(status, message)) {
            let _ = self.events.send(PairEvent::Changed);
        }
    }

    /// It waits for something that has nothing to do with how far it is.
    fn show_waiting(&self, message: &str) {
        self.show(StepStatus::Pending, message.to_owned());
    }

    fn show_run(&self, report: SyncReport) {
        let status = match report.state {
            SyncState::Failed => StepStatus::Failed,
            // Said when it has ended: a run that finds nothing to do is not worth a word.
            SyncState::Idle | SyncState::Done | SyncState::Stopped => return,
            SyncState::Looking if report.files_total == 0 => return,
            _ => StepStatus::Running,
        };
        self.status.send_modify(|shown| {
            shown.set(status, report.message.clone());
            shown.report = report;
        });
        let _ = self.events.send(PairEvent::Changed);
    }

    fn show_end(&self, report: SyncReport, message: String) {
        self.status.send_modify(|shown| {
            shown.set(StepStatus::Done, message);
            shown.report = report;
        });
        let _ = self.events.send(PairEvent::Changed);
    }
}

/// Whether an earlier group's pair has been still for long enough.
fn lingered(row: &PairRow, now: Timestamp) -> bool {
    let last = row.last_success_at.unwrap_or(row.created_at);
    now.duration_since(last) > LINGER
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::manifest::{Manifest, NewPair, Place};

    #[tokio::test]
    async fn an_earlier_groups_pair_is_looked_after_for_a_day_after_its_last_file() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = Manifest::open(&folder.path().join("m.sqlite")).await.unwrap();
        let place = |path: &str| Place { collection: uuid::Uuid::nil(), path: path.to_owned() };
        let (source, destination) = (place("/a"), place("/b"));
        let new = NewPair { name: "raw".to_owned(), experiment: None, source, destination, local: None };
        let row = manifest.open_pair(&new).await.unwrap();
        let after = |hours| row.created_at + SignedDuration::from_hours(hours);
        assert!(!lingered(&row, after(23)) && lingered(&row, after(25)));
        let sent = PairRow { last_success_at: Some(after(20)), ..row.clone() };
        assert!(!lingered(&sent, after(43)) && lingered(&sent, after(45)));
    }
}
