//! Everything that Globus can do wrong, at each call: it ends right, with one rule a person and one message.

use crate::beamline::{Beamline, PI, STAFF, assert_done, deliver, deliver_approved, li, run};
use beamshare::delivery::{Options, Outcome};
use beamshare::journal::Cause;
use globus_simulator::Fault;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Each kind of fault, and whether waiting alone must help.
fn faults(call: &str) -> Vec<(Fault, bool)> {
    let answer = |status| Fault::answer(call, status);
    vec![
        (answer(401), false),
        (answer(403), false),
        (answer(404), false),
        (answer(409), false),
        (answer(429), true),
        (answer(429).retry_after(1), true),
        (answer(500), true),
        (answer(503), true),
        (Fault::hang(call), true),
        (Fault::cut_before(call), true),
        (Fault::cut_after(call), true),
    ]
}

async fn ends_right(call: &str) {
    for (fault, passes) in faults(call) {
        // Twice, so that the plan's look and the run's own, or two people's rules, both meet it.
        let fault = fault.times(2);
        let beamline =
            Beamline::with(&[("timeout = \"10s\"", "timeout = \"1s\"")], |collection| collection).await;
        let deliverer = beamline.deliverer().await;
        beamline.globus.fault(fault.clone());
        let (id, outcome, report) = deliver(&deliverer, &li(PI, "1234")).await;
        if passes {
            assert!(matches!(outcome, Outcome::Done), "{fault:?}: {report:#?}");
        }
        match outcome {
            Outcome::Done => assert_done(&outcome, &report),
            Outcome::Failed { message } => {
                assert!(message.contains("could not"), "{fault:?}: {message}");
                assert!(beamline.messages().len() == 2 || beamline.messages().is_empty(), "{fault:?}");
                beamline.globus.clear_faults();
                let (outcome, report) = run(&deliverer, id, &Options::all(Cause::Run, "test")).await;
                assert_done(&outcome, &report);
            }
            other => panic!("{fault:?}: {other:?}"),
        }
        let rule = |who: &str| ("/2026-03/Li/".to_owned(), who.to_owned(), "r".to_owned());
        assert_eq!(beamline.rules(), [rule(PI), rule(STAFF)], "{fault:?}");
        let messages = beamline.messages();
        assert_eq!(messages.len(), 2, "{fault:?}: {messages:?}");
        assert_eq!(messages.iter().map(|(_, id)| id).collect::<BTreeSet<_>>().len(), 1, "{fault:?}");
        let access = deliverer.journal().access(id).await.unwrap();
        assert!(access.iter().all(|row| row.ours && row.rule.is_some()), "{fault:?}: {access:?}");
    }
}

#[tokio::test]
async fn signing_in() {
    ends_right("token").await;
}

#[tokio::test]
async fn looking_up_people() {
    ends_right("identities").await;
}

#[tokio::test]
async fn looking_at_the_directory() {
    ends_right("ls").await;
}

#[tokio::test]
async fn listing_the_rules() {
    ends_right("access_list").await;
}

#[tokio::test]
async fn making_the_directory() {
    ends_right("mkdir").await;
}

#[tokio::test]
async fn making_the_rules() {
    ends_right("access_create").await;
}

#[tokio::test]
async fn taking_a_rule_back() {
    for (fault, passes) in faults("access_delete") {
        let beamline =
            Beamline::with(&[("timeout = \"10s\"", "timeout = \"1s\"")], |collection| collection).await;
        let deliverer = beamline.deliverer().await;
        deliver(&deliverer, &li("wrong@example.org", "1234")).await;
        beamline.globus.fault(fault.clone());
        let (id, outcome, report) = deliver_approved(&deliverer, &li(PI, "1234")).await;
        if passes {
            assert!(matches!(outcome, Outcome::Done), "{fault:?}: {report:#?}");
        } else if !matches!(outcome, Outcome::Done) {
            run(&deliverer, id, &Options::all(Cause::Run, "test")).await;
        }
        let readers: Vec<_> = beamline.rules().into_iter().map(|(_, who, _)| who).collect();
        assert_eq!(readers, [PI, STAFF], "{fault:?}");
    }
}

#[tokio::test]
async fn retry_after_is_obeyed() {
    let beamline = Beamline::new().await;
    let deliverer = beamline.deliverer().await;
    beamline.globus.fault(Fault::answer("mkdir", 429).retry_after(2));
    let began = Instant::now();
    let (_, outcome, report) = deliver(&deliverer, &li(PI, "1234")).await;
    assert_done(&outcome, &report);
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_stays_away_is_given_up_in_the_end_with_its_reason() {
    let beamline =
        Beamline::with(&[("retry_for = \"20s\"", "retry_for = \"2s\"")], |collection| collection).await;
    let deliverer = beamline.deliverer().await;
    beamline.globus.fault(Fault::answer("mkdir", 503).always());
    let (_, outcome, report) = deliver(&deliverer, &li(PI, "1234")).await;
    let Outcome::Failed { message } = outcome else { panic!("{outcome:?}") };
    for part in ["given up after", "create the directory /2026-03/", "503", "put 1 to Run"] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
    assert!(report.steps[&beamshare::domain::Step::Email].1.contains("not sent"), "{report:#?}");
    assert!(beamline.rules().is_empty() && beamline.messages().is_empty());
}
