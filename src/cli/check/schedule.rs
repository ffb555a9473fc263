//! The facility's schedule: whether it answers, and whether its answer can be used.

use super::{Finding, State};
use beamshare::config::Config;
use beamshare::schedule::{self, BeamTime, ScheduleError, show};

const SECTION: &str = "schedule";

pub async fn check(config: &Config) -> Vec<Finding> {
    match look(config).await {
        Ok(findings) => findings,
        Err(error @ ScheduleError::NoAnswer { .. }) => {
            vec![Finding::new(SECTION, "the schedule", State::Away, error)]
        }
        Err(error) => vec![Finding::failed(SECTION, "the schedule", error)],
    }
}

async fn look(config: &Config) -> Result<Vec<Finding>, ScheduleError> {
    let Some(source) = schedule::open(config)? else { return Ok(vec![]) };
    let now = schedule::moment(config.beamline.zone(), 0)?;
    let report = show::report(source.as_ref(), &now).await?;
    let says = match &report.current {
        Some(beam_time) => beam_time.summary(),
        None => report.nobody.clone().unwrap_or_default(),
    };
    let mut findings = vec![Finding::ok(SECTION, &report.source, says)];
    findings.extend(report.not_understood.iter().map(|entry| {
        Finding::new(SECTION, &report.source, State::Warning, format!("an entry can't be read: {entry}"))
    }));
    for person in report.current.iter().flat_map(BeamTime::unreachable) {
        let says = format!("{}: {}", person.name(), person.email);
        findings.push(Finding::new(SECTION, &report.source, State::Warning, says));
    }
    Ok(findings)
}
