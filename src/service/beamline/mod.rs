//! [`Beamline`]: the life of one beamline's service.

mod configure;
mod operator;

use super::beamline_records::{BeamlineRecords, RecordsEvent};
use super::common::Common;
use super::decision::{BeamlineState, Decided, Decision};
use super::deliveries::{Deliveries, DueDelivery, OWNER};
use super::displayed_group::DisplayedGroup;
use super::error::DaemonError;
use super::notices::Notices;
use super::people::PeopleQueries;
use super::publish::View;
use super::reminders::Reminders;
use super::restored::RestoreCheck;
use super::syncs::{PairEvent, Syncs};
use crate::config::{Changes, Config, ConfigWatcher};
use crate::delivery::{Options, Outcome};
use crate::domain::Experiment;
use crate::journal::{Cause, Journal, JournalError, RunLock};
use crate::settings;
use crate::web::{Endpoint, Source};
use channel_access::Context;
pub(super) use configure::next_edit;
use std::time::Duration;
use tokio::sync::watch;
use uuid::Uuid;

/// The interval of the heartbeat. The IOC's watchdog waits for ten of them.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// The number of heartbeats after which a problem of beamshare itself, such as with its journal, is tried
/// again.
const TROUBLE_INTERVAL: u32 = 10;
/// The number of heartbeats between two looks at the free space of the journal's disk.
const SPACE_INTERVAL: u32 = 60;
/// The number of heartbeats after which pairs of `[[sync]]` are tried again that could not begin.
const SYNC_INTERVAL: u32 = 5;
/// How long messages that are being sent have to end when the service is stopped. TimeoutStopSec of the unit
/// is longer.
const STOP_LIMIT: Duration = Duration::from_secs(75);
/// The same when the lease is lost. Until then, the experiment's lock prevents the new owner from sending the
/// message too.
const BREAK_OFF_LIMIT: Duration = Duration::from_secs(30);

/// The service of one beamline. This file tells its life. It waits for the events of its parts, and passes
/// the consequences of one part to the others.
///
/// One task owns all parts, so that they can't contradict each other.
pub(super) struct Beamline {
    /// For the channels of edited settings
    context: Context,
    /// The settings, the journal and the operator's switches
    common: Common,
    /// Edits of the configuration; `None` where its files can't be watched
    changes: Option<Changes>,
    /// The records in the IOC: status, commands, lease
    records: BeamlineRecords,
    /// The addresses of the metrics and the web page
    endpoint: watch::Sender<Endpoint>,
    /// The group in the user-info PVs, and whether it is served
    decision: Decision,
    /// The deliveries under way
    deliveries: Deliveries,
    /// The group on the screen
    displayed: DisplayedGroup,
    /// Queries about people who join or leave
    people: PeopleQueries,
    /// Reminders that access ends
    reminders: Reminders,
    /// The pairs of `[[sync]]`
    syncs: Syncs,
    /// Sentences beside the state of the group
    notices: Notices,
    /// Whether this process has the lease: otherwise it decides, delivers and shows nothing
    serves: bool,
    /// Whether the journal's file was replaced or damaged: nothing is served until a restart, and the screen
    /// shows it
    journal_lost: bool,
    /// Whether an older state of the journal was restored: nothing is served until an operator has looked
    restore_check: RestoreCheck,
    /// Counts the heartbeats
    beats: u32,
    /// Keeps other services away from this journal
    _lock: RunLock,
}

