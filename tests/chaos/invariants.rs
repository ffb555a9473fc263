//! What must be true from outside, whatever went wrong.

use crate::detector::Written;
use crate::groups::{CONTACT, Group, STAFF};
use crate::world::{ARCHIVE, SHARED, World};
use beamshare::status::Record;
use mailparse::MailHeaderMap;
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// A person and a directory.
type Access = (String, String);

/// The violations found, as sentences.
pub type Violations = Vec<String>;

/// A rule of a collection: who reads what.
struct Rule {
    id: String,
    who: String,
    path: String,
}

fn rules(world: &World, groups: &BTreeSet<Group>, collection: Uuid) -> Vec<Rule> {
    let people = groups.iter().flat_map(|group| group.people()).chain([STAFF.to_owned()]);
    let names: BTreeMap<String, String> =
        people.filter_map(|email| Some((world.globus.identity(&email)?.to_string(), email))).collect();
    let text = |rule: &serde_json::Value, key: &str| rule[key].as_str().unwrap_or_default().to_owned();
    let named = |id: String| names.get(&id).cloned().unwrap_or(id);
    let rules = world.globus.rules(collection);
    rules
        .iter()
        .map(|rule| Rule {
            id: text(rule, "id"),
            who: named(text(rule, "principal")),
            path: text(rule, "path"),
        })
        .collect()
}

/// The directory on a collection.
fn directory(collection: Uuid, group: Group) -> String {
    let top = if collection == ARCHIVE { "/2bm" } else { "" };
    format!("{top}/{}/", group.path())
}

/// Nobody has access to another group's directory, at any time.
pub fn nobody_reads_anothers_data(world: &World, groups: &BTreeSet<Group>) -> Violations {
    let mut violations = vec![];
    for collection in [SHARED, ARCHIVE] {
        let mut allowed: BTreeSet<Access> = BTreeSet::new();
        for group in groups {
            let readers = group.people().into_iter().chain([STAFF.to_owned()]);
            allowed.extend(readers.map(|who| (who, directory(collection, *group))));
        }
        for Rule { who, path, .. } in rules(world, groups, collection) {
            if !allowed.contains(&(who.clone(), path.clone())) {
                violations.push(format!("{who} reads {path} of collection {collection}"));
            }
        }
    }
    violations
}

/// Each group's people have one rule for its directory, and for its copy where there is data.
pub fn every_rule_once(world: &World, groups: &BTreeSet<Group>, written: &Written) -> Violations {
    let mut violations = vec![];
    for collection in [SHARED, ARCHIVE] {
        let found = rules(world, groups, collection);
        for group in groups.iter().filter(|group| collection == SHARED || has_data(**group, written)) {
            for who in group.people().into_iter().chain([STAFF.to_owned()]) {
                let path = directory(collection, *group);
                let count = found.iter().filter(|rule| rule.who == who && rule.path == path).count();
                if count != 1 {
                    violations.push(format!("{count} rules of {who} for {path} of collection {collection}"));
                }
            }
        }
    }
    violations
}

fn has_data(group: Group, written: &Written) -> bool {
    written.keys().any(|path| path.starts_with(group.path()))
}

/// Subject and recipient of a message, with its Message-IDs.
type Mails = BTreeMap<(String, String), BTreeSet<String>>;

fn mails(world: &World, violations: &mut Violations) -> Mails {
    let mut mails = Mails::new();
    for message in world.smtp.received() {
        let mail = mailparse::parse_mail(&message.bytes).expect("a message");
        let header = |name| mail.headers.get_first_value(name).unwrap_or_default();
        let subject = header("Subject");
        let proposal =
            subject.rsplit(' ').next().and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
        let group = Group(proposal.saturating_sub(71_000));
        let body = mail.get_body().unwrap_or_default();
        if !body.lines().next().is_some_and(|path| path.trim_matches('/').ends_with(&group.path())) {
            violations.push(format!("the message {subject:?} names another directory: {body}"));
        }
        for recipient in message.to {
            if !group.people().contains(&recipient) && recipient != CONTACT {
                violations.push(format!("{recipient} got the message {subject:?}"));
            }
            mails.entry((subject.clone(), recipient)).or_default().insert(header("Message-ID"));
        }
    }
    mails
}

/// Each person got each message, under one Message-ID.
pub fn every_mail_once(world: &World, groups: &BTreeSet<Group>, written: &Written) -> Violations {
    let mut violations = vec![];
    let mails = mails(world, &mut violations);
    for ((subject, recipient), ids) in &mails {
        if ids.len() > 1 {
            violations.push(format!("{recipient} got {subject:?} under {} Message-IDs: {ids:?}", ids.len()));
        }
    }
    for group in groups {
        let copy = has_data(*group, written).then_some("Copy");
        for kind in ["Data"].into_iter().chain(copy) {
            let subject = format!("{kind} of {}", group.proposal());
            for recipient in group.people().into_iter().chain([CONTACT.to_owned()]) {
                if !mails.contains_key(&(subject.clone(), recipient.clone())) {
                    violations.push(format!("{recipient} never got {subject:?}"));
                }
            }
        }
    }
    violations
}

/// Whether everything that was written is whole in the archive.
pub fn all_data_has_arrived(world: &World, written: &Written) -> Violations {
    let there = world.path("archive/2bm");
    let arrived = |path: &PathBuf, content: &Vec<u8>| {
        std::fs::read(there.join(path)).is_ok_and(|found| found == *content)
    };
    let missing = written.iter().filter(|(path, content)| !arrived(path, content));
    missing
        .map(|(path, _)| {
            let source = world.path("local").join(path);
            let gone =
                if source.exists() { "and is still at the source" } else { "and is GONE at the source" };
            format!("{} is not whole in the archive, {gone}", path.display())
        })
        .collect()
}

