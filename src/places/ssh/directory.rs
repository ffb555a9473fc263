//! Directories on a host, by SFTP alone: no shell is involved.

use super::super::tree::{BEING_MADE, Directory, EntryKind, wanted_mode};
use super::super::{Ownership, backoff, never};
use super::connect::SshConnection;
use super::libssh2::classify;
use crate::domain::StepError;
use ssh2::{ErrorCode, FileStat, FileType, OpenFlags, OpenType, Sftp};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// SFTP's status codes (draft-ietf-secsh-filexfer-02, 7).
const NO_SUCH_FILE: i32 = 2;
const PERMISSION_DENIED: i32 = 3;
const FAILURE: i32 = 4;
const OPERATION_UNSUPPORTED: i32 = 8;
const NO_SUCH_PATH: i32 = 10;
const FILE_ALREADY_EXISTS: i32 = 11;
/// libssh2's end of a list.
const END_OF_LIST: i32 = -16;
/// More than any group file has; one that never ends must not fill the memory.
const GROUP_FILE_LIMIT: u64 = 8 << 20;

/// A directory on a host. SFTP v3 names files by their paths, so the check for links and the use are two
/// calls, between which whoever can write in the parent could put a link there. Mode and group are therefore
/// changed by an open handle only (see [`SshDirectory::open_itself`]), and a directory that beamshare makes
/// is closed to others until it is ready ([`BEING_MADE`]).
pub(super) struct SshDirectory<'a> {
    connection: &'a SshConnection,
    deadline: Instant,
    /// `place (user@host)`, for errors
    at: &'a str,
    path: PathBuf,
    stat: FileStat,
    /// Nobody but the owners can exchange this directory for another: no directory above it, from the top on,
    /// can be written by its group or by others
    is_fixed: bool,
}

impl<'a> SshDirectory<'a> {
    /// The top itself may be reached through links: it comes from the configuration, not from a PV.
    pub(super) fn open_top(
        connection: &'a SshConnection,
        at: &'a str,
        top: &Path,
        deadline: Instant,
    ) -> Result<Self, StepError> {
        let mut directory = SshDirectory {
            connection,
            deadline,
            at,
            path: top.to_owned(),
            stat: FileStat { size: None, uid: None, gid: None, perm: None, atime: None, mtime: None },
            is_fixed: true,
        };
        directory.stat = directory.sftp().stat(top).map_err(|error| {
            if is_missing(&error) {
                never(format!(
                    "{at}: top {} does not exist there: make it, or correct the place's top",
                    top.display()
                ))
            } else {
                directory.error("look at", top, &error)
            }
        })?;
        if !directory.stat.is_dir() {
            return Err(never(format!(
                "{at}: top {} is no directory: correct the place's top",
                top.display()
            )));
        }
        Ok(directory)
    }

    /// The description of the session, for `check`.
    pub(super) fn signed_in(&self) -> String {
        format!(
            "host known by its {} key, signed in by {}",
            self.connection.known_by, self.connection.signed_in_by
        )
    }

    fn sftp(&self) -> &Sftp {
        self.connection.set_time_limit(self.deadline);
        &self.connection.sftp
    }

    fn error(&self, action: &str, path: &Path, error: &ssh2::Error) -> StepError {
        let tried = format!("{}: can't {action} {}", self.at, path.display());
        match error.code() {
            ErrorCode::SFTP(PERMISSION_DENIED) => never(format!(
                "{tried}: permission denied. Let the account write there, or correct the place's top"
            )),
            // The third version of SFTP, which OpenSSH speaks, has one word for disks that are full or
            // read-only and more.
            ErrorCode::SFTP(FAILURE) => backoff(format!(
                "{tried}: the host says only \"failure\". See there whether the disk is full, or read-only"
            )),
            ErrorCode::SFTP(_) => never(format!("{tried}: {}", error.message())),
            ErrorCode::Session(_) => {
                classify(self.at, &format!("an attempt to {action} {}", path.display()), error)
            }
        }
    }

