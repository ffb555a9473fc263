//! The operator's control over a running delivery.

use std::sync::Arc;
use tokio::sync::watch;

/// The operator's requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ControlState {
    paused: bool,
    aborted: bool,
    /// The delivery is to be broken off as soon as it is not sending a message
    stopping: bool,
    /// Counts the requests to start the next attempts at once
    hurries: u64,
}

/// The operator's side of a delivery; see [`controls`].
#[derive(Clone, Debug)]
pub struct Controller {
    state: watch::Sender<ControlState>,
    sending: Arc<watch::Sender<usize>>,
}

/// The delivery's side.
#[derive(Clone, Debug)]
pub struct Control {
    state: watch::Receiver<ControlState>,
    /// The number of messages being sent, from the first command to the mail server to the row with the
    /// result
    sending: Arc<watch::Sender<usize>>,
}

/// A message is being sent as long as this exists.
pub(super) struct Sending(Arc<watch::Sender<usize>>);

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// The operator stopped the delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Aborted;

/// The two sides of one delivery's control. If the operator's side is dropped, the delivery continues by
/// itself.
pub fn controls() -> (Controller, Control) {
    let (sender, receiver) = watch::channel(ControlState::default());
    let sending = Arc::new(watch::Sender::new(0));
    (Controller { state: sender, sending: sending.clone() }, Control { state: receiver, sending })
}

impl Controller {
    /// Begins nothing new until [`Controller::go_on`]. Attempts under way end first.
    pub fn pause(&self) {
        self.state.send_modify(|state| state.paused = true);
    }

    /// Continues after a pause.
    pub fn go_on(&self) {
        self.state.send_modify(|state| state.paused = false);
    }

    /// Stops the delivery for good. Completed effects stay, and are in the journal.
    pub fn abort(&self) {
        self.state.send_modify(|state| state.aborted = true);
    }

    /// Begins nothing new, for good. Once no message is under way ([`Controller::stopped`]), the delivery can
    /// be broken off.
    pub fn stop(&self) {
        self.state.send_modify(|state| state.stopping = true);
    }

    /// Ends when the delivery is to stop and no message is being sent, since nobody can check afterwards
    /// whether one was sent.
    pub async fn stopped(&self) {
        // Both senders are our own, so neither wait fails.
        let _ = self.state.subscribe().wait_for(|state| state.stopping).await;
        let _ = self.sending.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Starts the next attempts at once.
    pub fn hurry(&self) {
        self.state.send_modify(|state| state.hurries += 1);
    }
}

impl Control {
    /// Waits while paused. `on_pause` is called if it has to.
    pub(super) async fn go(&mut self, on_pause: impl FnOnce()) -> Result<(), Aborted> {
        let mut on_pause = Some(on_pause);
        loop {
            let state = *self.state.borrow_and_update();
            if state.aborted {
                return Err(Aborted);
            }
            if !state.paused && !state.stopping {
                return Ok(());
            }
            if state.paused
                && let Some(on_pause) = on_pause.take()
            {
                on_pause();
            }
            if self.state.changed().await.is_err() {
                // The operator's side is gone, so nobody can end the pause.
                return Ok(());
            }
        }
    }

    /// Keeps the delivery from being broken off until the result is dropped.
    pub(super) fn sending(&self) -> Sending {
        self.sending.send_modify(|count| *count += 1);
        Sending(self.sending.clone())
    }

    /// Ends when the delivery is aborted, and otherwise never.
    pub(super) async fn aborted(&mut self) -> Aborted {
        if self.state.wait_for(|state| state.aborted).await.is_err() {
            std::future::pending::<()>().await;
        }
        Aborted
    }

    /// Ends when the next attempt is to start at once, or the delivery is aborted.
    pub(super) async fn hurried(&mut self) {
        let before = self.state.borrow().hurries;
        if self.state.wait_for(|state| state.aborted || state.hurries > before).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
