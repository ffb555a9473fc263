use super::DaemonError;
use super::deliveries::{Deliveries, Order};
use super::situation::{Held, Press, Situation, accepted_by};
use crate::config::{self, Changes, Config, ConfigError};
use crate::delivery::{Deliverer, DeliveryReport, Obstacle, Options, Outcome, Plan, PlanError};
use crate::epics::{CaContext, Commands, Lease, StatusBoard};
use crate::experiment::Experiment;
use crate::journal::{Accepted, AcceptedBy, DeliveryRow, DeliveryState, ExperimentRow, Journal, JournalError, RunLock};
use crate::metrics::Facts;
use crate::watch::{Hold, Observation, Readings, Verdict, Watcher, judge};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

/// Who delivers, for those who find an experiment locked.
pub(super) const WHO: &str = "beamshare run";
/// How often the heart beats; the IOC's watchdog waits for ten times that.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long the last truth may take to reach the IOC at the end.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);
/// After how many heartbeats beamshare's own trouble (its journal) is tried again.
const TROUBLE_BEATS: u32 = 10;

/// One beamline: what its PVs mean, what is done about it, and what the screen says.
///
/// A single task owns all of it, so that there is no moment at which two parts disagree.
pub(super) struct Beamline {
    pub(super) config: Arc<Config>,
    pub(super) context: CaContext,
    pub(super) journal: Journal,
    pub(super) deliverer: Arc<Deliverer>,
    pub(super) watcher: Watcher,
    pub(super) board: StatusBoard,
    pub(super) commands: Commands,
    /// What is told to Prometheus
    pub(super) facts: watch::Sender<Facts>,
    /// Whether these records are this beamshare's to serve, or another one's
    pub(super) lease: watch::Receiver<Lease>,
    /// What has been made of it: without the lease nothing is looked at, delivered or shown
    pub(super) serves: bool,
    changes: Option<Changes>,
    /// The operator's switches; `None` before the IOC has said how `Auto` stands
    pub(super) auto: Option<bool>,
    pub(super) paused: bool,
    /// The last settled set, until a PV changes
    pub(super) readings: Option<Readings>,
    pub(super) situation: Situation,
    plans: JoinSet<Planned>,
    pub(super) deliveries: Deliveries,
    pub(super) shown: Option<Shown>,
    /// What is wrong with the last edit of the configuration
    pub(super) config_trouble: Option<String>,
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
    /// News of the running delivery
    news: Option<watch::Receiver<DeliveryReport>>,
}

/// A plan, and what it was made for.
struct Planned {
    readings: Readings,
    experiment: Experiment,
    holds: Vec<Hold>,
    press: Option<Press>,
    plan: Result<Plan, PlanError>,
}

impl Beamline {
    pub async fn start(context: CaContext, config: Config) -> Result<Beamline, DaemonError> {
        let config = Arc::new(config);
        let journal = Journal::open(&config.journal.path).await?;
        let lock = journal.lock_service(WHO)?;
        let deliverer = Arc::new(Deliverer::new(config.clone(), journal.clone()).map_err(DaemonError::SetUp)?);
        let watcher = Watcher::start(&context, &config.epics.user_info, config.rules.settle)?;
        let (board, commands) = StatusBoard::new(&context, &config.epics.prefix)?;
        let changes = config::watch(&config).inspect_err(|error| tracing::warn!("{error}")).ok();
        let lease = board.lease();
        let facts = Facts { beamline: config.beamline.name.clone(), board: board.clone(), last_run: None };
        Ok(Beamline {
            context,
            journal,
            deliverer,
            watcher,
            board,
            commands,
            lease,
            facts: watch::Sender::new(facts),
            serves: false,
            changes,
            auto: None,
            paused: false,
            readings: None,
            situation: Situation::Waiting("Connecting to the user-info PVs".to_owned()),
            plans: JoinSet::new(),
            deliveries: Deliveries::new(),
            shown: None,
            config_trouble: None,
            counts: (0, 0),
            beats: 0,
            _lock: lock,
            config,
        })
    }

    /// The lease was had or lost. Who has lost it breaks off what it does, as a kill would: the journal knows how far it came.
    pub(super) async fn lease_changed(&mut self) -> Result<(), JournalError> {
        let serves = *self.lease.borrow_and_update() == Lease::Held;
        if serves == std::mem::replace(&mut self.serves, serves) {
            return Ok(());
        }
        if serves {
            self.resume().await?;
            let seen = self.watcher.observation().borrow().clone();
            self.observed(seen).await
        } else {
            tracing::warn!("delivering nothing until the lease of {} is had again", self.config.epics.prefix);
            self.plans.abort_all();
            self.readings = None;
            self.situation = Situation::Waiting("Waiting for the lease".to_owned());
            self.deliveries.break_off().await;
            Ok(())
        }
    }

