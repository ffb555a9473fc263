use super::{Command, Facts};
use crate::domain::escape;
use crate::files::check_trusted;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::io::{Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::unix::pipe;
use tokio::process::Child;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// How long a program may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(2);
/// How long the output is read after the program's end, since a background process may keep it open for ever.
const LEFT_OVER: Duration = Duration::from_secs(1);
/// Longest line of output in the log, in bytes.
const LINE_MAX: usize = 500;
/// Most lines of output in the log.
const LINES_MAX: usize = 500;

/// How a program ended, and the last line that it wrote.
#[derive(Clone, Debug)]
pub struct ProcessExit {
    /// Its exit status; `None`: it took too long and was killed
    pub status: Option<ExitStatus>,
    /// Its last line that is not blank
    pub last_line: String,
}

impl ProcessExit {
    /// The exit code.
    pub fn code(&self) -> Option<i32> {
        self.status.and_then(|status| status.code())
    }

    /// The signal that ended it.
    pub fn signal(&self) -> Option<i32> {
        self.status.and_then(|status| status.signal())
    }
}

/// Runs the program to its end, or to `limit`, when it is killed with its process group. Dropping the future
/// also kills the group. `log` gets each line of its standard output and error, in the order in which they
/// were written.
///
/// # Errors
/// The system's, where the program can't be started; and where others can change the program.
pub async fn run(
    command: &Command,
    facts: &Facts,
    limit: Duration,
    log: impl FnMut(&str),
) -> std::io::Result<ProcessExit> {
    check_trusted(command.program())?;
    let arguments =
        command.arguments(facts).map_err(|why| std::io::Error::new(std::io::ErrorKind::InvalidInput, why))?;
    let (output, to_output) = std::io::pipe()?;
    let mut process = tokio::process::Command::new(command.program());
    process
        .args(arguments)
        .stdin(input(facts)?)
        .stdout(to_output.try_clone()?)
        .stderr(to_output)
        .process_group(0)
        .kill_on_drop(true);
    // The variables that beamshare itself was started with are not input of the hook.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("BEAMSHARE_"))
    {
        process.env_remove(name);
    }
    process.envs(facts.environment());
    // A program that outlived a killed beamshare would run twice at the same time after the restart.
    // SAFETY: the closure makes one system call, prctl, and allocates nothing.
    unsafe {
        process.pre_exec(|| {
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(std::io::Error::from)
        });
    }
    let mut child = process.spawn()?;
    drop(process); // and with it our end of the output
    let mut group = ProcessGroup::of(&child);
    let mut lines = Lines { log, line: vec![], count: 0, last: String::new() };

    let mut output = pipe::Receiver::from_owned_fd(OwnedFd::from(output))?;
    let end = Instant::now() + limit;
    let mut open = true;
    let status = loop {
        tokio::select! {
            status = child.wait() => break Some(status?),
            more = lines.read(&mut output), if open => open = more,
            () = sleep_until(end) => break None,
        }
    };
    if status.is_some() {
        // It is reaped, so its number may be reused.
        group.forget();
    } else {
        tokio::select! {
            () = group.end() => {}
            () = lines.drain(&mut output, open) => {}
        }
        child.wait().await?;
        group.forget();
    }
    if open {
        let _ = timeout(LEFT_OVER, lines.read_all(&mut output)).await;
    }
    Ok(ProcessExit { status, last_line: lines.end() })
}

/// The facts as JSON in a file without a name, so that beamshare does not wait for a program that does not
/// read them.
fn input(facts: &Facts) -> std::io::Result<Stdio> {
    let mut file = tempfile::tempfile()?;
    writeln!(file, "{:#}", facts.json())?;
    file.rewind()?;
    Ok(file.into())
}

/// The program's process group, which ends with this value.
struct ProcessGroup(Option<Pid>);

impl ProcessGroup {
    fn of(child: &Child) -> ProcessGroup {
        ProcessGroup(child.id().and_then(|id| Pid::from_raw(id.cast_signed())))
    }

    fn forget(&mut self) {
        self.0 = None;
    }

    /// Asks the group to end, and kills it after a while.
    async fn end(&self) {
        let Some(leader) = self.0 else { return };
        let _ = kill_process_group(leader, Signal::TERM);
        let by = Instant::now() + GRACE;
        // Without reaping it, so that the group keeps its number.
        let ended = || {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            !matches!(waitid(WaitId::Pid(leader), options), Ok(None))
        };
        while Instant::now() < by && !ended() {
            sleep(Duration::from_millis(20)).await;
        }
        let _ = kill_process_group(leader, Signal::KILL);
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// The output, line by line, limited to what a log should hold.
struct Lines<L> {
    log: L,
    line: Vec<u8>,
    count: usize,
    last: String,
}

impl<L: FnMut(&str)> Lines<L> {
    /// Reads the available output; false at its end. Cancel-safe.
    async fn read(&mut self, output: &mut (impl AsyncRead + Unpin)) -> bool {
        let mut bytes = [0; 4096];
        let Ok(count @ 1..) = output.read(&mut bytes).await else { return false };
        for &byte in &bytes[..count] {
            match byte {
                b'\n' => self.end_line(),
                _ if self.line.len() <= LINE_MAX => self.line.push(byte),
                _ => {} // the rest of a line without end
            }
        }
        true
    }

    async fn read_all(&mut self, output: &mut (impl AsyncRead + Unpin)) {
        while self.read(output).await {}
    }

    /// Reads as long as it is polled.
    async fn drain(&mut self, output: &mut (impl AsyncRead + Unpin), open: bool) {
        if open {
            self.read_all(output).await;
        }
        std::future::pending().await
    }

    fn end_line(&mut self) {
        let bytes = std::mem::take(&mut self.line);
        let cut = if bytes.len() > LINE_MAX { "..." } else { "" };
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LINE_MAX)]);
        let text = escape(&text.trim_end().replace('\t', " ")).into_owned() + cut;
        if text.trim().is_empty() {
            return;
        }
        self.count += 1;
        match self.count {
            0..=LINES_MAX => (self.log)(&text),
            _ if self.count == LINES_MAX + 1 => (self.log)("(more output than is logged)"),
            _ => {}
        }
        self.last = text;
    }

    fn end(mut self) -> String {
        self.end_line();
        self.last
    }
}
