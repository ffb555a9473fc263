//! What a settled set means, and what is to be done about it: the rules, the schedule, the look at the
//! places.

use super::beamline::{Beamline, WHO};
use super::people::schedule_backoff;
use super::situation::{Held, Press, Situation, accepted_by};
use crate::delivery::{Obstacle, Options, Plan, PlanError};
use crate::domain::decision::{self, Hold, Wholeness};
use crate::domain::{Experiment, Readings};
use crate::journal::{Accepted, AcceptedBy, DeliveryState, ExperimentRow, JournalError};
use crate::user_info::{Observation, Verdict, check_signature, judge, put_by_the_run};
use jiff::Timestamp;
use std::time::Duration;
use tokio::task::JoinSet;

/// How long the schedule may take at first: then the screen says that it is waited for.
const SCHEDULE_LIMIT: Duration = Duration::from_secs(10);

/// What is to be planned.
pub(super) struct ToPlan {
    pub experiment: Experiment,
    pub readings: Readings,
    /// What the rules say
    pub holds: Vec<Hold>,
    /// Rule 5: the schedule has a say, unless it was asked already or the experiment was accepted before
    pub ask_schedule: bool,
    /// The button that an operator has pressed
    pub press: Option<Press>,
    /// Behind what the screen says, which stays until there is news
    pub quietly: bool,
}

impl ToPlan {
    /// Against which nothing is to be held but what stands in its way.
    pub fn accepted(experiment: Experiment, readings: Readings) -> ToPlan {
        ToPlan { experiment, readings, holds: vec![], ask_schedule: false, press: None, quietly: false }
    }
}

/// A plan, and what it was made for.
pub(super) struct Planned {
    readings: Readings,
    experiment: Experiment,
    holds: Vec<Hold>,
    press: Option<Press>,
    plan: Result<Plan, PlanError>,
}

