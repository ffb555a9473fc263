use crate::delivery::{Controller, Deliverer, DeliveryReport, Options, Outcome, controls};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{self, JoinSet};
use tracing::Instrument;
use uuid::Uuid;

/// How long a delivery waits that can't begin, or can't be written down, before it is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// The deliveries under way, at most one an experiment.
pub(super) struct Deliveries {
    running: HashMap<Uuid, Running>,
    tasks: JoinSet<Outcome>,
    paused: bool,
}

struct Running {
    task: task::Id,
    controller: Controller,
    report: watch::Sender<DeliveryReport>,
    order: Order,
    /// What begins when this one has ended: the experiment's lock is free only then
    successor: Option<Order>,
}

/// What is asked of a delivery.
#[derive(Clone)]
pub(super) struct Order {
    /// The experiment's id
    pub id: Uuid,
    /// The experiment as the log names it
    pub name: String,
    pub deliverer: Arc<Deliverer>,
    pub options: Options,
}

impl Deliveries {
    /// None yet. Until [`Deliveries::pause`] says how the operator's switch stands, nothing of one begins: it
    /// may have been paused when the service ended.
    pub fn new() -> Deliveries {
        Deliveries { running: HashMap::new(), tasks: JoinSet::new(), paused: true }
    }

    /// Begins a delivery. One of the same experiment that is under way is broken off once no message of it is
    /// under way; what it owes is part of the new one, since the journal knows how far it came. `before` is
    /// what is shown until it has looked.
    pub fn start(&mut self, order: Order, before: DeliveryReport) {
        match self.running.get_mut(&order.id) {
            Some(former) => {
                former.successor = Some(order);
                former.controller.stop();
            }
            None => self.spawn(order, watch::Sender::new(before)),
        }
    }

    fn spawn(&mut self, order: Order, report: watch::Sender<DeliveryReport>) {
        let (controller, control) = controls();
        if self.paused {
            controller.pause();
            tracing::info!("the delivery of {} begins when Pause reads Go", order.name);
        }
        let span = tracing::info_span!("delivery", experiment = order.name);
        let (its, sender, stop) = (order.clone(), report.clone(), controller.clone());
        let delivery = async move {
            let mut told = String::new();
            loop {
                let error =
                    match its.deliverer.run(its.id, &its.options, control.clone(), sender.clone()).await {
                        Ok(outcome) => return outcome,
                        Err(error) => error,
                    };
                let message = error.to_string();
                if !error.is_transient() {
                    tracing::error!("{message}");
                    return Outcome::Failed { message };
                }
                // It is in the journal as begun, so nobody else would go on with it.
                if told != message {
                    tracing::warn!("waiting: {message}");
                    sender.send_modify(|report| report.message.clone_from(&message));
                    told = message;
                }
                tokio::time::sleep(TRY_AGAIN).await;
            }
        };
        let until_stopped = async move {
            tokio::select! {
                biased;
                outcome = delivery => outcome,
                () = stop.stopped() => Outcome::Aborted,
            }
        };
        let task = self.tasks.spawn_local(until_stopped.instrument(span)).id();
        self.running.insert(order.id, Running { task, controller, report, order, successor: None });
    }

    /// Goes on with all of them under new settings.
    pub fn restart(&mut self, deliverer: &Arc<Deliverer>) {
        let orders: Vec<_> = self.running.values().map(|running| running.order.clone()).collect();
        for order in orders {
            self.start(Order { deliverer: deliverer.clone(), ..order }, DeliveryReport::default());
        }
    }

    /// The next delivery that ends; waits for ever where none runs. Cancel-safe.
    pub async fn ended(&mut self) -> (Uuid, Outcome) {
        loop {
            let (task, outcome) = match self.tasks.join_next_with_id().await {
                None => std::future::pending().await,
                Some(Ok((task, outcome))) => (task, outcome),
                Some(Err(error)) => (error.id(), fault(&error)),
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
            Some(order) => {
                self.spawn(order, ended.report);
                None
            }
            None => Some((id, outcome)),
        }
    }

    /// What the delivery of this experiment has come to, if one runs.
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

    /// Breaks all of them off. Messages that are under way have `limit` to end: whether one was sent can't be
    /// looked at afterwards. Everything else ends at once, as by a kill.
    pub async fn break_off(&mut self, limit: Duration) {
        for running in self.running.values() {
            running.controller.stop();
        }
        let all_ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(limit, all_ended).await.is_err() {
            tracing::warn!("a message was under way for {limit:?} after the stop; it may arrive twice");
        }
        self.running.clear();
        self.tasks.shutdown().await;
    }

    /// Ends all of them for good.
    pub fn abort(&self) {
        for running in self.running.values() {
            running.controller.abort();
        }
    }
}

fn fault(error: &task::JoinError) -> Outcome {
    if error.is_cancelled() {
        return Outcome::Aborted;
    }
    let message = format!("a fault of beamshare ({error}); please report it with the log");
    tracing::error!("a delivery ended by {message}");
    Outcome::Failed { message }
}