    /// Opens the directory itself, so that its rights are changed by its handle and not by its path.
    ///
    /// SFTP v3 has no call that opens without following a link, and its directory handles can't change
    /// attributes. But OpenSSH opens a directory like a file, for reading, and changes attributes by that
    /// handle with fchmod and fchown. The handle is used only if it shows the directory that was looked at
    /// before, and the path still does.
    ///
    /// `None` where the server can't do that and nobody could exchange the directory anyway.
    fn open_itself(&self) -> Result<Option<ssh2::File>, StepError> {
        let opened = self.sftp().open_mode(&self.path, OpenFlags::READ, 0, OpenType::File);
        let mut handle = match opened {
            Ok(handle) => handle,
            Err(error) if matches!(error.code(), ErrorCode::SFTP(FAILURE | OPERATION_UNSUPPORTED)) => {
                if self.is_fixed {
                    return Ok(None);
                }
                return Err(never(format!(
                    "{}: can't give {} its rights safely: the host's SFTP server opens no directories, as \
                     OpenSSH does, and group or others can write in a directory above it. Use OpenSSH \
                     there, or take that right away",
                    self.at,
                    self.path.display()
                )));
            }
            Err(error) => return Err(self.set_error("open the directory", &error)),
        };
        self.connection.set_time_limit(self.deadline);
        let by_handle = handle.stat().map_err(|error| self.error("look at", &self.path, &error))?;
        let by_path =
            self.sftp().lstat(&self.path).map_err(|error| self.error("look at", &self.path, &error))?;
        if !is_same(&by_handle, &self.stat) || !is_same(&by_path, &self.stat) {
            return Err(backoff(format!(
                "{}: {} was changed or exchanged for another directory while its rights were being set. See \
                 who writes there",
                self.at,
                self.path.display()
            )));
        }
        Ok(Some(handle))
    }

    fn set(&self, handle: &mut Option<ssh2::File>, action: &str, change: FileStat) -> Result<(), StepError> {
        self.connection.set_time_limit(self.deadline);
        let set = match handle {
            Some(handle) => handle.setstat(change),
            None => self.connection.sftp.setstat(&self.path, change),
        };
        set.map_err(|error| self.set_error(action, &error))
    }

    fn set_error(&self, action: &str, error: &ssh2::Error) -> StepError {
        match error.code() {
            ErrorCode::SFTP(PERMISSION_DENIED) => never(format!(
                "{}: can't {action}: permission denied. The directory {} belongs to user {}; have its owner \
                 or root put it right, and see that the account is in the group",
                self.at,
                self.path.display(),
                self.stat.uid.map_or_else(|| "?".to_owned(), |uid| uid.to_string()),
            )),
            _ => self.error(action, &self.path, error),
        }
    }

    /// The number of a group of the host by its name or number. SFTP knows numbers only, so names are looked
    /// up in the host's own group file.
    fn group_id(&self, group: &str) -> Result<u32, StepError> {
        if let Ok(number) = group.parse() {
            return Ok(number);
        }
        let file = Path::new("/etc/group");
        let opened = self.sftp().open(file).map_err(|error| self.error("read", file, &error))?;
        self.connection.set_time_limit(self.deadline);
        let mut bytes = vec![];
        opened
            .take(GROUP_FILE_LIMIT)
            .read_to_end(&mut bytes)
            .map_err(|error| backoff(format!("{}: can't read /etc/group: {error}", self.at)))?;
        find_group(&String::from_utf8_lossy(&bytes), group).ok_or_else(|| {
            never(format!(
                "{}: group {group} does not stand in the host's /etc/group. Make it there; or, where the \
                 group comes from LDAP, give its number (there: getent group {group}) as the place's group",
                self.at
            ))
        })
    }
}

