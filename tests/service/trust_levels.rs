//! The table of SECURITY.md, cell by cell: what a client of the network reaches by puts at each level of
//! trust.

use crate::schedule::{schedule, started};
use crate::signed::{KEY, press_all, put_all, signed, signed_site, texts};
use crate::site::{Group, Site, garcia, group, li};
use beamshare::domain::Field;
use beamshare::status::Record;

const ANA: &str = "ana@upf.example";
const BO: &str = "boli@mit.example";
/// Whom the attacker names in the place of Ana, at a domain that is allowed
const NA: &str = "nali@eth.example";
const EVE: &str = "eve@evil.example";

/// A group of the attacker's own, at a domain that is not allowed.
fn eve() -> Group {
    group(["Eve", "Moran", "None", EVE, "66", "03-08 09:00", "76666", "Nothing", "2026-03", "66"])
}

/// Garcia's set with Na's address, tagged in a later run.
fn theft() -> Group {
    let mut theft = garcia();
    (theft[3].1, theft[5].1) = (NA, "03-09 09:00");
    theft
}

fn of_ana() -> (String, String) {
    ("/2026-03/Garcia/".to_owned(), ANA.to_owned())
}

/// Waits until what the PVs show is held for this reason. Nobody but Ana may have got access or a message.
async fn held_from_all_but_ana(site: &Site, because: &str) {
    site.record(Record::PendingMsg, |text| text.contains(because)).await;
    site.status("Approval").await;
    assert_eq!((site.readers(), site.mailed_to()), (vec![of_ana()], vec![ANA.to_owned()]), "{because}");
}

/// What every level below "signed" does in the same way. Garcia's group was served before.
async fn rows_below_signed(site: &Site) {
    // Some of the PVs.
    site.tag_some(&theft(), 5).await;
    held_from_all_but_ana(site, "whole tagging").await;
    // A set that was valid before is shown, and nothing is sent.
    site.tag_as_advised(&garcia()).await;
    assert_eq!(site.mailed_to(), [ANA]);
    // All of the PVs in the wrong order, and with a text that is to be sent by e-mail.
    let mut wrong_order = theft();
    wrong_order.reverse();
    site.tag(&wrong_order).await;
    held_from_all_but_ana(site, "whole tagging").await;
    let mut link = theft();
    link[7].1 = "Verify at https://evil.example/login";
    site.tag(&link).await;
    held_from_all_but_ana(site, "link").await;
    // A group that was served, with another address: Run does not release it, Approve does.
    site.tag_as_advised(&garcia()).await;
    site.tag(&theft()).await;
    held_from_all_but_ana(site, "replaces").await;
    site.press(Record::Run, 1).await;
    site.record(Record::Run, |text| text != "1" && text != "Running").await;
    held_from_all_but_ana(site, "replaces").await;
    site.press(Record::Approve, 1).await;
    site.delivered(NA).await;
    assert_eq!(site.readers(), [("/2026-03/Garcia/".to_owned(), NA.to_owned())]);
}

async fn served_with(rules: &str) -> Site {
    let mut site = Site::with(&Field::ALL, &[("[rules]\n", rules)]).await;
    site.start();
    site.idle().await;
    site.tag(&garcia()).await;
    site.delivered(ANA).await;
    site
}

#[tokio::test]
async fn network() {
    let site = served_with("[rules]\ntrust = \"network\"\n").await;
    rows_below_signed(&site).await;
    // A whole new group.
    site.tag_as_advised(&eve()).await;
    site.delivered(EVE).await;
}

#[tokio::test]
async fn domains() {
    let allowed = "[rules]\ntrust = \"domains\"\nemail_domains = [\"upf.example\", \"eth.example\"]\n";
    let site = served_with(allowed).await;
    site.tag(&eve()).await;
    site.record(Record::StatusMsg, |text| text.contains("is not at one of the allowed domains")).await;
    site.press(Record::Approve, 1).await;
    site.record(Record::Approve, |text| text != "1" && text != "Approve").await;
    site.status("Waiting").await;
    assert_eq!((site.readers(), site.mailed_to()), (vec![of_ana()], vec![ANA.to_owned()]));
    site.tag_as_advised(&garcia()).await;
    rows_below_signed(&site).await;
}

#[tokio::test]
async fn scheduled() {
    let server = schedule(&[ANA]);
    let site = started(&server, "pi").await;
    site.tag(&garcia()).await;
    site.delivered(ANA).await;
    site.tag(&eve()).await;
    held_from_all_but_ana(&site, "Not on the schedule").await;
    site.tag_as_advised(&garcia()).await;
    rows_below_signed(&site).await;
}

#[tokio::test]
async fn with_signatures() {
    let site = signed_site().await;
    let first = signed(KEY, texts(&garcia(), 0));
    for (set, who) in [(first.clone(), ANA), (signed(KEY, texts(&li(), 0)), BO)] {
        put_all(&site, &set).await;
        site.delivered(who).await;
    }
    let served = (site.readers(), site.mailed_to());
    let mut link = garcia();
    link[7].1 = "Verify at https://evil.example/login";
    for set in [eve(), theft(), link, li()] {
        for puts in [5, 10] {
            site.tag_some(&set, puts).await;
            site.held("ignature").await;
            press_all(&site).await;
            assert_eq!((site.readers(), site.mailed_to()), served);
        }
    }
    // A set that was valid before.
    put_all(&site, &first).await;
    site.held("Replayed").await;
    press_all(&site).await;
    assert_eq!((site.readers(), site.mailed_to()), served);
}
