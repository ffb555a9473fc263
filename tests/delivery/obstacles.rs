//! Rule 7: nobody gets into someone else's directory without an operator's word.

use crate::beamline::{
    Beamline, PI, STAFF, accept, assert_done, deliver, deliver_approved, experiment, li, run,
};
use beamshare::delivery::{Deliverer, Obstacle, Options, Outcome, Plan};
use beamshare::domain::{Experiment, Step};
use beamshare::journal::{Accepted, AcceptedBy, Cause, ClaimState};
use globus_simulator::Fault;
use std::path::Path;

const OTHER: &str = "other@example.org";

fn fill(directory: &Path) {
    std::fs::create_dir_all(directory).unwrap();
    std::fs::write(directory.join("scan_001.h5"), "someone's").unwrap();
}

/// What the plan says stands in the way, as the operator reads it.
async fn held(deliverer: &Deliverer, experiment: &Experiment) -> (Plan, String) {
    let plan = deliverer.plan(experiment).await.unwrap();
    assert!(!plan.obstacles().is_empty(), "nothing stands in the way of {experiment}");
    let refused = deliverer.accept(&plan, AcceptedBy::Auto, None).await.unwrap_err();
    let text = Obstacle::sentences(plan.obstacles());
    assert_eq!(refused.to_string(), text, "what is held can't be accepted");
    (plan, format!("{experiment}: {text}"))
}

#[tokio::test]
async fn two_groups_of_one_name_in_one_month_are_held_and_named_until_approved() {
    let beamline = Beamline::new().await;
    let deliverer = beamline.deliverer().await;
    deliver(&deliverer, &li(PI, "1234")).await;
    // As another file system may see it: capitals make no difference.
    let other = experiment("2026-03", "LI", OTHER, "5678");
    let (mut plan, text) = held(&deliverer, &other).await;
    for named in ["2026-03/LI", PI, "1234", OTHER, "5678", "{{ proposal_number }}"] {
        assert!(text.contains(named), "{named} is not in: {text}");
    }
    assert_eq!(beamline.rules().len(), 2, "looking has changed nothing");
    plan.approve();
    let id = accept(&deliverer, &plan).await;
    let (outcome, report) = run(&deliverer, id, &Options::all(Cause::Approve, "test")).await;
    assert_done(&outcome, &report);
    // Now both are settled, whoever comes again.
    for experiment in [&li(PI, "1234"), &other] {
        assert!(deliverer.plan(experiment).await.unwrap().obstacles().is_empty());
    }
}

#[tokio::test]
async fn another_address_without_a_proposal_number_is_another_group() {
    let beamline = Beamline::new().await;
    let deliverer = beamline.deliverer().await;
    deliver(&deliverer, &li(PI, "Unknown")).await;
    let (_, text) = held(&deliverer, &li(OTHER, "Unknown")).await;
    assert!(text.contains(PI) && text.contains(OTHER), "{text}");
    assert_eq!(beamline.rules().len(), 2);
}

#[tokio::test]
async fn of_two_plans_made_at_once_the_second_to_be_accepted_is_taken() {
    let beamline = Beamline::new().await;
    let deliverer = beamline.deliverer().await;
    let plan = deliverer.plan(&li(PI, "1234")).await.unwrap();
    let late = beamline.deliverer().await.plan(&li(OTHER, "5678")).await.unwrap();
    assert!(late.obstacles().is_empty());
    accept(&deliverer, &plan).await;
    match deliverer.accept(&late, AcceptedBy::Auto, None).await.unwrap() {
        Accepted::Taken(conflicts) => assert_eq!(conflicts[0].named, li(PI, "1234")),
        accepted => panic!("{accepted:?}"),
    }
    assert!(deliverer.find_same(&li(OTHER, "5678")).await.unwrap().is_none());
}

