use super::beamline_state::Press;
use crate::delivery::{Deliverer, Plan, PlanError};
use crate::domain::decision::Hold;
use crate::domain::{Experiment, Readings};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// The limit for the first answer of the schedule. After it, the screen says that the answer is pending.
const SCHEDULE_LIMIT: Duration = Duration::from_secs(10);

/// A group to be planned.
pub(super) struct PlanRequest {
    pub experiment: Experiment,
    pub readings: Readings,
    /// The holds of the rules
    pub holds: Vec<Hold>,
    /// The holds of the switches Auto and Pause
    pub switch_holds: Vec<Hold>,
    /// Whether rule 5 applies; not if the schedule was queried already, or the experiment was accepted before
    pub ask_schedule: bool,
    /// The button that an operator has pressed
    pub press: Option<Press>,
    /// Whether the screen keeps its present state until the plan is finished
    pub in_background: bool,
}

impl PlanRequest {
    /// The request for a group that only an obstacle can hold.
    pub fn accepted(experiment: Experiment, readings: Readings) -> PlanRequest {
        PlanRequest {
            experiment,
            readings,
            holds: vec![],
            switch_holds: vec![],
            ask_schedule: false,
            press: None,
            in_background: false,
        }
    }
}

/// A plan with the group that it was made for.
pub(in super::super) struct Planned {
    pub(super) readings: Readings,
    pub(super) experiment: Experiment,
    pub(super) holds: Vec<Hold>,
    pub(super) switch_holds: Vec<Hold>,
    pub(super) press: Option<Press>,
    pub(super) plan: Result<Plan, PlanError>,
}

/// The plan that is being made, if any.
#[derive(Default)]
pub(super) struct Planning {
    task: JoinSet<Planned>,
}

impl Planning {
    /// Starts to inspect the places and to query the schedule, in place of the plan that is being made.
    pub fn start(&mut self, request: PlanRequest, deliverer: Arc<Deliverer>, is_signed: bool) {
        self.cancel();
        self.task.spawn_local(plan(request, deliverer, is_signed));
    }

    /// The finished plan; waits for ever where none is being made. Cancel-safe.
    pub async fn finished(&mut self) -> Planned {
        while let Some(planned) = self.task.join_next().await {
            if let Ok(planned) = planned {
                return planned;
            }
        }
        std::future::pending().await
    }

    /// Drops the plan that is being made, or that has finished but is not processed yet.
    pub fn cancel(&mut self) {
        self.task = JoinSet::new();
    }

    pub fn is_idle(&self) -> bool {
        self.task.is_empty()
    }
}

async fn plan(request: PlanRequest, deliverer: Arc<Deliverer>, is_signed: bool) -> Planned {
    let PlanRequest { experiment, readings, mut holds, switch_holds, ask_schedule, press, in_background } =
        request;
    let limit = (!in_background).then_some(SCHEDULE_LIMIT);
    let schedule = async {
        if !ask_schedule {
            return None;
        }
        deliverer.schedule_hold(&experiment, limit).await
    };
    let (mut plan, unscheduled) = tokio::join!(deliverer.plan(&experiment), schedule);
    if is_signed && let Ok(plan) = &mut plan {
        plan.confirm_new_pi();
    }
    // First, since a weaker button may release the other holds, and the record may cut the end.
    holds.splice(0..0, unscheduled);
    Planned { readings, experiment, holds, switch_holds, press, plan }
}
