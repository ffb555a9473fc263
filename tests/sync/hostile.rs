//! What would make clean-up remove the only whole copy of a file, put there on purpose.

use super::cleaning::{killed, reasons};
use super::site::{AT_ONCE, CLEAN_UP, Site, age, options, the_pair};
use std::path::PathBuf;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// The settings of a pair without `local`.
#[tokio::test]
async fn what_was_written_over_at_the_destination_since_stays() {
    let site = Site::sent_then_clean_up(&["as it was sent", "written over"]).await;
    // By somebody else, in the same size.
    std::fs::write(site.destination("written over"), "CONTENT OF written over").unwrap();
    age(&site.destination("written over"), HOUR);
    let (report, gone) = site.clean(false).await;
    assert_eq!(gone, [PathBuf::from("as it was sent")], "{}", reasons(&report));
    assert!(reasons(&report).contains("another time of change"), "{}", reasons(&report));
}

#[tokio::test]
async fn where_times_are_not_kept_the_time_of_the_task_will_do() {
    let settings = "preserve_times = false\n";
    let site = Site::new(&format!("{settings}{AT_ONCE}")).await;
    for name in ["as it was sent", "written over"] {
        site.write(name, name);
        age(&site.source(name), HOUR);
    }
    assert_eq!(site.done().await.sent, 2);
    age(&site.destination("written over"), 2 * HOUR);
    site.configure(&site.local_pair(&format!("{settings}{CLEAN_UP}")));
    let (report, gone) = site.clean(false).await;
    assert_eq!(gone, [PathBuf::from("as it was sent")], "{}", reasons(&report));
}

#[tokio::test]
async fn paths_that_differ_in_capitals_alone_stay() {
    let site =
        Site::sent_then_clean_up(&["B.tif", "b.tif", "Scan/1", "scan/1", "scan/deep/1", "other/1", "c"])
            .await;
    // A destination that does not tell capitals apart has but one of each two.
    std::fs::write(site.destination("B.tif"), "content of b.tif").unwrap();
    age(&site.destination("B.tif"), Duration::from_secs(60));
    let (_, would) = site.clean(true).await;
    let (report, gone) = site.clean(false).await;
    let expected = ["c", "other/1", "scan/deep/1"].map(PathBuf::from);
    assert_eq!((&gone[..], &would[..]), (&expected[..], &expected[..]), "{}", reasons(&report));
    assert!(reasons(&report).contains("4 another path differs from it in capitals"), "{}", reasons(&report));
    for name in ["B.tif", "b.tif", "Scan/1", "scan/1"] {
        assert!(site.is_there(name), "{name}");
    }
    // One of the two is moved away by hand: nothing is in doubt any more that the times don't tell.
    std::fs::remove_file(site.source("Scan/1")).unwrap();
    site.done().await;
    assert!(!site.is_there("scan/1") && site.is_there("B.tif"));
}

async fn nothing_is_under_way(site: &Site) {
    let engine = site.engine().await;
    let pair = the_pair(&engine).await;
    assert!(engine.manifest().unfinished_removals(pair.row.id).await.unwrap().is_empty());
    assert_eq!(engine.manifest().unfinished_task(pair.row.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_killed_clean_up_does_not_go_on_when_the_destination_has_lost_the_file() {
    let site = killed(&["lost", "fine"]).await;
    std::fs::remove_file(site.destination("lost")).unwrap();
    site.done().await;
    assert!(site.is_there("lost"), "the only copy");
    assert!(!site.is_there("fine"), "it went after a new look");
    nothing_is_under_way(&site).await;
}

#[tokio::test]
async fn a_killed_clean_up_does_not_go_on_when_it_is_switched_off_or_stopped() {
    let site = killed(&["a"]).await;
    let deletions = site.globus.count("delete");
    let engine = site.engine().await;
    engine.stop(&the_pair(&engine).await, &options()).await.unwrap();
    nothing_is_under_way(&site).await;
    assert!(site.is_there("a"), "stop begins nothing");
    assert_eq!(site.globus.count("delete"), deletions);

    let site = killed(&["a"]).await;
    site.configure(&site.remote_pair(AT_ONCE));
    site.done().await;
    assert!(site.is_there("a"), "without clean_up the source is only read");
    nothing_is_under_way(&site).await;
}

#[tokio::test]
async fn a_destination_file_with_the_time_of_the_task_and_not_of_the_source_stays() {
    let site = Site::sent_then_clean_up(&["as it was sent", "written over"]).await;
    // By somebody else, in the same size, a moment after the transfer.
    std::fs::write(site.destination("written over"), "CONTENT OF written over").unwrap();
    let (report, gone) = site.clean(false).await;
    assert_eq!(gone, [PathBuf::from("as it was sent")], "{}", reasons(&report));
    assert!(reasons(&report).contains("another time of change"), "{}", reasons(&report));
}
