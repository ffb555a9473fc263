//! Opening directories below a trusted one without following symbolic links.
//!
//! A user who can write in a directory can put a link there, or exchange a directory for a link at any
//! moment. So every component that a user can write is opened relative to its parent's descriptor and never
//! through a link.

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, StatxFlags, openat, openat2, statx};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Opens the directory `path` below `top` for reading. A symbolic link on the way is an error (`ELOOP` or
/// `ENOTDIR`). The empty path opens the top itself.
///
/// `openat2` does this in one call. Kernels before 5.6 and some container runtimes refuse it, and paths
/// beyond `PATH_MAX` are too long for it; then each component is opened by itself with `O_NOFOLLOW`.
///
/// # Errors
/// `EINVAL` where the path is absolute or contains `..`.
pub fn open_directory(top: BorrowedFd<'_>, path: &Path) -> rustix::io::Result<OwnedFd> {
    if path.as_os_str().is_empty() {
        return openat(top, ".", OFlags::RDONLY | DIRECTORY, Mode::empty());
    }
    if path.components().any(|component| !matches!(component, Component::Normal(_))) {
        return Err(Errno::INVAL);
    }
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match openat2(top, path, OFlags::RDONLY | DIRECTORY, Mode::empty(), resolve) {
        Err(Errno::NOSYS | Errno::PERM | Errno::NAMETOOLONG | Errno::AGAIN) => open_by_components(top, path),
        other => other,
    }
}

fn open_by_components(top: BorrowedFd<'_>, path: &Path) -> rustix::io::Result<OwnedFd> {
    let mut at: Option<OwnedFd> = None;
    let mut components = path.iter().peekable();
    while let Some(name) = components.next() {
        let access = if components.peek().is_some() { OFlags::PATH } else { OFlags::RDONLY };
        at = Some(openat(at.as_ref().map_or(top, |fd| fd.as_fd()), name, access | DIRECTORY, Mode::empty())?);
    }
    at.ok_or(Errno::INVAL)
}

/// A pair's source directory on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceDirectory {
    /// The fixed part of the path, from the settings. A link on the way to it is followed: only
    /// administrators can write there.
    pub root: PathBuf,
    /// The rest, which users may be able to write: no link in it is followed. Empty where the whole path is
    /// fixed.
    pub below: PathBuf,
}

impl SourceDirectory {
    /// A directory whose whole path is fixed.
    pub fn fixed(root: impl Into<PathBuf>) -> SourceDirectory {
        SourceDirectory { root: root.into(), below: PathBuf::new() }
    }

    /// The whole path, for messages.
    pub fn path(&self) -> PathBuf {
        if self.below.as_os_str().is_empty() { self.root.clone() } else { self.root.join(&self.below) }
    }

    /// Opens the directory for reading.
    ///
    /// # Errors
    /// Names the component that is a link, as text of the error; otherwise what the system returned.
    pub fn open(&self) -> io::Result<OwnedFd> {
        let root = self.open_root()?;
        open_directory(root.as_fd(), &self.below).map_err(|errno| self.explain(root.as_fd(), errno))
    }

    /// Opens the fixed part.
    pub(super) fn open_root(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(rustix::fs::open(&self.root, flags, Mode::empty())?)
    }

    /// Whether something is there, without following links below the fixed part.
    pub fn exists(&self) -> bool {
        self.open().map_or_else(|error| error.kind() != io::ErrorKind::NotFound, |_| true)
    }

    fn explain(&self, root: BorrowedFd<'_>, errno: Errno) -> io::Error {
        if matches!(errno, Errno::LOOP | Errno::NOTDIR) {
            let mut at = PathBuf::new();
            for name in &self.below {
                at.push(name);
                let stat = rustix::fs::statat(root, &at, AtFlags::SYMLINK_NOFOLLOW);
                if stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink) {
                    let link = self.root.join(&at);
                    return io::Error::new(
                        io::ErrorKind::NotADirectory,
                        format!(
                            "{} is a symbolic link, which may lead to another group's data; make a \
                             directory of it",
                            link.display()
                        ),
                    );
                }
            }
        }
        errno.into()
    }
}

/// What tells one directory from another, and whether an entry was renamed into or out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryIdentity {
    /// The file system
    pub device: u64,
    /// The inode
    pub inode: u64,
    /// Time of the last status change: nanoseconds since 1970. It changes with each entry that is made,
    /// renamed or removed, and when the directory itself is renamed, and no user can set it back.
    pub ctime: i64,
}

/// A file or directory as the file system describes it now, on NFS as the server does.
pub(super) fn fresh_stat(directory: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<rustix::fs::Statx> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::STATX_FORCE_SYNC | AtFlags::EMPTY_PATH;
    statx(directory, name, flags, StatxFlags::BASIC_STATS)
}

