use super::ComposedMessage;
use super::error::{MailError, MailErrorKind};
use crate::domain::EmailAddress;
use std::io::Write;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Longest file name, in bytes: NAME_MAX less the temporary name's own part.
const NAME_MAX: usize = 240;

/// `.eml` files in a folder: one for each message and recipient, written atomically.
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        Folder { path: path.to_owned() }
    }

    /// Writes the file. The same message to the same recipient is the same file.
    pub(super) async fn send(
        &self,
        message: &ComposedMessage,
        to: &EmailAddress,
    ) -> Result<String, MailError> {
        let file = self.path.join(file_name(&message.message_id, to));
        let (folder, bytes, target) = (self.path.clone(), message.bytes.clone(), file.clone());
        self.write(move || {
            let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
            temporary.write_all(&bytes)?;
            temporary.as_file().sync_all()?;
            temporary.persist(target)?;
            Ok(())
        })
        .await?;
        Ok(file.display().to_string())
    }

    /// Makes a file without a name.
    pub(super) async fn probe(&self) -> Result<String, MailError> {
        let folder = self.path.clone();
        self.write(move || tempfile::NamedTempFile::new_in(folder)?.close()).await?;
        Ok(format!("messages go into {}", self.path.display()))
    }

    async fn write(
        &self,
        work: impl FnOnce() -> std::io::Result<()> + Send + 'static,
    ) -> Result<(), MailError> {
        let result =
            tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        result.map_err(|error| {
            use std::io::ErrorKind::{NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem};
            let lasting =
                matches!(error.kind(), NotFound | NotADirectory | PermissionDenied | ReadOnlyFilesystem);
            let kind = if lasting { MailErrorKind::Setup } else { MailErrorKind::TryLater };
            let remedy =
                if error.kind() == NotFound { "Create the folder" } else { "Make the folder writable" };
            let message = format!(
                "can't write a message into {}: {error}. {remedy}, or correct email.transport.folder.path",
                self.path.display()
            );
            MailError::new(kind, message)
        })
    }
}

fn file_name(message_id: &str, to: &EmailAddress) -> String {
    let id = message_id.trim_matches(['<', '>']);
    let whole = format!("{id}_{}", to.username());
    let safe: String = whole
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '@' | '.' | '_' | '-' | '+') { c } else { '_' })
        .collect();
    let safe = safe.trim_start_matches('.');
    if safe == whole && safe.len() <= NAME_MAX {
        return format!("{safe}.eml");
    }
    // Two recipients must not share a file because their names are equal when cut or made safe.
    let tail = Uuid::new_v5(&Uuid::NAMESPACE_URL, whole.as_bytes()).simple().to_string();
    let head: String = safe.chars().take(NAME_MAX - tail.len() - 1).collect();
    format!("{head}_{tail}.eml")
}
