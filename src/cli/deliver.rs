//! The common part of the verbs dirs, share and email: they deliver in this process, by the service's rules.

use super::Outcome;
use super::confirm::Confirm;
use super::failure::{Exit, Failure};
use super::rerun::{duration, spinner};
use super::service::{self, LIMIT};
use super::signals::Signals;
use super::{history, print};
use beamshare::config::Config;
use beamshare::delivery::{
    self, AttemptError, Control, Controller, Deliverer, DeliveryReport, Obstacle, Options, PlanError,
    RunError, SetUpError,
};
use beamshare::domain::decision::{self, Watched, Wholeness};
use beamshare::domain::{Experiment, FieldError};
use beamshare::domain::{Retry, Step, StepError};
use beamshare::journal::{Accepted, AcceptedBy, Cause, ExperimentRow, Journal};
use beamshare::user_info::{
    self, Hold, Observation, Release, Verdict, Watcher, check_signature, judge, put_by_the_run,
};
use channel_access::Context;
use clap::Args;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Beyond the quiet time, how long the user-info PVs may take to be found and to come to rest.
const UNREST: Duration = Duration::from_secs(30);

#[derive(Args)]
pub struct Deliver {
    #[command(flatten)]
    pub confirm: Confirm,

    /// Retry no longer than this while a host or service is unreachable (exit code 5)
    #[arg(long, value_name = "TIME", default_value = "2 min", value_parser = duration)]
    timeout: Duration,
}

/// For verbs that reach people.
#[derive(Args, Default)]
pub struct Everyone {
    /// Include everyone on the proposal with an address, even if the settings say `recipients = "pi"`
    #[arg(long)]
    schedule: bool,
}

/// The experiment that the PVs name, ready to be delivered.
pub struct Present {
    pub deliverer: Deliverer,
    pub experiment: Experiment,
    known: Option<ExperimentRow>,
    holds: Vec<Hold>,
    is_signed: bool,
}

impl Present {
    /// Reads the user info and judges it as the service does.
    pub async fn read(config: &Config) -> Result<Present, Failure> {
        let context = Context::new()?;
        let readings = user_info::read_once(&context, &config.epics.user_info, LIMIT).await?;
        let journal = Journal::open(&config.journal.path).await?;
        let deliverer = Deliverer::new(Arc::new(config.clone()), journal)?;
        let mut known = deliverer.known(&readings).await?;
        let state = deliverer.journal().decision_state().await?;
        let mut watched = Watched { readings, ..Watched::default() };
        if known.is_none() && Experiment::parse(&watched.readings.user_info()).is_ok() {
            // A half-written set can be complete and valid, too. The service has kept in the journal which
            // puts it has observed; where none was missed since, the set is judged by them.
            watched = settled(&context, config, state.watched.clone()).await?;
        }
        let signature = check_signature(config, deliverer.journal(), &watched.readings).await?;
        let is_signed = signature.is_valid();
        let wholeness = if is_signed {
            Wholeness::of_all(&watched)
        } else {
            decision::judge(&watched, &state, config.rules.run_limit())
        };
        if known.is_none() {
            known = deliverer.known(&put_by_the_run(&watched, &wholeness)).await?;
        }
        let known = known.filter(|_| !signature.is_invalid());
        let verdict =
            judge(&watched, &wholeness, &state, known.is_some(), &config.rules, &config.beamline.zone());
        match signature.hold(verdict) {
            Verdict::Nobody => Err(Failure::nothing("the user-info PVs name nobody")),
            Verdict::Incomplete(why) => Err(Failure::nothing(why)),
            Verdict::Invalid(errors) => {
                let errors = errors.iter().map(FieldError::to_string).collect::<Vec<_>>().join("; ");
                Err(Failure::failed(format!("the user info can't be used: {errors}")))
            }
            Verdict::Group { experiment, holds } => {
                Ok(Present { deliverer, experiment: *experiment, known, holds, is_signed })
            }
        }
    }
}

