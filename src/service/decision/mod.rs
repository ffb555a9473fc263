//! The decision about the group in the user-info PVs: the rules, the schedule, and the inspection of the
//! places.

mod beamline_state;
mod planning;

pub(super) use beamline_state::BeamlineState;

use super::common::Common;
use super::people::schedule_backoff;
use crate::config::Config;
use crate::delivery::{Deliverer, Obstacle, PlanError};
use crate::domain::decision::{self, Hold, Watched, Wholeness};
use crate::domain::{Backoff, Experiment, Readings};
use crate::journal::{Accepted, AcceptedBy, Cause, DeliveryState, ExperimentRow, JournalError};
use crate::user_info::{Observation, Verdict, Watcher, check_signature, judge, put_by_the_run};
use beamline_state::{Held, Press, accepted_by};
use channel_access::{CaError, Context};
use jiff::Timestamp;
use planning::{PlanRequest, Planned, Planning};
use uuid::Uuid;

/// Decides what the user-info PVs mean and whether their group is served.
pub(super) struct Decision {
    watcher: Watcher,
    /// The last settled set, until a PV changes
    watched: Option<Watched>,
    /// Whether that set has a valid signature
    is_signed: bool,
    state: BeamlineState,
    planning: Planning,
    /// When the schedule is queried again about a held group, if it did not answer
    schedule_retry: Backoff,
}

/// An event that [`Decision::handle`] processes.
pub(super) enum DecisionEvent {
    Observed(Observation),
    Planned(Box<Planned>),
}

/// A decision that concerns the other parts of the service.
pub(super) enum Decided {
    /// The group of the PVs was served before: display it
    Known(Uuid),
    /// The group was accepted: deliver it
    Accepted { id: Uuid, experiment: Experiment, cause: Cause },
}

impl Decision {
    /// Connects to the user-info PVs.
    pub fn start(context: &Context, config: &Config, earlier: Option<Watched>) -> Result<Decision, CaError> {
        Ok(Decision {
            watcher: Watcher::start(context, &config.epics.user_info, &config.rules, earlier)?,
            watched: None,
            is_signed: false,
            state: BeamlineState::Waiting("Connecting to the user-info PVs".to_owned()),
            planning: Planning::default(),
            schedule_retry: schedule_backoff(),
        })
    }

    /// Connects to the user-info PVs of other settings.
    pub fn reconnect(
        &mut self,
        context: &Context,
        config: &Config,
        earlier: Option<Watched>,
    ) -> Result<(), CaError> {
        self.watcher = Watcher::start(context, &config.epics.user_info, &config.rules, earlier)?;
        self.watched = None;
        Ok(())
    }

    pub fn state(&self) -> &BeamlineState {
        &self.state
    }

    /// The next event; waits for ever where none can come. Cancel-safe.
    pub async fn next(&mut self) -> DecisionEvent {
        let observation = self.watcher.observation();
        tokio::select! {
            Ok(()) = observation.changed() => {
                DecisionEvent::Observed(observation.borrow_and_update().clone())
            }
            planned = self.planning.finished() => DecisionEvent::Planned(Box::new(planned)),
        }
    }

    /// Makes [`Decision::next`] return the present observation again.
    pub fn observe_again(&mut self) {
        self.watcher.observation().mark_changed();
    }

    pub async fn handle(
        &mut self,
        event: DecisionEvent,
        common: &Common,
    ) -> Result<Option<Decided>, JournalError> {
        match event {
            DecisionEvent::Observed(observation) => self.observed(observation, common).await,
            DecisionEvent::Planned(planned) => self.planned(*planned, common).await,
        }
    }

    /// Processes the present observation.
    pub async fn observe(&mut self, common: &Common) -> Result<Option<Decided>, JournalError> {
        let observation = self.watcher.observation().borrow().clone();
        self.observed(observation, common).await
    }

