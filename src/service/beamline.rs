use super::DaemonError;
use super::deliveries::{Deliveries, Order};
use super::judging::Planned;
use super::people::{Asked, schedule_backoff};
use super::situation::{Held, Situation};
use super::syncs::{PairEvent, Syncs};
use crate::config::{Changes, Config, ConfigError, ConfigWatcher};
use crate::delivery::{Deliverer, DeliveryReport, Obstacle, Options, Outcome, ResendRefused};
use crate::domain::decision::Watched;
use crate::domain::{Backoff, Experiment};
use crate::journal::{DeliveryRow, ExperimentRow, Journal, JournalError, RunLock, SPACE_LOW};
use crate::settings;
use crate::status::{Lease, OperatorCommands, Published, StatusModel, StatusRecords};
use crate::user_info::Watcher;
use crate::web::Endpoint;
use channel_access::Context;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

/// Who delivers, for those who find an experiment locked.
pub(super) const WHO: &str = "beamshare run";
/// How often the heart beats; the IOC's watchdog waits for ten times that.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long messages that are under way have to end when the service is stopped; the unit's TimeoutStopSec is
/// longer.
const STOP_LIMIT: Duration = Duration::from_secs(75);
/// The same when the lease is lost. Until then the experiment's lock keeps the new holder from sending the
/// message, too.
const BREAK_OFF_LIMIT: Duration = Duration::from_secs(30);
/// How long the last truth may take to reach the IOC at the end.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);
/// After how many heartbeats beamshare's own trouble (its journal) is tried again.
const TROUBLE_BEATS: u32 = 10;

/// After how many heartbeats the space on the journal's disk is looked at.
const SPACE_BEATS: u32 = 60;

/// After how many heartbeats pairs of `[[sync]]` that could not begin are looked at again.
const SYNC_BEATS: u32 = 5;

/// One beamline: what its PVs mean, what is done about it, and what the screen says.
///
/// A single task owns all of it, so that there is no moment at which two parts disagree.
pub(super) struct Beamline {
    pub(super) config: Arc<Config>,
    pub(super) context: Context,
    pub(super) journal: Journal,
    pub(super) deliverer: Arc<Deliverer>,
    pub(super) watcher: Watcher,
    pub(super) records: StatusRecords,
    pub(super) commands: OperatorCommands,
    /// The state for the metrics and the web page
    pub(super) published: watch::Sender<Published>,
    /// What the web server needs to know beside it
    pub(super) endpoint: watch::Sender<Endpoint>,
    /// Whether these records are this beamshare's to serve, or another one's
    pub(super) lease: watch::Receiver<Lease>,
    /// What has been made of it: without the lease nothing is looked at, delivered or shown
    pub(super) serves: bool,
    /// The journal is not the one that was opened any more: nothing is served until a restart, and this is
    /// shown
    pub(super) journal_lost: bool,
    changes: Option<Changes>,
    /// The operator's switches; `None` before the IOC has said how `Auto` stands
    pub(super) auto: Option<bool>,
    pub(super) paused: bool,
    /// The last settled set, until a PV changes
    pub(super) watched: Option<Watched>,
    /// Whether that set has a valid signature
    pub(super) is_signed: bool,
    pub(super) situation: Situation,
    pub(super) plans: JoinSet<Planned>,
    /// When a schedule that could not be asked about the held group is asked again
    pub(super) ask_again: Backoff,
    /// What the schedule is being asked about the people of the group on the screen, and when it is the next
    /// time
    pub(super) asking: JoinSet<Asked>,
    /// The reminders being sent
    pub(super) reminding: JoinSet<()>,
    pub(super) next_reminding: u32,
    pub(super) next_asking: Option<(Uuid, Backoff)>,
    pub(super) deliveries: Deliveries,
    /// The data that moves
    pub(super) syncs: Syncs,
    pub(super) shown: Option<Shown>,
    /// What is wrong with the last edit of the configuration
    pub(super) config_trouble: Option<String>,
    /// Why the last press of Resend was refused, until the limit ends
    pub(super) resend_refused: Option<ResendRefused>,
    /// How little space is left on the journal's disk, where that is little
    pub(super) space_low: Option<String>,
    /// Deliveries since the installation, and failed ones among them
    pub(super) counts: (i64, i64),
    beats: u32,
    /// Nobody else serves this journal meanwhile
    _lock: RunLock,
}

