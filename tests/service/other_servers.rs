//! User info that another Channel Access server than EPICS base's serves: caproto, with string records.

use crate::site::{Site, garcia, group, li, pv};
use beamshare::domain::Field;
use beamshare::status::Record;
use soft_ioc::{Ioc, repository};

/// A site whose user info is in caproto, with the service running. libca takes a server that is silent for
/// `connection_timeout` seconds, and does not answer within another five, for disconnected.
async fn caproto_site(connection_timeout: &str) -> (Site, Ioc) {
    // SAFETY: nextest runs one test in a process, and no other thread of it reads the environment yet.
    unsafe { std::env::set_var("EPICS_CA_CONN_TMO", connection_timeout) };
    let mut site = Site::new().await;
    site.kill_ioc();
    site.ioc = Some(site.ca.ioc(&[(&repository("db/beamshare.db"), "P=site:")]));
    let names = Field::ALL.map(pv);
    let server = site
        .ca
        .other_server(&repository("tests/support/caproto_ioc.py"), &names.each_ref().map(String::as_str));
    site.start();
    site.idle().await;
    (site, server)
}

/// Such a server sends no monitors any more on the subscription from before, while gets read what is put.
#[tokio::test]
async fn a_server_that_was_frozen_is_subscribed_anew() {
    let (site, server) = caproto_site("2").await;
    site.tag(&garcia()).await;
    site.delivered("ana@upf.example").await;
    server.freeze();
    site.record(Record::StatusMsg, |text| text.contains("disconnected")).await;
    server.resume();
    site.delivered("ana@upf.example").await;
    site.tag_as_advised(&li()).await;
    assert_eq!(site.mailed_to(), ["ana@upf.example", "boli@mit.example"]);
}

#[tokio::test]
async fn a_clock_that_was_set_back_holds_one_tagging_and_the_advised_one_is_served() {
    let (site, mut server) = caproto_site("30").await;
    site.tag(&garcia()).await;
    site.delivered("ana@upf.example").await;
    // Between two taggings without a rest, and in the middle of one.
    server.ask("-3600");
    site.tag(&li()).await;
    site.held("the clock of the IOC was set back").await;
    site.tag_as_advised(&li()).await;
    let novak = group([
        "Eva",
        "Novak",
        "KIT",
        "eva@kit.example",
        "14",
        "03-09 09:00",
        "71004",
        "Bone",
        "2026-03",
        "24",
    ]);
    site.tag_some(&novak, 5).await;
    server.ask("-7200");
    for (field, text) in &novak[5..] {
        site.put(*field, text).await;
    }
    site.held("the clock of the IOC was set back").await;
    site.tag_as_advised(&novak).await;
    assert_eq!(site.mailed_to(), ["ana@upf.example", "boli@mit.example", "eva@kit.example"]);
}
