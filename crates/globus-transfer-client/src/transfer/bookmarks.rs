//! Bookmarks: a person's own names for directories on collections.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::DataList;
use crate::core::Core;
use crate::error::Result;
use crate::http::Call;
use crate::lenient;
use crate::path;

/// A name for a directory on a collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Bookmark {
    /// The id.
    pub id: Uuid,
    /// The name, unique for the person.
    pub name: String,
    /// The collection.
    pub endpoint_id: Uuid,
    /// The directory.
    pub path: String,
    /// Whether the web interface shows it first.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub pinned: bool,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The person's bookmarks; see [`TransferHandler::bookmarks`](super::TransferHandler::bookmarks).
#[derive(Clone, Copy)]
pub struct BookmarksHandler<'a> {
    core: &'a Core,
}

impl<'a> BookmarksHandler<'a> {
    pub(super) fn new(core: &'a Core) -> Self {
        Self { core }
    }

    /// Lists all bookmarks.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), globus_transfer_client::Error> {
    /// for bookmark in client.transfer().bookmarks().list().await? {
    ///     println!("{}: {}", bookmark.name, bookmark.path);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn list(self) -> Result<Vec<Bookmark>> {
        let url = self.core.transfer_endpoint(&["bookmark_list"])?;
        let list: DataList<Bookmark> = self.core.transfer(Call::get(url, "list the bookmarks")).await?;
        Ok(list.data)
    }

    /// Gets a bookmark.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// println!("{}", client.transfer().bookmarks().get(id).await?.path);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get(self, id: Uuid) -> Result<Bookmark> {
        let call = Call::get(self.url(id)?, format!("get the bookmark {id}"));
        self.core.transfer(call).await
    }

    /// Creates a bookmark.
    ///
    /// # Errors
    /// [`Exists`](crate::ErrorKind::Exists) or [`Conflict`](crate::ErrorKind::Conflict) when the name is
    /// taken.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, collection: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// client.transfer().bookmarks().create("this month", collection, "/2026-03/").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn create(self, name: &str, collection: Uuid, path: &str) -> Result<Bookmark> {
        let url = self.core.transfer_endpoint(&["bookmark"])?;
        let document = json!({ "name": name, "endpoint_id": collection, "path": path::directory(path)? });
        let call = Call::post(url, format!("create the bookmark '{name}'"), &document)?;
        self.core.transfer(call).await
    }

    /// Renames a bookmark.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// client.transfer().bookmarks().rename(id, "last month").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn rename(self, id: Uuid, name: &str) -> Result<Bookmark> {
        let call = Call::put(self.url(id)?, format!("rename the bookmark {id}"), &json!({ "name": name }))?;
        self.core.transfer(call).await
    }

    /// Deletes a bookmark.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// client.transfer().bookmarks().delete(id).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn delete(self, id: Uuid) -> Result<()> {
        let call = Call::delete(self.url(id)?, format!("delete the bookmark {id}"));
        super::deleted(self.core.transfer::<Value>(call).await)
    }

    fn url(&self, id: Uuid) -> Result<url::Url> {
        self.core.transfer_endpoint(&["bookmark", &id.to_string()])
    }
}
