//! db/*.db against the names, types and states that the program has, and against what EPICS asks of a good
//! database.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use beamshare::status::{BeamlineStatus, HISTORY_STATES, Record, RecordKind, STEP_STATES};
use channel_access::{Context, TextChannel, Value};

use crate::LIMIT;
use crate::support::ioc::{CaTest, python, repository};

/// Names of the records of a file, with their types, without the macros of their prefix.
fn records(file: &str) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(repository(file)).unwrap();
    text.lines()
        .filter_map(|line| line.strip_prefix("record("))
        .map(|line| {
            let (kind, name) = line.split_once(", \"").expect("record(type, \"name\")");
            let name = name.split('"').next().unwrap().rsplit(')').next().unwrap();
            // A type that a macro chooses: its default.
            let kind = kind.rsplit('=').next().unwrap().trim_end_matches(')');
            (name.to_owned(), kind.to_owned())
        })
        .collect()
}

async fn field(ca: &Context, name: &str) -> String {
    TextChannel::new(ca, name).unwrap().get(LIMIT).await.unwrap_or_else(|e| panic!("{e}")).text
}

#[test]
fn the_program_and_the_file_have_the_same_records() {
    let program: BTreeMap<_, _> =
        Record::ALL.iter().map(|r| (r.suffix().to_owned(), r.record_type().to_owned())).collect();
    assert_eq!(records("db/beamshare.db"), program);
}

#[tokio::test]
async fn every_record_is_served_with_its_type_description_and_states() {
    let test = CaTest::new();
    let _ioc = test.ioc(&[(&repository("db/beamshare.db"), "")]);
    let ca = Context::new().unwrap();
    for record in Record::ALL {
        let name = format!("2bmb:Share:{record}"); // the macros' defaults
        assert_eq!(field(&ca, &format!("{name}.RTYP")).await, record.record_type(), "{name}");
        assert!(!field(&ca, &format!("{name}.DESC")).await.is_empty(), "{name}");
        let group = field(&ca, &format!("{name}.ASG")).await;
        let commands = matches!(record.kind(), RecordKind::Run | RecordKind::Momentary | RecordKind::Level);
        assert_eq!(group, if commands { "BEAMSHARE" } else { "BEAMSHARE_STATUS" }, "{name}");
        let channel = ca.channel(&name).unwrap();
        let connection = channel.connected(LIMIT).await.unwrap();
        match record.kind() {
            RecordKind::Text | RecordKind::Lease => {
                // tests/status/held.rs looks whether the longest values fit.
                assert!(connection.count >= 256, "{name} holds {}", connection.count);
            }
            RecordKind::Number => assert!(!field(&ca, &format!("{name}.EGU")).await.is_empty(), "{name}"),
            RecordKind::Momentary => assert_eq!(field(&ca, &format!("{name}.HIGH")).await, "1", "{name}"),
            _ => {}
        }
        if record.kind() == RecordKind::State {
            let states: Vec<(String, &str)> = match record {
                Record::Status => BeamlineStatus::ALL
                    .iter()
                    .map(|s| {
                        let severity = match s {
                            BeamlineStatus::Failed => "MAJOR",
                            BeamlineStatus::Waiting | BeamlineStatus::Approval => "MINOR",
                            _ => "NO_ALARM",
                        };
                        (s.to_string(), severity)
                    })
                    .collect(),
                Record::GroupServed => ["No", "Yes"].map(|label| (label.to_owned(), "NO_ALARM")).into(),
                record if record.suffix().starts_with("HistoryResult") => {
                    HISTORY_STATES.iter().map(|(_, label)| ((*label).to_owned(), "NO_ALARM")).collect()
                }
                _ => STEP_STATES
                    .iter()
                    .map(|(_, label)| {
                        ((*label).to_owned(), if *label == "Failed" { "MAJOR" } else { "NO_ALARM" })
                    })
                    .collect(),
            };
            for (index, (label, severity)) in states.iter().enumerate() {
                channel.put(Value::Enum(vec![index as u16]), LIMIT).await.unwrap();
                assert_eq!(&field(&ca, &name).await, label);
                assert_eq!(
                    channel.get(LIMIT).await.unwrap().severity.to_string(),
                    *severity,
                    "{name} {label}"
                );
            }
        }
    }
}

