//! The data moves: as files appear, group by group, and the copy is shared and mailed once.

use crate::beamline::{ARCHIVE, DETECTOR, shared_pair};
use crate::site::{LIMIT, Site, garcia, li, other_li};
use beamshare::domain::Field;
use beamshare::status::Record;
use globus_simulator::Fault;
use std::path::PathBuf;

const ANA: &str = "ana@upf.example";

/// A pair from the first directories to the archive, as files appear.
fn raw(more: &str) -> String {
    let local = "source.local = \"@FOLDER@/local/{{ year_month }}/{{ pi_last_name }}\"";
    let on = format!("on = \"files\"\nquiet = \"300ms\"\n{local}\n{more}");
    shared_pair().replace("share = true", &on)
}

async fn site(pairs: &str) -> Site {
    let mut site = Site::with(&Field::ALL, &[("[journal]", pairs)]).await;
    site.start();
    site.idle().await;
    site
}

impl Site {
    fn write(&self, path: &str, text: &str) {
        let path = self.beamline.path("local/2026-03").join(path);
        std::fs::write(path, text).unwrap();
    }

    fn archived(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.beamline.path("archive/2bm").join(path)).ok()
    }

    /// Waits until a file is in the archive.
    async fn arrives(&self, path: &str) {
        let there = async {
            while self.archived(path).is_none() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        let in_time = tokio::time::timeout(LIMIT, there).await;
        assert!(in_time.is_ok(), "{path} never arrives; the log:\n{}", self.log());
    }

    fn transfers(&self) -> u64 {
        self.beamline.globus.count("transfer")
    }

    /// Who can read what on the archive.
    fn archive_readers(&self) -> Vec<String> {
        let rules = self.beamline.globus.rules(ARCHIVE);
        let mut paths: Vec<_> = rules.iter().map(|rule| rule["path"].as_str().unwrap().to_owned()).collect();
        paths.sort();
        paths
    }

    async fn says(&self, what: &str) {
        self.record(Record::SyncMsg, |text| text.contains(what)).await;
    }

    fn edit(&self, from: &str, to: &str) {
        let file: PathBuf = self.beamline.path("beamshare.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{text}");
        let new = self.beamline.path("new.toml");
        std::fs::write(&new, text.replace(from, to)).unwrap();
        std::fs::rename(new, file).unwrap();
    }
}

#[tokio::test]
async fn files_are_moved_as_they_appear_and_the_copy_is_shared_and_mailed_once() {
    let mut site = site(&raw("share = true")).await;
    site.tag(&garcia()).await;
    site.delivered(ANA).await;
    site.says("raw: no files yet").await;
    site.record(Record::SyncSts, |text| text == "Pending").await;
    assert_eq!((site.transfers(), site.archive_readers().len(), site.mailed_to().len()), (0, 0, 1));

    site.write("Garcia/scan_001.h5", "one");
    site.says("raw: 1 file (").await;
    assert_eq!(site.archived("2026-03/Garcia/scan_001.h5").as_deref(), Some("one"));
    site.record(Record::RunCount, |text| text == "2").await;
    site.delivered(ANA).await;
    site.record(Record::SyncSts, |text| text == "Done").await;
    site.record(Record::SyncFiles, |text| text == "1").await;
    site.record(Record::SyncFilesTotal, |text| text == "1").await;
    site.record(Record::SyncTask, |text| text.len() == 36).await;
    assert_eq!(site.archive_readers(), ["/2bm/2026-03/Garcia/"; 2], "the PI and the staff");
    let mailed = site.mailed();
    assert_eq!(site.mailed_to(), [ANA, ANA], "the first link and the copy's");

    // What is no file's change starts nothing: an empty directory, a name in the settings, a restart.
    std::fs::create_dir(site.beamline.path("local/2026-03/Garcia/empty")).unwrap();
    site.edit("name = \"raw\"", "name = \"raw data\"\nlabel = \"Another label\"");
    site.says("raw data: 1 files are there").await;
    site.terminate();
    site.start();
    site.says("raw data: 1 files are there").await;
    site.write("Garcia/scan_002.h5", "two");
    site.says("raw data: 1 file (").await;
    assert_eq!(site.archived("2026-03/Garcia/scan_002.h5").as_deref(), Some("two"));
    assert_eq!(site.transfers(), 2, "one a file");
    assert_eq!(site.mailed(), mailed, "nobody is mailed again");
}