impl Beamline {
    /// Opens the journal, and connects to the PVs and records. Nothing is served before [`Beamline::serve`].
    pub async fn start(
        context: Context,
        config: Config,
        files: Option<&ConfigWatcher>,
    ) -> Result<Beamline, DaemonError> {
        let journal = Journal::open(&config.journal.path).await?;
        journal.check_in_place().await?;
        let lock = journal.lock_service(OWNER)?;
        let common = Common::new(config, journal).map_err(DaemonError::SetUp)?;
        let (config, journal) = (&common.config, &common.journal);
        let syncs = Syncs::new(config, journal).await.map_err(DaemonError::Sync)?;
        let decision = Decision::start(&context, config, journal.decision_state().await?.watched)?;
        let records = BeamlineRecords::connect(&context, config)?;
        let changes = files.map(|files| files.watch(config, settings::CHECKS));
        let changes = changes.and_then(|changes| changes.inspect_err(|error| tracing::warn!("{error}")).ok());
        let endpoint = watch::Sender::new(Endpoint::of(config));
        Ok(Beamline {
            context,
            common,
            changes,
            records,
            endpoint,
            decision,
            deliveries: Deliveries::new(),
            displayed: DisplayedGroup::default(),
            people: PeopleQueries::default(),
            reminders: Reminders::default(),
            syncs,
            notices: Notices::default(),
            serves: false,
            journal_lost: false,
            restore_check: RestoreCheck::default(),
            beats: 0,
            _lock: lock,
        })
    }

    /// What the web server reads of this beamline.
    pub fn web_source(&self) -> Source {
        let (published, endpoint) = (self.records.published(), self.endpoint.subscribe());
        Source { published, endpoint, journal: self.common.journal.reader() }
    }

    /// Serves until `stopped` ends. Each change of `reload` reads the configuration again.
    pub async fn serve(mut self, mut stopped: watch::Receiver<()>, mut reload: watch::Receiver<()>) {
        tracing::info!(prefix = self.common.config.epics.prefix, "watching the user-info PVs");
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        self.records.publish_program();
        loop {
            let result = tokio::select! {
                _ = heartbeat.tick() => self.beat().await,
                event = self.decision.next() => {
                    if self.serves {
                        let decided = self.decision.handle(event, &self.common).await;
                        self.follow(decided).await
                    } else {
                        Ok(())
                    }
                }
                event = self.records.next() => match event {
                    RecordsEvent::Lease => self.lease_changed().await,
                    RecordsEvent::Command(command) => self.command(command).await,
                },
                (id, outcome) = self.deliveries.ended() => self.delivery_ended(id, outcome).await,
                () = self.displayed.changed() => Ok(()),
                refresh = self.people.refreshed() => {
                    let due = self.people.take(refresh, &self.common, &self.deliveries).await;
                    self.deliver_due(due).await
                }
                event = self.syncs.next() => match event {
                    PairEvent::Changed | PairEvent::Finished(_) => Ok(()),
                    PairEvent::Ran => self.refresh_syncs().await,
                },
                edit = next_edit(&mut self.changes) => self.configure(edit).await,
                Ok(()) = reload.changed() => self.configure(settings::load(&self.common.config.file)).await,
                _ = stopped.changed() => break,
            };
            if let Err(error) = result {
                self.decision.report_trouble(error.to_string());
            }
            self.publish();
        }
        self.stop().await;
    }

