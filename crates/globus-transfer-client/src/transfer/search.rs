//! Searching collections.

use futures::stream::BoxStream;
use serde::Deserialize;
use uuid::Uuid;

use super::Collection;
use crate::core::Core;
use crate::error::Result;
use crate::http::Call;
use crate::lenient::{self, Items};
use crate::paging::{next_offset, pages};

/// The most results that the service returns in one page, and in all pages together.
const PAGE: u64 = 100;
const MOST: u64 = 1000;

/// The collections that a search covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SearchScope {
    /// All that the caller can see. It needs a text.
    #[default]
    All,
    /// Those that the caller owns.
    MyEndpoints,
    /// The caller's own Globus Connect Personal.
    MyGcpEndpoints,
    /// Guest collections of others that the caller may use.
    SharedWithMe,
    /// Guest collections that the caller owns.
    SharedByMe,
    /// Those that the caller used recently, the latest first.
    RecentlyUsed,
    /// Those that the caller's running tasks use.
    InUse,
    /// Those that the caller administers.
    AdministeredByMe,
}

impl SearchScope {
    /// As Transfer writes it, such as `shared-with-me`.
    ///
    /// ```
    /// # use globus_transfer_client::*;
    /// assert_eq!(SearchScope::SharedWithMe.as_str(), "shared-with-me");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::MyEndpoints => "my-endpoints",
            Self::MyGcpEndpoints => "my-gcp-endpoints",
            Self::SharedWithMe => "shared-with-me",
            Self::SharedByMe => "shared-by-me",
            Self::RecentlyUsed => "recently-used",
            Self::InUse => "in-use",
            Self::AdministeredByMe => "administered-by-me",
        }
    }
}

/// A search; see [`TransferHandler::search`](super::TransferHandler::search).
#[derive(Clone)]
#[must_use = "call `stream`"]
pub struct Search<'a> {
    core: &'a Core,
    scope: SearchScope,
    text: Option<String>,
    owner: Option<Uuid>,
    entity_type: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    #[serde(rename = "DATA")]
    data: Items<Collection>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    has_next_page: bool,
}

impl<'a> Search<'a> {
    pub(super) fn new(core: &'a Core) -> Self {
        Self { core, scope: SearchScope::All, text: None, owner: None, entity_type: None }
    }

    /// Sets which collections are searched; all by default, which needs a text.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let found = client.transfer().search().scope(SearchScope::MyEndpoints).stream();
    /// # Ok(())
    /// # }
    /// ```
    pub fn scope(mut self, scope: SearchScope) -> Self {
        self.scope = scope;
        self
    }

    /// Searches for words in the name, description, keywords, organization and owner.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let found = client.transfer().search().text("tutorial").stream();
    /// # Ok(())
    /// # }
    /// ```
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Limits the search to collections of this owner.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let found = client.transfer().search().text("data").owner(id).stream();
    /// # Ok(())
    /// # }
    /// ```
    pub fn owner(mut self, identity: Uuid) -> Self {
        self.owner = Some(identity);
        self
    }

    /// Limits the search to this kind of collection, such as `GCSv5_guest_collection`.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let found = client.transfer().search().text("data").entity_type("GCSv5_guest_collection").stream();
    /// # Ok(())
    /// # }
    /// ```
    pub fn entity_type(mut self, kind: impl Into<String>) -> Self {
        self.entity_type = Some(kind.into());
        self
    }

    /// All results, up to the service's 1000; pages are fetched as they are needed.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), globus_transfer_client::Error> {
    /// use futures::TryStreamExt;
    /// use globus_transfer_client::SearchScope;
    ///
    /// let mut found = client.transfer().search().scope(SearchScope::SharedWithMe).stream();
    /// while let Some(collection) = found.try_next().await? {
    ///     println!("{} {:?}", collection.id, collection.display_name);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(self) -> BoxStream<'a, Result<Collection>> {
        pages(0, move |offset| {
            let search = self.clone();
            async move {
                let page = search.page(offset).await?;
                let next = next_offset(offset, page.data.count, page.has_next_page);
                Ok((page.data.known, next.filter(|next| *next < MOST)))
            }
        })
    }

    async fn page(&self, offset: u64) -> Result<Page> {
        let url = self.core.transfer_endpoint(&["endpoint_search"])?;
        let operation = match &self.text {
            Some(text) => format!("search collections for {text:?}"),
            None => format!("search collections ({})", self.scope.as_str()),
        };
        let call = Call::get(url, operation)
            .query("filter_scope", self.scope.as_str())
            .query_if("filter_fulltext", self.text.as_deref())
            .query_if("filter_owner_id", self.owner.map(|id| id.to_string()))
            .query_if("filter_entity_type", self.entity_type.as_deref())
            .query("limit", PAGE.min(MOST - offset).to_string())
            .query("offset", offset.to_string());
        self.core.transfer(call).await
    }
}