/// The clock was ahead when the first files arrived, and was then set back. The replica was shared: no
/// delivery is due.
#[tokio::test]
async fn a_clock_that_was_set_back_delivers_nothing_again() {
    let mut site = site(&raw("share = true")).await;
    site.tag(&garcia()).await;
    site.delivered(ANA).await;
    site.write("Garcia/scan_001.h5", "one");
    site.record(Record::RunCount, |text| text == "2").await;
    site.delivered(ANA).await;
    site.terminate();
    let manifest = rusqlite::Connection::open(site.beamline.path("journal.sync.sqlite")).unwrap();
    let ahead = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24)).to_string();
    assert_eq!(manifest.execute("UPDATE pair SET first_success_at = ?1", [ahead]).unwrap(), 1);
    drop(manifest);
    site.start();
    site.delivered(ANA).await;
    let before: u64 = site.text(Record::Heartbeat).await.parse().unwrap();
    site.record(Record::Heartbeat, |text| text.parse::<u64>().is_ok_and(|beat| beat > before + 6)).await;
    assert_eq!(site.text(Record::RunCount).await, "2", "{}", site.log());
}

/// After an edit of the paths, the decision holds the group as a new one. The first files of its former copy have arrived
/// meanwhile: the former copy is shared, and the new directories become the group's by Approve alone.
#[tokio::test]
async fn after_an_edit_of_the_paths_a_served_group_keeps_its_directories_and_gets_no_new_ones() {
    let mut site = site(&raw("share = true")).await;
    site.tag(&garcia()).await;
    site.delivered(ANA).await;
    site.says("raw: no files yet").await;
    site.terminate();
    // As a kill leaves it between the end of the transfer and the delivery that shares the copy.
    let manifest = rusqlite::Connection::open(site.beamline.path("journal.sync.sqlite")).unwrap();
    let now = jiff::Timestamp::now().to_string();
    assert_eq!(manifest.execute("UPDATE pair SET first_success_at = ?1", [now]).unwrap(), 1);
    drop(manifest);
    let readers = site.readers();
    site.edit("{{ pi_last_name }}", "{{ pi_last_name }}_{{ proposal_number }}");
    site.start();
    site.held("First start for this group with these settings").await;
    // Its former pair keeps the paths that it was begun with.
    site.write("Garcia/last.h5", "last");
    site.arrives("2026-03/Garcia/last.h5").await;
    // So does its delivery, which shares the former copy once.
    site.record(Record::RunCount, |text| text == "2").await;
    let before: u64 = site.text(Record::Heartbeat).await.parse().unwrap();
    site.record(Record::Heartbeat, |text| text.parse::<u64>().is_ok_and(|beat| beat > before + 6)).await;
    site.held("First start for this group with these settings").await;
    assert_eq!(site.text(Record::RunCount).await, "2", "{}", site.log());
    assert_eq!(site.readers(), readers, "{}", site.log());
    assert_eq!(site.archive_readers(), ["/2bm/2026-03/Garcia/"; 2], "{}", site.log());
    assert!(!site.beamline.path("local/2026-03/Garcia_71001").exists(), "{}", site.log());

    site.press(Record::Approve, 1).await;
    site.record(Record::RunCount, |text| text == "3").await;
    site.says("raw: no files yet").await;
    site.write("Garcia_71001/scan.h5", "one");
    site.arrives("2026-03/Garcia_71001/scan.h5").await;
}

