//! Single files and directories, and walking through a directory tree.

use std::collections::VecDeque;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{FileEntry, Ls};
use crate::core::Core;
use crate::error::Result;
use crate::http::Call;

pub(super) async fn stat(core: &Core, collection: Uuid, path: &str) -> Result<FileEntry> {
    let id = collection.to_string();
    let url = core.transfer_endpoint(&["operation", "endpoint", &id, "stat"])?;
    let call = Call::get(url, format!("get {path} on collection {id}")).query("path", path);
    core.transfer(call).await
}

pub(super) async fn rename(core: &Core, collection: Uuid, from: &str, to: &str) -> Result<()> {
    let id = collection.to_string();
    let url = core.transfer_endpoint(&["operation", "endpoint", &id, "rename"])?;
    let document = json!({ "DATA_TYPE": "rename", "old_path": from, "new_path": to });
    // Not idempotent: at the second attempt the old name is missing, or names something else by now.
    let call = Call::post(url, format!("rename {from} to {to} on collection {id}"), &document)?;
    core.transfer::<Value>(call).await.map(|_| ())
}

/// A file, directory or symbolic link below the top of a walk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TreeEntry {
    /// Its directory, with a `/` at the end.
    pub directory: String,
    /// The number of directories between that one and the top.
    pub depth: usize,
    /// The entry.
    pub entry: FileEntry,
}

impl TreeEntry {
    /// The whole path.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// # fn example(found: transfer::TreeEntry) {
    /// println!("{}", found.path());
    /// # }
    /// ```
    pub fn path(&self) -> String {
        format!("{}{}", self.directory, self.entry.name)
    }
}

/// A walk through a directory tree; see
/// [`TransferHandler::ls_recursive`](super::TransferHandler::ls_recursive).
#[derive(Clone)]
#[must_use = "call `stream`"]
pub struct LsRecursive<'a> {
    listing: Ls<'a>,
    depth: Option<usize>,
}

/// The state of a walk.
struct Walk<'a> {
    settings: LsRecursive<'a>,
    /// Directories that are still to be listed: path, depth, and the offset of the next page.
    directories: VecDeque<(String, usize, u64)>,
    /// Entries of the current page that are not returned yet.
    entries: VecDeque<TreeEntry>,
}

impl<'a> LsRecursive<'a> {
    pub(super) fn new(listing: Ls<'a>) -> Self {
        Self { listing, depth: None }
    }

    /// Limits the levels of directories below the top; all by default, none with 0.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let shallow = client.transfer().ls_recursive(collection, "/").depth(1).stream();
    /// # Ok(())
    /// # }
    /// ```
    pub fn depth(mut self, levels: usize) -> Self {
        self.depth = Some(levels);
        self
    }

    /// Sets whether names that begin with a dot are listed and walked into.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let walk = client.transfer().ls_recursive(collection, "/").show_hidden(false).stream();
    /// # Ok(())
    /// # }
    /// ```
    pub fn show_hidden(mut self, show: bool) -> Self {
        self.listing = self.listing.show_hidden(show);
        self
    }

    /// All entries below the top, level by level, one request for each page of a directory. A directory that
    /// can't be listed yields its error, and the walk continues. Symbolic links aren't followed, since they
    /// can form cycles.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, collection: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// use futures::TryStreamExt;
    ///
    /// let mut walk = client.transfer().ls_recursive(collection, "/2026-03/").depth(3).stream();
    /// while let Some(found) = walk.try_next().await? {
    ///     println!("{} {}", found.path(), found.entry.size);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(self) -> BoxStream<'a, Result<TreeEntry>> {
        let mut top = self.listing.path().to_owned();
        if !top.ends_with('/') {
            top.push('/');
        }
        let walk =
            Walk { settings: self, directories: VecDeque::from([(top, 0, 0)]), entries: VecDeque::new() };
        stream::unfold(walk, |mut walk| async move { walk.next().await.map(|item| (item, walk)) }).boxed()
    }
}

impl Walk<'_> {
    async fn next(&mut self) -> Option<Result<TreeEntry>> {
        loop {
            if let Some(found) = self.entries.pop_front() {
                let is_deeper = self.settings.depth.is_none_or(|limit| found.depth < limit);
                if is_deeper && found.entry.is_dir() && found.entry.link_target.is_none() {
                    self.directories.push_back((format!("{}/", found.path()), found.depth + 1, 0));
                }
                return Some(Ok(found));
            }
            let (directory, depth, offset) = self.directories.pop_front()?;
            let listing = match self
                .settings
                .listing
                .clone()
                .at(directory.clone())
                .stream_page(offset, None)
                .page()
                .await
            {
                Ok(listing) => listing,
                Err(error) => return Some(Err(error)),
            };
            self.entries = listing
                .entries
                .into_iter()
                .map(|entry| TreeEntry { directory: directory.clone(), depth, entry })
                .collect();
            if let Some(next) = listing.next_offset {
                // The rest of this directory comes before the next one.
                self.directories.push_front((directory, depth, next));
            }
        }
    }
}
