//! Signed tags on the C soft IOC: what is not signed, forged, mixed or replayed is held, and no button
//! releases it.

use crate::site::{Group, Site, garcia, li};
use beamshare::domain::{Field, TagKeys, UserInfo};
use beamshare::status::Record;
use jiff::{Span, Timestamp};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

pub const KEY: &str = "0123456789abcdef0123456789abcdef";
const NEXT_KEY: &str = "fedcba9876543210fedcba9876543210";

/// A beamline with signed tags, and its service.
pub async fn signed_site() -> Site {
    let fields: Vec<Field> = Field::ALL.into_iter().chain([Field::Signature]).collect();
    let key = ("[rules]\n", "[rules]\ntrust = \"signed\"\ntag_key_file = \"tag.key\"\n");
    let mut site = Site::with(&fields, &[key]).await;
    write_keys(&site, KEY);
    site.start();
    site.idle().await;
    site
}

fn write_keys(site: &Site, keys: &str) {
    let file = site.beamline.path("tag.key");
    std::fs::write(&file, keys).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
}

/// The group's texts with an update time so many seconds from now.
pub fn texts(group: &Group, seconds: i64) -> BTreeMap<Field, String> {
    let mut texts: BTreeMap<Field, String> =
        group.iter().map(|(field, text)| (*field, (*text).to_owned())).collect();
    texts.insert(Field::UpdateTime, (Timestamp::now() + Span::new().seconds(seconds)).to_string());
    texts
}

/// The puts of a tool: all but signature and update time, then these.
pub fn signed(key: &str, texts: BTreeMap<Field, String>) -> Vec<(Field, String)> {
    let signature = TagKeys::parse(key).unwrap().sign("site:Share:", &UserInfo(texts.clone()));
    let mut puts: Vec<(Field, String)> = texts.into_iter().collect(); // the update time is the last field
    let last = puts.len() - 1;
    puts.insert(last, (Field::Signature, signature));
    puts
}

pub async fn put_all(site: &Site, puts: &[(Field, String)]) {
    for (field, text) in puts {
        site.put(*field, text).await;
    }
}

/// Presses both buttons. The service resets each when it has acted on it.
pub async fn press_all(site: &Site) {
    for button in [Record::Approve, Record::Run] {
        site.press(button, 1).await;
        site.status("Approval").await;
    }
}

#[tokio::test]
async fn only_what_a_key_holder_has_signed_is_served() {
    let mut site = signed_site().await;
    let first = signed(KEY, texts(&garcia(), 0));
    put_all(&site, &first).await;
    site.delivered("ana@upf.example").await;

    // Unsigned: another tool without the key.
    site.tag(&li()).await;
    site.put(Field::Signature, "").await;
    site.held("Not signed").await;
    press_all(&site).await;

    // Mixed: the signature of the first set with the values of another one.
    put_all(&site, &[(Field::Signature, first[9].1.clone())]).await;
    site.held("Signature does not match").await;
    press_all(&site).await;

    // Tagged again with the key: served without a button.
    let second = signed(KEY, texts(&li(), 0));
    put_all(&site, &second).await;
    site.delivered("boli@mit.example").await;

    // Forged: a thief's address in the signed set.
    site.put(Field::PiEmail, "nali@eth.example").await;
    site.held("Signature does not match").await;
    press_all(&site).await;

    // Replayed: the first set, as it was recorded.
    put_all(&site, &first).await;
    site.held("Replayed").await;
    press_all(&site).await;

    // A restart changes nothing about it.
    site.kill();
    site.start();
    site.held("Replayed").await;
    assert_eq!(site.mailed_to(), ["ana@upf.example", "boli@mit.example"]);
    assert!(site.readers().iter().all(|(_, reader)| reader != "nali@eth.example"), "{:?}", site.readers());

    // The same group again, tagged anew: nothing is sent twice.
    put_all(&site, &signed(KEY, texts(&li(), 1))).await;
    site.status("Done").await;
    assert_eq!(site.mailed_to(), ["ana@upf.example", "boli@mit.example"]);
    site.terminate();
}

#[tokio::test]
async fn a_signed_correction_replaces_the_address_without_a_button() {
    let mut site = signed_site().await;
    put_all(&site, &signed(KEY, texts(&garcia(), 0))).await;
    site.delivered("ana@upf.example").await;
    let mut corrected = texts(&garcia(), 1);
    corrected.insert(Field::PiEmail, "nali@eth.example".to_owned());
    put_all(&site, &signed(KEY, corrected)).await;
    site.delivered("nali@eth.example").await;
    assert!(site.readers().iter().all(|(_, reader)| reader == "nali@eth.example"), "{:?}", site.readers());
    site.terminate();
}

#[tokio::test]
async fn keys_rotate_and_a_key_that_is_missing_or_open_to_others_holds() {
    let mut site = signed_site().await;
    write_keys(&site, &format!("{NEXT_KEY}\n{KEY}\n"));
    put_all(&site, &signed(KEY, texts(&garcia(), 0))).await;
    site.delivered("ana@upf.example").await;
    write_keys(&site, NEXT_KEY);
    put_all(&site, &signed(KEY, texts(&li(), 1))).await;
    site.held("Signature does not match").await;
    put_all(&site, &signed(NEXT_KEY, texts(&li(), 2))).await;
    site.delivered("boli@mit.example").await;

    std::fs::set_permissions(site.beamline.path("tag.key"), PermissionsExt::from_mode(0o644)).unwrap();
    put_all(&site, &signed(NEXT_KEY, texts(&garcia(), 3))).await;
    site.held("chmod 600").await;
    std::fs::remove_file(site.beamline.path("tag.key")).unwrap();
    put_all(&site, &signed(NEXT_KEY, texts(&garcia(), 4))).await;
    site.held("tag.key does not exist").await;
    press_all(&site).await;
    write_keys(&site, NEXT_KEY);
    put_all(&site, &signed(NEXT_KEY, texts(&garcia(), 5))).await;
    site.status("Done").await;
    assert_eq!(site.mailed_to(), ["ana@upf.example", "boli@mit.example"], "nothing twice");
    site.terminate();
}

#[tokio::test]
async fn beamshare_tag_signs_for_the_service_and_verbs_refuse_what_is_not_signed() {
    let mut site = signed_site().await;
    let tag =
        ["tag", "--manual", "--last-name", "Garcia", "--email", "ana@upf.example", "--proposal", "71001"];
    let (code, said) = site.verb(&[&tag[..], &["--year-month", "2026-03"]].concat()).await;
    assert_eq!(code, Some(0), "{said}");
    site.delivered("ana@upf.example").await;

    site.put(Field::PiEmail, "nali@eth.example").await;
    site.held("Signature does not match").await;
    for verb in [&["share"][..], &["share", "--yes"], &["email", "--yes"], &["dirs", "--yes"]] {
        let (code, said) = site.verb(verb).await;
        assert_eq!(code, Some(3), "{verb:?}: {said}");
        assert!(said.contains("Signature does not match"), "{verb:?}: {said}");
    }
    assert_eq!(site.mailed_to(), ["ana@upf.example"]);
    site.terminate();
}
