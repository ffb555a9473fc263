//! The rules that a settled set of user info must pass: a pure function, so that every case can be tested.
//!
//! Rules 2 and 3 (quiet, and the same by a fresh get) are the [`super::Watcher`]'s; rule 5 (on the schedule) comes from
//! the schedule; rule 7 (nobody else's directory) is the delivery plan's. What is here compares the set with the one that
//! was acted on last. Sharing with the wrong people is the one failure that is never acceptable: where a set could be
//! half written, it is held.

use super::reading::Readings;
use crate::config::Rules;
use crate::experiment::{Experiment, Field, FieldError, UserInfo};

/// What a set of user info means.
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
        /// Who it is
        experiment: Box<Experiment>,
        /// Why an operator must look first; empty: act
        holds: Vec<Hold>,
    },
}

/// A reason to wait for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The sentence for the screen
    pub reason: String,
    /// Who can release it
    pub release: Release,
}

/// What an operator must press.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Release {
    /// Run or Approve: the values are plausible, only nobody has said that they are finished
    Run,
    /// Approve alone: what is on the screen may join the wrong person and directory
    Approve,
}

impl Hold {
    /// A hold that Run releases, too.
    pub fn run(reason: impl Into<String>) -> Hold {
        Hold { reason: reason.into(), release: Release::Run }
    }

    /// A hold that Approve alone releases.
    pub fn approve(reason: impl Into<String>) -> Hold {
        Hold { reason: reason.into(), release: Release::Approve }
    }
}

/// Why a group is held that stood in the PVs when beamshare first looked, or that it knows by other settings only.
const UNSEEN: &str = "First start for this group with these settings: it may have been served by other means. If not, \
                      press Run or Approve";

/// Judges a settled set.
///
/// `reference` is the set that was acted on last, or the one that was found at the very first start; `known` tells whether
/// just this experiment (same month, name, e-mail and proposal) was accepted before, in which case nothing is held: the
/// combination is proven.
pub fn judge(
    readings: &Readings,
    reference: Option<&Readings>,
    known: impl Fn(&Experiment) -> bool,
    rules: &Rules,
) -> Verdict {
    let user_info = readings.user_info();
    if Field::REQUIRED.iter().all(|field| user_info.get(*field).is_none()) {
        return Verdict::Nobody;
    }
    let missing: Vec<_> = Field::REQUIRED.into_iter().filter(|field| user_info.get(*field).is_none()).collect();
    if !missing.is_empty() {
        let missing = missing.iter().map(Field::to_string).collect::<Vec<_>>().join(", ");
        return Verdict::Incomplete(format!("Waiting for the tagging tool: no {missing} yet"));
    }
    let experiment = match Experiment::parse(&user_info) {
        Ok(experiment) => experiment,
        Err(errors) => return Verdict::Invalid(errors),
    };
    if known(&experiment) {
        return Verdict::Group { experiment: Box::new(experiment), holds: vec![] };
    }
    // An INVALID alarm on a record that says nothing is a record that was never put.
    let invalid = readings.0.iter().find(|(field, reading)| reading.invalid && user_info.get(**field).is_some());
    if let Some((field, _)) = invalid {
        return Verdict::Incomplete(format!("The {field} PV has an INVALID alarm: tag again, or look at its IOC"));
    }
    let refused = refusals(readings, &experiment, rules);
    if !refused.is_empty() {
        return Verdict::Invalid(refused);
    }
    let mut holds = match reference {
        Some(reference) => compare(readings, reference),
        None => vec![Hold::run(UNSEEN)],
    };
    if rules.require_approval {
        holds.push(Hold::approve("Every new group needs Approve (require_approval)"));
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
            refuse(field, "fills its record to the last character, so it may have been cut; use a waveform of CHAR or an lso record".into());
        }
    }
    let domain = experiment.pi_email.domain();
    let allowed = |suffix: &String| {
        let suffix = suffix.to_lowercase();
        domain == suffix || domain.ends_with(&format!(".{suffix}"))
    };
    if !rules.email_domains.is_empty() && !rules.email_domains.iter().any(allowed) {
        refuse(Field::PiEmail, format!("is not at one of the allowed domains ({})", rules.email_domains.join(", ")));
    }
    refused
}

