//! Directories on this machine and on hosts over SSH, against the file system and OpenSSH's sshd.
#[path = "../support/mod.rs"]
mod support;

mod local;
mod ssh;
mod ssh_trouble;

use beamshare::config;
use beamshare::domain::{RelativePath, StepError};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// A place as the configuration would give it.
fn place(top: &Path) -> config::Place {
    config::Place {
        name: "detector".to_owned(),
        top: top.to_owned(),
        host: None,
        key_file: None,
        password_file: None,
        known_hosts: None,
        timeout: Duration::from_secs(20),
        mode: None,
        group: None,
    }
}

fn path(text: &str) -> RelativePath {
    RelativePath::try_from(text.to_owned()).expect("a path")
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).mode()
        & 0o7777
}

/// A group other than the account's first, where it may give one: its name and number.
fn some_group() -> (String, u32) {
    let mine = || {
        let gid = rustix::process::getegid().as_raw();
        nix::unistd::Group::from_gid(gid.into()).unwrap().map(|group| (group.name, gid))
    };
    let root =
        || nix::unistd::Group::from_name("daemon").unwrap().map(|group| (group.name, group.gid.as_raw()));
    if rustix::process::geteuid().is_root() { root() } else { mine() }.expect("a group")
}

/// The error's words, which must hold all of these.
#[track_caller]
fn says<T: std::fmt::Debug>(result: Result<T, StepError>, parts: &[&str]) -> StepError {
    let error = result.expect_err("an error");
    for part in parts {
        assert!(error.message.contains(part), "{:?} does not say {part:?}", error.message);
    }
    error
}