    async fn observed(
        &mut self,
        observation: Observation,
        common: &Common,
    ) -> Result<Option<Decided>, JournalError> {
        if let Observation::Settled(watched) = &observation
            && self.watched.as_ref().is_some_and(|before| before.readings == watched.readings)
        {
            // The values are the same, only the knowledge about earlier puts has changed. A plan that is
            // being made stays valid.
            self.watched = Some(watched.clone());
            if self.planning.is_idle() {
                return self.judge(true, common).await;
            }
            common.journal.set_watched(watched).await?;
            return Ok(None);
        }
        self.planning.cancel();
        self.schedule_retry = schedule_backoff();
        self.watched = None;
        match observation {
            Observation::Waiting(reason) => self.state = BeamlineState::Waiting(reason),
            Observation::Settling(watched) => {
                self.state = BeamlineState::Settling;
                // From the first put on, so that a restart in the middle of a tagging is noticed.
                common.journal.set_watched(&watched).await?;
            }
            Observation::Settled(watched) => {
                self.watched = Some(watched);
                return self.judge_again(common).await;
            }
        }
        Ok(None)
    }

    /// Judges the settled set, if there is one: it is new, or a switch or the journal has changed.
    pub async fn judge_again(&mut self, common: &Common) -> Result<Option<Decided>, JournalError> {
        self.judge(false, common).await
    }

    /// Judges a held group again when the schedule is to be queried again, or all its obstacles have ended.
    pub async fn judge_when_due(&mut self, common: &Common) -> Result<Option<Decided>, JournalError> {
        let BeamlineState::Held(held) = &self.state else { return Ok(None) };
        let is_free = held.free_at.is_some_and(|at| at <= Timestamp::now());
        let waits_for_schedule = held.holds.iter().any(|hold| hold.asked_again);
        if self.planning.is_idle() && (is_free || waits_for_schedule && self.schedule_retry.is_over()) {
            return self.judge(true, common).await;
        }
        Ok(None)
    }

    /// Drops the plan that is being made.
    pub fn cancel(&mut self) {
        self.planning.cancel();
    }

    /// Forgets the settled set and its plan, and shows this state.
    pub fn stop(&mut self, state: BeamlineState) {
        self.cancel();
        self.watched = None;
        self.state = state;
    }

    /// Shows a problem of beamshare itself.
    pub fn report_trouble(&mut self, message: String) {
        if !matches!(&self.state, BeamlineState::Trouble(before) if *before == message) {
            tracing::error!("{message}");
        }
        self.state = BeamlineState::Trouble(message);
    }

    /// Whether the decision depends on the switches Auto and Pause.
    pub fn depends_on_switches(&self) -> bool {
        matches!(
            self.state,
            BeamlineState::Held(_) | BeamlineState::Planning { .. } | BeamlineState::ServedByHand(_)
        )
    }

    /// The experiment of the group in the PVs, if it is or was served.
    pub fn served(&self) -> Option<Uuid> {
        match self.state {
            BeamlineState::Served(id) | BeamlineState::ServedByHand(id) => Some(id),
            _ => None,
        }
    }

    /// Whether this is the held group: served before, and now held, for instance because of another principal
    /// investigator.
    pub async fn holds(&self, row: &ExperimentRow, common: &Common) -> Result<bool, JournalError> {
        let BeamlineState::Held(held) = &self.state else { return Ok(false) };
        match common.deliverer.find_same(&held.experiment).await {
            Ok(same) => Ok(same.is_some_and(|same| same.id == row.id)),
            Err(PlanError::Journal(error)) => Err(error),
            Err(_) => Ok(false), // its path can't be made
        }
    }

    /// Releases a held group by a button: plans it again, and accepts no obstacle that the screen did not
    /// show at the press. Returns whether a group was held.
    pub fn press(&mut self, by: AcceptedBy, common: &Common) -> bool {
        let BeamlineState::Held(held) = &self.state else { return false };
        tracing::info!(?by, "the operator asks for {}", held.experiment);
        let (press, holds) = (Some(Press::on(by, held)), held.holds.clone());
        let accepted = PlanRequest::accepted(held.experiment.clone(), held.readings.clone());
        self.plan(PlanRequest { press, holds, ..accepted }, common);
        true
    }

