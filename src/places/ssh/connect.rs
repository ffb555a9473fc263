//! From a name to a signed-in SFTP session, each part with what is left of the time limit.

use super::super::{backoff, never};
use super::known_hosts::{HostKeyVerdict, KnownHosts, fingerprint, key_type};
use super::libssh2::{CHANNEL_FAILURE, CHANNEL_REQUEST_DENIED, classify, set_time_limit};
use super::sign_in::sign_in;
use super::target::SshTarget;
use crate::domain::StepError;
use ssh2::{HashType, MethodType, Session, Sftp};
use std::io::ErrorKind;
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// A signed-in session.
pub(super) struct SshConnection {
    pub sftp: Sftp,
    /// The key or password that was used, for `check`
    pub signed_in_by: String,
    /// The type of the host's key
    pub known_by: String,
    session: Session,
    socket: TcpStream,
}

impl SshConnection {
    /// Connects, verifies the host key, signs in and opens SFTP. `place` goes before each
    /// error.
    pub(super) fn open(target: &SshTarget, place: &str, deadline: Instant) -> Result<Self, StepError> {
        let at = format!("{place} ({}@{}:{})", target.user, target.host, target.port);
        let known_hosts =
            KnownHosts::read(&target.known_hosts).map_err(|why| never(format!("{at}: {why}")))?;
        let socket = connect(target, &at, deadline)?;
        let opened = Self::open_on(&socket, target, &known_hosts, &at, deadline);
        if opened.is_err() {
            hang_up(&socket);
        }
        let (session, sftp, signed_in_by, known_by) = opened?;
        Ok(SshConnection { sftp, signed_in_by, known_by, session, socket })
    }

    fn open_on(
        socket: &TcpStream,
        target: &SshTarget,
        known_hosts: &KnownHosts,
        at: &str,
        deadline: Instant,
    ) -> Result<(Session, Sftp, String, String), StepError> {
        let broken = |error: ssh2::Error| backoff(format!("{at}: SSH can't be started: {error}"));
        let own =
            socket.try_clone().map_err(|error| backoff(format!("{at}: SSH can't be started: {error}")))?;
        let mut session = Session::new().map_err(broken)?;
        session.set_tcp_stream(own);
        prefer_known_keys(&session, known_hosts, target).map_err(broken)?;
        set_time_limit(&session, deadline);
        session.handshake().map_err(|error| classify(at, "the SSH handshake", &error))?;
        let known_by = check_host_key(&session, known_hosts, target, at)?;
        let signed_in_by = sign_in(&session, target, at, deadline)?;
        set_time_limit(&session, deadline);
        let sftp = session.sftp().map_err(|error| match error.code() {
            ssh2::ErrorCode::Session(CHANNEL_FAILURE | CHANNEL_REQUEST_DENIED) => never(format!(
                "{at}: the host has no SFTP: {}. Its sshd_config needs `Subsystem sftp internal-sftp`",
                error.message()
            )),
            _ => classify(at, "starting SFTP", &error),
        })?;
        Ok((session, sftp, signed_in_by, known_by))
    }

    /// Gives the next call what is left of the time.
    pub(super) fn set_time_limit(&self, deadline: Instant) {
        set_time_limit(&self.session, deadline);
    }
}

impl Drop for SshConnection {
    /// libssh2 disconnects when it is freed, and would wait for the answer of a host that hangs.
    fn drop(&mut self) {
        hang_up(&self.socket);
    }
}

fn hang_up(socket: &TcpStream) {
    // Where this fails the connection is gone already.
    let _ = socket.shutdown(Shutdown::Both);
}

fn connect(target: &SshTarget, at: &str, deadline: Instant) -> Result<TcpStream, StepError> {
    let left = || deadline.saturating_duration_since(Instant::now());
    let addresses: Vec<SocketAddr> = (target.host.as_str(), target.port)
        .to_socket_addrs()
        .map_err(|error| {
            backoff(format!(
                "{at}: the host's address can't be found: {error}. Is the name right, is DNS up?"
            ))
        })?
        .collect();
    let mut failure = format!("{at}: the host has no address");
    for (tried, address) in addresses.iter().enumerate() {
        // A dead address must leave time for the next one.
        let share = left() / u32::try_from(addresses.len() - tried).unwrap_or(1);
        let limit = target.connect_timeout.map_or(share, |own| own.min(share)).max(Duration::from_millis(1));
        match TcpStream::connect_timeout(address, limit) {
            Ok(socket) => {
                // Small packets back and forth; a delay by Nagle's algorithm would show.
                let _ = socket.set_nodelay(true);
                return Ok(socket);
            }
            Err(error) => {
                let advice = match error.kind() {
                    ErrorKind::ConnectionRefused => ". Is sshd running there, is the port right?",
                    ErrorKind::TimedOut => ". Is the host up, does a firewall stand between?",
                    _ => "",
                };
                failure = format!("{at}: can't connect to {address}: {error}{advice}");
            }
        }
    }
    Err(backoff(failure))
}

