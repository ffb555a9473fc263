//! The rules that a settled set of user info must pass: a pure function, so that every case can be tested.
//!
//! Rules 2 and 3 (quiet, and the same by a fresh get) are the [`super::Watcher`]'s; rule 5 (on the schedule) comes from
//! the schedule; rule 7 (nobody else's directory) is the delivery plan's. What is here compares the set with the one that
//! was acted on last. Sharing with the wrong people is the one failure that is never acceptable: where a set could be
//! half written, it is held.

use crate::config::Rules;
use crate::domain::{Experiment, Field, FieldError, Reading, Readings, UserInfo};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

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
    /// The set is half written: to be kept in [`Memory::half`]
    pub half: bool,
    /// Who was to be asked about the set is away: the hold may end by itself when they answer
    pub asked_again: bool,
}

/// What an operator must press.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Release {
    /// Run or Approve: the values are plausible, only nobody has said that they are finished
    Run,
    /// Approve alone: what is on the screen may join the wrong person and directory
    Approve,
    /// No button: only another tagging, e.g. because the signature is wrong
    TagAgain,
}

impl Hold {
    /// A hold that Run releases, too.
    pub fn run(reason: impl Into<String>) -> Hold {
        Hold { reason: reason.into(), release: Release::Run, half: false, asked_again: false }
    }

    /// A hold that Approve alone releases.
    pub fn approve(reason: impl Into<String>) -> Hold {
        Hold { reason: reason.into(), release: Release::Approve, half: false, asked_again: false }
    }

    /// A hold that Approve alone releases, or whoever was to be asked, by an answer.
    pub fn until_answered(reason: impl Into<String>) -> Hold {
        Hold { asked_again: true, ..Hold::approve(reason) }
    }

    /// A hold that no button releases.
    pub fn tag_again(reason: impl Into<String>) -> Hold {
        Hold { release: Release::TagAgain, ..Hold::approve(reason) }
    }

    /// A half-written set.
    fn half(reason: impl Into<String>) -> Hold {
        Hold { half: true, ..Hold::approve(reason) }
    }
}

/// Why a group is held that stood in the PVs when beamshare first looked, or that it knows by other settings only.
const UNSEEN: &str = "First start for this group with these settings: it may have been served by other means. If not, \
                      press Run or Approve";

/// What a set is compared with. It is in the journal, since tools, IOCs and beamshare stop and start independently.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// The set that was acted on last, or the one that was found at the very first start
    pub reference: Option<Readings>,
    /// The texts of the last half-written set: an IOC that restores and processes its records at boot gives them all one
    /// new time, which makes no whole set of them
    pub half: Option<UserInfo>,
}

