use super::common::Common;
use jiff::Timestamp;
use std::time::Duration;
use tokio::task::JoinSet;
use tracing::Instrument;

/// The number of heartbeats between two searches for due reminders.
const INTERVAL: u32 = 10 * 60;

/// Reminds people that their access ends. Reminders that fell due while the service was down are sent after
/// its start.
#[derive(Default)]
pub(super) struct Reminders {
    sending: JoinSet<()>,
    /// Heartbeats until the next search
    countdown: u32,
}

impl Reminders {
    /// Sends the reminders that are due, unless this was done lately. Call it at each heartbeat. A reminder
    /// that can't be sent stays due.
    pub fn send_when_due(&mut self, common: &Common, may_send: bool) {
        self.countdown = self.countdown.saturating_sub(1);
        while self.sending.try_join_next().is_some() {}
        if self.countdown > 0 || !may_send || !self.sending.is_empty() {
            return;
        }
        self.countdown = INTERVAL;
        let deliverer = common.deliverer.clone();
        let send = async move {
            if let Err(error) = deliverer.remind(Timestamp::now()).await {
                tracing::warn!("can't remind people whose access ends; trying again in ten minutes: {error}");
            }
        };
        self.sending.spawn_local(send.in_current_span());
    }

    /// Breaks off the reminders that are being sent.
    pub fn abort(&mut self) {
        self.sending.abort_all();
    }

    /// Waits until the reminders that are being sent have ended, at most for `limit`.
    pub async fn finish(&mut self, limit: Duration) {
        let ended = async { while self.sending.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(limit, ended).await;
    }
}
