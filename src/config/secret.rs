use secrecy::{ExposeSecret, SecretString};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// Longest secret, in bytes: a file of another kind, given by mistake, is not read into memory.
const SECRET_MAX: u64 = 64 * 1024;

/// Why a file's secret can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// It does not exist
    #[error("the secret's file {} does not exist. Create it with mode 0600 and the secret alone in it", file.display())]
    Missing {
        /// The file
        file: PathBuf,
    },
    /// It can't be read
    #[error("can't read the secret in {}: {source}", file.display())]
    Unreadable {
        /// The file
        file: PathBuf,
        /// What came back
        source: std::io::Error,
    },
    /// Others can read it
    #[error(
        "{} may be read by others (mode {mode:04o}): its secret counts as known. Run: chmod 600 {}",
        file.display(), file.display()
    )]
    OpenToOthers {
        /// The file
        file: PathBuf,
        /// Its mode
        mode: u32,
    },
    /// It can't be written
    #[error("can't write the secret to {}: {source}", file.display())]
    Unwritable {
        /// The file
        file: PathBuf,
        /// What came back
        source: std::io::Error,
    },
    /// It holds no secret
    #[error("{} {what}; it should hold the secret alone, on one line", file.display())]
    NoSecret {
        /// The file
        file: PathBuf,
        /// What it holds in place of one
        what: &'static str,
    },
}

/// The secret that a file holds, without the line end after it.
///
/// # Errors
/// Where the file is open to its group or others, can't be read, or is empty or no text.
pub fn read_secret(file: &Path) -> Result<SecretString, SecretFileError> {
    let unreadable = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => SecretFileError::Missing { file: file.to_owned() },
        _ => SecretFileError::Unreadable { file: file.to_owned(), source },
    };
    let no_secret = |what| SecretFileError::NoSecret { file: file.to_owned(), what };
    // Of the opened file, so that nobody can change it between the look and the reading.
    let opened = std::fs::File::open(file).map_err(unreadable)?;
    let metadata = opened.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(no_secret("is no file"));
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(SecretFileError::OpenToOthers { file: file.to_owned(), mode });
    }
    let mut text = String::new();
    opened.take(SECRET_MAX + 1).read_to_string(&mut text).map_err(|source| match source.kind() {
        std::io::ErrorKind::InvalidData => no_secret("holds no text"),
        _ => unreadable(source),
    })?;
    if text.len() as u64 > SECRET_MAX {
        return Err(no_secret("is too long for a secret"));
    }
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.is_empty() { Err(no_secret("is empty")) } else { Ok(SecretString::from(text)) }
}

/// Keeps a secret in a file of mode 0600 from its first byte on. A file that is there is replaced as a whole.
///
/// # Errors
/// Where the file's folder is missing or can't be written.
pub fn write_secret(file: &Path, secret: &SecretString) -> Result<(), SecretFileError> {
    let write = || {
        // Through a link, so that the link stays and the file behind it is replaced.
        let target = file.canonicalize().unwrap_or_else(|_| file.to_owned());
        let folder = match target.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mode = std::fs::Permissions::from_mode(0o600);
        let mut made = tempfile::Builder::new().prefix(".secret-").permissions(mode).tempfile_in(folder)?;
        made.write_all(secret.expose_secret().as_bytes())?;
        made.write_all(b"\n")?;
        made.as_file().sync_all()?;
        // The file of another account, e.g. the service's, stays its own where root replaces it.
        if let Ok(before) = target.metadata()
            && rustix::process::geteuid().is_root()
        {
            fchown(made.as_file(), Some(before.uid()), Some(before.gid()))?;
        }
        made.persist(&target)?;
        Ok(())
    };
    write().map_err(|source| SecretFileError::Unwritable { file: file.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &[u8], mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, content).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn a_secret_that_root_replaces_keeps_its_owner() {
        if !rustix::process::geteuid().is_root() {
            return; // only root can replace the file of another account
        }
        let theirs = file(b"before", 0o600);
        fchown(theirs.as_file(), Some(12_345), Some(12_346)).unwrap();
        write_secret(theirs.path(), &SecretString::from("after")).unwrap();
        let written = theirs.path().metadata().unwrap();
        assert_eq!((written.uid(), written.gid(), written.mode() & 0o777), (12_345, 12_346, 0o600));
    }

    #[test]
    fn a_secret_is_read_without_its_line_end() {
        for content in ["hunter2", "hunter2\n", "hunter2\r\n"] {
            let secret = read_secret(file(content.as_bytes(), 0o600).path()).unwrap();
            assert_eq!(secret.expose_secret(), "hunter2");
            assert!(!format!("{secret:?}").contains("hunter2"));
        }
        assert_eq!(read_secret(file(b" a \n\n", 0o400).path()).unwrap().expose_secret(), " a \n");
    }

    #[test]
    fn a_file_open_to_others_is_refused_with_the_remedy() {
        for mode in [0o640, 0o604, 0o660, 0o610, 0o777] {
            let error = read_secret(file(b"hunter2", mode).path()).unwrap_err().to_string();
            assert!(error.contains("chmod 600") && error.contains(&format!("{mode:04o}")), "{error}");
            assert!(!error.contains("hunter2"));
        }
    }

    #[test]
    fn a_written_secret_is_for_its_owner_only_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("secret"), folder.path().join("link"));
        std::os::unix::fs::symlink(&path, &link).unwrap();
        for secret in ["first", "second"] {
            write_secret(&path, &secret.into()).unwrap();
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(read_secret(&path).unwrap().expose_secret(), secret);
        }
        write_secret(&link, &"third".into()).unwrap();
        assert!(link.is_symlink());
        assert_eq!(read_secret(&path).unwrap().expose_secret(), "third");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside it");
        let error = write_secret(&folder.path().join("missing/secret"), &"x".into()).unwrap_err();
        assert!(matches!(error, SecretFileError::Unwritable { .. }), "{error}");
    }

    #[test]
    fn what_holds_no_secret_is_refused() {
        assert!(matches!(read_secret(Path::new("/nonexistent")), Err(SecretFileError::Missing { .. })));
        for content in [&b""[..], b"\n", b"\xff\xfe", &[b'x'; 70_000]] {
            assert!(matches!(
                read_secret(file(content, 0o600).path()),
                Err(SecretFileError::NoSecret { .. })
            ));
        }
        let folder = tempfile::tempdir().unwrap();
        assert!(read_secret(folder.path()).is_err());
    }
}
