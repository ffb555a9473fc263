//! Executes a delivery: its steps in the order of [`STEPS`](crate::domain::STEPS), each when those that it
//! waits for have ended.

use super::attempt::{Attempts, StepResult};
use super::control::Control;
use super::deliverer::Deliverer;
use super::inspection::Inspection;
use super::obstacle::Obstacle;
use super::plan_error::PlanError;
use super::progress::Progress;
use super::report::DeliveryReport;
use super::shared::MadeReplicas;
use crate::domain::{Booking, RelativePath, STEPS, Step, StepRule, StepStatus};
use crate::journal::{
    Cause, Claim, Conflict, DeliveryRow, DeliveryState, ExperimentRow, JournalError, LockError, NewDelivery,
};
use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use std::collections::BTreeSet;
use tokio::sync::{OnceCell, watch};
use uuid::Uuid;

/// The request for a delivery.
#[derive(Clone, Debug)]
pub struct Options {
    /// Why
    pub cause: Cause,
    /// Mails everyone again
    pub resend: bool,
    /// These steps alone; `None`: all
    pub only: Option<BTreeSet<Step>>,
    /// Asks the schedule who is on the proposal, also where the configuration serves the PI alone
    pub ask_schedule: bool,
    /// The owner of the experiment's lock, as other processes report it, e.g. `beamshare run`
    pub owner: String,
}

impl Options {
    /// Requests all steps, for this cause.
    pub fn all(cause: Cause, owner: impl Into<String>) -> Options {
        Options { cause, resend: false, only: None, ask_schedule: false, owner: owner.into() }
    }

    /// The request of a delivery that was killed.
    pub fn of(row: &DeliveryRow, owner: impl Into<String>) -> Options {
        Options { resend: row.resend(), only: row.only.clone(), ..Options::all(row.cause, owner) }
    }
}

/// How a delivery ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// All requested steps are done
    Done,
    /// A step needs a person; the others were done
    Failed {
        /// What failed and what to do
        message: String,
    },
    /// A place that was unreachable when the plan was made holds what may be another group's: an operator
    /// must approve
    Held {
        /// The obstacles
        obstacles: Vec<Obstacle>,
    },
    /// An operator stopped it
    Aborted,
}

/// Why a delivery could not begin, or be written down.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Another process, or another task of this one, delivers the experiment
    #[error(transparent)]
    Locked(#[from] LockError),
    /// There is no such experiment
    #[error("the journal has no experiment {0}")]
    Unknown(Uuid),
    /// Its paths can't be made any more, since the configuration has changed
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The journal can't be read or written
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl RunError {
    /// Whether it can be otherwise a moment later: someone else's delivery of the experiment ends, a disk has
    /// room again.
    pub fn is_transient(&self) -> bool {
        match self {
            RunError::Locked(_) => true,
            RunError::Journal(error) | RunError::Plan(PlanError::Journal(error)) => error.is_transient(),
            RunError::Unknown(_) | RunError::Plan(_) => false,
        }
    }
}

/// One delivery, while it runs.
pub(super) struct DeliveryRun<'a> {
    pub deliverer: &'a Deliverer,
    pub experiment: &'a ExperimentRow,
    pub paths: Vec<RelativePath>,
    /// [`Deliverer::kept_claims`]
    pub kept: Option<Vec<Claim>>,
    pub delivery: DeliveryRow,
    pub attempts: Attempts<'a>,
    pub progress: &'a Progress,
    /// The plan's findings, where they are recent
    pub inspection: Option<Inspection>,
    /// [`Options::ask_schedule`]
    pub ask_schedule: bool,
    /// The schedule's data on the beam time, once it is queried
    pub booking: OnceCell<Booking>,
    /// The replicas, once their directories are made
    pub replicas: OnceCell<MadeReplicas<'a>>,
}

impl DeliveryRun<'_> {
    /// Whether the delivery includes the step.
    pub fn expects(&self, step: Step) -> bool {
        self.delivery.only.as_ref().is_none_or(|only| only.contains(&step)) && self.deliverer.has(step)
    }
}