#[test]
fn descriptions_fit_and_types_are_of_base_3_15() {
    for file in [
        "db/beamshare.db",
        "db/user_info_tomoscan.db",
        "db/user_info_dtagging.db",
        "db/user_info_signature.db",
    ] {
        let text = std::fs::read_to_string(repository(file)).unwrap();
        let descriptions: Vec<_> =
            text.lines().filter_map(|l| l.trim().strip_prefix("field(DESC, \"")).collect();
        for description in &descriptions {
            assert!(description.trim_end_matches("\")").len() <= 40, "{file}: {description}");
        }
        assert_eq!(descriptions.len(), records(file).len(), "{file}: a DESC on every record");
        for (name, kind) in records(file) {
            let known = ["ai", "bi", "bo", "calcout", "longin", "mbbi", "stringout", "waveform"];
            assert!(known.contains(&kind.as_str()), "{file}: {name} is a {kind}");
        }
    }
}

#[test]
fn autosave_keeps_what_operators_choose_and_the_mark_of_the_journal() {
    let file = std::fs::read_to_string(repository("db/beamshare_settings.req")).unwrap();
    let kept: BTreeSet<_> = file.lines().filter(|l| !l.starts_with('#') && !l.is_empty()).collect();
    let levels: BTreeSet<String> = Record::ALL
        .iter()
        .filter(|r| r.kind() == RecordKind::Level || **r == Record::JournalMark)
        .map(|r| format!("$(P)$(R){r}"))
        .collect();
    assert_eq!(kept, levels.iter().map(String::as_str).collect());
}

/// st.cmd loads what is there.
#[test]
fn the_startup_file_names_files_that_exist() {
    let text = std::fs::read_to_string(repository("db/st.cmd")).unwrap();
    let names = text.split('"').filter(|w| w.ends_with(".db") || w.ends_with(".acf"));
    let mut found = 0;
    for name in names {
        assert!(Path::new(&repository("db")).join(name).exists(), "{name}");
        found += 1;
    }
    assert!(found >= 2);
}

/// Access security: who is not in beamshare.acf can read all and write nothing.
#[tokio::test]
async fn access_security_guards_commands_and_status() {
    let test = CaTest::new();
    let me = users::current();
    let acf = repository("db/beamshare.acf");
    let db = repository("db/beamshare.db");
    let ioc = test.ioc_with_security(&[(&db, "P=test:")], &acf, "SERVICE=nobody-else,STAFF=\"a,b\"");
    let ca = Context::new().unwrap();
    for name in ["Run", "Approve", "Auto", "Status", "StatusMsg"] {
        let channel = ca.channel(&format!("test:Share:{name}")).unwrap();
        let access = channel.connected(LIMIT).await.unwrap().access;
        assert!(access.read && !access.write, "{name}: {access:?}");
        let error = channel.put(Value::string("1"), LIMIT).await.unwrap_err().to_string();
        assert!(error.contains("access security"), "{error}");
    }
    ioc.kill();
    let _ioc =
        test.ioc_with_security(&[(&db, "P=test:")], &acf, &format!("SERVICE=nobody-else,STAFF=\"a,{me}\""));
    for (name, may_write) in [("Run", true), ("Status", false)] {
        let channel = ca.channel(&format!("test:Share:{name}")).unwrap();
        assert_eq!(channel.connected(LIMIT).await.unwrap().access.write, may_write, "{name}");
    }
}

/// The startup file as it is handed out: its access security is on.
#[tokio::test]
async fn the_startup_file_guards_the_records() {
    let test = CaTest::new();
    let script = repository("db/st.cmd").canonicalize().unwrap();
    let may_write = async || {
        let ca = Context::new().unwrap();
        let mut access = vec![];
        for name in ["Run", "Approve", "Status", "Heartbeat"] {
            let channel = ca.channel(&format!("2bmb:Share:{name}")).unwrap();
            let write = channel.connected(LIMIT).await.unwrap().access.write;
            assert_eq!(channel.put(Value::string("1"), LIMIT).await.is_ok(), write, "{name}");
            access.push(write);
        }
        access
    };
    let ioc = test.ioc_with_script(&script, &[]);
    assert_eq!(may_write().await, [false; 4], "this account is neither beamshare nor user2bmb");
    ioc.kill();
    let ioc = test.ioc_with_script(&script, &[("STAFF", &format!("somebody,{}", users::current()))]);
    assert_eq!(may_write().await, [true, true, false, false]);
    ioc.kill();
    let _ioc = test.ioc_with_script(&script, &[("SERVICE", &users::current())]);
    assert_eq!(may_write().await, [true; 4]);
}

