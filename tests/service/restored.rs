//! An older state of the journal, restored alone or together with the IOC: nothing is served until an
//! operator has looked.

use crate::site::{LIMIT, Site, garcia, li};
use beamshare::domain::Field;
use beamshare::journal::JournalMark;
use beamshare::status::Record;
use std::time::Duration;

const ANA: &str = "ana@upf.example";
const BO: &str = "boli@mit.example";

/// A site that has served Garcia, made a backup, and served Li.
async fn served_since_the_backup() -> (Site, String) {
    let site = Site::started().await;
    site.tag(&garcia()).await;
    site.delivered(ANA).await;
    let mark = site.record(Record::JournalMark, |text| text.ends_with(" 1")).await;
    let (code, said) = site.verb(&["backup", site.beamline.path("backup.sqlite").to_str().unwrap()]).await;
    assert_eq!(code, Some(0), "{said}");
    site.tag(&li()).await;
    site.delivered(BO).await;
    site.record(Record::JournalMark, |text| text.ends_with(" 2")).await;
    (site, mark)
}

impl Site {
    /// Puts the backup in the journal's place; the service must not run.
    fn restore_journal(&self) {
        for ending in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(self.beamline.path(&format!("journal.sqlite{ending}")));
        }
        std::fs::copy(self.beamline.path("backup.sqlite"), self.beamline.path("journal.sqlite")).unwrap();
    }

    /// The service holds everything, until Approve.
    async fn holds_until_approved(&mut self, because: &str) {
        let message = self.held(because).await;
        assert!(message.starts_with("Approve?") && message.contains("permission list"), "{message}");
        // Run is no approval, and a tagging is not served.
        self.press(Record::Run, 1).await;
        self.tag(&li()).await;
        let before = self.mailed();
        self.kill();
        self.start();
        // The records still show what the killed process wrote, so its log tells that it has looked.
        let has_looked = async {
            while !self.log().contains(because) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(LIMIT, has_looked).await.unwrap_or_else(|_| panic!("{}", self.log()));
        self.held(because).await;
        assert_eq!(self.mailed(), before);
        self.press(Record::Approve, 1).await;
        self.record(Record::StatusMsg, |text| !text.contains("older journal")).await;
        // Confirmed once and for all.
        self.terminate();
        self.start();
        self.record(Record::Heartbeat, |text| text.parse::<u32>().is_ok_and(|beat| beat > 2)).await;
        self.record(Record::StatusMsg, |text| {
            !text.contains("was stopped") && !text.contains("older journal")
        })
        .await;
    }
}

#[tokio::test]
async fn a_restored_journal_is_behind_the_mark_in_the_ioc() {
    let (mut site, _) = served_since_the_backup().await;
    site.kill();
    site.restore_journal();
    site.start();
    site.holds_until_approved("it ends with delivery 1, and delivery 2 was made").await;
}

/// As a virtual machine with both is set back: the mark in the record agrees, and Globus was not set back.
#[tokio::test]
async fn an_ioc_and_a_journal_restored_together_are_behind_the_rules_on_globus() {
    let (mut site, mark) = served_since_the_backup().await;
    site.kill();
    site.kill_ioc();
    site.restore_journal();
    site.start_ioc();
    for (field, text) in garcia() {
        site.put(field, text).await;
    }
    site.put_record(Record::JournalMark, &mark).await;
    assert_eq!(mark.parse::<JournalMark>().unwrap().delivery, 1);
    site.start();
    site.holds_until_approved("2026-03/Li of Globus became readable after its newest entry").await;
}

#[tokio::test]
async fn an_ioc_restored_alone_holds_nothing() {
    let (mut site, mark) = served_since_the_backup().await;
    site.terminate();
    site.put_record(Record::JournalMark, &mark).await;
    site.start();
    site.record(Record::JournalMark, |text| text.ends_with(" 2")).await;
    site.delivered(BO).await;
    site.put(Field::UpdateTime, "later").await;
    site.delivered(BO).await;
}

/// Staff share by hand what is no group's directory, or more of a known one.
#[tokio::test]
async fn rules_made_by_hand_are_no_sign() {
    let mut site = Site::started().await;
    site.tag(&garcia()).await;
    site.delivered(ANA).await;
    site.terminate();
    for path in ["/", "/2026-03/", "/2026-03/Garcia/", "/2026-03/Garcia/raw/", "/public/a/b/"] {
        std::fs::create_dir_all(site.beamline.path("globus").join(path.trim_matches('/'))).unwrap();
        let (code, said) = site.verb(&["permission", "create", "other@example.org", path]).await;
        assert_eq!(code, Some(0), "{path}: {said}");
    }
    site.start();
    site.delivered(ANA).await;
}
