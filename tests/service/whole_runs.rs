//! Tagging runs that overlap, die, pause or are not observed: nobody gets what another run put.

use crate::site::{Group, Site, garcia, li};
use crate::trouble::restored;
use beamshare::domain::Field;
use beamshare::status::Record;
use soft_ioc::repository;

impl Site {
    /// Everyone reads the own directory and no other one.
    fn assert_right(&self, what: &str) {
        let own = [("/2026-03/Garcia/", "ana@upf.example"), ("/2026-03/Li/", "boli@mit.example")];
        for (path, reader) in self.readers() {
            assert!(own.contains(&(path.as_str(), reader.as_str())), "{what}: {reader} reads {path}");
        }
    }

    /// Waits until the PVs are judged to be no whole run.
    async fn held_as_not_whole(&self) -> String {
        self.held("Not one whole tagging").await
    }
}

/// Each run puts its fields in order; `runs` says whose turn it is.
async fn interleave(site: &Site, groups: [&Group; 2], runs: impl Iterator<Item = usize>) {
    let mut done = [0, 0];
    for run in runs {
        let (field, text) = groups[run][done[run]];
        site.put(field, text).await;
        done[run] += 1;
    }
}

#[tokio::test]
async fn a_run_that_dies_right_after_a_whole_one_gets_nobody_another_groups_directory() {
    let site = Site::started().await;
    for puts in [2, 4, 6, 9] {
        site.tag(&garcia()).await;
        site.tag_some(&li(), puts).await;
        site.held_as_not_whole().await;
        site.assert_right(&format!("dead after {puts} puts"));
        site.tag_as_advised(&garcia()).await;
    }
    site.tag_as_advised(&li()).await;
    site.assert_right("tagged again");
    assert_eq!(site.mailed_to(), ["ana@upf.example", "boli@mit.example"]);
}

#[tokio::test]
async fn two_tools_at_once_get_nobody_another_groups_directory() {
    let site = Site::started().await;
    // From a fixed seed, so that a failure can be repeated.
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for round in 0..8 {
        let mut left = [10, 10];
        let turns = std::iter::from_fn(|| {
            let first = left[1] == 0 || (left[0] > 0 && random() % 2 == 0);
            let run = usize::from(!first);
            left[run] = usize::checked_sub(left[run], 1)?;
            Some(run)
        });
        interleave(&site, [&garcia(), &li()], turns).await;
        site.record(Record::StatusMsg, |text| text.contains("whole tagging") || text.contains("is there"))
            .await;
        site.assert_right(&format!("round {round}"));
    }
    for group in [garcia(), li()] {
        site.tag_as_advised(&group).await;
        site.assert_right("tagged again");
    }
    assert_eq!(site.mailed_to(), ["ana@upf.example", "boli@mit.example"]);
}

#[tokio::test]
async fn a_run_that_is_slower_than_settle_waits_and_is_served() {
    let mut site = Site::with(&Field::REQUIRED, &[("run_limit = \"5s\"", "run_limit = \"1min\"")]).await;
    site.start();
    site.idle().await;
    site.tag(&garcia()).await;
    site.delivered("ana@upf.example").await;
    site.put(Field::PiLastName, "Li").await;
    let message = site.held_as_not_whole().await;
    assert!(message.contains("Tag the group again, or Approve"), "{message}");
    site.put(Field::PiEmail, "boli@mit.example").await;
    site.held("boli@mit.example").await;
    site.put(Field::YearMonth, "2026-03").await;
    site.delivered("boli@mit.example").await;
    site.assert_right("a slow run");
}

#[tokio::test]
async fn without_an_update_time_a_dead_run_is_released_by_tagging_again() {
    let fields = [Field::YearMonth, Field::PiLastName, Field::PiEmail, Field::ProposalNumber];
    let mut site = Site::with(&fields, &[("run_limit = \"5s\"", "run_limit = \"1min\"")]).await;
    site.start();
    site.idle().await;
    site.tag(&garcia()).await;
    site.delivered("ana@upf.example").await;
    site.tag_some(&li(), 4).await;
    let message = site.held_as_not_whole().await;
    assert!(message.contains("has put only the PI last name, the PI e-mail"), "{message}");
    site.tag(&li()).await;
    site.delivered("boli@mit.example").await;
    site.assert_right("tagged again at once");
}

#[tokio::test]
async fn a_set_that_was_put_while_the_service_was_down_is_held_and_released_by_tagging_again() {
    let mut site = Site::started().await;
    site.tag(&garcia()).await;
    site.delivered("ana@upf.example").await;
    site.kill();
    site.tag(&li()).await;
    site.start();
    let message = site.held("the service started at").await;
    assert!(message.contains("Tag the group again"), "{message}");
    site.assert_right("not observed");
    site.tag_as_advised(&li()).await;
    site.assert_right("tagged again");
}

#[tokio::test]
async fn a_restart_within_a_run_sees_the_rest_of_it_only_and_nobody_is_served_by_halves() {
    let mut site = Site::started().await;
    site.tag(&garcia()).await;
    site.delivered("ana@upf.example").await;
    for puts in [3, 7] {
        site.tag_some(&li(), puts).await;
        site.kill();
        for (field, text) in &li()[puts..] {
            site.put(*field, text).await;
        }
        site.start();
        site.held("the service started at").await;
        site.assert_right("half of it not observed");
    }
    site.tag_as_advised(&li()).await;
    site.assert_right("tagged again");
}

/// IOC and service lose power together; autosave restores the records, and the IOC processes them.
#[tokio::test]
async fn a_power_failure_within_a_run_gets_nobody_another_groups_directory() {
    let mut site = Site::started().await;
    site.tag(&garcia()).await;
    site.delivered("ana@upf.example").await;
    for puts in [6, 7, 9] {
        site.tag_some(&li(), puts).await;
        site.kill();
        site.kill_ioc();
        let names =
            ["UserName", "UserLastName", "UserEmail", "UserBadge", "UserInfoUpdate", "ProposalNumber"];
        let places = [0, 1, 3, 4, 5, 6];
        let texts = places.map(|place| if place < puts { li()[place].1 } else { garcia()[place].1 });
        let mut fields: Vec<(&str, &str)> = names.into_iter().zip(texts).collect();
        fields.push(("ExperimentYearMonth", if puts > 8 { li()[8].1 } else { garcia()[8].1 }));
        let users = site.ca.file("restored.db", &restored(&fields));
        site.ioc = Some(site.ca.ioc(&[(&repository("db/beamshare.db"), "P=site:"), (&users, "P=site:")]));
        site.start();
        site.held("the service started at").await;
        site.assert_right(&format!("power lost after {puts} puts"));
        assert_eq!(site.mailed_to(), ["ana@upf.example"]);
    }
    site.tag_as_advised(&li()).await;
    site.assert_right("tagged again");
}
