use super::*;
use crate::domain::decision::{DecisionState, Gap, Order, Orders, Put, Watched, Window};
use crate::domain::{Experiment, Field, Reading, Readings, RelativePath, Step, StepStatus, Unit};
use std::os::unix::fs::PermissionsExt;

#[path = "../../tests/support/disk.rs"]
mod disk;
use disk::SmallDisk;

fn experiment(email: &str, proposal: Option<&str>) -> Experiment {
    Experiment {
        year_month: "2026-03".parse().unwrap(),
        pi_last_name: serde_json::from_value(serde_json::json!("Li")).unwrap(),
        pi_email: email.parse().unwrap(),
        details: proposal.map(|number| (Field::ProposalNumber, number.to_owned())).into_iter().collect(),
    }
}

fn path(text: &str) -> RelativePath {
    RelativePath::try_from(text.to_owned()).unwrap()
}

fn claim(at: &str, state: ClaimState) -> Claim {
    Claim { place: "detector".into(), path: path(at), state }
}

async fn accept(journal: &Journal, experiment: &Experiment, at: &str, approved: &[uuid::Uuid]) -> Accepted {
    accept_replacing(journal, experiment, at, approved, None).await
}

async fn accept_replacing(
    journal: &Journal,
    experiment: &Experiment,
    at: &str,
    approved: &[uuid::Uuid],
    replaces: Option<&crate::domain::EmailAddress>,
) -> Accepted {
    journal
        .accept(&Acceptance {
            experiment,
            readings: None,
            by: AcceptedBy::Auto,
            path: &path(at),
            claims: &[claim(at, ClaimState::Claimed)],
            approved,
            same_readers: &[],
            replaces,
        })
        .await
        .unwrap()
}

async fn step(
    journal: &Journal,
    delivery: i64,
    step: Step,
    unit: &str,
    status: StepStatus,
    attempts: u32,
    message: &str,
) {
    journal
        .record(&[JournalRecord::Step(NewStep {
            delivery,
            step,
            unit: &Unit::parse(step, unit),
            status,
            attempts,
            message,
        })])
        .await
        .unwrap();
}

async fn journal() -> (tempfile::TempDir, Journal) {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(&folder.path().join("new/journal.db")).await.unwrap();
    (folder, journal)
}

#[tokio::test]
async fn the_file_is_for_its_account_only() {
    let (folder, journal) = journal().await;
    journal.set_watched(&Watched::default()).await.unwrap();
    for entry in std::fs::read_dir(folder.path().join("new")).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
}

#[tokio::test]
async fn a_full_disk_is_survived() {
    let Some(disk) = SmallDisk::mount(1024) else { return };
    let journal = Journal::open(&disk.path().join("journal.db")).await.unwrap();
    journal.check_writable().await.unwrap();
    for round in 0..3 {
        let filler = disk.fill();
        let mut failed = 0;
        // The first ones fill what is left of the last pages.
        for _ in 0..200 {
            failed += u32::from(journal.check_writable().await.is_err());
        }
        assert!(failed > 0, "the disk was not full in round {round}");
        assert!(journal.free_space().unwrap() < SPACE_LOW);
        std::fs::remove_file(filler).unwrap();
        journal.check_writable().await.unwrap();
        accept(&journal, &experiment("boli@mit.edu", Some(&round.to_string())), "2026-03/Li", &[]).await;
    }
}

#[tokio::test]
async fn a_file_that_is_gone_replaced_overwritten_or_damaged_is_noticed() {
    for (what, expected) in [
        ("delete", "deleted"),
        ("replace", "replaced by another file"),
        ("overwrite", "overwritten by an older one"),
        ("damage", "is damaged"),
    ] {
        let (folder, journal) = journal().await;
        let (path, copy) = (journal.path().to_owned(), folder.path().join("copy.db"));
        journal.check_in_place().await.unwrap();
        journal.back_up(&copy).await.unwrap();
        accept(&journal, &experiment("boli@mit.edu", Some("1")), "2026-03/Li", &[]).await;
        // As a checkpoint by another process brings it into the main file.
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&journal.pool).await.unwrap();
        journal.check_in_place().await.unwrap();
        match what {
            "delete" => std::fs::remove_file(&path).unwrap(),
            "replace" => std::fs::rename(&copy, &path).unwrap(),
            "overwrite" => std::fs::write(&path, std::fs::read(&copy).unwrap()).unwrap(),
            _ => std::fs::write(&path, vec![7; 40_000]).unwrap(),
        }
        let error = journal.check_in_place().await.expect_err(what);
        assert!(error.to_string().contains(expected), "{what}: {error}");
        assert!(!error.is_transient());
    }
}