/// Waits until the user-info PVs have been quiet for `settle`. `earlier` are the puts that the service has
/// observed.
pub(super) async fn settled(
    context: &Context,
    config: &Config,
    earlier: Option<Watched>,
) -> Result<Watched, Failure> {
    let bar = spinner();
    let settle = config.rules.settle;
    bar.set_message(format!("waiting until the user info has been quiet for {settle:?}"));
    let mut watcher = Watcher::start(context, &config.epics.user_info, &config.rules, earlier)?;
    let observation = watcher.observation();
    let quiet = observation.wait_for(|now| matches!(now, Observation::Settled(_)));
    let quiet = tokio::time::timeout(settle + UNREST, quiet).await;
    let watched = match &quiet {
        Ok(Ok(now)) => match &**now {
            Observation::Settled(watched) => Some(watched.clone()),
            _ => None,
        },
        _ => None,
    };
    drop(quiet);
    bar.finish_and_clear();
    watched.ok_or_else(|| match &*watcher.observation().borrow() {
        Observation::Waiting(why) => Failure::away(why),
        _ => Failure::nothing("the user info keeps changing; try again when the tagging tool has ended"),
    })
}

impl Deliver {
    /// Delivers these steps to the experiment that the PVs name.
    pub async fn act(self, config: &Config, steps: &[Step], resend: bool, everyone: &Everyone) -> Outcome {
        if everyone.schedule && config.schedule.is_none() {
            let file = config.file.display();
            return Err(Failure::usage(format!(
                "--schedule needs a schedule: {file} has no section [schedule.from...]"
            )));
        }
        let present = Present::read(config).await?;
        let id = self.accept(&present, resend).await?;
        let options = Options {
            cause: if resend { Cause::Resend } else { Cause::Command },
            resend,
            only: Some(BTreeSet::from_iter(steps.iter().copied())),
            ask_schedule: everyone.schedule,
            owner: format!("beamshare on the command line (process {})", std::process::id()),
        };
        print::line(format_args!("{}", present.experiment));
        let (ended, report, timed_out) = self.run(&present.deliverer, id, &options).await?;
        print_steps(&report, steps);
        match ended {
            delivery::Outcome::Done => Ok(Exit::Done),
            delivery::Outcome::Failed { message } => Err(Failure::failed(message)),
            delivery::Outcome::Held { obstacles } => Err(held(Obstacle::sentences(&obstacles))),
            delivery::Outcome::Aborted if timed_out => {
                Err(Failure::away(format!("not done within {:?}: {}", self.timeout, report.message)))
            }
            delivery::Outcome::Aborted => Err(Failure::failed("stopped; what was done stays done")),
        }
    }

    /// The experiment's id in the journal, where it is put if nothing is held against it or somebody has
    /// confirmed it.
    async fn accept(&self, present: &Present, resend: bool) -> Result<Uuid, Failure> {
        let mut plan = present.deliverer.plan(&present.experiment).await?;
        if let Some(hold) = present.holds.iter().find(|hold| hold.release == Release::TagAgain) {
            let message = format!("held: {}: {hold}", present.experiment);
            return Err(Failure { exit: Exit::Held, message });
        }
        if present.is_signed {
            plan.confirm_new_pi();
        }
        let mut reasons: Vec<String> = vec![];
        if present.known.is_none() {
            reasons.extend(present.holds.iter().map(ToString::to_string));
            let unscheduled = present.deliverer.schedule_hold(&present.experiment, Some(self.timeout)).await;
            reasons.extend(unscheduled.map(|hold| hold.to_string()));
        }
        let has_obstacles = !plan.obstacles().is_empty();
        reasons.extend(plan.obstacles().iter().map(ToString::to_string));
        if resend {
            reasons.extend(present.deliverer.resend_refused().await?.map(|refused| refused.to_string()));
        }
        if let Some(first) = reasons.first_mut() {
            *first = format!("{}: {first}", present.experiment);
        }
        self.confirm.ask(&reasons)?;
        if let Some(known) = present.known.as_ref().filter(|_| !has_obstacles) {
            return Ok(known.id);
        }
        plan.approve();
        // No reference for the next set: that somebody makes a step by hand does not prove that the set is
        // whole, so the service judges it as any other, and does the rest.
        match present.deliverer.accept(&plan, AcceptedBy::Command, None).await? {
            Accepted::Accepted { id, .. } => Ok(id),
            Accepted::Taken(conflicts) => {
                let others: Vec<String> =
                    conflicts.iter().map(|conflict| conflict.named.to_string()).collect();
                Err(held(format!("its directory was taken a moment ago by {}", others.join(", "))))
            }
        }
    }

