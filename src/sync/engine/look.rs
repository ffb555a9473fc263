//! Comparing the source with the manifest.

use super::super::beneath;
use super::super::manifest::{FileRow, Found, unblocked};
use super::super::walk::{self, At, Filters, Kind, Listing, Stat, Tree, WalkError};
use super::report::{Halt, SyncState};
use super::run::Run;
use rustix::fs::{Mode, OFlags};
use std::collections::VecDeque;
use std::ffi::{CString, OsStr};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many directories that can't be read are named.
const NAMES_TOLD: usize = 3;

impl Run<'_> {
    /// Walks the whole source.
    pub(super) async fn look(&mut self) -> Result<(), Halt> {
        let filters = Filters::new(&self.pair.settings.filters);
        let Some(top) = self.pair.row.pair.local.clone() else { return self.look_remote(&filters).await };
        let tree = Tree { top, filters: Arc::new(filters) };
        let walked = walk::refresh(self.engine.manifest(), self.pair.row.id, &tree).await;
        let report = match walked {
            Ok(report) => report,
            Err(WalkError::Manifest(error)) => return Err(error.into()),
            // A directory that the next group's tool has not made yet, a file system that is not mounted.
            Err(error @ WalkError::Top { .. }) => return Err(Halt::Failed(error.to_string())),
        };
        self.tell_unread(
            report.unread.iter().map(|unread| (unread.path.as_path(), unread.source.to_string())).collect(),
        );
        Ok(())
    }

    fn tell_unread(&mut self, unread: Vec<(&Path, String)>) {
        if !unread.is_empty() {
            let some = unread.iter().take(NAMES_TOLD).map(|(path, why)| format!("{path:?}: {why}"));
            let some = some.collect::<Vec<_>>().join(", ");
            let remark = format!("{} directories can't be read, so nothing new of them is sent ({some})", unread.len());
            // A second look of one run says the same.
            if !self.remarks.contains(&remark) {
                self.remarks.push(remark);
            }
        }
    }

    /// Lists the source collection, directory by directory.
    async fn look_remote(&mut self, filters: &Filters) -> Result<(), Halt> {
        let source = self.pair.row.pair.source.clone();
        let mut comparison = self.engine.manifest().comparison(self.pair.row.id, Found::Walk);
        let mut directories = VecDeque::from([PathBuf::new()]);
        let mut unread: Vec<(PathBuf, String)> = vec![];
        while let Some(directory) = directories.pop_front() {
            self.go_on().await?;
            let entries = match self.shown(&source, &directory).await? {
                Ok(Some(entries)) => entries,
                Ok(None) if directory.as_os_str().is_empty() => {
                    return Err(Halt::Failed(format!(
                        "the source {} is not there on collection {}",
                        source.path, source.collection
                    )));
                }
                // Gone since its parent was listed.
                Ok(None) => continue,
                Err(why) if directory.as_os_str().is_empty() => return Err(Halt::Failed(why)),
                Err(why) => {
                    unread.push((directory, why));
                    continue;
                }
            };
            let mut listing = Listing::new(directory.clone());
            for entry in entries.values() {
                let link = entry.link_target.is_some();
                if entry.is_dir() && !link {
                    directories.push_back(directory.join(&entry.name));
                    continue;
                }
                let kind = match entry.kind.as_str() {
                    _ if link => Kind::Link,
                    "file" => Kind::File,
                    _ => Kind::Special,
                };
                if kind != Kind::File || filters.wants(OsStr::new(&entry.name)) {
                    let mtime = entry.last_modified.map_or(0, |time| time.as_second().saturating_mul(1_000_000_000));
                    listing.push(OsStr::new(&entry.name), kind, Stat { size: entry.size, mtime, inode: 0 });
                }
            }
            listing.sort();
            self.progress.say(SyncState::Looking, format!("looking for new files: {}", directory.display()));
            comparison = unblocked(move || comparison.listings(&[listing]).map(|()| comparison)).await?;
        }
        let nothing_known: Vec<PathBuf> = unread.iter().map(|(path, _)| path.clone()).collect();
        unblocked(move || comparison.finish(&[PathBuf::new()], &nothing_known)).await?;
        self.tell_unread(unread.iter().map(|(path, why)| (path.as_path(), why.clone())).collect());
        Ok(())
    }

    /// Looks at files that are about to be sent once more: the walk can be hours ago. True where one has changed.
    pub(super) async fn look_again(&mut self, files: &[FileRow]) -> Result<bool, Halt> {
        let Some(top) = self.pair.row.pair.local.clone() else { return Ok(false) };
        let known: Vec<(PathBuf, Stat)> = files.iter().map(|file| (file.path.clone(), file.stat)).collect();
        let mut comparison = self.engine.manifest().comparison(self.pair.row.id, Found::Walk);
        let changed = unblocked(move || {
            let changed = changed(&top, known)?;
            if !changed.is_empty() {
                comparison.paths(&changed).map_err(Halt::from)?;
            }
            Ok::<_, Halt>(!changed.is_empty())
        });
        changed.await
    }
}

/// Those of the files that are not as they are known, with what stands there now.
fn changed(top: &Path, known: Vec<(PathBuf, Stat)>) -> Result<Vec<(PathBuf, At)>, Halt> {
    let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let failed = |errno| Halt::Failed(format!("can't read the source directory {}: {errno}", top.display()));
    let top = rustix::fs::open(top, how, Mode::empty()).map_err(failed)?;
    let mut changed = vec![];
    let mut open: Option<(PathBuf, rustix::io::Result<std::os::fd::OwnedFd>)> = None;
    for (path, stat) in known {
        let directory = path.parent().unwrap_or(Path::new(""));
        if open.as_ref().is_none_or(|(open, _)| open != directory) {
            open = Some((directory.to_owned(), beneath::open_directory(top.as_fd(), directory)));
        }
        let name = path.file_name().and_then(|name| CString::new(name.as_bytes()).ok());
        let at = match (&open, &name) {
            (Some((_, Ok(fd))), Some(name)) => walk::look(fd.as_fd(), name).ok(),
            _ => None,
        };
        match at {
            Some(At::File(kind, now)) if (kind, now) == (Kind::File, stat) => {}
            // What can't be looked at now is not sent now; a directory in its place comes with the next walk.
            other => changed.push((path, other.unwrap_or(At::Nothing))),
        }
    }
    Ok(changed)
}