#[tokio::test]
async fn each_groups_files_go_to_its_own_directory_also_those_that_it_left() {
    let mut site = site(&raw("share = true")).await;
    site.tag(&garcia()).await;
    site.delivered(ANA).await;
    site.says("no files yet").await;
    // Its last file, while the service is down and the next group is tagged.
    site.kill();
    site.write("Garcia/last.h5", "Garcia's");
    site.tag(&li()).await;
    site.start();
    // Nobody saw Li being tagged.
    site.held("the service started at").await;
    site.tag_as_advised(&li()).await;
    site.write("Li/first.h5", "Li's");
    site.says("raw: 1 file (").await;
    assert_eq!(site.archived("2026-03/Li/first.h5").as_deref(), Some("Li's"));
    assert_eq!(site.archived("2026-03/Li/last.h5"), None);
    // Shared with each group's own: four rules, two directories.
    site.record(Record::RunCount, |text| text == "4").await;
    site.record(Record::Run, |text| text == "Idle" || text == "0" || text == "Done").await;
    assert_eq!(site.archived("2026-03/Garcia/last.h5").as_deref(), Some("Garcia's"));
    assert_eq!(site.archived("2026-03/Garcia/first.h5"), None);
    let (garcia, li) = ("/2bm/2026-03/Garcia/", "/2bm/2026-03/Li/");
    assert_eq!(site.archive_readers(), [garcia, garcia, li, li]);
    assert_eq!(site.mailed_to(), [ANA, ANA, "boli@mit.example", "boli@mit.example"]);
    site.record(Record::SyncMsg, |text| !text.contains("Garcia")).await;
    // What is written after the beam time still goes to its own.
    site.write("Garcia/late.h5", "Garcia's too");
    site.arrives("2026-03/Garcia/late.h5").await;
}