#[tokio::test]
async fn a_damaged_file_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    std::fs::write(&path, "this is no database, but long enough to be looked at as one").unwrap();
    let error = Journal::open(&path).await.unwrap_err();
    assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("put a backup"), "{error}");
}

#[tokio::test]
async fn a_backup_holds_what_the_wal_file_holds() {
    let (folder, journal) = journal().await;
    accept(&journal, &experiment("boli@mit.edu", Some("1")), "2026-03/Li", &[]).await;
    let backup = folder.path().join("backup.db");
    journal.back_up(&backup).await.unwrap();
    assert_eq!(std::fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600);
    let error = journal.back_up(&backup).await.unwrap_err().to_string();
    assert!(error.contains("backup.db"), "a file that is there stays: {error}");
    let restored = Journal::open(&backup).await.unwrap();
    assert!(restored.latest_experiment().await.unwrap().is_some());
}

#[tokio::test]
async fn nothing_is_written_through_a_planted_link() {
    let (folder, journal) = journal().await;
    let victim = folder.path().join("victim");
    std::fs::write(&victim, "precious").unwrap();
    let lock = PathBuf::from(format!("{}.service.lock", journal.path().display()));
    std::os::unix::fs::symlink(&victim, &lock).unwrap();
    let error = journal.lock_service("test").unwrap_err().to_string();
    assert!(error.contains("service.lock"), "{error}");
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");

    // Where anybody can make files, a link may stand in the place of the database, too.
    let open = tempfile::tempdir().unwrap();
    std::fs::set_permissions(open.path(), PermissionsExt::from_mode(0o1777)).unwrap();
    let error = Journal::open(&open.path().join("journal.sqlite")).await.unwrap_err().to_string();
    assert!(error.contains("who may write in") && error.contains("Move it"), "{error}");
    assert_eq!(std::fs::read_dir(open.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_newer_layout_is_refused_by_name() {
    let (_folder, journal) = journal().await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (99, 'from the future', TRUE, X'00', 0)",
    )
    .execute(&journal.pool)
    .await
    .unwrap();
    journal.close().await;
    let error = Journal::open(journal.path()).await.unwrap_err();
    let newest = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap();
    assert!(matches!(error, JournalError::Newer { version: 99, known, .. } if known == newest), "{error}");
}

#[tokio::test]
async fn the_decision_state_is_kept_and_others_are_noticed() {
    let (_folder, journal) = journal().await;
    assert_eq!(journal.decision_state().await.unwrap(), DecisionState::default());
    let reading = Reading { text: "Li".into(), time: None, invalid: false, possibly_cut: false };
    let readings = Readings([(Field::PiLastName, reading)].into());
    let put =
        Put { field: Field::PiLastName, text: "Li".into(), at: Timestamp::MIN, noticed: Timestamp::MAX };
    let window = Window { puts: vec![put], ..Window::unobserved(Gap::Started, Timestamp::UNIX_EPOCH) };
    let order = Order::new(vec![Field::PiLastName], &[Field::PiLastName].into()).unwrap();
    let state = DecisionState {
        baseline: Some(readings.clone()),
        whole: Some(readings.user_info()),
        orders: Orders::of(vec![order]),
        watched: Some(Watched { readings, window }),
    };
    journal.set_decision_state(&state).await.unwrap();
    assert!(!journal.changed_by_others().await.unwrap(), "our own write");
    let other = Journal::open(journal.path()).await.unwrap();
    assert_eq!(other.decision_state().await.unwrap(), state);
    other.set_watched(&Watched::default()).await.unwrap();
    assert!(journal.changed_by_others().await.unwrap());
    assert!(!journal.changed_by_others().await.unwrap());
    let state = DecisionState { watched: Some(Watched::default()), ..state };
    assert_eq!(journal.decision_state().await.unwrap(), state);
}

/// The journal of a version that compared sets with the one before.
#[tokio::test]
async fn an_earlier_journal_is_migrated_with_what_was_accepted_last() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(&path).create_if_missing(true))
        .await
        .unwrap();
    let earlier = Migrator {
        migrations: MIGRATIONS.iter().filter(|its| its.version < 5).cloned().collect(),
        ..Migrator::DEFAULT
    };
    earlier.run(&pool).await.unwrap();
    let fields = r#"{"pi_last_name":{"text":"Li","time":"2026-03-04T09:00:00Z","invalid":false,"possibly_cut":false}}"#;
    for table in ["user_info", "half_set"] {
        sqlx::query(sqlx::AssertSqlSafe(format!(
            "INSERT INTO {table} VALUES (1, $1, '2026-03-04T09:00:10.000000Z')"
        )))
        .bind(fields)
        .execute(&pool)
        .await
        .unwrap();
    }
    pool.close().await;
    let state = Journal::open(&path).await.unwrap().decision_state().await.unwrap();
    let readings: Readings = serde_json::from_str(fields).unwrap();
    assert_eq!(state.baseline, Some(readings.clone()));
    assert_eq!(state.watched, Some(Watched { readings, window: Window::at_rest() }));
    assert_eq!(state.whole, None);
}

