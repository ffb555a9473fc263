//! Servers that send what they must not: the process neither crashes nor grows, and other PVs go on.

use std::io::Write;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use channel_access::{ChannelOptions, Context, Event, TextChannel, Value};
use soft_ioc::CaTest;

use crate::hostile_server::*;
use crate::{LIMIT, connected, event, sample};

/// Bytes of this process's memory.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number");
    pages * 4096
}

/// The size of a flood: a twentieth under valgrind, which takes twenty times as long.
fn flood(size: u32) -> u32 {
    if std::env::var_os("UNDER_VALGRIND").is_some() { size / 20 } else { size }
}

/// What a good PV of the same server says, read anew: Channel Access of this process still works.
async fn good_pv_is_served(ca: &Context, name: &str) {
    let good = ca.channel(name).unwrap();
    assert_eq!(good.get(LIMIT).await.unwrap_or_else(|e| panic!("{e}")).value, Value::Long(vec![0]));
}

/// A bad PV of this type, whose server answers reads and monitors like this, costs its connection and nothing
/// else.
async fn costs_the_connection(
    native: (u16, u32),
    answer: impl Fn(&Message) -> Vec<u8> + Send + Sync + 'static,
) {
    let test = CaTest::new();
    let before = resident();
    let server = HostileServer::start(&test, native, move |message, _| {
        matches!(message.command, EVENT_ADD | READ_NOTIFY).then(|| answer(message))
    });
    let ca = Context::new().unwrap();
    let monitored = ca.channel("bad:monitored").unwrap();
    event(&monitored, connected).await;
    server.wait_closed();
    let read = ca.open("bad:read", ChannelOptions { monitor: false, ..ChannelOptions::default() }).unwrap();
    read.get(LIMIT).await.unwrap_err();
    good_pv_is_served(&ca, "good:after").await;
    let grown = resident().saturating_sub(before);
    assert!(grown < 64_000_000, "{grown} bytes more");
}

macro_rules! for_each_type {
    ($($name:ident: $code:literal),*) => {$(
        /// More elements than the payload holds: from one too many to the most that the header can say.
        #[tokio::test]
        async fn $name() {
            costs_the_connection(($code, 1), |message| {
                let count = [2, 4000, 1_000_000, u32::MAX][(message.available % 4) as usize];
                Message { count, ..message.answer(&[0; 40][..size_of(message.data_type)]) }.bytes()
            })
            .await;
        }
    )*};
}

for_each_type! {
    more_strings_than_the_payload_holds: 0,
    more_shorts_than_the_payload_holds: 1,
    more_floats_than_the_payload_holds: 2,
    more_enums_than_the_payload_holds: 3,
    more_chars_than_the_payload_holds: 4,
    more_longs_than_the_payload_holds: 5,
    more_doubles_than_the_payload_holds: 6
}

#[tokio::test]
async fn a_billion_doubles_for_a_text() {
    costs_the_connection((4, 256), |message| {
        Message { data_type: 20, count: 1_000_000_000, ..message.answer(&[1; 32]) }.bytes()
    })
    .await;
}

#[tokio::test]
async fn a_value_of_a_type_that_was_not_asked_for() {
    costs_the_connection((5, 1), |message| {
        Message { data_type: 34, count: 1, ..message.answer(&[1; 8]) }.bytes()
    })
    .await;
}

#[tokio::test]
async fn a_value_of_a_type_that_does_not_exist() {
    costs_the_connection((5, 1), |message| {
        Message { data_type: u16::MAX, ..message.answer(&[1; 8]) }.bytes()
    })
    .await;
}

#[tokio::test]
async fn an_error_report_about_a_command_that_does_not_exist() {
    costs_the_connection((5, 1), |message| {
        let about = Message { command: u16::MAX, ..message.clone() }.bytes();
        let report =
            Message { command: ERROR, payload: padded([&about[..16], b"text"].concat()), ..message.clone() };
        [report.bytes(), Message { command: 99, ..Message::default() }.bytes()].concat()
    })
    .await;
}

