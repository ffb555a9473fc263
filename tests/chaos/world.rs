//! The whole beamline: the built program between the IOC, Globus, a mail server, the schedule, an SSH host
//! and directories of this machine.

use crate::clock::SteppedClock;
use crate::groups::{self, CONTACT, STAFF};
use crate::server::{PASSWORD, Server, USER};
use crate::support::disk::SmallDisk;
use crate::support::ioc::{CaTest, Ioc, repository};
use crate::support::proxy::Proxy;
use crate::support::settings;
use crate::support::smtp::SmtpServer;
use crate::support::sshd::Sshd;
use beamshare::domain::Field;
use beamshare::status::Record;
use channel_access::{Channel, Context, TextChannel, Value};
use globus_simulator::{App, Collection, Seed, Simulator};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::Mutex;
use std::time::Duration;
use tempfile::TempDir;
use uuid::Uuid;

/// For whatever is waited for: long, since a failure is all that ends it.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The collections: the shared one, the detector's and the archive.
pub const SHARED: Uuid = Uuid::from_u128(1);
pub const DETECTOR: Uuid = Uuid::from_u128(2);
pub const ARCHIVE: Uuid = Uuid::from_u128(3);

/// `run_limit` of the settings.
pub const RUN_LIMIT: Duration = Duration::from_secs(2);

const PREFIX: &str = "site:Share:";

/// The fields that the tagging tool puts.
const FIELDS: [Field; 8] = [
    Field::PiFirstName,
    Field::PiLastName,
    Field::PiInstitution,
    Field::PiEmail,
    Field::UpdateTime,
    Field::ProposalNumber,
    Field::ProposalTitle,
    Field::YearMonth,
];

pub struct World {
    pub folder: TempDir,
    pub globus: Simulator,
    pub smtp: SmtpServer,
    pub schedule: Server,
    pub sshd: Sshd,
    /// Between the service and the SSH host
    pub proxy: Proxy,
    /// Where the journal is, if this account may mount a file system
    pub disk: Option<SmallDisk>,
    pub ca: CaTest,
    pub service_clock: SteppedClock,
    pub ioc_clock: SteppedClock,
    ioc: Option<Ioc>,
    context: Context,
    pvs: BTreeMap<Field, TextChannel>,
    /// The texts of the PVs, as autosave keeps them
    saved: Mutex<BTreeMap<Field, String>>,
    service: Option<Child>,
    starts: u32,
}

impl World {
    pub async fn new(groups: u64) -> World {
        let ca = CaTest::new();
        let folder = tempfile::Builder::new().prefix("beamshare-chaos-").tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let service = Uuid::from_u128(9);
        let guest = |id, name, directory| Collection::guest(id, name, directory, &service.to_string());
        let seed = Seed::default()
            .app(App::service(service, "a secret"))
            .collection(guest(SHARED, "Beamline data", "globus"))
            .collection(guest(DETECTOR, "Detector", "local"))
            .collection(guest(ARCHIVE, "Archive", "archive"));
        for directory in ["local", "globus", "archive/2bm"] {
            std::fs::create_dir_all(path(directory)).unwrap();
        }
        let globus = Simulator::builder().root(folder.path()).seed(seed).start().await.unwrap();
        let smtp = SmtpServer::start(&json!({"security": "none"}));
        let schedule = groups::schedule(groups);
        let sshd = Sshd::start();
        let proxy = Proxy::to(sshd.port);
        let disk = SmallDisk::mount(96 * 1024);
        let (service_clock, ioc_clock) =
            (SteppedClock::new(folder.path(), "service"), SteppedClock::new(folder.path(), "ioc"));
        write_settings(folder.path(), &globus, service, &smtp, &schedule, &sshd, &proxy, disk.as_ref());
        let context = Context::new().unwrap();
        let pvs = FIELDS.map(|field| (field, TextChannel::new(&context, &pv(field)).unwrap())).into();
        let mut world = World {
            folder,
            globus,
            smtp,
            schedule,
            sshd,
            proxy,
            disk,
            ca,
            service_clock,
            ioc_clock,
            ioc: None,
            context,
            pvs,
            saved: Mutex::default(),
            service: None,
            starts: 0,
        };
        world.start_ioc(false);
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn journal(&self) -> PathBuf {
        journal(self.folder.path(), self.disk.as_ref())
    }

    /// Starts the IOC with empty user-info PVs, or with the texts that autosave restores before the records
    /// are processed.
    pub fn start_ioc(&mut self, restore: bool) {
        if !restore {
            self.saved.lock().unwrap().clear();
        }
        let saved = self.saved.lock().unwrap().clone();
        let records: String = FIELDS.iter().map(|field| record(*field, saved.get(field))).collect();
        let users = self.ca.file("users.db", &records);
        let script = format!(
            "dbLoadRecords(\"{}\", \"P=site:\")\ndbLoadRecords(\"{}\")\niocInit()\n",
            repository("db/beamshare.db").display(),
            users.display()
        );
        let script = self.ca.file("st.cmd", &script);
        self.ioc = Some(self.ca.ioc_with_script(&script, &self.ioc_clock.environment()));
    }

    /// As `kill -9`.
    pub fn kill_ioc(&mut self) {
        drop(self.ioc.take());
    }

    pub fn start_service(&mut self) {
        self.starts += 1;
        let log = File::create(self.path(&format!("service{}.log", self.starts))).unwrap();
        let mut command = self.command(&["--log-level", "info", "run"]);
        command.envs(self.service_clock.environment());
        self.service = Some(command.stderr(log).spawn().unwrap());
    }

    /// A command of the program, with these settings.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_beamshare"));
        command.env("BEAMSHARE_CONFIG", self.path("beamshare.toml")).env_remove("BEAMSHARE_LOG");
        command.args(arguments).envs(self.ca.environment());
        command
    }