#[tokio::test]
async fn a_correction_keeps_the_experiment_and_another_proposal_is_another() {
    let (_folder, journal) = journal().await;
    let first = experiment("lee@example.org", Some("1234"));
    let Accepted::Accepted { id, corrected_from: None, .. } =
        accept(&journal, &first, "2026-03/Li", &[]).await
    else {
        panic!("the first is accepted")
    };
    let corrected = experiment("li@example.org", Some("1234"));
    match accept(&journal, &corrected, "2026-03/Li", &[]).await {
        Accepted::Taken(conflicts) => assert_eq!(conflicts[0].named, first, "nobody has approved it"),
        accepted => panic!("{accepted:?}"),
    }
    match accept_replacing(&journal, &corrected, "2026-03/Li", &[], Some(&first.pi_email)).await {
        Accepted::Accepted { id: same, corrected_from, .. } => {
            assert_eq!(same, id);
            assert_eq!(corrected_from, Some(first.pi_email.clone()));
        }
        taken => panic!("{taken:?}"),
    }
    let row = journal.find_same(&corrected.owner(), &path("2026-03/Li")).await.unwrap().unwrap();
    assert_eq!(row.experiment, corrected);
    assert!(journal.find_same(&corrected.owner(), &path("2026-04/Li")).await.unwrap().is_none());

    let other = experiment("li@example.com", Some("5678"));
    match accept(&journal, &other, "2026-03/li", &[]).await {
        Accepted::Taken(conflicts) => {
            assert_eq!(conflicts.len(), 1);
            assert_eq!(conflicts[0].named, corrected);
        }
        accepted => panic!("a directory of two owners: {accepted:?}"),
    }
    assert!(
        journal.find_same(&other.owner(), &path("2026-03/li")).await.unwrap().is_none(),
        "nothing was written"
    );
    assert!(matches!(accept(&journal, &other, "2026-03/li", &[id]).await, Accepted::Accepted { .. }));
}

#[tokio::test]
async fn a_killed_delivery_is_taken_over_with_the_messages_it_owed() {
    let (_folder, journal) = journal().await;
    let Accepted::Accepted { id, delivery: Some(delivery), .. } =
        accept(&journal, &experiment("li@example.org", None), "2026-03/Li", &[]).await
    else {
        panic!()
    };
    assert_eq!(journal.unfinished().await.unwrap()[0].number, delivery);
    let same = NewDelivery { experiment: id, cause: Cause::UserInfo, only: None, resend: false };
    assert_eq!(journal.begin_delivery(&same).await.unwrap().number, delivery, "gone on with");
    let new = |resend| NewDelivery { experiment: id, cause: Cause::Run, only: None, resend };
    assert_eq!(journal.begin_delivery(&new(true)).await.unwrap().resend_number, 1);
    assert_eq!(
        journal.begin_delivery(&new(false)).await.unwrap().resend_number,
        1,
        "the killed resending is still owed"
    );
    let again = journal.begin_delivery(&new(true)).await.unwrap();
    assert_eq!(again.resend_number, 1, "and so is this");
    journal.end_delivery(again.number, DeliveryState::Done, "").await.unwrap();
    let again = journal.begin_delivery(&new(true)).await.unwrap();
    assert_eq!(again.resend_number, 2);
    journal.end_delivery(again.number, DeliveryState::Done, "").await.unwrap();
    assert!(journal.unfinished().await.unwrap().is_empty());
    assert_eq!(journal.begin_delivery(&new(false)).await.unwrap().resend_number, 0);
}