    /// Shows the experiment that was accepted last, and goes on with what was killed in the middle.
    async fn resume(&mut self) -> Result<(), JournalError> {
        if let Some(row) = self.journal.latest_experiment().await? {
            self.show_experiment(row.id).await?;
        }
        let unfinished = self.journal.unfinished().await?;
        let whole: Vec<_> = unfinished.iter().filter(|row| row.only.is_none()).map(|row| row.experiment).collect();
        for row in unfinished {
            if row.only.is_some() && whole.contains(&row.experiment) {
                continue; // the delivery of all steps takes it over
            }
            if let Some(experiment) = self.journal.experiment(row.experiment).await? {
                tracing::info!(delivery = row.number, "going on with {}", experiment.experiment);
                self.start_delivery(row.experiment, &experiment.experiment, Options::of(&row, WHO)).await?;
            }
        }
        Ok(())
    }

    /// Serves until `stopped` ends.
    pub async fn serve(mut self, mut stopped: watch::Receiver<()>) {
        tracing::info!(prefix = self.config.epics.prefix, "watching the user-info PVs");
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        let mut observation = self.watcher.observation().clone();
        self.board.set_text(crate::epics::Record::Version, env!("CARGO_PKG_VERSION"));
        self.board.set_text(crate::epics::Record::Host, &super::screen::host());
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
                (id, outcome) = self.deliveries.ended() => self.ended(id, outcome).await,
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
                _ = stopped.changed() => break,
            };
            if let Err(error) = step {
                self.trouble(error.to_string());
            }
            self.show();
        }
        self.plans.abort_all();
        if self.serves {
            self.farewell();
            self.deliveries.break_off().await;
            if let Err(not_shown) = self.board.flush(FLUSH_LIMIT).await {
                tracing::debug!("{not_shown}");
            }
        }
        self.board.release(FLUSH_LIMIT).await;
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
        self.board.beat();
        self.beats = self.beats.wrapping_add(1);
        if !self.serves {
            return Ok(());
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
        }
        Ok(())
    }

    async fn observed(&mut self, observation: Observation) -> Result<(), JournalError> {
        self.forget_plans();
        self.readings = None;
        if !self.serves {
            return Ok(());
        }
        match observation {
            Observation::Waiting(reason) => self.situation = Situation::Waiting(reason),
            Observation::Settling => self.situation = Situation::Settling,
            Observation::Settled(readings) => {
                self.readings = Some(readings);
                self.judge_again().await?;
            }
        }
        Ok(())
    }

    /// Also a plan that is finished and not yet heard of: what it was made for is judged anew.
    fn forget_plans(&mut self) {
        self.plans = JoinSet::new();
    }

    /// Judges the settled set, if there is one: it is new, or a switch or the journal has changed.
    pub(super) async fn judge_again(&mut self) -> Result<(), JournalError> {
        self.forget_plans();
        let Some(readings) = self.readings.clone() else { return Ok(()) };
        let known = self.deliverer.known(&readings).await?;
        let mut memory = self.journal.memory().await?;
        if let Some(reference) = &mut memory.reference
            && reference.follow_boot(&readings)
        {
            self.journal.set_reference(reference).await?;
        }
        let is_known = |_: &Experiment| known.is_some();
        let verdict = judge(&readings, &memory, is_known, &self.config.rules);
        if memory.reference.is_none() {
            self.journal.set_reference(&readings).await?;
        }
        match verdict {
            Verdict::Nobody => self.situation = Situation::Nobody,
            Verdict::Incomplete(reason) => self.situation = Situation::Waiting(reason),
            Verdict::Invalid(errors) => {
                let pv = |field| self.config.epics.user_info.get(field).map(String::as_str).unwrap_or_default();
                let told: Vec<_> = errors.iter().map(|error| format!("{error} (PV {})", pv(&error.field))).collect();
                let told = told.join(". ");
                tracing::warn!("the user info can't be used: {told}");
                self.situation = Situation::Invalid(told);
            }
            Verdict::Group { experiment, holds } => match known {
                Some(row) => self.serve_known(row, &readings, memory.reference).await?,
                None => {
                    let user_info = readings.user_info();
                    if holds.iter().any(|hold| hold.half) && memory.half.as_ref() != Some(&user_info) {
                        self.journal.set_half_set(&user_info).await?;
                    }
                    self.plan(*experiment, readings, holds, None);
                }
            },
        }
        Ok(())
    }

    async fn serve_known(
        &mut self,
        row: ExperimentRow,
        readings: &Readings,
        reference: Option<Readings>,
    ) -> Result<(), JournalError> {
        if reference.as_ref() != Some(readings) {
            self.journal.set_reference(readings).await?;
        }
        let last = self.journal.last_delivery(row.id).await?;
        if last.is_some_and(|last| last.state == DeliveryState::Held) {
            // What held it may be gone; otherwise the screen says it again.
            self.plan(row.experiment, readings.clone(), vec![], None);
            return Ok(());
        }
        self.situation = Situation::Served(row.id);
        self.show_experiment(row.id).await
    }

    /// Looks at the places; [`Beamline::planned`] goes on.
    pub(super) fn plan(
        &mut self,
        experiment: Experiment,
        readings: Readings,
        mut holds: Vec<Hold>,
        press: Option<Press>,
    ) {
        match self.auto {
            _ if press.is_some() => {}
            Some(true) => {}
            Some(false) => holds.push(Hold::run("Auto is Off: press Run to serve this group")),
            None => {
                holds.push(Hold::run(format!(
                    "Waiting for {}Auto, which says whether to go on",
                    self.config.epics.prefix
                )));
            }
        }
        if self.paused && press.is_none() {
            holds.push(Hold::run("Paused: set Pause to Go, or press Run"));
        }
        self.situation = Situation::Planning { pressed: press.is_some() };
        let deliverer = self.deliverer.clone();
        self.forget_plans();
        self.plans.spawn_local(async move {
            let plan = deliverer.plan(&experiment).await;
            Planned { readings, experiment, holds, press, plan }
        });
    }

    async fn planned(&mut self, planned: Planned) -> Result<(), JournalError> {
        let Planned { readings, experiment, holds, press, plan } = planned;
        if self.readings.as_ref() != Some(&readings) {
            return Ok(()); // a PV has changed meanwhile: another set comes
        }
        let mut plan = match plan {
            Ok(plan) => plan,
            Err(PlanError::Journal(error)) => return Err(error),
            Err(error) => {
                self.situation = Situation::Invalid(error.to_string());
                return Ok(());
            }
        };
        for away in &plan.away {
            tracing::warn!("{} is away and is looked at when it is back: {}", away.place, away.reason);
        }
        let obstacles: Vec<_> = plan.obstacles().iter().map(Obstacle::to_string).collect();
        let Some(by) = accepted_by(&holds, &obstacles, press.as_ref()) else {
            let paths = plan.paths.clone();
            let held = Held { experiment, paths, readings, holds, obstacles };
            tracing::warn!("held: {}", held.message());
            self.situation = Situation::Held(held);
            return Ok(());
        };
        if by == AcceptedBy::Approve {
            plan.approve();
        }
        match self.deliverer.accept(&plan, by, Some(&readings)).await {
            Ok(Accepted::Accepted { id, corrected_from, .. }) => {
                if let Some(former) = corrected_from {
                    tracing::info!("{experiment} corrects {former}");
                }
                self.situation = Situation::Served(id);
                self.start_delivery(id, &experiment, Options::all(by.into(), WHO)).await
            }
            // Someone took the directory between the look and now: look again, which tells who.
            Ok(Accepted::Taken(_)) | Err(PlanError::NotApproved(_)) => self.judge_again().await,
            Err(PlanError::Journal(error)) => Err(error),
            Err(error) => {
                self.situation = Situation::Invalid(error.to_string());
                Ok(())
            }
        }
    }

    pub(super) async fn start_delivery(
        &mut self,
        id: Uuid,
        experiment: &Experiment,
        options: Options,
    ) -> Result<(), JournalError> {
        self.deliveries.start(Order { id, name: experiment.to_string(), deliverer: self.deliverer.clone(), options });
        self.show_experiment(id).await
    }

    async fn ended(&mut self, id: Uuid, outcome: Outcome) -> Result<(), JournalError> {
        if let Outcome::Held { obstacles } = outcome
            && let Some(row) = self.journal.experiment(id).await?
        {
            let obstacles: Vec<_> = obstacles.iter().map(Obstacle::to_string).collect();
            match &self.readings {
                Some(readings) if matches!(self.situation, Situation::Served(served) if served == id) => {
                    let (experiment, readings, paths) = (row.experiment, readings.clone(), vec![row.path]);
                    self.situation = Situation::Held(Held { experiment, paths, readings, holds: vec![], obstacles });
                }
                _ => tracing::warn!("{} is held, and not the group of the PVs any more", row.experiment),
            }
        }
        if self.shown.as_ref().is_some_and(|shown| shown.row.id == id) {
            self.show_experiment(id).await?;
        }
        Ok(())
    }

    /// Puts the experiment on the screen, as the journal or its running delivery tells.
    async fn show_experiment(&mut self, id: Uuid) -> Result<(), JournalError> {
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
