//! IOCs and services that go and come, and a beamshare that is killed.

use crate::site::{Site, garcia, li};
use beamshare::epics::Record;
use beamshare::experiment::Field;
use globus_simulator::Fault;

#[tokio::test]
async fn an_ioc_that_dies_and_comes_back_changes_nothing_for_the_users() {
    let mut site = Site::started().await;
    site.tag(&garcia()).await;
    site.delivered("ana@upf.example").await;
    site.kill_ioc();
    // On another port, with everything forgotten but what autosave would restore: here, nothing.
    let held = site.ca.hold_tcp_port();
    site.start_ioc();
    site.idle().await;
    // The records say again what is so.
    site.record(Record::LastName, |text| text == "Garcia").await;
    site.tag(&garcia()).await;
    site.delivered("ana@upf.example").await;
    site.tag(&li()).await;
    site.delivered("boli@mit.example").await;
    assert_eq!(site.mailed_to(), ["ana@upf.example", "boli@mit.example"]);
    drop(held);
}

#[tokio::test]
async fn pvs_that_do_not_exist_yet_are_waited_for() {
    let mut site = Site::new().await;
    site.kill_ioc();
    site.start();
    site.start_ioc();
    site.idle().await;
    site.tag(&garcia()).await;
    site.delivered("ana@upf.example").await;
}

#[tokio::test]
async fn killed_in_the_middle_it_goes_on_where_it_was() {
    let mut site = Site::started().await;
    site.beamline.globus.fault(Fault::answer("access_create", 503).always());
    site.tag(&garcia()).await;
    site.record(Record::ShareMsg, |text| text.contains("next try")).await;
    site.kill();
    site.beamline.globus.clear_faults();
    site.start();
    site.delivered("ana@upf.example").await;
    assert_eq!(site.mailed_to(), ["ana@upf.example"]);
    assert_eq!(site.readers().len(), 1);
}

#[tokio::test]
async fn the_watchdog_says_when_beamshare_is_dead() {
    let mut site = Site::started().await;
    site.record(Record::Alive, |text| text == "Running").await;
    site.kill();
    site.record(Record::Alive, |text| text == "Stopped").await;
}

#[tokio::test]
async fn a_refusal_for_good_fails_with_what_to_do_and_run_mends_it() {
    let site = Site::started().await;
    site.beamline.globus.fault(Fault::answer("access_create", 403).always());
    site.tag(&garcia()).await;
    site.status("Failed").await;
    site.record(Record::ShareSts, |text| text == "Failed").await;
    let message = site.text(Record::ShareMsg).await;
    assert!(message.contains("403"), "{message}");
    assert!(site.mailed_to().is_empty(), "no link that does not work");
    assert!(site.beamline.path("local/2026-03/Garcia").is_dir(), "the directories do not wait for Globus");
    site.beamline.globus.clear_faults();
    site.press(Record::Run, 1).await;
    site.delivered("ana@upf.example").await;
    assert_eq!(site.mailed_to(), ["ana@upf.example"]);
}

#[tokio::test]
async fn an_empty_set_means_nobody() {
    let site = Site::started().await;
    site.tag(&garcia()).await;
    site.delivered("ana@upf.example").await;
    for field in [Field::PiLastName, Field::PiEmail, Field::YearMonth] {
        site.put(field, "Unknown").await;
    }
    site.idle().await;
    site.put(Field::PiLastName, "Li").await;
    site.record(Record::StatusMsg, |text| text.contains("PI e-mail")).await;
    site.status("Waiting").await;
}

#[tokio::test]
async fn a_second_service_on_one_journal_refuses() {
    let site = Site::started().await;
    let (code, message) = site.second_service();
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("another service has this journal: beamshare run (process"), "{message}");
}
