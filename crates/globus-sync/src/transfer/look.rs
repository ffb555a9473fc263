//! Comparing the source with the manifest.

use super::super::manifest::{FileRow, Found, Place, TaskDirectory, unblocked};
use super::super::walk::{self, Filters, Kind, Listing, Stat, Tree, WalkError};
use super::inspection::{self, Inspection};
use super::report::{FailureCause, RunAborted, SyncState};
use super::run_pair::Run;
use std::collections::{HashSet, VecDeque};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many directories that can't be read are named.
const NAMES_TOLD: usize = 3;

impl Run<'_> {
    /// Walks the whole source.
    pub(super) async fn look(&mut self) -> Result<(), RunAborted> {
        let filters = Filters::new(&self.pair.settings.filters);
        let Some(source) = self.pair.local.clone() else { return self.look_remote(&filters).await };
        let tree = Tree { source, filters: Arc::new(filters) };
        let walked = walk::refresh(self.engine.manifest(), self.pair.row.id, &tree).await;
        let report = match walked {
            Ok(report) => report,
            Err(WalkError::Manifest(error)) => return Err(error.into()),
            // A directory that the next group's tool has not made yet, a file system that is not mounted.
            Err(error @ WalkError::Top { .. }) => {
                return Err(RunAborted::failed(FailureCause::Source, error.to_string()));
            }
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
            let remark = format!(
                "{} directories can't be read, so nothing new of them is sent ({some})",
                unread.len()
            );
            // A second look of one run says the same.
            if !self.remarks.contains(&remark) {
                self.remarks.push(remark);
            }
        }
    }

    /// Lists the source collection, directory by directory.
    async fn look_remote(&mut self, filters: &Filters) -> Result<(), RunAborted> {
        let source = self.pair.row.pair.source.clone();
        if let Some(why) = self.link_on_the_way().await? {
            return Err(RunAborted::failed(FailureCause::Source, why));
        }
        let mut comparison = self.engine.manifest().comparison(self.pair.row.id, Found::Walk);
        let mut directories = VecDeque::from([PathBuf::new()]);
        let mut unread: Vec<(PathBuf, String)> = vec![];
        while let Some(directory) = directories.pop_front() {
            self.go_on().await?;
            let entries = match self.shown(&source, &directory).await? {
                Ok(Some(entries)) => entries,
                Ok(None) if directory.as_os_str().is_empty() => {
                    let message = format!(
                        "the source {} is not there on collection {}",
                        source.path, source.collection
                    );
                    return Err(RunAborted::failed(FailureCause::Source, message));
                }
                // Gone since its parent was listed.
                Ok(None) => continue,
                Err(why) if directory.as_os_str().is_empty() => {
                    return Err(RunAborted::failed(FailureCause::Listing, why));
                }
                Err(why) => {
                    unread.push((directory, why));
                    continue;
                }
            };
            let mut listing = Listing::new(directory.clone());
            for entry in entries.values() {
                // A name with a slash would be another file's path.
                if matches!(entry.name.as_str(), "" | "." | "..") || entry.name.contains('/') {
                    unread.push((
                        directory.clone(),
                        format!("the listing has the impossible name {:?}", entry.name),
                    ));
                    continue;
                }
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
                    let mtime =
                        entry.last_modified.map_or(0, |time| time.as_second().saturating_mul(1_000_000_000));
                    listing.push(
                        OsStr::new(&entry.name),
                        kind,
                        Stat { size: entry.size, mtime, ctime: 0, inode: 0 },
                    );
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

    /// A component of a source on a collection that is a symbolic link below the fixed part of its path, as a
    /// sentence.
    pub(super) async fn link_on_the_way(&mut self) -> Result<Option<String>, RunAborted> {
        let source = self.pair.row.pair.source.clone();
        let fixed = self.pair.settings.fixed_source.clone();
        let whole = super::with_slash(&source.path);
        let mut above = Place { collection: source.collection, path: fixed.clone() };
        for name in whole.strip_prefix(&fixed).unwrap_or_default().split_terminator('/') {
            let entries = match self.shown(&above, Path::new("")).await? {
                Ok(entries) => entries.unwrap_or_default(),
                Err(why) => return Err(RunAborted::failed(FailureCause::Listing, why)),
            };
            above.path = format!("{}{name}/", above.path);
            match entries.get(name) {
                Some(entry) if entry.link_target.is_some() || entry.kind.contains("link") => {
                    return Ok(Some(format!(
                        "{} on collection {} is a symbolic link, which may lead to another group's data; \
                         make a directory of it",
                        above.path, source.collection
                    )));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// Looks at files that are about to be sent once more: the walk can be hours ago. `None` where some have
    /// changed, which the manifest knows then.
    pub(super) async fn look_again(
        &mut self,
        files: &[FileRow],
    ) -> Result<Option<Vec<TaskDirectory>>, RunAborted> {
        let Some(source) = self.pair.local.clone() else { return Ok(Some(vec![])) };
        let (known, path) = (files.to_vec(), source.path());
        let inspection = unblocked(move || inspection::inspect(&source, &known)).await;
        let Inspection { changed, linked, directories } = inspection.map_err(|error| {
            let message = format!("can't read the source directory {}: {error}", path.display());
            RunAborted::failed(FailureCause::Source, message)
        })?;
        let held = self.hold_hard_links(linked).await?;
        if changed.is_empty() {
            return Ok((!held).then_some(directories));
        }
        let mut comparison = self.engine.manifest().comparison(self.pair.row.id, Found::Walk);
        unblocked(move || comparison.paths(&changed)).await?;
        Ok(None)
    }

    /// Holds back files that have a name elsewhere, e.g. in another group's directory. True where
    /// there are some.
    async fn hold_hard_links(&self, linked: Vec<(FileRow, u32)>) -> Result<bool, RunAborted> {
        if linked.is_empty() || !self.pair.settings.holds_hard_links {
            return Ok(false);
        }
        let inodes: HashSet<u64> = linked.iter().map(|(file, _)| file.stat.inode).collect();
        let comparison = self.engine.manifest().comparison(self.pair.row.id, Found::Walk);
        let names = unblocked(move || comparison.files_of(&inodes)).await?;
        let inside = |inode: u64| names.iter().filter(|file| file.stat.inode == inode).count();
        let outside = linked.into_iter().filter(|(file, count)| inside(file.stat.inode) < *count as usize);
        let held: Vec<FileRow> = outside.map(|(file, _)| file).collect();
        let some = !held.is_empty();
        if some {
            self.engine.manifest().hold_hard_links(self.pair.row.id, held).await?;
        }
        Ok(some)
    }
}
