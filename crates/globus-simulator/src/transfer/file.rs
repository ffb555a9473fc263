//! The document of a file, and what a failed file operation answers.

use std::io;

use axum::http::StatusCode;
use cap_std::fs::{Dir, Metadata, MetadataExt};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::reply::TransferError;
use crate::sandbox::Virtual;
use crate::state::Collection;

/// `2021-01-15 01:45:50+00:00`, the way listings write times (with a blank, unlike tasks).
pub(crate) fn file_time(metadata: &Metadata) -> String {
    metadata
        .modified()
        .ok()
        .and_then(|at| Timestamp::try_from(at.into_std()).ok())
        .map(|at| at.strftime("%Y-%m-%d %H:%M:%S+00:00").to_string())
        .unwrap_or_default()
}

fn kind(metadata: &Metadata) -> &'static str {
    use cap_std::fs::FileTypeExt;
    let kind = metadata.file_type();
    if kind.is_dir() {
        "dir"
    } else if kind.is_file() {
        "file"
    } else if kind.is_symlink() {
        "invalid_symlink"
    } else if kind.is_char_device() {
        "chr"
    } else if kind.is_block_device() {
        "blk"
    } else if kind.is_fifo() {
        "pipe"
    } else {
        "other"
    }
}

/// The document of an entry: of a symbolic link, that of its target, with the link's own values beside it.
pub(crate) fn document(dir: &Dir, path: &std::path::Path, name: &str) -> io::Result<Value> {
    let own = dir.symlink_metadata(path)?;
    let link = own.file_type().is_symlink();
    let metadata = if link { dir.metadata(path).unwrap_or_else(|_| own.clone()) } else { own.clone() };
    let target = link
        .then(|| dir.read_link_contents(path).ok())
        .flatten()
        .map(|target| target.to_string_lossy().into_owned());
    Ok(json!({
        "DATA_TYPE": "file",
        "name": name,
        "type": kind(&metadata),
        "size": metadata.len(),
        "last_modified": file_time(&metadata),
        "permissions": format!("{:04o}", metadata.mode() & 0o7777),
        "user": metadata.uid().to_string(),
        "group": metadata.gid().to_string(),
        "link_target": target,
        "link_size": link.then(|| own.len()),
        "link_user": link.then(|| own.uid().to_string()),
        "link_group": link.then(|| own.gid().to_string()),
        "link_last_modified": link.then(|| file_time(&own)),
    }))
}

/// One operation on one path, for the text and the code of its refusal.
pub(crate) struct Attempt<'a> {
    pub collection: &'a Collection,
    /// `list`, `mkdir`, `rename`, as in the message.
    pub verb: &'a str,
    /// `DirListing`, `Mkdir`, `Rename`, as in the code.
    pub noun: &'a str,
    /// `MKD`, as data servers name it.
    pub command: &'a str,
    pub path: &'a Virtual,
}

impl Attempt<'_> {
    fn message(&self, first: &str, reason: &str, cause: &str) -> String {
        format!(
            "{first}, Error ({})\nEndpoint: {} ({})\nServer: 127.0.0.1:443\nCommand: {} {}\n\
             Message: Fatal FTP Response\n---\nDetails: 500-Command failed. : {reason}\\r\\n\
             500-GlobusError: v=1 c={cause}\\r\\n500 End.\\r\\n\\n",
            self.verb,
            self.collection.name,
            self.collection.id,
            self.command,
            self.path.as_str(),
        )
    }

    /// Refused by an access rule, or by the mode of a file.
    pub fn denied(&self) -> TransferError {
        TransferError::new(
            StatusCode::FORBIDDEN,
            "EndpointPermissionDenied",
            self.message("Denied by endpoint", "Path not allowed.", "PERMISSION_DENIED"),
        )
    }

    pub fn not_found(&self) -> TransferError {
        TransferError::not_found(
            "ClientError.NotFound",
            self.message("Path not found", "No such file or directory", "PATH_NOT_FOUND"),
        )
    }

    pub fn exists(&self) -> TransferError {
        TransferError::new(
            StatusCode::BAD_GATEWAY,
            &format!("ExternalError.{}Failed.Exists", self.noun),
            self.message("Path already exists", "File exists", "PATH_EXISTS"),
        )
    }

    pub fn not_directory(&self) -> TransferError {
        TransferError::new(
            StatusCode::BAD_GATEWAY,
            &format!("ExternalError.{}Failed.NotDirectory", self.noun),
            self.message("Not a directory", "Not a directory", "NOT_A_DIRECTORY"),
        )
    }

    /// What an error of the disk means to the caller.
    pub fn failed(&self, error: &io::Error) -> TransferError {
        match error.kind() {
            io::ErrorKind::NotFound => self.not_found(),
            io::ErrorKind::AlreadyExists => self.exists(),
            // cap-std answers "permission denied" for a path that leads outside of the collection, too.
            io::ErrorKind::PermissionDenied => self.denied(),
            io::ErrorKind::NotADirectory => self.not_directory(),
            io::ErrorKind::InvalidFilename | io::ErrorKind::InvalidInput => {
                TransferError::invalid_path(self.message("Invalid path", &error.to_string(), "INVALID_PATH"))
            }
            _ => TransferError::new(
                StatusCode::BAD_GATEWAY,
                "EndpointError",
                self.message("Endpoint Error", &error.to_string(), "INTERNAL_ERROR"),
            ),
        }
    }
}