impl Deliverer {
    /// Delivers what is asked for. Resumes a killed delivery of the same request where it stopped. Dropping
    /// the future is like a kill: the delivery stays unfinished in the journal, to be resumed.
    pub async fn run(
        &self,
        experiment: Uuid,
        options: &Options,
        control: Control,
        report: watch::Sender<DeliveryReport>,
    ) -> Result<Outcome, RunError> {
        let _lock = self.journal.lock(experiment, &options.owner)?;
        let row = self.journal.experiment(experiment).await?.ok_or(RunError::Unknown(experiment))?;
        let kept = self.kept_claims(&row).await?;
        let paths = self.accepted_paths(&row, kept.as_deref()).map_err(PlanError::from)?;
        report.send_replace(self.report_before(experiment, options).await?);
        let delivery = self
            .journal
            .begin_delivery(&NewDelivery {
                experiment,
                cause: options.cause,
                only: options.only.clone(),
                resend: options.resend,
            })
            .await?;
        let number = delivery.number;
        tracing::info!(delivery = number, cause = ?options.cause, "delivering");

        let progress = Progress::new(self.journal.clone(), number, report);
        let attempts = Attempts {
            progress: &progress,
            control,
            retry_for: self.config.rules.retry_for,
            time_zone: self.config.beamline.zone(),
        };
        let inspection = self.inspections().remove(&experiment).filter(Inspection::is_fresh);
        let run = DeliveryRun {
            deliverer: self,
            experiment: &row,
            paths,
            kept,
            delivery,
            attempts,
            progress: &progress,
            inspection,
            ask_schedule: options.ask_schedule,
            booking: OnceCell::new(),
            replicas: OnceCell::new(),
        };
        let obstacles = run.claim_added().await?;
        let ended = if obstacles.is_empty() {
            run.steps_and_hooks().await
        } else {
            vec![StepResult::Held(obstacles)]
        };

        let outcome = progress.outcome(ended);
        let (state, error) = match &outcome {
            Outcome::Done => (DeliveryState::Done, String::new()),
            Outcome::Failed { message } => (DeliveryState::Failed, message.clone()),
            Outcome::Held { obstacles } => (DeliveryState::Held, Obstacle::sentences(obstacles)),
            Outcome::Aborted => (DeliveryState::Aborted, "stopped by the operator".to_owned()),
        };
        self.journal.end_delivery(number, state, &error).await?;
        match &outcome {
            Outcome::Done => tracing::info!(delivery = number, "done"),
            Outcome::Failed { message } => tracing::error!(delivery = number, "failed: {message}"),
            Outcome::Held { .. } => tracing::warn!(delivery = number, "held: {error}"),
            Outcome::Aborted => tracing::warn!(delivery = number, "{error}"),
        }
        Ok(outcome)
    }
}

