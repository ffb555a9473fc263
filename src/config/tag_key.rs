//! The file of the keys that sign user info: one key on each line, the current one first.

use super::secret::{SecretFileError, read_secret, write_secret};
use crate::domain::{KeyError, TagKeys};
use secrecy::{ExposeSecret, SecretString};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Why a key file can't be used or written.
#[derive(Debug, thiserror::Error)]
pub enum TagKeyError {
    /// The file can't be read or written, or others can read it
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// The file holds something else than keys
    #[error("{} {source}; make one with: beamshare tag --new-key {}", file.display(), file.display())]
    Keys {
        /// The file
        file: PathBuf,
        /// What is wrong with it
        source: KeyError,
    },
    /// The system gives no random numbers
    #[error("can't make a key: the system gives no random numbers: {0}")]
    Random(std::io::Error),
}

/// Reads the keys of a file.
///
/// # Errors
/// Where others can read the file, it can't be read, or it holds no keys.
pub fn read_tag_keys(file: &Path) -> Result<TagKeys, TagKeyError> {
    let text = read_secret(file)?;
    TagKeys::parse(text.expose_secret()).map_err(|source| TagKeyError::Keys { file: file.to_owned(), source })
}

/// Writes a new key of 256 bits as the file's first line, with mode 0600. The current key of a file that
/// exists stays as the second line, so that it remains valid until the next new key. Returns whether there
/// was one.
///
/// # Errors
/// Where a file that exists is not a key file, or the folder can't be written.
pub fn write_new_tag_key(file: &Path) -> Result<bool, TagKeyError> {
    let before = if file.try_exists().unwrap_or(true) {
        read_tag_keys(file)?;
        Some(read_secret(file)?)
    } else {
        None
    };
    let mut text = new_key()?;
    let is_key = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let current = before.as_ref().and_then(|keys| keys.expose_secret().lines().map(str::trim).find(is_key));
    if let Some(current) = current {
        text.push('\n');
        text.push_str(current);
    }
    write_secret(file, &SecretString::from(text))?;
    Ok(before.is_some())
}

fn new_key() -> Result<String, TagKeyError> {
    let mut bytes = [0; 32];
    let mut filled = 0;
    while filled < bytes.len() {
        let rest = bytes.get_mut(filled..).unwrap_or_default();
        filled += rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty())
            .map_err(|error| TagKeyError::Random(error.into()))?;
    }
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn lines(file: &Path) -> Vec<String> {
        std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_new_key_keeps_the_one_before_it_valid() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tag.key");
        assert!(!write_new_tag_key(&file).unwrap());
        let first = lines(&file);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(first.len() == 1 && first[0].len() == 64);
        assert!(write_new_tag_key(&file).unwrap());
        let second = lines(&file);
        assert!(second.len() == 2 && second[0] != first[0] && second[1] == first[0]);
        assert!(write_new_tag_key(&file).unwrap());
        assert_eq!(lines(&file)[1], second[0], "the oldest key is gone");
        read_tag_keys(&file).unwrap();
    }

    #[test]
    fn a_file_of_another_kind_is_neither_read_nor_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("globus.secret");
        write_secret(&file, &"a secret".into()).unwrap();
        let error = read_tag_keys(&file).unwrap_err().to_string();
        assert!(error.contains("--new-key") && !error.contains("a secret"), "{error}");
        assert!(matches!(write_new_tag_key(&file), Err(TagKeyError::Keys { .. })));
        assert_eq!(lines(&file), ["a secret"]);

        let key = folder.path().join("tag.key");
        write_new_tag_key(&key).unwrap();
        std::fs::set_permissions(&key, PermissionsExt::from_mode(0o640)).unwrap();
        let before = lines(&key);
        for error in [read_tag_keys(&key).unwrap_err(), write_new_tag_key(&key).unwrap_err()] {
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
        assert_eq!(lines(&key), before);
    }
}