#[tokio::test]
async fn the_newest_row_of_each_step_is_shown() {
    let (_folder, journal) = journal().await;
    let Accepted::Accepted { id, delivery: Some(delivery), .. } =
        accept(&journal, &experiment("li@example.org", None), "2026-03/Li", &[]).await
    else {
        panic!()
    };
    step(&journal, delivery, Step::Dirs, "detector", StepStatus::Running, 1, "").await;
    step(&journal, delivery, Step::Dirs, "detector", StepStatus::Failed, 2, "no").await;
    step(&journal, delivery, Step::Email, "", StepStatus::Done, 1, "sent").await;
    let only = Some([Step::Dirs].into());
    let second = journal
        .begin_delivery(&NewDelivery { experiment: id, cause: Cause::Command, only, resend: false })
        .await
        .unwrap();
    assert_eq!(journal.deliveries_of(id).await.unwrap()[0].only, Some([Step::Dirs].into()));
    step(&journal, second.number, Step::Dirs, "detector", StepStatus::Done, 1, "yes").await;
    let steps = journal.steps_of(id).await.unwrap();
    let seen: Vec<_> = steps.iter().map(|row| (row.step, row.status, row.message.as_str())).collect();
    assert!(seen.contains(&(Step::Dirs, StepStatus::Done, "yes")), "{seen:?}");
    assert!(seen.contains(&(Step::Email, StepStatus::Done, "sent")), "{seen:?}");
    assert_eq!(seen.len(), 2);
    assert_eq!(journal.history(5).await.unwrap().len(), 2);
}

#[tokio::test]
async fn one_experiment_is_delivered_by_one_at_a_time() {
    let (_folder, journal) = journal().await;
    let id = uuid::Uuid::new_v4();
    let lock = journal.lock(id, "beamshare run").unwrap();
    let error = journal.lock(id, "beamshare rerun").unwrap_err();
    assert!(error.to_string().contains("beamshare run (process"), "{error}");
    journal.lock(uuid::Uuid::new_v4(), "beamshare rerun").expect("another experiment");
    drop(lock);
    journal.lock(id, "beamshare rerun").expect("free again");
}

mod conflicts {
    use super::*;
    use proptest::prelude::*;

    /// What the SQL must agree with, said by components.
    fn touches(a: &str, b: &str) -> bool {
        a.to_lowercase().split('/').zip(b.to_lowercase().split('/')).all(|(a, b)| a == b)
    }

    fn paths() -> impl Strategy<Value = String> {
        proptest::collection::vec(
            prop_oneof!["[abA_%]{1,2}", Just("Li".to_owned()), Just("li_rec".to_owned())],
            1..4,
        )
        .prop_map(|parts| parts.join("/"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn are_equal_paths_and_those_above_and_below(claimed in paths(), wanted in paths()) {
            prop_assume!([&claimed, &wanted].iter().all(|text| RelativePath::try_from(text.to_string()).is_ok()));
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                let (_folder, journal) = journal().await;
                accept(&journal, &experiment("li@example.org", Some("1")), &claimed, &[]).await;
                for other in [experiment("li@example.org", Some("2")), experiment("lee@example.com", Some("1"))] {
                    let found = journal.conflicts(&other, None, &path(&wanted)).await.unwrap();
                    assert_eq!(!found.is_empty(), touches(&claimed, &wanted), "{claimed} and {wanted}");
                }
                let same = experiment("li@example.org", Some("1"));
                assert!(journal.conflicts(&same, None, &path(&wanted)).await.unwrap().is_empty());
            });
        }
    }
}