#[tokio::test]
async fn an_error_report_without_a_text() {
    costs_the_connection((5, 1), |message| {
        Message { command: ERROR, payload: message.bytes()[..16].to_vec(), ..message.clone() }.bytes()
    })
    .await;
}

#[tokio::test]
async fn a_read_that_nobody_makes_any_more() {
    // CA_PROTO_READ, whose values libca does not even convert.
    costs_the_connection((5, 1), |message| {
        Message { command: 3, data_type: 20, count: u32::MAX, ..message.answer(&[0; 8]) }.bytes()
    })
    .await;
}

#[tokio::test]
async fn garbage() {
    costs_the_connection((5, 1), |message| {
        // A different one for each circuit: xorshift.
        let mut state = u64::from(message.available) * 7919 + 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        (0..10_000).flat_map(|_| next().to_be_bytes()).collect()
    })
    .await;
}

#[tokio::test]
async fn a_pv_of_a_type_that_does_not_exist() {
    let test = CaTest::new();
    let server = HostileServer::start(&test, (1234, 1), |_, _| None);
    let ca = Context::new().unwrap();
    let bad = ca.channel("bad").unwrap();
    server.wait_closed();
    assert_eq!(bad.connection(), None);
    good_pv_is_served(&ca, "good").await;
}

/// The header claims 1.6 GB, and as much as the server gets rid of follows.
#[tokio::test]
async fn a_huge_payload_is_not_kept() {
    const SENT: usize = 200_000_000;
    let test = CaTest::new();
    let sent = Arc::<AtomicUsize>::default();
    let progress = sent.clone();
    let _server = HostileServer::start(&test, (4, 256), move |message, stream| {
        (message.command == EVENT_ADD).then(|| {
            let _ = stream.write_all(&message.answer(b"").bytes_claiming(1_600_000_000));
            let part = [b'x'; 100_000];
            while progress.load(Ordering::SeqCst) < SENT && stream.write_all(&part).is_ok() {
                progress.fetch_add(part.len(), Ordering::SeqCst);
            }
            vec![]
        })
    });
    let ca = Context::new().unwrap();
    let before = resident();
    let _bad = TextChannel::new(&ca, "bad").unwrap();
    let good = ca.channel("good").unwrap();
    // Each read of a good PV is a look at the progress.
    while sent.load(Ordering::SeqCst) < SENT {
        assert_eq!(good.get(LIMIT).await.unwrap_or_else(|e| panic!("{e}")).value, Value::Long(vec![0]));
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 64_000_000, "{grown} bytes more");
}

/// A server that keeps telling news of access rights to a client that does not listen.
#[tokio::test]
async fn endless_events_are_not_kept() {
    let test = CaTest::new();
    let channel: &'static AtomicU32 = Box::leak(Box::default());
    let _server = HostileServer::start(&test, (5, 1), move |message, _| {
        if message.command == CREATE_CHAN {
            channel.store(message.cid, Ordering::SeqCst);
        }
        (message.command == EVENT_ADD).then(|| {
            let cid = channel.load(Ordering::SeqCst);
            let rights =
                |n: u32| Message { command: ACCESS_RIGHTS, cid, available: n % 4, ..Message::default() };
            (0..flood(300_000))
                .flat_map(|n| rights(n).bytes())
                .chain(message.answer(&[0, 0, 0, 7]).bytes())
                .collect()
        })
    });
    let ca = Context::new().unwrap();
    let bad = ca.channel("bad").unwrap();
    bad.connected(LIMIT).await.unwrap();
    let before = resident();
    good_pv_is_served(&ca, "good").await;
    // The value comes after all of them, which takes a while under valgrind.
    let last = bad.sample(|s| s.value == Value::Long(vec![7]));
    tokio::time::timeout(LIMIT * 5, last).await.expect("the last value");
    let grown = resident().saturating_sub(before);
    assert!(grown < 24_000_000, "{grown} bytes more");
}

