//! Listing a directory, page by page.

use futures::stream::BoxStream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::core::Core;
use crate::error::Result;
use crate::http::Call;
use crate::lenient::{self, Items};
use crate::paging::{next_offset, pages};

/// A page of the listing of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Listing {
    /// The directory as the service resolved it. `None` when the collection hides its default directory.
    pub path: Option<String>,
    /// The entries of this page.
    pub entries: Vec<FileEntry>,
    /// The number of entries in all pages, when the service counted them.
    pub total: Option<u64>,
    /// Where the next page begins; `None` after the last page. Pass it to [`Ls::offset`].
    pub next_offset: Option<u64>,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A file, directory or symbolic link.
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
    /// When it was last modified.
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
    /// The target of a symbolic link.
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

/// The largest page of the service, in entries.
const LARGEST_PAGE: u64 = 100_000;
/// The page size of streams, in entries: some 25 MB at a time. The service lists the whole directory for
/// every page.
const STREAM_PAGE: u64 = 50_000;

/// A listing to request; see [`TransferHandler::ls`](super::TransferHandler::ls).
#[derive(Clone)]
#[must_use = "nothing is sent until `send` is awaited"]
pub struct Ls<'a> {
    core: &'a Core,
    collection: Uuid,
    path: String,
    show_hidden: Option<bool>,
    filters: Vec<String>,
    order: Vec<String>,
    limit: Option<u64>,
    offset: u64,
    local_user: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    path: Option<String>,
    #[serde(rename = "DATA")]
    data: Items<FileEntry>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    total: Option<u64>,
    #[serde(flatten)]
    extra: Map<String, Value>,
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
            offset: 0,
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

    /// Sets whether names that begin with a dot are listed; the service's default is yes.
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

    /// Lists only entries that match, such as `name:~*.h5` or `type:dir`. Several filters are alternatives;
    /// within one, `/` joins conditions that must all hold.
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

    /// Limits the number of entries. [`Ls::send`] returns at most 100,000, the service's own limit for a
    /// page; [`Ls::stream`] as many as there are.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let listing = client.transfer().ls(collection, "/2026-03/").limit(100).send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn limit(mut self, entries: u64) -> Self {
        self.limit = Some(entries);
        self
    }

    /// Skips entries at the beginning.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let listing = client.transfer().ls(collection, "/2026-03/").limit(100).offset(100).send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn offset(mut self, entries: u64) -> Self {
        self.offset = entries;
        self
    }

    /// Sets the local account to use on a mapped collection where the identity maps to several.
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

    /// Sends the request for one page.
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
    /// println!("{} of {:?} entries", listing.entries.len(), listing.total);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send(self) -> Result<Listing> {
        self.page().await
    }

    /// All entries of the directory, page by page: memory stays the same however many there are. Each page is
    /// a listing of its own, so entries that are created or deleted meanwhile can appear twice or not at all.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid) -> Result<()> {
    /// use futures::TryStreamExt;
    ///
    /// let mut entries = client.transfer().ls(collection, "/2026-03/").stream();
    /// while let Some(entry) = entries.try_next().await? {
    ///     println!("{}", entry.name);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(self) -> BoxStream<'a, Result<FileEntry>> {
        let end = self.limit.map(|limit| self.offset.saturating_add(limit));
        if end == Some(self.offset) {
            return Box::pin(futures::stream::empty());
        }
        pages(self.offset, move |offset| {
            let page = self.clone().stream_page(offset, end);
            async move {
                let listing = page.page().await?;
                let next = listing.next_offset.filter(|next| end.is_none_or(|end| *next < end));
                Ok((listing.entries, next))
            }
        })
    }

    /// The request for the page of a stream that begins at an offset.
    pub(super) fn stream_page(mut self, offset: u64, end: Option<u64>) -> Self {
        self.offset = offset;
        self.limit = Some(end.map_or(STREAM_PAGE, |end| STREAM_PAGE.min(end - offset)));
        self
    }

    pub(super) async fn page(&self) -> Result<Listing> {
        let collection = self.collection.to_string();
        let url = self.core.transfer_endpoint(&["operation", "endpoint", &collection, "ls"])?;
        let mut call = Call::get(url, format!("list {} on collection {collection}", self.path))
            .query("path", &self.path)
            .query_if("show_hidden", self.show_hidden.map(|show| if show { "1" } else { "0" }))
            .query_if("orderby", (!self.order.is_empty()).then(|| self.order.join(",")))
            .query_if("limit", self.limit.map(|limit| limit.min(LARGEST_PAGE).to_string()))
            .query_if("offset", (self.offset > 0).then(|| self.offset.to_string()))
            .query_if("local_user", self.local_user.as_deref());
        for filter in &self.filters {
            call = call.query("filter", filter);
        }
        let page: Page = self.core.transfer(call).await?;
        let count = page.data.count as u64;
        // Globus counts the entries. Without a total, a full page may have a successor.
        let is_more = match page.total {
            Some(total) => self.offset.saturating_add(count) < total,
            None => count >= self.limit.unwrap_or(LARGEST_PAGE).min(LARGEST_PAGE),
        };
        Ok(Listing {
            path: page.path,
            entries: page.data.known,
            total: page.total,
            next_offset: next_offset(self.offset, page.data.count, is_more),
            extra: page.extra,
        })
    }
}
