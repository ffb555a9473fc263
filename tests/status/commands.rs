//! What operators tell beamshare through its records, and the double life of `Run`.

use std::time::Duration;

use beamshare::status::{OperatorCommand, OperatorCommands, Record, StatusRecords};
use channel_access::{Channel, Context, Sample, Value};

use crate::support::ioc::CaTest;
use crate::{LIMIT, beamshare_ioc, sample};

const PREFIX: &str = "test:Share:";

async fn next(commands: &mut OperatorCommands) -> OperatorCommand {
    tokio::time::timeout(LIMIT, commands.next()).await.expect("a command in time").expect("the board lives")
}

/// The next command that is no switch's state.
async fn order(commands: &mut OperatorCommands) -> OperatorCommand {
    loop {
        let command = next(commands).await;
        if !matches!(command, OperatorCommand::Auto(_) | OperatorCommand::Pause(_)) {
            return command;
        }
    }
}

/// Fails if there is an order among what was heard so far. What an operator would press after it, `Resend`,
/// is the mark up to which is listened.
async fn no_order(ca: &Context, commands: &mut OperatorCommands) {
    // A press that comes before the board has found the button again after a restart of the IOC is nobody's:
    // press again.
    let mark = async {
        loop {
            press(ca, "Resend").await;
            if let Ok(order) = tokio::time::timeout(Duration::from_secs(4), order(commands)).await {
                return order;
            }
        }
    };
    let heard = tokio::time::timeout(LIMIT * 2, mark).await.expect("the button is found again");
    assert_eq!(heard, OperatorCommand::Resend);
}

async fn press(ca: &Context, record: &str) {
    let button = ca.channel(&format!("{PREFIX}{record}")).unwrap();
    button.put(Value::Enum(vec![1]), LIMIT).await.unwrap();
}

fn is(value: u16) -> impl Fn(&Sample) -> bool {
    move |sample| sample.value == Value::Enum(vec![value])
}

async fn board(ca: &Context) -> (StatusRecords, OperatorCommands) {
    let (board, mut commands) = StatusRecords::new(ca, PREFIX).unwrap();
    // Both switches have been heard, and Run reads 0: beamshare is in service.
    let (a, b) = (next(&mut commands).await, next(&mut commands).await);
    assert!(
        [a, b].contains(&OperatorCommand::Auto(true)) && [a, b].contains(&OperatorCommand::Pause(false)),
        "{a:?} {b:?}"
    );
    board.flush(LIMIT).await.unwrap();
    (board, commands)
}

async fn run_channel(ca: &Context) -> Channel {
    let run = ca.channel("test:Share:Run").unwrap();
    run.connected(LIMIT).await.unwrap();
    run
}

#[tokio::test]
async fn buttons_and_switches_are_heard() {
    let test = CaTest::new();
    let ioc = beamshare_ioc(&test);
    let ca = Context::new().unwrap();
    let (_board, mut commands) = board(&ca).await;
    for (record, command) in [
        ("Approve", OperatorCommand::Approve),
        ("Abort", OperatorCommand::Abort),
        ("Resend", OperatorCommand::Resend),
        ("Abort", OperatorCommand::Abort),
    ] {
        press(&ca, record).await;
        assert_eq!(next(&mut commands).await, command);
        let button = ca.channel(&format!("{PREFIX}{record}")).unwrap();
        sample(&button, is(0)).await; // it springs back
    }
    let auto = ca.channel("test:Share:Auto").unwrap();
    for state in [0, 1, 0] {
        auto.put(Value::Enum(vec![state]), LIMIT).await.unwrap();
        assert_eq!(next(&mut commands).await, OperatorCommand::Auto(state == 1));
    }
    press(&ca, "Pause").await;
    assert_eq!(next(&mut commands).await, OperatorCommand::Pause(true));
    // A restart of the IOC: it has the switches' states, and beamshare does not write them.
    ioc.kill();
    let _ioc = beamshare_ioc(&test);
    let (a, b) = (next(&mut commands).await, next(&mut commands).await);
    assert!(
        [a, b].contains(&OperatorCommand::Auto(true)) && [a, b].contains(&OperatorCommand::Pause(false)),
        "{a:?} {b:?}"
    );
}

#[tokio::test]
async fn a_button_that_was_pressed_before_beamshare_came_is_not_obeyed() {
    let test = CaTest::new();
    let mut ioc = beamshare_ioc(&test);
    // As if HIGH were not in the record: pressed long ago, and still 1.
    for button in ["Approve", "Abort", "Run"] {
        ioc.shell(&format!("dbpf test:Share:{button}.HIGH 0"));
        ioc.shell(&format!("dbpf test:Share:{button} 1"));
    }
    let ca = Context::new().unwrap();
    let abort = ca.channel("test:Share:Abort").unwrap();
    sample(&abort, is(1)).await;
    let run = run_channel(&ca).await;
    sample(&run, is(1)).await;
    let (_board, mut commands) = board(&ca).await;
    sample(&abort, is(0)).await;
    sample(&run, is(0)).await;
    no_order(&ca, &mut commands).await;
    press(&ca, "Abort").await;
    assert_eq!(order(&mut commands).await, OperatorCommand::Abort);
    press(&ca, "Run").await;
    assert_eq!(order(&mut commands).await, OperatorCommand::Run);
}

#[tokio::test]
async fn run_pressed_a_hundred_times_is_one_run() {
    let test = CaTest::new();
    let _ioc = beamshare_ioc(&test);
    let ca = Context::new().unwrap();
    let (board, mut commands) = board(&ca).await;
    let run = run_channel(&ca).await;
    for _ in 0..50 {
        run.put(Value::Enum(vec![1]), LIMIT).await.unwrap();
    }
    assert_eq!(order(&mut commands).await, OperatorCommand::Run);
    board.set_run(true);
    for _ in 0..50 {
        run.put(Value::Enum(vec![1]), LIMIT).await.unwrap();
    }
    board.flush(LIMIT).await.unwrap();
    board.set_run(false);
    board.flush(LIMIT).await.unwrap();
    no_order(&ca, &mut commands).await;
}