/// What would make libca use memory that it has freed: a monitor's value for the id of a read, twice, and a
/// write's answer for the id of a monitor.
#[tokio::test]
async fn answers_for_the_id_of_another_request() {
    let test = CaTest::new();
    let monitor: &'static Mutex<Option<u32>> = Box::leak(Box::new(Mutex::new(None)));
    let _server = HostileServer::start(&test, (5, 1), move |message, _| match message.command {
        EVENT_ADD => {
            *monitor.lock().unwrap() = Some(message.available);
            None
        }
        READ_NOTIFY => {
            let value = message.answer(&[0, 0, 0, 7]);
            let event = Message { command: EVENT_ADD, count: 1, ..value };
            Some(event.bytes().repeat(3))
        }
        WRITE_NOTIFY => {
            let id = monitor.lock().unwrap().unwrap_or_default();
            let wrong = Message { cid: NORMAL, payload: vec![], available: id, ..message.clone() };
            let refused = Message { cid: 160, ..wrong.clone() };
            let right = Message { available: message.available, ..wrong.clone() };
            Some([wrong.bytes(), refused.bytes(), right.bytes()].concat())
        }
        _ => None,
    });
    let ca = Context::new().unwrap();
    for n in 0..50 {
        let x = ca.channel(&format!("bad{n}")).unwrap();
        sample(&x, |_| true).await;
        assert_eq!(x.get(LIMIT).await.unwrap().value, Value::Long(vec![7]));
        x.put(Value::Long(vec![1]), LIMIT).await.unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(x.get(LIMIT).await.unwrap().value, Value::Long(vec![7]));
        drop(x); // ends the monitor
    }
    good_pv_is_served(&ca, "good").await;
}

/// A PV that claims to hold four billion characters is asked for what fits in a message.
#[tokio::test]
async fn a_text_without_end_is_bounded() {
    let test = CaTest::new();
    let _server = HostileServer::start(&test, (4, u32::MAX), move |message, _| {
        matches!(message.command, EVENT_ADD | READ_NOTIFY).then(|| {
            assert!((1..16_384).contains(&message.count), "{message:?}");
            message.answer(&vec![b'x'; message.count as usize]).bytes()
        })
    });
    let ca = Context::new().unwrap();
    let endless = TextChannel::new(&ca, "bad").unwrap();
    let text = endless.get(LIMIT).await.unwrap();
    assert!(text.possibly_cut && text.text.len() > 16_000, "{}", text.text.len());
    good_pv_is_served(&ca, "good").await;
}

/// A string that fills its 40 bytes without a NUL.
#[tokio::test]
async fn a_string_without_end_is_bounded() {
    let test = CaTest::new();
    let _server = HostileServer::start(&test, (0, 1), move |message, _| {
        matches!(message.command, EVENT_ADD | READ_NOTIFY).then(|| message.answer(&[b'x'; 40]).bytes())
    });
    let ca = Context::new().unwrap();
    let endless = TextChannel::new(&ca, "bad.VAL$").unwrap();
    assert_eq!(endless.get(LIMIT).await.unwrap().text, "x".repeat(40));
}

/// Datagrams that no honest server sends: garbage, messages that claim more than they hold, error reports
/// without an end, and answers to searches that nobody makes, for channels of others, or from other servers
/// for connected ones.
#[tokio::test]
async fn wrong_datagrams() {
    let test = CaTest::new();
    let server = HostileServer::start(&test, (5, 1), |_, _| None);
    let ca = Context::new().unwrap();
    good_pv_is_served(&ca, "good:before").await;
    let (connected, wanted) =
        (ca.channel("good:connected").unwrap(), ca.channel("other:not:served").unwrap());
    connected.connected(LIMIT).await.unwrap();
    let client = server.client.lock().unwrap().expect("a client that has searched");
    let report = |size| Message { command: ERROR, payload: vec![b'x'; size], ..Message::default() }.bytes();
    let mut state = 1u64;
    for n in 0..2_000u32 {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let random: Vec<u8> = (0..n % 100).map(|i| (state >> (i % 56)) as u8).collect();
        // 14 and 17: "not found", and a repeater's confirmation.
        let command = [0, SEARCH, BEACON, 14, 17, 40][n as usize % 6];
        let (address, port) =
            ([u32::MAX, 0, 0x7f00_0001, state as u32][n as usize % 4], (state >> 40) as u16);
        let version = vec![0, [0, 4, 8, 13, 255][n as usize % 5], 0, 0, 0, 0, 0, 0];
        let answer = Message {
            command,
            data_type: port,
            count: n,
            cid: address,
            available: [n % 8, state as u32][n as usize % 2],
            payload: if n % 3 == 0 { vec![] } else { version },
        };
        let many = answer.bytes().repeat(20);
        for datagram in [
            random,
            report(n as usize % 64),
            report(60_000),
            vec![],
            vec![0xff; 16],
            answer.bytes_claiming(60_000),
            answer.bytes()[..n as usize % 16].to_vec(),
            many,
        ] {
            let _ = server.udp.send_to(&datagram, client);
        }
    }
    drop(wanted);
    assert_eq!(connected.get(LIMIT).await.unwrap_or_else(|e| panic!("{e}")).value, Value::Long(vec![0]));
    good_pv_is_served(&ca, "good:after").await;
}

