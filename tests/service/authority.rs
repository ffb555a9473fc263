//! What anyone who can put to the PVs can't reach: another group's data, and more messages than the limits
//! allow.

use crate::site::{LIMIT, Site, garcia, li};
use beamshare::domain::Field;
use beamshare::status::Record;

const ANA: &str = "ana@upf.example";
const NA: &str = "nali@eth.example";

fn readers(who: &str) -> Vec<(String, String)> {
    vec![("/2026-03/Garcia/".to_owned(), who.to_owned())]
}

/// Ten puts in the tool's order, with the month, name and proposal of an earlier group and a foreign address.
async fn a_re_tag_steals_nothing(fields: &[Field]) {
    let mut site = Site::with(fields, &[]).await;
    site.start();
    site.idle().await;
    site.tag(&garcia()).await;
    site.delivered(ANA).await;
    site.tag(&li()).await;
    site.delivered("boli@mit.example").await;
    let mut theft = garcia();
    theft[3].1 = NA;
    theft[5].1 = "03-05 09:00";
    site.tag(&theft).await;
    let message = site.held("replaces").await;
    assert!(message.contains(&format!("{NA} replaces {ANA}, who loses access")), "{message}");
    assert!(message.starts_with("Approve?"), "{message}");
    site.record(Record::PendingMsg, |text| text.contains("who loses access")).await;
    assert!(site.readers().contains(&readers(ANA)[0]), "{:?}", site.readers());
    assert_eq!(site.mailed_to(), [ANA, "boli@mit.example"]);
    site.kill();
    site.start();
    site.held("replaces").await;
    assert_eq!(site.mailed_to(), [ANA, "boli@mit.example"]);
}

#[tokio::test]
async fn a_re_tag_with_the_update_time_steals_nothing() {
    a_re_tag_steals_nothing(&Field::ALL).await;
}

#[tokio::test]
async fn a_re_tag_without_an_update_time_steals_nothing() {
    let fields: Vec<_> = Field::ALL.into_iter().filter(|field| *field != Field::UpdateTime).collect();
    a_re_tag_steals_nothing(&fields).await;
}

/// One put of the address, then staff share by hand.
#[tokio::test]
async fn a_verb_by_hand_is_no_way_round() {
    let site = Site::started().await;
    site.tag(&garcia()).await;
    site.delivered(ANA).await;
    site.put(Field::PiEmail, NA).await;
    site.held("replaces").await;
    for verb in ["dirs", "share", "email"] {
        let (code, told) = site.verb(&[verb]).await;
        assert_eq!(code, Some(3), "{verb}: {told}");
        for part in ["replaces", "who loses access", "Not one whole tagging", "--yes"] {
            assert!(told.contains(part), "{verb}: {part} is not in {told}");
        }
    }
    assert_eq!((site.readers(), site.mailed_to()), (readers(ANA), vec![ANA.to_owned()]));
    let (code, told) = site.verb(&["share", "--yes"]).await;
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(site.readers(), readers(NA));
    assert!(site.mailed_to().iter().filter(|who| *who == ANA).count() == 2, "told: {:?}", site.mailed_to());
    let (_, history) = site.verb(&["history", "--json"]).await;
    let history: serde_json::Value = serde_json::from_str(&history).unwrap();
    let addresses: Vec<_> =
        history.as_array().unwrap().iter().map(|row| &row["experiment"]["pi_email"]).collect();
    assert_eq!(addresses.last().unwrap().as_str(), Some(ANA), "the past is not rewritten: {history:#}");
    assert_eq!(addresses[0].as_str(), Some(NA), "{history:#}");
}

