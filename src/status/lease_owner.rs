//! The owner of a lease: a process, by its host, number and start time.

use std::fmt;
use std::io::ErrorKind;

/// This process as the owner of one lease: `host:pid:start:claim`.
///
/// The start time distinguishes a process from a later one with the same number, and shows whether two
/// processes see the same process table. The claim is unique to each lease, which distinguishes two leases of
/// one process.
pub(super) struct LeaseOwner {
    host: String,
    pid: u32,
    start: String,
    claim: String,
}

impl LeaseOwner {
    pub(super) fn new() -> Self {
        let host = crate::host::name();
        let pid = std::process::id();
        let start = format!("{}.{}", started(pid).ok().flatten().unwrap_or_default(), process_table());
        let claim = uuid::Uuid::new_v4().simple().to_string()[..8].to_owned();
        Self { host, pid, start, claim }
    }

    /// Whether the owner of this name was a process of this machine that has ended.
    pub(super) fn knows_ended(&self, name: &str) -> bool {
        let mut parts = name.rsplitn(4, ':');
        let (_claim, start, pid, host) = (parts.next(), parts.next(), parts.next(), parts.next());
        let (Some(start), Some(pid), Some(host)) = (start, pid.and_then(|pid| pid.parse().ok()), host) else {
            return false;
        };
        let Some((its_start, its_table)) = start.split_once('.') else { return false };
        let same_table = process_table();
        // Without a known table nothing is proven: another machine may have this name.
        host == self.host
            && !same_table.is_empty()
            && its_table == same_table
            && started(pid).is_ok_and(|start| start.as_deref() != Some(its_start))
    }

    /// The name in messages: `analysis1 (process 4242)`.
    pub(super) fn display_name(name: &str) -> String {
        let mut parts = name.rsplitn(4, ':').skip(2);
        match (parts.next(), parts.next()) {
            (Some(pid), Some(host)) => format!("{host} (process {pid})"),
            _ => format!("'{name}'"),
        }
    }
}

impl fmt::Display for LeaseOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}:{}", self.host, self.pid, self.start, self.claim)
    }
}

/// The text of the record `LeaseHolder` for people: `analysis1 (process 4242)`; empty where nobody holds the
/// lease.
pub fn holder_name(text: &str) -> String {
    if text.is_empty() { String::new() } else { LeaseOwner::display_name(text) }
}

/// When a running process was started, in clock ticks since boot (field 22 of proc_pid_stat(5)); `None` for
/// one that has ended.
fn started(pid: u32) -> std::io::Result<Option<String>> {
    let stat = match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat,
        // ESRCH: it ended between the opening and the reading.
        Err(error) if error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    // The second field is the name in brackets, which may contain anything.
    let mut fields = stat.rsplit_once(')').unwrap_or_default().1.split_ascii_whitespace();
    match (fields.next(), fields.nth(18)) {
        (Some("Z" | "X"), _) => Ok(None), // ended, and not yet waited for
        (Some(_), Some(ticks)) => Ok(Some(ticks.to_owned())),
        _ => Err(ErrorKind::InvalidData.into()),
    }
}

/// The process table of this process: the boot of the machine, and the PID namespace for containers.
fn process_table() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let namespace: String = namespace.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    match boot.get(..8) {
        Some(boot) => format!("{boot}.{namespace}"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_of_this_machine_is_known_to_live_or_to_have_ended() {
        let (me, other) = (LeaseOwner::new(), LeaseOwner::new());
        assert_ne!(me.to_string(), other.to_string());
        assert!(!me.knows_ended(&other.to_string()), "this process lives");
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let born = started(child.id()).unwrap().unwrap();
        let name = format!("{}:{}:{born}.{}:0", me.host, child.id(), process_table());
        assert!(!me.knows_ended(&name));
        let reborn = format!("{}:{}:1.{}:0", me.host, child.id(), process_table());
        assert!(me.knows_ended(&reborn), "another process has the number now");
        child.kill().unwrap();
        let zombie_or_gone = becomes(|| me.knows_ended(&name));
        assert!(zombie_or_gone);
        child.wait().unwrap();
        assert!(me.knows_ended(&name));
        // Another machine's, or one that can't be looked into.
        assert!(!me.knows_ended(&name.replace(&me.host, "elsewhere")));
        assert!(!me.knows_ended(&format!("{}:{}:{born}.00000000.1:0", me.host, child.id())));
        assert!(!me.knows_ended("somebody"));
        assert_eq!(LeaseOwner::display_name(&name), format!("{} (process {})", me.host, child.id()));
    }

    fn becomes(mut is_true: impl FnMut() -> bool) -> bool {
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !is_true() && std::time::Instant::now() < limit {
            std::thread::yield_now();
        }
        is_true()
    }
}
