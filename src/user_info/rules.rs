//! The rules that a settled set of user info must pass: a pure function, so that every case can be tested.
//!
//! Rules 2 and 3 (quiet, and the same by a fresh get) are the [`super::Watcher`]'s; rule 5 (on the schedule)
//! comes from the schedule; rule 6 (one whole tagging run) is
//! [`decision::judge`](crate::domain::decision::judge)'s; rule 7 (a free directory) is the delivery plan's.

use crate::config::Rules;
use crate::domain::decision::{DecisionState, Hold, Reason, Watched, Wholeness};
use crate::domain::{Experiment, Field, FieldError, Readings, UserInfo};
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use std::time::Duration;

/// The meaning of a set of user info.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// No user group is tagged: every required field says "nobody yet".
    Nobody,
    /// Some required field says "nobody yet", or a PV has an INVALID alarm: nothing to act on yet.
    Incomplete(String),
    /// A value can't be used.
    Invalid(Vec<FieldError>),
    /// A group that may be acted on, if nothing is held against it.
    Group {
        /// The group
        experiment: Box<Experiment>,
        /// Why an operator must look first; empty: act
        holds: Vec<Hold>,
    },
}

/// Why a group is held that was in the PVs when beamshare first looked, or that it knows by other settings
/// only.
const UNSEEN: [&str; 2] = [
    "First start for this group with these settings: it may have been served by other means",
    "If not, press Run or Approve",
];

/// The readings without the fields that the whole run did not put: their values belong to another group.
pub fn put_by_the_run(watched: &Watched, wholeness: &Wholeness) -> Readings {
    let mut readings = watched.readings.clone();
    if let Wholeness::Whole { fields, .. } = wholeness {
        readings.0.retain(|field, _| fields.contains(field));
    }
    readings
}

/// Judges a settled set.
///
/// `known` tells whether just this experiment (same month, name, e-mail and proposal) was accepted before, in
/// which case nothing is held: the combination is proven.
pub fn judge(
    watched: &Watched,
    wholeness: &Wholeness,
    state: &DecisionState,
    known: bool,
    rules: &Rules,
    zone: &TimeZone,
) -> Verdict {
    let readings = put_by_the_run(watched, wholeness);
    let user_info = readings.user_info();
    let missing: Vec<_> =
        Field::REQUIRED.into_iter().filter(|field| user_info.get(*field).is_none()).collect();
    if missing.len() == Field::REQUIRED.len() {
        return Verdict::Nobody;
    }
    if !missing.is_empty() {
        let missing = missing.iter().map(Field::to_string).collect::<Vec<_>>().join(", ");
        return Verdict::Incomplete(format!("Waiting for the tagging tool: no {missing} yet"));
    }
    let experiment = match Experiment::parse(&user_info) {
        Ok(experiment) => experiment,
        Err(errors) => return Verdict::Invalid(errors),
    };
    if known {
        return Verdict::Group { experiment: Box::new(experiment), holds: vec![] };
    }
    // An INVALID alarm on a record that says nothing is a record that was never put.
    let invalid =
        readings.0.iter().find(|(field, reading)| reading.invalid && user_info.get(**field).is_some());
    if let Some((field, _)) = invalid {
        return Verdict::Incomplete(format!(
            "The {field} PV has an INVALID alarm: tag again, or look at its IOC"
        ));
    }
    let refused = refusals(&readings, &experiment, rules);
    if !refused.is_empty() {
        return Verdict::Invalid(refused);
    }
    let mut holds = vec![];
    let is_first = is_first_start(watched, state, rules.run_limit());
    if let Wholeness::NotWhole(not_whole) = wholeness
        && !(is_first && matches!(not_whole.reason, Reason::Unobserved(_)))
    {
        holds.push(not_whole.hold(zone));
    }
    holds.extend(against_baseline(&user_info, state.baseline.as_ref()));
    if rules.require_approval {
        holds.push(Hold::approve(
            "Every new group needs Approve (require_approval)",
            "Approve if every value is right",
        ));
    }
    Verdict::Group { experiment: Box::new(experiment), holds }
}

/// Values that parse and can't be used all the same.
fn refusals(readings: &Readings, experiment: &Experiment, rules: &Rules) -> Vec<FieldError> {
    let mut refused = vec![];
    let mut refuse = |field: Field, reason: String| {
        let value = readings.0.get(&field).map(|reading| reading.text.clone()).unwrap_or_default();
        refused.push(FieldError { field, value, reason });
    };
    for field in [Field::PiEmail, Field::ProposalNumber] {
        if readings.0.get(&field).is_some_and(|reading| reading.possibly_cut) {
            refuse(
                field,
                "fills its record to the last character, so it may have been cut; use a waveform \
                 of CHAR or an lso record"
                    .into(),
            );
        }
    }
    let domain = experiment.pi_email.domain();
    let allowed = |suffix: &String| {
        let suffix = suffix.to_lowercase();
        domain == suffix || domain.ends_with(&format!(".{suffix}"))
    };
    if !rules.email_domains.is_empty() && !rules.email_domains.iter().any(allowed) {
        refuse(
            Field::PiEmail,
            format!("is not at one of the allowed domains ({})", rules.email_domains.join(", ")),
        );
    }
    refused
}

/// Whether this is the set that was there at the very first start, untouched since, and put together as far
/// as the records' times tell. Nobody could watch it, so the operator is asked whether it was served before,
/// and no more.
fn is_first_start(watched: &Watched, state: &DecisionState, run_limit: Duration) -> bool {
    let is_baseline = state.baseline.as_ref().is_none_or(|baseline| baseline.same_texts(&watched.readings));
    let times = watched.readings.0.values().filter_map(|reading| reading.time);
    let together = match (times.clone().min(), times.max()) {
        (Some(first), Some(last)) => {
            SignedDuration::try_from(run_limit).is_ok_and(|limit| last.duration_since(first) < limit)
        }
        _ => true,
    };
    is_baseline && together && watched.window.puts.is_empty()
}

/// Rule 4, and groups that were there before beamshare.
fn against_baseline(now: &UserInfo, baseline: Option<&Readings>) -> Option<Hold> {
    let Some(before) = baseline.map(Readings::user_info) else {
        return Some(Hold::run(UNSEEN[0], UNSEEN[1]));
    };
    let identity = [Field::PiLastName, Field::PiEmail, Field::YearMonth, Field::ProposalNumber];
    if identity.iter().all(|field| same(now, &before, *field)) {
        return Some(Hold::run(UNSEEN[0], UNSEEN[1]));
    }
    let is_configured = now.0.contains_key(&Field::UpdateTime);
    let is_new = now.get(Field::UpdateTime).is_some() && !same(now, &before, Field::UpdateTime);
    (is_configured && !is_new).then(|| {
        Hold::run(
            "Edited by hand: the tagging tool's update time did not change",
            "If every value is right, press Run or Approve",
        )
    })
}

/// Whether a field reads the same in both, capitals aside.
fn same(now: &UserInfo, before: &UserInfo, field: Field) -> bool {
    match (now.get(field), before.get(field)) {
        (Some(now), Some(before)) => now.to_lowercase() == before.to_lowercase(),
        (now, before) => now == before,
    }
}