/// Waits until all datagrams to this port have been read (the queues in /proc/net/udp).
fn until_read(port: u16) {
    let limit = Instant::now() + LIMIT;
    let is_waiting = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, queues) = (fields.next().unwrap_or_default(), fields.nth(2).unwrap_or_default());
        local.ends_with(&format!(":{port:04X}")) && !queues.ends_with(":00000000")
    };
    while std::fs::read_to_string("/proc/net/udp").expect("Linux").lines().any(is_waiting) {
        assert!(Instant::now() < limit, "the datagrams are not read");
        std::thread::yield_now();
    }
}

/// Beacons of ever more servers, of which libca keeps one each.
#[tokio::test]
async fn endless_beacons_are_not_kept() {
    let test = CaTest::new();
    let server = HostileServer::start(&test, (5, 1), |_, _| None);
    let ca = Context::new().unwrap();
    let good = ca.channel("good").unwrap();
    good.get(LIMIT).await.unwrap();
    let client = server.client.lock().unwrap().expect("a client that has searched");
    let before = resident();
    let beacon = Message { command: BEACON, count: 5064, ..Message::default() }.bytes();
    let mut beacons = beacon.repeat(4_000);
    for datagram in 0..flood(400) {
        for (number, beacon) in (datagram * 4_000..).zip(beacons.chunks_mut(beacon.len())) {
            beacon[12..].copy_from_slice(&number.to_be_bytes()); // the address of the server
        }
        server.udp.send_to(&beacons, client).unwrap();
        // What does not fit in the buffer of the client's socket is lost.
        until_read(client.port());
    }
    good_pv_is_served(&ca, "good:after").await;
    let grown = resident().saturating_sub(before);
    assert!(grown < 24_000_000, "{grown} bytes more");
}

/// Half a message, and then the end.
#[tokio::test]
async fn a_truncated_header() {
    let test = CaTest::new();
    let _server = HostileServer::start(&test, (5, 1), move |message, _| {
        (message.command == CREATE_CHAN).then(|| message.bytes()[..9].to_vec())
    });
    let ca = Context::new().unwrap();
    let bad = ca.channel("bad").unwrap();
    good_pv_is_served(&ca, "good").await;
    assert!(bad.connected(Duration::from_millis(300)).await.is_err());
}

/// Connections that come and go as fast as they can, and nobody who listens.
#[tokio::test]
async fn endless_disconnections_are_not_kept() {
    let test = CaTest::new();
    let _server = HostileServer::start(&test, (5, 1), move |message, _| match message.command {
        CREATE_CHAN => {
            let rights =
                Message { command: ACCESS_RIGHTS, cid: message.cid, available: 3, ..Message::default() };
            let created =
                Message { command: CREATE_CHAN, data_type: 5, count: 1, available: 1, ..rights.clone() };
            let gone = Message { command: 27, cid: message.cid, ..Message::default() };
            Some([rights.bytes(), created.bytes(), gone.bytes()].concat())
        }
        _ => None,
    });
    let ca = Context::new().unwrap();
    let bad = ca.channel("bad").unwrap();
    assert!(matches!(bad.next().await, Event::AccessRights(_) | Event::Connected(_) | Event::Disconnected));
    for n in 0..20 {
        good_pv_is_served(&ca, &format!("good{n}")).await;
    }
}
