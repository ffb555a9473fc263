//! The status board against db/beamshare.db.

use std::time::Duration;

use beamshare::domain::{Step, StepStatus};
use beamshare::status::{BeamlineStatus, Lease, Record, RecordKind, StatusRecords};
use channel_access::{Context, TextChannel, TextEvent, Value};

use crate::support::ioc::{CaTest, repository};
use crate::{LIMIT, beamshare_ioc, sample};

const PREFIX: &str = "test:Share:";

/// Waits until the record reads so, whatever it read before.
async fn reads(ca: &Context, record: Record, wanted: &str) {
    let channel = TextChannel::new(ca, &format!("{PREFIX}{record}")).unwrap();
    let mut last = None;
    let search = async {
        loop {
            match channel.next().await {
                TextEvent::Text(text) if text.text == wanted => return,
                event => last = Some(event),
            }
        }
    };
    let found = tokio::time::timeout(LIMIT, search).await;
    found.unwrap_or_else(|_| panic!("{record} does not become '{wanted}' but {last:?}"));
}

fn show_something(board: &StatusRecords) {
    board.set_status(BeamlineStatus::Running);
    board.set_text(Record::StatusMsg, "Making directories for Müller");
    board.set_run(true);
    board.set_step(Step::Dirs, StepStatus::Failed, "detector: refused");
    board.set_step(Step::Email, StepStatus::Pending, ""); // what the records hold anyway
    board.set_count(Record::UsersTotal, 12);
    board.set_count(Record::RunCount, u64::MAX);
    board.set_number(Record::LastDuration, 1.25);
    board.set_text(Record::Path, "line\nbreak");
    board.beat();
}

async fn something_is_shown(ca: &Context) {
    reads(ca, Record::Status, "Running").await;
    reads(ca, Record::StatusMsg, "Making directories for Muller").await; // ASCII, for MEDM
    reads(ca, Record::Run, "Running").await;
    reads(ca, Record::DirsSts, "Failed").await;
    reads(ca, Record::DirsMsg, "detector: refused").await;
    reads(ca, Record::EmailSts, "Pending").await;
    reads(ca, Record::UsersTotal, "12").await;
    reads(ca, Record::RunCount, "2147483647").await;
    reads(ca, Record::LastDuration, "1.25").await;
    reads(ca, Record::Path, "line break").await;
    reads(ca, Record::Heartbeat, "1").await;
}

#[tokio::test]
async fn what_is_set_is_shown() {
    let test = CaTest::new();
    let _ioc = beamshare_ioc(&test);
    let ca = Context::new().unwrap();
    let (board, _commands) = StatusRecords::new(&ca, PREFIX).unwrap();
    show_something(&board);
    board.flush(LIMIT).await.unwrap();
    // After a flush a fresh read says so at once.
    let path = TextChannel::new(&ca, &board.pv(Record::Path)).unwrap();
    assert_eq!(path.get(LIMIT).await.unwrap().text, "line break");
    something_is_shown(&ca).await;
    // A record that holds its value by chance is written too, and so is no longer undefined.
    let email = ca.channel(&board.pv(Record::EmailSts)).unwrap().get(LIMIT).await.unwrap();
    assert_eq!(email.severity.to_string(), "NO_ALARM");
    let dirs = ca.channel(&board.pv(Record::DirsSts)).unwrap().get(LIMIT).await.unwrap();
    assert_eq!(dirs.severity.to_string(), "MAJOR");
    assert!(board.missing().is_empty(), "{:?}", board.missing());
}

#[tokio::test]
async fn the_latest_state_is_shown_when_the_ioc_comes_and_comes_back() {
    let test = CaTest::new();
    let ca = Context::new().unwrap();
    let (board, _commands) = StatusRecords::new(&ca, PREFIX).unwrap();
    for n in 0..1000 {
        board.set_count(Record::UsersTotal, n); // nobody waits for an IOC
    }
    show_something(&board);
    let late = board.flush(Duration::from_millis(10)).await.unwrap_err();
    assert!(late.records.contains(&Record::Status) && late.to_string().contains("StatusMsg"), "{late}");
    let ours = |record: &&Record| !matches!(record.kind(), RecordKind::Ioc | RecordKind::Lease);
    assert_eq!(board.missing().len(), Record::ALL.iter().filter(ours).count());
    let ioc = beamshare_ioc(&test);
    something_is_shown(&ca).await;
    board.flush(LIMIT).await.unwrap();
    ioc.kill();
    let gone = async {
        while board.missing().is_empty() {
            tokio::task::yield_now().await
        }
    };
    tokio::time::timeout(LIMIT, gone).await.unwrap();
    board.set_status(BeamlineStatus::Done);
    let _ioc = beamshare_ioc(&test);
    board.flush(LIMIT).await.unwrap();
    reads(&ca, Record::Status, "Done").await;
    reads(&ca, Record::DirsMsg, "detector: refused").await;
    let email = ca.channel(&board.pv(Record::EmailSts)).unwrap().get(LIMIT).await.unwrap();
    assert_eq!(email.severity.to_string(), "NO_ALARM", "written anew though it reads the same");
}

