//! Who is on the proposal: the facility's beam-time schedule.
//!
//! [`open`] gives the [`ScheduleSource`] that the configuration names: the APS scheduling service ([`ApsSchedule`]), a file
//! kept by hand ([`FileSchedule`]), or none. Its answer, a [`RunSchedule`], is plain data: whose [`BeamTime`] a moment is in,
//! who is on that proposal, and who of them can be reached. [`tag`] puts it to the user-info PVs, [`show`] prints it.

mod aps;
mod beam_time;
mod error;
mod experimenter;
mod file;
pub mod show;
pub mod tag;
mod text;
mod time;

pub use aps::ApsSchedule;
pub use beam_time::{BeamTime, Proposal, Run, RunSchedule};
pub use error::ScheduleError;
pub use experimenter::{Contact, Experimenter};
pub use file::FileSchedule;

use crate::config::{Beamline, Config, Schedule, ScheduleFrom};
use async_trait::async_trait;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};
use std::sync::Arc;

/// Somewhere that knows whose beam time it is.
///
/// Each call asks anew: proposals gain and lose people between calls. An answer that may be wrong is an error: who shares
/// data by it must rather wait.
#[async_trait]
pub trait ScheduleSource: Send + Sync {
    /// What it is, for messages: `the schedule in users.toml`.
    fn name(&self) -> String;

    /// What is scheduled in the run around `at`.
    ///
    /// # Errors
    /// [`ScheduleError`], within the limits of time of the configuration.
    async fn around(&self, at: Timestamp) -> Result<RunSchedule, ScheduleError>;

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
/// Where the time zone is not known or HTTP can't be set up. The schedule itself is not asked yet.
pub fn open(config: &Config) -> Result<Option<Arc<dyn ScheduleSource>>, ScheduleError> {
    let Some(Schedule { from }) = &config.schedule else { return Ok(None) };
    let zone = time_zone(&config.beamline)?;
    Ok(Some(match from {
        ScheduleFrom::Aps(service) => Arc::new(ApsSchedule::new(service, zone)?),
        ScheduleFrom::File { path } => Arc::new(FileSchedule::new(path, zone)),
    }))
}

/// The facility's time zone: `beamline.time_zone`, else the machine's.
///
/// # Errors
/// [`ScheduleError::TimeZone`] where this machine knows no such zone.
pub fn time_zone(beamline: &Beamline) -> Result<TimeZone, ScheduleError> {
    match &beamline.time_zone {
        None => Ok(TimeZone::system()),
        Some(name) => TimeZone::get(name)
            .map_err(|error| ScheduleError::TimeZone { name: name.clone(), reason: error.to_string() }),
    }
}

/// Now, or so many days from now at the same time of day (`--set ±days`), by the facility's clocks.
///
/// # Errors
/// [`ScheduleError::Days`] beyond the calendar.
pub fn moment(zone: TimeZone, days: i32) -> Result<Zoned, ScheduleError> {
    let now = Timestamp::now().to_zoned(zone);
    let span = Span::new().try_days(days).map_err(|_| ScheduleError::Days { days })?;
    now.checked_add(span).map_err(|_| ScheduleError::Days { days })
}