    pub fn signal(&self, signal: Signal) {
        if let Some(service) = &self.service {
            let _ = kill_process(Pid::from_child(service), signal);
        }
    }

    /// Waits for the end of a service that was told to end.
    pub async fn service_ended(&mut self) -> ExitStatus {
        let mut service = self.service.take().expect("the service runs");
        tokio::task::spawn_blocking(move || service.wait().unwrap()).await.unwrap()
    }

    /// The exit status, if the service has ended by itself.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.service.as_mut().and_then(|service| service.try_wait().unwrap())
    }

    /// Puts a text to a user-info PV; `false` where the IOC does not answer.
    pub async fn put(&self, field: Field, text: &str) -> bool {
        let put = self.pvs[&field].put(text, Duration::from_secs(2)).await.is_ok();
        if put {
            self.saved.lock().unwrap().insert(field, text.to_owned());
        }
        put
    }

    fn channel(&self, record: Record) -> Channel {
        self.context.channel(&format!("{PREFIX}{record}")).unwrap()
    }

    /// Puts a command or switch, if the IOC runs.
    pub async fn press(&self, record: Record, value: u16) {
        let channel = self.channel(record);
        if channel.connected(Duration::from_secs(2)).await.is_ok() {
            let _ = channel.put(Value::Enum(vec![value]), Duration::from_secs(2)).await;
        }
    }

    /// The present text of a status record.
    pub async fn text(&self, record: Record) -> String {
        let channel = TextChannel::new(&self.context, &format!("{PREFIX}{record}")).unwrap();
        channel.get(LIMIT).await.map(|text| text.text).unwrap_or_default()
    }

    /// What the screen says, if the IOC answers soon.
    pub async fn message(&self) -> String {
        let channel = TextChannel::new(&self.context, &format!("{PREFIX}{}", Record::StatusMsg)).unwrap();
        channel.get(Duration::from_secs(1)).await.map(|text| text.text).unwrap_or_default()
    }

    /// Waits until a status record satisfies this; `None` after the time.
    pub async fn record(
        &self,
        record: Record,
        time: Duration,
        wanted: impl Fn(&str) -> bool,
    ) -> Option<String> {
        let channel = TextChannel::new(&self.context, &format!("{PREFIX}{record}")).unwrap();
        let found = async {
            loop {
                if let channel_access::TextEvent::Text(text) = channel.next().await
                    && wanted(&text.text)
                {
                    return text.text;
                }
            }
        };
        tokio::time::timeout(time, found).await.ok()
    }

    /// The folder with all files, and the journal among them; everything else ends.
    pub fn into_folder(mut self) -> TempDir {
        if self.disk.is_some() {
            for entry in std::fs::read_dir(self.journal().parent().unwrap()).unwrap().flatten() {
                let _ = std::fs::copy(entry.path(), self.path(&entry.file_name().to_string_lossy()));
            }
        }
        std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap())
    }

    /// All logs of the service, the newest last.
    pub fn logs(&self) -> String {
        let names = (1..=self.starts).map(|start| self.path(&format!("service{start}.log")));
        names.map(|name| std::fs::read_to_string(name).unwrap_or_default()).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(mut service) = self.service.take() {
            let _ = service.kill();
            let _ = service.wait();
        }
    }
}