/// The experiment on the screen.
pub(super) struct Shown {
    pub row: ExperimentRow,
    pub report: DeliveryReport,
    /// Its last delivery
    pub last: Option<DeliveryRow>,
    /// PairEvent of the running delivery
    news: Option<watch::Receiver<DeliveryReport>>,
}

impl Beamline {
    pub async fn start(
        context: Context,
        config: Config,
        files: Option<&ConfigWatcher>,
    ) -> Result<Beamline, DaemonError> {
        let config = Arc::new(config);
        let journal = Journal::open(&config.journal.path).await?;
        journal.check_in_place().await?;
        let lock = journal.lock_service(WHO)?;
        let deliverer =
            Arc::new(Deliverer::new(config.clone(), journal.clone()).map_err(DaemonError::SetUp)?);
        let syncs = Syncs::new(&config, &journal).await.map_err(DaemonError::Sync)?;
        let earlier = journal.decision_state().await?.watched;
        let watcher = Watcher::start(&context, &config.epics.user_info, &config.rules, earlier)?;
        let (records, commands) = StatusRecords::new(&context, &config.epics.prefix)?;
        let changes = files.map(|files| files.watch(&config, settings::CHECKS));
        let changes = changes.and_then(|changes| changes.inspect_err(|error| tracing::warn!("{error}")).ok());
        let lease = records.lease();
        let published = Published::new(StatusModel::new(
            &config.beamline.name,
            &config.epics.prefix,
            config.beamline.zone(),
        ));
        Ok(Beamline {
            context,
            journal,
            deliverer,
            watcher,
            records,
            commands,
            lease,
            published: watch::Sender::new(published),
            endpoint: watch::Sender::new(Endpoint::of(&config)),
            serves: false,
            journal_lost: false,
            changes,
            auto: None,
            paused: false,
            watched: None,
            is_signed: false,
            situation: Situation::Waiting("Connecting to the user-info PVs".to_owned()),
            plans: JoinSet::new(),
            ask_again: schedule_backoff(),
            asking: JoinSet::new(),
            reminding: JoinSet::new(),
            next_reminding: 0,
            next_asking: None,
            deliveries: Deliveries::new(),
            syncs,
            shown: None,
            config_trouble: None,
            resend_refused: None,
            space_low: None,
            counts: (0, 0),
            beats: 0,
            _lock: lock,
            config,
        })
    }

    /// The lease was had or lost. Who has lost it breaks off what it does, as a kill would: the journal knows
    /// how far it came.
    pub(super) async fn lease_changed(&mut self) -> Result<(), JournalError> {
        let serves = *self.lease.borrow_and_update() == Lease::Held && !self.journal_lost;
        if serves == std::mem::replace(&mut self.serves, serves) {
            return Ok(());
        }
        if serves {
            self.resume().await?;
            let seen = self.watcher.observation().borrow().clone();
            self.observed(seen).await
        } else {
            tracing::warn!("delivering nothing until the lease of {} is had again", self.config.epics.prefix);
            self.break_off(Situation::Waiting("Waiting for the lease".to_owned())).await;
            Ok(())
        }
    }

    /// Ends all that is under way, as a kill would; messages have a little time to end.
    async fn break_off(&mut self, situation: Situation) {
        self.plans.abort_all();
        self.asking.abort_all();
        self.reminding.abort_all();
        self.watched = None;
        self.situation = situation;
        self.deliveries.break_off(BREAK_OFF_LIMIT).await;
        self.syncs.break_off().await;
    }

    /// Serves nothing any more: what was delivered and mailed before is not known, so it would be done again.
    async fn lose_journal(&mut self, error: &JournalError) {
        tracing::error!("{error}");
        self.serves = false;
        self.journal_lost = true;
        self.break_off(Situation::Trouble(error.to_string())).await;
    }

    /// Shows the experiment that was accepted last, and goes on with what was killed in the middle.
    async fn resume(&mut self) -> Result<(), JournalError> {
        if let Some(row) = self.journal.latest_experiment().await? {
            self.show_experiment(row.id).await?;
        }
        let unfinished = self.journal.unfinished().await?;
        let whole: Vec<_> =
            unfinished.iter().filter(|row| row.only.is_none()).map(|row| row.experiment).collect();
        for row in unfinished {
            if row.only.is_some() && whole.contains(&row.experiment) {
                continue; // the delivery of all steps takes it over
            }
            if let Some(experiment) = self.journal.experiment(row.experiment).await? {
                tracing::info!(delivery = row.number, "going on with {}", experiment.experiment);
                self.start_delivery(row.experiment, &experiment.experiment, Options::of(&row, WHO)).await?;
            }
        }
        self.serve_owed().await?;
        self.refresh_syncs().await
    }

