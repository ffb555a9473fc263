//! The rules beside the wholeness of a set: what can't be used, what is held, and what releases it.

use super::*;
use crate::config::Rules;
use crate::domain::decision::{
    DecisionState, Gap, NotWhole, Reason, Remedy, Unobserved, Watched, Wholeness, Window,
};
use crate::domain::{Field, FieldError, Reading, Readings};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

type Group = BTreeMap<Field, &'static str>;

fn group(texts: [&'static str; 10]) -> Group {
    let fields = [
        Field::PiFirstName,
        Field::PiLastName,
        Field::PiInstitution,
        Field::PiEmail,
        Field::PiBadge,
        Field::UpdateTime,
        Field::ProposalNumber,
        Field::ProposalTitle,
        Field::YearMonth,
        Field::Esaf,
    ];
    fields.into_iter().zip(texts).collect()
}

fn wang() -> Group {
    group(["Wei", "Wang", "ANL", "wang@anl.gov", "1001", "03-02 09:00", "71001", "Bones", "2026-02", "2001"])
}

fn garcia() -> Group {
    group([
        "Ana",
        "Garcia",
        "UPF",
        "ana@upf.edu",
        "1002",
        "03-05 09:00",
        "71002",
        "Shells",
        "2026-03",
        "2002",
    ])
}

const REQUIRED: [Field; 3] = Field::REQUIRED;
const WITH_PROPOSAL: [Field; 4] =
    [Field::YearMonth, Field::PiLastName, Field::PiEmail, Field::ProposalNumber];
const WITH_UPDATE_TIME: [Field; 5] =
    [Field::YearMonth, Field::PiLastName, Field::PiEmail, Field::ProposalNumber, Field::UpdateTime];

/// The PVs with these fields of a group, put a second after one another.
fn pvs(fields: &[Field], group: &Group) -> Watched {
    let reading = |(second, field): (i64, &Field)| {
        let time = Timestamp::from_second(1_770_000_000 + second).ok();
        (*field, Reading { text: group[field].into(), time, invalid: false, possibly_cut: false })
    };
    Watched { readings: Readings((0..).zip(fields).map(reading).collect()), window: Window::at_rest() }
}

fn whole(watched: &Watched) -> Wholeness {
    Wholeness::Whole { fields: watched.readings.0.keys().copied().collect(), order: None }
}

fn after(baseline: &Watched) -> DecisionState {
    DecisionState { baseline: Some(baseline.readings.clone()), ..DecisionState::default() }
}

fn verdict_by(watched: &Watched, wholeness: &Wholeness, state: &DecisionState, rules: &Rules) -> Verdict {
    judge(watched, wholeness, state, false, rules, &TimeZone::UTC)
}

/// The verdict on a whole run of the fields of `now`, after those of `before`.
fn verdict(fields: &[Field], before: &Group, now: &Group, rules: &Rules) -> Verdict {
    let watched = pvs(fields, now);
    verdict_by(&watched, &whole(&watched), &after(&pvs(fields, before)), rules)
}

fn releases(verdict: Verdict) -> Vec<Release> {
    match verdict {
        Verdict::Group { holds, .. } => holds.into_iter().map(|hold| hold.release).collect(),
        other => panic!("no group: {other:?}"),
    }
}

#[test]
fn a_whole_run_is_acted_on_and_nothing_else_waits_for_approve() {
    for fields in [REQUIRED.as_slice(), &WITH_PROPOSAL, &WITH_UPDATE_TIME, &Field::ALL] {
        assert_eq!(releases(verdict(fields, &wang(), &garcia(), &Rules::default())), []);
        let (watched, before) = (pvs(fields, &garcia()), after(&pvs(fields, &wang())));
        let reason = Reason::Unobserved(Some(Unobserved { gap: Gap::Started, until: Timestamp::UNIX_EPOCH }));
        let not_whole = NotWhole { reason, remedy: Remedy::TagAgain, candidate: None };
        let held = verdict_by(&watched, &Wholeness::NotWhole(not_whole), &before, &Rules::default());
        let Verdict::Group { holds, .. } = &held else { panic!("{held:?}") };
        assert!(holds[0].reason.contains("the service started at 00:00:00"), "{holds:?}");
        assert_eq!(releases(held), [Release::Approve]);
    }
}

#[test]
fn an_edit_without_a_new_update_time_waits_for_run() {
    let mut edited = garcia();
    edited.insert(Field::UpdateTime, wang()[&Field::UpdateTime]);
    assert_eq!(releases(verdict(&WITH_UPDATE_TIME, &wang(), &edited, &Rules::default())), [Release::Run]);
}

#[test]
fn the_first_start_and_require_approval_hold() {
    let watched =
        Watched { window: Window::unobserved(Gap::Started, Timestamp::now()), ..pvs(&REQUIRED, &wang()) };
    let reason = Reason::Unobserved(watched.window.unobserved);
    let unseen = Wholeness::NotWhole(NotWhole { reason, remedy: Remedy::TagAgain, candidate: None });
    let first = verdict_by(&watched, &unseen, &DecisionState::default(), &Rules::default());
    assert_eq!(releases(first), [Release::Run]);
    // The same after a restart, which has kept what was found.
    assert_eq!(releases(verdict_by(&watched, &unseen, &after(&watched), &Rules::default())), [Release::Run]);
    let rules = Rules { require_approval: true, ..Rules::default() };
    let approval = verdict_by(&watched, &unseen, &DecisionState::default(), &rules);
    assert_eq!(releases(approval), [Release::Run, Release::Approve]);
}

#[test]
fn a_first_set_that_was_not_put_together_waits_for_approve() {
    let mut watched = pvs(&REQUIRED, &wang());
    let email = watched.readings.0.get_mut(&Field::PiEmail).unwrap();
    email.time = email.time.map(|time| time - jiff::SignedDuration::from_mins(5));
    let reason = Reason::Unobserved(None);
    let unseen = Wholeness::NotWhole(NotWhole { reason, remedy: Remedy::TagAgain, candidate: None });
    let first = verdict_by(&watched, &unseen, &DecisionState::default(), &Rules::default());
    assert_eq!(releases(first), [Release::Approve, Release::Run]);
}

#[test]
fn nobody_incomplete_invalid() {
    let nobody = group(["", "Unknown", "", "", "", "", "", "", "unknown", ""]);
    assert_eq!(verdict(&Field::ALL, &wang(), &nobody, &Rules::default()), Verdict::Nobody);

    let mut part = nobody.clone();
    part.insert(Field::PiLastName, "Garcia");
    let incomplete = verdict(&REQUIRED, &nobody, &part, &Rules::default());
    assert_eq!(
        incomplete,
        Verdict::Incomplete("Waiting for the tagging tool: no year-month, PI e-mail yet".into())
    );

    let mut watched = pvs(&WITH_PROPOSAL, &wang());
    watched.readings.0.get_mut(&Field::PiEmail).unwrap().invalid = true;
    let verdict = verdict_by(&watched, &whole(&watched), &after(&Watched::default()), &Rules::default());
    assert!(matches!(verdict, Verdict::Incomplete(text) if text.contains("PI e-mail")));
}

fn refused(verdict: Verdict) -> Vec<FieldError> {
    match verdict {
        Verdict::Invalid(errors) => errors,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_cut_address_and_a_foreign_domain_are_refused() {
    let mut watched = pvs(&REQUIRED, &wang());
    watched.readings.0.get_mut(&Field::PiEmail).unwrap().possibly_cut = true;
    let before = after(&Watched::default());
    let errors = refused(verdict_by(&watched, &whole(&watched), &before, &Rules::default()));
    assert!(errors[0].reason.contains("cut"), "{errors:?}");

    let rules = Rules { email_domains: vec!["upf.edu".into()], ..Rules::default() };
    let errors = refused(verdict(&REQUIRED, &garcia(), &wang(), &rules));
    assert!(errors[0].reason.contains("upf.edu"), "{errors:?}");
    for (address, allowed) in [("a@UPF.edu", true), ("a@cs.upf.edu", true), ("a@evilupf.edu", false)] {
        let mut now = wang();
        now.insert(Field::PiEmail, address);
        let verdict = verdict(&REQUIRED, &garcia(), &now, &rules);
        assert_eq!(matches!(verdict, Verdict::Group { .. }), allowed, "{address}");
    }
}

#[test]
fn what_was_accepted_before_is_never_held() {
    let watched = pvs(&Field::ALL, &wang());
    let not_whole = NotWhole { reason: Reason::Unobserved(None), remedy: Remedy::TagAgain, candidate: None };
    let (unseen, before) = (Wholeness::NotWhole(not_whole), after(&pvs(&Field::ALL, &garcia())));
    assert_eq!(releases(judge(&watched, &unseen, &before, true, &Rules::default(), &TimeZone::UTC)), []);
}

#[test]
fn values_that_the_run_did_not_put_are_not_the_groups() {
    let watched = pvs(&Field::ALL, &garcia());
    let fields = Field::ALL.into_iter().filter(|field| *field != Field::Esaf).collect();
    let wholeness = Wholeness::Whole { fields, order: None };
    match verdict_by(&watched, &wholeness, &after(&pvs(&Field::ALL, &wang())), &Rules::default()) {
        Verdict::Group { experiment, holds } => {
            assert_eq!(holds, []);
            assert_eq!(experiment.details.get(&Field::Esaf), None);
            assert_eq!(experiment.details.get(&Field::ProposalTitle).map(String::as_str), Some("Shells"));
        }
        other => panic!("{other:?}"),
    }
}