#[tokio::test]
async fn what_another_client_writes_is_put_right() {
    let test = CaTest::new();
    let _ioc = beamshare_ioc(&test);
    let ca = Context::new().unwrap();
    let (board, _commands) = StatusRecords::new(&ca, PREFIX).unwrap();
    board.set_status(BeamlineStatus::Done);
    board.set_text(Record::LastName, "Li");
    board.flush(LIMIT).await.unwrap();
    let (status, name) =
        (ca.channel("test:Share:Status").unwrap(), ca.channel("test:Share:LastName").unwrap());
    for _ in 0..3 {
        status.put(Value::Enum(vec![6]), LIMIT).await.unwrap();
        sample(&status, |s| s.value == Value::Enum(vec![6])).await;
        sample(&status, |s| s.value == Value::Enum(vec![5])).await;
        name.put(Value::chars("Someone else"), LIMIT).await.unwrap();
        sample(&name, |s| s.value.to_string() == "'Someone else'").await;
        sample(&name, |s| s.value.to_string() == "'Li'").await;
    }
}

#[tokio::test]
async fn texts_longer_than_their_record_are_cut() {
    let test = CaTest::new();
    let _ioc = beamshare_ioc(&test);
    let ca = Context::new().unwrap();
    let (board, _commands) = StatusRecords::new(&ca, PREFIX).unwrap();
    board.set_text(Record::StatusMsg, &"é".repeat(1000));
    board.set_text(Record::Email, &"é".repeat(1000)); // an address is shown as it is
    board.set_text(Record::DataLink, &"x".repeat(511));
    board.flush(LIMIT).await.unwrap();
    reads(&ca, Record::StatusMsg, &("e".repeat(252) + "...")).await;
    reads(&ca, Record::Email, &("é".repeat(126) + "...")).await;
    reads(&ca, Record::DataLink, &"x".repeat(511)).await;
}

#[tokio::test]
async fn records_that_are_missing_or_of_another_type_hold_up_no_other() {
    let test = CaTest::new();
    // An older file, without the transfer's records, and somebody's own Status and StatusMsg.
    let db = std::fs::read_to_string(repository("db/beamshare.db"))
        .unwrap()
        .replace("$(P=2bmb:)$(R=Share:)", PREFIX);
    let kept: Vec<_> = db
        .split_inclusive("\n}\n")
        .filter(|record| {
            !record.contains(":Sync") && !record.contains(":Status\"") && !record.contains(":StatusMsg\"")
        })
        .collect();
    let own = r#"record(stringout, "test:Share:Status") { } record(stringout, "test:Share:StatusMsg") { }"#;
    let _ioc = test.ioc_with_records(&(kept.concat().replace("$(AUTO=1)", "1") + own));
    let ca = Context::new().unwrap();
    let (board, _commands) = StatusRecords::new(&ca, PREFIX).unwrap();
    show_something(&board);
    board.set_text(Record::SyncTask, "none");
    reads(&ca, Record::DirsMsg, "detector: refused").await;
    reads(&ca, Record::Run, "Running").await;
    board.set_text(Record::StatusMsg, "A sentence that is longer than forty characters");
    reads(&ca, Record::StatusMsg, "A sentence that is longer than forty...").await;
    let late = board.flush(Duration::from_secs(3)).await.unwrap_err();
    assert_eq!(late.records, [Record::Status, Record::SyncTask]);
    assert!(board.missing().contains(&Record::SyncTask) && board.missing().contains(&Record::Status));
    assert!(!board.missing().contains(&Record::DirsMsg));
    reads(&ca, Record::Status, "").await; // a record that is no mbbi is left alone
}

#[tokio::test]
async fn a_record_that_refuses_is_written_when_it_takes() {
    let test = CaTest::new();
    let _ioc = beamshare_ioc(&test);
    let ca = Context::new().unwrap();
    let disp = ca.channel("test:Share:StatusMsg.DISP").unwrap();
    disp.put(Value::Char(vec![1]), LIMIT).await.unwrap();
    let (board, _commands) = StatusRecords::new(&ca, PREFIX).unwrap();
    board.lease().wait_for(|lease| *lease == Lease::Held).await.unwrap();
    show_something(&board);
    // Status waits for it, but not for ever.
    let late = board.flush(Duration::from_secs(3)).await.unwrap_err();
    assert_eq!(late.records, [Record::StatusMsg]);
    disp.put(Value::Char(vec![0]), LIMIT).await.unwrap();
    board.flush(LIMIT).await.unwrap();
    something_is_shown(&ca).await;
}

#[tokio::test]
async fn the_watchdog_tells_a_beating_heart_from_a_stopped_one() {
    let test = CaTest::new();
    let _ioc = beamshare_ioc(&test);
    let ca = Context::new().unwrap();
    let alive = ca.channel("test:Share:Alive").unwrap();
    let stopped =
        |s: &channel_access::Sample| s.value == Value::Enum(vec![0]) && s.severity.to_string() == "MAJOR";
    let running =
        |s: &channel_access::Sample| s.value == Value::Enum(vec![1]) && s.severity.to_string() == "NO_ALARM";
    // The IOC has just started, and there is no beamshare.
    assert!(stopped(&alive.get(LIMIT).await.unwrap()));
    sample(&alive, stopped).await;
    let (board, _commands) = StatusRecords::new(&ca, PREFIX).unwrap();
    let heart = tokio::spawn(async move {
        loop {
            board.beat();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    sample(&alive, running).await;
    let beats = ca.channel("test:Share:Heartbeat").unwrap();
    for _ in 0..4 {
        sample(&beats, |_| true).await;
    }
    let Value::Double(age) = ca.channel("test:Share:HeartbeatAge").unwrap().get(LIMIT).await.unwrap().value
    else {
        panic!("a number")
    };
    assert!(age[0] < 10.0, "{age:?}");
    assert!(running(&alive.get(LIMIT).await.unwrap()));
    heart.abort();
    sample(&alive, stopped).await;
}
