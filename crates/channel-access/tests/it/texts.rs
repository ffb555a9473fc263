//! Texts in every kind of record that sites keep them in.

use std::time::Duration;

use channel_access::{CaError, Context, Severity, Text, TextChannel, TextEvent, Value};

use crate::LIMIT;
use soft_ioc::CaTest;

const RECORDS: &str = r#"
record(waveform, "chars")  { field(FTVL, "CHAR") field(NELM, "256") }
record(waveform, "small")  { field(FTVL, "CHAR") field(NELM, "8") }
record(waveform, "uchars") { field(FTVL, "UCHAR") field(NELM, "256") }
record(waveform, "strings") { field(FTVL, "STRING") field(NELM, "3") }
record(stringin, "si")     { }
record(stringout, "so")    { field(VAL, "Unknown") field(PINI, "YES") }
record(lsi, "lsi")         { field(SIZV, "200") }
record(lso, "lso")         { field(SIZV, "200") }
record(mbbo, "mbbo")       { field(ZRST, "None") field(ONST, "GUP-1") field(TWST, "GUP-2") }
record(bo, "bo")           { field(ZNAM, "No") field(ONAM, "Yes") }
record(longin, "li")       { }
record(ao, "ao")           { field(PREC, "3") }
record(waveform, "doubles") { field(FTVL, "DOUBLE") field(NELM, "4") }
"#;

async fn text(channel: &TextChannel, wanted: impl Fn(&Text) -> bool) -> Text {
    let search = async {
        loop {
            match channel.next().await {
                TextEvent::Text(text) if wanted(&text) => return text,
                _ => {}
            }
        }
    };
    tokio::time::timeout(LIMIT, search).await.unwrap_or_else(|_| panic!("{}: no such text", channel.name()))
}

/// Writes, hears by the monitor, and reads by a get.
async fn round_trip(ca: &Context, pv: &str, written: &str, read: &str) {
    let channel = TextChannel::new(ca, pv).unwrap();
    channel.put(written, LIMIT).await.unwrap_or_else(|e| panic!("{e}"));
    text(&channel, |t| t.text == read && !t.possibly_cut).await;
    let got = channel.get(LIMIT).await.unwrap();
    assert_eq!((got.text.as_str(), got.severity, got.possibly_cut), (read, Severity::None, false), "{pv}");
    assert!(got.timestamp.is_some(), "{pv}");
}

