//! The processes of the demo. None outlives it: they are stopped in turn at its end, and if it is killed the
//! kernel ends them.

use super::stage::Stage;
use super::{LIMIT, Result, SHARE, USER_INFO, say};
use futures::FutureExt;
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use std::fs::File;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::process::{Child, ChildStdin, Command};

/// EPICS base's soft IOC, without the shell; it ends when its standard input does.
const IOC: &str = "
import os, sys
from epicscorelibs import ioc
databases = sys.argv[1:]
ioc.start_ioc(dbs=list(zip(databases[::2], databases[1::2])))
sys.stdin.read()
os._exit(0)
";

/// How long a part may take to end after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(8);
/// A part that ends earlier is broken, and is not restarted.
const SHORTEST_LIFE: Duration = Duration::from_secs(3);

/// One process.
struct Part {
    name: &'static str,
    child: Child,
    /// Held open: the IOC ends with it
    _stdin: Option<ChildStdin>,
    log: PathBuf,
    started: Instant,
}

/// The processes that were started, in this order.
pub struct Parts<'s> {
    stage: &'s Stage,
    parts: Vec<Part>,
}

impl<'s> Parts<'s> {
    pub fn new(stage: &'s Stage) -> Self {
        Parts { stage, parts: Vec::new() }
    }

    pub fn start_ioc(&mut self) -> Result<()> {
        let mut command = Command::new(&self.stage.python);
        command.args(["-c", IOC]);
        let (share, user_info) = (macros(SHARE), macros(USER_INFO));
        for (file, macros) in [("db/beamshare.db", share), ("db/user_info_tomoscan.db", user_info)] {
            command.arg(self.stage.root.join(file)).arg(macros);
        }
        self.start("soft IOC", "ioc.log", command)
    }

    /// Starts the simulator, and waits until it listens.
    pub async fn start_simulator(&mut self) -> Result<()> {
        let mut command = Command::new(self.stage.programs.join("globus-simulator"));
        let address = self.stage.globus_address();
        command.args(["--listen", &address, "--root"]).arg(self.stage.folder());
        command.arg("--seed").arg(self.stage.path("seed.toml"));
        self.start("Globus simulator", "globus.log", command)?;
        let listening = async {
            while tokio::net::TcpStream::connect(&address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            listens = tokio::time::timeout(LIMIT, listening) => {
                listens.map_err(|_| format!("the Globus simulator does not listen at {address} within \
                                             {LIMIT:?}"))
            }
            ended = self.ended() => Err(ended),
        }
    }

    pub fn start_beamshare(&mut self) -> Result<()> {
        let mut command = Command::new(self.stage.programs.join("beamshare"));
        command.arg("run").arg(self.stage.path("beamshare.toml"));
        self.start("beamshare", "beamshare.log", command)
    }

    fn start(&mut self, name: &'static str, log: &str, mut command: Command) -> Result<()> {
        let log = self.stage.path(log);
        let file = File::options().create(true).append(true).open(&log);
        let file = file.map_err(|error| format!("can't write {}: {error}", log.display()))?;
        let errors = file.try_clone().map_err(|error| format!("can't write {}: {error}", log.display()))?;
        // In a group of its own, so that Ctrl-C is ours alone and the parts end in turn.
        command.stdin(Stdio::piped()).stdout(file).stderr(errors).process_group(0).kill_on_drop(true);
        // SAFETY: between fork and exec there is only this system call.
        unsafe {
            command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::TERM))?));
        }
        let mut child = command.spawn().map_err(|error| format!("the {name} does not start: {error}"))?;
        let stdin = child.stdin.take();
        self.parts.push(Part { name, child, _stdin: stdin, log, started: Instant::now() });
        Ok(())
    }

    /// Waits until a part ends, and returns a report of it. Cancel-safe.
    pub async fn ended(&mut self) -> String {
        let (part, status) = self.next_end().await;
        part.exit_report(status)
    }

    /// Waits until a part ends, and starts it again, as a service manager does.
    ///
    /// # Errors
    /// The report of a part that ended right after its start.
    pub async fn restart_ended(&mut self) -> Result<()> {
        let (part, status) = self.next_end().await;
        let (name, exit_report, lived) = (part.name, part.exit_report(status), part.started.elapsed());
        if lived < SHORTEST_LIFE {
            return Err(exit_report);
        }
        say(format_args!("The {name} has ended ({status}); it is started again"));
        self.parts.retain(|part| part.name != name);
        match name {
            "soft IOC" => self.start_ioc(),
            "beamshare" => self.start_beamshare(),
            _ => self.start_simulator().await,
        }
    }

    async fn next_end(&mut self) -> (&Part, ExitStatus) {
        let waits = self.parts.iter_mut().enumerate().map(|(n, part)| {
            async move {
                match part.child.wait().await {
                    Ok(status) => (n, status),
                    Err(_) => std::future::pending().await,
                }
            }
            .boxed()
        });
        let waits: Vec<_> = waits.collect();
        if waits.is_empty() {
            return std::future::pending().await;
        }
        let ((n, status), ..) = futures::future::select_all(waits).await;
        (&self.parts[n], status)
    }

    /// The process of a part, if it runs.
    pub fn process(&self, name: &str) -> Option<u32> {
        self.parts.iter().find(|part| part.name == name).and_then(|part| part.child.id())
    }

    /// Ends all parts, the last one first, so that beamshare still reaches its IOC when it stops.
    pub async fn stop(&mut self) {
        while let Some(mut part) = self.parts.pop() {
            drop(part._stdin.take());
            let pid = part.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
            if let Some(pid) = pid {
                let _ = kill_process(pid, Signal::TERM);
            }
            if tokio::time::timeout(STOP_LIMIT, part.child.wait()).await.is_err() {
                let _ = part.child.kill().await;
            }
        }
    }
}

impl Part {
    fn exit_report(&self, status: ExitStatus) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(8)..].join("\n  ");
        format!("the {} ended ({status}). The end of its log:\n  {tail}", self.name)
    }
}

/// `2bmb:Share:` as the macros P and R of a database.
fn macros(prefix: &str) -> String {
    let cut = prefix.trim_end_matches(':').rfind(':').map_or(0, |colon| colon + 1);
    format!("P={},R={}", &prefix[..cut], &prefix[cut..])
}
