//! A beamline with everything: the service runs as a program of its own.

use crate::beamline::{Beamline, Changes};
use crate::support::ioc::{CaTest, Ioc, repository};
use beamshare::domain::Field;
use beamshare::status::Record;
use channel_access::{Channel, Context, TextChannel, Value};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

/// For whatever is waited for: long, since a failure is all that ends it.
pub const LIMIT: Duration = Duration::from_secs(40);

const PREFIX: &str = "site:Share:";

/// What a group's tagging puts, in the tagging tools' order.
pub type Group = [(Field, &'static str); 10];

pub fn group(texts: [&'static str; 10]) -> Group {
    let [first, last, institution, email, badge, updated, proposal, title, year_month, esaf] = texts;
    [
        (Field::PiFirstName, first),
        (Field::PiLastName, last),
        (Field::PiInstitution, institution),
        (Field::PiEmail, email),
        (Field::PiBadge, badge),
        (Field::UpdateTime, updated),
        (Field::ProposalNumber, proposal),
        (Field::ProposalTitle, title),
        (Field::YearMonth, year_month),
        (Field::Esaf, esaf),
    ]
}

pub fn garcia() -> Group {
    group([
        "Ana",
        "Garcia",
        "UPF",
        "ana@upf.example",
        "11",
        "03-01 09:00",
        "71001",
        "Shells",
        "2026-03",
        "21",
    ])
}

pub fn li() -> Group {
    group(["Bo", "Li", "MIT", "boli@mit.example", "12", "03-04 09:00", "71002", "Foam", "2026-03", "22"])
}

/// Another Li in the same month.
pub fn other_li() -> Group {
    group(["Na", "Li", "ETH", "nali@eth.example", "13", "03-07 09:00", "71003", "Wood", "2026-03", "23"])
}

pub struct Site {
    pub ca: CaTest,
    pub beamline: Beamline,
    pub ioc: Option<Ioc>,
    context: Context,
    pvs: BTreeMap<Field, TextChannel>,
    service: Option<Child>,
    starts: u32,
}

impl Site {
    /// Everything but the service. All user-info PVs are configured.
    pub async fn new() -> Site {
        Site::with(&Field::ALL, &[]).await
    }

    /// With these fields alone configured, and changes of the configuration.
    pub async fn with(fields: &[Field], changes: Changes<'_>) -> Site {
        let ca = CaTest::new();
        let keys: String =
            fields.iter().map(|field| format!("{} = \"{}\"\n", field.key(), pv(*field))).collect();
        let mut all = vec![
            (
                "year_month = \"ym\"\npi_last_name = \"name\"\npi_email = \"email\"\nproposal_number = \"proposal\"\n",
                &*keys,
            ),
            ("2bmb:Share:", PREFIX),
            (
                "[rules]\nretry_for = \"20s\"",
                "[rules]\nsettle = \"500ms\"\nrun_limit = \"5s\"\nretry_for = \"1h\"",
            ),
        ];
        all.extend_from_slice(changes);
        let beamline = Beamline::with(&all, |collection| collection).await;
        let context = Context::new().unwrap();
        let channel = |field: Field| TextChannel::new(&context, &pv(field)).unwrap();
        let fields = Field::ALL.into_iter().chain([Field::Signature]);
        let pvs = fields.map(|field| (field, channel(field))).collect();
        let mut site = Site { ca, beamline, ioc: None, context, pvs, service: None, starts: 0 };
        site.start_ioc();
        site
    }

    pub fn start_ioc(&mut self) {
        let files =
            ["db/beamshare.db", "db/user_info_tomoscan.db", "db/user_info_signature.db"].map(repository);
        self.ioc = Some(self.ca.ioc(&files.each_ref().map(|file| (file.as_path(), "P=site:"))));
    }

    pub fn kill_ioc(&mut self) {
        self.ioc.take().expect("an IOC runs").kill();
    }

    pub fn start(&mut self) {
        self.start_with(&[]);
    }

    /// Starts the service with these variables in its environment.
    pub fn start_with(&mut self, environment: &[(&str, &str)]) {
        self.starts += 1;
        let log = File::create(self.log_file()).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_beamshare"))
            .args(["--log-level", "info", "run"])
            .arg(self.beamline.path("beamshare.toml"))
            .envs(self.ca.environment())
            .envs(environment.iter().copied())
            .stderr(log)
            .spawn()
            .unwrap();
        self.service = Some(child);
    }

    /// Starts the service once more, which must end by itself: its exit code and what it says.
    pub fn second_service(&self) -> (Option<i32>, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_beamshare"))
            .arg("run")
            .arg(self.beamline.path("beamshare.toml"))
            .envs(self.ca.environment())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Runs a verb of the command line: its exit code and what it says.
    pub async fn verb(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_beamshare"))
            .arg("--config")
            .arg(self.beamline.path("beamshare.toml"))
            .args(arguments)
            .envs(self.ca.environment())
            .output();
        let output = tokio::time::timeout(LIMIT, output).await.expect("it ends").unwrap();
        let said = [&*output.stdout, &*output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
        (output.status.code(), said.concat())
    }

    /// A verb of the command line, to be spawned.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_beamshare"));
        command.arg("--config").arg(self.beamline.path("beamshare.toml")).args(arguments);
        command.envs(self.ca.environment());
        command
    }

    fn log_file(&self) -> PathBuf {
        self.beamline.path(&format!("service{}.log", self.starts))
    }

    /// What the service has logged since its last start.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// As `kill -9`.
    pub fn kill(&mut self) {
        let mut service = self.service.take().expect("the service runs");
        service.kill().unwrap();
        service.wait().unwrap();
    }

    /// As systemd stops it; the exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        self.signal(rustix::process::Signal::TERM);
        self.service.take().expect("the service runs").wait().unwrap().code()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(self.service.as_ref().expect("the service runs"));
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// The service with nobody tagged, watching: what it says when it may be acted on.
    pub async fn started() -> Site {
        let mut site = Site::new().await;
        site.start();
        site.idle().await;
        site
    }

    /// Waits until the service has seen that nobody is tagged.
    pub async fn idle(&self) {
        self.record(Record::StatusMsg, |text| text == "No user group is tagged").await;
    }

    pub async fn put(&self, field: Field, text: &str) {
        self.pvs[&field].put(text, LIMIT).await.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Tags a group as the tools do, the first `puts` of the ten.
    pub async fn tag_some(&self, group: &Group, puts: usize) {
        for (field, text) in &group[..puts] {
            self.put(*field, text).await;
        }
    }

    pub async fn tag(&self, group: &Group) {
        self.tag_some(group, group.len()).await;
    }

    /// Puts a text to a status record, as autosave restores it.
    pub async fn put_record(&self, record: Record, text: &str) {
        let channel = TextChannel::new(&self.context, &format!("{PREFIX}{record}")).unwrap();
        channel.put(text, LIMIT).await.unwrap_or_else(|error| panic!("{error}"));
    }

    /// What a status record says now.
    pub async fn text(&self, record: Record) -> String {
        let channel = TextChannel::new(&self.context, &format!("{PREFIX}{record}")).unwrap();
        channel.get(LIMIT).await.unwrap_or_else(|error| panic!("{error}")).text
    }

    /// Waits until a status record says what is wanted.
    pub async fn record(&self, record: Record, wanted: impl Fn(&str) -> bool) -> String {
        let channel = TextChannel::new(&self.context, &format!("{PREFIX}{record}")).unwrap();
        let mut last = String::new();
        let found = tokio::time::timeout(LIMIT, async {
            loop {
                if let channel_access::TextEvent::Text(text) = channel.next().await {
                    last = text.text;
                    if wanted(&last) {
                        return;
                    }
                }
            }
        });
        if found.await.is_err() {
            let message = self.text(Record::StatusMsg).await;
            panic!("{record} still says {last:?}; StatusMsg {message:?}; the log:\n{}", self.log());
        }
        last
    }

    /// Waits for a state of `Status`.
    pub async fn status(&self, wanted: &str) {
        self.record(Record::Status, |text| text == wanted).await;
    }

    /// Waits until the group of this e-mail is delivered.
    pub async fn delivered(&self, email: &str) {
        self.record(Record::StatusMsg, |text| text.contains(email) && text.contains("is there")).await;
        self.status("Done").await;
    }

    /// Tags a group, and again whenever the screen advises it, until it is delivered.
    pub async fn tag_as_advised(&self, group: &Group) {
        let email =
            group.iter().find(|(field, _)| *field == Field::PiEmail).expect("every group has an address").1;
        let advice = |text: &str| text.contains(email) && text.contains("Tag the group again, or");
        loop {
            self.tag(group).await;
            let is_delivered = |text: &str| text.contains(email) && text.contains("is there");
            let message = self.record(Record::StatusMsg, |text| advice(text) || is_delivered(text)).await;
            if is_delivered(&message) {
                return self.delivered(email).await;
            }
        }
    }

    /// Waits until a message says this, with `Status` Approval.
    pub async fn held(&self, because: &str) -> String {
        let message = self.record(Record::StatusMsg, |text| text.contains(because)).await;
        self.status("Approval").await;
        message
    }

    fn channel(&self, record: Record) -> Channel {
        self.context.channel(&format!("{PREFIX}{record}")).unwrap()
    }

    /// Puts a command or switch.
    pub async fn press(&self, record: Record, value: u16) {
        let channel = self.channel(record);
        channel.connected(LIMIT).await.unwrap();
        channel.put(Value::Enum(vec![value]), LIMIT).await.unwrap();
    }

    /// Who can read what on the collection, staff left out: path and username, sorted.
    pub fn readers(&self) -> Vec<(String, String)> {
        let staff = self.beamline.globus.identity(crate::beamline::STAFF).map(|id| id.to_string());
        let emails = [garcia(), li(), other_li()].map(|group| group[3].1);
        let text = |rule: &serde_json::Value, key: &str| rule[key].as_str().unwrap_or_default().to_owned();
        let mut readers: Vec<_> = self
            .beamline
            .globus
            .rules(self.beamline.collection)
            .iter()
            .filter(|rule| Some(text(rule, "principal")) != staff)
            .map(|rule| {
                let principal = text(rule, "principal");
                let named = |email: &&str| {
                    self.beamline.globus.identity(email).is_some_and(|id| id.to_string() == principal)
                };
                let who = emails
                    .iter()
                    .find(|email| named(email))
                    .map_or(principal.clone(), |email| (*email).to_owned());
                (text(rule, "path"), who)
            })
            .collect();
        readers.sort();
        readers
    }

    /// To whom messages went, contacts left out: address and Message-ID, sorted.
    pub fn mailed(&self) -> Vec<(String, String)> {
        let mut messages = self.beamline.messages();
        messages.retain(|(to, _)| to != crate::beamline::CONTACT);
        messages
    }

    /// The addresses alone.
    pub fn mailed_to(&self) -> Vec<String> {
        self.mailed().into_iter().map(|(to, _)| to).collect()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(mut service) = self.service.take() {
            let _ = service.kill();
            let _ = service.wait();
        }
    }
}

/// The PV of a field.
pub fn pv(field: Field) -> String {
    let name = match field {
        Field::YearMonth => "ExperimentYearMonth",
        Field::PiLastName => "UserLastName",
        Field::PiEmail => "UserEmail",
        Field::PiFirstName => "UserName",
        Field::PiInstitution => "UserInstitution",
        Field::PiBadge => "UserBadge",
        Field::ProposalNumber => "ProposalNumber",
        Field::ProposalTitle => "ProposalTitle",
        Field::Esaf => "ESAFNumber",
        Field::UpdateTime => "UserInfoUpdate",
        Field::Signature => "UserInfoSignature",
    };
    format!("site:TomoScan:{name}")
}
