//! Pause, abort, hurry, and the lock.

use crate::beamline::{Beamline, PI, Running, accept, assert_done, li, run};
use beamshare::delivery::{Controller, Deliverer, DeliveryReport, Options, Outcome, RunError, controls};
use beamshare::domain::StepStatus;
use beamshare::journal::{Cause, DeliveryState};
use globus_simulator::Fault;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use uuid::Uuid;

async fn accepted(beamline: &Beamline) -> (Arc<Deliverer>, Uuid) {
    let deliverer = beamline.deliverer().await;
    let id = accept(&deliverer, &deliverer.plan(&li(PI, "1234")).await.unwrap()).await;
    (deliverer, id)
}

#[tokio::test]
async fn a_paused_delivery_begins_nothing_until_it_may_go_on() {
    let beamline = Beamline::new().await;
    let (deliverer, id) = accepted(&beamline).await;
    let mut running = Running::start(&deliverer, id, Controller::pause);
    running.shows("paused by the operator").await;
    assert!(!beamline.path("local/2026-03").exists());
    assert_eq!(beamline.globus.count("mkdir"), 0);
    running.controller.go_on();
    let report = running.report.clone();
    assert_done(&running.ends().await, &report.borrow());
}

#[tokio::test]
async fn an_aborted_delivery_ends_while_it_waits_and_run_goes_on() {
    let patient = [("retry_for = \"20s\"", "retry_for = \"12h\"")];
    let beamline = Beamline::with(&patient, |collection| collection).await;
    let (deliverer, id) = accepted(&beamline).await;
    beamline.globus.fault(Fault::answer("mkdir", 503).retry_after(3600).always());
    let mut running = Running::start(&deliverer, id, |_| {});
    running.shows("next try at").await;
    running.shows("analysis: 2026-03/Li made").await;
    running.controller.abort();
    let report = running.report.clone();
    assert!(matches!(running.ends().await, Outcome::Aborted));
    assert!(report.borrow().steps.values().all(|(status, _)| *status != StepStatus::Running), "{report:?}");
    assert_eq!(deliverer.journal().deliveries_of(id).await.unwrap()[0].state, DeliveryState::Aborted);
    assert!(deliverer.journal().unfinished().await.unwrap().is_empty());
    beamline.globus.clear_faults();
    let (outcome, report) = run(&deliverer, id, &Options::all(Cause::Run, "test")).await;
    assert_done(&outcome, &report);
}

#[tokio::test]
async fn a_hang_is_aborted_at_once() {
    let beamline =
        Beamline::with(&[("timeout = \"10s\"", "timeout = \"1h\"")], |collection| collection).await;
    let (deliverer, id) = accepted(&beamline).await;
    beamline.globus.fault(Fault::hang("mkdir").always());
    let mut running = Running::start(&deliverer, id, |_| {});
    running.shows("making").await;
    running.shows("analysis: 2026-03/Li made").await;
    running.controller.abort();
    assert!(matches!(running.ends().await, Outcome::Aborted));
}

#[tokio::test]
async fn who_does_not_want_to_wait_hurries() {
    let beamline = Beamline::new().await;
    let (deliverer, id) = accepted(&beamline).await;
    beamline.globus.fault(Fault::answer("mkdir", 503).retry_after(10));
    let mut running = Running::start(&deliverer, id, |_| {});
    running.shows("next try at").await;
    let began = std::time::Instant::now();
    running.controller.hurry();
    let report = running.report.clone();
    assert_done(&running.ends().await, &report.borrow());
    assert!(began.elapsed() < Duration::from_secs(9), "the wait of 10 s was cut short");
}

#[tokio::test]
async fn one_at_a_time_and_the_other_is_told_who() {
    let beamline = Beamline::new().await;
    let (deliverer, id) = accepted(&beamline).await;
    let mut running = Running::start(&deliverer, id, Controller::pause);
    running.shows("paused").await;
    let (sender, _report) = watch::channel(DeliveryReport::default());
    let other = beamline.deliverer().await;
    let error = other
        .run(id, &Options::all(Cause::Command, "beamshare rerun"), controls().1, sender)
        .await
        .unwrap_err();
    assert!(matches!(error, RunError::Locked(_)), "{error}");
    assert!(error.to_string().contains("delivered by the test (process"), "{error}");
    running.controller.go_on();
    assert!(matches!(running.ends().await, Outcome::Done));
    assert!(
        std::fs::read_dir(beamline.folder.path())
            .unwrap()
            .all(|file| { !file.unwrap().file_name().to_string_lossy().ends_with(&format!("{id}.lock")) })
    );
}

#[tokio::test]
async fn a_wait_that_is_longer_than_the_limit_is_called_that() {
    let beamline = Beamline::new().await;
    for (seconds, told) in [(3600, "in 60 min at the earliest"), (u64::MAX, "at the earliest")] {
        beamline.globus.fault(Fault::answer("mkdir", 503).retry_after(seconds).always());
        let (deliverer, id) = accepted(&beamline).await;
        let (outcome, _) = run(&deliverer, id, &Options::all(Cause::Run, "test")).await;
        let Outcome::Failed { message } = outcome else { panic!("{outcome:?}") };
        assert!(message.contains(told) && message.contains("retry_for is 20 s"), "{message}");
        beamline.globus.clear_faults();
    }
}
