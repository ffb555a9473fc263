//! What a script finds that waits for `Run` or `Status` and then reads the rest.

use std::time::Duration;

use beamshare::domain::{Step, StepStatus};
use beamshare::status::{BeamlineStatus, Record, StatusRecords};
use channel_access::{ChannelOptions, Context, TextChannel, Value};

use crate::support::ioc::CaTest;
use crate::{LIMIT, beamshare_ioc, sample};

const PREFIX: &str = "test:Share:";

/// All that a delivery's end changes.
fn show(board: &StatusRecords, round: u64, runs: bool) {
    let what = format!("{} {round}", if runs { "begin" } else { "end" });
    // Status and Run in the middle, where whoever calls may have them.
    board.set_text(Record::StatusMsg, &what);
    board.set_count(Record::RunCount, round);
    board.set_text(Record::Path, &what);
    board.set_text(Record::DataLink, &what.repeat(20));
    for step in [Step::Dirs, Step::Globus, Step::Share, Step::Email] {
        board.set_step(step, if runs { StepStatus::Running } else { StepStatus::Done }, &what);
    }
    board.set_number(Record::LastDuration, round as f64);
    board.set_text(Record::LastRun, &what);
    board.set_status(if runs { BeamlineStatus::Running } else { BeamlineStatus::Done });
    board.set_run(runs);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_run_or_status_reads_nothing_old() {
    let test = CaTest::new();
    let _ioc = beamshare_ioc(&test);
    let ca = Context::new().unwrap();
    let (board, _commands) = StatusRecords::new(&ca, PREFIX).unwrap();
    board.flush(LIMIT).await.unwrap();
    let records = [
        Record::Status,
        Record::StatusMsg,
        Record::RunCount,
        Record::Path,
        Record::DirsMsg,
        Record::EmailSts,
        Record::EmailMsg,
        Record::LastRun,
        Record::LastDuration,
    ];
    let channels: Vec<_> =
        records.iter().map(|r| TextChannel::new(&ca, &format!("{PREFIX}{r}")).unwrap()).collect();
    for channel in &channels {
        channel.get(LIMIT).await.unwrap();
    }
    let run =
        ca.open("test:Share:Run", ChannelOptions { own_circuit: true, ..ChannelOptions::default() }).unwrap();
    let status = ca.channel("test:Share:Status").unwrap();
    for round in 1..=50u64 {
        show(&board, round, true);
        sample(&run, |s| s.value == Value::Enum(vec![1])).await;
        sample(&status, |s| s.value == Value::Enum(vec![BeamlineStatus::Running as u16])).await;
        show(&board, round, false);
        let (wanted, waits_for_run) = (format!("end {round}"), round % 2 == 0);
        if waits_for_run {
            sample(&run, |s| s.value == Value::Enum(vec![0])).await;
        } else {
            sample(&status, |s| s.value == Value::Enum(vec![BeamlineStatus::Done as u16])).await;
        }
        let read = futures::future::join_all(channels.iter().map(|channel| channel.get(LIMIT))).await;
        let read: Vec<String> = read.into_iter().map(|text| text.unwrap().text).collect();
        let number = round.to_string();
        let expected = ["Done", &wanted, &number, &wanted, &wanted, "Done", &wanted, &wanted, &number];
        assert_eq!(read, expected, "round {round}");
        if !waits_for_run {
            sample(&run, |s| s.value == Value::Enum(vec![0])).await;
        } else {
            sample(&status, |s| s.value == Value::Enum(vec![BeamlineStatus::Done as u16])).await;
        }
    }
}

/// A record that refuses its value holds them up: for about a second, and no longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_refuses_does_not_keep_run_at_one() {
    let test = CaTest::new();
    let _ioc = beamshare_ioc(&test);
    let ca = Context::new().unwrap();
    let (board, _commands) = StatusRecords::new(&ca, PREFIX).unwrap();
    show(&board, 1, true);
    board.flush(LIMIT).await.unwrap();
    let disp = ca.channel("test:Share:Path.DISP").unwrap();
    disp.put(Value::Char(vec![1]), LIMIT).await.unwrap();
    let run =
        ca.open("test:Share:Run", ChannelOptions { own_circuit: true, ..ChannelOptions::default() }).unwrap();
    sample(&run, |s| s.value == Value::Enum(vec![1])).await;
    show(&board, 2, false);
    let set = std::time::Instant::now();
    let run_ends = sample(&run, |s| s.value == Value::Enum(vec![0]));
    tokio::time::timeout(Duration::from_secs(10), run_ends).await.unwrap();
    assert!(set.elapsed() >= Duration::from_millis(900), "not waited for: {:?}", set.elapsed());
    let late = board.flush(Duration::from_millis(100)).await.unwrap_err();
    assert_eq!(late.records, [Record::Path]);
}
