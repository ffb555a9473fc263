//! Compares the destination with what was sent, and sends again what is missing or different there.

use super::super::clean_up::listing::has_time_of;
use super::super::manifest::{FileRow, FileState, PairRow};
use super::report::{RunAborted, SyncState};
use super::run_pair::Run;
use crate::{PairSettings, SyncLevel};
use globus_transfer_client::FileEntry;
use jiff::{SignedDuration, Timestamp};
use std::path::Path;
use std::time::Duration;

/// Files that are compared in one go.
const PAGE: usize = 20_000;

/// When the destination is to be compared with what was sent; `None` where that is only done by hand.
pub fn next_repair(compare: Option<Duration>, row: &PairRow) -> Option<Timestamp> {
    let every = SignedDuration::try_from(compare?).unwrap_or(SignedDuration::MAX);
    let last = row.compared_at.or(row.first_success_at)?;
    Some(last.saturating_add(every).unwrap_or(Timestamp::MAX))
}

impl Run<'_> {
    /// Lists the destination and makes files new again that it has no more, or not as they were sent.
    pub(super) async fn compare_destination(&mut self) -> Result<(), RunAborted> {
        let destination = self.pair.row.pair.destination.clone();
        let (mut cursor, mut count, mut example) = (None, 0, None);
        loop {
            let page = self.engine.manifest().moved(self.pair.row.id, cursor, PAGE).await?;
            let mut again: Vec<FileRow> = vec![];
            for files in page.files.chunk_by(|one, other| one.path.parent() == other.path.parent()) {
                self.go_on().await?;
                let directory = files[0].path.parent().unwrap_or(Path::new(""));
                let what = format!("comparing with the destination: {}", directory.display());
                self.progress.say(SyncState::Looking, what);
                let entries = match self.shown(&destination, directory).await? {
                    Ok(entries) => entries.unwrap_or_default(),
                    Err(why) => {
                        self.remarks
                            .push(format!("{directory:?} can't be compared with the destination: {why}"));
                        continue;
                    }
                };
                let is_there = |file: &&FileRow| {
                    let name = file.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                    entries.get(name).is_some_and(|entry| self.is_as_moved(file, entry))
                };
                again.extend(files.iter().filter(|file| !is_there(file)).cloned());
            }
            count += again.len();
            example = example.or_else(|| again.first().map(|file| file.path.clone()));
            self.engine.manifest().send_again(self.pair.row.id, again).await?;
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        self.engine.manifest().set_compared(self.pair.row.id).await?;
        if let Some(example) = example {
            let remark = format!(
                "{count} files were missing or changed at the destination (e.g. {example:?}) and are sent \
                 again"
            );
            tracing::warn!(pair = self.name(), "{remark}");
            self.remarks.push(remark);
        }
        Ok(())
    }

    /// Whether a file of the destination is what was sent, as far as a listing tells. What the destination
    /// had before may differ in what the pair's `level` does not compare.
    fn is_as_moved(&self, file: &FileRow, entry: &FileEntry) -> bool {
        let settings: &PairSettings = &self.pair.settings;
        let sent = file.state == FileState::Sent;
        entry.kind == "file"
            && (entry.size == file.stat.size || (!sent && settings.level == SyncLevel::Exists))
            && (!sent
                || !settings.preserve_times
                || entry.last_modified.is_none_or(|at| has_time_of(at, file)))
    }
}
