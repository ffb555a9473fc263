use super::failure::{Exit, Failure};
use super::{Format, Outcome, print};
use beamshare::config::Config;
use beamshare::schedule::{self, ScheduleSource, show};
use clap::Args;
use std::sync::Arc;

/// Show the group that the facility's schedule lists now
///
/// Shows run, PI, proposal, times, shifts and users. Exit code 4 if nobody is scheduled.
#[derive(Args)]
pub struct Schedule {
    #[command(flatten)]
    day: Day,

    /// List every beam time of the run
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    format: Format,
}

/// Another day than today.
#[derive(Args)]
pub struct Day {
    /// Number of days from now (negative: ago), at the same time of day
    #[arg(long = "set", value_name = "DAYS", default_value_t = 0, allow_negative_numbers = true)]
    pub days: i32,
}

impl Schedule {
    pub async fn act(self, config: &Config) -> Outcome {
        let source = source(config)?;
        let at = schedule::moment(config.beamline.zone(), self.day.days)?;
        if self.all {
            let run = source.around(at.timestamp()).await?;
            if self.format.json {
                print::json(&run)?
            } else {
                print::lines(show::pick_list(&run.beam_times).trim_end())
            }
            return if run.beam_times.is_empty() {
                Err(Failure::nothing(run.nobody(&at)))
            } else {
                Ok(Exit::Done)
            };
        }
        let report = show::report(source.as_ref(), &at).await?;
        match (&report.nobody, self.format.json) {
            (_, true) => print::json(&report)?,
            (None, false) => print::lines(report.text().trim_end()),
            (Some(_), false) => {}
        }
        match report.nobody {
            Some(nobody) => Err(Failure::nothing(nobody)),
            None => Ok(Exit::Done),
        }
    }
}

/// The schedule of the settings, which must name one.
pub fn source(config: &Config) -> Result<Arc<dyn ScheduleSource>, Failure> {
    schedule::open(config)?.ok_or_else(|| {
        let file = config.file.display();
        Failure::usage(format!(
            "no schedule: {file} has no section [schedule.from.aps] or [schedule.from.file]"
        ))
    })
}
