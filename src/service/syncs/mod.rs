//! The pairs of `[[sync]]` while the service runs: those of the present group, and those of earlier groups
//! until all their files are sent. Different pairs run side by side; one that fails rests, and holds up no
//! other.

mod pair;
mod pair_status;
mod source_state;

pub(super) use pair_status::Overview;

use super::common::Common;
use super::deliveries::{Deliveries, DueDelivery};
use crate::config::Config;
use crate::delivery::ArrivedReplica;
use crate::domain::StepStatus;
use crate::journal::{Cause, ClaimState, DeliveryState, ExperimentRow, Journal, JournalError};
use crate::sync::manifest::PairId;
use crate::sync::{Engine, Pair, SyncError};
use pair::PairRunner;
use pair_status::PairStatus;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use uuid::Uuid;

/// An event of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PairEvent {
    /// Its status has changed
    Changed,
    /// A run has ended
    Ran,
    /// All data of an earlier group is sent
    Finished(PairId),
}

/// The pairs whose data is being moved.
pub(super) struct Syncs {
    engine: Option<Arc<Engine>>,
    running: HashMap<PairId, RunningPair>,
    tasks: JoinSet<()>,
    /// Pairs that can't begin: name and reason
    held: Vec<(String, String)>,
    /// The group for which all pairs were found
    resolved_for: Option<Option<Uuid>>,
    paused: watch::Sender<bool>,
    sender: mpsc::UnboundedSender<PairEvent>,
    events: mpsc::UnboundedReceiver<PairEvent>,
}

struct RunningPair {
    task: AbortHandle,
    present: watch::Sender<bool>,
    status: watch::Receiver<PairStatus>,
}

impl Syncs {
    /// No pairs. They wait until [`Syncs::pause`] is called with the state of the operator's switch.
    pub async fn new(config: &Arc<Config>, journal: &Journal) -> Result<Syncs, SyncError> {
        let (sender, events) = mpsc::unbounded_channel();
        let mut syncs = Syncs {
            engine: None,
            running: HashMap::new(),
            tasks: JoinSet::new(),
            held: vec![],
            resolved_for: None,
            paused: watch::Sender::new(true),
            sender,
            events,
        };
        syncs.configure(config, journal).await?;
        Ok(syncs)
    }

    /// Applies other settings. Running tasks are left to Globus, and followed by the same pair with the new
    /// settings.
    pub async fn configure(&mut self, config: &Arc<Config>, journal: &Journal) -> Result<(), SyncError> {
        let engine = if config.sync.is_empty() {
            None
        } else {
            Some(Arc::new(Engine::open(config.clone(), journal.clone()).await?))
        };
        self.break_off().await;
        self.engine = engine;
        Ok(())
    }

    pub fn pause(&self, paused: bool) {
        self.paused.send_if_modified(|now| std::mem::replace(now, paused) != paused);
    }

    /// Ends all pairs as if the process was killed: tasks continue at Globus, and the manifest has them.
    pub async fn break_off(&mut self) {
        self.running.clear();
        self.held.clear();
        self.resolved_for = None;
        self.tasks.shutdown().await;
    }

    /// Inspects all pairs again at the next refresh, since a delivery has ended.
    pub fn look_again(&mut self) {
        self.resolved_for = None;
    }

    /// The next event of a pair; waits for ever where none runs. Cancel-safe.
    pub async fn next(&mut self) -> PairEvent {
        let event = self.events.recv().await;
        match event {
            Some(PairEvent::Finished(id)) => drop(self.running.remove(&id)),
            Some(_) => {}
            None => std::future::pending().await,
        }
        // The tasks of finished pairs.
        while self.tasks.try_join_next().is_some() {}
        event.unwrap_or(PairEvent::Changed)
    }

    /// The state of all pairs; `None` without `[[sync]]`.
    pub fn overview(&self) -> Option<Overview> {
        self.engine.as_ref()?;
        let held =
            self.held.iter().map(|(name, why)| PairStatus::of(name.clone(), StepStatus::Failed, why.clone()));
        let mut running: Vec<_> = self.running.iter().collect();
        running.sort_by_key(|(id, _)| **id);
        let running = running.into_iter().map(|(_, pair)| pair.status.borrow().clone());
        Some(Overview::of(running.chain(held).collect()))
    }

