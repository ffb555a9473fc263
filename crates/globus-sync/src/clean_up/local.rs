//! Removing on this machine: by file descriptors, component by component, never through a link.

use super::super::manifest::{FileRow, NewRemoval, RemovalEnd, RemovalRow};
use super::super::openat::{self, SourceDirectory};
use super::super::walk::{At, Kind, Stat, look as look_at};
use super::Judged;
use jiff::Timestamp;
use rustix::fs::{self, AtFlags, Mode, OFlags, StatxFlags};
use rustix::io::Errno;
use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The pair's directory, held open.
pub(super) struct Top(OwnedFd);

impl Top {
    /// An error says what is wrong with it.
    pub fn open(source: &SourceDirectory) -> Result<Top, String> {
        source
            .open()
            .map(Top)
            .map_err(|error| format!("can't open the source {}: {error}", source.path().display()))
    }

    fn directory(&self, below: &Path) -> Result<OwnedFd, Errno> {
        openat::open_directory(self.0.as_fd(), below)
    }

    /// Whether nothing stands at a path.
    pub fn is_gone(&self, path: &Path) -> Result<bool, String> {
        match split(path).and_then(|(directory, name)| at_name(self.directory(directory)?.as_fd(), name)) {
            Ok(At::Nothing) | Err(Errno::NOENT) => Ok(true),
            Ok(_) => Ok(false),
            Err(errno) => Err(format!("can't be looked at: {errno}")),
        }
    }
}

fn split(path: &Path) -> Result<(&Path, &OsStr), Errno> {
    path.parent().zip(path.file_name()).ok_or(Errno::INVAL)
}

const CHANGED: &str = "changed since it was sent";

fn at_name(directory: BorrowedFd<'_>, name: &OsStr) -> Result<At, Errno> {
    look_at(directory, &CString::new(name.as_bytes()).map_err(|_| Errno::INVAL)?)
}

/// Whether a name stands for the file that was sent, as it was then; none where nothing stands there.
fn is_as_sent(directory: BorrowedFd<'_>, name: &OsStr, sent: Stat) -> Result<Option<()>, String> {
    match at_name(directory, name) {
        Ok(At::Nothing) => Ok(None),
        Ok(At::File(Kind::File, stat)) if stat == sent => Ok(Some(())),
        Ok(_) => Err(CHANGED.to_owned()),
        Err(errno) => Err(format!("can't be looked at: {errno}")),
    }
}

/// When the file was made that has the name, where the file system tells.
fn made_at(directory: BorrowedFd<'_>, name: &OsStr) -> Option<Timestamp> {
    let stat = fs::statx(directory, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BTIME).ok()?;
    let told = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME);
    let made_at = || Timestamp::new(stat.stx_btime.tv_sec, i32::try_from(stat.stx_btime.tv_nsec).ok()?).ok();
    told.then(made_at).flatten()
}

fn not_opened(errno: Errno) -> String {
    format!("its directory can't be opened without following links: {errno}")
}

/// A first look at files of one directory, before anything is recorded. A file that is gone is in neither
/// list.
///
/// With each file comes when the task was begun that sent it. One that was made later is another file, which
/// has got the inode of the one that was sent, and its time (`rsync -t`, `tar`); where the file system tells
/// when files are made.
pub(super) fn look(top: &SourceDirectory, files: Vec<(Option<Timestamp>, FileRow)>) -> Judged {
    let (mut go, mut stay) = (vec![], vec![]);
    let directory =
        files.first().and_then(|(_, file)| file.path.parent()).unwrap_or(Path::new("")).to_owned();
    let at = match Top::open(top).and_then(|top| top.directory(&directory).map_err(not_opened)) {
        Ok(at) => at,
        Err(why) => return (go, files.into_iter().map(|(_, file)| (file.path, why.clone())).collect()),
    };
    for (begun_at, file) in files {
        let Some(name) = file.path.file_name() else { continue };
        if made_at(at.as_fd(), name).zip(begun_at).is_some_and(|(made_at, begun_at)| made_at > begun_at) {
            stay.push((file.path, "it was made anew since it was sent".to_owned()));
            continue;
        }
        match is_as_sent(at.as_fd(), name, file.stat) {
            Ok(Some(())) => go.push(NewRemoval { path: file.path, stat: file.stat }),
            Ok(None) => {}
            Err(why) => stay.push((file.path, why)),
        }
    }
    (go, stay)
}

/// Removes what was recorded, each after one more look, then the directory and those above it as far as
/// they became empty by that. Returns how each ended, and how many directories went.
pub(super) fn remove(
    top: &SourceDirectory,
    directory: &Path,
    rows: &[RemovalRow],
) -> (Vec<(RemovalRow, RemovalEnd)>, u64) {
    let opened = Top::open(top).and_then(|top| Ok((top.directory(directory).map_err(not_opened)?, top)));
    let (at, top) = match opened {
        Ok(opened) => opened,
        Err(why) => {
            return (rows.iter().map(|row| (row.clone(), RemovalEnd::Kept(why.clone()))).collect(), 0);
        }
    };
    let end = |row: &RemovalRow| match row.path.file_name().map(|name| remove_one(at.as_fd(), name, row.stat))
    {
        Some(Ok(())) => RemovalEnd::Removed,
        Some(Err(why)) => RemovalEnd::Kept(why),
        None => RemovalEnd::Kept("it has no name".to_owned()),
    };
    let ends: Vec<_> = rows.iter().map(|row| (row.clone(), end(row))).collect();
    let some_went = ends.iter().any(|(_, end)| *end == RemovalEnd::Removed);
    (ends, if some_went { remove_emptied(&top, directory) } else { 0 })
}

