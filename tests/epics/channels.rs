//! Connections, monitors, reads and writes.

use std::time::Duration;

use beamshare::epics::{CaContext, CaError, Channel, Event, FieldType, Sample, Value};

use crate::support::ioc::CaTest;

const LIMIT: Duration = Duration::from_secs(30);

/// The next event that `wanted` takes.
async fn event<T>(channel: &Channel, wanted: impl Fn(Event) -> Option<T>) -> T {
    let name = channel.name().to_owned();
    let search = async {
        loop {
            if let Some(found) = wanted(channel.next().await) {
                return found;
            }
        }
    };
    tokio::time::timeout(LIMIT, search).await.unwrap_or_else(|_| panic!("{name}: nothing of the kind in {LIMIT:?}"))
}

async fn sample(channel: &Channel, wanted: impl Fn(&Sample) -> bool) -> Sample {
    event(channel, |e| match e {
        Event::Sample(sample) if wanted(&sample) => Some(sample),
        _ => None,
    })
    .await
}

fn connected(event: Event) -> Option<beamshare::epics::Connection> {
    match event {
        Event::Connected(connection) => Some(connection),
        _ => None,
    }
}

#[tokio::test]
async fn a_channel_connects_monitors_reads_and_writes() {
    let test = CaTest::new();
    let _ioc = test.ioc_with_records(
        r#"record(ao, "x") { field(VAL, "1.5") field(PINI, "YES") field(HIHI, "9") field(HHSV, "MAJOR") }"#,
    );
    let ca = CaContext::new().unwrap();
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
