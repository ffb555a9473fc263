//! Who came to the experiment's people or left them after it was served, by the schedule or by hand.

use super::beamline::{Beamline, WHO};
use super::situation::Situation;
use crate::delivery::{Options, RefreshError, Refreshed};
use crate::domain::{Backoff, Step, StepStatus, Unit};
use crate::journal::{Cause, DeliveryState, JournalError, PersonSource};
use std::time::Duration;
use uuid::Uuid;

/// The first pause before an unreachable schedule is asked again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);

/// The backoff of questions to the schedule.
pub(super) const fn schedule_backoff() -> Backoff {
    Backoff::new(FIRST_PAUSE, LONGEST_PAUSE)
}

/// What the schedule has said about an experiment's people.
pub(super) struct Asked {
    id: Uuid,
    answer: Result<Refreshed, RefreshError>,
}

impl Beamline {
    /// Asks the schedule about the people of the group on the screen, every so often.
    pub(super) fn ask_about_people_when_due(&mut self) {
        let Situation::Served(id) = self.situation else { return };
        let Some(row) = self.shown.as_ref().filter(|shown| shown.row.id == id).map(|shown| shown.row.clone())
        else {
            return;
        };
        let is_due = match &self.next_asking {
            Some((about, backoff)) if *about == id => backoff.is_over(),
            _ => true,
        };
        let may = self.auto == Some(true) && !self.paused && self.deliverer.serves_everyone();
        if !may || !is_due || !self.asking.is_empty() || self.deliveries.is_running(id) {
            return;
        }
        let deliverer = self.deliverer.clone();
        self.asking.spawn_local(async move { Asked { id, answer: deliverer.refresh_people(&row).await } });
    }

    /// A delivery, or the service itself, has asked about this experiment.
    pub(super) fn asked_lately(&mut self, id: Uuid) {
        let every = self.config.schedule.as_ref().map_or(LONGEST_PAUSE, |schedule| schedule.every);
        let mut backoff = schedule_backoff();
        backoff.pause_once(every);
        self.next_asking = Some((id, backoff));
    }

    pub(super) async fn asked(&mut self, asked: Asked) -> Result<(), JournalError> {
        let Asked { id, answer } = asked;
        match answer {
            Ok(_) => {
                self.asked_lately(id);
                // A delivery that could not ask has failed for that: it is mended.
                let failed = self.journal.steps_of(id).await?.into_iter().any(|row| {
                    row.unit == Unit::Schedule
                        && row.status == StepStatus::Failed
                        && matches!(row.step, Step::Share | Step::Email)
                });
                if failed && !self.deliveries.is_running(id) {
                    return self.deliver_beside(id, Cause::Schedule).await;
                }
                self.serve_owed().await
            }
            Err(RefreshError::Journal(error)) => Err(error),
            Err(RefreshError::Schedule(error)) => {
                let before = self.next_asking.take().filter(|(about, _)| *about == id);
                let mut backoff = before.map_or_else(schedule_backoff, |(_, backoff)| backoff);
                backoff.next_pause();
                tracing::warn!("can't ask who is on the proposal; asking again: {error}");
                self.next_asking = Some((id, backoff));
                Ok(())
            }
        }
    }

    /// Begins what is owed to people who came or went since they were last served. What waits for the
    /// operator (a hold, an abort) goes on with Run, which serves them too.
    pub(super) async fn serve_owed(&mut self) -> Result<(), JournalError> {
        if !self.serves {
            return Ok(());
        }
        for (id, source) in self.journal.owed_people().await? {
            let cause = match source {
                // Where the PI alone is served, whoever has asked by hand for the others serves them.
                PersonSource::Schedule if self.auto != Some(true) || !self.deliverer.serves_everyone() => {
                    continue;
                }
                PersonSource::Schedule => Cause::Schedule,
                PersonSource::Added => Cause::Users,
            };
            let last = self.journal.last_whole_delivery(id).await?.map(|last| last.state);
            let is_served = matches!(last, Some(DeliveryState::Done | DeliveryState::Failed));
            if is_served && !self.deliveries.is_running(id) {
                self.deliver_beside(id, cause).await?;
            }
        }
        Ok(())
    }

    /// Leaves the screen to the group that is on it.
    pub(super) async fn deliver_beside(&mut self, id: Uuid, cause: Cause) -> Result<(), JournalError> {
        let Some(row) = self.journal.experiment(id).await? else { return Ok(()) };
        self.begin(id, &row.experiment, Options::all(cause, WHO)).await;
        if self.shown.as_ref().is_some_and(|shown| shown.row.id == id) {
            self.show_experiment(id).await?;
        }
        Ok(())
    }
}
