//! How an operator interferes with a running delivery.

use tokio::sync::watch;

/// What the operator wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Wish {
    paused: bool,
    aborted: bool,
    /// Counts up each time somebody doesn't want to wait for the next attempt
    hurries: u64,
}

/// The operator's side of a delivery; see [`controls`].
#[derive(Clone, Debug)]
pub struct Controller(watch::Sender<Wish>);

/// The delivery's side.
#[derive(Clone, Debug)]
pub struct Control(watch::Receiver<Wish>);

/// The operator stopped the delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Aborted;

/// The two sides of one delivery's control. Dropping the operator's side lets the delivery go on by itself.
pub fn controls() -> (Controller, Control) {
    let (sender, receiver) = watch::channel(Wish::default());
    (Controller(sender), Control(receiver))
}

impl Controller {
    /// Begins nothing new until [`Controller::go_on`]; what is under way ends first.
    pub fn pause(&self) {
        self.0.send_modify(|wish| wish.paused = true);
    }

    /// Goes on after a pause.
    pub fn go_on(&self) {
        self.0.send_modify(|wish| wish.paused = false);
    }

    /// Stops the delivery for good. What was done stays done, and is in the journal.
    pub fn abort(&self) {
        self.0.send_modify(|wish| wish.aborted = true);
    }

    /// Tries again at once what waits for its next attempt.
    pub fn hurry(&self) {
        self.0.send_modify(|wish| wish.hurries += 1);
    }
}

impl Control {
    /// Waits while paused. `on_pause` is called if it has to.
    pub(super) async fn go(&mut self, on_pause: impl FnOnce()) -> Result<(), Aborted> {
        let mut on_pause = Some(on_pause);
        loop {
            let wish = *self.0.borrow_and_update();
            if wish.aborted {
                return Err(Aborted);
            }
            if !wish.paused {
                return Ok(());
            }
            if let Some(on_pause) = on_pause.take() {
                on_pause();
            }
            if self.0.changed().await.is_err() {
                // Nobody is left who could end the pause.
                return Ok(());
            }
        }
    }

    /// Ends when the delivery is aborted, and otherwise never.
    pub(super) async fn aborted(&mut self) -> Aborted {
        if self.0.wait_for(|wish| wish.aborted).await.is_err() {
            std::future::pending::<()>().await;
        }
        Aborted
    }

    /// Ends when somebody doesn't want to wait any longer, or aborts.
    pub(super) async fn hurried(&mut self) {
        let before = self.0.borrow().hurries;
        if self.0.wait_for(|wish| wish.aborted || wish.hurries > before).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
