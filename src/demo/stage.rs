//! The surroundings of the demo: a new folder with all files, ports of its own, and an environment in which
//! Channel Access reaches only loopback.

use super::{Result, SHARE, USER_INFO};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use uuid::{Uuid, uuid};

/// The service's client id at the simulator.
pub const SERVICE: Uuid = uuid!("11111111-1111-4111-8111-111111111111");
/// Its secret, which is valid only for the simulator of this demo.
pub const SECRET: &str = "open-sesame";
/// The guest collection at the simulator.
pub const COLLECTION: Uuid = uuid!("22222222-2222-4222-8222-222222222222");

/// The collection of the directory that the detector writes to.
pub const DETECTOR: Uuid = uuid!("33333333-3333-4333-8333-333333333333");
/// The guest collection that the data moves to.
pub const ARCHIVE: Uuid = uuid!("44444444-4444-4444-8444-444444444444");

const COPY_TEMPLATE: &str = include_str!("../../config/message_copy.txt");
const TEXT_TEMPLATE: &str = include_str!("../../config/message.txt");
const HTML_TEMPLATE: &str = include_str!("../../config/message.html");

/// The folder and the addresses that the parts use.
pub struct Stage {
    folder: PathBuf,
    temporary: Option<tempfile::TempDir>,
    /// The repository, for db/ and medm/
    pub root: PathBuf,
    /// Where the programs are
    pub programs: PathBuf,
    /// Python with EPICS base's soft IOC
    pub python: PathBuf,
    server_port: u16,
    repeater_port: u16,
    globus_port: u16,
    web_port: u16,
}

