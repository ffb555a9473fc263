//! OpenSSH's sshd on loopback for one test, run by this account, with keys of its own.

use super::free_port;
use beamshare::places::Home;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

/// A running sshd with SFTP, and beside it a home directory and a key that it lets in.
pub struct Sshd {
    child: Child,
    pub port: u16,
    /// The name of the account that runs the test
    pub user: String,
    folder: tempfile::TempDir,
    log: Arc<Mutex<String>>,
}

impl Sshd {
    /// With an ed25519 and an ecdsa host key.
    pub fn start() -> Self {
        Self::with("Subsystem sftp internal-sftp")
    }

    /// With these lines in sshd_config; a Subsystem must be among them for SFTP.
    pub fn with(config: &str) -> Self {
        Self::at(free_port(), config)
    }

    /// At this port.
    pub fn at(port: u16, config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder for sshd");
        let path = |name: &str| folder.path().join(name);
        for kind in ["ed25519", "ecdsa"] {
            make_key(kind, &path(&format!("host_{kind}")));
        }
        make_key("ed25519", &path("user_key"));
        std::fs::copy(path("user_key.pub"), path("authorized_keys")).expect("authorized_keys");
        std::fs::create_dir_all(path("home/.ssh")).expect("a home");
        let text = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nHostKey {}\nAuthorizedKeysFile {}\n\
             StrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nPidFile none\n\
             LogLevel VERBOSE\n\
             {config}\n",
            path("host_ed25519").display(),
            path("host_ecdsa").display(),
            path("authorized_keys").display(),
        );
        std::fs::write(path("sshd_config"), text).expect("sshd_config");
        // sshd insists on it where it runs as root; Debian's service makes it.
        let _ = std::fs::create_dir_all("/run/sshd");
        let mut child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(path("sshd_config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("sshd: install openssh-server, or run `make test`");
        let log = Arc::new(Mutex::new(String::new()));
        let (listening, listens) = mpsc::channel();
        let (errors, kept) = (BufReader::new(child.stderr.take().expect("stderr")), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                if line.contains("Server listening") {
                    let _ = listening.send(());
                }
                let mut log = kept.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        let user = String::from_utf8(Command::new("id").arg("-un").output().expect("id").stdout).unwrap();
        let sshd = Sshd { child, port, user: user.trim().to_owned(), folder, log };
        assert!(listens.recv_timeout(Duration::from_secs(20)).is_ok(), "sshd did not start: {}", sshd.log());
        sshd
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// `user@127.0.0.1:port`
    pub fn host(&self) -> String {
        format!("{}@127.0.0.1:{}", self.user, self.port)
    }

    /// A file of the test's own folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The key that is let in.
    pub fn key(&self) -> PathBuf {
        self.file("user_key")
    }

    /// A home directory with an empty .ssh, without an agent.
    pub fn home(&self) -> Home {
        Home { directory: self.file("home"), agent: None, machine_known_hosts: self.file("none") }
    }

    /// Writes ~/.ssh/known_hosts with the host's key of this kind (`ed25519`, `ecdsa`) for this name.
    pub fn know(&self, name: &str, kind: &str) {
        let key = std::fs::read_to_string(self.file(&format!("host_{kind}.pub"))).expect("host key");
        self.write(".ssh/known_hosts", &format!("{name} {key}"));
    }

    /// Knows the host as ssh(1) would write it.
    pub fn know_itself(&self) {
        self.know(&self.name(), "ed25519");
    }

    /// `[127.0.0.1]:port`
    pub fn name(&self) -> String {
        format!("[127.0.0.1]:{}", self.port)
    }

    /// Writes a file of the home directory.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.file("home").join(name), text).expect("a file of the home");
    }

    /// Makes a directory that serves as the place's top.
    pub fn top(&self) -> PathBuf {
        let top = self.file("top");
        std::fs::create_dir_all(&top).expect("top");
        top
    }

    /// Ends it and all its sessions, which it is the parent of.
    pub fn end_sessions(&self) {
        let children =
            Command::new("pgrep").args(["-P", &self.child.id().to_string()]).output().expect("pgrep");
        for pid in String::from_utf8_lossy(&children.stdout).split_whitespace() {
            Command::new("kill").arg(pid).status().expect("kill");
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An ssh-agent that holds one key.
pub struct Agent {
    child: Child,
    pub socket: PathBuf,
}

impl Agent {
    pub fn with_key(key: &Path, socket: PathBuf) -> Self {
        let child = Command::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()
            .expect("ssh-agent: install openssh-client");
        super::until("the agent's socket", || socket.exists());
        let added = Command::new("ssh-add").arg(key).env("SSH_AUTH_SOCK", &socket).output().expect("ssh-add");
        assert!(added.status.success(), "ssh-add: {}", String::from_utf8_lossy(&added.stderr));
        Agent { child, socket }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes a key without passphrase, and its .pub beside it.
pub fn make_key(kind: &str, file: &Path) {
    make_key_with(kind, file, "");
}

/// Makes a key with a passphrase.
pub fn make_key_with(kind: &str, file: &Path, passphrase: &str) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", kind, "-N", passphrase, "-C", "test", "-f"])
        .arg(file)
        .output()
        .expect("ssh-keygen: install openssh-client");
    assert!(made.status.success(), "ssh-keygen: {}", String::from_utf8_lossy(&made.stderr));
}
