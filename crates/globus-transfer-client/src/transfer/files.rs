//! Single files and directories: looking, renaming, and walking through a tree.

use std::collections::VecDeque;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{FileEntry, Ls};
use crate::core::Core;
use crate::error::Result;
use crate::http::Call;

pub(super) async fn stat(core: &Core, collection: Uuid, path: &str) -> Result<FileEntry> {
    let id = collection.to_string();
    let url = core.transfer_endpoint(&["operation", "endpoint", &id, "stat"])?;
    let call = Call::get(url, format!("look at {path} on collection {id}")).query("path", path);
    core.transfer(call).await
}

pub(super) async fn rename(core: &Core, collection: Uuid, from: &str, to: &str) -> Result<()> {
    let id = collection.to_string();
    let url = core.transfer_endpoint(&["operation", "endpoint", &id, "rename"])?;
    let document = json!({ "DATA_TYPE": "rename", "old_path": from, "new_path": to });
    // Not repeated: a second time it isn't there under the old name, or something else is by now.
    let call = Call::post(url, format!("rename {from} to {to} on collection {id}"), &document)?;
    core.transfer::<Value>(call).await.map(|_| ())
}

/// A file, directory or link that a walk came across.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TreeEntry {
    /// The directory that it is in, with a `/` at the end.
    pub directory: String,
    /// How many directories below the first one that is.
    pub depth: usize,
    /// What it is.
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

/// A walk through a directory tree; see [`TransferHandler::ls_recursive`](super::TransferHandler::ls_recursive).
#[derive(Clone)]
pub struct LsRecursive<'a> {
    listing: Ls<'a>,
    depth: Option<usize>,
}

struct Walk<'a> {
    settings: LsRecursive<'a>,
    /// Directories still to be listed, and what was found and not given out yet.
    directories: VecDeque<(String, usize)>,
    found: VecDeque<TreeEntry>,
}

impl<'a> LsRecursive<'a> {
    pub(super) fn new(listing: Ls<'a>) -> Self {
        Self { listing, depth: None }
    }

    /// How many levels of directories below the first one are listed; all by default, none with 0.
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

    /// Whether names that begin with a dot are listed and walked into.
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

    /// Everything below, level by level, one request a directory. A directory that can't be listed gives its error, and
    /// the walk goes on. Links aren't followed: they could lead round in circles.
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
        let walk = Walk { settings: self, directories: VecDeque::from([(top, 0)]), found: VecDeque::new() };
        stream::unfold(walk, |mut walk| async move { walk.next().await.map(|item| (item, walk)) }).boxed()
    }
}

impl Walk<'_> {
    async fn next(&mut self) -> Option<Result<TreeEntry>> {
        loop {
            if let Some(found) = self.found.pop_front() {
                let deeper = self.settings.depth.is_none_or(|limit| found.depth < limit);
                if deeper && found.entry.is_dir() && found.entry.link_target.is_none() {
                    self.directories.push_back((format!("{}/", found.path()), found.depth + 1));
                }
                return Some(Ok(found));
            }
            let (directory, depth) = self.directories.pop_front()?;
            match self.settings.listing.clone().at(directory.clone()).send().await {
                Ok(listing) => self.found.extend(listing.entries.into_iter().map(|entry| TreeEntry {
                    directory: directory.clone(),
                    depth,
                    entry,
                })),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
