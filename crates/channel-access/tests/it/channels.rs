//! Connections, monitors, reads and writes.

use std::net::UdpSocket;
use std::time::Duration;

use channel_access::{CaError, ChannelOptions, Context, Event, FieldType, Value};

use crate::{LIMIT, connected, disconnected, event, sample};
use soft_ioc::CaTest;

const X: &str = r#"record(longout, "x") { field(VAL, "1") field(PINI, "YES") }"#;

#[tokio::test]
async fn a_channel_connects_monitors_reads_and_writes() {
    let test = CaTest::new();
    let _ioc = test.ioc_with_records(
        r#"record(ao, "x") { field(VAL, "1.5") field(PINI, "YES") field(HIHI, "9") field(HHSV, "MAJOR") }"#,
    );
    let ca = Context::new().unwrap();
    let x = ca.channel("x").unwrap();
    let connection = event(&x, connected).await;
    assert_eq!((connection.field_type, connection.count), (FieldType::Double, 1));
    assert!(connection.access.read && connection.access.write);
    assert!(connection.host.contains(&test.server_port.to_string()), "{}", connection.host);
    sample(&x, |s| s.value == Value::Double(vec![1.5])).await;
    x.put(Value::Double(vec![10.0]), LIMIT).await.unwrap();
    let high = sample(&x, |s| s.value == Value::Double(vec![10.0])).await;
    assert_eq!((high.severity.to_string(), high.status.to_string()), ("MAJOR".into(), "HIHI".into()));
    let age = high.timestamp.unwrap().elapsed().unwrap_or_default();
    assert!(age < LIMIT, "{age:?}");
    assert_eq!(x.get(LIMIT).await.unwrap(), high);
    let error = x.put(Value::string("no number"), LIMIT).await.unwrap_err();
    assert!(matches!(&error, CaError::Refused { .. }), "{error}");
    assert!(error.to_string().starts_with("x: cannot write 'no number': "), "{error}");
}

#[tokio::test]
async fn a_pv_that_does_not_exist_yet_connects_when_it_does() {
    let test = CaTest::new();
    let ca = Context::new().unwrap();
    let x = ca.channel("x").unwrap();
    let error = x.get(Duration::from_millis(100)).await.unwrap_err().to_string();
    assert!(error.contains("x: cannot read: no IOC answers"), "{error}");
    assert!(error.contains("EPICS_CA_ADDR_LIST ('127.0.0.1 127.0.0.2'"), "{error}");
    let _ioc = test.ioc_with_records(X);
    event(&x, connected).await;
    sample(&x, |s| s.value == Value::Long(vec![1])).await;
}

#[tokio::test]
async fn an_ioc_that_was_killed_is_found_again() {
    let test = CaTest::new();
    let ioc = test.ioc_with_records(X);
    let ca = Context::new().unwrap();
    let x = ca.channel("x").unwrap();
    sample(&x, |_| true).await;
    x.put(Value::Long(vec![7]), LIMIT).await.unwrap();
    sample(&x, |s| s.value == Value::Long(vec![7])).await;
    ioc.kill();
    event(&x, disconnected).await;
    let _ioc = test.ioc_with_records(X);
    event(&x, connected).await;
    sample(&x, |s| s.value == Value::Long(vec![1])).await; // the monitor lives on
    x.put(Value::Long(vec![8]), LIMIT).await.unwrap();
    sample(&x, |s| s.value == Value::Long(vec![8])).await;
}

