//! Starts the C soft IOC of EPICS base (PyPI `epicscorelibs`) and C clients (pyepics) for one test.
//!
//! libca reads EPICS_CA_* from the process's environment once, so each test needs a process of its own: run
//! them with `cargo nextest run`, as `make test` does. [`CaTest::new`] refuses to run twice in one process.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Starts the IOC with the databases and the access security file given as arguments, then hands each line of
/// its standard input to iocsh. It ends when its standard input does, so no IOC outlives its test.
const IOC: &str = r#"
import os, sys
from epicscorelibs import ioc
acf, substitutions, *databases = sys.argv[1:]
if acf:
    ioc.dbCore.asSetSubstitutions(substitutions.encode())
    ioc.dbCore.asSetFilename(acf.encode())
ioc.start_ioc(dbs=list(zip(databases[::2], databases[1::2])))
print("IOC ready", flush=True)
for line in sys.stdin:
    ioc.ioc(line.strip())
os._exit(0)
"#;

/// Runs a startup file as EPICS's softIoc does: in its folder, with all record types loaded.
const SOFT_IOC: &str = r#"
import os, sys
from epicscorelibs import ioc
os.chdir(os.path.dirname(sys.argv[1]))
ioc.iocshRegisterCommon()
ioc.dbLoadDatabase(b"base.dbd", ioc.DEFAULT_DBD_PATH.encode(), None)
ioc.registerRecordDeviceDriver(ioc.pdbbase)
if ioc.Com.iocsh(os.path.basename(sys.argv[1]).encode()):
    sys.exit("the startup file failed")
print("IOC ready", flush=True)
for line in sys.stdin:
    ioc.ioc(line.strip())
os._exit(0)
"#;

/// Python with what tests/requirements.txt lists.
pub fn python() -> PathBuf {
    if let Some(python) = std::env::var_os("BEAMSHARE_PYTHON") {
        return python.into();
    }
    let local = repository(".venv/bin/python");
    assert!(
        local.exists(),
        "no Python for the tests: run `make test`, which makes {}, or set BEAMSHARE_PYTHON",
        local.display()
    );
    local
}

/// A file of the repository, by its path from the root.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The ports and the folder of one test. The ports are set for libca in this process and given to every IOC
/// and client that it starts.
pub struct CaTest {
    /// `EPICS_CA_SERVER_PORT` of the test.
    pub server_port: u16,
    /// `EPICS_CA_REPEATER_PORT` of the test.
    pub repeater_port: u16,
    folder: tempfile::TempDir,
}

