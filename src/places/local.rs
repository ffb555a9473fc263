//! Directories on this machine, by file descriptors: what is checked is what is used, and no path is resolved
//! twice.

use super::timed_worker::TimedWorker;
use super::tree::{self, BEING_MADE, Directory, EntryKind, wanted_mode};
use super::{CreateOutcome, DirectoryState, Ownership, Place, backoff, never};
use crate::config;
use crate::domain::{RelativePath, StepError};
use async_trait::async_trait;
use rustix::fs::{self, AtFlags, FileType, Gid, Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// A top directory on this machine.
pub struct LocalPlace {
    name: String,
    top: PathBuf,
    rights: Ownership,
    bounded: TimedWorker,
}

impl LocalPlace {
    /// The place as configured; nothing is touched yet.
    pub fn new(place: &config::Place, rights: Ownership) -> Self {
        LocalPlace {
            name: place.name.clone(),
            top: place.top.clone(),
            rights,
            bounded: TimedWorker::new(
                format!("{} ({} on this machine)", place.name, place.top.display()),
                place.timeout,
            ),
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(LocalDirectory, Ownership) -> Result<T, StepError> + Send + 'static,
    ) -> Result<T, StepError> {
        let (name, top, rights) = (self.name.clone(), self.top.clone(), self.rights.clone());
        self.bounded.run(move |_| work(LocalDirectory::open_top(name, top)?, rights)).await
    }
}

#[async_trait]
impl Place for LocalPlace {
    fn name(&self) -> &str {
        &self.name
    }

    async fn look(&self, path: &RelativePath) -> Result<DirectoryState, StepError> {
        let path = path.clone();
        self.run(move |top, _| tree::look(top, &path)).await
    }

    async fn make(&self, path: &RelativePath) -> Result<CreateOutcome, StepError> {
        let path = path.clone();
        self.run(move |top, rights| tree::make(top, &path, &rights)).await
    }

    async fn probe(&self) -> Result<String, StepError> {
        self.run(|top, rights| tree::try_out(top, &rights)).await?;
        Ok(format!("{} on this machine is writable", self.top.display()))
    }
}

struct LocalDirectory {
    /// The place's name, for errors
    place: String,
    path: PathBuf,
    /// Opened with O_PATH: search permission is enough
    fd: OwnedFd,
}

const OPEN: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl LocalDirectory {
    /// The top itself may be reached through links: it comes from the configuration, not from a PV.
    fn open_top(place: String, path: PathBuf) -> Result<Self, StepError> {
        match fs::open(&path, OPEN, Mode::empty()) {
            Ok(fd) => Ok(LocalDirectory { place, path, fd }),
            Err(errno) => Err(match errno {
                Errno::NOENT | Errno::NOTDIR => never(format!(
                    "{place}: top {} {} on this machine: make it, mount it, or correct the place's top",
                    path.display(),
                    if errno == Errno::NOENT { "does not exist" } else { "is no directory" },
                )),
                _ => failure(&place, "open", &path.display().to_string(), errno),
            }),
        }
    }

    fn error(&self, action: &str, name: &str, errno: Errno) -> StepError {
        failure(&self.place, action, &self.path.join(name).display().to_string(), errno)
    }
}

impl Directory for LocalDirectory {
    fn shown(&self) -> String {
        format!("{}: {}", self.place, self.path.display())
    }

    fn entry(&self, name: &str) -> Result<EntryKind<Self>, StepError> {
        match fs::openat(&self.fd, name, OPEN | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(fd) => Ok(EntryKind::Directory(LocalDirectory {
                place: self.place.clone(),
                path: self.path.join(name),
                fd,
            })),
            Err(Errno::NOENT) => Ok(EntryKind::Missing),
            Err(Errno::NOTDIR | Errno::LOOP) => {
                let stat = fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(|errno| self.error("look at", name, errno))?;
                Ok(match FileType::from_raw_mode(stat.st_mode) {
                    FileType::Symlink => EntryKind::Link,
                    _ => EntryKind::Other,
                })
            }
            Err(errno) => Err(self.error("open", name, errno)),
        }
    }

    fn make(&self, name: &str) -> Result<(), StepError> {
        match fs::mkdirat(&self.fd, name, Mode::from_raw_mode(BEING_MADE)) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(errno) => Err(self.error("make directory", name, errno)),
        }
    }

    fn remove(&self, name: &str) -> Result<(), StepError> {
        fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR).map_err(|errno| self.error("remove", name, errno))
    }

    fn names(&self, limit: usize) -> Result<Vec<String>, StepError> {
        let list = || {
            let readable = fs::openat(
                &self.fd,
                ".",
                OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
                Mode::empty(),
            )?;
            fs::Dir::new(readable)?
                .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
                .filter(|name| !matches!(name.as_deref(), Ok("." | "..")))
                .take(limit)
                .collect::<Result<Vec<_>, Errno>>()
        };
        list().map_err(|errno| self.error("list", "", errno))
    }

    fn is_unfinished(&self) -> Result<bool, StepError> {
        let stat = fs::fstat(&self.fd).map_err(|errno| self.error("look at", "", errno))?;
        Ok(stat.st_mode & 0o7777 & !0o2000 == BEING_MADE
            && stat.st_uid == rustix::process::geteuid().as_raw())
    }

    fn settle(&self, rights: &Ownership) -> Result<(), StepError> {
        let stat = fs::fstat(&self.fd).map_err(|errno| self.error("look at", "", errno))?;
        if let Some(group) = &rights.group {
            let gid = group_id(group).map_err(|why| never(format!("{}: {why}", self.place)))?;
            if gid != stat.st_gid {
                fs::chownat(&self.fd, ".", None, Some(Gid::from_raw(gid)), AtFlags::empty()).map_err(
                    |errno| {
                        self.rights_error(
                            &format!("give {} to group {group}", self.path.display()),
                            stat.st_uid,
                            errno,
                        )
                    },
                )?;
            }
        }
        let mode = wanted_mode(rights, stat.st_mode);
        if mode != stat.st_mode & 0o7777 {
            // "." below the descriptor and not a name: nothing can be put in its place meanwhile.
            fs::chmodat(&self.fd, ".", Mode::from_raw_mode(mode), AtFlags::empty()).map_err(|errno| {
                self.rights_error(
                    &format!("give {} the mode {mode:04o}", self.path.display()),
                    stat.st_uid,
                    errno,
                )
            })?;
        }
        Ok(())
    }
}

