//! The service that is measured, and the parts that it works with.

use crate::support::ioc::CaTest;
use crate::support::smtp::SmtpServer;
use crate::support::sshd::Sshd;
use globus_simulator::{App, Collection, Seed, Simulator};
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use uuid::Uuid;

/// The settings' `settle`.
pub const SETTLE: Duration = Duration::from_secs(1);
/// Who gets access to each experiment: the PI, and the others on the list.
pub const RECIPIENTS: usize = 10;
/// Places over SSH.
pub const HOSTS: usize = 2;
/// The tagging tool's records, in its order.
pub const TOOL: [&str; 10] = [
    "UserName",
    "UserLastName",
    "UserInstitution",
    "UserEmail",
    "UserBadge",
    "UserInfoUpdate",
    "ProposalNumber",
    "ProposalTitle",
    "ExperimentYearMonth",
    "ESAFNumber",
];

/// What beamshare delivers to.
pub struct Peers {
    pub globus: Simulator,
    pub mail: SmtpServer,
    hosts: Vec<Sshd>,
    folder: tempfile::TempDir,
}

impl Peers {
    pub async fn start() -> Peers {
        let folder = tempfile::tempdir().expect("a folder");
        let (service, id) = (Uuid::new_v4(), Uuid::new_v4());
        let seed = Seed::default().app(App::service(service, "a secret")).collection(Collection::guest(
            id,
            "Beamline data",
            "globus",
            &service.to_string(),
        ));
        let globus =
            Simulator::builder().root(folder.path()).seed(seed).start().await.expect("the simulator");
        let hosts: Vec<_> = (0..HOSTS).map(|_| Sshd::start()).collect();
        for host in &hosts {
            host.know_itself();
            host.top();
        }
        let mail = SmtpServer::start(&serde_json::json!({"security": "none"}));
        let peers = Peers { globus, mail, hosts, folder };
        let write = |name: &str, text: &str| std::fs::write(peers.file(name), text).expect("a file");
        write("beamshare.toml", &peers.settings(service, id));
        write("message.txt", include_str!("../../config/message.txt"));
        write("message.html", include_str!("../../config/message.html"));
        write("globus.secret", "a secret\n");
        let private = PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(peers.file("globus.secret"), private).expect("mode 0600");
        peers
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn settings(&self, service: Uuid, collection: Uuid) -> String {
        let places: String = self
            .hosts
            .iter()
            .enumerate()
            .map(|(n, host)| {
                format!(
                    "[[directories.on]]\nname = \"host{n}\"\nhost = \"{}\"\ntop = \"{}\"\nkey_file = \"{}\"\nknown_hosts = \
                     \"{}\"\n",
                    host.host(),
                    host.top().display(),
                    host.key().display(),
                    host.file("home/.ssh/known_hosts").display()
                )
            })
            .collect();
        let others: Vec<_> = (1..RECIPIENTS).map(|n| format!("\"staff{n}@example.org\"")).collect();
        format!(
            r#"
[beamline]
name = "bench"
[epics]
prefix = "bench:Share:"
[epics.user_info]
pi_first_name = "bench:TomoScan:UserName"
pi_last_name = "bench:TomoScan:UserLastName"
pi_institution = "bench:TomoScan:UserInstitution"
pi_email = "bench:TomoScan:UserEmail"
pi_badge = "bench:TomoScan:UserBadge"
update_time = "bench:TomoScan:UserInfoUpdate"
proposal_number = "bench:TomoScan:ProposalNumber"
proposal_title = "bench:TomoScan:ProposalTitle"
year_month = "bench:TomoScan:ExperimentYearMonth"
esaf = "bench:TomoScan:ESAFNumber"
[rules]
settle = "{settle}s"
[directories]
paths = ["{{{{ year_month }}}}/{{{{ pi_last_name }}}}", "{{{{ year_month }}}}/{{{{ pi_last_name }}}}_rec"]
mode = "0770"
{places}
[globus]
collection = "{collection}"
share_with = [{others}]
auth_url = "{auth}"
transfer_url = "{transfer}"
[globus.sign_in.service]
client_id = "{service}"
client_secret_file = "globus.secret"
[email]
from = "bench <bench@example.org>"
contacts = ["Scientist <scientist@example.org>"]
subject = "Your data"
text_template = "message.txt"
html_template = "message.html"
[email.transport.smtp]
host = "127.0.0.1"
port = {smtp}
security = "none"
[journal]
path = "journal.sqlite"
"#,
            settle = SETTLE.as_secs(),
            others = others.join(", "),
            auth = self.globus.auth_url(),
            transfer = self.globus.transfer_url(),
            smtp = self.mail.port,
        )
    }
}

/// `beamshare run` as a process; ended when dropped.
pub struct Service(Child);

/// In kilobytes.
pub struct Memory {
    pub now: u64,
    pub peak: u64,
    /// Not backed by a file: what the program allocated. The rest is the program and its libraries, as far as
    /// mapped
    pub private: u64,
}

impl Service {
    pub fn start(peers: &Peers, ca: &CaTest) -> Service {
        let child = Command::new(env!("CARGO_BIN_EXE_beamshare"))
            .arg("run")
            .arg(peers.file("beamshare.toml"))
            .envs(ca.environment())
            .env("HOME", peers.folder.path())
            .env("NO_PROXY", "127.0.0.1")
            .stdin(Stdio::null())
            .stderr(if std::env::var_os("BENCH_LOG").is_some() { Stdio::inherit() } else { Stdio::null() })
            .spawn();
        Service(child.expect("beamshare starts"))
    }

    /// User and system time so far, of all threads (in steps of 10 ms, as Linux counts it).
    pub fn cpu(&self) -> Duration {
        let stat = self.proc("stat");
        // After the name, which may hold blanks and is in parentheses: fields 14 and 15 of proc(5).
        let fields: Vec<_> = stat.rsplit(')').next().expect("the name").split_whitespace().collect();
        let ticks: u64 = [11, 12].map(|n: usize| fields[n].parse::<u64>().expect("ticks")).iter().sum();
        Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
    }

    /// Resident memory now, and the most it ever was.
    pub fn memory(&self) -> Memory {
        let status = self.proc("status");
        let kilobytes = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("a line of proc(5)");
            line.split_whitespace().next().expect("a number").parse().expect("a number")
        };
        Memory { now: kilobytes("VmRSS:"), peak: kilobytes("VmHWM:"), private: kilobytes("RssAnon:") }
    }

    fn proc(&self, name: &str) -> String {
        std::fs::read_to_string(Path::new("/proc").join(self.0.id().to_string()).join(name))
            .expect("beamshare runs")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let pid = Pid::from_child(&self.0);
        let _ = kill_process(pid, Signal::TERM);
        let _ = self.0.wait();
    }
}

/// On what it was measured.
pub fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1))
        .unwrap_or("unknown CPU");
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let kernel = rustix::system::uname();
    format!(
        "beamshare {}, {}, {cores} cores, {model}, {} {}",
        env!("CARGO_PKG_VERSION"),
        jiff::ZonedDateTime::now().strftime("%Y-%m-%d"),
        kernel.sysname().to_string_lossy(),
        kernel.release().to_string_lossy(),
    )
}
