//! When access ends.
//!
//! All access to an experiment's data ends at one moment: `retention` after the end of the beam time where
//! the schedule has it, else after the first access. The starting point is recorded once, so a later delivery
//! does not change the day that users were given. Only another `retention` in the settings does.

use super::deliverer::Deliverer;
use super::execute::DeliveryRun;
use crate::domain::Booking;
use crate::journal::{ExperimentRow, JournalError};
use jiff::{SignedDuration, Timestamp};

impl Deliverer {
    fn retention(&self) -> Option<SignedDuration> {
        let retention = self.collection.as_ref()?.settings().retention?;
        Some(SignedDuration::try_from(retention).unwrap_or(SignedDuration::MAX))
    }

    /// When access ends that is counted from then; `None`: never.
    fn end_from(&self, from: Timestamp) -> Option<Timestamp> {
        Some(from.saturating_add(self.retention()?).unwrap_or(Timestamp::MAX))
    }

    /// When the experiment's access ends, or would if it were given now; `None`: never. Nothing is written
    /// down.
    pub(super) async fn would_end(
        &self,
        row: Option<&ExperimentRow>,
        booking: &Booking,
    ) -> Result<Option<Timestamp>, JournalError> {
        let known = match row {
            Some(row) => self.journal.counted_from(row.id).await?,
            None => None,
        };
        Ok(self.end_from(known.unwrap_or_else(|| counted_from(booking))))
    }

    /// The day, by the facility's clocks.
    pub(super) fn day(&self, at: Timestamp) -> String {
        at.to_zoned_datetime(self.config.beamline.zone()).strftime("%Y-%m-%d").to_string()
    }
}

/// In whole seconds, as Globus keeps it.
fn counted_from(booking: &Booking) -> Timestamp {
    let now = Timestamp::now();
    let from = booking.ends_at.map_or(now, |end| end.max(now));
    Timestamp::from_second(from.as_second()).unwrap_or(from)
}

impl DeliveryRun<'_> {
    /// When the access ends that is about to be given; `None`: never. From now on it is counted.
    pub(super) async fn ends(&self) -> Result<Option<Timestamp>, JournalError> {
        if self.deliverer.retention().is_none() {
            return Ok(None);
        }
        let journal = self.deliverer.journal();
        let from = match journal.counted_from(self.experiment.id).await? {
            Some(from) => from,
            None => journal.count_from(self.experiment.id, counted_from(self.booked().await?)).await?,
        };
        Ok(self.deliverer.end_from(from))
    }

    /// The day on which the experiment's access has ended, if it has: nothing is given or promised any more.
    pub(super) async fn has_ended(&self) -> Result<Option<String>, JournalError> {
        let from = self.deliverer.journal().counted_from(self.experiment.id).await?;
        let over = from.and_then(|from| self.deliverer.end_from(from)).filter(|end| *end <= Timestamp::now());
        Ok(over.map(|end| self.deliverer.day(end)))
    }
}