    /// Starts and ends pairs as the displayed group requires.
    pub async fn refresh(
        &mut self,
        displayed: Option<&ExperimentRow>,
        common: &Common,
    ) -> Result<(), JournalError> {
        let present = match displayed {
            // A group that was accepted for other directories than the settings now make is an earlier one.
            Some(row)
                if common.config.directories.makes_first(&row.path, &row.experiment)
                    && may_move(row.id, common).await? =>
            {
                Some(row)
            }
            _ => None,
        };
        match self.refresh_pairs(present).await {
            Err(SyncError::Journal(error)) => Err(error),
            // Tried again with a later heartbeat. The running pairs are not affected.
            Err(error) => {
                tracing::error!("{error}");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// The deliveries that share replicas whose first files have arrived since their group was served. A
    /// group that waits for the operator (a hold, an abort) is left to Run, which shares its replicas too.
    pub async fn due(common: &Common, deliveries: &Deliveries) -> Result<Vec<DueDelivery>, JournalError> {
        let arrived = match common.deliverer.arrived_replicas().await {
            Ok(arrived) => arrived,
            Err(error) => {
                tracing::error!("{error}");
                return Ok(vec![]);
            }
        };
        let mut due: Vec<DueDelivery> = vec![];
        for ArrivedReplica { experiment: id, unit, at } in arrived {
            let Some(last) = common.journal.last_whole_delivery(id).await? else { continue };
            let is_served = matches!(last.state, DeliveryState::Done | DeliveryState::Failed);
            if !is_served || deliveries.is_running(id) || due.iter().any(|other| other.id == id) {
                continue;
            }
            // Times can't tell whether that delivery found the files: the clock may have been set meanwhile.
            // They decide only where the replica is newer than the delivery.
            let steps = common.journal.steps_in(last.number).await?;
            let is_due = match steps.iter().find(|row| row.unit == unit) {
                Some(row) => row.status == StepStatus::Pending,
                None => last.started_at <= at,
            };
            if is_due {
                due.push(DueDelivery { id, cause: Cause::Sync });
            }
        }
        Ok(due)
    }

    /// Moves the pairs of this group, those that are the same for all groups, and the rest of earlier groups'
    /// data.
    pub async fn refresh_pairs(&mut self, present: Option<&ExperimentRow>) -> Result<(), SyncError> {
        let Some(engine) = self.engine.clone() else { return Ok(()) };
        let group = present.map(|row| row.id);
        if self.resolved_for == Some(group) {
            return Ok(());
        }
        let mut held = vec![];
        let mut wanted: Vec<(Pair, bool)> = vec![];
        for (settings, pair) in engine.config().sync.iter().zip(engine_pairs(&engine, present).await?) {
            match pair {
                None => {}
                Some(Ok(pair)) => wanted.push((pair, true)),
                Some(Err(SyncError::Pair { problem, .. })) => {
                    held.push((settings.name.clone(), problem.to_string()));
                }
                Some(Err(error)) => return Err(error),
            }
        }
        for pair in engine.earlier(group).await? {
            let is_held = match pair.row.pair.experiment {
                Some(id) => {
                    let last = engine.journal().last_whole_delivery(id).await?;
                    last.is_none_or(|last| last.state == DeliveryState::Held)
                }
                None => false, // an earlier month's
            };
            if !is_held {
                wanted.push((pair, false));
            }
        }
        self.resolved_for = held.is_empty().then_some(group);
        for (name, why) in held.iter().filter(|one| !self.held.contains(one)) {
            tracing::warn!(pair = name, "{why}");
        }
        self.held = held;
        self.running.retain(|id, running| {
            let stays = wanted.iter().any(|(pair, _)| pair.row.id == *id);
            if !stays {
                running.task.abort();
            }
            stays
        });
        for (pair, present) in wanted {
            match self.running.get(&pair.row.id) {
                Some(running) => {
                    running.present.send_if_modified(|now| std::mem::replace(now, present) != present);
                }
                None => self.begin(&engine, pair, present),
            }
        }
        Ok(())
    }

    fn begin(&mut self, engine: &Arc<Engine>, pair: Pair, present: bool) {
        let id = pair.row.id;
        let title = pair.title();
        tracing::info!(pair = pair.title(), "moving its data");
        let (status, shown) = watch::channel(PairStatus::of(title, StepStatus::Pending, String::new()));
        let (present, is_present) = watch::channel(present);
        let (engine, paused, events) = (engine.clone(), self.paused.subscribe(), self.sender.clone());
        let runner = PairRunner { engine, pair, present: is_present, paused, status, events };
        let task = self.tasks.spawn_local(runner.run_until_finished());
        self.running.insert(id, RunningPair { task, present, status: shown });
    }
}

/// The pairs of the settings, in their order; none where it is an experiment's and there is none.
async fn engine_pairs(
    engine: &Engine,
    present: Option<&ExperimentRow>,
) -> Result<Vec<Option<Result<Pair, SyncError>>>, SyncError> {
    let mut pairs = vec![];
    for settings in &engine.config().sync {
        let is_there = present.is_some() || !settings.is_per_experiment();
        pairs.push(if is_there { Some(engine.pair(settings, present).await) } else { None });
    }
    Ok(pairs)
}

/// Whether the group's delivery has found its directories to be the group's own. While an obstacle holds it,
/// no data is moved into or out of them.
async fn may_move(id: Uuid, common: &Common) -> Result<bool, JournalError> {
    let Some(last) = common.journal.last_whole_delivery(id).await? else { return Ok(false) };
    match last.state {
        DeliveryState::Held => Ok(false),
        DeliveryState::Done | DeliveryState::Failed | DeliveryState::Aborted => Ok(true),
        // An unreachable host can keep a delivery running for hours; the directory on Globus is sufficient.
        DeliveryState::Running => {
            let Some(collection) = common.config.globus.as_ref().map(|globus| globus.collection) else {
                return Ok(false);
            };
            let place = format!("globus:{collection}");
            let claims = common.journal.claims(id).await?;
            let mut there = claims.iter().filter(|claim| claim.place == place).peekable();
            Ok(there.peek().is_some() && there.all(|claim| claim.state == ClaimState::Made))
        }
    }
}
