//! Collections of a server: list, get, update, delete.

use futures::stream::BoxStream;
use reqwest::Method;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{ConnectServer, CreateCollection, CreateManagedGuest, ManagedCollection};
use crate::error::Result;
use crate::http::Call;

/// A list of collections; see [`ConnectServer::collections`].
#[must_use = "call `stream`"]
pub struct ManagedCollections<'a> {
    server: ConnectServer<'a>,
    filters: Vec<&'static str>,
    mapped: Option<Uuid>,
    private: bool,
    page_size: Option<usize>,
}

impl<'a> ManagedCollections<'a> {
    /// Only guest collections of this mapped collection.
    pub fn guests_of(mut self, mapped: Uuid) -> Self {
        self.mapped = Some(mapped);
        self
    }

    /// Only guest collections.
    pub fn guests(mut self) -> Self {
        self.filters.push("guest_collections");
        self
    }

    /// Only mapped collections.
    pub fn mapped(mut self) -> Self {
        self.filters.push("mapped_collections");
        self
    }

    /// Only those that the caller owns.
    pub fn created_by_me(mut self) -> Self {
        self.filters.push("created_by_me");
        self
    }

    /// Only those that the caller manages.
    pub fn managed_by_me(mut self) -> Self {
        self.filters.push("managed_by_me");
        self
    }

    /// With the paths and policies that only administrators see.
    pub fn private_policies(mut self) -> Self {
        self.private = true;
        self
    }

    /// So many in one response.
    pub fn page_size(mut self, size: usize) -> Self {
        self.page_size = Some(size);
        self
    }

    /// The collections, each page fetched when it is wanted.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, mapped: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// use futures::TryStreamExt;
    ///
    /// let server = client.connect_server_of(mapped).await?;
    /// let mut mine = server.collections().guests_of(mapped).created_by_me().stream();
    /// while let Some(guest) = mine.try_next().await? {
    ///     println!("{} {}", guest.id, guest.display_name.unwrap_or_default());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(self) -> BoxStream<'a, Result<ManagedCollection>> {
        let mut query = Vec::new();
        if !self.filters.is_empty() {
            query.push(("filter", self.filters.join(",")));
        }
        if let Some(mapped) = self.mapped {
            query.push(("mapped_collection_id", mapped.to_string()));
        }
        if self.private {
            query.push(("include", "private_policies".to_owned()));
        }
        if let Some(size) = self.page_size {
            query.push(("page_size", size.to_string()));
        }
        let operation = format!("list the collections of Connect Server {}", self.server.endpoint);
        self.server.list("collections", query, operation)
    }
}

impl<'a> ConnectServer<'a> {
    /// Lists the collections that the caller can see.
    pub fn collections(&self) -> ManagedCollections<'a> {
        ManagedCollections {
            server: self.clone(),
            filters: Vec::new(),
            mapped: None,
            private: false,
            page_size: None,
        }
    }

    /// One collection.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) also for one on another server.
    pub async fn collection(&self, id: Uuid) -> Result<ManagedCollection> {
        let call = Call::get(self.url(&["collections", &id.to_string()])?, format!("get collection {id}"));
        self.one(call, "collection").await
    }

    /// Creates a guest collection on a directory of a mapped collection where the caller has a local account.
    /// The caller needs no other role. The path is on the mapped collection and must exist.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, mapped: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// let server = client.connect_server_of(mapped).await?;
    /// let guest = server.create_guest(mapped, "/data/2bm/", "2-BM data").description("Scans").send().await?;
    /// client.transfer().mkdir(guest.id, "/2026-03/").send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_guest(&self, mapped: Uuid, path: &str, display_name: &str) -> CreateManagedGuest<'a> {
        CreateManagedGuest::new(self.clone(), mapped, path, display_name)
    }

    /// Creates a mapped collection on a storage gateway, for administrators of the endpoint.
    pub fn create_mapped(&self, gateway: Uuid, path: &str, display_name: &str) -> CreateCollection<'a> {
        CreateCollection::mapped(self.clone(), gateway, path, display_name)
    }

    /// Changes fields of a collection, such as `display_name` or `public`.
    ///
    /// # Errors
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied) for all but its administrators.
    pub async fn update_collection(
        &self,
        id: Uuid,
        mut changes: Map<String, Value>,
    ) -> Result<ManagedCollection> {
        changes.entry("DATA_TYPE").or_insert_with(|| "collection#1.0.0".into());
        let url = self.url(&["collections", &id.to_string()])?;
        let call =
            Call::new(Method::PATCH, url, format!("change collection {id}")).json(&changes)?.idempotent();
        self.one(call, "collection").await
    }

    /// Deletes a collection. The files stay.
    ///
    /// # Errors
    /// [`Conflict`](crate::ErrorKind::Conflict) for a mapped collection with guest collections.
    pub async fn delete_collection(&self, id: Uuid) -> Result<()> {
        self.delete("collections", id, &format!("delete collection {id}")).await
    }
}
