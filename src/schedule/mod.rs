//! Who is on the proposal: the facility's beam-time schedule.
//!
//! [`open`] gives the [`ScheduleSource`] that the configuration names: the APS scheduling service
//! ([`ApsSchedule`]), a file kept by hand ([`FileSchedule`]), or none. Its answer, a [`RunSchedule`], is
//! plain data: whose [`BeamTime`] a moment is in, who is on that proposal, and who of them can be reached.
//! [`tag`] puts it to the user-info PVs, [`show`] prints it.

mod aps;
mod beam_time;
mod booking;
mod error;
mod experimenter;
mod file;
mod group;
pub mod show;
pub mod tag;
mod text;
mod time;

pub use aps::ApsSchedule;
pub use beam_time::{BeamTime, Proposal, Run, RunSchedule};
pub use error::ScheduleError;
pub use experimenter::{Contact, Experimenter};
pub use file::FileSchedule;
pub use group::OnSchedule;

use crate::config::{Config, Schedule, ScheduleFrom};
use async_trait::async_trait;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, ZonedDateTime};
use std::sync::Arc;
use std::time::Duration;

/// Somewhere that knows whose beam time it is.
///
/// Each call asks anew: proposals gain and lose people between calls. An answer that may be wrong is an
/// error: who shares data by it must rather wait.
#[async_trait]
pub trait ScheduleSource: Send + Sync {
    /// What it is, for messages: `the schedule in users.toml`.
    fn name(&self) -> String;

    /// What is scheduled in the run around `at`.
    ///
    /// # Errors
    /// [`ScheduleError`], within the limits of time of the configuration.
    async fn around(&self, at: Timestamp) -> Result<RunSchedule, ScheduleError>;

    /// What is scheduled within `grace` of `at`, also where that reaches into the run before or after.
    ///
    /// # Errors
    /// As [`around`](Self::around).
    async fn near(&self, at: Timestamp, grace: Duration) -> Result<RunSchedule, ScheduleError> {
        let mut here = self.around(at).await?;
        let grace = SignedDuration::try_from(grace).unwrap_or(SignedDuration::MAX);
        let ends = [
            at.saturating_sub(grace).unwrap_or(Timestamp::MIN),
            at.saturating_add(grace).unwrap_or(Timestamp::MAX),
        ];
        for end in ends {
            let is_here = match &here.run {
                Some(run) => run.start.timestamp() <= end && end <= run.end.timestamp(),
                None => !here.beam_times.is_empty(), // a schedule without runs
            };
            if !is_here {
                let there = match self.around(end).await {
                    // The next run's schedule is not made yet.
                    Err(ScheduleError::NoSuchBeamline { .. }) => continue,
                    there => there?,
                };
                for beam_time in there.beam_times {
                    if !here.beam_times.contains(&beam_time) {
                        here.beam_times.push(beam_time);
                    }
                }
                for entry in there.not_understood {
                    if !here.not_understood.contains(&entry) {
                        here.not_understood.push(entry);
                    }
                }
            }
        }
        here.beam_times.sort_by_key(|beam_time| beam_time.start.timestamp());
        Ok(here)
    }

    /// Whose beam time `at` is in; `None` where nobody is scheduled.
    ///
    /// # Errors
    /// As [`around`](Self::around) and [`RunSchedule::current`].
    async fn current(&self, at: Timestamp) -> Result<Option<BeamTime>, ScheduleError> {
        Ok(self.around(at).await?.current(at)?.cloned())
    }
}

/// The schedule that the configuration names; `None` where it names none.
///
/// # Errors
/// Where HTTP can't be set up. The schedule itself is not asked yet.
pub fn open(config: &Config) -> Result<Option<Arc<dyn ScheduleSource>>, ScheduleError> {
    let Some(Schedule { from, .. }) = &config.schedule else { return Ok(None) };
    let zone = config.beamline.zone();
    Ok(Some(match from {
        ScheduleFrom::Aps(service) => Arc::new(ApsSchedule::new(service, zone)?),
        ScheduleFrom::File { path } => Arc::new(FileSchedule::new(path, zone)),
    }))
}

/// Now, or so many days from now at the same time of day (`--set ±days`), by the facility's clocks.
///
/// # Errors
/// [`ScheduleError::Days`] beyond the calendar.
pub fn moment(zone: TimeZone, days: i32) -> Result<ZonedDateTime, ScheduleError> {
    let now = Timestamp::now().to_zoned_datetime(zone);
    let span = Span::new().try_days(days).map_err(|_| ScheduleError::Days { days })?;
    now.checked_add(span).map_err(|_| ScheduleError::Days { days })
}
