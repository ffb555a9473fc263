//! Host-key verification with the files of known hosts (plain, hashed and with ports), matched by libssh2.
//!
//! Each line is given to libssh2 alone: a line that it can't read, such as one with a newer type of key, does
//! not make the file unreadable, and the known types of a host can be listed before connecting, also for
//! hashed names.

use base64::Engine as _;
use ssh2::{CheckResult, KnownHostFileKind, Session};
use std::borrow::Cow;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use wildmatch::WildMatch;

/// The files' lines.
pub(super) struct KnownHosts {
    lines: Vec<KnownHostsLine>,
    files: Vec<PathBuf>,
}

struct KnownHostsLine {
    /// `file:line`, for errors
    place: String,
    /// Hosts, key type, key
    entry: String,
    revoked: bool,
}

/// The result of looking up a host's key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HostKeyVerdict {
    Known,
    Unknown,
    /// The line of the other key
    Changed(String),
    /// The line that revokes it
    Revoked(String),
}

impl KnownHosts {
    /// Reads them; a file that does not exist has no lines.
    pub(super) fn read(files: &[PathBuf]) -> Result<Self, String> {
        let mut lines = vec![];
        for file in files {
            match fs::read(file) {
                Ok(bytes) => lines.extend(parse(file, &String::from_utf8_lossy(&bytes))),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(format!("can't read the known hosts of {}: {error}", file.display()));
                }
            }
        }
        Ok(KnownHosts { lines, files: files.to_vec() })
    }

    /// The first file: where a new host goes.
    pub(super) fn file(&self) -> &Path {
        self.files.first().map_or(Path::new("known_hosts"), PathBuf::as_path)
    }

    /// The types of key that this name is known by, e.g. `ssh-ed25519`.
    pub(super) fn key_types(&self, session: &Session, name: &str) -> Result<Vec<&str>, ssh2::Error> {
        let mut types: Vec<&str> = vec![];
        for line in self.lines.iter().filter(|line| !line.revoked) {
            // A key that nobody has: any answer but "not found" means that the line is about this name.
            let about = matches!(
                line.check(session, name, b"beamshare")?,
                CheckResult::Mismatch | CheckResult::Match
            );
            if let Some(kind) =
                line.entry.split_whitespace().nth(1).filter(|kind| about && !types.contains(kind))
            {
                types.push(kind);
            }
        }
        Ok(types)
    }

    /// Whether this key is the one that the name is known by.
    pub(super) fn check(
        &self,
        session: &Session,
        name: &str,
        key: &[u8],
    ) -> Result<HostKeyVerdict, ssh2::Error> {
        let mut verdict = HostKeyVerdict::Unknown;
        let encoded = base64::engine::general_purpose::STANDARD.encode(key);
        for line in &self.lines {
            if line.revoked {
                // Whatever hosts it names: a stolen key is no better on another one.
                if line.entry.split_whitespace().nth(2) == Some(&encoded) {
                    return Ok(HostKeyVerdict::Revoked(line.place.clone()));
                }
                continue;
            }
            match line.check(session, name, key)? {
                CheckResult::Match => verdict = HostKeyVerdict::Known,
                CheckResult::Mismatch if verdict == HostKeyVerdict::Unknown => {
                    verdict = HostKeyVerdict::Changed(line.place.clone())
                }
                _ => {}
            }
        }
        Ok(verdict)
    }
}

impl KnownHostsLine {
    fn check(&self, session: &Session, name: &str, key: &[u8]) -> Result<CheckResult, ssh2::Error> {
        let mut hosts = session.known_hosts()?;
        if hosts.read_str(&self.entry_about(name), KnownHostFileKind::OpenSSH).is_err() {
            return Ok(CheckResult::NotFound);
        }
        Ok(hosts.check(name, key))
    }

    /// The line, with the name in place of patterns that match it: libssh2 knows no patterns.
    fn entry_about(&self, name: &str) -> Cow<'_, str> {
        let (hosts, key) = self.entry.split_once(char::is_whitespace).unwrap_or((&self.entry, ""));
        if !hosts.contains(['*', '?', '!']) {
            return Cow::Borrowed(&self.entry);
        }
        let matches = |pattern: &str| WildMatch::new_case_insensitive(pattern).matches(name);
        let excluded = hosts.split(',').filter_map(|host| host.strip_prefix('!')).any(matches);
        if excluded || !hosts.split(',').any(matches) {
            return Cow::Borrowed("");
        }
        Cow::Owned(format!("{name} {key}"))
    }
}

fn parse(file: &Path, text: &str) -> Vec<KnownHostsLine> {
    text.lines()
        .enumerate()
        .filter_map(|(number, line)| {
            let line = line.trim();
            let (entry, revoked) = match line.strip_prefix("@revoked") {
                Some(rest) => (rest.trim_start(), true),
                None => (line, false),
            };
            // A line of @cert-authority is about certificates, which libssh2 does not check.
            let usable = !entry.is_empty() && !entry.starts_with(['#', '@']);
            usable.then(|| KnownHostsLine {
                place: format!("{}:{}", file.display(), number + 1),
                entry: entry.to_owned(),
                revoked,
            })
        })
        .collect()
}

/// The type that a key's bytes begin with, e.g. `ssh-ed25519` (RFC 4253, 6.6).
pub(super) fn key_type(key: &[u8]) -> &str {
    let length = key.first_chunk::<4>().map_or(0, |length| u32::from_be_bytes(*length) as usize);
    key.get(4..4 + length).and_then(|kind| std::str::from_utf8(kind).ok()).unwrap_or("unknown")
}

/// As `ssh-keygen -l` shows it.
pub(super) fn fingerprint(hash: &[u8]) -> String {
    format!("SHA256:{}", base64::engine::general_purpose::STANDARD_NO_PAD.encode(hash))
}
