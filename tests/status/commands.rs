//! The operator's buttons and switches, and the record `Run`, which both sides write.

use std::time::Duration;

use beamshare::status::{OperatorCommand, OperatorCommands, Record, StatusRecords};
use channel_access::{Channel, Context, Sample, Value};

use crate::support::ioc::{CaTest, Ioc};
use crate::{LIMIT, beamshare_ioc, sample};

const PREFIX: &str = "test:Share:";

async fn next(commands: &mut OperatorCommands) -> OperatorCommand {
    tokio::time::timeout(LIMIT, commands.next()).await.expect("a command in time").expect("the records exist")
}

/// The next command of a button.
async fn order(commands: &mut OperatorCommands) -> OperatorCommand {
    loop {
        let command = next(commands).await;
        if !matches!(command, OperatorCommand::Auto(_) | OperatorCommand::Pause(_)) {
            return command;
        }
    }
}

/// Fails if a button's command has arrived so far. Presses `Resend` afterwards, to know when all earlier
/// commands have arrived.
async fn no_order(ca: &Context, commands: &mut OperatorCommands) {
    // A press that comes before the button is connected again after a restart of the IOC is lost: press
    // again.
    let mark = async {
        loop {
            press(ca, "Resend").await;
            if let Ok(order) = tokio::time::timeout(Duration::from_secs(4), order(commands)).await {
                return order;
            }
        }
    };
    let first = tokio::time::timeout(LIMIT * 2, mark).await.expect("the button is found again");
    assert_eq!(first, OperatorCommand::Resend);
}

async fn press(ca: &Context, record: &str) {
    let button = ca.channel(&format!("{PREFIX}{record}")).unwrap();
    button.put(Value::Enum(vec![1]), LIMIT).await.unwrap();
}

fn is(value: u16) -> impl Fn(&Sample) -> bool {
    move |sample| sample.value == Value::Enum(vec![value])
}

/// A soft IOC, with the records and commands of a program that serves it. Fields are dropped in this order.
struct Bench {
    commands: OperatorCommands,
    records: StatusRecords,
    ca: Context,
    _ioc: Ioc,
    _test: CaTest,
}

impl Bench {
    async fn new() -> Bench {
        let test = CaTest::new();
        let ioc = beamshare_ioc(&test);
        let ca = Context::new().unwrap();
        let (records, commands) = connect(&ca).await;
        Bench { commands, records, ca, _ioc: ioc, _test: test }
    }
}

async fn connect(ca: &Context) -> (StatusRecords, OperatorCommands) {
    let (records, mut commands) = StatusRecords::new(ca, PREFIX).unwrap();
    // Both switches have been reported, and Run reads 0: beamshare is in service.
    let (a, b) = (next(&mut commands).await, next(&mut commands).await);
    assert!(
        [a, b].contains(&OperatorCommand::Auto(true)) && [a, b].contains(&OperatorCommand::Pause(false)),
        "{a:?} {b:?}"
    );
    records.flush(LIMIT).await.unwrap();
    (records, commands)
}

async fn run_channel(ca: &Context) -> Channel {
    let run = ca.channel("test:Share:Run").unwrap();
    run.connected(LIMIT).await.unwrap();
    run
}

#[tokio::test]
async fn buttons_and_switches_become_commands() {
    let test = CaTest::new();
    let ioc = beamshare_ioc(&test);
    let ca = Context::new().unwrap();
    let (_records, mut commands) = connect(&ca).await;
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
    let (_records, mut commands) = connect(&ca).await;
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
    let mut bench = Bench::new().await;
    let run = run_channel(&bench.ca).await;
    for _ in 0..50 {
        run.put(Value::Enum(vec![1]), LIMIT).await.unwrap();
    }
    assert_eq!(order(&mut bench.commands).await, OperatorCommand::Run);
    bench.records.set_run(true);
    for _ in 0..50 {
        run.put(Value::Enum(vec![1]), LIMIT).await.unwrap();
    }
    bench.records.flush(LIMIT).await.unwrap();
    bench.records.set_run(false);
    bench.records.flush(LIMIT).await.unwrap();
    no_order(&bench.ca, &mut bench.commands).await;
}

