//! How an operator, or the end of the program, interferes with a run.

use tokio::sync::watch;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Wish {
    #[default]
    Go,
    Finish,
    Leave,
    Stop,
}

/// The side of whoever started the run; see [`controls`]. Dropping it lets the run go on by itself.
#[derive(Clone, Debug)]
pub struct Controller(watch::Sender<Wish>);

/// The run's side.
#[derive(Clone, Debug)]
pub struct Control(watch::Receiver<Wish>);

/// The two sides of one run's control.
pub fn controls() -> (Controller, Control) {
    let (sender, receiver) = watch::channel(Wish::Go);
    (Controller(sender), Control(receiver))
}

impl Controller {
    /// Stops the run for good: its task is cancelled, and nothing starts again until a run by hand.
    pub fn stop(&self) {
        self.0.send_replace(Wish::Stop);
    }

    /// Lets no further task begin: the run ends as left when its present task has ended.
    pub fn finish(&self) {
        self.0.send_if_modified(|wish| {
            let goes = *wish == Wish::Go;
            *wish = if goes { Wish::Finish } else { *wish };
            goes
        });
    }

    /// Ends the following of the run: its task goes on at Globus, and the next run follows it.
    pub fn leave(&self) {
        self.0.send_if_modified(|wish| {
            let goes = matches!(*wish, Wish::Go | Wish::Finish);
            *wish = if goes { Wish::Leave } else { *wish };
            goes
        });
    }
}

impl Control {
    pub(super) fn is_stopped(&self) -> bool {
        *self.0.borrow() == Wish::Stop
    }

    /// Nothing further is to begin.
    pub(super) fn is_left(&self) -> bool {
        matches!(*self.0.borrow(), Wish::Leave | Wish::Finish)
    }

    /// Ends when somebody interferes, and otherwise never.
    pub(super) async fn interfered(&mut self) {
        if self.0.wait_for(|wish| matches!(wish, Wish::Leave | Wish::Stop)).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