fn remove_one(at: BorrowedFd<'_>, name: &OsStr, sent: Stat) -> Result<(), String> {
    // First that it is a plain file at all: to open a pipe or a device can do things.
    if is_as_sent(at, name, sent)?.is_none() {
        return Ok(());
    }
    // Held open and leased until it is gone, so that nobody begins to write into it between the last look and
    // the end.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let _held = match fs::openat(at, name, flags, Mode::empty()) {
        Ok(file) => match writers(file.as_fd()) {
            Writers::None | Writers::NoLeases => file,
            Writers::Some => return Err("a program has it open for writing".to_owned()),
            Writers::NotTold => {
                return Err(
                    "it is another account's, and whether a program has it open can't be told: give \
                     beamshare the capability CAP_LEASE, as the service's unit does"
                        .to_owned(),
                );
            }
        },
        Err(Errno::ACCESS | Errno::PERM) => {
            return Err(
                "this account can't read it, so whether a program has it open can't be told".to_owned()
            );
        }
        Err(Errno::NOENT) => return Ok(()),
        Err(Errno::LOOP) => return Err(CHANGED.to_owned()),
        Err(errno) => return Err(format!("can't be opened: {errno}")),
    };
    // The name must still mean that very file, as it was: programs replace files by renaming.
    if is_as_sent(at, name, sent)?.is_none() {
        return Ok(());
    }
    match fs::unlinkat(at, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(format!("can't be removed: {errno}; let the account write in its directory")),
    }
}

/// Who may write into a file that is open for reading, as far as the kernel tells.
enum Writers {
    /// Nobody, until the file is closed
    None,
    /// A program has it open for writing
    Some,
    /// The file is another account's, and this process lacks the capability to ask (CAP_LEASE)
    NotTold,
    /// The file system has no leases (network file systems)
    NoLeases,
}

/// Takes a read lease: the kernel refuses it while any program has the file open for writing, and makes one
/// that comes later wait until it is given back, when `file` is closed.
fn writers(file: BorrowedFd<'_>) -> Writers {
    // A program that wants to write while we hold the lease makes the kernel send us a signal: SIGURG, which
    // does nothing where it isn't asked for, in place of SIGIO, which would end us.
    const F_SETSIG: libc::c_int = 10;
    // SAFETY: fcntl with a descriptor that is open and with numbers touches no memory of ours.
    let leased = unsafe {
        libc::fcntl(file.as_raw_fd(), F_SETSIG, libc::SIGURG) == 0
            && libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_RDLCK as libc::c_int) == 0
    };
    if leased {
        return Writers::None;
    }
    match std::io::Error::last_os_error().raw_os_error() {
        Some(libc::EAGAIN) => Writers::Some,
        Some(libc::EACCES | libc::EPERM) => Writers::NotTold,
        _ => Writers::NoLeases,
    }
}

/// Removes a directory that became empty, and those above it that become empty by that; never the top.
fn remove_emptied(top: &Top, directory: &Path) -> u64 {
    let mut removed = 0;
    let mut path: PathBuf = directory.to_owned();
    while !path.as_os_str().is_empty() {
        let Ok((above, name)) = split(&path) else { break };
        if top.directory(above).and_then(|at| fs::unlinkat(&at, name, AtFlags::REMOVEDIR)).is_err() {
            break;
        }
        removed += 1;
        path = above.to_owned();
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::FileState;

    #[test]
    fn a_file_that_was_made_after_the_task_began_is_another() {
        let top = tempfile::tempdir().unwrap();
        std::fs::write(top.path().join("file"), "x").unwrap();
        let source = SourceDirectory::fixed(top.path());
        let at = Top::open(&source).unwrap();
        let At::File(_, stat) = at_name(at.0.as_fd(), OsStr::new("file")).unwrap() else { panic!() };
        let judged = |begun_at: Timestamp| {
            let file =
                FileRow { path: "file".into(), stat, state: FileState::Sent, task: None, sent_by: None };
            let (go, stay) = look(&source, vec![(Some(begun_at), file)]);
            (go.len(), stay.into_iter().map(|(_, why)| why).collect::<String>())
        };
        let hour = jiff::SignedDuration::from_hours(1);
        assert_eq!(judged(Timestamp::now() + hour), (1, String::new()));
        // Inode, size and time are those that were sent: the file system gave the inode once more.
        if made_at(at.0.as_fd(), OsStr::new("file")).is_some() {
            let (go, why) = judged(Timestamp::now() - hour);
            assert!(go == 0 && why.contains("made anew"), "{why}");
        }
    }

    /// Tests run as root; another account without capabilities is one thread's own.
    #[test]
    fn a_file_that_another_account_holds_open_stays() {
        use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
        use std::os::unix::fs::PermissionsExt;
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let top = tempfile::tempdir().unwrap();
        std::fs::set_permissions(top.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        std::fs::write(top.path().join("file"), "x").unwrap();
        let writer = std::fs::File::options().append(true).open(top.path().join("file")).unwrap();
        let removed = std::thread::scope(|scope| {
            let removal = scope.spawn(|| {
                // SAFETY: changes the calling thread's own credentials only.
                unsafe { libc::setfsuid(65534) };
                let mut sets = capabilities(None).unwrap();
                sets.effective = CapabilitySet::empty();
                set_capabilities(None, sets).unwrap();
                let at = Top::open(&SourceDirectory::fixed(top.path())).unwrap();
                let At::File(_, stat) = at_name(at.0.as_fd(), OsStr::new("file")).unwrap() else { panic!() };
                remove_one(at.0.as_fd(), OsStr::new("file"), stat)
            });
            removal.join().unwrap()
        });
        assert!(removed.unwrap_err().contains("CAP_LEASE") && top.path().join("file").exists());
        drop(writer);
    }
}
