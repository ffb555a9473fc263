//! The service's documents, read leniently: any field may be missing, null, or a number where a text is
//! expected.

use super::super::text::{fitting, some_line};
use super::super::time::{Edge, parse};
use super::super::{BeamTime, Contact, Experimenter, Proposal, Run, RunSchedule, ScheduleError};
use jiff::ZonedDateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

/// The runs of `getAllRuns`, and what in it can't be read.
pub(super) fn runs(
    url: &str,
    json: &Value,
    zone: &TimeZone,
) -> Result<(Vec<Run>, Vec<String>), ScheduleError> {
    let (mut runs, mut not_understood) = (vec![], vec![]);
    for (n, entry) in list(url, json)?.iter().enumerate() {
        let name = text(entry, "runName");
        let read = name.clone().ok_or_else(|| "it has no name".to_owned()).and_then(|name| {
            let (start, end) = edges(entry, zone)?;
            Ok(Run { name, start, end })
        });
        match read {
            Ok(run) => runs.push(run),
            Err(why) => {
                not_understood.push(format!("run {}: {why}", name.unwrap_or(format!("number {}", n + 1))))
            }
        }
    }
    Ok((runs, not_understood))
}

/// The activities of a beamline in a run, unread.
#[derive(Default)]
pub(super) struct Activities(Vec<Value>);

impl Activities {
    /// Of `findByRunNameAndScheduleName`: those of the first schedule; `None` where the run has no such
    /// schedule.
    pub(super) fn of_schedules(url: &str, json: &Value) -> Result<Option<Activities>, ScheduleError> {
        match list(url, json)?.first() {
            None | Some(Value::Null) => Ok(None),
            Some(schedule @ Value::Object(_)) => {
                let activities = schedule.get("activities").unwrap_or(&Value::Null);
                Ok(Some(Activities(list(url, activities)?.to_vec())))
            }
            Some(other) => Err(not_a("a schedule", url, other)),
        }
    }

    /// Of `findByRunNameAndBeamlineId`.
    pub(super) fn of_beamline(url: &str, json: &Value) -> Result<Activities, ScheduleError> {
        Ok(Activities(list(url, json)?.to_vec()))
    }
}

/// The beam times among the activities. What belongs to no proposal (maintenance, studies of the machine) is
/// nobody's.
pub(super) fn schedule(run: Run, activities: &Activities, zone: &TimeZone) -> RunSchedule {
    let (mut beam_times, mut not_understood) = (vec![], vec![]);
    for activity in &activities.0 {
        let Some(proposal) = activity.pointer("/beamtime/proposal").filter(|proposal| proposal.is_object())
        else {
            continue;
        };
        match edges(activity, zone) {
            Ok((start, end)) => beam_times.push(BeamTime {
                run: Some(run.name.clone()),
                start,
                end,
                esaf: number(activity, "experimentId"),
                granted_shifts: activity.pointer("/beamtime/grantedShifts").and_then(shifts),
                scheduled_shifts: activity.pointer("/beamtime/scheduledShifts").and_then(shifts),
                proposal: read_proposal(proposal),
            }),
            Err(why) => {
                let whose = number(proposal, "gupId")
                    .map_or("a proposal without number".to_owned(), |number| format!("proposal {number}"));
                not_understood.push(format!("{whose}: {why}"));
            }
        }
    }
    // The service promises no order.
    beam_times.sort_by_key(|beam_time| beam_time.start.timestamp());
    RunSchedule { run: Some(run), beam_times, not_understood }
}

fn read_proposal(json: &Value) -> Proposal {
    let flag = |key| match text(json, key)?.to_uppercase().as_str() {
        "Y" | "YES" | "TRUE" => Some(true),
        "N" | "NO" | "FALSE" => Some(false),
        _ => None,
    };
    let kind = json
        .get("proposalType")
        .and_then(|kind| text(kind, "display").or_else(|| text(kind, "typeDescription")));
    let proposal = Proposal {
        number: number(json, "gupId"),
        title: text(json, "proposalTitle"),
        kind,
        submitted: text(json, "submittedDate")
            .map(|day| day.split('T').next().unwrap_or_default().to_owned()),
        proprietary: flag("proprietaryFlag"),
        mail_in: flag("mailInFlag"),
        experimenters: vec![],
    };
    let listed = json.get("experimenters").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    proposal.with_experimenters(listed.iter().filter(|person| person.is_object()).map(|person| {
        Experimenter {
            first_name: text(person, "firstName"),
            last_name: text(person, "lastName"),
            institution: text(person, "institution"),
            badge: number(person, "badge"),
            email: Contact::parse(text(person, "email").as_deref()),
            pi: text(person, "piFlag").is_some_and(|flag| flag.eq_ignore_ascii_case("y")),
        }
    }))
}

fn edges(json: &Value, zone: &TimeZone) -> Result<(ZonedDateTime, ZonedDateTime), String> {
    let edge = |key, edge| {
        let time = text(json, key).ok_or_else(|| format!("it has no {key}"))?;
        parse(&time, zone, edge).map_err(|why| format!("{key} {why}"))
    };
    let (start, end) = (edge("startTime", Edge::Start)?, edge("endTime", Edge::End)?);
    if end < start {
        return Err(format!("its endTime {end} is before its startTime {start}"));
    }
    Ok((start, end))
}

/// A text, or a number or flag in its place.
fn text(json: &Value, key: &str) -> Option<String> {
    match json.get(key)? {
        Value::String(text) => some_line(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// A number that names something; 0 names nothing.
fn number(json: &Value, key: &str) -> Option<String> {
    text(json, key).filter(|number| !number.trim_start_matches('0').is_empty())
}

fn shifts(json: &Value) -> Option<f64> {
    json.as_f64().or_else(|| json.as_str()?.trim().parse().ok())
}

/// The list that was asked for; nothing at all counts as an empty one.
fn list<'j>(url: &str, json: &'j Value) -> Result<&'j [Value], ScheduleError> {
    match json {
        Value::Array(list) => Ok(list),
        Value::Null => Ok(&[]),
        other => Err(not_a("a list", url, other)),
    }
}

fn not_a(what: &str, url: &str, json: &Value) -> ScheduleError {
    let reason = format!("not {what}, but {}", fitting(&json.to_string(), 200));
    ScheduleError::Answer { url: url.to_owned(), reason }
}