impl Beamline {
    pub(super) async fn observed(&mut self, observation: Observation) -> Result<(), JournalError> {
        if let Observation::Settled(watched) = &observation
            && self.watched.as_ref().is_some_and(|before| before.readings == watched.readings)
        {
            // Nothing was put: only what the earlier puts are worth has changed. A plan that is being made
            // stays valid.
            self.watched = Some(watched.clone());
            if self.plans.is_empty() {
                return self.judge(true).await;
            }
            return self.journal.set_watched(watched).await;
        }
        self.forget_plans();
        self.ask_again = schedule_backoff();
        self.watched = None;
        if !self.serves {
            return Ok(());
        }
        match observation {
            Observation::Waiting(reason) => self.situation = Situation::Waiting(reason),
            Observation::Settling(watched) => {
                self.situation = Situation::Settling;
                // From the first put on, so that a restart in the middle of a tagging is noticed.
                self.journal.set_watched(&watched).await?;
            }
            Observation::Settled(watched) => {
                self.watched = Some(watched);
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
        self.judge(false).await
    }

    /// Plans the held group again when a schedule that could not be asked is to be asked again, or a limit
    /// has ended.
    pub(super) async fn ask_again_when_due(&mut self) -> Result<(), JournalError> {
        let waits = |held: &Held| held.holds.iter().any(|hold| hold.asked_again);
        if matches!(&self.situation, Situation::Held(held) if held.free_at.is_some_and(|at| at <= Timestamp::now()))
            && self.plans.is_empty()
        {
            return self.judge(true).await;
        }
        if matches!(&self.situation, Situation::Held(held) if waits(held))
            && self.plans.is_empty()
            && self.ask_again.is_over()
        {
            self.judge(true).await?;
        }
        Ok(())
    }

    async fn judge(&mut self, quietly: bool) -> Result<(), JournalError> {
        self.forget_plans();
        let Some(watched) = self.watched.clone() else { return Ok(()) };
        let signature = check_signature(&self.config, &self.journal, &watched.readings).await?;
        self.is_signed = signature.is_valid();
        let (rules, zone) = (&self.config.rules, self.config.beamline.zone());
        let mut state = self.journal.decision_state().await?;
        let before = state.clone();
        let wholeness = match self.is_signed {
            true => Wholeness::of_all(&watched),
            false => decision::judge(&watched, &state, rules.run_limit()),
        };
        // Also a group that was served before must not come back without a signature.
        let known = match signature.is_invalid() {
            true => None,
            false => self.deliverer.served(&put_by_the_run(&watched, &wholeness)).await?,
        };
        let verdict = signature.hold(judge(&watched, &wholeness, &state, known.is_some(), rules, &zone));
        state.conclude(&watched, wholeness);
        if state.baseline.is_none() || known.is_some() {
            state.baseline = Some(watched.readings.clone());
        }
        if state != before {
            self.journal.set_decision_state(&state).await?;
        }
        match verdict {
            Verdict::Nobody => self.situation = Situation::Nobody { tag_after: self.observed_from() },
            Verdict::Incomplete(reason) => self.situation = Situation::Waiting(reason),
            Verdict::Invalid(errors) => {
                let pv =
                    |field| self.config.epics.user_info.get(field).map(String::as_str).unwrap_or_default();
                let told: Vec<_> =
                    errors.iter().map(|error| format!("{error} (PV {})", pv(&error.field))).collect();
                let told = told.join(". ");
                tracing::warn!("the user info can't be used: {told}");
                self.situation = Situation::Invalid(told);
            }
            Verdict::Group { experiment, holds } => match known {
                Some(row) => self.serve_known(row, watched.readings).await?,
                None => {
                    let accepted = ToPlan::accepted(*experiment, watched.readings);
                    let ask_schedule = !signature.is_invalid();
                    self.plan(ToPlan { holds, ask_schedule, quietly, ..accepted });
                }
            },
        }
        Ok(())
    }

    /// When the PVs will have been observed for long enough, where they have not been yet: a run that began
    /// before then must be repeated.
    fn observed_from(&self) -> Option<Timestamp> {
        let window = &self.watched.as_ref()?.window;
        window
            .rests_at(self.config.rules.run_limit())
            .filter(|_| window.unobserved.is_some() && !window.rested)
    }

    async fn serve_known(&mut self, row: ExperimentRow, readings: Readings) -> Result<(), JournalError> {
        let last = self.journal.last_delivery(row.id).await?;
        if last.is_some_and(|last| last.state == DeliveryState::Held) {
            // What held it may be gone; otherwise the screen says it again.
            self.plan(ToPlan::accepted(row.experiment, readings));
            return Ok(());
        }
        self.situation = Situation::Served(row.id);
        self.show_experiment(row.id).await
    }

    /// An operator has approved a run that leaves out fields: perhaps the tool never puts them.
    async fn learn_from_approval(&mut self) -> Result<(), JournalError> {
        let Some(watched) = &self.watched else { return Ok(()) };
        let mut state = self.journal.decision_state().await?;
        let wholeness = decision::judge(watched, &state, self.config.rules.run_limit());
        if let Wholeness::NotWhole(not_whole) = wholeness
            && state.propose(watched, not_whole.candidate)
        {
            self.journal.set_decision_state(&state).await?;
        }
        Ok(())
    }

    /// Looks at the places, and asks the schedule; [`Beamline::planned`] goes on.
    pub(super) fn plan(&mut self, to_plan: ToPlan) {
        let ToPlan { experiment, readings, mut holds, ask_schedule, press, quietly } = to_plan;
        match self.auto {
            _ if press.is_some() => {}
            Some(true) => {}
            Some(false) => holds.push(Hold::run("Auto is Off", "Press Run to serve this group")),
            None => {
                holds.push(Hold::run(
                    format!(
                        "{}Auto can't be read, which says whether groups are served",
                        self.config.epics.prefix
                    ),
                    "Look at the IOC, or press Run",
                ));
            }
        }
        if self.paused && press.is_none() {
            holds.push(Hold::run("Paused", "Set Pause to Go, or press Run"));
        }
        if !quietly {
            self.situation = Situation::Planning { pressed: press.is_some() };
        }
        let (deliverer, is_signed) = (self.deliverer.clone(), self.is_signed);
        self.forget_plans();
        self.plans.spawn_local(async move {
            let limit = (!quietly).then_some(SCHEDULE_LIMIT);
            let schedule = async {
                match ask_schedule {
                    true => deliverer.schedule_hold(&experiment, limit).await,
                    false => None,
                }
            };
            let (mut plan, unscheduled) = tokio::join!(deliverer.plan(&experiment), schedule);
            if let (Ok(plan), true) = (&mut plan, is_signed) {
                plan.confirm_new_pi();
            }
            // First: what else is held may be released by less, and the record may cut it.
            holds.splice(0..0, unscheduled);
            Planned { readings, experiment, holds, press, plan }
        });
    }

    pub(super) async fn planned(&mut self, planned: Planned) -> Result<(), JournalError> {
        let Planned { readings, experiment, holds, press, plan } = planned;
        if self.watched.as_ref().map(|watched| &watched.readings) != Some(&readings) {
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
        for place in &plan.unreachable {
            tracing::warn!(
                "{} is unreachable and is inspected when it answers: {}",
                place.place,
                place.reason
            );
        }
        let obstacles: Vec<_> = plan.obstacles().iter().map(Obstacle::to_string).collect();
        let Some(by) = accepted_by(&holds, &obstacles, press.as_ref()) else {
            let group = self.deliverer.describe_held(&plan, &holds);
            if holds.iter().any(|hold| hold.asked_again) {
                self.ask_again.next_pause();
            }
            let free_at = plan.free_at();
            let held = Held { experiment, readings, holds, obstacles, group, free_at };
            if !matches!(&self.situation, Situation::Held(before) if before.group == held.group) {
                held.log();
            }
            self.situation = Situation::Held(held);
            return Ok(());
        };
        if by == AcceptedBy::Approve {
            plan.approve();
            self.learn_from_approval().await?;
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
}