/// Judges a settled set.
///
/// `known` tells whether just this experiment (same month, name, e-mail and proposal) was accepted before, in which case
/// nothing is held: the combination is proven.
pub fn judge(readings: &Readings, memory: &Memory, known: impl Fn(&Experiment) -> bool, rules: &Rules) -> Verdict {
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
    let mut holds = match &memory.reference {
        Some(reference) => compare(readings, reference, rules.settle),
        None => unseen(readings, rules.settle),
    };
    if memory.half.as_ref() == Some(&user_info) && !holds.iter().any(|hold| hold.half) {
        holds
            .push(Hold::half("Half a set before its IOC started again. Tag again; Approve only if all of it is right"));
    }
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

/// What says who the set is about and belongs to that person or that proposal alone.
const IDENTITY: [Field; 5] = [Field::PiLastName, Field::PiEmail, Field::PiBadge, Field::ProposalNumber, Field::Esaf];

/// Nothing to compare with.
fn unseen(readings: &Readings, settle: Duration) -> Vec<Hold> {
    let mut holds = vec![Hold::run(UNSEEN)];
    holds.extend(torn(readings, None, &IDENTITY, settle));
    holds
}

/// Rules 4 and 6: the set must have changed as one since `reference`.
fn compare(readings: &Readings, reference: &Readings, settle: Duration) -> Vec<Hold> {
    let (now, before) = (readings.user_info(), reference.user_info());
    let changed = |field: Field| !same(&now, &before, field);
    let put = |field: Field| readings.put_since(reference, field);
    let (name, email) = (changed(Field::PiLastName), changed(Field::PiEmail));
    if !(name || email || changed(Field::YearMonth) || changed(Field::ProposalNumber)) {
        return unseen(readings, settle);
    }
    let mut holds = vec![];

    // A tool was at work, and it puts every field each time.
    let tagged = now.get(Field::UpdateTime).is_some() && changed(Field::UpdateTime);
    if readings.0.contains_key(&Field::UpdateTime) && !tagged {
        holds.push(Hold::run(
            "Edited by hand: the tagging tool's update time did not change. If it is right, press Run or Approve",
        ));
    }
    // A person may put only what differs; one PV alone can't be half of a set.
    let alone = !IDENTITY.into_iter().any(|field| field != Field::PiEmail && put(field));
    if tagged {
        holds.extend(torn(readings, Some(reference), &Field::ALL, settle));
    } else if !alone {
        holds.extend(torn(readings, Some(reference), &IDENTITY, settle));
    }
    match (name, email) {
        (true, false) => holds.push(Hold::half(format!(
            "Half a set: the last name changed from {} to {}, the e-mail is still {}. Tag again, or Approve",
            told(&before, Field::PiLastName),
            told(&now, Field::PiLastName),
            told(&now, Field::PiEmail)
        ))),
        (false, true) => holds.extend(new_address(&now, &before, alone, &changed)),
        (false, false) if alone => holds.extend(new_month(&now, &before, &changed)),
        _ => {}
    }
    holds
}

/// Whether one of the fields was not put together with the others: since `reference`, and without a pause in which the PVs
/// would have settled. The IOC's times tell, also of what happened while beamshare or the IOC was down: the remains of a
/// set whose tool died, and what the next one put over it, are as far apart as the two tools' runs.
fn torn(readings: &Readings, reference: Option<&Readings>, fields: &[Field], settle: Duration) -> Option<Hold> {
    let info = readings.user_info();
    let of_interest = |field: &Field| fields.contains(field) && info.get(*field).is_some();
    let set: Vec<_> = readings.0.iter().filter(|(field, _)| of_interest(field)).collect();
    let times = set.iter().map(|(field, reading)| (reading.time.map(Timestamp::as_duration), **field));
    let mut paused = before_a_pause(times.collect(), settle);
    // PVs can be on IOCs whose clocks differ: that difference is the same in the times since the reference's.
    let since = |(field, reading): &(&Field, &Reading)| {
        let before = reference?.0.get(field)?.time?;
        Some((Some(reading.time?.duration_since(before)), **field))
    };
    let since: Option<Vec<_>> = set.iter().map(since).collect();
    if since.is_some_and(|since| before_a_pause(since, settle).is_empty()) {
        paused.clear();
    }
    let late = |field: Field| reference.is_some_and(|reference| !readings.put_since(reference, field));
    let (field, _) = set.into_iter().find(|(field, _)| paused.contains(field) || late(**field))?;
    Some(Hold::half(format!(
        "Half a set: the {field} ({}) was not put together with the rest. Tag again; Approve only if all of it is right",
        told(&info, *field)
    )))
}

/// The fields whose times lie before the last pause.
fn before_a_pause(mut times: Vec<(Option<SignedDuration>, Field)>, settle: Duration) -> Vec<Field> {
    times.sort();
    // From the newest back to the first pause.
    let Some((mut began, _)) = times.last().copied() else { return vec![] };
    for (time, _) in times.iter().rev() {
        let together = match (*time, began) {
            (Some(time), Some(began)) => Duration::try_from(began - time).is_ok_and(|pause| pause < settle),
            (time, began) => time == began, // never put: restored at the IOC's boot, all of them alike
        };
        if !together {
            break;
        }
        began = *time;
    }
    times.into_iter().filter(|(time, _)| *time < began).map(|(_, field)| field).collect()
}

/// A field's text for people.
fn told(info: &UserInfo, field: Field) -> &str {
    info.get(field).unwrap_or("nobody")
}

/// A new e-mail address for the same last name: a correction, another group whose PI has the same name, or the first half
/// of such a group's set. Only a tool that has put everything again proves a correction ([`torn`] holds the rest).
fn new_address(now: &UserInfo, before: &UserInfo, alone: bool, changed: &impl Fn(Field) -> bool) -> Option<Hold> {
    let change = format!(
        "the e-mail of {} changed from {} to {}",
        told(now, Field::PiLastName),
        told(before, Field::PiEmail),
        told(now, Field::PiEmail)
    );
    if now.get(Field::ProposalNumber).is_none() {
        return Some(Hold::approve(format!(
            "Correction or another group? {change}, and no proposal number tells. Approve if it is right"
        )));
    }
    if alone {
        // What a stray or hostile put to that one PV looks like, too.
        return Some(Hold::run(format!("By hand: {change}. If it is right, press Run or Approve")));
    }
    let another_person = [Field::YearMonth, Field::PiFirstName, Field::PiBadge].into_iter().any(changed);
    (another_person && !changed(Field::ProposalNumber)).then(|| {
        let proposal = told(now, Field::ProposalNumber);
        Hold::half(format!("Half a set? {change}, the proposal is still {proposal}. Tag again, or Approve"))
    })
}

/// A month that was put alone: the first half of another group's set, or a person's edit.
fn new_month(now: &UserInfo, before: &UserInfo, changed: &impl Fn(Field) -> bool) -> Option<Hold> {
    changed(Field::YearMonth).then(|| {
        Hold::run(format!(
            "By hand: the {} changed from {} to {}, the PI was not put with it. If it is right, press Run or Approve",
            Field::YearMonth,
            told(before, Field::YearMonth),
            told(now, Field::YearMonth)
        ))
    })
}

/// Whether a field says the same in both, as people read it.
fn same(now: &UserInfo, before: &UserInfo, field: Field) -> bool {
    match (now.get(field), before.get(field)) {
        (Some(now), Some(before)) => now.to_lowercase() == before.to_lowercase(),
        (now, before) => now == before,
    }
}