/// The user-info records and the signature: only accounts that tag can write them.
#[tokio::test]
async fn access_security_guards_the_user_info() {
    let test = CaTest::new();
    let files = ["db/user_info_tomoscan.db", "db/user_info_signature.db", "db/user_info_security.db"];
    let files = files.map(repository);
    let databases = files.each_ref().map(|file| (file.as_path(), "P=test:"));
    let names: Vec<String> =
        files[..2].iter().flat_map(|file| records(&file.to_string_lossy()).into_keys()).collect();
    assert_eq!(names.len(), 11);
    let acf = repository("db/beamshare.acf");
    for (taggers, may_write) in [("nobody-else".to_owned(), false), (format!("a,{}", users::current()), true)]
    {
        let ioc = test.ioc_with_security(&databases, &acf, &format!("TAGGERS=\"{taggers}\""));
        let ca = Context::new().unwrap();
        for name in &names {
            let channel = TextChannel::new(&ca, &format!("test:TomoScan:{name}")).unwrap();
            channel.get(LIMIT).await.unwrap();
            let put = channel.put("Somebody", LIMIT).await;
            assert_eq!(put.is_ok(), may_write, "{name}: {put:?}");
            if let Err(error) = put {
                assert!(error.to_string().contains("access security"), "{error}");
            }
        }
        ioc.kill();
    }
}

mod users {
    /// The name that libca tells the IOC: that of the process's user.
    pub fn current() -> String {
        let output = std::process::Command::new("id").arg("-un").output().expect("id");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

/// Every record that compares by default posts a monitor with each put.
#[tokio::test]
async fn with_the_file_for_monitors_each_put_is_seen() {
    let test = CaTest::new();
    let files = ["db/user_info_tomoscan.db", "db/user_info_monitors.db"].map(repository);
    let databases = files.each_ref().map(|file| (file.as_path(), "P=test:"));
    let _ioc = test.ioc(&databases);
    let ca = Context::new().unwrap();
    for name in records(&files[0].to_string_lossy()).into_keys() {
        let channel = TextChannel::new(&ca, &format!("test:TomoScan:{name}.MPST")).unwrap();
        assert_eq!(channel.get(LIMIT).await.unwrap().text, "Always", "{name}");
    }
}

#[test]
fn the_lists_for_the_alarm_server_and_the_archiver_are_current() {
    let script = repository("packaging/from_db.py");
    let output = std::process::Command::new(python()).arg(script).arg("--check").output().expect("python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let alarms = std::fs::read_to_string(repository("packaging/phoebus/beamshare_alarms.xml")).unwrap();
    for record in [Record::Alive, Record::Status, Record::ShareSts, Record::EmailsFailed] {
        assert!(alarms.contains(&format!("<pv name=\"2bmb:Share:{record}\">")), "{record}");
    }
    let archived = std::fs::read_to_string(repository("packaging/archiver/beamshare.json")).unwrap();
    let archived: serde_json::Value = serde_json::from_str(&archived).unwrap();
    let archived: BTreeSet<&str> =
        archived.as_array().unwrap().iter().filter_map(|entry| entry["pv"].as_str()).collect();
    for record in Record::ALL {
        let is_archived = archived.contains(format!("2bmb:Share:{record}").as_str());
        let is_text = matches!(record.kind(), RecordKind::Text | RecordKind::Lease);
        assert!(!(is_text && is_archived), "{record} can hold names, which an archive would keep");
        let is_number = matches!(record.kind(), RecordKind::State | RecordKind::Number);
        assert!(!is_number || is_archived, "{record}");
    }
}
