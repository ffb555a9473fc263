//! The screens: three forms of each page that say the same, records that exist, and PyDM's opened for real.

#[path = "../support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use beamshare::status::{Record, RecordKind};
use support::ioc::{CaTest, python, repository};

/// Records that no screen shows, each with the reason.
const NOT_ON_A_SCREEN: &[(&str, &str)] = &[
    ("Status", "View shows it, or Stopped"),
    ("ViewIndex", "View shows it as a word"),
    ("StatusMsg", "StatusRows has it in rows"),
    ("DirsMsg", "DirsRows has it in rows"),
    ("GlobusMsg", "likewise"),
    ("ShareMsg", "likewise"),
    ("EmailMsg", "likewise"),
    ("SyncMsg", "likewise"),
    ("PendingMsg", "the list of the held group says more"),
    ("GroupUtf8", "PyDM and Phoebus show it as Group"),
    ("LastNameUtf8", "PyDM and Phoebus show it as LastName"),
    ("HoldJson", "for programs"),
    ("JournalMark", "beamshare compares it with the journal"),
    ("HoldReason1", "HoldRows has all reasons and remedies in rows"),
    ("HoldReason2", "likewise"),
    ("HoldReason3", "likewise"),
    ("HoldReason4", "likewise"),
    ("HoldReason5", "likewise"),
    ("HoldReason6", "likewise"),
    ("HoldRemedy1", "likewise"),
    ("HoldRemedy2", "likewise"),
    ("HoldRemedy3", "likewise"),
    ("HoldRemedy4", "likewise"),
    ("HoldRemedy5", "likewise"),
    ("HoldRemedy6", "likewise"),
];

/// Commands that act at once on the main screen. The others ask again in a window of their own.
const AT_ONCE: &[Record] = &[Record::Run, Record::Auto, Record::Pause];

/// Channels of a screen, with "shown" and "commanded".
type Channels = BTreeMap<String, Vec<String>>;

/// All screens by name, each by its form: adl, ui, bob.
fn screens() -> BTreeMap<String, BTreeMap<String, Channels>> {
    let output =
        Command::new(python()).arg(repository("tests/screens/channels.py")).output().expect("python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON of channels.py")
}

/// Names of a database's records, after the macros of their prefix.
fn records(file: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(repository(file)).unwrap();
    let names = text
        .lines()
        .filter_map(|line| line.strip_prefix("record("))
        .filter_map(|line| line.split('"').nth(1));
    names.map(|name| name.rsplit(')').next().unwrap().to_owned()).collect()
}

#[test]
fn the_files_are_what_the_description_says() {
    let output = Command::new(python()).arg(repository("screens")).arg("--check").output().expect("python");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// Sizes of the pages, contrast of each text, and MEDM's fonts, which must cut no letter.
#[test]
fn every_text_can_be_read_on_a_screen_of_1080_lines() {
    let output = Command::new(python()).arg(repository("tests/screens/looks.py")).output().expect("python");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[test]
fn medm_pydm_and_phoebus_show_and_command_the_same() {
    let screens = screens();
    assert!(screens.len() >= 11, "{:?}", screens.keys());
    for (name, forms) in &screens {
        assert_eq!(forms.len(), 3, "{name} is only in {:?}", forms.keys());
        assert_eq!(forms["adl"], forms["ui"], "{name}: MEDM's against PyDM's");
        assert_eq!(forms["adl"], forms["bob"], "{name}: MEDM's against Phoebus's");
    }
}

#[test]
fn every_channel_is_a_record_and_every_record_is_on_a_screen() {
    let own = records("db/beamshare.db");
    let info = &records("db/user_info_tomoscan.db") & &records("db/user_info_dtagging.db");
    let mut shown = BTreeSet::new();
    let mut commanded = BTreeSet::new();
    for (screen, forms) in screens() {
        for (channel, kinds) in &forms["adl"] {
            let record = channel.rsplit(')').next().unwrap().to_owned();
            if channel.starts_with("$(U)") {
                assert!(info.contains(&record), "{screen}: {channel} is no record of the user info");
                assert_eq!(kinds, &["shown"], "{screen}: {channel} is the tagging tool's");
                continue;
            }
            assert_eq!(channel, &format!("$(P)$(R){record}"), "{screen}");
            assert!(own.contains(&record), "{screen}: {channel} is no record of beamshare");
            if kinds.iter().any(|kind| kind == "commanded") {
                commanded.insert((screen.clone(), record.clone()));
            }
            shown.insert(record);
        }
    }
    let hidden: BTreeSet<String> = NOT_ON_A_SCREEN.iter().map(|(record, _)| (*record).to_owned()).collect();
    assert_eq!(
        &own - &shown,
        hidden,
        "records that are on no screen, against those that are meant not to be"
    );
    for record in Record::ALL {
        let places: Vec<_> =
            commanded.iter().filter(|(_, name)| name == record.suffix()).map(|(s, _)| s).collect();
        match record.kind() {
            RecordKind::Run | RecordKind::Momentary | RecordKind::Level => {
                assert_eq!(places.len(), 1, "{record} is commanded from {places:?}");
                assert_eq!(
                    places[0] == "beamshare",
                    AT_ONCE.contains(record),
                    "{record} is commanded from {places:?}"
                );
            }
            _ => assert!(places.is_empty(), "{record} is beamshare's, commanded from {places:?}"),
        }
    }
}

/// PyDM's screens in front of a live IOC: see opened.py. With BEAMSHARE_PICTURES, what was seen is saved
/// there.
#[test]
fn pydm_shows_each_state_and_its_buttons_put() {
    let test = CaTest::new();
    let (own, info) = (repository("db/beamshare.db"), repository("db/user_info_tomoscan.db"));
    let _ioc = test.ioc(&[(&own, "P=test:"), (&info, "P=test:")]);
    let mut command = Command::new(python());
    command.arg(repository("tests/screens/opened.py")).args(["P=test:", "R=Share:", "U=test:TomoScan:"]);
    command.args(std::env::var_os("BEAMSHARE_PICTURES"));
    let output = command.envs(test.environment()).output().expect("python");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