impl Directory for SshDirectory<'_> {
    fn shown(&self) -> String {
        format!("{}: {}", self.at, self.path.display())
    }

    fn entry(&self, name: &str) -> Result<EntryKind<Self>, StepError> {
        let path = self.path.join(name);
        let stat = match self.sftp().lstat(&path) {
            Ok(stat) => stat,
            Err(error) if is_missing(&error) => return Ok(EntryKind::Missing),
            Err(error) => return Err(self.error("look at", &path, &error)),
        };
        Ok(match stat.file_type() {
            FileType::Directory => {
                let is_fixed = self.is_fixed && self.stat.perm.is_some_and(|mode| mode & 0o022 == 0);
                EntryKind::Directory(SshDirectory { path, stat, is_fixed, ..*self })
            }
            FileType::Symlink => EntryKind::Link,
            _ => EntryKind::Other,
        })
    }

    fn make(&self, name: &str) -> Result<(), StepError> {
        let path = self.path.join(name);
        let Err(error) = self.sftp().mkdir(&path, BEING_MADE as i32) else { return Ok(()) };
        match error.code() {
            // Also the answer where someone has made it in the meantime.
            ErrorCode::SFTP(FAILURE | FILE_ALREADY_EXISTS)
                if !matches!(self.entry(name)?, EntryKind::Missing) =>
            {
                Ok(())
            }
            ErrorCode::SFTP(NO_SUCH_FILE | NO_SUCH_PATH) => Err(backoff(format!(
                "{}: {} went away while {name} was made in it",
                self.at,
                self.path.display()
            ))),
            _ => Err(self.error("make directory", &path, &error)),
        }
    }

    fn remove(&self, name: &str) -> Result<(), StepError> {
        let path = self.path.join(name);
        self.sftp().rmdir(&path).map_err(|error| self.error("remove", &path, &error))
    }

    fn names(&self, limit: usize) -> Result<Vec<String>, StepError> {
        let failed = |error: ssh2::Error| self.error("list", &self.path, &error);
        let mut list = self.sftp().opendir(&self.path).map_err(failed)?;
        let mut names = vec![];
        while names.len() < limit {
            self.connection.set_time_limit(self.deadline);
            match list.readdir() {
                Ok((name, _)) => {
                    let name = name.to_string_lossy().into_owned();
                    if !matches!(name.as_str(), "." | "..") {
                        names.push(name);
                    }
                }
                Err(error) if error.code() == ErrorCode::Session(END_OF_LIST) => break,
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(names)
    }

    fn is_unfinished(&self) -> Result<bool, StepError> {
        // Nobody but its owner can settle it; whose account this is, SFTP doesn't say.
        Ok(self.stat.perm.is_some_and(|mode| mode & 0o7777 & !0o2000 == BEING_MADE))
    }

    fn settle(&self, rights: &Ownership) -> Result<(), StepError> {
        let nothing = FileStat { size: None, uid: None, gid: None, perm: None, atime: None, mtime: None };
        let gid = rights.group.as_ref().map(|group| self.group_id(group)).transpose()?;
        let present = self.stat.perm.unwrap_or(0) & 0o7777;
        let mode = wanted_mode(rights, present);
        let other_group = gid.filter(|gid| self.stat.gid != Some(*gid));
        if other_group.is_none() && mode == present {
            return Ok(());
        }
        let mut handle = self.open_itself()?;
        if let Some(gid) = other_group {
            let action = format!("give {} to group {gid}", self.path.display());
            self.set(
                &mut handle,
                &action,
                FileStat { uid: self.stat.uid, gid: Some(gid), ..nothing.clone() },
            )?;
        }
        if mode != present {
            let action = format!("give {} the mode {mode:04o}", self.path.display());
            self.set(&mut handle, &action, FileStat { perm: Some(mode), ..nothing })?;
        }
        Ok(())
    }
}

/// Whether two looks were at the same directory, as far as SFTP v3 shows, which has no inodes: owner, group,
/// mode, size and time of change.
fn is_same(one: &FileStat, other: &FileStat) -> bool {
    (one.uid, one.gid, one.perm, one.size, one.mtime)
        == (other.uid, other.gid, other.perm, other.size, other.mtime)
}

fn is_missing(error: &ssh2::Error) -> bool {
    matches!(error.code(), ErrorCode::SFTP(NO_SUCH_FILE | NO_SUCH_PATH))
}

/// group(5): name:password:number:members
fn find_group(file: &str, group: &str) -> Option<u32> {
    file.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(group)).then(|| fields.nth(1)?.parse().ok())?
    })
}
