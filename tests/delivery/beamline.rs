//! A beamline for one test: directories of this machine, the Globus simulator on another one, mail into
//! files.

use crate::support::settings;
use beamshare::config::Config;
use beamshare::delivery::{
    Controller, Deliverer, DeliveryReport, Options, Outcome, Plan, RunError, controls,
};
use beamshare::domain::{Experiment, Field, Step, StepStatus, UserInfo};
use beamshare::journal::{Accepted, AcceptedBy, Cause, Journal};
use globus_simulator::{Account, App, Collection, Seed, Simulator};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

pub const PI: &str = "Wei.Li@example.org";
pub const STAFF: &str = "staff@example.org";
pub const CONTACT: &str = "contact@example.org";

/// Where the detector's data is, and where pairs send them: two more collections.
pub const DETECTOR: Uuid = Uuid::from_u128(0xde7ec702);
pub const ARCHIVE: Uuid = Uuid::from_u128(0xa2c417e);

/// A pair that shares what it sends to `/2bm/` of the archive.
pub fn shared_pair() -> String {
    format!(
        r#"[[sync]]
name = "raw"
source.collection = "{DETECTOR}"
source.trusted = true
source.path = "/{{{{ year_month }}}}/{{{{ pi_last_name }}}}"
destination.collection = "{ARCHIVE}"
destination.path = "/2bm/{{{{ year_month }}}}/{{{{ pi_last_name }}}}"
share = true
[email.copy]
subject = "Copy"
text_template = "message_copy.txt"
[journal]"#
    )
}

pub struct Beamline {
    pub folder: TempDir,
    pub globus: Simulator,
    pub collection: Uuid,
}

/// What a test changes in the configuration: each text by another.
pub type Changes<'a> = &'a [(&'a str, &'a str)];

impl Beamline {
    pub async fn new() -> Beamline {
        Beamline::with(&[], |collection| collection).await
    }

    pub async fn with(changes: Changes<'_>, collection: impl FnOnce(Collection) -> Collection) -> Beamline {
        let folder = tempfile::tempdir().unwrap();
        let (service, id) = (Uuid::new_v4(), Uuid::new_v4());
        let guest = Collection::guest(id, "Beamline data", "globus", &service.to_string());
        let globus = Simulator::builder()
            .root(folder.path())
            .seed(
                Seed::default()
                    .app(App::service(service, "a secret"))
                    .account(Account::new("wrong@example.org", "Not Li"))
                    .account(Account::new("other@example.org", "Another Li"))
                    .collection(collection(guest))
                    .collection(Collection::guest(DETECTOR, "Detector", "local", &service.to_string()))
                    .collection(Collection::guest(ARCHIVE, "Archive", "archive", &service.to_string())),
            )
            .start()
            .await
            .unwrap();
        let path = |name: &str| folder.path().join(name);
        for directory in ["local", "globus", "archive/2bm"] {
            std::fs::create_dir_all(path(directory)).unwrap();
        }
        settings::write_files(folder.path(), "Dear {{ pi_last_name }},\n{{ data_link }}\n");
        std::fs::write(path("message_copy.txt"), "A copy: {{ data_link }} {{ path }}\n").unwrap();
        let rules = "[rules]\nretry_for = \"20s\"\nnew_groups_per_hour = 1000\nmessages_per_hour = 10000\n\
                     resends_per_hour = 1000\n";
        let directories = "mode = \"0770\"\n[[directories.on]]\nname = \"analysis\"\ntop = \"local\"\n";
        let globus_keys = format!("top = \"/\"\npermissions = \"r\"\nshare_with = [\"{STAFF}\"]\n");
        let email_keys =
            format!("contacts = [\"Contact <{CONTACT}>\"]\nsubject = \"Data of {{{{ year_month }}}}\"\n");
        let mut config = [
            settings::base("2bmb:Share:", settings::PVS, "{{ year_month }}/{{ pi_last_name }}"),
            directories.to_owned(),
            rules.to_owned(),
            settings::globus(&globus, id, service, &globus_keys),
            settings::email(&email_keys),
            settings::JOURNAL.to_owned(),
        ]
        .concat();
        for (from, to) in changes {
            assert!(config.contains(from), "the configuration has no {from}");
            config = config.replace(from, to);
        }
        let config = config.replace("@FOLDER@", &folder.path().display().to_string());
        std::fs::write(path("beamshare.toml"), config).unwrap();
        Beamline { folder, globus, collection: id }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub async fn deliverer(&self) -> Arc<Deliverer> {
        deliverer(self.folder.path()).await
    }

    /// The access rules: path, username, permissions.
    pub fn rules(&self) -> Vec<(String, String, String)> {
        self.rules_on(self.collection)
    }

    pub fn rules_on(&self, collection: Uuid) -> Vec<(String, String, String)> {
        let name = |id: &str| {
            let known = [PI, STAFF, "wrong@example.org", "other@example.org"];
            let found = known
                .into_iter()
                .find(|name| self.globus.identity(name).is_some_and(|known| known.to_string() == id));
            found.map_or(id, |name| name).to_owned()
        };
        let text = |rule: &serde_json::Value, key: &str| rule[key].as_str().unwrap().to_owned();
        let mut rules: Vec<_> = self
            .globus
            .rules(collection)
            .iter()
            .map(|rule| (text(rule, "path"), name(&text(rule, "principal")), text(rule, "permissions")))
            .collect();
        rules.sort();
        rules
    }

    /// The messages: recipient, Message-ID.
    pub fn messages(&self) -> Vec<(String, String)> {
        messages(&self.path("outbox"))
    }
}

/// A deliverer on what a folder's beamshare.toml says, as a start of beamshare makes it.
pub async fn deliverer(folder: &Path) -> Arc<Deliverer> {
    let config = Config::load(&folder.join("beamshare.toml")).unwrap_or_else(|error| panic!("{error}"));
    let journal = Journal::open(&config.journal.path).await.unwrap();
    Arc::new(Deliverer::new(Arc::new(config), journal).unwrap())
}

/// The files of a mail folder: recipient, Message-ID. A file is named after both.
pub fn messages(outbox: &Path) -> Vec<(String, String)> {
    let mut messages = vec![];
    for entry in std::fs::read_dir(outbox).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "eml") {
            continue; // what a killed process had begun
        }
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let id = text.lines().find_map(|line| line.strip_prefix("Message-ID: ")).unwrap().to_owned();
        let (_, recipient) = name.split_once('_').unwrap();
        messages.push((recipient.to_owned(), id));
    }
    messages.sort();
    messages
}