    /// Holds the group in the PVs if a delivery has found these obstacles to it.
    pub fn delivery_held(&mut self, row: ExperimentRow, obstacles: &[Obstacle], deliverer: &Deliverer) {
        match &self.watched {
            Some(watched) if self.served() == Some(row.id) => {
                self.state = BeamlineState::Held(Box::new(Held {
                    group: deliverer.describe_held_delivery(&row, obstacles),
                    experiment: row.experiment,
                    readings: watched.readings.clone(),
                    holds: vec![],
                    obstacles: obstacles.iter().map(Obstacle::to_string).collect(),
                    free_at: None,
                }));
            }
            _ => tracing::warn!("{} is held, and is not the group in the PVs any more", row.experiment),
        }
    }

    async fn judge(&mut self, in_background: bool, common: &Common) -> Result<Option<Decided>, JournalError> {
        self.planning.cancel();
        let Some(watched) = self.watched.clone() else { return Ok(None) };
        let Common { config, journal, deliverer, .. } = common;
        let signature = check_signature(config, journal, &watched.readings).await?;
        self.is_signed = signature.is_valid();
        let (rules, zone) = (&config.rules, config.beamline.zone());
        let mut state = journal.decision_state().await?;
        let before = state.clone();
        let wholeness = if self.is_signed {
            Wholeness::of_all(&watched)
        } else {
            decision::judge(&watched, &state, rules.run_limit())
        };
        // A group that was served before must not come back with an invalid signature either.
        let known = if signature.is_invalid() {
            None
        } else {
            deliverer.served(&put_by_the_run(&watched, &wholeness)).await?
        };
        let verdict = signature.hold(judge(&watched, &wholeness, &state, known.is_some(), rules, &zone));
        state.conclude(&watched, wholeness);
        if state.baseline.is_none() || known.is_some() {
            state.baseline = Some(watched.readings.clone());
        }
        if state != before {
            journal.set_decision_state(&state).await?;
        }
        match verdict {
            Verdict::Nobody => self.state = BeamlineState::Nobody { tag_after: self.observed_from(config) },
            Verdict::Incomplete(reason) => self.state = BeamlineState::Waiting(reason),
            Verdict::Invalid(errors) => {
                let pv = |field| config.epics.user_info.get(field).map(String::as_str).unwrap_or_default();
                let errors: Vec<_> =
                    errors.iter().map(|error| format!("{error} (PV {})", pv(&error.field))).collect();
                let message = errors.join(". ");
                tracing::warn!("the user info can't be used: {message}");
                self.state = BeamlineState::Invalid(message);
            }
            Verdict::Group { experiment, holds } => match known {
                Some(row) => return self.known_group(row, watched.readings, common).await,
                None => {
                    let accepted = PlanRequest::accepted(*experiment, watched.readings);
                    let ask_schedule = !signature.is_invalid();
                    let request = PlanRequest { holds, ask_schedule, in_background, ..accepted };
                    self.plan(request, common);
                }
            },
        }
        Ok(None)
    }

    /// The time from which on the PVs will have been observed for long enough, if they have not been yet: a
    /// run that began earlier must be repeated.
    fn observed_from(&self, config: &Config) -> Option<Timestamp> {
        let window = &self.watched.as_ref()?.window;
        window.rests_at(config.rules.run_limit()).filter(|_| window.unobserved.is_some() && !window.rested)
    }

    async fn known_group(
        &mut self,
        row: ExperimentRow,
        readings: Readings,
        common: &Common,
    ) -> Result<Option<Decided>, JournalError> {
        let last = common.journal.last_delivery(row.id).await?;
        if last.is_some_and(|last| last.state == DeliveryState::Held) {
            // The obstacle may be gone; otherwise the screen shows it again.
            self.plan(PlanRequest::accepted(row.experiment, readings), common);
            return Ok(None);
        }
        self.state = BeamlineState::Served(row.id);
        Ok(Some(Decided::Known(row.id)))
    }

