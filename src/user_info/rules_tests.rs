//! The tagging tool against the rules: whatever order it puts in, wherever it dies, what is acted on without an operator
//! is a person, an address and a proposal that belong together.

use super::*;
use crate::config::Rules;
use crate::domain::{Experiment, Field, FieldError};
use crate::domain::{Reading, Readings};
use jiff::Timestamp;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// DTagging's and dmagic's order of puts.
const TOOL_ORDER: [Field; 10] = [
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

type Group = BTreeMap<Field, &'static str>;

fn group(texts: [&'static str; 10]) -> Group {
    TOOL_ORDER.into_iter().zip(texts).collect()
}

fn wang() -> Group {
    group(["Wei", "Wang", "ANL", "wang@anl.gov", "1001", "03-02 09:00", "71001", "Bones", "2026-02", "2001"])
}

fn garcia() -> Group {
    group(["Ana", "Garcia", "UPF", "ana@upf.edu", "1002", "03-05 09:00", "71002", "Shells", "2026-03", "2002"])
}

/// Another Li in the same month.
fn li(first: bool) -> Group {
    match first {
        true => group(["Na", "Li", "MIT", "nali@mit.edu", "1003", "03-08 09:00", "71003", "Wood", "2026-03", "2003"]),
        false => group(["Bo", "Li", "MIT", "boli@mit.edu", "1004", "03-09 09:00", "71004", "Foam", "2026-03", "2004"]),
    }
}

/// The PVs of a beamline, with a clock that goes on at each put.
#[derive(Clone, Default)]
struct Pvs {
    readings: Readings,
    clock: i64,
}

impl Pvs {
    fn of(fields: &[Field], group: &Group) -> Pvs {
        let mut pvs = Pvs::default();
        for field in TOOL_ORDER.into_iter().filter(|field| fields.contains(field)) {
            pvs.put(field, group[&field]);
        }
        pvs.pause();
        pvs
    }

    /// Long enough for the PVs to settle.
    fn pause(&mut self) {
        self.clock += 60;
    }

    fn put(&mut self, field: Field, text: &str) {
        self.clock += 1;
        let time = Timestamp::from_second(1_770_000_000 + self.clock).ok();
        self.readings.0.insert(
            field,
            Reading { text: text.into(), time, invalid: false, possibly_cut: false, time_before_boot: None },
        );
    }
}

const REQUIRED: [Field; 3] = Field::REQUIRED;
const WITH_PROPOSAL: [Field; 4] = [Field::YearMonth, Field::PiLastName, Field::PiEmail, Field::ProposalNumber];
const WITH_UPDATE_TIME: [Field; 5] =
    [Field::YearMonth, Field::PiLastName, Field::PiEmail, Field::ProposalNumber, Field::UpdateTime];

fn configurations() -> [Vec<Field>; 4] {
    [REQUIRED.to_vec(), WITH_PROPOSAL.to_vec(), WITH_UPDATE_TIME.to_vec(), TOOL_ORDER.to_vec()]
}

fn since(reference: &Pvs) -> Memory {
    Memory { reference: Some(reference.readings.clone()), half: None }
}

/// What is acted on without an operator; `accepted` is what was acted on before.
fn acted_on(pvs: &Pvs, reference: &Pvs, accepted: &Group) -> Option<Experiment> {
    let known = |experiment: &Experiment| {
        belongs_to(experiment, accepted) && experiment.year_month.to_string() == accepted[&Field::YearMonth]
    };
    match judge(&pvs.readings, &since(reference), known, &Rules::default()) {
        Verdict::Group { experiment, holds } if holds.is_empty() && !known(&experiment) => Some(*experiment),
        _ => None,
    }
}

/// What Run would release.
fn released_by_run(pvs: &Pvs, reference: &Pvs) -> Option<Experiment> {
    match judge(&pvs.readings, &since(reference), |_| false, &Rules::default()) {
        Verdict::Group { experiment, holds } if holds.iter().all(|hold| hold.release == Release::Run) => {
            Some(*experiment)
        }
        _ => None,
    }
}

#[test]
fn run_releases_no_wrong_pair_of_a_tool_that_died() {
    for fields in configurations() {
        let reference = Pvs::of(&fields, &wang());
        let mut pvs = reference.clone();
        for field in TOOL_ORDER.into_iter().filter(|field| fields.contains(field)) {
            pvs.put(field, garcia()[&field]);
            if let Some(experiment) = released_by_run(&pvs, &reference) {
                let whole = belongs_to(&experiment, &garcia()) || belongs_to(&experiment, &wang());
                assert!(whole, "{fields:?} after the put of the {field}: {experiment}");
            }
        }
    }
}

fn belongs_to(experiment: &Experiment, group: &Group) -> bool {
    let proposal = experiment.details.get(&Field::ProposalNumber);
    experiment.pi_last_name.as_str() == group[&Field::PiLastName]
        && experiment.pi_email.as_str() == group[&Field::PiEmail]
        && proposal.is_none_or(|number| number == group[&Field::ProposalNumber])
}

/// Puts `next` over `before` in the given order; checks what is acted on after each put.
fn tag(fields: &[Field], before: &Group, next: &Group, order: &[Field]) -> Result<Pvs, String> {
    let reference = Pvs::of(fields, before);
    let mut pvs = reference.clone();
    for field in order.iter().filter(|field| fields.contains(field)) {
        pvs.put(*field, next[field]);
        if let Some(experiment) = acted_on(&pvs, &reference, before)
            && !belongs_to(&experiment, next)
        {
            return Err(format!("after the put of the {field}: {experiment}"));
        }
    }
    Ok(pvs)
}

#[test]
fn a_tool_that_dies_joins_no_wrong_pair_and_a_whole_set_is_acted_on() {
    for fields in configurations() {
        for (before, next) in [(wang(), garcia()), (garcia(), li(true)), (li(true), li(false)), (garcia(), wang())] {
            let pvs = tag(&fields, &before, &next, &TOOL_ORDER).unwrap();
            let acted = acted_on(&pvs, &Pvs::of(&fields, &before), &before);
            // Two of one last name can't be told from a correction without a proposal number.
            let ambiguous =
                before[&Field::PiLastName] == next[&Field::PiLastName] && !fields.contains(&Field::ProposalNumber);
            assert_eq!(acted.is_none(), ambiguous, "{fields:?} {before:?} {next:?}");
        }
    }
}

#[test]
fn with_an_update_time_nothing_is_acted_on_before_the_last_put() {
    let reference = Pvs::of(&TOOL_ORDER, &wang());
    let mut pvs = reference.clone();
    for field in &TOOL_ORDER[..9] {
        pvs.put(*field, garcia()[field]);
        assert_eq!(acted_on(&pvs, &reference, &wang()), None, "after the put of the {field}");
    }
}

proptest! {
    #[test]
    fn any_order_of_puts_joins_no_wrong_pair(
        order in Just(TOOL_ORDER.to_vec()).prop_shuffle(),
        fields in prop::sample::select(configurations().to_vec()),
        groups in prop::sample::select(vec![(wang(), garcia()), (garcia(), li(true)), (li(true), li(false))]),
    ) {
        prop_assert_eq!(tag(&fields, &groups.0, &groups.1, &order).map(|_| ()), Ok(()));
    }
}

proptest! {
    /// Tools that run one after the other, in any order of puts, each dying at any put or not at all; nothing that they
    /// leave half written may be acted on, then or under the next one's puts.
    #[test]
    fn tools_that_die_one_after_the_other_join_no_wrong_pair(
        fields in prop::sample::select(configurations().to_vec()),
        runs in prop::collection::vec(
            (prop::sample::select(vec![wang(), garcia(), li(true), li(false)]), Just(TOOL_ORDER.to_vec()).prop_shuffle(), 0..=10_usize),
            1..5,
        ),
    ) {
        let reference = Pvs::of(&fields, &wang());
        let mut pvs = reference.clone();
        for (group, order, puts) in runs {
            for field in order.iter().take(puts).filter(|field| fields.contains(field)) {
                pvs.put(*field, group[field]);
            }
            if let Some(experiment) = acted_on(&pvs, &reference, &wang()) {
                let whole = [wang(), garcia(), li(true), li(false)].iter().any(|group| belongs_to(&experiment, group));
                prop_assert!(whole, "{experiment}");
            }
            pvs.pause();
        }
    }

    /// An IOC that restores and processes its records at boot makes every time new.
    #[test]
    fn a_boot_of_the_ioc_makes_no_half_set_whole(
        fields in prop::sample::select(configurations().to_vec()),
        puts in 0..10_usize,
        more in 0..10_usize,
    ) {
        let reference = Pvs::of(&fields, &wang());
        let mut memory = since(&reference);
        let mut pvs = reference.clone();
        let mut settle = |pvs: &Pvs| match judge(&pvs.readings, &memory, |_| false, &Rules::default()) {
            Verdict::Group { experiment, holds } if holds.is_empty() => Some(*experiment),
            Verdict::Group { holds, .. } => {
                if holds.iter().any(|hold| hold.half) {
                    memory.half = Some(pvs.readings.user_info());
                }
                None
            }
            other => panic!("{other:?}"),
        };
        for (group, puts) in [(garcia(), puts), (li(true), more)] {
            for field in TOOL_ORDER.iter().take(puts).filter(|field| fields.contains(field)) {
                pvs.put(*field, group[field]);
            }
            pvs.pause();
            for boot in [false, true] {
                for field in fields.iter().filter(|_| boot) {
                    let text = pvs.readings.0[field].text.clone();
                    pvs.put(*field, &text);
                }
                pvs.pause();
                if let Some(experiment) = settle(&pvs) {
                    let whole = [wang(), garcia(), li(true)].iter().any(|group| belongs_to(&experiment, group));
                    prop_assert!(whole, "{} {} after a boot: {}", experiment, group[&Field::PiLastName], boot);
                }
            }
        }
    }
}

/// A whole set that was held (its directory is taken, say), then the first puts of the next group over it.
#[test]
fn the_first_puts_over_a_whole_set_that_was_held_join_no_wrong_pair() {
    for fields in configurations() {
        let reference = Pvs::of(&fields, &wang());
        let mut pvs = reference.clone();
        for field in TOOL_ORDER.into_iter().filter(|field| fields.contains(field)) {
            pvs.put(field, garcia()[&field]);
        }
        assert!(acted_on(&pvs, &reference, &wang()).is_some_and(|experiment| belongs_to(&experiment, &garcia())));
        pvs.pause();
        for field in TOOL_ORDER.into_iter().filter(|field| fields.contains(field)) {
            pvs.put(field, li(true)[&field]);
            if let Some(experiment) = acted_on(&pvs, &reference, &wang()) {
                assert!(belongs_to(&experiment, &li(true)), "{fields:?} after the put of the {field}: {experiment}");
            }
        }
        assert!(acted_on(&pvs, &reference, &wang()).is_some_and(|experiment| belongs_to(&experiment, &li(true))));
    }
}

fn verdict_after(fields: &[Field], before: &Group, puts: &[(Field, &str)]) -> Verdict {
    let reference = Pvs::of(fields, before);
    let mut pvs = reference.clone();
    for (field, text) in puts {
        pvs.put(*field, text);
    }
    judge(&pvs.readings, &since(&reference), |_| false, &Rules::default())
}

fn releases(verdict: Verdict) -> Vec<Release> {
    match verdict {
        Verdict::Group { holds, .. } => holds.into_iter().map(|hold| hold.release).collect(),
        other => panic!("no group: {other:?}"),
    }
}

#[test]
fn a_lone_new_address_waits_for_the_operator() {
    let put = [(Field::PiEmail, "evil@example.org")];
    assert_eq!(releases(verdict_after(&WITH_PROPOSAL, &wang(), &put)), [Release::Run]);
    assert_eq!(releases(verdict_after(&REQUIRED, &wang(), &put)), [Release::Approve]);
}

#[test]
fn a_correction_that_the_tool_tagged_is_acted_on() {
    let mut corrected = wang();
    corrected.insert(Field::PiEmail, "w.wang@anl.gov");
    corrected.insert(Field::UpdateTime, "03-02 10:00");
    let reference = Pvs::of(&TOOL_ORDER, &wang());
    let mut pvs = reference.clone();
    for field in TOOL_ORDER {
        assert_eq!(acted_on(&pvs, &reference, &wang()), None, "before the put of the {field}");
        pvs.put(field, corrected[&field]);
    }
    assert!(acted_on(&pvs, &reference, &wang()).is_some());
}

#[test]
fn a_new_name_with_the_old_address_waits_for_approve_however_it_came() {
    let puts: Vec<_> = TOOL_ORDER.into_iter().map(|field| (field, wang()[&field])).collect();
    let puts: Vec<_> = puts
        .into_iter()
        .map(|(field, text)| match field {
            Field::PiLastName => (field, "Wong"),
            Field::UpdateTime => (field, "later"),
            _ => (field, text),
        })
        .collect();
    assert_eq!(releases(verdict_after(&TOOL_ORDER, &wang(), &puts)), [Release::Approve]);
}

#[test]
fn an_edit_without_a_new_update_time_waits_for_run() {
    let puts = [(Field::PiLastName, "Garcia"), (Field::PiEmail, "ana@upf.edu")];
    assert_eq!(releases(verdict_after(&WITH_UPDATE_TIME, &wang(), &puts)), [Release::Run, Release::Approve]);
    let puts = [(Field::PiLastName, "Garcia"), (Field::PiEmail, "ana@upf.edu"), (Field::ProposalNumber, "71002")];
    assert_eq!(releases(verdict_after(&WITH_UPDATE_TIME, &wang(), &puts)), [Release::Run]);
}

#[test]
fn the_first_start_and_require_approval_hold() {
    let pvs = Pvs::of(&REQUIRED, &wang());
    let first = judge(&pvs.readings, &Memory::default(), |_| false, &Rules::default());
    assert_eq!(releases(first), [Release::Run]);
    let rules = Rules { require_approval: true, ..Rules::default() };
    let approval = judge(&pvs.readings, &Memory::default(), |_| false, &rules);
    assert_eq!(releases(approval), [Release::Run, Release::Approve]);
}

#[test]
fn nobody_incomplete_invalid() {
    let nobody = group(["", "Unknown", "", "", "", "", "", "", "unknown", ""]);
    let pvs = Pvs::of(&TOOL_ORDER, &nobody);
    assert_eq!(judge(&pvs.readings, &Memory::default(), |_| false, &Rules::default()), Verdict::Nobody);

    let verdict = verdict_after(&REQUIRED, &nobody, &[(Field::PiLastName, "Garcia")]);
    assert_eq!(verdict, Verdict::Incomplete("Waiting for the tagging tool: no year-month, PI e-mail yet".into()));

    let mut pvs = Pvs::of(&WITH_PROPOSAL, &wang());
    pvs.readings.0.get_mut(&Field::PiEmail).unwrap().invalid = true;
    let verdict = judge(&pvs.readings, &since(&Pvs::default()), |_| false, &Rules::default());
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
    let mut pvs = Pvs::of(&REQUIRED, &wang());
    pvs.readings.0.get_mut(&Field::PiEmail).unwrap().possibly_cut = true;
    let errors = refused(judge(&pvs.readings, &since(&Pvs::default()), |_| false, &Rules::default()));
    assert!(errors[0].reason.contains("cut"), "{errors:?}");

    let rules = Rules { email_domains: vec!["upf.edu".into()], ..Rules::default() };
    let pvs = Pvs::of(&REQUIRED, &wang());
    let errors = refused(judge(&pvs.readings, &since(&Pvs::default()), |_| false, &rules));
    assert!(errors[0].reason.contains("upf.edu"), "{errors:?}");
    for (address, allowed) in [("a@UPF.edu", true), ("a@cs.upf.edu", true), ("a@evilupf.edu", false)] {
        let mut pvs = Pvs::of(&REQUIRED, &wang());
        pvs.put(Field::PiEmail, address);
        let verdict = judge(&pvs.readings, &since(&Pvs::default()), |_| false, &rules);
        assert_eq!(matches!(verdict, Verdict::Group { .. }), allowed, "{address}");
    }
}

#[test]
fn what_was_accepted_before_is_never_held() {
    let pvs = Pvs::of(&TOOL_ORDER, &wang());
    let reference = Pvs::of(&TOOL_ORDER, &garcia());
    let verdict = judge(&pvs.readings, &since(&reference), |_| true, &Rules::default());
    assert_eq!(releases(verdict), []);
}

#[test]
fn iocs_whose_clocks_differ_hold_nothing_up() {
    let skewed = |group: &Group, later: i64| {
        let mut pvs = Pvs::default();
        for field in WITH_PROPOSAL {
            pvs.clock = if field == Field::PiEmail { 1_000_000 + later } else { later };
            pvs.put(field, group[&field]);
        }
        pvs
    };
    let (before, next) = (skewed(&wang(), 0), skewed(&garcia(), 86_400));
    assert!(acted_on(&next, &before, &wang()).is_some());
    // Half of another set over that is half a set by any clock.
    let mut half = next.clone();
    half.clock = 90_000;
    half.put(Field::PiLastName, "Li");
    assert_eq!(acted_on(&half, &before, &wang()), None);
}

/// The IOC dies within a tagging, before beamshare has seen half a set, and restores it: all its records have new times.
#[test]
fn what_an_ioc_restores_at_boot_was_not_put() {
    for fields in configurations() {
        for puts in 1..fields.len() {
            for (before, next) in [(wang(), garcia()), (li(true), li(false))] {
                let mut reference = Pvs::of(&fields, &before);
                let mut pvs = reference.clone();
                for field in TOOL_ORDER.into_iter().filter(|field| fields.contains(field)).take(puts) {
                    pvs.put(field, next[&field]);
                }
                pvs.pause();
                let boot = Timestamp::from_second(1_770_000_000 + pvs.clock).ok();
                for reading in pvs.readings.0.values_mut() {
                    reading.time_before_boot = reading.time;
                    reading.time = boot;
                }
                reference.readings.follow_boot(&pvs.readings);
                if let Some(experiment) = acted_on(&pvs, &reference, &before) {
                    assert!(belongs_to(&experiment, &next), "{fields:?} after {puts} puts: {experiment}");
                }
            }
        }
    }
}

#[test]
fn two_groups_without_a_proposal_are_not_one_whose_address_was_corrected() {
    let mut before = li(true);
    before.insert(Field::ProposalNumber, "0");
    let mut next = li(false);
    next.insert(Field::ProposalNumber, "0");
    let puts = WITH_PROPOSAL.map(|field| (field, next[&field]));
    assert_eq!(releases(verdict_after(&WITH_PROPOSAL, &before, &puts)), [Release::Approve]);
}