/// Li's experiment, with this e-mail and proposal.
pub fn li(email: &str, proposal: &str) -> Experiment {
    experiment("2026-03", "Li", email, proposal)
}

pub fn experiment(year_month: &str, name: &str, email: &str, proposal: &str) -> Experiment {
    let fields = [
        (Field::YearMonth, year_month),
        (Field::PiLastName, name),
        (Field::PiEmail, email),
        (Field::ProposalNumber, proposal),
    ];
    let fields: BTreeMap<_, _> = fields.into_iter().map(|(field, text)| (field, text.to_owned())).collect();
    Experiment::parse(&UserInfo(fields)).unwrap_or_else(|errors| panic!("{errors:?}"))
}

/// Accepts a plan, which nothing may stand in the way of.
pub async fn accept(deliverer: &Arc<Deliverer>, plan: &Plan) -> Uuid {
    accept_by(deliverer, plan, AcceptedBy::Auto).await
}

async fn accept_by(deliverer: &Arc<Deliverer>, plan: &Plan, by: AcceptedBy) -> Uuid {
    match deliverer.accept(plan, by, None).await.unwrap_or_else(|error| panic!("{error}")) {
        Accepted::Accepted { id, .. } => id,
        Accepted::Taken(conflicts) => panic!("taken: {conflicts:?}"),
    }
}

pub async fn run(deliverer: &Arc<Deliverer>, id: Uuid, options: &Options) -> (Outcome, DeliveryReport) {
    let (sender, receiver) = tokio::sync::watch::channel(DeliveryReport::default());
    let (_controller, control) = controls();
    // In a task, as the daemon does it.
    let (deliverer, options) = (deliverer.clone(), options.clone());
    let task = tokio::spawn(async move { deliverer.run(id, &options, control, sender).await });
    let outcome = task.await.unwrap().unwrap_or_else(|error| panic!("{error}"));
    (outcome, receiver.borrow().clone())
}

/// A delivery that is watched while it runs.
pub struct Running {
    task: JoinHandle<Result<Outcome, RunError>>,
    pub controller: Controller,
    pub report: watch::Receiver<DeliveryReport>,
}

impl Running {
    pub fn start(deliverer: &Arc<Deliverer>, id: Uuid, before: impl FnOnce(&Controller)) -> Running {
        let (sender, report) = watch::channel(DeliveryReport::default());
        let (controller, control) = controls();
        before(&controller);
        let deliverer = deliverer.clone();
        let options = Options::all(Cause::UserInfo, "the test");
        let task = tokio::spawn(async move { deliverer.run(id, &options, control, sender).await });
        Running { task, controller, report }
    }

    /// Waits until the operator reads this.
    pub async fn shows(&mut self, what: &str) {
        let shown = self.report.wait_for(|report| {
            report.message.contains(what) || report.steps.values().any(|(_, message)| message.contains(what))
        });
        let shown =
            tokio::time::timeout(Duration::from_secs(20), shown).await.is_ok_and(|shown| shown.is_ok());
        assert!(shown, "never shows {what}: {:#?}", self.report.borrow());
    }

    pub async fn ends(self) -> Outcome {
        let limit = tokio::time::timeout(Duration::from_secs(20), self.task).await;
        limit.expect("it ends").unwrap().unwrap()
    }
}

/// Plan, accept, run.
pub async fn deliver(deliverer: &Arc<Deliverer>, experiment: &Experiment) -> (Uuid, Outcome, DeliveryReport) {
    let (planner, planned) = (deliverer.clone(), experiment.clone());
    let plan = tokio::spawn(async move { planner.plan(&planned).await }).await.unwrap();
    let plan = plan.unwrap_or_else(|error| panic!("{error}"));
    assert!(plan.obstacles().is_empty(), "{:?}", plan.obstacles());
    let id = accept(deliverer, &plan).await;
    let (outcome, report) = run(deliverer, id, &Options::all(Cause::UserInfo, "test")).await;
    (id, outcome, report)
}

/// Plan, an operator's approval of what is held, accept, run.
pub async fn deliver_approved(
    deliverer: &Arc<Deliverer>,
    experiment: &Experiment,
) -> (Uuid, Outcome, DeliveryReport) {
    let mut plan = deliverer.plan(experiment).await.unwrap_or_else(|error| panic!("{error}"));
    assert!(!plan.obstacles().is_empty(), "nothing is held");
    plan.approve();
    let id = accept_by(deliverer, &plan, AcceptedBy::Approve).await;
    let (outcome, report) = run(deliverer, id, &Options::all(Cause::Approve, "test")).await;
    (id, outcome, report)
}

pub fn assert_done(outcome: &Outcome, report: &DeliveryReport) {
    assert!(matches!(outcome, Outcome::Done), "{outcome:?}\n{report:#?}");
    for step in [Step::Dirs, Step::Globus, Step::Share, Step::Email] {
        assert_eq!(report.steps[&step].0, StepStatus::Done, "{step}: {report:#?}");
    }
}
