//! Stopping or leaving a run: by an operator, or at the end of the program.

use tokio::sync::watch;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ControlState {
    #[default]
    Go,
    Finish,
    Leave,
    Stop,
}

/// The caller's side; see [`controls`]. If it is dropped, the run continues by itself.
#[derive(Clone, Debug)]
pub struct Controller(watch::Sender<ControlState>);

/// The run's side.
#[derive(Clone, Debug)]
pub struct Control(watch::Receiver<ControlState>);

/// The two sides of one run's control.
pub fn controls() -> (Controller, Control) {
    let (sender, receiver) = watch::channel(ControlState::Go);
    (Controller(sender), Control(receiver))
}

impl Controller {
    /// Stops the run for good: its task is cancelled, and nothing starts again until a run by hand.
    pub fn stop(&self) {
        self.0.send_replace(ControlState::Stop);
    }

    /// Lets no further task begin: the run ends as left when its present task has ended.
    pub fn finish(&self) {
        self.0.send_if_modified(|state| {
            let goes = *state == ControlState::Go;
            *state = if goes { ControlState::Finish } else { *state };
            goes
        });
    }

    /// Ends the run without its task: the task continues at Globus, and the next run follows it.
    pub fn leave(&self) {
        self.0.send_if_modified(|state| {
            let goes = matches!(*state, ControlState::Go | ControlState::Finish);
            *state = if goes { ControlState::Leave } else { *state };
            goes
        });
    }
}

impl Control {
    pub(super) fn is_stopped(&self) -> bool {
        *self.0.borrow() == ControlState::Stop
    }

    /// Whether no further task may start.
    pub(super) fn is_left(&self) -> bool {
        matches!(*self.0.borrow(), ControlState::Leave | ControlState::Finish)
    }

    /// Returns when the run is stopped or left.
    pub(super) async fn interfered(&mut self) {
        if self.0.wait_for(|state| matches!(state, ControlState::Leave | ControlState::Stop)).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
