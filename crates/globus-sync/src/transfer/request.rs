//! What a task is asked for with: kept in the manifest, so that it can be submitted again as it was.

use super::super::manifest::{Place, TaskFile};
use crate::SyncLevel;
use globus_transfer_client::{Symlinks, TransferTask};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;
use uuid::Uuid;

/// The parameters of a transfer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Request {
    source: (Uuid, String),
    pub destination: (Uuid, String),
    label: String,
    pub level: SyncLevel,
    verify: bool,
    preserve_times: bool,
    encrypt: bool,
    /// Seconds from the time at which it is submitted
    deadline: u64,
}

impl Request {
    pub fn new(source: &Place, destination: &Place, settings: &crate::PairSettings) -> Request {
        Request {
            source: (source.collection, with_slash(&source.path)),
            destination: (destination.collection, with_slash(&destination.path)),
            label: settings.label.clone(),
            level: settings.level,
            verify: settings.verify,
            preserve_times: settings.preserve_times,
            encrypt: settings.encrypt,
            deadline: settings.deadline.as_secs().max(1),
        }
    }

    /// The task with these files. One whose path is no UTF-8 can't be in a task, and so never is.
    pub fn task(&self, submission_id: Uuid, files: &[TaskFile]) -> TransferTask {
        let deadline =
            SignedDuration::try_from(Duration::from_secs(self.deadline)).unwrap_or(SignedDuration::MAX);
        let mut task = TransferTask::new(self.source.0, self.destination.0)
            .submission_id(submission_id)
            .label(self.label.clone())
            .sync_level(self.level.into())
            .verify_checksum(self.verify)
            .preserve_timestamp(self.preserve_times)
            .encrypt(self.encrypt)
            .deadline(Timestamp::now().saturating_add(deadline).unwrap_or(Timestamp::MAX))
            // A file that went away meanwhile must not hold the others up.
            .skip_source_errors(true)
            .fail_on_quota_errors(true)
            .symlinks(Symlinks::Ignore)
            // beamshare mails itself.
            .notify(false);
        for path in files.iter().filter_map(|file| file.path.to_str()) {
            task = task.file(format!("{}{path}", self.source.1), format!("{}{path}", self.destination.1));
        }
        task
    }

    /// A path of the service's lists as one below the pair's top.
    pub fn below_source(&self, path: &str) -> Option<PathBuf> {
        let below = path.strip_prefix(&self.source.1)?;
        (!below.is_empty()).then(|| Path::new(below).to_owned())
    }

    pub fn below_destination(&self, path: &str) -> Option<PathBuf> {
        let below = path.strip_prefix(&self.destination.1)?;
        (!below.is_empty()).then(|| Path::new(below).to_owned())
    }
}

/// A directory's path as files are put behind it.
pub fn with_slash(path: &str) -> String {
    format!("{}/", path.trim_end_matches('/'))
}