/// The state of Run is changed by deliveries of every length, down to none at all: no echo is ever taken for
/// a press.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beamshare_never_hears_itself() {
    let test = CaTest::new();
    let _ioc = beamshare_ioc(&test);
    let ca = Context::new().unwrap();
    let (board, mut commands) = board(&ca).await;
    for n in 0..300u32 {
        board.set_run(true);
        match n % 4 {
            0 => board.flush(LIMIT).await.unwrap(),
            1 => tokio::task::yield_now().await,
            2 => tokio::time::sleep(Duration::from_micros(u64::from(n) * 13)).await,
            _ => {}
        }
        board.set_run(false);
        match n % 3 {
            0 => board.flush(LIMIT).await.unwrap(),
            1 => tokio::time::sleep(Duration::from_micros(u64::from(n) * 7)).await,
            _ => {}
        }
    }
    board.flush(LIMIT).await.unwrap();
    let run = ca.channel("test:Share:Run").unwrap();
    assert!(is(0)(&run.get(LIMIT).await.unwrap()));
    // Longer than the time after which a 1 would be obeyed.
    let heard = tokio::time::timeout(Duration::from_secs(1), order(&mut commands)).await;
    assert!(heard.is_err(), "{heard:?}");
}

/// An operator who presses the moment that Run reads 0, while beamshare goes on with deliveries of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_press_between_deliveries_is_never_lost() {
    let test = CaTest::new();
    let _ioc = beamshare_ioc(&test);
    let ca = Context::new().unwrap();
    let (board, mut commands) = board(&ca).await;
    let operator = run_channel(&ca).await;
    sample(&operator, is(0)).await;
    for n in 0..30 {
        board.set_run(true);
        sample(&operator, is(1)).await;
        if n % 2 == 0 {
            board.flush(LIMIT).await.unwrap();
        }
        board.set_run(false);
        sample(&operator, is(0)).await;
        operator.put(Value::Enum(vec![1]), LIMIT).await.unwrap();
        assert_eq!(order(&mut commands).await, OperatorCommand::Run, "press {n}");
        board.set_run(false); // nothing to do: the button goes back
        sample(&operator, is(0)).await;
        board.flush(LIMIT).await.unwrap();
    }
    no_order(&ca, &mut commands).await;
}

/// While a delivery runs, Run reads 1 whatever anybody writes.
#[tokio::test]
async fn a_zero_put_to_run_is_put_right_and_ends_nothing() {
    let test = CaTest::new();
    let _ioc = beamshare_ioc(&test);
    let ca = Context::new().unwrap();
    let (board, mut commands) = board(&ca).await;
    board.set_run(true);
    board.flush(LIMIT).await.unwrap();
    let run = run_channel(&ca).await;
    for _ in 0..5 {
        sample(&run, is(1)).await;
        run.put(Value::Enum(vec![0]), LIMIT).await.unwrap();
        sample(&run, is(0)).await;
    }
    sample(&run, is(1)).await;
    board.flush(LIMIT).await.unwrap();
    board.set_run(false);
    sample(&run, is(0)).await;
    no_order(&ca, &mut commands).await;
}

#[tokio::test]
async fn a_press_that_the_program_does_not_answer_springs_back() {
    let test = CaTest::new();
    let _ioc = beamshare_ioc(&test);
    let ca = Context::new().unwrap();
    let (_board, mut commands) = board(&ca).await;
    let run = run_channel(&ca).await;
    run.put(Value::Enum(vec![1]), LIMIT).await.unwrap();
    sample(&run, is(1)).await;
    assert_eq!(order(&mut commands).await, OperatorCommand::Run);
    sample(&run, is(0)).await;
    no_order(&ca, &mut commands).await;
}

/// Run that can't be written at the end of a delivery stays 1: that must not be taken for a press.
#[tokio::test]
async fn a_zero_that_the_ioc_refuses_is_no_press() {
    let test = CaTest::new();
    let _ioc = beamshare_ioc(&test);
    let ca = Context::new().unwrap();
    let (board, mut commands) = board(&ca).await;
    board.set_run(true);
    board.flush(LIMIT).await.unwrap();
    let disp = ca.channel("test:Share:Run.DISP").unwrap();
    disp.put(Value::Char(vec![1]), LIMIT).await.unwrap();
    board.set_run(false);
    let late = board.flush(Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(late.records, [Record::Run]);
    no_order(&ca, &mut commands).await;
    disp.put(Value::Char(vec![0]), LIMIT).await.unwrap();
    board.flush(LIMIT).await.unwrap();
    no_order(&ca, &mut commands).await;
}

/// The IOC restarts during a delivery, and the delivery ends while it is away.
#[tokio::test]
async fn run_is_right_after_a_restart_of_the_ioc() {
    let test = CaTest::new();
    let ioc = beamshare_ioc(&test);
    let ca = Context::new().unwrap();
    let (board, mut commands) = board(&ca).await;
    board.set_run(true);
    board.flush(LIMIT).await.unwrap();
    ioc.kill();
    let ioc = beamshare_ioc(&test);
    let run = run_channel(&ca).await;
    sample(&run, is(1)).await;
    ioc.kill();
    board.set_run(false);
    let _ioc = beamshare_ioc(&test);
    board.flush(LIMIT).await.unwrap();
    no_order(&ca, &mut commands).await;
}
