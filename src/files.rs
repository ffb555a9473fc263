//! Files that decide what beamshare does: they are used only where nobody but their owner, the root account
//! and this account's groups can change them.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The largest text that is read, in bytes: settings, templates and schedules are far smaller.
pub(crate) const TEXT_MAX: u64 = 2 << 20;

/// Why a file is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FileError {
    #[error("can't be read: {message}")]
    Io { kind: io::ErrorKind, message: String },
    #[error("is not a regular file")]
    NotAFile,
    #[error("holds more than {} MB", TEXT_MAX >> 20)]
    TooLarge,
    #[error("is not text in UTF-8")]
    NoText,
    #[error("can be changed by {by} (mode {mode:04o}), so it is not used. Run: chmod {} {}", remedy(*mode), path.display())]
    Exposed { path: PathBuf, by: String, mode: u32 },
    #[error(
        "can be replaced by {by}, who may write in {} (mode {mode:04o}), so it is not used. {}",
        path.display(), folder_remedy(path, *mode)
    )]
    FolderExposed { path: PathBuf, by: String, mode: u32 },
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> FileError {
        FileError::Io { kind: error.kind(), message: error.to_string() }
    }
}

impl From<FileError> for io::Error {
    fn from(error: FileError) -> io::Error {
        match error {
            FileError::Io { kind, message } => io::Error::new(kind, message),
            error => io::Error::new(io::ErrorKind::PermissionDenied, error.to_string()),
        }
    }
}

fn remedy(mode: u32) -> &'static str {
    if mode & 0o002 != 0 { "go-w" } else { "g-w" }
}

fn folder_remedy(path: &Path, mode: u32) -> String {
    match mode & 0o1000 {
        0 => format!("Run: chmod {} {}", remedy(mode), path.display()),
        // Meant for everyone, like /tmp.
        _ => "Move it to a folder of its own".to_owned(),
    }
}

/// Reads a text that only this account, its groups, root or the owner can change.
pub(crate) fn read_trusted(path: &Path) -> Result<String, FileError> {
    // A pipe without a writer must not keep anybody waiting.
    let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    check_file(path, &file.metadata()?)?;
    check_folders_of(path)?;
    let mut bytes = vec![];
    file.take(TEXT_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > TEXT_MAX {
        return Err(FileError::TooLarge);
    }
    String::from_utf8(bytes).map_err(|_| FileError::NoText)
}

/// Checks a program or another file that is used by its name.
pub(crate) fn check_trusted(path: &Path) -> Result<(), FileError> {
    check_file(path, &std::fs::metadata(path)?)?;
    check_folders_of(path)
}

/// Checks a folder in which beamshare makes files by fixed names: nobody else may plant one there.
pub(crate) fn check_own_folder(folder: &Path) -> Result<(), FileError> {
    let metadata = std::fs::metadata(folder)?;
    if let Some(by) = others(&metadata) {
        return Err(FileError::FolderExposed { path: folder.to_owned(), by, mode: mode(&metadata) });
    }
    check_folders_of(folder)
}

fn check_file(path: &Path, metadata: &Metadata) -> Result<(), FileError> {
    if !metadata.is_file() {
        return Err(FileError::NotAFile);
    }
    match others(metadata) {
        Some(by) => Err(FileError::Exposed { path: path.to_owned(), by, mode: mode(metadata) }),
        None => Ok(()),
    }
}

/// Checks the folders above a file, both as it is named and where its links lead.
fn check_folders_of(path: &Path) -> Result<(), FileError> {
    for path in [std::path::absolute(path)?, path.canonicalize()?] {
        let mut owner = std::fs::symlink_metadata(&path)?.uid();
        for folder in path.ancestors().skip(1) {
            let metadata = std::fs::metadata(folder)?;
            // Where the sticky bit is set, as in /tmp, an entry can be replaced by its owner alone.
            let is_safe = metadata.mode() & 0o1000 != 0 && is_trusted_owner(owner);
            if let Some(by) = others(&metadata).filter(|_| !is_safe) {
                return Err(FileError::FolderExposed { path: folder.to_owned(), by, mode: mode(&metadata) });
            }
            owner = metadata.uid();
        }
    }
    Ok(())
}

/// Who else can write, by the mode.
fn others(metadata: &Metadata) -> Option<String> {
    if metadata.mode() & 0o002 != 0 {
        return Some("every account on this machine".to_owned());
    }
    let group = metadata.gid();
    let is_ours = group == 0
        || group == rustix::process::getegid().as_raw()
        || rustix::process::getgroups().is_ok_and(|groups| groups.iter().any(|ours| ours.as_raw() == group));
    (metadata.mode() & 0o020 != 0 && !is_ours)
        .then(|| format!("the accounts of group {group}, to which this account does not belong"))
}

fn is_trusted_owner(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}

fn mode(metadata: &Metadata) -> u32 {
    metadata.mode() & 0o7777
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_others_can_change_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings");
        std::fs::write(&file, "text").unwrap();
        for mode in [0o644, 0o600, 0o660, 0o664] {
            set_mode(&file, mode);
            assert_eq!(read_trusted(&file).as_deref(), Ok("text"), "{mode:o}");
        }
        for mode in [0o666, 0o646, 0o602] {
            set_mode(&file, mode);
            let error = read_trusted(&file).unwrap_err().to_string();
            assert!(error.contains(&format!("mode {mode:04o}")) && error.contains("chmod go-w"), "{error}");
            assert!(check_trusted(&file).is_err());
        }
        set_mode(&file, 0o644);
        let link = folder.path().join("link");
        symlink(&file, &link).unwrap();
        assert!(read_trusted(&link).is_ok());
        set_mode(folder.path(), 0o777);
        for path in [&file, &link] {
            let error = read_trusted(path).unwrap_err().to_string();
            assert!(error.contains("can be replaced") && error.contains("0777"), "{error}");
        }
        assert!(check_own_folder(folder.path()).is_err());
        // In a folder like /tmp nobody else can replace the file, but anybody can plant one.
        set_mode(folder.path(), 0o1777);
        assert!(read_trusted(&file).is_ok());
        assert!(check_own_folder(folder.path()).is_err());
    }

    #[test]
    fn a_foreign_group_is_others() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings");
        std::fs::write(&file, "text").unwrap();
        set_mode(&file, 0o664);
        if chown(&file, None, Some(54_321)).is_err() {
            return; // only root can give it away
        }
        let error = read_trusted(&file).unwrap_err().to_string();
        assert!(error.contains("group 54321") && error.contains("chmod g-w"), "{error}");
        set_mode(&file, 0o644);
        assert!(read_trusted(&file).is_ok());
    }

    #[test]
    fn only_a_small_regular_text_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert_eq!(read_trusted(&pipe), Err(FileError::NotAFile));
        assert_eq!(read_trusted(folder.path()), Err(FileError::NotAFile));
        let file = folder.path().join("file");
        std::fs::write(&file, vec![b' '; TEXT_MAX as usize]).unwrap();
        assert!(read_trusted(&file).is_ok());
        std::fs::write(&file, vec![b' '; TEXT_MAX as usize + 1]).unwrap();
        assert_eq!(read_trusted(&file), Err(FileError::TooLarge));
        std::fs::write(&file, b"\xff").unwrap();
        assert_eq!(read_trusted(&file), Err(FileError::NoText));
        assert!(matches!(read_trusted(Path::new("/nonexistent")), Err(FileError::Io { .. })));
    }
}
