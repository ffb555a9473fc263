//! The Prometheus endpoint says what the records say.

use crate::site::{LIMIT, Site, garcia};
use crate::support;
use beamshare::domain::Field;
use beamshare::status::Record;
use std::collections::BTreeMap;
use std::time::Instant;

/// Name and labels of each sample, and its value; fails on a line that is none.
async fn scrape(port: u16) -> BTreeMap<String, f64> {
    let answer = reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await.unwrap();
    assert_eq!(answer.status(), 200);
    let format = answer.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(format.starts_with("application/openmetrics-text"), "{format}");
    let text = answer.text().await.unwrap();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let samples = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        (name.to_owned(), value.parse().unwrap_or_else(|_| panic!("{line}")))
    });
    let samples: BTreeMap<_, _> = samples.collect();
    assert!(!text.contains("ana@") && !text.contains("Garcia"), "nobody's name is told: {text}");
    samples
}

#[tokio::test]
async fn the_metrics_say_what_the_records_say() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let port = support::free_port();
    let metrics = format!("[metrics]\nlisten = \"127.0.0.1:{port}\"\n[journal]");
    let mut site = Site::with(&Field::ALL, &[("[journal]", &metrics)]).await;
    site.start();
    site.idle().await;
    let idle = scrape(port).await;
    let beamline = idle.keys().find_map(|name| name.strip_prefix("beamshare_lease_held")).unwrap().to_owned();
    let label = beamline.trim_matches(['{', '}']).to_owned();
    assert_eq!(idle[&format!("beamshare_lease_held{beamline}")], 1.0);
    assert_eq!(idle[&format!("beamshare_records_missing{beamline}")], 0.0);

    site.tag(&garcia()).await;
    site.delivered("ana@upf.example").await;
    site.record(Record::Run, |text| text == "Idle").await;
    let done = scrape(port).await;
    for (name, record) in [
        ("users_shared", Record::UsersShared),
        ("users_to_share", Record::UsersTotal),
        ("emails_sent", Record::EmailsSent),
        ("emails_failed", Record::EmailsFailed),
        ("deliveries_total", Record::RunCount),
        ("deliveries_failed_total", Record::ErrorCount),
        ("last_duration_seconds", Record::LastDuration),
    ] {
        let said: f64 = site.text(record).await.parse().unwrap();
        assert_eq!(done[&format!("beamshare_{name}{beamline}")], said, "{record}");
    }
    assert_eq!(done[&format!("beamshare_deliveries_total{beamline}")], 1.0);
    let state = |state: &str| done[&format!("beamshare_status{{{label},state=\"{state}\"}}")];
    assert_eq!((state("Done"), state("Failed"), state("Running")), (1.0, 0.0, 0.0));
    for step in ["dirs", "globus", "share", "email"] {
        assert_eq!(
            done[&format!("beamshare_step_status{{{label},step=\"{step}\",state=\"Done\"}}")],
            1.0,
            "{step}"
        );
    }
    let ended = done[&format!("beamshare_last_run_seconds{beamline}")];
    let now = jiff::Timestamp::now().as_second() as f64;
    assert!((now - 600.0..=now + 1.0).contains(&ended), "{ended} {now}");

    // The heart beats.
    let (beats, limit) = (format!("beamshare_heartbeats_total{beamline}"), Instant::now() + LIMIT);
    while scrape(port).await[&beats] <= done[&beats] {
        assert!(Instant::now() < limit, "the heart stands still");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let elsewhere = reqwest::get(format!("http://127.0.0.1:{port}/")).await.unwrap();
    assert_eq!(elsewhere.status(), 404);
}

#[tokio::test]
async fn an_address_that_is_edited_while_the_service_runs_is_served() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut site = Site::with(&Field::ALL, &[]).await;
    site.start();
    site.idle().await;
    let file = site.beamline.path("beamshare.toml");
    let settings = std::fs::read_to_string(&file).unwrap();
    let (one, other) = (support::free_port(), support::free_port());
    for (port, before) in [(one, None), (other, Some(one))] {
        let listen = format!("[metrics]\nlisten = \"127.0.0.1:{port}\"\n[journal]");
        std::fs::write(&file, settings.replace("[journal]", &listen)).unwrap();
        let limit = Instant::now() + LIMIT;
        while reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await.is_err() {
            assert!(Instant::now() < limit, "nothing listens");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        if let Some(before) = before {
            assert!(
                reqwest::get(format!("http://127.0.0.1:{before}/metrics")).await.is_err(),
                "the address of before"
            );
        }
    }
}
