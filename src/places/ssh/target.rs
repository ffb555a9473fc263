//! The host, account and keys: the configuration's `host` combined with ~/.ssh/config.

use crate::config;
use ssh2_config::{HostParams, ParseRule, SshConfig};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where this account's SSH files and its agent are.
#[derive(Clone, Debug)]
pub struct Home {
    /// The home directory; .ssh is in it
    pub directory: PathBuf,
    /// The agent's socket; without it no agent is asked
    pub agent: Option<PathBuf>,
    /// The machine's own known hosts, `/etc/ssh/ssh_known_hosts`
    pub machine_known_hosts: PathBuf,
}

impl Home {
    /// From $HOME (or the account's entry in passwd) and $SSH_AUTH_SOCK.
    pub fn of_this_process() -> Self {
        Home {
            directory: std::env::home_dir().unwrap_or_else(|| PathBuf::from("/")),
            agent: std::env::var_os("SSH_AUTH_SOCK").filter(|path| !path.is_empty()).map(PathBuf::from),
            machine_known_hosts: PathBuf::from("/etc/ssh/ssh_known_hosts"),
        }
    }

    fn expand(&self, path: &str) -> PathBuf {
        match path.strip_prefix("~/").or_else(|| path.strip_prefix("%d/")) {
            Some(rest) => self.directory.join(rest),
            None => PathBuf::from(path),
        }
    }
}

/// The configuration's `host`: `host`, `user@host`, `user@host:port`, `[v6 address]:port`, or an alias of
/// ~/.ssh/config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HostText {
    user: Option<String>,
    host: String,
    port: Option<u16>,
}

impl std::str::FromStr for HostText {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!("host {text:?} {why}; write host, user@host, user@host:port or an alias of ~/.ssh/config")
        };
        if text.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(wrong("is empty or has blanks in it"));
        }
        let (user, rest) = match text.rsplit_once('@') {
            Some((user, rest)) => (Some(user.to_owned()).filter(|user| !user.is_empty()), rest),
            None => (None, text),
        };
        let (host, port) = if let Some(bracketed) = rest.strip_prefix('[') {
            let (host, after) = bracketed.split_once(']').ok_or_else(|| wrong("has a [ without ]"))?;
            (host, after.strip_prefix(':'))
        } else if rest.matches(':').count() == 1 {
            rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port)))
        } else {
            (rest, None)
        };
        let port = match port {
            Some(port) => Some(
                port.parse()
                    .ok()
                    .filter(|port| *port != 0)
                    .ok_or_else(|| wrong("has a port that is no number"))?,
            ),
            None => None,
        };
        // A leading "-" is an option to ssh-keyscan, which an error message tells the operator to run.
        if host.is_empty() || host.starts_with('-') {
            return Err(wrong("has no host in it"));
        }
        Ok(HostText { user, host: host.to_owned(), port })
    }
}

/// All that is needed to connect and sign in.
#[derive(Clone, Debug)]
pub(super) struct SshTarget {
    pub host: String,
    pub port: u16,
    pub user: String,
    /// The name under which the host's key is known
    pub known_as: String,
    pub known_hosts: Vec<PathBuf>,
    pub connect_timeout: Option<Duration>,
    /// Keys named by the configuration or ~/.ssh/config
    pub keys: Vec<PathBuf>,
    /// Keys at the usual places, tried only where they exist
    pub usual_keys: Vec<PathBuf>,
    pub agent: Option<PathBuf>,
    pub password_file: Option<PathBuf>,
}

impl SshTarget {
    /// Reads ~/.ssh/config anew, so that a correction there counts at the next try.
    pub(super) fn resolve(text: &HostText, place: &config::Place, home: &Home) -> Result<Self, String> {
        let params = query(&home.directory.join(".ssh/config"), &text.host, home)?;
        let option = |name: &str| params.unsupported_fields.get(name).filter(|values| !values.is_empty());
        let is = |name: &str, value: &str| {
            option(name).is_some_and(|values| values[0].eq_ignore_ascii_case(value))
        };

        let jump = params
            .proxy_jump
            .as_ref()
            .and_then(|jump| jump.first())
            .filter(|jump| !jump.eq_ignore_ascii_case("none"));
        if jump.is_some() || (option("proxycommand").is_some() && !is("proxycommand", "none")) {
            return Err(format!(
                "~/.ssh/config reaches {} through another host (ProxyJump or ProxyCommand), which beamshare \
                 can't. Give a host that this machine reaches directly, or forward a port to it and give \
                 that",
                text.host
            ));
        }
        let host = params
            .host_name
            .as_deref()
            .map_or_else(|| text.host.clone(), |name| name.replace("%h", &text.host));
        let port = text.port.or(params.port).unwrap_or(22);
        let user = match text.user.clone().or(params.user) {
            Some(user) => user,
            None => this_account().ok_or("this account has no name; write user@host")?,
        };
        let known_as =
            option("hostkeyalias").map_or_else(|| lookup_name(&host, port), |alias| alias[0].clone());
        let known_hosts = match (&place.known_hosts, option("userknownhostsfile")) {
            (Some(file), _) => vec![file.clone()],
            (None, Some(files)) => files.iter().map(|file| home.expand(file)).collect(),
            (None, None) => vec![home.directory.join(".ssh/known_hosts"), home.machine_known_hosts.clone()],
        };

        let only_named = place.key_file.is_some() || is("identitiesonly", "yes");
        let keys = match (&place.key_file, params.identity_file) {
            (Some(key), _) => vec![key.clone()],
            (None, Some(keys)) => keys.iter().map(|key| home.expand(&key.to_string_lossy())).collect(),
            (None, None) => vec![],
        };
        let usual = if only_named { &[][..] } else { &["id_ed25519", "id_ecdsa", "id_rsa"] };
        let agent = match option("identityagent") {
            _ if only_named => None,
            Some(socket) if socket[0] == "none" => None,
            Some(socket) if socket[0] != "SSH_AUTH_SOCK" => Some(home.expand(&socket[0])),
            _ => home.agent.clone(),
        };
        Ok(SshTarget {
            host,
            port,
            user,
            known_as,
            known_hosts,
            connect_timeout: params.connect_timeout,
            keys,
            usual_keys: usual.iter().map(|name| home.directory.join(".ssh").join(name)).collect(),
            agent,
            password_file: place.password_file.clone(),
        })
    }
}

