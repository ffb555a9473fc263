//! Carrying tasks out: rounds over what is left to do, with faults retried until the deadline, as the service
//! does.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

pub(crate) mod checksum;
mod copy;
mod erase;
mod walk;
mod work;

use crate::faults::TaskOrder;
use crate::state::task::{Kind, Nice, Status, Task, described};
use crate::state::{Notification, World};
use work::{Round, Work};

/// What went wrong with one file. Most are retried, since an operator can put them right meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct Trouble {
    pub code: &'static str,
    pub details: String,
    /// Lies with the source, so that `skip_source_errors` skips it.
    pub at_source: bool,
}

/// Starts a task in the background; it ends with the simulator.
pub(crate) fn start(world: &Arc<World>, id: Uuid, order: Option<TaskOrder>) {
    tokio::spawn(run(world.clone(), id, order));
}

async fn run(world: Arc<World>, id: Uuid, order: Option<TaskOrder>) {
    let Some(mut stop) = world.state().tasks.get(&id).map(|task| task.stop.subscribe()) else {
        return;
    };
    let mut closing = world.closing.subscribe();
    tokio::select! {
        () = carry_out(&world, id, order) => {}
        _ = stop.wait_for(|stop| *stop) => {}
        () = expired(&world, id) => end(&world, id, Status::Failed, Some(("DEADLINE_EXPIRED", "deadline expired"))),
        // Its directories may be gone in a moment; nothing more is to be said about it.
        _ = closing.wait_for(|closing| *closing) => return,
    }
    notify(&world, id);
}

/// Returns when the deadline has passed; it may be moved meanwhile.
async fn expired(world: &World, id: Uuid) {
    loop {
        let left = match world.state().tasks.get(&id) {
            Some(task) => task.deadline.as_millisecond() - Timestamp::now().as_millisecond(),
            None => return,
        };
        let Ok(left) = u64::try_from(left) else { return };
        if left == 0 {
            return;
        }
        // At most so long, then a look whether it was moved nearer.
        tokio::time::sleep(Duration::from_millis(left.min(100))).await;
    }
}

fn with<T>(world: &World, id: Uuid, change: impl FnOnce(&mut Task) -> T) -> Option<T> {
    world.state().tasks.get_mut(&id).map(change)
}

fn end(world: &World, id: Uuid, status: Status, fatal: Option<(&str, &str)>) {
    with(world, id, |task| task.end(status, fatal));
}

async fn carry_out(world: &Arc<World>, id: Uuid, order: Option<TaskOrder>) {
    let began = Instant::now();
    with(world, id, |task| {
        let details =
            "{\n  \"type\": \"GridFTP Transfer\", \n  \"concurrency\": 2, \n  \"protocol\": \"Mode S\"\n}";
        let details = match task.kind {
            Kind::Transfer => details.to_owned(),
            Kind::Delete => "{\n  \"type\": \"GridFTP Delete\"\n}".to_owned(),
        };
        task.event("STARTED", "started", details, false);
    });
    match order {
        Some(TaskOrder::Fail(code)) => {
            with(world, id, |task| task.counts.faults += 1);
            end(world, id, Status::Failed, Some((&code, &described(&code))));
            return;
        }
        Some(TaskOrder::Stall) => {
            with(world, id, |task| {
                let details =
                    "Error (connect)\nServer: 127.0.0.1:443\nMessage: stalled by order of a fault\n";
                task.counts.faults += 1;
                task.counts.retrying = task.counts.total;
                task.event("CONNECT_FAILED", "connect failed", details.to_owned(), true);
                task.nice = Some(Nice { code: "CONNECT_FAILED".to_owned(), details: details.to_owned() });
            });
            std::future::pending::<()>().await;
        }
        Some(TaskOrder::Pause(message)) => held(world, id, "PAUSED_BY_ADMIN", Some(&message)).await,
        Some(TaskOrder::Inactive) => held(world, id, "CREDENTIALS_EXPIRED", None).await,
        None => {}
    }
    let (least, pause) = {
        let limits = &world.state().limits;
        (limits.task_time(), Duration::from_millis(limits.retry_milliseconds.max(1)))
    };
    let Some(mut work) = Work::new(world, id) else {
        return;
    };
    loop {
        // Dropping this future stops the thread too, at its next look at `stop`.
        let round = tokio::task::spawn_blocking(move || {
            let round = work.round();
            (work, round)
        });
        let Ok((back, round)) = round.await else {
            end(world, id, Status::Failed, Some(("INTERNAL_ERROR", "internal error")));
            return;
        };
        work = back;
        match round {
            Round::Finished => break,
            Round::Failed(code) => {
                end(world, id, Status::Failed, Some((code, &described(code))));
                return;
            }
            Round::Again => tokio::time::sleep(pause).await,
            Round::Stopped => return,
        }
    }
    tokio::time::sleep_until(began + least).await;
    with(world, id, |task| {
        let details = format!("{{\n  \"files_succeeded\": {}\n}}", task.counts.files_transferred);
        task.event("PROGRESS", "progress", details, false);
        task.end(Status::Succeeded, None);
    });
}

/// Holds the task, and returns when it is let go.
async fn held(world: &World, id: Uuid, code: &str, message: Option<&str>) {
    with(world, id, |task| task.hold(code, message));
    while with(world, id, |task| task.held()).unwrap_or(false) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The e-mail at the end of a task.
fn notify(world: &World, id: Uuid) {
    let mut state = world.state();
    let Some(task) = state.tasks.get(&id) else {
        return;
    };
    let wanted = match task.status {
        Status::Succeeded => task.options.notify_on_succeeded,
        Status::Failed => task.options.notify_on_failed,
        Status::Active | Status::Inactive => false,
    };
    let label = task.label.clone().unwrap_or_else(|| id.to_string());
    let word = task.status.name();
    let to = state.identities.get(&task.owner).and_then(|identity| identity.email.clone());
    if let (true, Some(to)) = (wanted, to) {
        state.notifications.push(Notification {
            to,
            subject: format!("{word} - {label}"),
            text: format!("Task ID: {id}\nStatus: {word}\n"),
        });
    }
}

/// Whether a task was told to stop.
#[derive(Clone)]
struct Stop {
    task: watch::Receiver<bool>,
    closing: watch::Receiver<bool>,
}

impl Stop {
    fn now(&self) -> bool {
        *self.task.borrow() || *self.closing.borrow()
    }
}