/// Goes through directories below a source's fixed part in the order of their paths, and remembers the
/// identity of each directory on the way.
pub(super) struct Descent {
    root: OwnedFd,
    open: Vec<(OsString, OwnedFd)>,
    /// By their paths below the fixed part; the empty path is the fixed part itself
    pub(super) identities: BTreeMap<PathBuf, DirectoryIdentity>,
}

impl Descent {
    pub(super) fn new(source: &SourceDirectory) -> io::Result<Descent> {
        let root = source.open_root()?;
        let identity = identity(root.as_fd())?;
        Ok(Descent { root, open: vec![], identities: BTreeMap::from([(PathBuf::new(), identity)]) })
    }

    /// Opens a directory by its path below the fixed part.
    pub(super) fn enter(&mut self, path: &Path) -> rustix::io::Result<BorrowedFd<'_>> {
        let names: Vec<&OsStr> = path.iter().collect();
        let common = self.open.iter().zip(&names).take_while(|((open, _), name)| open == *name).count();
        self.open.truncate(common);
        for (depth, name) in names.iter().enumerate().skip(common) {
            let parent = self.open.last().map_or(self.root.as_fd(), |(_, fd)| fd.as_fd());
            let fd = openat(parent, *name, OFlags::PATH | DIRECTORY, Mode::empty())?;
            let path = names[..=depth].iter().collect();
            // Of a directory that is entered again, the first look counts.
            let now = identity(fd.as_fd())?;
            self.identities.entry(path).or_insert(now);
            self.open.push(((*name).to_owned(), fd));
        }
        Ok(self.open.last().map_or(self.root.as_fd(), |(_, fd)| fd.as_fd()))
    }
}

fn identity(directory: BorrowedFd<'_>) -> rustix::io::Result<DirectoryIdentity> {
    let stat = fresh_stat(directory, OsStr::new(""))?;
    Ok(DirectoryIdentity {
        device: rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor),
        inode: stat.stx_ino,
        ctime: nanoseconds(stat.stx_ctime.tv_sec, stat.stx_ctime.tv_nsec),
    })
}

/// Nanoseconds since 1970.
pub(super) fn nanoseconds(seconds: i64, nanoseconds: u32) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add_unsigned(nanoseconds.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;

    #[test]
    fn nothing_outside_is_opened() {
        let top = tempfile::tempdir().unwrap();
        fs::create_dir_all(top.path().join("a/b")).unwrap();
        fs::write(top.path().join("a/file"), "x").unwrap();
        symlink("/", top.path().join("a/out")).unwrap();
        symlink("b", top.path().join("a/in")).unwrap();
        let fd = File::open(top.path()).unwrap();
        for by_components in [false, true] {
            let open = |path: &str| {
                let path = Path::new(path);
                let opened = if by_components {
                    open_by_components(fd.as_fd(), path)
                } else {
                    open_directory(fd.as_fd(), path)
                };
                opened.map(drop)
            };
            assert_eq!([open("a"), open("a/b")], [Ok(()); 2]);
            for path in ["a/out", "a/in", "a/out/etc", "a/file", "a/file/x"] {
                assert!(matches!(open(path), Err(Errno::NOTDIR | Errno::LOOP)), "{path}");
            }
            assert_eq!(open("a/none"), Err(Errno::NOENT));
        }
        let open = |path: &str| open_directory(fd.as_fd(), Path::new(path)).map(drop);
        assert_eq!([open("/"), open(".."), open("a/../..")], [Err(Errno::INVAL); 3]);
        assert_eq!(open(""), Ok(()));
    }

    #[test]
    fn only_the_fixed_part_may_be_reached_through_links() {
        let top = tempfile::tempdir().unwrap();
        fs::create_dir_all(top.path().join("data/Li/raw")).unwrap();
        symlink("data", top.path().join("fixed")).unwrap();
        symlink("Li", top.path().join("data/Chen")).unwrap();
        let source = |below: &str| SourceDirectory { root: top.path().join("fixed"), below: below.into() };
        assert!(
            source("Li/raw").open().is_ok() && source("Li/raw").exists() && !source("Curie/raw").exists()
        );
        let error = source("Chen/raw").open().unwrap_err().to_string();
        assert!(error.contains("fixed/Chen is a symbolic link"), "{error}");
        let mut descent = Descent::new(&source("")).unwrap();
        descent.enter(Path::new("Li/raw")).unwrap();
        assert!(descent.enter(Path::new("Chen/raw")).is_err());
        let paths: Vec<&Path> = descent.identities.keys().map(PathBuf::as_path).collect();
        assert_eq!(paths, ["", "Li", "Li/raw"].map(Path::new));
    }
}
