//! Checks a new experiment against the schedule.

use super::deliverer::Deliverer;
use crate::domain::Experiment;
use crate::domain::decision::Hold;
use crate::schedule::OnSchedule;
use jiff::Timestamp;
use std::time::Duration;

impl Deliverer {
    /// Why a new experiment is held: no entry of the schedule fits it, or the schedule does not answer within
    /// `limit`. `None` where no schedule is configured.
    pub async fn schedule_hold(&self, experiment: &Experiment, limit: Option<Duration>) -> Option<Hold> {
        let (source, settings) = (self.schedule.as_ref()?, self.config.schedule.as_ref()?);
        let now = Timestamp::now();
        let near = source.near(now, settings.grace);
        let near = match limit {
            None => Ok(near.await),
            Some(limit) => tokio::time::timeout(limit, near).await.map_err(|_| limit),
        };
        let answer = match near {
            Ok(Ok(schedule)) => schedule.check(experiment, now, settings.grace),
            Ok(Err(error)) => {
                tracing::warn!("{error}");
                OnSchedule::Unknown(error.brief())
            }
            Err(limit) => OnSchedule::Unknown(format!("no answer within {} s", limit.as_secs())),
        };
        match answer {
            OnSchedule::Yes => None,
            OnSchedule::No(why) => Some(Hold::approve(
                format!("Not on the schedule: {why}"),
                "Correct the schedule or tag again, or Approve if it is right",
            )),
            OnSchedule::Unknown(why) => Some(Hold::until_answered(
                format!("The schedule can't be asked whether they are on it ({why})"),
                "It is asked again; Approve if it is right",
            )),
        }
    }
}