    /// Serves until `stopped` ends; each change of `reload` reads the configuration again.
    pub async fn serve(mut self, mut stopped: watch::Receiver<()>, mut reload: watch::Receiver<()>) {
        tracing::info!(prefix = self.config.epics.prefix, "watching the user-info PVs");
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        let mut observation = self.watcher.observation().clone();
        self.records.set_text(crate::status::Record::Version, env!("CARGO_PKG_VERSION"));
        self.records.set_text(crate::status::Record::Host, &crate::host::name());
        loop {
            let step = tokio::select! {
                _ = heartbeat.tick() => self.beat().await,
                Ok(()) = observation.changed() => {
                    let seen = observation.borrow_and_update().clone();
                    self.observed(seen).await
                }
                Ok(()) = self.lease.changed() => self.lease_changed().await,
                Some(command) = self.commands.next() => self.command(command).await,
                Some(planned) = self.plans.join_next() => match planned {
                    Ok(planned) => self.planned(planned).await,
                    Err(_) => Ok(()), // broken off, since a PV has changed
                },
                Some(_) = self.reminding.join_next() => Ok(()),
                Some(asked) = self.asking.join_next() => match asked {
                    Ok(asked) => self.asked(asked).await,
                    Err(_) => Ok(()), // broken off, since the lease was lost
                },
                (id, outcome) = self.deliveries.ended() => self.ended(id, outcome).await,
                news = self.syncs.news() => match news {
                    PairEvent::Changed | PairEvent::Finished(_) => Ok(()),
                    PairEvent::Ran => self.refresh_syncs().await,
                },
                report = news(&mut self.shown) => {
                    if let Some(shown) = &mut self.shown {
                        shown.report = report;
                    }
                    Ok(())
                }
                change = changed(&mut self.changes) => {
                    let result = self.configure(change).await;
                    observation = self.watcher.observation().clone();
                    observation.mark_changed();
                    result
                }
                Ok(()) = reload.changed() => {
                    let config = settings::load(&self.config.file);
                    let result = self.configure(config).await;
                    observation = self.watcher.observation().clone();
                    observation.mark_changed();
                    result
                }
                _ = stopped.changed() => break,
            };
            if let Err(error) = step {
                self.trouble(error.to_string());
            }
            self.publish();
        }
        self.plans.abort_all();
        self.asking.abort_all();
        if self.serves {
            self.publish_shutdown();
            let reminded = async { while self.reminding.join_next().await.is_some() {} };
            let _ = tokio::join!(
                self.deliveries.break_off(STOP_LIMIT),
                tokio::time::timeout(STOP_LIMIT, reminded)
            );
            self.syncs.break_off().await;
            if let Err(not_shown) = self.records.flush(FLUSH_LIMIT).await {
                tracing::debug!("{not_shown}");
            }
        }
        self.records.release(FLUSH_LIMIT).await;
        self.journal.close().await;
    }

    fn trouble(&mut self, message: String) {
        match &self.situation {
            Situation::Trouble(before) if *before == message => {}
            _ => tracing::error!("{message}"),
        }
        self.situation = Situation::Trouble(message);
    }

    async fn beat(&mut self) -> Result<(), JournalError> {
        self.records.beat();
        self.published.send_modify(Published::beat);
        self.beats = self.beats.wrapping_add(1);
        if !self.serves {
            return Ok(());
        }
        match self.journal.check_in_place().await {
            Err(error @ (JournalError::Replaced { .. } | JournalError::Damaged { .. })) => {
                self.lose_journal(&error).await;
                return Ok(());
            }
            looked => looked?,
        }
        if self.beats % SPACE_BEATS == 1 {
            self.look_at_space()?;
        }
        let in_trouble = matches!(self.situation, Situation::Trouble(_));
        let others = self.journal.changed_by_others().await?;
        if in_trouble && self.beats.is_multiple_of(TROUBLE_BEATS) {
            let seen = self.watcher.observation().borrow().clone();
            self.observed(seen).await?;
        } else if others {
            // A verb of the command line has delivered or accepted something.
            if let Some(id) = self.shown.as_ref().map(|shown| shown.row.id) {
                self.show_experiment(id).await?;
            }
            self.judge_again().await?;
            self.serve_owed().await?;
        }
        if others || self.beats.is_multiple_of(SYNC_BEATS) {
            self.refresh_syncs().await?;
        }
        self.ask_again_when_due().await?;
        self.ask_about_people_when_due();
        self.remind_when_due();
        Ok(())
    }