/// How known_hosts writes a host at a port.
fn lookup_name(host: &str, port: u16) -> String {
    let host = host.to_lowercase();
    if port == 22 { host } else { format!("[{host}]:{port}") }
}

fn this_account() -> Option<String> {
    let account = nix::unistd::User::from_uid(nix::unistd::Uid::effective()).ok()??;
    Some(account.name)
}

/// The entry of ~/.ssh/config for this host; empty if the file is missing.
fn query(file: &Path, host: &str, home: &Home) -> Result<HostParams, String> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(format!("can't read {}: {error}", file.display())),
    };
    let rules = ParseRule::ALLOW_UNKNOWN_FIELDS | ParseRule::ALLOW_UNSUPPORTED_FIELDS;
    SshConfig::default()
        .home_dir(&home.directory)
        .parse(&mut lines_that_count(&text).as_bytes(), rules)
        .map(|config| config.query(host))
        .map_err(|error| {
            format!("can't understand {}: {error}. Correct it (`ssh -G {host}` tells where)", file.display())
        })
}

/// The options that beamshare uses. Others are not parsed: ssh2-config takes several valid values of
/// theirs for errors (`AddKeysToAgent confirm`), and one of them must not keep beamshare from a host.
const KEYWORDS: [&str; 14] = [
    "host",
    "include",
    "ignoreunknown",
    "hostname",
    "port",
    "user",
    "hostkeyalias",
    "userknownhostsfile",
    "connecttimeout",
    "identityfile",
    "identitiesonly",
    "identityagent",
    "proxyjump",
    "proxycommand",
];

/// The lines that apply. ssh2-config takes a `Match` line for an unknown option and would apply what follows
/// to the `Host` before it. Such blocks are left out: their conditions (`exec`, `localuser` …) aren't
/// evaluated here.
fn lines_that_count(text: &str) -> String {
    let mut in_match = false;
    let mut kept = String::with_capacity(text.len());
    for line in text.lines() {
        let keyword =
            line.trim_start().split(|c: char| c.is_whitespace() || c == '=').next().unwrap_or_default();
        let keyword = keyword.to_ascii_lowercase();
        if keyword == "match" {
            in_match = true;
            tracing::warn!("a Match block of ~/.ssh/config is not used by beamshare: {}", line.trim());
        } else if keyword == "host" {
            in_match = false;
        }
        if !in_match && KEYWORDS.contains(&keyword.as_str()) {
            kept.push_str(line);
        }
        kept.push('\n');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Option<String>, String, Option<u16>) {
        let HostText { user, host, port } = text.parse().unwrap();
        (user, host, port)
    }

    #[test]
    fn host_texts() {
        assert_eq!(parsed("pg16"), (None, "pg16".into(), None));
        assert_eq!(
            parsed("tomo@pg16.example.org:2222"),
            (Some("tomo".into()), "pg16.example.org".into(), Some(2222))
        );
        assert_eq!(parsed("tomo@[fe80::1]:22"), (Some("tomo".into()), "fe80::1".into(), Some(22)));
        assert_eq!(parsed("fe80::1"), (None, "fe80::1".into(), None));
        for wrong in
            ["", "a b", "a:x", "a:0", "a:70000", "tomo@", "[::1", "-oProxyCommand=x", "tomo@-x", "a\nb"]
        {
            assert!(wrong.parse::<HostText>().is_err(), "{wrong:?} was taken");
        }
    }

    #[test]
    fn a_match_block_does_not_leak_into_the_host_before_it() {
        let text =
            "Host a\n Port 1\nMatch host b\n Port 2\n User wrong\nHost c\n Compression maybe\n Port=3\n";
        assert_eq!(lines_that_count(text), "Host a\n Port 1\n\n\n\nHost c\n\n Port=3\n");
    }
}