fn pv(field: Field) -> String {
    format!("site:{}", field.key())
}

fn record(field: Field, text: Option<&String>) -> String {
    let text = text.map_or("Unknown", String::as_str);
    // Also a put of the same text is observed.
    format!(
        "record(stringout, \"{}\") {{ field(VAL, \"{text}\") field(PINI, \"YES\") field(MPST, \"Always\") \
         field(APST, \"Always\") }}\n",
        pv(field)
    )
}

fn journal(folder: &Path, disk: Option<&SmallDisk>) -> PathBuf {
    disk.map_or(folder, SmallDisk::path).join("journal.sqlite")
}

#[expect(clippy::too_many_arguments, reason = "the parts of a beamline")]
fn write_settings(
    folder: &Path,
    globus: &Simulator,
    service: Uuid,
    smtp: &SmtpServer,
    schedule: &Server,
    sshd: &Sshd,
    proxy: &Proxy,
    disk: Option<&SmallDisk>,
) {
    const PATH: &str = "{{ year_month }}/{{ pi_last_name }}-{{ proposal_number }}";
    let host_key = std::fs::read_to_string(sshd.file("host_ed25519.pub")).unwrap();
    sshd.write(".ssh/known_hosts", &format!("[127.0.0.1]:{} {host_key}", proxy.port));
    let secret = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).unwrap();
        std::fs::set_permissions(folder.join(name), PermissionsExt::from_mode(0o600)).unwrap();
    };
    settings::write_files(folder, "{{ path }}\n{{ data_link }}\n");
    secret("schedule.password", PASSWORD);
    let keys: String = FIELDS.iter().map(|field| format!("{} = \"{}\"\n", field.key(), pv(*field))).collect();
    let globus_keys = format!("top = \"/\"\npermissions = \"r\"\nshare_with = [\"{STAFF}\"]\n");
    let text = [
        settings::base(PREFIX, &keys, PATH),
        format!(
            "[[directories.on]]\nname = \"analysis\"\ntop = \"local\"\n[[directories.on]]\nname = \"host\"\n\
             host = \"{}@127.0.0.1:{}\"\ntop = \"{}\"\nkey_file = \"{}\"\nknown_hosts = \"{}\"\ntimeout = \"2s\"\n",
            sshd.user,
            proxy.port,
            sshd.top().display(),
            sshd.key().display(),
            sshd.file("home/.ssh/known_hosts").display()
        ),
        format!(
            "[rules]\nsettle = \"500ms\"\nrun_limit = \"{}s\"\nretry_for = \"1h\"\nnew_groups_per_hour = \
             1000\n\
             messages_per_hour = 10000\n",
            RUN_LIMIT.as_secs()
        ),
        settings::globus(globus, SHARED, service, &globus_keys).replace("\"10s\"", "\"2s\""),
        format!(
            "[email]\nfrom = \"2-BM <2bm@example.org>\"\ncontacts = [\"{CONTACT}\"]\n\
             subject = \"Data of {{{{ proposal_number }}}}\"\ntext_template = \"message.txt\"\n\
             [email.copy]\nsubject = \"Copy of {{{{ proposal_number }}}}\"\ntext_template = \"message.txt\"\n\
             [email.transport.smtp]\nhost = \"127.0.0.1\"\nport = {}\nsecurity = \"none\"\ntimeout = \"2s\"\n\
             accept_timeout = \"3s\"\nrepeat_after = \"1s\"\n",
            smtp.port
        ),
        format!(
            "[schedule]\nrecipients = \"schedule\"\nevery = \"5s\"\n[schedule.from.aps]\nurl = \"{}\"\n\
             beamline = \"2-BM-A,B\"\nuser = \"{USER}\"\npassword_file = \"schedule.password\"\ntimeout = \"2s\"\n",
            schedule.url
        ),
        format!(
            "[[sync]]\nname = \"raw\"\non = \"files\"\nquiet = \"200ms\"\nshare = true\n\
             source = {{ collection = \"{DETECTOR}\", path = \"/{PATH}\", local = \"{}/{PATH}\" }}\n\
             destination = {{ collection = \"{ARCHIVE}\", path = \"/2bm/{PATH}\" }}\n\
             filters = [{{ exclude = \"*.tmp\" }}]\n[sync.clean_up]\nkeep = \"1ms\"\n",
            folder.join("local").display()
        ),
        format!("[journal]\npath = \"{}\"\n", journal(folder, disk).display()),
    ]
    .concat();
    std::fs::write(folder.join("beamshare.toml"), text).unwrap();
}
