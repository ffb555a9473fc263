//! Signing in: the configured key, those of ~/.ssh/config, the agent's, the usual ones, the password file.

use super::super::never;
use super::libssh2::{classify, set_time_limit};
use super::target::SshTarget;
use crate::config;
use crate::domain::StepError;
use secrecy::{ExposeSecret, SecretString};
use ssh2::{ErrorCode, KeyboardInteractivePrompt, Prompt, Session};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// libssh2.h: what a refused or unreadable key comes back as. Anything else is an error of the connection.
const FILE: i32 = -16;
const AUTHENTICATION_FAILED: i32 = -18;
const PUBLICKEY_UNVERIFIED: i32 = -19;
const METHOD_NONE: i32 = -17;
const ALGORITHM_UNSUPPORTED: i32 = -51;

/// Tries them one after the other; returns the one that was accepted. The error names only files, no secrets.
pub(super) fn sign_in(
    session: &Session,
    target: &SshTarget,
    at: &str,
    deadline: Instant,
) -> Result<String, StepError> {
    let mut attempts = SignInAttempts { session, target, at, deadline, refused: vec![] };
    set_time_limit(session, deadline);
    let offered = match session.auth_methods(&target.user) {
        Ok(methods) => methods.to_owned(),
        Err(_) if session.authenticated() => return Ok("nothing: the host asks for no key".to_owned()),
        Err(error) => return Err(classify(at, "signing in", &error)),
    };
    if offered.contains("publickey") {
        for key in &target.keys {
            if attempts.key(key)? {
                return Ok(format!("key {}", key.display()));
            }
        }
        if let Some(socket) = &target.agent
            && let Some(key) = attempts.agent(socket)?
        {
            return Ok(key);
        }
        for key in target.usual_keys.iter().filter(|key| key.exists()) {
            if attempts.key(key)? {
                return Ok(format!("key {}", key.display()));
            }
        }
    }
    if let Some(file) = &target.password_file
        && attempts.password(file, &offered)?
    {
        return Ok(format!("password of {}", file.display()));
    }
    let tried = if attempts.refused.is_empty() {
        "there was nothing to try".to_owned()
    } else {
        attempts.refused.join("; ")
    };
    Err(never(format!(
        "{at}: can't sign in: {tried}. The host takes {offered}. Put the public key into \
         ~{}/.ssh/authorized_keys there, or set the place's key_file or password_file",
        target.user
    )))
}

struct SignInAttempts<'a> {
    session: &'a Session,
    target: &'a SshTarget,
    at: &'a str,
    deadline: Instant,
    refused: Vec<String>,
}

impl SignInAttempts<'_> {
    fn key(&mut self, key: &Path) -> Result<bool, StepError> {
        if let Err(error) = std::fs::File::open(key) {
            self.refused.push(format!("key {} can't be read: {error}", key.display()));
            return Ok(false);
        }
        set_time_limit(self.session, self.deadline);
        let tried = self.session.userauth_pubkey_file(&self.target.user, None, key, None);
        self.judge(tried, &format!("key {}", key.display()))
    }

    fn agent(&mut self, socket: &Path) -> Result<Option<String>, StepError> {
        if let Err(why) = agent_answers(socket) {
            self.refused.push(format!("agent at {}: {why}", socket.display()));
            return Ok(None);
        }
        let keys = || {
            let mut agent = self.session.agent()?;
            agent.set_identity_path(socket)?;
            agent.connect()?;
            agent.list_identities()?;
            let keys = agent.identities()?;
            Ok((agent, keys))
        };
        let (agent, keys) = match keys() {
            Ok(found) => found,
            Err(error) => {
                let error: ssh2::Error = error;
                self.refused.push(format!("agent: {}", error.message()));
                return Ok(None);
            }
        };
        if keys.is_empty() {
            self.refused.push("agent: has no keys".to_owned());
        }
        for key in keys {
            set_time_limit(self.session, self.deadline);
            let name = format!("agent's key {}", key.comment().escape_debug());
            let tried = agent.userauth(&self.target.user, &key);
            if self.judge(tried, &name)? {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    fn password(&mut self, file: &Path, offered: &str) -> Result<bool, StepError> {
        let password = match config::read_secret(file) {
            Ok(password) => password,
            Err(error) => return Err(never(format!("{}: {error}", self.at))),
        };
        let name = format!("password of {}", file.display());
        set_time_limit(self.session, self.deadline);
        if offered.contains("password") {
            let tried = self.session.userauth_password(&self.target.user, password.expose_secret());
            return self.judge(tried, &name);
        }
        if offered.contains("keyboard-interactive") {
            let tried =
                self.session.userauth_keyboard_interactive(&self.target.user, &mut OnePassword(&password));
            return self.judge(tried, &name);
        }
        Ok(false)
    }

    /// True if it was accepted, false if it was refused, an error where the connection broke.
    fn judge(&mut self, tried: Result<(), ssh2::Error>, name: &str) -> Result<bool, StepError> {
        let Err(error) = tried else { return Ok(true) };
        let why = match error.code() {
            ErrorCode::Session(AUTHENTICATION_FAILED) => "was refused".to_owned(),
            // libssh2 says the same for a wrong key and for one that it can't open.
            ErrorCode::Session(PUBLICKEY_UNVERIFIED | FILE | METHOD_NONE | ALGORITHM_UNSUPPORTED) => {
                format!(
                    "was refused, or needs a passphrase (then load it into an agent): {}",
                    error.message()
                )
            }
            _ => return Err(classify(self.at, &format!("signing in by {name}"), &error)),
        };
        self.refused.push(format!("{name} {why}"));
        Ok(false)
    }
}

/// Answers each hidden prompt with the password.
struct OnePassword<'a>(&'a SecretString);

impl KeyboardInteractivePrompt for OnePassword<'_> {
    fn prompt(&mut self, _user: &str, _instructions: &str, prompts: &[Prompt]) -> Vec<String> {
        prompts
            .iter()
            .map(|prompt| if prompt.echo { String::new() } else { self.0.expose_secret().to_owned() })
            .collect()
    }
}

/// libssh2 asks the agent without a time limit, and an agent forwarded from a laptop that sleeps never
/// answers. So it is asked for its keys once before (draft-miller-ssh-agent, 4.4: length 1, message 11).
fn agent_answers(socket: &Path) -> Result<(), String> {
    const LIMIT: Duration = Duration::from_secs(2);
    let ask = || {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        stream.write_all(&[0, 0, 0, 1, 11])?;
        stream.read_exact(&mut [0])
    };
    ask().map_err(|error: std::io::Error| format!("does not answer: {error}"))
}
