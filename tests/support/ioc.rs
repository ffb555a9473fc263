//! A C soft IOC of EPICS base (PyPI `epicscorelibs`) for one test.
//!
//! libca reads EPICS_CA_* from the process's environment once, so each test needs a process of its own: run them with
//! `cargo nextest run`, as `make test` does. [`CaTest::new`] refuses to run twice in one process.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

/// Python with what tests/requirements.txt lists.
pub fn python() -> PathBuf {
    if let Some(python) = std::env::var_os("BEAMSHARE_PYTHON") {
        return python.into();
    }
    let local = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python");
    assert!(
        local.exists(),
        "no Python for the tests: run `make test`, which makes {}, or set BEAMSHARE_PYTHON",
        local.display()
    );
    local
}

/// A file of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The ports of one test, set for libca in this process and given to every IOC and client that it starts.
pub struct CaTest {
    pub server_port: u16,
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
            "two tests in one process share libca's environment: run them with `cargo nextest run`"
        );
        let test = Self {
            server_port: free_port(),
            repeater_port: free_port(),
            folder: tempfile::tempdir().expect("a folder for the test"),
        };
        for (name, value) in test.environment() {
            // SAFETY: nextest runs one test in a process, and no other thread of it reads the environment yet.
            unsafe { std::env::set_var(name, value) };
        }
        test
    }

    /// What a client or IOC of this test has in its environment.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("EPICS_CA_ADDR_LIST", "127.0.0.1".into()),
            ("EPICS_CA_AUTO_ADDR_LIST", "NO".into()),
            ("EPICS_CAS_INTF_ADDR_LIST", "127.0.0.1".into()),
            ("EPICS_CA_SERVER_PORT", self.server_port.to_string()),
            ("EPICS_CA_REPEATER_PORT", self.repeater_port.to_string()),
        ]
    }

    /// Starts an IOC with these databases, each with its macros (`P=x:,R=y:`).
    pub fn ioc(&self, databases: &[(&Path, &str)]) -> Ioc {
        self.start(databases, None, None)
    }

    /// As [`ioc`](Self::ioc), with an access security file and its macros.
    pub fn ioc_with_security(&self, databases: &[(&Path, &str)], acf: &Path, macros: &str) -> Ioc {
        self.start(databases, Some((acf, macros)), None)
    }

    /// Starts an IOC with records given as text.
    pub fn ioc_with_records(&self, records: &str) -> Ioc {
        let file = self.file("test.db", records);
        self.ioc(&[(&file, "")])
    }

    /// As [`ioc_with_records`](Self::ioc_with_records), but its TCP port is another than the usual one. Where another
    /// IOC of the test has just ended, this is a restart on another port.
    pub fn ioc_on_other_tcp_port(&self, records: &str) -> (Ioc, TcpListener) {
        let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, self.server_port)).expect("the server port is free");
        let file = self.file("test.db", records);
        (self.ioc(&[(&file, "")]), holder)
    }

    /// Writes a file of the test's own folder.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("the test's folder is writable");
        path
    }

    /// Runs a Python script as a C-library peer (pyepics on libca) and returns what it prints.
    pub fn python(&self, script: &str) -> String {
        let output = Command::new(python()).arg("-c").arg(script).envs(self.environment()).output().expect("python");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{script}\n{text}\n{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    fn start(&self, databases: &[(&Path, &str)], acf: Option<(&Path, &str)>, _: Option<()>) -> Ioc {
        let mut command = Command::new(python());
        command.args(["-m", "epicscorelibs.ioc"]).envs(self.environment());
        if let Some((acf, macros)) = acf {
            command.args(["-m", macros]).arg("-a").arg(acf);
        }
        for (database, macros) in databases {
            command.args(["-m", macros]).arg("-d").arg(database);
        }
        let log = std::fs::File::create(self.folder.path().join("ioc.log")).expect("a log for the IOC");
        let errors = log.try_clone().expect("a log for the IOC");
        let child = command
            .stdin(Stdio::piped()) // it ends when its standard input does
            .stdout(log)
            .stderr(errors)
            .spawn()
            .expect("the soft IOC starts");
        Ioc { child, log: self.folder.path().join("ioc.log") }
    }
}

/// A running soft IOC; killed when dropped.
pub struct Ioc {
    child: Child,
    log: PathBuf,
}

impl Ioc {
    /// `kill -9`.
    pub fn kill(mut self) {
        self.end();
    }

    /// What it printed: iocsh's answers, database errors.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Types a line at its shell.
    pub fn shell(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("a pipe");
        writeln!(stdin, "{line}").expect("the IOC reads its shell");
        stdin.flush().expect("the IOC reads its shell");
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Ioc {
    fn drop(&mut self) {
        self.end();
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