    /// A full disk stops deliveries, so it is reported while there is time.
    fn look_at_space(&mut self) -> Result<(), JournalError> {
        let free = self.journal.free_space()?;
        let low = (free < SPACE_LOW).then(|| {
            let path = self.journal.path().display();
            format!("Only {} MB are left on the disk of the journal {path}: make room", free >> 20)
        });
        if let (Some(low), None) = (&low, &self.space_low) {
            tracing::warn!("{low}");
        }
        self.space_low = low;
        Ok(())
    }

    pub(super) async fn start_delivery(
        &mut self,
        id: Uuid,
        experiment: &Experiment,
        options: Options,
    ) -> Result<(), JournalError> {
        self.begin(id, experiment, options).await;
        self.show_experiment(id).await
    }

    /// Begins a delivery, whatever is on the screen. It is in the journal already or to be: nothing may keep
    /// it from being begun, so what it shows before it has looked is done without where the journal can't
    /// tell.
    pub(super) async fn begin(&mut self, id: Uuid, experiment: &Experiment, options: Options) {
        let before = match self.deliverer.report_before(id, &options).await {
            Ok(before) => before,
            Err(error) => {
                tracing::warn!("{error}");
                DeliveryReport::default()
            }
        };
        let (name, deliverer) = (experiment.to_string(), self.deliverer.clone());
        self.deliveries.start(Order { id, name, deliverer, options }, before);
    }

    async fn ended(&mut self, id: Uuid, outcome: Outcome) -> Result<(), JournalError> {
        if let Outcome::Held { obstacles } = outcome
            && let Some(row) = self.journal.experiment(id).await?
        {
            let group = self.deliverer.describe_held_delivery(&row, &obstacles);
            let obstacles: Vec<_> = obstacles.iter().map(Obstacle::to_string).collect();
            match &self.watched {
                Some(watched) if matches!(self.situation, Situation::Served(served) if served == id) => {
                    let (experiment, readings) = (row.experiment, watched.readings.clone());
                    let (holds, free_at) = (vec![], None);
                    self.situation =
                        Situation::Held(Held { experiment, readings, holds, obstacles, group, free_at });
                }
                _ => tracing::warn!("{} is held, and not the group of the PVs any more", row.experiment),
            }
        }
        if self.shown.as_ref().is_some_and(|shown| shown.row.id == id) {
            self.show_experiment(id).await?;
        }
        if self.deliverer.serves_everyone() {
            self.asked_lately(id);
        }
        self.syncs.look_again();
        // Who was added while it ran, and what has arrived.
        self.serve_owed().await?;
        self.refresh_syncs().await
    }

    /// Puts the experiment on the screen, as the journal or its running delivery tells.
    pub(super) async fn show_experiment(&mut self, id: Uuid) -> Result<(), JournalError> {
        let Some(row) = self.journal.experiment(id).await? else { return Ok(()) };
        let news = self.deliveries.report(id);
        let report = match &news {
            Some(news) => news.borrow().clone(),
            None => self.deliverer.report_of(&row).await?,
        };
        let last = self.journal.last_delivery(id).await?;
        self.counts = self.journal.counts().await?;
        self.shown = Some(Shown { row, report, last, news });
        Ok(())
    }
}

/// The next report of the shown experiment's running delivery; waits for ever where none runs. Cancel-safe.
async fn news(shown: &mut Option<Shown>) -> DeliveryReport {
    if let Some(news) = shown.as_mut().and_then(|shown| shown.news.as_mut())
        && news.changed().await.is_ok()
    {
        return news.borrow_and_update().clone();
    }
    std::future::pending().await
}

/// The next change of the configuration; waits for ever where the files can't be watched. Cancel-safe.
async fn changed(changes: &mut Option<Changes>) -> Result<Config, ConfigError> {
    match changes {
        Some(changes) => changes.next().await,
        None => std::future::pending().await,
    }
}