#[tokio::test]
async fn an_ioc_that_comes_back_on_another_port_with_another_type_is_found_again() {
    let test = CaTest::new();
    let ioc = test.ioc_with_records(X);
    let ca = Context::new().unwrap();
    let x = ca.channel("x").unwrap();
    sample(&x, |s| s.value == Value::Long(vec![1])).await;
    ioc.kill();
    event(&x, disconnected).await;
    let _other = test.hold_tcp_port();
    let _ioc = test.ioc_with_records(r#"record(stringout, "x") { field(VAL, "text") field(PINI, "YES") }"#);
    let connection = event(&x, connected).await;
    assert_eq!(connection.field_type, FieldType::String);
    assert!(!connection.host.contains(&test.server_port.to_string()), "{}", connection.host);
    // Nothing in the old type comes in between.
    assert_eq!(sample(&x, |_| true).await.value, Value::string("text"));
}

#[tokio::test]
async fn an_ioc_that_hangs_or_dies_while_it_is_asked_gives_an_error_in_time() {
    let test = CaTest::new();
    let ioc = test.ioc_with_records(X);
    let ca = Context::new().unwrap();
    let x = ca.channel("x").unwrap();
    x.connected(LIMIT).await.unwrap();
    ioc.freeze();
    let error = x.get(Duration::from_millis(200)).await.unwrap_err();
    assert!(matches!(error, CaError::Timeout { .. }), "{error}");
    let (answer, ()) = tokio::join!(x.put(Value::Long(vec![2]), LIMIT), async {
        tokio::time::sleep(Duration::from_millis(50)).await; // the put is on its way; sooner or later is right, too
        ioc.kill();
    });
    let error = answer.unwrap_err();
    assert!(matches!(error, CaError::Disconnected { .. }), "{error}");
}

#[tokio::test]
async fn the_last_value_of_a_flood_arrives() {
    let test = CaTest::new();
    let records: String = (0..100).map(|n| format!("record(longout, \"x{n}\") {{ }}\n")).collect();
    let _ioc = test.ioc_with_records(&records);
    let ca = Context::new().unwrap();
    let channels: Vec<_> = (0..100).map(|n| ca.channel(&format!("x{n}")).unwrap()).collect();
    for channel in &channels {
        event(channel, connected).await;
    }
    test.python(
        "import epics\n\
         pvs = [epics.PV(f'x{n}') for n in range(100)]\n\
         assert all(pv.wait_for_connection(10) for pv in pvs)\n\
         [pvs[0].put(n) for n in range(1, 10001)]\n\
         [pv.put(n) for n in range(1, 101) for pv in pvs[1:]]\n\
         [pv.put(n, wait=True, timeout=30) for n, pv in [(10001, pvs[0])] + [(101, pv) for pv in pvs[1:]]]\n",
    );
    for (n, channel) in channels.iter().enumerate() {
        let last = if n == 0 { 10001 } else { 101 };
        sample(channel, |s| s.value == Value::Long(vec![last])).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_come_and_go_while_values_stream() {
    let test = CaTest::new();
    let _ioc = test.ioc_with_records(
        r#"record(calc, "x") { field(SCAN, ".1 second") field(CALC, "VAL+1") field(FLNK, "y") }
           record(longout, "y") { }"#,
    );
    let ca = Context::new().unwrap();
    let writer = ca.channel("y").unwrap();
    writer.connected(LIMIT).await.unwrap();
    let flood = tokio::spawn(async move {
        for n in 0.. {
            if writer.put(Value::Long(vec![n]), LIMIT).await.is_err() {
                break;
            }
        }
    });
    let cycles = async {
        for _ in 0..100 {
            let y = ca.channel("y").unwrap();
            sample(&y, |_| true).await;
            let (x, z) = (ca.channel("x").unwrap(), ca.channel("nowhere").unwrap());
            let _ = x.get(Duration::from_millis(1)).await; // given up in mid-way
            drop((x, y, z));
        }
    };
    tokio::time::timeout(LIMIT, cycles).await.expect("no deadlock");
    assert!(!flood.is_finished());
    flood.abort();
}

#[tokio::test]
async fn after_put_and_renew_every_sample_is_from_after_the_put() {
    let test = CaTest::new();
    let _ioc = test.ioc_with_records(X);
    let ca = Context::new().unwrap();
    let x = ca.open("x", ChannelOptions { own_circuit: true, ..ChannelOptions::default() }).unwrap();
    sample(&x, |_| true).await;
    // Bursts, so that echoes of the earlier puts are still on their way when the last one renews the monitor.
    for burst in 0..100 {
        for n in 0..4 {
            x.put_and_renew(Value::Long(vec![2 + burst * 4 + n]), LIMIT).await.unwrap();
        }
        for _ in 0..4 {
            event(&x, |e| (e == Event::Renewed).then_some(())).await;
        }
        assert_eq!(sample(&x, |_| true).await.value, Value::Long(vec![2 + burst * 4 + 3]));
    }
}

#[tokio::test]
async fn a_put_that_the_ioc_refuses_is_heard_of() {
    let test = CaTest::new();
    let _ioc = test.ioc_with_records(r#"record(longout, "x") { field(DISP, "1") }"#);
    let ca = Context::new().unwrap();
    let x = ca.open("x", ChannelOptions { own_circuit: true, ..ChannelOptions::default() }).unwrap();
    let error = x.put(Value::Long(vec![1]), LIMIT).await.unwrap_err();
    assert!(matches!(error, CaError::Refused { .. }), "{error}");
    x.put_and_renew(Value::Long(vec![1]), LIMIT).await.unwrap();
    event(&x, |e| (e == Event::Renewed).then_some(())).await;
    event(&x, |e| matches!(e, Event::PutFailed(_)).then_some(())).await;
}

#[tokio::test]
async fn beamshare_is_the_repeater_where_the_host_has_none() {
    let test = CaTest::new();
    let _ioc = test.ioc_with_records(X);
    let before = test.python("import epics; print(epics.caget('x'))");
    assert!(before.contains("caRepeater"), "a client without a repeater complains: {before}");
    let _ca = Context::new().unwrap();
    let after = test.python("import epics; print(epics.caget('x'))");
    assert_eq!(after.trim(), "1");
    let taken = UdpSocket::bind(("0.0.0.0", test.repeater_port));
    assert!(taken.is_err(), "the repeater holds its port");
}

#[tokio::test]
async fn what_cannot_be_a_pv_is_an_error() {
    let _test = CaTest::new();
    let ca = Context::new().unwrap();
    for name in ["", "a b", "a\0b", "a\n"] {
        assert!(matches!(ca.channel(name), Err(CaError::BadName { .. })), "{name:?}");
    }
}
