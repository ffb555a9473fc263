//! People who join or leave an experiment after it was served, by the schedule or by hand.

use super::common::Common;
use super::deliveries::{Deliveries, DueDelivery};
use crate::config::Config;
use crate::delivery::{RefreshError, Refreshed};
use crate::domain::{Backoff, Step, StepStatus, Unit};
use crate::journal::{Cause, DeliveryState, ExperimentRow, JournalError, PersonSource};
use std::time::Duration;
use tokio::task::JoinSet;
use uuid::Uuid;

/// The first pause before an unreachable schedule is queried again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);

/// The backoff of queries to the schedule.
pub(super) const fn schedule_backoff() -> Backoff {
    Backoff::new(FIRST_PAUSE, LONGEST_PAUSE)
}

/// Queries the schedule about the people of the displayed group, and finds those who are still to be served.
#[derive(Default)]
pub(super) struct PeopleQueries {
    refreshes: JoinSet<PeopleRefresh>,
    /// When the schedule is queried next, and about which experiment
    next_refresh: Option<(Uuid, Backoff)>,
}

/// The schedule's answer about the people of an experiment.
pub(super) struct PeopleRefresh {
    id: Uuid,
    answer: Result<Refreshed, RefreshError>,
}

impl PeopleQueries {
    /// Starts a query about the group if one is due.
    pub fn refresh_when_due(&mut self, row: &ExperimentRow, common: &Common) {
        let id = row.id;
        let is_due = match &self.next_refresh {
            Some((about, backoff)) if *about == id => backoff.is_over(),
            _ => true,
        };
        if !is_due || !self.refreshes.is_empty() || !common.deliverer.serves_everyone() {
            return;
        }
        let (deliverer, row) = (common.deliverer.clone(), row.clone());
        self.refreshes
            .spawn_local(async move { PeopleRefresh { id, answer: deliverer.refresh_people(&row).await } });
    }

    /// The next answer; waits for ever where no query is under way. Cancel-safe.
    pub async fn refreshed(&mut self) -> PeopleRefresh {
        while let Some(refresh) = self.refreshes.join_next().await {
            if let Ok(refresh) = refresh {
                return refresh;
            }
        }
        std::future::pending().await
    }

    /// Schedules the next query after an answer or an attempt, and returns the deliveries that the answer
    /// makes necessary.
    pub async fn take(
        &mut self,
        refresh: PeopleRefresh,
        common: &Common,
        deliveries: &Deliveries,
    ) -> Result<Vec<DueDelivery>, JournalError> {
        let PeopleRefresh { id, answer } = refresh;
        match answer {
            Ok(_) => {
                self.queried(id, &common.config);
                // A delivery that failed since the schedule was unreachable can succeed now.
                let failed = common.journal.steps_of(id).await?.into_iter().any(|row| {
                    row.unit == Unit::Schedule
                        && row.status == StepStatus::Failed
                        && matches!(row.step, Step::Share | Step::Email)
                });
                if failed && !deliveries.is_running(id) {
                    return Ok(vec![DueDelivery { id, cause: Cause::Schedule }]);
                }
                Self::due(common, deliveries).await
            }
            Err(RefreshError::Journal(error)) => Err(error),
            Err(RefreshError::Schedule(error)) => {
                let before = self.next_refresh.take().filter(|(about, _)| *about == id);
                let mut backoff = before.map_or_else(schedule_backoff, |(_, backoff)| backoff);
                backoff.next_pause();
                tracing::warn!(
                    "can't query the schedule for the people of the proposal; trying again: {error}"
                );
                self.next_refresh = Some((id, backoff));
                Ok(vec![])
            }
        }
    }

    /// Schedules the next query, since a delivery or [`People`] has just queried the schedule about this
    /// experiment.
    pub fn queried(&mut self, id: Uuid, config: &Config) {
        let every = config.schedule.as_ref().map_or(LONGEST_PAUSE, |schedule| schedule.every);
        let mut backoff = schedule_backoff();
        backoff.pause_once(every);
        self.next_refresh = Some((id, backoff));
    }

    /// Drops queries that are under way.
    pub fn abort(&mut self) {
        self.refreshes = JoinSet::new();
    }

    /// The deliveries that people are owed who joined or left since they were last served. An experiment that
    /// waits for the operator (a hold, an abort) is left to Run, which serves these people too.
    pub async fn due(common: &Common, deliveries: &Deliveries) -> Result<Vec<DueDelivery>, JournalError> {
        let mut due = vec![];
        for (id, source) in common.journal.owed_people().await? {
            let cause = match source {
                // Where only the PI is served, the command that queried the schedule serves the others.
                PersonSource::Schedule
                    if common.auto != Some(true) || !common.deliverer.serves_everyone() =>
                {
                    continue;
                }
                PersonSource::Schedule => Cause::Schedule,
                PersonSource::Added => Cause::Users,
            };
            let last = common.journal.last_whole_delivery(id).await?.map(|last| last.state);
            let is_served = matches!(last, Some(DeliveryState::Done | DeliveryState::Failed));
            if is_served && !deliveries.is_running(id) {
                due.push(DueDelivery { id, cause });
            }
        }
        Ok(due)
    }
}