/// Rules 4 and 6: the set must have changed as one since `reference`.
fn compare(readings: &Readings, reference: &Readings) -> Vec<Hold> {
    let (now, before) = (readings.user_info(), reference.user_info());
    let changed = |field: Field| !same(&now, &before, field);
    let put = |field: Field| readings.put_since(reference, field);
    let value = |info: &UserInfo, field: Field| info.get(field).unwrap_or("nobody").to_owned();
    let (name, email) = (changed(Field::PiLastName), changed(Field::PiEmail));
    if !(name || email || changed(Field::YearMonth) || changed(Field::ProposalNumber)) {
        return vec![Hold::run(UNSEEN)];
    }
    let mut holds = vec![];

    // A tool was at work.
    let tagged = now.get(Field::UpdateTime).is_some() && changed(Field::UpdateTime);
    if readings.0.contains_key(&Field::UpdateTime) && !tagged {
        holds.push(Hold::run(
            "Edited by hand: the tagging tool's update time did not change. If it is right, press Run or Approve",
        ));
    }
    if let Some(stale) = stale_field(readings, &now, &put, tagged, name) {
        // The tool puts every field each time; one that it has not put means that it stopped half way.
        holds.push(Hold::approve(format!(
            "Half a set: the {stale} ({}) was not put with the rest. Tag again; Approve only if all of it is right",
            value(&now, stale)
        )));
    }
    match (name, email) {
        (true, false) => holds.push(Hold::approve(format!(
            "Half a set: the last name changed from {} to {}, the e-mail is still {}. Tag again, or Approve",
            value(&before, Field::PiLastName),
            value(&now, Field::PiLastName),
            value(&now, Field::PiEmail)
        ))),
        (false, true) => holds.extend(new_address(&now, &before, &changed, &put)),
        (false, false) if !(put(Field::PiLastName) && put(Field::PiEmail)) => {
            holds.extend(same_person(&now, &before, &changed));
        }
        _ => {}
    }
    holds
}

/// An identity-bearing field that should have come with the others and did not.
///
/// Where a tool was at work (the update time has changed), every configured PV must have been put.
/// Otherwise a person may have put only what differs: then only a set value that names the former person or proposal counts.
fn stale_field(
    readings: &Readings,
    now: &UserInfo,
    put: &impl Fn(Field) -> bool,
    tagged: bool,
    name_changed: bool,
) -> Option<Field> {
    let bound_to_person = [Field::PiBadge, Field::ProposalNumber, Field::Esaf];
    readings.0.keys().copied().find(|field| {
        !put(*field) && now.get(*field).is_some() && (tagged || (name_changed && bound_to_person.contains(field)))
    })
}

/// A new e-mail address for the same last name: a correction, another group whose PI has the same name, or the first half
/// of such a group's set. Only a tool that has put everything again proves a correction.
fn new_address(
    now: &UserInfo,
    before: &UserInfo,
    changed: &impl Fn(Field) -> bool,
    put: &impl Fn(Field) -> bool,
) -> Option<Hold> {
    let value = |info: &UserInfo, field: Field| info.get(field).unwrap_or("nobody").to_owned();
    let change = format!(
        "the e-mail of {} changed from {} to {}",
        value(now, Field::PiLastName),
        value(before, Field::PiEmail),
        value(now, Field::PiEmail)
    );
    let Some(proposal) = now.get(Field::ProposalNumber) else {
        return Some(Hold::approve(format!(
            "Correction or another group? {change}, and no proposal number tells. Approve if it is right"
        )));
    };
    if changed(Field::ProposalNumber) && put(Field::PiLastName) {
        return None; // another group with its own proposal, whose PI happens to have the same name
    }
    if changed(Field::ProposalNumber)
        || changed(Field::YearMonth)
        || changed(Field::PiFirstName)
        || changed(Field::PiBadge)
    {
        return Some(Hold::approve(format!(
            "Half a set: {change}, not all of the set with it (proposal {proposal}). Tag again; Approve only if all is right"
        )));
    }
    let others = [Field::YearMonth, Field::PiLastName, Field::ProposalNumber];
    if others.into_iter().all(put) {
        None // the tool has put the whole set again: a correction
    } else if others.into_iter().any(put) {
        Some(Hold::approve(format!("Half a set: {change}, and not all PVs were put with it. Tag again, or Approve")))
    } else {
        // What a stray or hostile put to that one PV looks like, too.
        Some(Hold::run(format!("By hand: {change}. If it is right, press Run or Approve")))
    }
}

/// A new proposal or month, while the PI was not put with it: the first half of another group's set, or a person's edit.
fn same_person(now: &UserInfo, before: &UserInfo, changed: &impl Fn(Field) -> bool) -> Option<Hold> {
    let change = |field: Field| {
        let value = |info: &UserInfo| info.get(field).unwrap_or("nobody").to_owned();
        format!("the {field} changed from {} to {}, the PI was not put with it", value(before), value(now))
    };
    if changed(Field::ProposalNumber) {
        Some(Hold::approve(format!("Half a set: {}. Tag again, or Approve", change(Field::ProposalNumber))))
    } else if changed(Field::YearMonth) {
        Some(Hold::run(format!("By hand: {}. If it is right, press Run or Approve", change(Field::YearMonth))))
    } else {
        None
    }
}

/// Whether a field says the same in both, as people read it.
fn same(now: &UserInfo, before: &UserInfo, field: Field) -> bool {
    match (now.get(field), before.get(field)) {
        (Some(now), Some(before)) => now.to_lowercase() == before.to_lowercase(),
        (now, before) => now == before,
    }
}