    /// Learns from an operator's approval of a run that leaves out fields, since the tool may never put them.
    async fn learn_from_approval(&mut self, common: &Common) -> Result<(), JournalError> {
        let Some(watched) = &self.watched else { return Ok(()) };
        let mut state = common.journal.decision_state().await?;
        let wholeness = decision::judge(watched, &state, common.config.rules.run_limit());
        if let Wholeness::NotWhole(not_whole) = wholeness
            && state.propose(watched, not_whole.candidate)
        {
            common.journal.set_decision_state(&state).await?;
        }
        Ok(())
    }

    /// Starts a plan; [`Decision::planned`] processes it.
    fn plan(&mut self, mut request: PlanRequest, common: &Common) {
        if request.press.is_none() {
            let auto = match common.auto {
                Some(true) => None,
                Some(false) => Some(Hold::run("Auto is Off", "Press Run to serve this group")),
                None => {
                    let prefix = &common.config.epics.prefix;
                    let reason = format!("{prefix}Auto can't be read, which says whether groups are served");
                    Some(Hold::run(reason, "Look at the IOC, or press Run"))
                }
            };
            request.switch_holds.extend(auto);
            if common.paused {
                request.switch_holds.push(Hold::run("Paused", "Set Pause to Go, or press Run"));
            }
        }
        if !request.in_background {
            self.state = BeamlineState::Planning { pressed: request.press.is_some() };
        }
        self.planning.start(request, common.deliverer.clone(), self.is_signed);
    }

    async fn planned(&mut self, planned: Planned, common: &Common) -> Result<Option<Decided>, JournalError> {
        let Planned { readings, experiment, mut holds, switch_holds, press, plan } = planned;
        if self.watched.as_ref().map(|watched| &watched.readings) != Some(&readings) {
            return Ok(None); // a PV has changed meanwhile, and the new set will be judged
        }
        let mut plan = match plan {
            Ok(plan) => plan,
            Err(PlanError::Journal(error)) => return Err(error),
            Err(error) => {
                self.state = BeamlineState::Invalid(error.to_string());
                return Ok(None);
            }
        };
        for place in &plan.unreachable {
            tracing::warn!(
                "{} is unreachable and is inspected when it answers: {}",
                place.place,
                place.reason
            );
        }
        let obstacles: Vec<_> = plan.obstacles().iter().map(Obstacle::to_string).collect();
        let waits_for_switch = holds.is_empty() && obstacles.is_empty() && !switch_holds.is_empty();
        if waits_for_switch && let Some(row) = common.deliverer.served_by_hand(&readings).await? {
            self.state = BeamlineState::ServedByHand(row.id);
            return Ok(Some(Decided::Known(row.id)));
        }
        holds.extend(switch_holds);
        let Some(by) = accepted_by(&holds, &obstacles, press.as_ref()) else {
            let (group, free_at) = (common.deliverer.describe_held(&plan, &holds), plan.free_at());
            self.hold(Held { experiment, readings, holds, obstacles, group, free_at });
            return Ok(None);
        };
        if by == AcceptedBy::Approve {
            plan.approve();
            self.learn_from_approval(common).await?;
        }
        match common.deliverer.accept(&plan, by, Some(&readings)).await {
            Ok(Accepted::Accepted { id, corrected_from, .. }) => {
                if let Some(former) = corrected_from {
                    tracing::info!("{experiment} corrects {former}");
                }
                self.state = BeamlineState::Served(id);
                Ok(Some(Decided::Accepted { id, experiment, cause: by.into() }))
            }
            // Another group has taken the directory since the plan was made. A new plan names it.
            Ok(Accepted::Taken(_)) | Err(PlanError::NotApproved(_)) => self.judge_again(common).await,
            Err(PlanError::Journal(error)) => Err(error),
            Err(error) => {
                self.state = BeamlineState::Invalid(error.to_string());
                Ok(None)
            }
        }
    }

    fn hold(&mut self, held: Held) {
        if held.holds.iter().any(|hold| hold.asked_again) {
            self.schedule_retry.next_pause();
        }
        if !matches!(&self.state, BeamlineState::Held(before) if before.group == held.group) {
            held.log();
        }
        self.state = BeamlineState::Held(Box::new(held));
    }
}
