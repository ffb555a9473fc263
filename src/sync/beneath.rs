//! Opening what is below a directory without ever leaving it: no symbolic link on the way is followed.

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

/// Opens the directory `path` below `top` for reading, component by component: a link that someone puts in its way is an
/// error (`ELOOP` or `ENOTDIR`), not a way out of the tree, and a path may be longer than `PATH_MAX`. The empty path
/// opens the top itself.
///
/// # Errors
/// `EINVAL` where the path is absolute or has `..` in it.
pub fn open_directory(top: BorrowedFd<'_>, path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut at: Option<OwnedFd> = None;
    let mut components = path.components().peekable();
    while let Some(component) = components.next() {
        let Component::Normal(name) = component else { return Err(Errno::INVAL) };
        let how = if components.peek().is_some() { OFlags::PATH } else { OFlags::RDONLY };
        let next = openat(at.as_ref().map_or(top, |fd| fd.as_fd()), name, how | flags, Mode::empty())?;
        at = Some(next);
    }
    match at {
        Some(fd) => Ok(fd),
        None => openat(top, ".", OFlags::RDONLY | flags, Mode::empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};

    #[test]
    fn nothing_outside_is_opened() {
        let top = tempfile::tempdir().unwrap();
        fs::create_dir_all(top.path().join("a/b")).unwrap();
        fs::write(top.path().join("a/file"), "x").unwrap();
        std::os::unix::fs::symlink("/", top.path().join("a/out")).unwrap();
        std::os::unix::fs::symlink("b", top.path().join("a/in")).unwrap();
        let fd = File::open(top.path()).unwrap();
        let open = |path: &str| open_directory(fd.as_fd(), Path::new(path)).map(drop);
        assert_eq!([open(""), open("a"), open("a/b")], [Ok(()); 3]);
        assert_eq!([open("/"), open(".."), open("a/../..")], [Err(Errno::INVAL); 3]);
        for path in ["a/out", "a/in", "a/out/etc", "a/file", "a/file/x"] {
            assert!(matches!(open(path), Err(Errno::NOTDIR | Errno::LOOP)), "{path}");
        }
        assert_eq!(open("a/none"), Err(Errno::NOENT));
    }
}