#[tokio::test]
async fn a_kill_in_the_middle_of_a_transfer_sends_nothing_twice() {
    let mut site = site(&raw("")).await;
    site.tag(&garcia()).await;
    site.delivered(ANA).await;
    site.beamline.globus.fault(Fault::task_stall("transfer"));
    site.write("Garcia/scan.h5", "data");
    let task = site.record(Record::SyncTask, |text| text.len() == 36).await;
    site.record(Record::SyncSts, |text| text == "Running").await;
    site.kill();
    site.start();
    site.record(Record::SyncTask, |text| text == task).await;
    site.record(Record::SyncSts, |text| text == "Running").await;
    // Pause lets nothing begin; a stop by hand ends what is under way, and the next run by hand goes on.
    site.press(Record::Pause, 1).await;
    let (code, said) = site.verb(&["sync", "stop", "raw"]).await;
    assert_eq!(code, Some(0), "{said}");
    site.says("stopped by hand").await;
    site.press(Record::Pause, 0).await;
    let (code, said) = site.verb(&["sync", "run", "raw"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(site.archived("2026-03/Garcia/scan.h5").as_deref(), Some("data"));
    site.says("1 files are there").await;
    assert_eq!(site.transfers(), 2, "the one that was stopped and the one after it");
    site.write("Garcia/scan2.h5", "more");
    site.says("raw: 1 file (").await;
}

#[tokio::test]
async fn a_failing_pair_stops_no_other() {
    let missing = format!(
        "[[sync]]\nname = \"logs\"\nsource = {{ collection = \"{DETECTOR}\", path = \"/not there\" }}\n\
         destination = {{ collection = \"{ARCHIVE}\", path = \"/logs\" }}\nevery = \"1h\"\n{}",
        raw("")
    );
    let site = site(&missing).await;
    site.says("logs: next try").await;
    site.record(Record::SyncSts, |text| text == "Failed").await;
    site.tag(&garcia()).await;
    site.delivered(ANA).await;
    site.write("Garcia/scan.h5", "data");
    site.says("raw: 1 file (").await;
    assert_eq!(site.archived("2026-03/Garcia/scan.h5").as_deref(), Some("data"));
    site.record(Record::SyncSts, |text| text == "Failed").await;
    std::fs::create_dir(site.beamline.path("local/not there")).unwrap();
    site.record(Record::SyncSts, |text| text == "Done" || text == "Pending").await;
}

#[tokio::test]
async fn pause_lets_nothing_begin_and_an_edit_is_followed() {
    let site = site(&raw("")).await;
    site.tag(&garcia()).await;
    site.delivered(ANA).await;
    site.says("no files yet").await;
    site.press(Record::Pause, 1).await;
    site.says("raw: paused by the operator").await;
    site.write("Garcia/scan.h5", "data");
    // Ten times as long as it would have to be quiet.
    let beat = |text: &str| text.parse::<u64>().unwrap_or_default();
    let now = beat(&site.text(Record::Heartbeat).await);
    site.record(Record::Heartbeat, |text| beat(text) > now + 3).await;
    assert_eq!((site.transfers(), site.archived("2026-03/Garcia/scan.h5")), (0, None));
    site.press(Record::Pause, 0).await;
    site.says("raw: 1 file (").await;

    // An edit while a task is under way: the same task is followed by the new settings.
    site.beamline.globus.fault(Fault::task_pause("transfer", "for a moment"));
    site.write("Garcia/scan2.h5", "more");
    site.says("for a moment").await;
    let task = site.text(Record::SyncTask).await;
    site.edit("quiet = \"300ms\"", "quiet = \"200ms\"");
    site.record(Record::SyncMsg, |text| !text.contains("for a moment")).await;
    site.says("for a moment").await;
    assert_eq!(site.text(Record::SyncTask).await, task);
    site.beamline.globus.resume_tasks();
    site.says("raw: 1 file (").await;
    assert_eq!((site.transfers(), site.archived("2026-03/Garcia/scan2.h5").as_deref()), (2, Some("more")));
}

#[tokio::test]
async fn a_pair_with_fixed_paths_runs_by_the_clock_without_a_group() {
    let fixed = format!(
        "[[sync]]\nname = \"logs\"\nsource = {{ collection = \"{DETECTOR}\", path = \"/logs\" }}\n\
         destination = {{ collection = \"{ARCHIVE}\", path = \"/2bm/logs\" }}\nevery = \"1s\"\nquiet = \"1ms\"\n[journal]"
    );
    let mut site = Site::with(&Field::ALL, &[("[journal]", &fixed)]).await;
    std::fs::create_dir(site.beamline.path("local/logs")).unwrap();
    std::fs::write(site.beamline.path("local/logs/a.log"), "a").unwrap();
    site.start();
    site.arrives("logs/a.log").await;
    site.record(Record::SyncSts, |text| text == "Done").await;
    let before = site.transfers();
    std::fs::write(site.beamline.path("local/logs/b.log"), "b").unwrap();
    site.arrives("logs/b.log").await;
    site.says("logs: 1 file (").await;
    assert_eq!((before, site.transfers()), (1, 2), "a run that finds nothing hands nothing in");
    let (_, said) = site.verb(&["check"]).await;
    assert!(said.contains("logs: source") && said.contains("/2bm/logs/"), "{said}");
}

#[tokio::test]
async fn one_groups_data_never_goes_into_anothers_directory() {
    let own = "{{ year_month }}/{{ pi_last_name }}_{{ proposal_number }}";
    let pair = raw("")
        .replace("/{{ year_month }}/{{ pi_last_name }}\"\ndestination", &format!("/{own}\"\ndestination"))
        .replace("@FOLDER@/local/{{ year_month }}/{{ pi_last_name }}", &format!("@FOLDER@/local/{own}"))
        .replace("/2bm/{{ year_month }}/{{ pi_last_name }}", "/2bm/{{ pi_last_name }}");
    let changes = [
        ("[journal]", &*pair),
        ("paths = [\"{{ year_month }}/{{ pi_last_name }}\"]", &format!("paths = [\"{own}\"]")),
    ];
    let mut site = Site::with(&Field::ALL, &changes).await;
    site.start();
    site.idle().await;
    site.tag(&li()).await;
    site.delivered("boli@mit.example").await;
    site.write("Li_71002/a.h5", "Bo's");
    site.says("raw: 1 file (").await;
    site.tag(&other_li()).await;
    site.delivered("nali@eth.example").await;
    site.write("Li_71003/b.h5", "Na's");
    site.record(Record::SyncMsg, |text| {
        text.contains("is another experiment's already") && text.contains("boli")
    })
    .await;
    site.record(Record::SyncSts, |text| text == "Failed").await;
    // The first one's last file still goes; the other's never.
    site.write("Li_71002/c.h5", "Bo's");
    site.terminate();
    site.start();
    site.record(Record::SyncMsg, |text| text.contains("is another experiment's already")).await;
    site.arrives("Li/c.h5").await;
    assert_eq!(site.archived("Li/b.h5"), None);
}