impl DeliveryRun<'_> {
    /// Claims the trees and places that the settings have gained since the experiment was accepted. Another
    /// group's claims are obstacles here as in a plan.
    async fn claim_added(&self) -> Result<Vec<Obstacle>, JournalError> {
        let (deliverer, experiment) = (self.deliverer, &self.experiment.experiment);
        let wanted = match &self.kept {
            None => deliverer.wanted(experiment, &self.paths),
            Some(_) => vec![],
        };
        let journal = deliverer.journal();
        let conflicts = journal.claim_added(self.experiment.id, experiment, &wanted).await?;
        let taken = |conflict: Conflict| {
            let place =
                wanted.iter().find(|(_, path)| *path == conflict.wanted).map(|(place, _)| place.as_str());
            Obstacle::Taken { key: deliverer.key_without_number(place.unwrap_or_default()), conflict }
        };
        let mut obstacles: Vec<_> = conflicts.into_iter().map(taken).collect();
        obstacles.extend(deliverer.other_readers(self.experiment).await?);
        Ok(obstacles)
    }

    /// Executes the steps between the hooks of the delivery. A delivery of single steps runs only the hooks
    /// of those steps.
    async fn steps_and_hooks(&self) -> Vec<StepResult> {
        if self.expects(Step::Delivery) {
            self.with_hooks(Step::Delivery, self.steps()).await
        } else {
            self.steps().await
        }
    }

    /// Executes the steps in the order of [`STEPS`]. Steps that wait for no other are independent, so an
    /// unreachable host does not delay the directory on Globus, which the message announces. Without Globus,
    /// it announces the directories on the hosts, and waits for them.
    async fn steps(&self) -> Vec<StepResult> {
        let first = STEPS.iter().filter(|rule| rule.waits_for.is_empty());
        let steps = async {
            if self.deliverer.collection.is_some() {
                return join_all(first.map(|rule| self.branch(rule, vec![])))
                    .await
                    .into_iter()
                    .flatten()
                    .collect();
            }
            let mut ended = vec![];
            for rule in first {
                ended = self.branch(rule, ended).await;
            }
            ended
        };
        let (ended, _) = tokio::join!(steps, self.replicas());
        ended
    }

    /// Executes a step, and then those that wait for it. `before` are the failures of the steps that it waits
    /// for; they are returned with its own.
    fn branch<'a>(
        &'a self,
        rule: &'static StepRule,
        before: Vec<StepResult>,
    ) -> BoxFuture<'a, Vec<StepResult>> {
        async move {
            let mut ended = if rule.for_people {
                self.serve_people(before).await
            } else {
                self.step(rule.step, before, Pass::First).await
            };
            for follower in rule.followers() {
                ended = self.branch(follower, ended).await;
            }
            ended
        }
        .boxed()
    }

    /// Executes one step between its hooks.
    pub(super) async fn step(&self, step: Step, mut ended: Vec<StepResult>, pass: Pass) -> Vec<StepResult> {
        let is_expected = self.expects(step);
        match step {
            Step::Dirs if is_expected => ended.extend(self.with_hooks(step, self.dirs()).await),
            // A directory is made before it is shared.
            Step::Globus if is_expected || self.expects(Step::Share) => {
                ended.extend(self.with_hooks(step, self.globus()).await);
            }
            Step::Share if is_expected && ended.is_empty() => {
                ended.extend(self.with_hooks(step, self.share(pass)).await);
            }
            Step::Email => {
                let serves = is_expected || self.expects(Step::Share);
                if serves && !is_stopped(&ended) {
                    ended.extend(self.tell_pi_changes().await);
                }
                if is_expected {
                    let mailed = self.with_hooks(step, self.email(&ended)).await;
                    ended.extend(mailed);
                }
            }
            Step::Sync => {
                let shared = self.share_replicas(&ended).await;
                ended.extend(shared);
            }
            // Not expected; or only hooks, which enclose the other steps.
            Step::Dirs | Step::Globus | Step::Share | Step::Delivery => {}
        }
        ended
    }
}

/// Which people a step is executed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// The known ones
    First,
    /// Also those whom the schedule added late
    Late,
}

/// Whether an operator must approve, or has stopped the delivery.
pub(super) fn is_stopped(ended: &[StepResult]) -> bool {
    ended.iter().any(|ended| matches!(ended, StepResult::Held(_) | StepResult::Aborted))
}

impl Progress {
    fn outcome(&self, ended: Vec<StepResult>) -> Outcome {
        let mut obstacles = vec![];
        let (mut failed, mut aborted) = (false, false);
        for one in ended {
            match one {
                StepResult::Failed => failed = true,
                StepResult::Aborted => aborted = true,
                StepResult::Held(more) => obstacles.extend(more),
            }
        }
        let message = self.finish();
        if aborted {
            Outcome::Aborted
        } else if !obstacles.is_empty() {
            Outcome::Held { obstacles }
        } else if failed {
            Outcome::Failed { message }
        } else {
            Outcome::Done
        }
    }

    /// Sets the sentence of the end, and returns it.
    fn finish(&self) -> String {
        let mut sentence = String::new();
        let failed = self.failed_steps();
        self.change(|report| {
            for (step, (status, _)) in &mut report.steps {
                if *status == StepStatus::Running {
                    // Nothing runs any more: units that did not begin wait for those that failed.
                    *status = if failed.contains(step) { StepStatus::Failed } else { StepStatus::Pending };
                }
            }
            report.message = report.sentence();
            sentence.clone_from(&report.message);
        });
        sentence
    }
}