/// Requests the types of host key that are known before the others. Otherwise a host would look changed when
/// the server prefers a type that is not known.
fn prefer_known_keys(
    session: &Session,
    known_hosts: &KnownHosts,
    target: &SshTarget,
) -> Result<(), ssh2::Error> {
    let supported = session.supported_algs(MethodType::HostKey)?;
    let mut order: Vec<&str> = vec![];
    for name in names(target) {
        for kind in known_hosts.key_types(session, name)? {
            // One kind of RSA key signs in three ways (RFC 8332).
            let ways: &[&str] =
                if kind == "ssh-rsa" { &["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"] } else { &[kind] };
            order.extend(supported.iter().filter(|way| ways.contains(way)));
        }
    }
    // Certificates are left out: nothing here could check who signed them.
    order.extend(supported.iter().filter(|way| !way.contains("-cert-")));
    let mut seen = std::collections::HashSet::new();
    order.retain(|way| seen.insert(*way));
    session.method_pref(MethodType::HostKey, &order.join(","))
}

/// The names to look a host up by: with its port, then as ssh(1) does, without.
fn names(target: &SshTarget) -> impl Iterator<Item = &str> {
    let plain =
        target.known_as.strip_prefix('[').and_then(|rest| rest.split_once("]:")).map(|(host, _)| host);
    std::iter::once(target.known_as.as_str()).chain(plain)
}

/// Returns the type of the host's key where it is the known one.
fn check_host_key(
    session: &Session,
    known_hosts: &KnownHosts,
    target: &SshTarget,
    at: &str,
) -> Result<String, StepError> {
    let (key, _) = session.host_key().ok_or_else(|| backoff(format!("{at}: the host showed no key")))?;
    let kind = key_type(key).to_owned();
    let print = session.host_key_hash(HashType::Sha256).map(fingerprint).unwrap_or_default();
    let failed = |error: ssh2::Error| never(format!("{at}: the host's key can't be checked: {error}"));
    let verdict = known_hosts.check(session, &target.known_as, key).map_err(failed)?;
    // Under the name without port only a match counts: another server on that machine may well have another
    // key.
    let known_without_port = || -> Result<bool, ssh2::Error> {
        let plain = names(target).nth(1);
        plain.map_or(Ok(false), |name| Ok(known_hosts.check(session, name, key)? == HostKeyVerdict::Known))
    };
    let (host, port, file) = (&target.host, target.port, known_hosts.file().display());
    match verdict {
        HostKeyVerdict::Known => Ok(kind),
        HostKeyVerdict::Unknown if known_without_port().map_err(failed)? => Ok(kind),
        HostKeyVerdict::Unknown => Err(never(format!(
            "{at}: the host is unknown. It shows the {kind} key {print}. Compare that with the host's own \
             (there: ssh-keygen -lf /etc/ssh/ssh_host_{}_key.pub), and if it is the same: ssh-keyscan -p \
             {port} {host} >> {file}",
            short(&kind),
        ))),
        HostKeyVerdict::Changed(place) => Err(never(format!(
            "{at}: THE HOST'S KEY HAS CHANGED. It shows the {kind} key {print}, {place} has another. Either \
             the host was installed anew or someone stands between: a possible attack. Ask who looks after \
             it; only then: ssh-keygen -R {:?} -f {file}, and ssh-keyscan -p {port} {host} >> {file}",
            target.known_as,
        ))),
        HostKeyVerdict::Revoked(place) => Err(never(format!(
            "{at}: the host shows the key {print}, which {place} revokes. Do not connect; ask its \
             administrator"
        ))),
    }
}

fn short(kind: &str) -> &str {
    match kind {
        "ssh-rsa" => "rsa",
        kind if kind.starts_with("ecdsa") => "ecdsa",
        _ => "ed25519",
    }
}
