//! A held group in the records: nothing of the longest legal values is cut, and nothing of an earlier one is
//! left.

use crate::support::ioc::CaTest;
use crate::{LIMIT, beamshare_ioc};
use beamshare::domain::decision::Hold;
use beamshare::domain::{
    Experiment, Field, GroupIdentity, HeldGroup, HoldReason, OtherGroup, PlannedMail, Relation, UserInfo,
};
use beamshare::status::{CurrentGroup, ROW_LENGTH, Record, StatusModel, StatusRecords};
use channel_access::{Context, TextChannel, Value};
use jiff::tz::TimeZone;
use serde_json::Value as Json;

const PREFIX: &str = "test:Share:";

/// The longest legal group: 64 characters of name and number, 254 of address, 256 of free texts.
fn longest(letter: &str) -> Experiment {
    let mail = format!("{}@{}.{}.{}.example", "e".repeat(64), "h".repeat(60), "o".repeat(60), "s".repeat(59));
    let fields = [
        (Field::YearMonth, "2026-03".to_owned()),
        (Field::PiLastName, letter.repeat(64)),
        (Field::PiFirstName, letter.repeat(256)),
        (Field::PiInstitution, letter.repeat(256)),
        (Field::PiEmail, mail),
        (Field::ProposalNumber, "7".repeat(64)),
        (Field::ProposalTitle, letter.repeat(256)),
    ];
    Experiment::parse(&UserInfo(fields.into())).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn longest_held(letter: &str) -> HeldGroup {
    let experiment = longest(letter);
    let path = format!("2026-03/{}", "p".repeat(242));
    let taken = format!("{path} lies in {path} of {experiment}: after Approve both groups can read it");
    let reason = HoldReason::from(&Hold::approve(taken, format!("To undo it: {}", experiment.pi_email)));
    let mut held = HeldGroup::new(&experiment, vec![path.clone()], vec![reason; 6]);
    let address = experiment.pi_email.to_string();
    held.other = Some(OtherGroup {
        relation: Relation::HasDirectory,
        group: GroupIdentity::from(&experiment),
        directory: path,
    });
    held.gains = vec![experiment.to_string(), address.clone()];
    held.loses = vec![address.clone()];
    held.mails = vec![PlannedMail { about: "Link to the data".to_owned(), recipients: vec![address; 6] }];
    held
}

async fn text(ca: &Context, record: Record) -> String {
    TextChannel::new(ca, &format!("{PREFIX}{record}")).unwrap().get(LIMIT).await.unwrap().text
}

/// The rows of a record, as a screen shows each of them.
async fn rows(ca: &Context, record: Record) -> Vec<String> {
    let sample = ca.channel(&format!("{PREFIX}{record}")).unwrap().get(LIMIT).await.unwrap();
    let Value::Char(bytes) = sample.value else { panic!("{record} is no array of characters") };
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let row =
        |bytes: &[u8]| String::from_utf8(bytes.split(|byte| *byte == 0).next().unwrap().to_vec()).unwrap();
    bytes[..end].chunks(ROW_LENGTH).map(row).collect()
}

#[tokio::test]
async fn the_longest_values_are_shown_whole_and_disappear_again() {
    let test = CaTest::new();
    let _ioc = beamshare_ioc(&test);
    let ca = Context::new().unwrap();
    let (records, _commands) = StatusRecords::new(&ca, PREFIX).unwrap();
    // Each letter of the second one takes several in ASCII.
    for letter in ["x", "щ"] {
        let held = longest_held(letter);
        let mut model = StatusModel::new("test", PREFIX, TimeZone::UTC);
        model.current = Some(CurrentGroup { name: held.group.name(), is_served: false });
        model.held = Some(held.clone());
        records.show(&model);
        records.flush(LIMIT).await.unwrap();
        for record in Record::ALL.iter().filter(|record| record.suffix().starts_with("Hold")) {
            let shown = text(&ca, *record).await;
            // Of a record with rows this is the first one.
            let is_cut = shown.ends_with("...") && !matches!(record, Record::HoldRows | Record::HoldDetails);
            assert!(!shown.is_empty() && !is_cut, "{record}: {shown}");
        }
        let json: HeldGroup = serde_json::from_str(&text(&ca, Record::HoldJson).await).unwrap();
        assert_eq!(json, held);
        let rows = rows(&ca, Record::HoldRows).await;
        let count: usize = text(&ca, Record::HoldRowCount).await.parse().unwrap();
        assert_eq!(rows.len(), count);
        // MEDM needs a NUL within each row.
        assert!(rows.iter().all(|row| row.len() < ROW_LENGTH), "{rows:#?}");
        let rows = rows.join(" ");
        assert!(!rows.contains("In full"), "{rows}");
        if letter == "x" {
            let words = rows.split_whitespace().collect::<String>();
            let address = held.group.pi_email.as_str();
            assert_eq!(words.matches(address).count(), 12, "each reason and each remedy: {rows}");
            assert_eq!(text(&ca, Record::HoldReason6).await, held.reasons[5].reason);
            assert_eq!(text(&ca, Record::HoldEmail).await, address);
        } else {
            assert!(text(&ca, Record::GroupUtf8).await.contains("щщщ"));
            assert!(text(&ca, Record::Group).await.is_ascii());
        }
    }
    records.show(&StatusModel::new("test", PREFIX, TimeZone::UTC));
    records.flush(LIMIT).await.unwrap();
    for record in Record::ALL.iter().filter(|record| record.suffix().starts_with("Hold")) {
        let shown = text(&ca, *record).await;
        assert!(shown.is_empty() || shown == "0", "{record} still reads {shown}");
    }
}

/// `View` is computed by the IOC: Stopped while no heart beats, whatever Status says.
#[tokio::test]
async fn the_large_field_says_stopped_until_a_heart_beats() {
    let test = CaTest::new();
    let _ioc = beamshare_ioc(&test);
    let ca = Context::new().unwrap();
    assert_eq!(text(&ca, Record::View).await, "Stopped", "after a boot of the IOC");
    let (records, _commands) = StatusRecords::new(&ca, PREFIX).unwrap();
    let view = TextChannel::new(&ca, &format!("{PREFIX}View")).unwrap();
    records.set_status(beamshare::status::BeamlineStatus::Approval);
    records.flush(LIMIT).await.unwrap();
    assert_eq!(view.get(LIMIT).await.unwrap().text, "Stopped", "a Status without a heartbeat is old");
    for _ in 0..60 {
        records.beat();
        if view.get(LIMIT).await.unwrap().text == "Approval" {
            return;
        }
        // The IOC looks once a second.
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    panic!("View reads {}", view.get(LIMIT).await.unwrap().text);
}

#[tokio::test]
async fn json_of_a_held_group_has_the_documented_fields() {
    let json = serde_json::to_value(longest_held("x")).unwrap();
    let Json::Object(fields) = json else { panic!("no object") };
    let names: Vec<&str> = fields.keys().map(String::as_str).collect();
    let mut documented =
        ["question", "release", "group", "other", "directories", "gains", "loses", "reasons", "mails"];
    documented.sort_unstable();
    assert_eq!(names, documented);
    let operation = std::fs::read_to_string(crate::support::ioc::repository("docs/operation.md")).unwrap();
    for name in names {
        assert!(operation.contains(&format!("`{name}`")), "docs/operation.md does not describe {name}");
    }
}
