//! The schedule's data on a group's beam time, for messages and hooks.
//!
//! Each delivery asks once and keeps the answer. If none comes in time, the previous answer is used, or none:
//! a slow schedule never delays the link by more than 10 s.

use super::deliverer::Deliverer;
use super::execute::DeliveryRun;
use crate::domain::{Booking, Experiment};
use crate::journal::{ExperimentRow, JournalError};
use crate::mail::MessageContext;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// How long a delivery waits for the schedule's answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// For how long an answer is good enough not to ask again.
const FRESH: SignedDuration = SignedDuration::from_mins(10);

impl Deliverer {
    /// The schedule's answer now; `None` where no schedule is configured, it doesn't answer in time, or it
    /// doesn't list the group.
    pub(super) async fn ask_booking(&self, experiment: &Experiment) -> Option<Booking> {
        let (source, settings) = (self.schedule.as_ref()?, self.config.schedule.as_ref()?);
        let now = Timestamp::now();
        let why = match tokio::time::timeout(PATIENCE, source.near(now, settings.grace)).await {
            Ok(Ok(schedule)) => match schedule.of_group(experiment, now, settings.grace) {
                Ok(beam_time) => return Some(Booking::from(beam_time)),
                Err(why) => why,
            },
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("{} has not answered for {PATIENCE:?}", source.name()),
        };
        tracing::warn!(%experiment, "messages have no new data of the schedule: {why}");
        None
    }

    /// The schedule's latest answer for an accepted experiment.
    async fn booking(&self, row: &ExperimentRow) -> Result<Booking, JournalError> {
        let known = self.journal.booking(row.id).await?;
        match known {
            Some((known, heard_at)) if Timestamp::now().duration_since(heard_at) < FRESH => Ok(known),
            known => match self.ask_booking(&row.experiment).await {
                Some(booking) => {
                    self.journal.set_booking(row.id, &booking).await?;
                    Ok(booking)
                }
                None => Ok(known.map(|(known, _)| known).unwrap_or_default()),
            },
        }
    }
}

impl DeliveryRun<'_> {
    /// The values for this delivery's messages and hooks. The schedule is asked once.
    pub(super) async fn context(&self) -> Result<MessageContext, JournalError> {
        let booking = self.booked().await?.clone();
        let ends = self.deliverer.would_end(Some(self.experiment), &booking).await?;
        let context = self.deliverer.message_context(&self.experiment.experiment, &self.paths[0], ends);
        Ok(context.with_booking(booking))
    }

    /// The schedule's data on the beam time.
    pub(super) async fn booked(&self) -> Result<&Booking, JournalError> {
        self.booking.get_or_try_init(|| self.deliverer.booking(self.experiment)).await
    }
}