    fn view(&self) -> View<'_> {
        View {
            common: &self.common,
            state: self.decision.state(),
            deliveries: &self.deliveries,
            displayed: &self.displayed,
            syncs: self.syncs.overview(),
            notices: self.notices.sentences(),
        }
    }

    /// Brings the records, the metrics and the web page up to date.
    fn publish(&self) {
        // Without the lease, the records are another process's.
        let is_ours = self.serves || self.journal_lost || self.restore_check.reason().is_some();
        self.records.publish(is_ours.then(|| self.view().model()));
    }

    /// Ends the service in order.
    async fn stop(mut self) {
        self.people.abort();
        self.decision.cancel();
        if self.serves {
            self.records.show_stopped(self.deliveries.any());
            tokio::join!(self.deliveries.break_off(STOP_LIMIT), self.reminders.finish(STOP_LIMIT));
            self.syncs.break_off().await;
            self.records.flush().await;
        }
        self.records.release().await;
        self.common.journal.close().await;
    }

    /// Handles gaining or losing the lease.
    async fn lease_changed(&mut self) -> Result<(), JournalError> {
        let serves = self.records.has_lease() && !self.journal_lost;
        let is_held = self.restore_check.reason().is_some();
        if serves == (self.serves || is_held) {
            return Ok(());
        }
        if serves {
            return self.begin().await;
        }
        self.serves = false;
        self.restore_check.end();
        tracing::warn!("without the lease of {} nothing is delivered", self.common.config.epics.prefix);
        self.break_off(BeamlineState::Waiting("Waiting for the lease".to_owned())).await;
        Ok(())
    }

    /// Begins to serve, unless an older state of the journal was restored.
    async fn begin(&mut self) -> Result<(), JournalError> {
        if let Err(error) = self.restore_check.begin(&self.records, &self.common).await {
            tracing::warn!("the journal could not be compared with its mark: {error}");
        }
        if let Some(reason) = self.restore_check.reason() {
            self.decision.stop(BeamlineState::Restored(reason.to_owned()));
            return Ok(());
        }
        self.serves = true;
        self.resume().await
    }

    /// Serves again after an operator has looked at a restored journal.
    async fn restore_confirmed(&mut self) -> Result<(), JournalError> {
        self.restore_check.confirm(&self.common).await?;
        tracing::warn!("the operator lets the service continue with the restored journal");
        self.serves = true;
        self.records.publish_mark(self.common.journal.mark().await?);
        self.resume().await
    }

    /// Displays the experiment that was accepted last, resumes the deliveries that were interrupted, and
    /// judges the PVs.
    async fn resume(&mut self) -> Result<(), JournalError> {
        let journal = self.common.journal.clone();
        if let Some(row) = journal.latest_experiment().await? {
            self.display(row.id).await?;
        }
        let unfinished = journal.unfinished().await?;
        let whole: Vec<_> =
            unfinished.iter().filter(|row| row.only.is_none()).map(|row| row.experiment).collect();
        for row in unfinished {
            if row.only.is_some() && whole.contains(&row.experiment) {
                continue; // the delivery of all steps includes it
            }
            if let Some(experiment) = journal.experiment(row.experiment).await? {
                tracing::info!(delivery = row.number, "resuming the delivery of {}", experiment.experiment);
                self.deliver(row.experiment, &experiment.experiment, Options::of(&row, OWNER)).await?;
            }
        }
        self.serve_people().await?;
        self.refresh_syncs().await?;
        self.observe().await
    }

    /// Ends everything under way as if the process was killed, which the journal is made for. Only messages
    /// have a little time.
    async fn break_off(&mut self, state: BeamlineState) {
        self.people.abort();
        self.reminders.abort();
        self.decision.stop(state);
        self.deliveries.break_off(BREAK_OFF_LIMIT).await;
        self.syncs.break_off().await;
    }

    async fn beat(&mut self) -> Result<(), JournalError> {
        self.records.beat();
        self.beats = self.beats.wrapping_add(1);
        if !self.serves {
            return Ok(());
        }
        if let Err(error) = self.common.journal.check_in_place().await {
            if !matches!(error, JournalError::Replaced { .. } | JournalError::Damaged { .. }) {
                return Err(error);
            }
            // Without the journal, groups would be served and mailed again.
            tracing::error!("{error}");
            (self.serves, self.journal_lost) = (false, true);
            self.break_off(BeamlineState::Trouble(error.to_string())).await;
            return Ok(());
        }
        self.records.publish_mark(self.common.journal.mark().await?);
        if self.beats % SPACE_INTERVAL == 1 {
            if self.restore_check.repeat(&self.common).await
                && let Some(reason) = self.restore_check.reason().map(str::to_owned)
            {
                self.serves = false;
                self.break_off(BeamlineState::Restored(reason)).await;
                return Ok(());
            }
            self.notices.check_space(&self.common.journal)?;
        }
        let has_changed = self.common.journal.changed_by_others().await?;
        let has_trouble = matches!(self.decision.state(), BeamlineState::Trouble(_));
        if has_trouble && self.beats.is_multiple_of(TROUBLE_INTERVAL) {
            self.observe().await?;
        } else if has_changed {
            // A command has delivered or accepted a group.
            if let Some(id) = self.displayed.row().map(|row| row.id) {
                self.display(id).await?;
            }
            self.judge_again().await?;
            self.serve_people().await?;
        }
        if has_changed || self.beats.is_multiple_of(SYNC_INTERVAL) {
            self.refresh_syncs().await?;
        }
        let decided = self.decision.judge_when_due(&self.common).await;
        self.follow(decided).await?;
        self.refresh_people_when_due();
        let may_remind = self.common.auto.is_some() && !self.common.paused;
        self.reminders.send_when_due(&self.common, may_remind);
        Ok(())
    }

    async fn observe(&mut self) -> Result<(), JournalError> {
        let decided = self.decision.observe(&self.common).await;
        self.follow(decided).await
    }

    async fn judge_again(&mut self) -> Result<(), JournalError> {
        let decided = self.decision.judge_again(&self.common).await;
        self.follow(decided).await
    }

    /// Does what the decision requires.
    async fn follow(&mut self, decided: Result<Option<Decided>, JournalError>) -> Result<(), JournalError> {
        match decided? {
            Some(Decided::Known(id)) => self.display(id).await,
            Some(Decided::Accepted { id, experiment, cause }) => {
                self.deliver(id, &experiment, Options::all(cause, OWNER)).await
            }
            None => Ok(()),
        }
    }

    async fn delivery_ended(&mut self, id: Uuid, outcome: Outcome) -> Result<(), JournalError> {
        if let Outcome::Held { obstacles } = outcome
            && let Some(row) = self.common.journal.experiment(id).await?
        {
            self.decision.delivery_held(row, &obstacles, &self.common.deliverer);
        }
        if self.displayed.is(id) {
            self.display(id).await?;
        }
        if self.common.deliverer.serves_everyone() {
            self.people.queried(id, &self.common.config);
        }
        self.syncs.look_again();
        // People may have been added, and files may have arrived, while it ran.
        self.serve_people().await?;
        self.refresh_syncs().await
    }

    /// Starts a delivery and displays its group.
    async fn deliver(
        &mut self,
        id: Uuid,
        experiment: &Experiment,
        options: Options,
    ) -> Result<(), JournalError> {
        self.deliveries.begin(id, experiment, options, &self.common).await;
        self.display(id).await
    }

    /// Starts deliveries without changing the displayed group. A copy of a group that the decision holds is not shared
    /// before that is decided; people who leave lose their access at any time.
    async fn deliver_due(&mut self, due: Result<Vec<DueDelivery>, JournalError>) -> Result<(), JournalError> {
        for DueDelivery { id, cause } in due? {
            let Some(row) = self.common.journal.experiment(id).await? else { continue };
            if cause == Cause::Sync && self.decision.holds(&row, &self.common).await? {
                continue;
            }
            self.deliveries.begin(id, &row.experiment, Options::all(cause, OWNER), &self.common).await;
            if self.displayed.is(id) {
                self.display(id).await?;
            }
        }
        Ok(())
    }

    async fn display(&mut self, id: Uuid) -> Result<(), JournalError> {
        self.displayed.show(id, &self.common, &self.deliveries).await
    }

    /// Delivers what people are owed who joined or left.
    async fn serve_people(&mut self) -> Result<(), JournalError> {
        if !self.serves {
            return Ok(());
        }
        let due = PeopleQueries::due(&self.common, &self.deliveries).await;
        self.deliver_due(due).await
    }

    /// Queries the schedule about the people of the displayed group, if it is the one in the PVs and was
    /// served.
    fn refresh_people_when_due(&mut self) {
        let Some(row) = self.displayed.row().filter(|row| self.decision.served() == Some(row.id)) else {
            return;
        };
        if self.common.auto == Some(true) && !self.common.paused && !self.deliveries.is_running(row.id) {
            self.people.refresh_when_due(row, &self.common);
        }
    }

    /// Starts pairs that have become due, and shares replicas whose first files have arrived.
    async fn refresh_syncs(&mut self) -> Result<(), JournalError> {
        if !self.serves {
            return Ok(());
        }
        self.syncs.refresh(self.displayed.row(), &self.common).await?;
        let due = Syncs::due(&self.common, &self.deliveries).await;
        self.deliver_due(due).await
    }
}