impl Stage {
    /// Finds the programs, and writes all files.
    pub fn set(folder: Option<PathBuf>) -> Result<Stage> {
        let (programs, root) = find_programs()?;
        let python = find_python(&root)?;
        let (folder, temporary) = match folder {
            Some(folder) => (own_folder(folder)?, None),
            None => {
                let made = tempfile::Builder::new().prefix("beamshare-demo-").tempdir();
                let made = made.map_err(|error| format!("can't make a temporary folder: {error}"))?;
                (made.path().to_owned(), Some(made))
            }
        };
        let [server_port, repeater_port, globus_port, web_port] = free_ports()?;
        let stage = Stage {
            folder,
            temporary,
            root,
            programs,
            python,
            server_port,
            repeater_port,
            globus_port,
            web_port,
        };
        stage.write_files()?;
        Ok(stage)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Where the simulator listens.
    pub fn globus_address(&self) -> String {
        format!("127.0.0.1:{}", self.globus_port)
    }

    /// The web page of the service.
    pub fn web_page(&self) -> String {
        format!("http://127.0.0.1:{}/", self.web_port)
    }

    /// The environment of this process and all parts, and of a terminal that joins in.
    pub fn environment(&self) -> [(&'static str, String); 8] {
        [
            ("EPICS_CA_ADDR_LIST", "127.0.0.1".into()),
            ("EPICS_CA_AUTO_ADDR_LIST", "NO".into()),
            ("EPICS_CA_SERVER_PORT", self.server_port.to_string()),
            ("EPICS_CA_REPEATER_PORT", self.repeater_port.to_string()),
            ("EPICS_CAS_INTF_ADDR_LIST", "127.0.0.1".into()),
            ("EPICS_CAS_BEACON_ADDR_LIST", "127.0.0.1".into()),
            ("EPICS_CAS_AUTO_BEACON_ADDR_LIST", "NO".into()),
            ("NO_PROXY", "127.0.0.1".into()),
        ]
    }

    /// Variables of the caller that would lead elsewhere.
    fn foreign() -> Vec<String> {
        let epics = |name: &str| name.starts_with("EPICS_CA_") || name.starts_with("EPICS_CAS_");
        let others = ["no_proxy", "BEAMSHARE_CONFIG", "BEAMSHARE_LOG"];
        std::env::vars_os()
            .filter_map(|(name, _)| name.into_string().ok())
            .filter(|name| epics(name) || others.contains(&name.as_str()))
            .collect()
    }

    /// Makes it the environment of this process, which the parts inherit.
    ///
    /// # Safety
    /// No other thread may be running.
    pub unsafe fn enter_environment(&self) {
        for name in Stage::foreign() {
            // SAFETY: the caller's promise.
            unsafe { std::env::remove_var(name) };
        }
        for (name, value) in self.environment() {
            // SAFETY: the caller's promise.
            unsafe { std::env::set_var(name, value) };
        }
    }

    /// Removes the temporary folder. After a failure it stays for inspection.
    pub fn clean_up(mut self, failed: bool) {
        let Some(temporary) = self.temporary.take() else { return };
        if failed {
            eprintln!("The logs and everything else stay in {}", temporary.keep().display());
        } else if let Err(error) = temporary.close() {
            eprintln!("beamshare-demo: can't take {} away: {error}", self.folder.display());
        }
    }

    fn write_files(&self) -> Result<()> {
        for folder in ["data", "globus/2bm", "archive/2bm", "outbox"] {
            let path = self.path(folder);
            std::fs::create_dir_all(&path)
                .map_err(|error| format!("can't make {}: {error}", path.display()))?;
        }
        self.write("beamshare.toml", &self.settings(), 0o644)?;
        self.write("message.txt", TEXT_TEMPLATE, 0o644)?;
        self.write("message.html", HTML_TEMPLATE, 0o644)?;
        self.write("message_copy.txt", COPY_TEMPLATE, 0o644)?;
        self.write("globus.secret", SECRET, 0o600)?;
        self.write("seed.toml", &seed(), 0o600)?;
        self.write("env.sh", &self.shell(), 0o644)
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> Result<()> {
        use std::io::Write;
        let path = self.path(name);
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| format!("can't write {}: {error}", path.display()))
    }

    fn settings(&self) -> String {
        format!(
            r#"# The demo's beamline. `beamshare init` writes the file to start from at a real one.
[beamline]
name = "2-BM"

[epics]
prefix = "{SHARE}"

[epics.user_info]
year_month = "{USER_INFO}ExperimentYearMonth"
pi_last_name = "{USER_INFO}UserLastName"
pi_email = "{USER_INFO}UserEmail"
pi_first_name = "{USER_INFO}UserName"
pi_institution = "{USER_INFO}UserInstitution"
pi_badge = "{USER_INFO}UserBadge"
proposal_number = "{USER_INFO}ProposalNumber"
proposal_title = "{USER_INFO}ProposalTitle"
esaf = "{USER_INFO}ESAFNumber"
update_time = "{USER_INFO}UserInfoUpdate"

[rules]
settle = "1s"
trust = "network"

[directories]
paths = ["{{{{ year_month }}}}/{{{{ pi_last_name }}}}", "{{{{ year_month }}}}/{{{{ pi_last_name }}}}_rec"]
mode = "0770"

[[directories.on]]
name = "analysis"
top = "data"

[globus]
collection = "{COLLECTION}"
auth_url = "http://{globus}"
transfer_url = "http://{globus}/v0.10"

[globus.sign_in.service]
client_id = "{SERVICE}"
client_secret_file = "globus.secret"

[email]
from = "2-BM beamline <2bm@example.org>"
contacts = ["Beamline Scientist <scientist@example.org>"]
subject = "Your data from {{{{ beamline }}}}, {{{{ year_month }}}}"
text_template = "message.txt"
html_template = "message.html"

[email.copy]
text_template = "message_copy.txt"

[email.transport.folder]
path = "outbox"

# What the detector writes moves to the archive, where the users find a copy.
[[sync]]
name = "raw"
source.collection = "{DETECTOR}"
source.path = "/{{{{ year_month }}}}/{{{{ pi_last_name }}}}"
source.local = "{folder}/data/{{{{ year_month }}}}/{{{{ pi_last_name }}}}"
destination.collection = "{ARCHIVE}"
destination.path = "/2bm/{{{{ year_month }}}}/{{{{ pi_last_name }}}}"
on = "files"
quiet = "1s"
share = true

[web]
listen = "127.0.0.1:{web_port}"

[journal]
path = "journal.sqlite"
"#,
            web_port = self.web_port,
            globus = self.globus_address(),
            folder = self.folder.display(),
        )
    }

    /// For another terminal: the IOC's address, and caput and caget where EPICS base is not installed.
    fn shell(&self) -> String {
        let exports: String =
            self.environment().iter().map(|(name, value)| format!("export {name}={value}\n")).collect();
        format!(
            r#"# For bash:  . {here}/env.sh
unset ${{!EPICS_CA_*}} ${{!EPICS_CAS_*}}
{exports}export BEAMSHARE_CONFIG={here}/beamshare.toml
export PATH={programs}:$PATH
if ! command -v caput >/dev/null; then
    caput() {{ {python} -c 'import sys, epics; sys.exit(not epics.caput(sys.argv[1], sys.argv[2], wait=True))' "$@"; }}
    caget() {{ {python} -c 'import sys, epics; print(epics.caget(sys.argv[-1], as_string=True))' "$@"; }}
fi
"#,
            here = self.folder.display(),
            programs = self.programs.display(),
            python = self.python.display(),
        )
    }
}

fn seed() -> String {
    format!(
        r#"[[accounts]]
username = "ana.garcia@upf.example"
name = "Ana García"

[[apps]]
id = "{SERVICE}"
name = "beamshare"
secret = "{SECRET}"

[[collections]]
id = "{COLLECTION}"
name = "2-BM data"
kind = "guest"
directory = "globus/2bm"
owner = "{SERVICE}"

[[collections]]
id = "{DETECTOR}"
name = "2-BM detector"
kind = "guest"
directory = "data"
owner = "{SERVICE}"

[[collections]]
id = "{ARCHIVE}"
name = "Archive"
kind = "guest"
directory = "archive"
owner = "{SERVICE}"
"#
    )
}

/// The folder of the programs, and the repository.
fn find_programs() -> Result<(PathBuf, PathBuf)> {
    let own = std::env::current_exe().map_err(|error| format!("can't find its own place: {error}"))?;
    let programs = own.parent().unwrap_or(Path::new("/")).to_owned();
    for name in ["beamshare", "globus-simulator"] {
        if !programs.join(name).is_file() {
            return Err(format!("{name} is not in {}; `make demo` builds it", programs.display()));
        }
    }
    let here = std::env::current_dir().unwrap_or_default();
    let mut candidates = programs.ancestors().chain([here.as_path()]);
    match candidates.find(|folder| folder.join("db/beamshare.db").is_file()) {
        Some(root) => Ok((programs.clone(), root.to_owned())),
        None => Err(format!(
            "db/beamshare.db is neither in a folder above {} nor in {}; start the demo in the repository",
            programs.display(),
            here.display()
        )),
    }
}

fn find_python(root: &Path) -> Result<PathBuf> {
    let python =
        std::env::var_os("BEAMSHARE_PYTHON").map_or_else(|| root.join(".venv/bin/python"), PathBuf::from);
    let tried = std::process::Command::new(&python).args(["-c", "import epicscorelibs.ioc"]).output();
    let remedy =
        "`make demo` installs it into .venv; if you have one elsewhere, name its Python in BEAMSHARE_PYTHON";
    match tried {
        Ok(output) if output.status.success() => Ok(python),
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr);
            let why = why.lines().last().unwrap_or_default();
            Err(format!("{} has no EPICS soft IOC ({why}); {remedy}", python.display()))
        }
        Err(error) => Err(format!("no Python for the soft IOC: {}: {error}; {remedy}", python.display())),
    }
}

fn own_folder(folder: PathBuf) -> Result<PathBuf> {
    let can_t = |error| format!("can't use {}: {error}", folder.display());
    std::fs::create_dir_all(&folder).map_err(can_t)?;
    if std::fs::read_dir(&folder).map_err(can_t)?.next().is_some() {
        return Err(format!("{} is not empty; name a new folder", folder.display()));
    }
    std::fs::canonicalize(&folder).map_err(can_t)
}

/// Ports that are free for TCP and UDP alike, all different.
fn free_ports() -> Result<[u16; 4]> {
    let bind = || -> std::io::Result<(TcpListener, UdpSocket, u16)> {
        loop {
            let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let port = tcp.local_addr()?.port();
            if let Ok(udp) = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)) {
                return Ok((tcp, udp, port));
            }
        }
    };
    let all = [bind(), bind(), bind(), bind()];
    let mut ports = [0; 4];
    for (port, bound) in ports.iter_mut().zip(&all) {
        *port = bound.as_ref().map_err(|error| format!("no free port on loopback: {error}"))?.2;
    }
    Ok(ports)
}
