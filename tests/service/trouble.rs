//! IOCs and services that go and come, and a beamshare that is killed.

use crate::site::{LIMIT, Site, garcia, li};
use crate::support::ioc::repository;
use beamshare::config::Config;
use beamshare::domain::Field;
use beamshare::journal::Journal;
use beamshare::status::Record;
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

/// The records as autosave would have them at boot: the IOC processes all of them, so all have a new time.
pub fn restored(fields: &[(&str, &str)]) -> String {
    let records = std::fs::read_to_string(repository("db/user_info_tomoscan.db")).unwrap();
    let (mut name, mut text) = (String::new(), String::new());
    for line in records.lines() {
        if let Some((_, rest)) = line.split_once("$(R=TomoScan:)").filter(|_| line.starts_with("record")) {
            name = rest.split('"').next().unwrap_or_default().to_owned();
        }
        match fields.iter().find(|(field, _)| *field == name) {
            Some((_, value)) if line.contains("\"Unknown\"") => text += &line.replace("Unknown", value),
            _ => text += line,
        }
        text.push('\n');
    }
    text
}

#[tokio::test]
async fn an_ioc_that_dies_while_it_is_tagged_and_restores_half_a_set_shares_nothing_wrong() {
    let fields = [Field::YearMonth, Field::PiLastName, Field::PiEmail, Field::ProposalNumber];
    let mut site = Site::with(&fields, &[]).await;
    site.start();
    site.idle().await;
    site.tag(&li()).await;
    site.delivered("boli@mit.example").await;
    // Of another Li, name and e-mail were put when the IOC died; autosave had them.
    site.kill_ioc();
    let half = restored(&[
        ("UserLastName", "Li"),
        ("UserEmail", "nali@eth.example"),
        ("ProposalNumber", "71002"),
        ("ExperimentYearMonth", "2026-03"),
    ]);
    let users = site.ca.file("restored.db", &half);
    site.ioc = Some(site.ca.ioc(&[(&repository("db/beamshare.db"), "P=site:"), (&users, "P=site:")]));
    site.held("nali@eth.example").await;
    site.kill();
    site.start();
    site.held("nali@eth.example").await;
    assert_eq!(site.readers(), [("/2026-03/Li/".to_owned(), "boli@mit.example".to_owned())]);
    assert_eq!(site.mailed_to(), ["boli@mit.example"]);
}

#[tokio::test]
async fn a_delivery_waits_for_another_process_that_delivers_the_same() {
    let site = Site::started().await;
    site.tag(&garcia()).await;
    site.delivered("ana@upf.example").await;
    let config = Config::load(&site.beamline.path("beamshare.toml")).unwrap();
    let journal = Journal::open(&config.journal.path).await.unwrap();
    let id = journal.latest_experiment().await.unwrap().unwrap().id;
    let lock = journal.lock(id, "a verb").unwrap();
    std::fs::remove_dir(site.beamline.path("local/2026-03/Garcia")).unwrap();
    site.press(Record::Run, 1).await;
    site.record(Record::StatusMsg, |text| text.contains("being delivered by a verb")).await;
    drop(lock);
    site.record(Record::RunCount, |text| text == "2").await;
    site.delivered("ana@upf.example").await;
    assert!(site.beamline.path("local/2026-03/Garcia").is_dir());
}

#[tokio::test]
async fn what_was_paused_stays_paused_over_a_restart() {
    let mut site = Site::started().await;
    site.beamline.globus.fault(Fault::answer("access_create", 503).always());
    site.tag(&garcia()).await;
    site.record(Record::ShareMsg, |text| text.contains("next try")).await;
    site.press(Record::Pause, 1).await;
    site.status("Paused").await;
    site.kill();
    site.beamline.globus.clear_faults();
    site.start();
    let waits = async {
        while !site.log().contains("begins when Pause reads Go") {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LIMIT, waits).await.unwrap_or_else(|_| panic!("{}", site.log()));
    assert!(site.readers().is_empty(), "{:?}", site.readers());
    assert!(site.mailed_to().is_empty());
    site.status("Paused").await;
    assert!(site.mailed_to().is_empty());
    site.press(Record::Pause, 0).await;
    site.delivered("ana@upf.example").await;
    assert_eq!(site.mailed_to(), ["ana@upf.example"]);
}