#[tokio::test]
async fn people_are_added_to_no_other_group_than_the_pvs_name() {
    let site = Site::started().await;
    site.tag(&garcia()).await;
    site.delivered(ANA).await;
    // Another group's tool has put its address; month, last name and proposal are still the first group's.
    site.put(Field::PiEmail, NA).await;
    site.held("replaces").await;
    for verb in [&["users", "add", "guest@eth.example"][..], &["users", "remove", ANA], &["users", "list"]] {
        let (code, told) = site.verb(verb).await;
        assert_eq!(code, Some(3), "{verb:?}: {told}");
        for part in [ANA, NA, "was accepted", "--experiment"] {
            assert!(told.contains(part), "{verb:?}: {part} is not in {told}");
        }
    }
    let (code, told) = site.verb(&["email", "--resend"]).await;
    assert_eq!(code, Some(3), "{told}");
    assert_eq!((site.readers(), site.mailed_to()), (readers(ANA), vec![ANA.to_owned()]));
    let (code, told) = site.verb(&["users", "add", NA, "--experiment", "71001"]).await;
    assert_eq!(code, Some(0), "{told}");
    let added = async {
        while site.readers() != [readers(ANA), readers(NA)].concat() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LIMIT, added)
        .await
        .unwrap_or_else(|_| panic!("{:?}\n{}", site.readers(), site.log()));
}

#[tokio::test]
async fn removed_by_hand_outlasts_a_tagging() {
    let site = Site::started().await;
    site.tag(&garcia()).await;
    site.delivered(ANA).await;
    let (code, told) = site.verb(&["users", "remove", ANA]).await;
    assert_eq!(code, Some(0), "{told}");
    let gone = async {
        while !site.readers().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LIMIT, gone)
        .await
        .unwrap_or_else(|_| panic!("{:?}\n{}", site.readers(), site.log()));
    site.tag(&li()).await;
    site.delivered("boli@mit.example").await;
    let mut again = garcia();
    again[5].1 = "03-05 09:00";
    site.tag(&again).await;
    site.record(Record::Email, |text| text == ANA).await;
    site.status("Done").await;
    let (code, told) = site.verb(&["rerun"]).await;
    assert_eq!(code, Some(0), "{told}");
    assert!(!site.readers().contains(&readers(ANA)[0]), "{:?}", site.readers());
}

#[tokio::test]
async fn resends_have_a_limit_that_a_restart_does_not_reset() {
    let mut site = Site::with(&Field::ALL, &[("resends_per_hour = 1000", "resends_per_hour = 1")]).await;
    site.start();
    site.idle().await;
    site.tag(&garcia()).await;
    site.delivered(ANA).await;
    site.press(Record::Resend, 1).await;
    site.record(Record::RunCount, |text| text == "2").await;
    site.delivered(ANA).await;
    for _ in 0..2 {
        site.press(Record::Resend, 1).await;
        let refused =
            "Resend refused: the limit of 1 per hour is reached (resends_per_hour); the next is possible at ";
        site.record(Record::StatusMsg, |text| text.contains(refused)).await;
        assert_eq!(site.mailed_to(), [ANA, ANA]);
        site.terminate();
        site.start();
        site.delivered(ANA).await;
    }
    let (code, told) = site.verb(&["email", "--resend", "--yes"]).await;
    assert_eq!(code, Some(3), "{told}");
}

#[tokio::test]
async fn new_groups_have_a_limit_that_ends_by_itself() {
    let mut site =
        Site::with(&Field::ALL, &[("new_groups_per_hour = 1000", "new_groups_per_hour = 1")]).await;
    site.start();
    site.idle().await;
    site.tag(&garcia()).await;
    site.delivered(ANA).await;
    site.tag(&li()).await;
    site.held("The limit of 1 new groups per hour is reached (new_groups_per_hour)").await;
    site.terminate();
    site.start();
    site.held("The limit of 1 new groups per hour is reached (new_groups_per_hour)").await;
    assert_eq!(site.mailed_to(), [ANA]);
    // As if the hour were nearly over.
    let almost = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(3600 - 4);
    let journal = rusqlite::Connection::open(site.beamline.path("journal.sqlite")).unwrap();
    journal.execute("UPDATE experiment SET first_accepted_at = ?1", [format!("{almost:.6}")]).unwrap();
    drop(journal);
    site.delivered("boli@mit.example").await;
    assert_eq!(site.mailed_to(), [ANA, "boli@mit.example"]);
}