#[tokio::test]
async fn a_text_goes_through_every_kind_of_record() {
    let test = CaTest::new();
    let _ioc = test.ioc_with_records(RECORDS);
    let ca = Context::new().unwrap();
    let long = "a.very.long.address.of.a.user@".to_owned() + &"x".repeat(100) + ".edu";
    for pv in ["chars", "uchars", "lsi", "lso", "si.VAL"] {
        round_trip(&ca, pv, "Li", "Li").await;
    }
    for pv in ["chars", "uchars", "lsi", "lso", "lso.VAL$"] {
        round_trip(&ca, pv, &long, &long).await;
        round_trip(&ca, pv, "Li", "Li").await; // no tail of the longer one
    }
    for pv in ["si", "so", "so.DESC", "strings", "si.VAL$"] {
        round_trip(&ca, pv, "Müller", "Müller").await;
        round_trip(&ca, pv, "", "").await;
    }
    round_trip(&ca, "mbbo", "GUP-2", "GUP-2").await;
    round_trip(&ca, "bo", "Yes", "Yes").await;
    round_trip(&ca, "li", "1001583", "1001583").await;
    round_trip(&ca, "ao", "1001583", "1001583").await;
    for pv in ["chars", "si", "so", "lso", "strings"] {
        round_trip(&ca, pv, "Lee", "Lee").await;
    }
    // Another client reads what was written.
    let peer = test.python(
        "import epics\n\
         for pv in ('chars', 'si', 'so', 'lso.VAL$', 'strings', 'mbbo', 'bo', 'li'):\n\
         \x20   print(pv, epics.PV(pv).get(as_string=True))\n",
    );
    let lines: Vec<_> = peer.lines().collect();
    let expected = [
        "chars Lee",
        "si Lee",
        "so Lee",
        "lso.VAL$ Lee",
        "strings ['Lee']",
        "mbbo GUP-2",
        "bo Yes",
        "li 1001583",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn a_string_of_39_bytes_may_have_been_cut_and_a_long_string_is_whole() {
    let test = CaTest::new();
    let _ioc = test.ioc_with_records(RECORDS);
    let ca = Context::new().unwrap();
    let address = "firstname.lastname@physics.university.example.edu";
    for (pv, value) in [
        ("so", Value::string(address)), // as every C client cuts it
        ("lso.VAL$", Value::chars(address)),
        ("chars", Value::chars(address)),
        ("small", Value::Char(address.as_bytes()[..8].to_vec())), // no room for a NUL
    ] {
        ca.channel(pv).unwrap().put(value, LIMIT).await.unwrap_or_else(|e| panic!("{e}"));
    }
    for (pv, kept, possibly_cut) in
        [("so", 39, true), ("lso", 99, false), ("chars", 99, false), ("small", 8, true)]
    {
        let expected = address[..kept.min(address.len())].to_owned();
        let channel = TextChannel::new(&ca, pv).unwrap();
        let got = channel.get(LIMIT).await.unwrap();
        assert_eq!((&got.text, got.possibly_cut), (&expected, possibly_cut), "{pv}");
        text(&channel, |t| t.text == expected && t.possibly_cut == possibly_cut).await;
    }
}

#[tokio::test]
async fn a_long_string_is_heard_whole_at_every_change_of_length() {
    let test = CaTest::new();
    let _ioc = test.ioc_with_records(RECORDS);
    let ca = Context::new().unwrap();
    let (lso, writer) = (TextChannel::new(&ca, "lso").unwrap(), TextChannel::new(&ca, "lso").unwrap());
    for length in [10, 39, 40, 41, 150, 39, 3, 199, 0] {
        let wanted = "é".repeat(length / 2) + &"x".repeat(length % 2);
        writer.put(&wanted, LIMIT).await.unwrap();
        text(&lso, |t| t.text == wanted && !t.possibly_cut).await;
    }
}

#[tokio::test]
async fn a_text_that_does_not_fit_is_refused_and_not_cut() {
    let test = CaTest::new();
    let _ioc = test.ioc_with_records(RECORDS);
    let ca = Context::new().unwrap();
    for (pv, most) in [("so", 39), ("si", 39), ("small", 7), ("lso", 199), ("chars", 255)] {
        let channel = TextChannel::new(&ca, pv).unwrap();
        channel.put(&"y".repeat(most), LIMIT).await.unwrap_or_else(|e| panic!("{e}"));
        let error = channel.put(&"z".repeat(most + 1), LIMIT).await.unwrap_err();
        assert!(matches!(error, CaError::TooLong { limit, .. } if limit == most), "{pv}: {error}");
        assert_eq!(channel.get(LIMIT).await.unwrap().text, "y".repeat(most), "{pv}");
    }
    let mbbo = TextChannel::new(&ca, "mbbo").unwrap();
    let error = mbbo.put("no such state", LIMIT).await.unwrap_err();
    assert!(matches!(error, CaError::Refused { .. }), "{error}");
}

#[tokio::test]
async fn bytes_that_are_not_utf8_are_read_as_latin1() {
    let test = CaTest::new();
    let _ioc = test.ioc_with_records(RECORDS);
    let ca = Context::new().unwrap();
    let latin1 = b"M\xfcller".to_vec();
    let utf8_cut_in_a_character = [&b"x".repeat(38)[..], "é".as_bytes()].concat();
    for (pv, value, read) in [
        ("chars", Value::Char(latin1.clone()), "Müller"),
        ("so", Value::String(vec![latin1]), "Müller"),
        ("si", Value::String(vec![utf8_cut_in_a_character]), &"x".repeat(38)),
    ] {
        ca.channel(pv).unwrap().put(value, LIMIT).await.unwrap();
        assert_eq!(TextChannel::new(&ca, pv).unwrap().get(LIMIT).await.unwrap().text, read, "{pv}");
    }
}

#[tokio::test]
async fn alarms_and_connections_are_heard() {
    let test = CaTest::new();
    let ioc = test.ioc_with_records(r#"record(stringout, "undefined") { }"#);
    let ca = Context::new().unwrap();
    let undefined = TextChannel::new(&ca, "undefined").unwrap();
    let first = text(&undefined, |_| true).await;
    assert_eq!((first.text.as_str(), first.severity, first.timestamp), ("", Severity::Invalid, None));
    assert!(undefined.connection().is_some());
    ioc.kill();
    let gone = async { while !matches!(undefined.next().await, TextEvent::Disconnected) {} };
    tokio::time::timeout(LIMIT, gone).await.unwrap();
    let error = undefined.get(Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(error, CaError::NotConnected { .. }), "{error}");
}

#[tokio::test]
async fn an_array_of_numbers_is_no_text() {
    let test = CaTest::new();
    let _ioc = test.ioc_with_records(RECORDS);
    let ca = Context::new().unwrap();
    let doubles = TextChannel::new(&ca, "doubles").unwrap();
    let error = doubles.get(LIMIT).await.unwrap_err();
    assert_eq!(error.to_string(), "doubles: cannot be read as a text: it holds an array of 4 DBF_DOUBLE");
    let unreadable = async { while !matches!(doubles.next().await, TextEvent::Unreadable(_)) {} };
    tokio::time::timeout(LIMIT, unreadable).await.unwrap();
}