#[tokio::test]
async fn people_are_who_the_schedule_lists_and_the_hand_has_the_last_word() {
    let (_folder, journal) = journal().await;
    let Accepted::Accepted { id, .. } =
        accept(&journal, &experiment("li@example.org", Some("1")), "a/Li", &[]).await
    else {
        panic!()
    };
    let address = |text: &str| text.parse::<crate::domain::EmailAddress>().unwrap();
    let list = |emails: &[&str]| {
        let listed = emails.iter().map(|email| Listed { email: address(email), name: "A".to_owned() });
        let listed: Vec<_> = listed.collect();
        let journal = journal.clone();
        async move { journal.set_listed(id, &listed, &[]).await.unwrap() }
    };
    let now = || async {
        let people = journal.people(id).await.unwrap().into_iter();
        people.map(|person| (person.email.username(), person.state, person.delivery)).collect::<Vec<_>>()
    };
    use PersonState::{Present, Removed, Unlisted};
    assert!(list(&["bo@mit.example", "na@eth.example"]).await);
    assert_eq!(journal.owed_people().await.unwrap(), [(id, PersonSource::Schedule)]);
    journal.take_up_people(id, 1).await.unwrap();
    assert!(journal.owed_people().await.unwrap().is_empty());
    assert!(!list(&["BO@mit.example", "Na@ETH.example"]).await, "capitals make no other people");
    assert!(journal.owed_people().await.unwrap().is_empty());

    assert!(journal.remove_person(id, &address("bo@mit.example")).await.unwrap());
    assert!(!journal.remove_person(id, &address("eve@example.org")).await.unwrap());
    assert!(!list(&["bo@mit.example", "na@eth.example", "eve@example.org"]).await, "removed is removed");
    assert_eq!(journal.owed_people().await.unwrap(), [(id, PersonSource::Added)]);
    journal.take_up_people(id, 2).await.unwrap();
    let (bo, eve) = ("bo@mit.example".to_owned(), "eve@example.org".to_owned());
    let na = "na@eth.example".to_owned();
    let expected =
        [(bo.clone(), Removed, Some(2)), (eve.clone(), Removed, Some(2)), (na.clone(), Present, Some(1))];
    assert_eq!(now().await, expected);

    assert!(journal.add_person(id, &address("Bo@MIT.example"), "").await.unwrap());
    assert!(!journal.add_person(id, &address("na@eth.example"), "Na").await.unwrap());
    assert!(list(&["vera@example.org"]).await);
    assert!(list(&[]).await, "Vera goes; who was added stays");
    let states: Vec<_> = now().await.into_iter().map(|(email, state, _)| (email, state)).collect();
    let vera = "vera@example.org".to_owned();
    for expected in [(bo, Present), (eve, Removed), (na, Present), (vera, Unlisted)] {
        assert!(states.contains(&expected), "{expected:?} {states:?}");
    }
}

#[tokio::test]
async fn the_newest_signed_set_is_kept() {
    let (_folder, journal) = journal().await;
    assert_eq!(journal.signed_set().await.unwrap(), None);
    let set = |time: &str| crate::domain::SignedSet {
        time: time.parse().unwrap(),
        signature: format!("of {time}"),
    };
    let (first, second) = (set("2026-03-01T09:00:00.123456-06:00"), set("2026-03-02T09:00:00Z"));
    for (kept, newest) in [(&first, &first), (&second, &second), (&first, &second)] {
        journal.set_signed_set(kept).await.unwrap();
        assert_eq!(journal.signed_set().await.unwrap().as_ref(), Some(newest));
    }
}

#[tokio::test]
async fn the_history_is_searched_by_words_and_continued() {
    let (_folder, journal) = journal().await;
    let mut numbers = vec![];
    for n in 1..=5 {
        let (email, at) = (format!("li{n}@example.org"), format!("2026-03/Li{n}"));
        let accepted = accept(&journal, &experiment(&email, Some(&format!("7100{n}"))), &at, &[]).await;
        let Accepted::Accepted { delivery: Some(delivery), .. } = accepted else { panic!("{accepted:?}") };
        journal.end_delivery(delivery, DeliveryState::Done, "").await.unwrap();
        numbers.push(delivery);
    }
    let reader = journal.reader();
    let found = async |words: &str, before, at_most, names| {
        let search = HistorySearch { words: words.to_owned(), before, at_most, names };
        let found = reader.search_history(&search).await.unwrap();
        let numbers: Vec<_> = found.entries.iter().map(|entry| entry.delivery.number).collect();
        (numbers, found.next)
    };
    let newest: Vec<_> = numbers.iter().rev().copied().collect();
    assert_eq!(found("", None, 50, true).await, (newest.clone(), None));
    assert_eq!(found("", None, 2, true).await, (newest[..2].to_vec(), Some(newest[1])));
    assert_eq!(found("", Some(newest[1]), 50, false).await.0, newest[2..]);
    assert_eq!(found("LI3@example.org done", None, 50, true).await.0, [numbers[2]]);
    assert!(found("li3@example.org failed", None, 50, true).await.0.is_empty());
    assert_eq!(found("71004", None, 50, false).await.0, [numbers[3]]);
    assert!(found("li3", None, 50, false).await.0.is_empty(), "names are not searched");
    let entry = reader.history_entry(numbers[1]).await.unwrap().expect("it is there");
    assert_eq!(entry.experiment().pi_email.to_string(), "li2@example.org");
    assert!(reader.history_entry(4711).await.unwrap().is_none());
    // A reader writes nothing, and a deleted journal is not made anew by it.
    let new =
        NewDelivery { experiment: entry.delivery.experiment, cause: Cause::Run, only: None, resend: false };
    assert!(reader.begin_delivery(&new).await.is_err());
    std::fs::remove_file(journal.path()).unwrap();
    assert!(journal.reader().history(1).await.is_err());
    assert!(!journal.path().exists());
}
