//! Reminders that access ends: looked for every so often, so also those that came due while the service was
//! down.

use super::beamline::Beamline;
use jiff::Timestamp;
use tracing::Instrument;

/// How many heartbeats lie between two looks.
const BEATS: u32 = 10 * 60;

impl Beamline {
    /// Sends the reminders that are due. One that can't be sent now is due again at the next look.
    pub(super) fn remind_when_due(&mut self) {
        self.next_reminding = self.next_reminding.saturating_sub(1);
        if self.next_reminding > 0 || self.paused || self.auto.is_none() || !self.reminding.is_empty() {
            return;
        }
        self.next_reminding = BEATS;
        let deliverer = self.deliverer.clone();
        let remind = async move {
            if let Err(error) = deliverer.remind(Timestamp::now()).await {
                tracing::warn!("can't remind of access that ends; trying again in ten minutes: {error}");
            }
        };
        self.reminding.spawn_local(remind.in_current_span());
    }
}
