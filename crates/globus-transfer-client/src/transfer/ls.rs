//! Listing a directory.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::core::Core;
use crate::error::Result;
use crate::http::Call;
use crate::lenient;

/// A listing of one directory.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listing {
    /// The directory, as the service understood it; none when the collection doesn't tell its default directory.
    pub path: Option<String>,
    /// What is in it.
    pub entries: Vec<FileEntry>,
    /// How many entries there are in all, when the service counted them.
    pub total: Option<u64>,
    /// Whether there is more behind the limit.
    pub has_next_page: bool,
}

/// One file, directory or link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FileEntry {
    /// The name, without the directory.
    pub name: String,
    /// `file`, `dir`, `chr`, `blk`, `pipe`, `link`, `other` or `invalid_symlink`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The size in bytes.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub size: u64,
    /// When it was last changed.
    #[serde(default, deserialize_with = "lenient::time")]
    pub last_modified: Option<Timestamp>,
    /// Unix permissions in octal, such as `0644`.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub permissions: Option<String>,
    /// The owner on the storage system.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub user: Option<String>,
    /// The group on the storage system.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub group: Option<String>,
    /// Where a symbolic link points to.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub link_target: Option<String>,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl FileEntry {
    /// Whether it is a directory.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let listing = client.transfer().ls(collection, "/2026-03/").send().await?;
    /// let directories = listing.entries.iter().filter(|entry| entry.is_dir()).count();
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_dir(&self) -> bool {
        self.kind == "dir"
    }
}

/// A listing to ask for; see [`TransferHandler::ls`](super::TransferHandler::ls).
#[derive(Clone)]
pub struct Ls<'a> {
    core: &'a Core,
    collection: Uuid,
    path: String,
    show_hidden: Option<bool>,
    filters: Vec<String>,
    order: Vec<String>,
    limit: Option<u32>,
    offset: Option<u64>,
    local_user: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    path: Option<String>,
    #[serde(rename = "DATA", deserialize_with = "lenient::items")]
    data: Vec<FileEntry>,
    #[serde(default)]
    total: Option<u64>,
    #[serde(default)]
    has_next_page: Option<bool>,
}

impl<'a> Ls<'a> {
    pub(super) fn new(core: &'a Core, collection: Uuid, path: String) -> Self {
        Self {
            core,
            collection,
            path,
            show_hidden: None,
            filters: Vec::new(),
            order: Vec::new(),
            limit: None,
            offset: None,
            local_user: None,
        }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The same listing of another directory.
    pub(super) fn at(mut self, path: String) -> Self {
        self.path = path;
        self
    }

    /// Whether names that begin with a dot are listed; the service's default is yes.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let listing = client.transfer().ls(collection, "/2026-03/").show_hidden(false).send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn show_hidden(mut self, show: bool) -> Self {
        self.show_hidden = Some(show);
        self
    }

    /// Lists only what passes, such as `name:~*.h5` or `type:dir`. Several filters are alternatives; within one, `/`
    /// joins conditions that must all hold.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let listing = client.transfer().ls(collection, "/2026-03/").filter("name:~*.h5/type:file").send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn filter(mut self, filter: impl Into<String>) -> Self {
        self.filters.push(filter.into());
        self
    }

    /// Orders by a field, such as `name` or `last_modified DESC`; several are keys one after another.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let listing = client.transfer().ls(collection, "/2026-03/").order_by("last_modified DESC").send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn order_by(mut self, field: impl Into<String>) -> Self {
        self.order.push(field.into());
        self
    }

    /// At most so many entries; the service's own limit is 100,000.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let listing = client.transfer().ls(collection, "/2026-03/").limit(100).send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn limit(mut self, entries: u32) -> Self {
        self.limit = Some(entries);
        self
    }

    /// Leaves out so many entries at the beginning.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let listing = client.transfer().ls(collection, "/2026-03/").limit(100).offset(100).send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn offset(mut self, entries: u64) -> Self {
        self.offset = Some(entries);
        self
    }

    /// The local account to use on a mapped collection where the identity maps to several.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let listing = client.transfer().ls(collection, "/2026-03/").local_user("tomo").send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn local_user(mut self, user: impl Into<String>) -> Self {
        self.local_user = Some(user.into());
        self
    }

    /// Asks the service.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound), [`NotDirectory`](crate::ErrorKind::NotDirectory),
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied),
    /// [`LimitExceeded`](crate::ErrorKind::LimitExceeded) for a directory that is too large to list,
    /// [`ConsentRequired`](crate::ErrorKind::ConsentRequired) on mapped collections,
    /// [`EndpointError`](crate::ErrorKind::EndpointError).
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let listing = client.transfer().ls(collection, "/2026-03/").send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send(self) -> Result<Listing> {
        let collection = self.collection.to_string();
        let url = self.core.transfer_endpoint(&["operation", "endpoint", &collection, "ls"])?;
        let mut call = Call::get(url, format!("list {} on collection {collection}", self.path))
            .query("path", &self.path)
            .query_if("show_hidden", self.show_hidden.map(|show| if show { "1" } else { "0" }))
            .query_if("orderby", (!self.order.is_empty()).then(|| self.order.join(",")))
            .query_if("limit", self.limit.map(|limit| limit.to_string()))
            .query_if("offset", self.offset.map(|offset| offset.to_string()))
            .query_if("local_user", self.local_user.as_deref());
        for filter in &self.filters {
            call = call.query("filter", filter);
        }
        let answer: Answer = self.core.transfer(call).await?;
        Ok(Listing {
            path: answer.path,
            entries: answer.data,
            total: answer.total,
            has_next_page: answer.has_next_page.unwrap_or(false),
        })
    }
}