#[tokio::test]
async fn directories_above_and_below_are_someone_elses_too() {
    let changes = [
        ("{{ pi_last_name }}\"]", "{{ pi_last_name }}{% if esaf %}/{{ esaf }}{% endif %}\"]"),
        ("proposal_number = \"proposal\"", "proposal_number = \"proposal\"\nesaf = \"esaf\""),
    ];
    let beamline = Beamline::with(&changes, |collection| collection).await;
    let deliverer = beamline.deliverer().await;
    let below = |experiment: Experiment| {
        let mut details = experiment.details.clone();
        details.insert(beamshare::domain::Field::Esaf, "77".into());
        Experiment { details, ..experiment }
    };
    deliver(&deliverer, &below(li(PI, "1234"))).await;
    let (_, text) = held(&deliverer, &li(OTHER, "5678")).await;
    assert!(text.contains("2026-03/Li ") && text.contains("2026-03/Li/77"), "{text}");

    deliver(&deliverer, &experiment("2026-03", "Kim", PI, "1")).await;
    let (_, text) = held(&deliverer, &below(experiment("2026-03", "Kim", OTHER, "2"))).await;
    assert!(text.contains("2026-03/Kim/77") && text.contains("lies in 2026-03/Kim "), "{text}");
}

#[tokio::test]
async fn files_that_beamshare_did_not_put_there_hold_and_an_empty_directory_does_not() {
    let beamline = Beamline::new().await;
    let deliverer = beamline.deliverer().await;
    fill(&beamline.path("local/2026-03/Li"));
    let (mut plan, text) = held(&deliverer, &li(PI, "1234")).await;
    assert!(text.contains("2026-03/Li on analysis") && text.contains("scan_001.h5"), "{text}");
    plan.approve();
    let id = accept(&deliverer, &plan).await;
    let (outcome, report) = run(&deliverer, id, &Options::all(Cause::Approve, "test")).await;
    assert_done(&outcome, &report);

    fill(&beamline.path("globus/2026-03/Kim"));
    let (_, text) = held(&deliverer, &experiment("2026-03", "Kim", PI, "1")).await;
    assert!(text.contains("2026-03/Kim on Globus"), "{text}");
    assert!(!beamline.path("local/2026-03/Kim").exists());

    for place in ["local", "globus"] {
        std::fs::create_dir_all(beamline.path(place).join("2026-03/Yu")).unwrap();
    }
    let (_, outcome, report) = deliver(&deliverer, &experiment("2026-03", "Yu", PI, "2")).await;
    assert_done(&outcome, &report);
}

#[tokio::test]
async fn the_experiments_own_files_hold_nothing() {
    let beamline = Beamline::new().await;
    let deliverer = beamline.deliverer().await;
    let (id, ..) = deliver(&deliverer, &li(PI, "1234")).await;
    for place in ["local", "globus"] {
        fill(&beamline.path(place).join("2026-03/Li"));
    }
    let (outcome, report) = run(&deliverer, id, &Options::all(Cause::Run, "test")).await;
    assert_done(&outcome, &report);
    // A correction that an operator has approved, too.
    let (_, outcome, report) = deliver_approved(&deliverer, &li(OTHER, "1234")).await;
    assert_done(&outcome, &report);
}

#[tokio::test]
async fn who_else_could_read_the_directory_is_named_and_holds() {
    let beamline = Beamline::with(&[], |collection| {
        collection
            .rule(OTHER, "/2026-03/Li/", "r")
            .rule("wrong@example.org", "/2026-03/Kim/raw/", "r")
            .rule(OTHER, "/", "rw")
    })
    .await;
    let deliverer = beamline.deliverer().await;
    let (mut plan, text) = held(&deliverer, &li(PI, "1234")).await;
    assert!(text.contains(&format!("{OTHER} can read /2026-03/Li/")), "{text}");
    let (_, text) = held(&deliverer, &experiment("2026-03", "Kim", PI, "1")).await;
    assert!(text.contains("wrong@example.org can read /2026-03/Kim/raw/"), "{text}");
    assert!(!text.contains(OTHER), "staff on / are fine: {text}");
    assert!(beamline.globus.identity(PI).is_none(), "looking gives nobody an identity");

    plan.approve();
    let id = accept(&deliverer, &plan).await;
    let (outcome, report) = run(&deliverer, id, &Options::all(Cause::Approve, "test")).await;
    assert_done(&outcome, &report);
    let readers: Vec<_> =
        beamline.rules().into_iter().filter(|rule| rule.0 == "/2026-03/Li/").map(|rule| rule.1).collect();
    assert_eq!(readers, [PI, OTHER, STAFF], "theirs is not taken away");
}