    /// Runs with a progress line. On a signal, and when the time is over, a message that is being sent ends
    /// first: whether it was accepted can't be looked up, so it would be sent again. A second signal stops at
    /// once.
    async fn run(
        &self,
        deliverer: &Deliverer,
        id: Uuid,
        options: &Options,
    ) -> Result<(delivery::Outcome, DeliveryReport, bool), Failure> {
        let (controller, control): (Controller, Control) = delivery::controls();
        let (sender, mut report) = tokio::sync::watch::channel(DeliveryReport::default());
        let bar = spinner();
        let run = deliverer.run(id, options, control, sender);
        let over = tokio::time::sleep(self.timeout);
        tokio::pin!(run, over);
        let mut signals = Signals::listen()?;
        let (mut timed_out, mut interrupted) = (false, false);
        let mut reporting = true;
        let ended = loop {
            tokio::select! {
                ended = &mut run => break ended,
                news = report.changed(), if reporting => match news {
                    Ok(()) => bar.set_message(print::plain(&report.borrow_and_update().message)),
                    Err(_) => reporting = false,
                },
                () = &mut over, if !timed_out => {
                    timed_out = true;
                    controller.abort();
                }
                () = signals.next() => {
                    if interrupted {
                        bar.finish_and_clear();
                        return Err(Failure::failed("stopped at once; a message that was being sent may \
                                                    arrive twice"));
                    }
                    interrupted = true;
                    controller.abort();
                    print::warn("stopping when the message that is being sent has ended; Ctrl-C again stops \
                                 at once");
                }
            }
        };
        bar.finish_and_clear();
        let report = report.borrow().clone();
        Ok((ended?, report, timed_out))
    }
}

fn held(why: String) -> Failure {
    let message = format!("held: {why}. Add --yes if that is right, or press Approve on the screen");
    Failure { exit: Exit::Held, message }
}

fn print_steps(report: &DeliveryReport, steps: &[Step]) {
    let mut table = print::table(["STEP", "STATE", "MESSAGE"]);
    for step in service::steps().filter(|step| steps.contains(step)) {
        if let Some((status, message)) = report.steps.get(&step) {
            table.add_row([step.to_string(), history::word(status), print::plain(message)]);
        }
    }
    print::print_table(&table);
    if !report.data_link.is_empty() {
        print::line(format_args!("Link  {}", report.data_link));
    }
}

impl From<StepError> for Failure {
    fn from(error: StepError) -> Failure {
        match error.retry {
            Retry::Never => Failure::failed(error),
            _ => Failure::away(error),
        }
    }
}

impl From<SetUpError> for Failure {
    fn from(error: SetUpError) -> Failure {
        match error {
            SetUpError::Place(error) => error.into(),
            SetUpError::Mail(error) => StepError::from(error).into(),
            SetUpError::Schedule(error) => error.into(),
            SetUpError::Template(error) => Failure::failed(error),
        }
    }
}

impl From<AttemptError> for Failure {
    fn from(error: AttemptError) -> Failure {
        match error.retry() {
            Retry::Never => Failure::failed(error),
            _ => Failure::away(error),
        }
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Failure {
        match error {
            PlanError::NotApproved(why) => held(why),
            error => Failure::failed(error),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Failure {
        match error {
            RunError::Plan(error) => error.into(),
            error => Failure::failed(error),
        }
    }
}