impl LocalDirectory {
    fn rights_error(&self, action: &str, owner: u32, errno: Errno) -> StepError {
        if errno != Errno::PERM {
            return failure(&self.place, action, "", errno);
        }
        let account = rustix::process::geteuid().as_raw();
        never(format!(
            "{}: can't {action}: the directory belongs to user {owner}, beamshare runs as user {account}{}. \
             Have its owner or root put it right",
            self.place,
            if owner == account { " and is not in that group" } else { "" },
        ))
    }
}

/// The number of a group by its name, as this machine knows it (files, LDAP …), or by its number.
fn group_id(group: &str) -> Result<u32, String> {
    match nix::unistd::Group::from_name(group) {
        Ok(Some(found)) => Ok(found.gid.as_raw()),
        Ok(None) => group.parse().map_err(|_| {
            format!(
                "group {group} does not exist on this machine (getent group {group}): make it, or \
                 correct the place's group"
            )
        }),
        Err(error) => Err(format!("group {group} can't be looked up on this machine: {error}")),
    }
}

fn failure(place: &str, action: &str, path: &str, errno: Errno) -> StepError {
    let tried = format!("{place}: can't {action} {path}").trim_end().to_owned();
    match errno {
        Errno::ACCESS | Errno::PERM => never(format!(
            "{tried}: permission denied. Let user {} write there, or correct the place's top",
            rustix::process::geteuid().as_raw()
        )),
        Errno::ROFS => never(format!(
            "{tried}: the file system is read-only. Mount it writable, or correct the place's top"
        )),
        Errno::NAMETOOLONG | Errno::INVAL | Errno::LOOP | Errno::NOTDIR => never(format!("{tried}: {errno}")),
        // Full disks, stale NFS handles, I/O errors: may be repaired at any moment.
        _ => backoff(format!("{tried}: {errno}")),
    }
}