impl CaTest {
    /// Takes free ports and sets EPICS_CA_* of this process. Call it before anything else of the test.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        static USED: AtomicBool = AtomicBool::new(false);
        assert!(
            !USED.swap(true, Ordering::SeqCst),
            "two tests in one process would share libca's environment: run them with `cargo nextest run`"
        );
        let test = Self {
            server_port: free_port(),
            repeater_port: free_port(),
            folder: tempfile::tempdir().expect("a folder for the test"),
        };
        let _ = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .with_test_writer()
            .try_init();
        for (name, value) in test.environment() {
            // SAFETY: nextest runs one test in a process, and no other thread of it reads the environment
            // yet.
            unsafe { std::env::set_var(name, value) };
        }
        test
    }

    /// What a client or an IOC of this test has in its environment.
    pub fn environment(&self) -> [(&'static str, String); 5] {
        [
            // A second server answers on an address of its own: of two on one address, only one gets the
            // searches.
            ("EPICS_CA_ADDR_LIST", "127.0.0.1 127.0.0.2".into()),
            ("EPICS_CA_AUTO_ADDR_LIST", "NO".into()),
            ("EPICS_CAS_INTF_ADDR_LIST", "127.0.0.1".into()),
            ("EPICS_CA_SERVER_PORT", self.server_port.to_string()),
            ("EPICS_CA_REPEATER_PORT", self.repeater_port.to_string()),
        ]
    }

    /// Starts an IOC with these databases, each with its macros (`P=x:,R=y:`), and waits until it runs.
    pub fn ioc(&self, databases: &[(&Path, &str)]) -> Ioc {
        self.start(databases, "", "")
    }

    /// As [`ioc`](Self::ioc), with an access security file and its macros.
    pub fn ioc_with_security(&self, databases: &[(&Path, &str)], acf: &Path, substitutions: &str) -> Ioc {
        self.start(databases, &acf.to_string_lossy(), substitutions)
    }

    /// Starts an IOC with a startup file (`st.cmd`), with these variables in its environment.
    pub fn ioc_with_script(&self, script: &Path, variables: &[(&str, &str)]) -> Ioc {
        let mut command = Command::new(python());
        command.args(["-c", SOFT_IOC]).arg(script).envs(variables.iter().copied());
        self.start_command(command)
    }

    /// Starts an IOC with records given as text.
    pub fn ioc_with_records(&self, records: &str) -> Ioc {
        let file = self.file("test.db", records);
        self.ioc(&[(&file, "")])
    }

    /// Keeps the usual TCP port, so that an IOC that starts now takes another one: as after a reboot in real
    /// life.
    pub fn hold_tcp_port(&self) -> TcpListener {
        TcpListener::bind((Ipv4Addr::LOCALHOST, self.server_port)).expect("the server port is free")
    }

    /// Writes a file of the test's own folder.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("the test's folder is writable");
        path
    }

    /// Runs a Python script (pyepics: a client on another libca) and returns what it prints, stderr included.
    pub fn python(&self, script: &str) -> String {
        let output =
            Command::new(python()).arg("-c").arg(script).envs(self.environment()).output().expect("python");
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}\n{text}");
        text.into_owned()
    }

    fn start(&self, databases: &[(&Path, &str)], acf: &str, substitutions: &str) -> Ioc {
        let mut command = Command::new(python());
        command.args(["-c", IOC, acf, substitutions]);
        for (database, macros) in databases {
            command.arg(database).arg(macros);
        }
        self.start_command(command)
    }

    /// Starts a server of another implementation beside the IOC: a Python script that is given the address of
    /// loopback to serve on and these arguments, prints "IOC ready" and the answer to each line of its
    /// standard input, and ends when that does.
    pub fn other_server(&self, script: &Path, arguments: &[&str]) -> Ioc {
        let mut command = Command::new(python());
        command.arg(script).arg("127.0.0.2").args(arguments);
        self.start_command(command)
    }

    fn start_command(&self, mut command: Command) -> Ioc {
        command.envs(self.environment());
        let log = self.folder.path().join("ioc.log");
        let errors = std::fs::File::create(&log).expect("a log for the IOC");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .expect("the soft IOC starts");
        let stdin = child.stdin.take().expect("a pipe");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let ready = (&mut stdout).lines().map_while(Result::ok).any(|line| line == "IOC ready");
        let ioc = Ioc { child, stdin, stdout, log };
        assert!(ready, "the IOC ended at once:\n{}", ioc.log());
        ioc
    }
}

/// A running soft IOC; killed when dropped.
pub struct Ioc {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    log: PathBuf,
}

impl Ioc {
    /// `kill -9`.
    pub fn kill(self) {}

    /// What it wrote to stderr.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Types a line at its shell.
    pub fn shell(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").and_then(|()| self.stdin.flush()).expect("the IOC reads its shell");
    }

    /// Types a line, and waits for the next line that it prints.
    pub fn ask(&mut self, line: &str) -> String {
        self.shell(line);
        let mut answer = String::new();
        self.stdout.read_line(&mut answer).expect("the server answers");
        answer
    }

    /// Stops it as a hung IOC does: its connections stay open, nothing answers. Returns when all its threads
    /// stand still.
    pub fn freeze(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).expect("the IOC lives");
        let limit = Instant::now() + Duration::from_secs(10);
        while !self.is_stopped() {
            assert!(Instant::now() < limit, "the IOC does not stop");
            std::thread::yield_now();
        }
    }

    /// Lets it run again after [`freeze`](Self::freeze).
    pub fn resume(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::CONT).expect("the IOC lives");
    }

    /// Whether each of its threads is in the state `T` (proc_pid_stat(5)).
    fn is_stopped(&self) -> bool {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("the IOC lives");
        threads.map_while(Result::ok).all(|thread| {
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(')').is_some_and(|(_, fields)| fields.trim_start().starts_with('T'))
        })
    }
}

impl Drop for Ioc {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the IOC's log:\n{}", self.log());
        }
    }
}

/// A port that is free for TCP and UDP alike.
fn free_port() -> u16 {
    for _ in 0..100 {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = tcp.local_addr().expect("its number").port();
        if UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free for both TCP and UDP");
}
