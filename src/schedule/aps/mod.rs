//! The beam-time schedule of the Advanced Photon Source: a REST service with basic authentication.
//!
//! Two endpoints list a beamline's activities in a run. `schedule/findByRunNameAndScheduleName` is asked
//! first, as `dmagic` does: it has what is scheduled, also where the beamline is the group's second choice,
//! or the activity is not made final yet. Where the run has no schedule of the beamline's name,
//! `activity/findByRunNameAndBeamlineId` is asked.

mod answer;
mod http;

use super::{RunSchedule, ScheduleError, ScheduleSource};
use crate::config::ApsService;
use answer::{Activities, runs, schedule};
use async_trait::async_trait;
use http::{Answer, Service};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::time::Duration;

/// The APS scheduling service, asked about one beamline.
pub struct ApsSchedule {
    service: Service,
    beamline: String,
    zone: TimeZone,
}

impl ApsSchedule {
    /// The service as configured; times are shown in `zone`, the facility's.
    ///
    /// # Errors
    /// [`ScheduleError::Setup`].
    pub fn new(config: &ApsService, zone: TimeZone) -> Result<ApsSchedule, ScheduleError> {
        Ok(ApsSchedule { service: Service::new(config)?, beamline: config.beamline.clone(), zone })
    }

    /// How often a request is tried again that was not answered or with a 5xx, and after how long at first
    /// (twice that each time after); else twice, after a second.
    pub fn with_retries(mut self, retries: usize, delay: Duration) -> ApsSchedule {
        self.service.retries(retries, delay);
        self
    }

    /// The activities of the beamline in a run.
    async fn activities(&self, run: &str) -> Result<Activities, ScheduleError> {
        let scheduled =
            self.service.get(&["schedule", "findByRunNameAndScheduleName", run, &self.beamline]).await?;
        let found = match &scheduled {
            Answer::NotFound => None,
            Answer::Found { url, json } => Activities::of_schedules(url, json)?,
        };
        if let Some(activities) = found {
            return Ok(activities);
        }
        match self.service.get(&["activity", "findByRunNameAndBeamlineId", run, &self.beamline]).await? {
            Answer::Found { url, json } => Activities::of_beamline(&url, &json),
            Answer::NotFound if matches!(scheduled, Answer::NotFound) => {
                Err(ScheduleError::NoSuchBeamline { beamline: self.beamline.clone(), run: run.to_owned() })
            }
            Answer::NotFound => Ok(Activities::default()),
        }
    }
}

#[async_trait]
impl ScheduleSource for ApsSchedule {
    fn name(&self) -> String {
        format!("the schedule of {} at {}", self.beamline, self.service.url())
    }

    async fn around(&self, at: Timestamp) -> Result<RunSchedule, ScheduleError> {
        let (url, json) = match self.service.get(&["run", "getAllRuns"]).await? {
            Answer::Found { url, json } => (url, json),
            Answer::NotFound => {
                let reason = "it has no list of runs there (404)".to_owned();
                return Err(ScheduleError::Answer { url: self.service.url(), reason });
            }
        };
        let (runs, not_understood) = runs(&url, &json, &self.zone)?;
        let around = runs.into_iter().filter(|run| run.start.timestamp() <= at && at <= run.end.timestamp());
        let Some(run) = around.max_by_key(|run| run.start.timestamp()) else {
            // Between two runs nobody has beam.
            return Ok(RunSchedule { not_understood, ..RunSchedule::default() });
        };
        let activities = self.activities(&run.name).await?;
        Ok(schedule(run, &activities, &self.zone))
    }
}