#[tokio::test]
async fn a_place_that_was_away_is_looked_at_before_anything_is_made_there() {
    let beamline = Beamline::new().await;
    let deliverer = beamline.deliverer().await;
    beamline.globus.fault(Fault::answer("ls", 503).always());
    let plan = deliverer.plan(&li(PI, "1234")).await.unwrap();
    assert_eq!(plan.unreachable.len(), 1);
    assert!(plan.unreachable[0].reason.contains("503"), "{:?}", plan.unreachable);
    assert!(plan.obstacles().is_empty());
    let id = accept(&deliverer, &plan).await;
    beamline.globus.clear_faults();
    fill(&beamline.path("globus/2026-03/Li"));

    let (outcome, report) = run(&deliverer, id, &Options::all(Cause::UserInfo, "test")).await;
    let Outcome::Held { obstacles } = outcome else { panic!("{outcome:?}") };
    assert!(Obstacle::sentences(&obstacles).contains("2026-03/Li on Globus"), "{obstacles:?}");
    assert!(report.steps[&Step::Globus].1.contains("scan_001.h5"), "{report:#?}");
    assert!(beamline.rules().is_empty() && beamline.messages().is_empty(), "nothing is shared");
    assert!(beamline.path("local/2026-03/Li").is_dir(), "the other places are served");
    let claims = deliverer.journal().claims(id).await.unwrap();
    assert!(
        claims.iter().any(|claim| claim.place.starts_with("globus:") && claim.state == ClaimState::Claimed)
    );

    let (mut plan, _) = held(&deliverer, &li(PI, "1234")).await;
    plan.approve();
    assert_eq!(accept(&deliverer, &plan).await, id);
    let (outcome, report) = run(&deliverer, id, &Options::all(Cause::Approve, "test")).await;
    assert_done(&outcome, &report);
}

#[tokio::test]
async fn a_directory_shown_twice_is_no_obstacle_to_itself() {
    // One file system, seen by this machine and by Globus; and one tree in the other.
    let trees =
        ("{{ pi_last_name }}\"]", "{{ pi_last_name }}\", \"{{ year_month }}/{{ pi_last_name }}/rec\"]");
    let beamline =
        Beamline::with(&[trees, ("top = \"local\"", "top = \"globus\"")], |collection| collection).await;
    let deliverer = beamline.deliverer().await;
    beamline.globus.fault(Fault::answer("ls", 503).times(4));
    let (_, outcome, report) = deliver(&deliverer, &li(PI, "1234")).await;
    assert_done(&outcome, &report);
}

#[tokio::test]
async fn a_tree_that_is_configured_later_does_not_lead_into_someone_elses() {
    let beamline = Beamline::new().await;
    let deliverer = beamline.deliverer().await;
    deliver(&deliverer, &experiment("2026-03", "Li rec", OTHER, "5678")).await;
    let (id, ..) = deliver(&deliverer, &li(PI, "1234")).await;
    let rules = beamline.rules();
    let file = beamline.path("beamshare.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let more = "{{ pi_last_name }}\", \"{{ year_month }}/{{ pi_last_name }}_rec\"]";
    std::fs::write(&file, text.replace("{{ pi_last_name }}\"]", more)).unwrap();
    let (outcome, _) = run(&beamline.deliverer().await, id, &Options::all(Cause::Run, "test")).await;
    let Outcome::Held { obstacles } = outcome else { panic!("{outcome:?}") };
    assert_eq!(obstacles.len(), 1);
    let text = Obstacle::sentences(&obstacles);
    assert!(text.contains("2026-03/Li_rec belongs to 2026-03/Li rec (") && text.contains(OTHER), "{text}");
    assert_eq!(beamline.rules(), rules);

    let (id, ..) = deliver(&deliverer, &experiment("2026-04", "Li", PI, "1234")).await;
    let (outcome, report) = run(&beamline.deliverer().await, id, &Options::all(Cause::Run, "test")).await;
    assert_done(&outcome, &report);
    assert!(beamline.path("local/2026-04/Li_rec").is_dir());
    assert_eq!(beamline.rules().len(), rules.len() + 4);
}
