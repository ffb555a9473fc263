//! Compares what the program has done with what the runs have put: access rules, messages, directories,
//! journal.

use super::tools::Group;
use beamshare::domain::Field;
use beamshare::journal::{AcceptedBy, ExperimentRow};
use globus_simulator::Simulator;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use uuid::Uuid;

pub struct Oracle {
    /// The groups that a run has put as a whole
    pub completed: Arc<Mutex<Vec<Group>>>,
    collection: Uuid,
    /// Faults that were found in earlier scenarios
    known: BTreeSet<String>,
}

/// The group's directory in every place.
fn directory(group: &Group) -> String {
    format!("{}/{}", group.get(Field::YearMonth), group.get(Field::PiLastName))
}

impl Oracle {
    pub fn new(collection: Uuid) -> Oracle {
        Oracle { completed: Arc::default(), collection, known: BTreeSet::new() }
    }

    /// What is wrong and was not found before.
    pub fn new_faults(
        &mut self,
        folder: &Path,
        globus: &Simulator,
        experiments: &[ExperimentRow],
    ) -> Vec<String> {
        let completed = self.completed.lock().unwrap().clone();
        let mut faults = vec![];
        for (path, principal) in self.rules(globus) {
            let is_of = |group: &Group| {
                path == format!("/{}/", directory(group))
                    && globus
                        .identity(group.get(Field::PiEmail))
                        .is_some_and(|id| id.to_string() == principal)
            };
            if !completed.iter().any(is_of) {
                faults.push(format!("{principal} reads {path}"));
            }
        }
        for (id, (to, text)) in messages(folder) {
            if !completed.iter().any(|group| to == group.get(Field::PiEmail) && text == self.message(group)) {
                faults.push(format!("message {id} to {to}: {text}"));
            }
        }
        for path in
            directories(&folder.join("analysis")).into_iter().chain(directories(&folder.join("globus")))
        {
            if !completed.iter().any(|group| path == directory(group)) {
                faults.push(format!("directory {path}"));
            }
        }
        for row in experiments {
            if row.accepted_by != AcceptedBy::Auto || !completed.iter().any(|group| is_experiment(group, row))
            {
                faults.push(format!("accepted: {:?} {:?}", row.accepted_by, row.experiment));
            }
        }
        faults.retain(|fault| self.known.insert(fault.clone()));
        faults
    }

    /// Who was accepted and has no access, or has not exactly one message for each experiment.
    pub fn undelivered(
        &self,
        folder: &Path,
        globus: &Simulator,
        experiments: &[ExperimentRow],
    ) -> Vec<String> {
        let (rules, messages) = (self.rules(globus), messages(folder));
        let mut expected = BTreeMap::<&str, usize>::new();
        let mut missing = vec![];
        for row in experiments {
            let email = row.experiment.pi_email.as_str();
            *expected.entry(email).or_default() += 1;
            let principal = globus.identity(email).map(|id| id.to_string()).unwrap_or_default();
            if !rules.contains(&(format!("/{}/", row.path), principal)) {
                missing.push(format!("no access for {email} to {}", row.path));
            }
        }
        for (email, expected) in expected {
            let found = messages.values().filter(|(to, _)| to == email).count();
            if found != expected {
                missing.push(format!("{found} messages to {email} for {expected} experiments"));
            }
        }
        missing
    }

    /// The access rules: path and identity.
    fn rules(&self, globus: &Simulator) -> Vec<(String, String)> {
        let text = |rule: &serde_json::Value, key: &str| rule[key].as_str().unwrap_or_default().to_owned();
        globus
            .rules(self.collection)
            .iter()
            .map(|rule| (text(rule, "path"), text(rule, "principal")))
            .collect()
    }

    /// The subject and text of the message to the group.
    fn message(&self, group: &Group) -> String {
        let fields = [
            Field::PiFirstName,
            Field::PiLastName,
            Field::PiEmail,
            Field::ProposalNumber,
            Field::ProposalTitle,
            Field::YearMonth,
        ];
        let path = format!("/{}/", directory(group)).replace('/', "%2F");
        let link =
            format!("https://app.globus.org/file-manager?origin_id={}&origin_path={path}", self.collection);
        let subject = format!("Data of {}", group.get(Field::YearMonth));
        format!("{subject}\n{}\n{link}", fields.map(|field| group.get(field)).join(" "))
    }
}

/// The messages by Message-ID: recipient, and subject and text.
fn messages(folder: &Path) -> BTreeMap<String, (String, String)> {
    let mut messages = BTreeMap::new();
    for entry in std::fs::read_dir(folder.join("outbox")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "eml") {
            continue; // what a killed process had begun
        }
        let mail = std::fs::read_to_string(&path).unwrap();
        let header = |name: &str| {
            let found = mail.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            found.unwrap_or_default().trim_end().to_owned()
        };
        let body = mail.split_once("\r\n\r\n").map_or("", |(_, body)| body).trim();
        // Quoted-printable, of which only the equals signs of the link need it.
        let body = body.replace("=\r\n", "").replace("=3D", "=").replace("\r\n", "\n");
        let (id, to) = (header("Message-ID"), header("To"));
        let twice = messages.insert(id.clone(), (to, format!("{}\n{body}", header("Subject"))));
        assert!(twice.is_none(), "two files for the message {id}");
    }
    messages
}

/// The directories of groups below a tree.
fn directories(top: &Path) -> Vec<String> {
    let names = |folder: &Path| -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let months = names(top).into_iter();
    months
        .flat_map(|month| names(&top.join(&month)).into_iter().map(move |name| format!("{month}/{name}")))
        .collect()
}

fn is_experiment(group: &Group, row: &ExperimentRow) -> bool {
    let experiment = &row.experiment;
    let details = [Field::PiFirstName, Field::ProposalNumber, Field::ProposalTitle];
    experiment.year_month.to_string() == group.get(Field::YearMonth)
        && experiment.pi_last_name.as_str() == group.get(Field::PiLastName)
        && experiment.pi_email.as_str() == group.get(Field::PiEmail)
        && details
            .iter()
            .all(|field| experiment.details.get(field).map(String::as_str) == Some(group.get(*field)))
        && row.path.to_string() == directory(group)
}