/// The state of Run is changed by deliveries of every length, down to none at all: no echo is ever mistaken
/// for a press.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_writes_are_never_commands() {
    let mut bench = Bench::new().await;
    for n in 0..300u32 {
        bench.records.set_run(true);
        match n % 4 {
            0 => bench.records.flush(LIMIT).await.unwrap(),
            1 => tokio::task::yield_now().await,
            2 => tokio::time::sleep(Duration::from_micros(u64::from(n) * 13)).await,
            _ => {}
        }
        bench.records.set_run(false);
        match n % 3 {
            0 => bench.records.flush(LIMIT).await.unwrap(),
            1 => tokio::time::sleep(Duration::from_micros(u64::from(n) * 7)).await,
            _ => {}
        }
    }
    bench.records.flush(LIMIT).await.unwrap();
    let run = bench.ca.channel("test:Share:Run").unwrap();
    assert!(is(0)(&run.get(LIMIT).await.unwrap()));
    // Longer than the time after which a 1 would be obeyed.
    let command = tokio::time::timeout(Duration::from_secs(1), order(&mut bench.commands)).await;
    assert!(command.is_err(), "{command:?}");
}

/// An operator who presses the moment that Run reads 0, while beamshare goes on with deliveries of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_press_between_deliveries_is_never_lost() {
    let mut bench = Bench::new().await;
    let operator = run_channel(&bench.ca).await;
    sample(&operator, is(0)).await;
    for n in 0..30 {
        bench.records.set_run(true);
        sample(&operator, is(1)).await;
        if n % 2 == 0 {
            bench.records.flush(LIMIT).await.unwrap();
        }
        bench.records.set_run(false);
        sample(&operator, is(0)).await;
        operator.put(Value::Enum(vec![1]), LIMIT).await.unwrap();
        assert_eq!(order(&mut bench.commands).await, OperatorCommand::Run, "press {n}");
        bench.records.set_run(false); // nothing to do: the button goes back
        sample(&operator, is(0)).await;
        bench.records.flush(LIMIT).await.unwrap();
    }
    no_order(&bench.ca, &mut bench.commands).await;
}

/// While a delivery runs, Run reads 1 whatever anybody writes.
#[tokio::test]
async fn a_zero_put_to_run_is_put_right_and_ends_nothing() {
    let mut bench = Bench::new().await;
    bench.records.set_run(true);
    bench.records.flush(LIMIT).await.unwrap();
    let run = run_channel(&bench.ca).await;
    for _ in 0..5 {
        sample(&run, is(1)).await;
        run.put(Value::Enum(vec![0]), LIMIT).await.unwrap();
        sample(&run, is(0)).await;
    }
    sample(&run, is(1)).await;
    bench.records.flush(LIMIT).await.unwrap();
    bench.records.set_run(false);
    sample(&run, is(0)).await;
    no_order(&bench.ca, &mut bench.commands).await;
}

#[tokio::test]
async fn a_press_that_the_program_does_not_answer_springs_back() {
    let mut bench = Bench::new().await;
    let run = run_channel(&bench.ca).await;
    run.put(Value::Enum(vec![1]), LIMIT).await.unwrap();
    sample(&run, is(1)).await;
    assert_eq!(order(&mut bench.commands).await, OperatorCommand::Run);
    sample(&run, is(0)).await;
    no_order(&bench.ca, &mut bench.commands).await;
}

/// Run that can't be written at the end of a delivery stays 1: that must not be taken for a press.
#[tokio::test]
async fn a_zero_that_the_ioc_refuses_is_no_press() {
    let mut bench = Bench::new().await;
    bench.records.set_run(true);
    bench.records.flush(LIMIT).await.unwrap();
    let disp = bench.ca.channel("test:Share:Run.DISP").unwrap();
    disp.put(Value::Char(vec![1]), LIMIT).await.unwrap();
    bench.records.set_run(false);
    let late = bench.records.flush(Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(late.records, [Record::Run]);
    no_order(&bench.ca, &mut bench.commands).await;
    disp.put(Value::Char(vec![0]), LIMIT).await.unwrap();
    bench.records.flush(LIMIT).await.unwrap();
    no_order(&bench.ca, &mut bench.commands).await;
}

/// The IOC restarts during a delivery, and the delivery ends while it is away.
#[tokio::test]
async fn run_is_right_after_a_restart_of_the_ioc() {
    let test = CaTest::new();
    let ioc = beamshare_ioc(&test);
    let ca = Context::new().unwrap();
    let (records, mut commands) = connect(&ca).await;
    records.set_run(true);
    records.flush(LIMIT).await.unwrap();
    ioc.kill();
    let ioc = beamshare_ioc(&test);
    let run = run_channel(&ca).await;
    sample(&run, is(1)).await;
    ioc.kill();
    records.set_run(false);
    let _ioc = beamshare_ioc(&test);
    records.flush(LIMIT).await.unwrap();
    no_order(&ca, &mut commands).await;
}