/// No file that nobody wrote: nothing temporary, nothing of another group.
pub fn nothing_is_left_behind(world: &World, written: &Written) -> Violations {
    let (local, globus) = (world.path("local"), world.path("globus"));
    let (archive, host) = (world.path("archive/2bm"), world.sshd.top());
    let mut violations = vec![];
    for (top, has_data) in [(&local, true), (&archive, true), (&globus, false), (&host, false)] {
        for file in files(top) {
            let known = has_data && written.contains_key(file.strip_prefix(top).unwrap_or(&file));
            // The detector's own, where clean-up was faster than its rename.
            if !known && file.extension().is_none_or(|extension| extension != "tmp" || *top != local) {
                violations.push(format!("a file that nobody wrote: {}", file.display()));
            }
        }
    }
    let journal = world.journal();
    let beside =
        std::fs::read_dir(journal.parent().unwrap()).unwrap().flatten().map(|entry| entry.file_name());
    let temporary = beside.filter(|name| name.to_string_lossy().ends_with("-journal"));
    violations
        .extend(temporary.map(|name| format!("a rollback journal is left: {}", name.to_string_lossy())));
    violations
}

fn files(top: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in std::fs::read_dir(top).into_iter().flatten().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

/// The texts of the status records that are compared with the journal and with Globus.
pub async fn records(world: &World) -> BTreeMap<Record, String> {
    let mut texts = BTreeMap::new();
    for record in [
        Record::Status,
        Record::LastName,
        Record::Email,
        Record::Proposal,
        Record::Path,
        Record::DirsSts,
        Record::GlobusSts,
        Record::ShareSts,
        Record::EmailSts,
        Record::SyncSts,
        Record::UsersTotal,
        Record::UsersShared,
        Record::EmailsSent,
        Record::EmailsFailed,
        Record::RunCount,
        Record::ErrorCount,
        Record::Run,
        Record::PendingMsg,
        Record::Alive,
    ] {
        texts.insert(record, world.text(record).await);
    }
    texts
}

/// The status records show the group as the journal and Globus have it.
pub fn every_record_true(
    world: &World,
    groups: &BTreeSet<Group>,
    shown: Group,
    texts: &BTreeMap<Record, String>,
) -> Violations {
    let mut violations = vec![];
    let journal = Connection::open(world.journal()).unwrap();
    let count = |sql: &str| journal.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let experiment = format!("experiment IN (SELECT id FROM experiment WHERE path = '{}')", shown.path());
    let readers =
        rules(world, groups, SHARED).into_iter().filter(|rule| rule.path == directory(SHARED, shown)).count();
    let sent = count(&format!(
        "SELECT COUNT(*) FROM message WHERE kind = 'data' AND state = 'sent' AND {experiment}"
    ));
    let puts: BTreeMap<_, _> = shown.puts().into_iter().collect();
    let expected = [
        (Record::Status, "Done".to_owned()),
        (Record::LastName, puts[&beamshare::domain::Field::PiLastName].clone()),
        (Record::Email, shown.pi()),
        (Record::Proposal, shown.proposal()),
        (Record::Path, shown.path()),
        (Record::DirsSts, "Done".to_owned()),
        (Record::GlobusSts, "Done".to_owned()),
        (Record::ShareSts, "Done".to_owned()),
        (Record::EmailSts, "Done".to_owned()),
        (Record::UsersTotal, readers.to_string()),
        (Record::UsersShared, readers.to_string()),
        (Record::EmailsSent, sent.to_string()),
        (Record::EmailsFailed, "0".to_owned()),
        (Record::RunCount, count("SELECT COUNT(*) FROM delivery").to_string()),
        (Record::ErrorCount, count("SELECT COUNT(*) FROM delivery WHERE state = 'failed'").to_string()),
        (Record::PendingMsg, String::new()),
        (Record::Alive, "Running".to_owned()),
    ];
    for (record, expected) in expected {
        if texts[&record] != expected {
            violations.push(format!("{record} reads {:?}, and {expected:?} is true", texts[&record]));
        }
    }
    violations
}

/// The journal is sound, has nothing unfinished, and agrees with Globus and the mail server.
pub fn the_journal_is_true(world: &World, groups: &BTreeSet<Group>) -> Violations {
    let mut violations = vec![];
    let journal = Connection::open(world.journal()).unwrap();
    let integrity: String = journal.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    if integrity != "ok" {
        violations.push(format!("the journal: {integrity}"));
    }
    let texts = |sql: &str| -> BTreeSet<String> {
        let mut statement = journal.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    for unfinished in texts("SELECT 'delivery ' || number FROM delivery WHERE state = 'running'")
        .union(&texts("SELECT 'message to ' || recipient || ' ' || state FROM message WHERE state <> 'sent'"))
        .chain(&texts(
            "SELECT 'access of ' || email || ' ' || state FROM access_rule WHERE state <> 'granted'",
        ))
    {
        violations.push(format!("unfinished in the journal: {unfinished}"));
    }
    let granted = texts("SELECT rule FROM access_rule WHERE state = 'granted' AND rule IS NOT NULL");
    let rules: BTreeSet<_> = [SHARED, ARCHIVE]
        .into_iter()
        .flat_map(|collection| rules(world, groups, collection))
        .map(|rule| rule.id)
        .collect();
    for rule in granted.symmetric_difference(&rules) {
        violations.push(format!("rule {rule} is only in one of the journal and Globus"));
    }
    let mut ignored = vec![];
    let received: BTreeSet<String> = mails(world, &mut ignored).into_values().flatten().collect();
    for id in texts("SELECT message_id FROM message").symmetric_difference(&received) {
        violations.push(format!("Message-ID {id} is only in one of the journal and the mail server"));
    }
    violations
}
