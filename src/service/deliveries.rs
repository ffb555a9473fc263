use super::common::Common;
use crate::delivery::{Control, Controller, Deliverer, DeliveryReport, Options, Outcome, controls};
use crate::domain::Experiment;
use crate::journal::Cause;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{self, JoinSet};
use tracing::Instrument;
use uuid::Uuid;

/// The owner of the service's deliveries, as a command reports it that finds the experiment locked.
pub(super) const OWNER: &str = "beamshare run";
/// The pause before a delivery is retried that could not begin, or could not be written to the journal.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// A delivery that has become necessary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DueDelivery {
    /// The experiment's id
    pub id: Uuid,
    pub cause: Cause,
}

/// The deliveries under way, at most one for each experiment.
pub(super) struct Deliveries {
    running: HashMap<Uuid, Running>,
    tasks: JoinSet<Outcome>,
    paused: bool,
}

struct Running {
    task: task::Id,
    controller: Controller,
    report: watch::Sender<DeliveryReport>,
    request: DeliveryRequest,
    /// The delivery that begins when this one has ended, which is when the experiment's lock is free
    successor: Option<DeliveryRequest>,
}

/// The request for a delivery.
#[derive(Clone)]
struct DeliveryRequest {
    /// The experiment's id
    id: Uuid,
    /// The experiment's name in the log
    name: String,
    deliverer: Arc<Deliverer>,
    options: Options,
}

impl Deliveries {
    /// No deliveries. They wait until [`Deliveries::pause`] is called with the state of the operator's
    /// switch, which may have been at Pause when the service ended.
    pub fn new() -> Deliveries {
        Deliveries { running: HashMap::new(), tasks: JoinSet::new(), paused: true }
    }

    /// Begins a delivery. A running one of the same experiment is broken off once it is not sending a
    /// message; the new delivery does the rest of it, since the journal has its progress.
    ///
    /// The delivery must begin even if the journal can't be read now: only the report that is shown until it
    /// has inspected the places is empty then.
    pub async fn begin(&mut self, id: Uuid, experiment: &Experiment, options: Options, common: &Common) {
        let deliverer = common.deliverer.clone();
        let before = deliverer.report_before(id, &options).await.unwrap_or_else(|error| {
            tracing::warn!("{error}");
            DeliveryReport::default()
        });
        self.start(DeliveryRequest { id, name: experiment.to_string(), deliverer, options }, before);
    }

    fn start(&mut self, request: DeliveryRequest, before: DeliveryReport) {
        match self.running.get_mut(&request.id) {
            Some(former) => {
                former.successor = Some(request);
                former.controller.stop();
            }
            None => self.spawn(request, watch::Sender::new(before)),
        }
    }

    fn spawn(&mut self, request: DeliveryRequest, report: watch::Sender<DeliveryReport>) {
        let (controller, control) = controls();
        if self.paused {
            controller.pause();
            tracing::info!("the delivery of {} begins when Pause reads Go", request.name);
        }
        let span = tracing::info_span!("delivery", experiment = request.name);
        let delivery = deliver(request.clone(), control, report.clone());
        let stop = controller.clone();
        let until_stopped = async move {
            tokio::select! {
                biased;
                outcome = delivery => outcome,
                () = stop.stopped() => Outcome::Aborted,
            }
        };
        let task = self.tasks.spawn_local(until_stopped.instrument(span)).id();
        self.running.insert(request.id, Running { task, controller, report, request, successor: None });
    }

    /// Continues all deliveries with new settings.
    pub fn restart(&mut self, deliverer: &Arc<Deliverer>) {
        let requests: Vec<_> = self.running.values().map(|running| running.request.clone()).collect();
        for request in requests {
            self.start(
                DeliveryRequest { deliverer: deliverer.clone(), ..request },
                DeliveryReport::default(),
            );
        }
    }

    /// The next delivery that ends; waits for ever where none runs. Cancel-safe.
    pub async fn ended(&mut self) -> (Uuid, Outcome) {
        loop {
            let (task, outcome) = match self.tasks.join_next_with_id().await {
                None => std::future::pending().await,
                Some(Ok((task, outcome))) => (task, outcome),
                Some(Err(error)) => (error.id(), outcome_of_error(&error)),
            };
            if let Some((id, outcome)) = self.take_ended(task, outcome) {
                return (id, outcome);
            }
        }
    }

    /// `None` where a successor has begun.
    fn take_ended(&mut self, task: task::Id, outcome: Outcome) -> Option<(Uuid, Outcome)> {
        let id = self.running.iter().find(|(_, running)| running.task == task).map(|(id, _)| *id)?;
        let ended = self.running.remove(&id)?;
        match ended.successor {
            Some(request) => {
                self.spawn(request, ended.report);
                None
            }
            None => Some((id, outcome)),
        }
    }

    /// The reports of this experiment's delivery, if one runs.
    pub fn report(&self, id: Uuid) -> Option<watch::Receiver<DeliveryReport>> {
        self.running.get(&id).map(|running| running.report.subscribe())
    }

    pub fn is_running(&self, id: Uuid) -> bool {
        self.running.contains_key(&id)
    }

    pub fn any(&self) -> bool {
        !self.running.is_empty()
    }

    pub fn pause(&mut self, paused: bool) {
        self.paused = paused;
        for running in self.running.values() {
            if paused { running.controller.pause() } else { running.controller.go_on() }
        }
    }

    /// Breaks off all deliveries. Messages that are being sent have `limit` to end, since nobody can check
    /// afterwards whether a message was sent. All else ends at once, as if the process was killed.
    pub async fn break_off(&mut self, limit: Duration) {
        for running in self.running.values() {
            running.controller.stop();
        }
        let all_ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(limit, all_ended).await.is_err() {
            tracing::warn!("a message was still being sent {limit:?} after the stop; it may arrive twice");
        }
        self.running.clear();
        self.tasks.shutdown().await;
    }

    /// Aborts all deliveries for good.
    pub fn abort(&self) {
        for running in self.running.values() {
            running.controller.abort();
        }
    }
}

/// Delivers, and retries while the delivery can't begin or can't be written to the journal for a transient
/// reason.
async fn deliver(
    request: DeliveryRequest,
    control: Control,
    report: watch::Sender<DeliveryReport>,
) -> Outcome {
    let mut reported = String::new();
    loop {
        let run = request.deliverer.run(request.id, &request.options, control.clone(), report.clone());
        let error = match run.await {
            Ok(outcome) => return outcome,
            Err(error) => error,
        };
        let message = error.to_string();
        if !error.is_transient() {
            tracing::error!("{message}");
            return Outcome::Failed { message };
        }
        // The journal has it as begun, so no other process resumes it.
        if reported != message {
            tracing::warn!("waiting: {message}");
            report.send_modify(|report| report.message.clone_from(&message));
            reported = message;
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

fn outcome_of_error(error: &task::JoinError) -> Outcome {
    if error.is_cancelled() {
        return Outcome::Aborted;
    }
    let message = format!("a fault of beamshare ({error}); please report it with the log");
    tracing::error!("a delivery ended by {message}");
    Outcome::Failed { message }
}
