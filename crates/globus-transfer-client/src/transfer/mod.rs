//! Globus Transfer: collections, directories, access rules and tasks.

mod access;
mod access_change;
mod bookmarks;
mod collection_update;
mod collections;
mod delete_task;
mod directories;
mod files;
mod ls;
mod manager;
mod pause_rules;
mod roles;
mod search;
mod submit;
mod task;
mod task_details;
mod task_handler;
mod task_list;
mod transfer_items;
mod transfer_options;
mod transfer_task;
mod tunnels;

use serde::Deserialize;
use uuid::Uuid;

use crate::lenient;

use crate::core::Core;
use crate::error::{ErrorKind, Result};

pub use access::{
    ACCESS_RULE_LIMIT, AccessRule, AccessRules, AccessRulesHandler, Permissions, PrincipalType,
};
pub use access_change::{CreateAccessRule, UpdateAccessRule};
pub use bookmarks::{Bookmark, BookmarksHandler};
pub use collection_update::UpdateCollection;
pub use collections::{Collection, CollectionHandler, CreateGuestCollection};
pub use delete_task::DeleteTask;
pub use directories::{CreateDirAll, CreatedDirectory, Creation, Mkdir};
pub use files::{LsRecursive, TreeEntry};
pub use ls::{FileEntry, Listing, Ls};
pub use manager::{AdminCancel, ManagedTaskHandler, ManagedTasks, ManagerHandler};
pub use pause_rules::{NewPauseRule, PauseRule};
pub use roles::{Role, RolesHandler};
pub use search::{Search, SearchScope};
pub use submit::{ITEM_LIMIT, Submitted};
pub use task::{FatalError, Task, TaskStatus};
pub use task_details::{Event, Events, PauseInfo, SkippedError, SuccessfulTransfer};
pub use task_handler::{TaskHandler, WaitForTask};
pub use task_list::Tasks;
pub use transfer_options::{FilterMethod, FilterType, Symlinks, SyncLevel};
pub use transfer_task::TransferTask;
pub use tunnels::TunnelsHandler;

/// The calls of Globus Transfer; see [`GlobusClient::transfer`](crate::GlobusClient::transfer).
#[derive(Clone, Copy)]
pub struct TransferHandler<'a> {
    core: &'a Core,
}

impl<'a> TransferHandler<'a> {
    pub(crate) fn new(core: &'a Core) -> Self {
        Self { core }
    }

    /// Lists a directory.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), Box<dyn std::error::Error>> {
    /// let collection = "313ce13e-b597-5858-ae13-29e46fea26e6".parse()?;
    /// let listing = client.transfer().ls(collection, "/2026-03/").show_hidden(false).send().await?;
    /// for entry in listing.entries {
    ///     println!("{:>12} {}", entry.size, entry.name);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn ls(self, collection: Uuid, path: impl Into<String>) -> Ls<'a> {
        Ls::new(self.core, collection, path.into())
    }

    /// Creates one directory; its parent must exist.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), Box<dyn std::error::Error>> {
    /// use globus_transfer_client::ErrorKind;
    ///
    /// let collection = "313ce13e-b597-5858-ae13-29e46fea26e6".parse()?;
    /// match client.transfer().mkdir(collection, "/2026-03/").send().await {
    ///     Err(error) if *error.kind() == ErrorKind::Exists => println!("it existed"),
    ///     other => other?,
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn mkdir(self, collection: Uuid, path: impl Into<String>) -> Mkdir<'a> {
        Mkdir::new(self.core, collection, path.into())
    }

    /// Creates a directory and its missing parents. One request when only the last is missing, or nothing is.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), Box<dyn std::error::Error>> {
    /// let collection = "313ce13e-b597-5858-ae13-29e46fea26e6".parse()?;
    /// for step in client.transfer().create_dir_all(collection, "/2026-03/Li/").send().await? {
    ///     println!("{}: {:?}", step.path, step.creation);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_dir_all(self, collection: Uuid, path: impl Into<String>) -> CreateDirAll<'a> {
        CreateDirAll::new(self.core, collection, path.into())
    }

    /// The access rules of a guest collection ("permissions" in the web app).
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), Box<dyn std::error::Error>> {
    /// let collection = "313ce13e-b597-5858-ae13-29e46fea26e6".parse()?;
    /// let rules = client.transfer().access_rules(collection).list().await?;
    /// println!("{} of {} rules are used", rules.used(), globus_transfer_client::ACCESS_RULE_LIMIT);
    /// # Ok(())
    /// # }
    /// ```
    pub fn access_rules(self, collection: Uuid) -> AccessRulesHandler<'a> {
        AccessRulesHandler::new(self.core, collection)
    }

    /// Lists a directory tree.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, collection: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// use futures::TryStreamExt;
    ///
    /// let all: Vec<_> = client.transfer().ls_recursive(collection, "/2026-03/").stream().try_collect().await?;
    /// println!("{} files and directories", all.len());
    /// # Ok(())
    /// # }
    /// ```
    pub fn ls_recursive(self, collection: Uuid, path: impl Into<String>) -> LsRecursive<'a> {
        LsRecursive::new(self.ls(collection, path))
    }

    /// Gets one file or directory.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::PermissionDenied`], [`ErrorKind::EndpointError`].
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, collection: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// let file = client.transfer().stat(collection, "/2026-03/notes.txt").await?;
    /// println!("{} bytes", file.size);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn stat(self, collection: Uuid, path: &str) -> Result<FileEntry> {
        files::stat(self.core, collection, path).await
    }

    /// Renames or moves a file or directory within a collection. Not retried when the response is lost.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::PermissionDenied`], [`ErrorKind::Exists`],
    /// [`ErrorKind::EndpointError`].
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, collection: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// client.transfer().rename(collection, "/2026-03/Lee/", "/2026-03/Li/").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn rename(self, collection: Uuid, from: &str, to: &str) -> Result<()> {
        files::rename(self.core, collection, from, to).await
    }

    /// One collection: its document, roles, guest collections and settings.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// println!("{:?}", client.transfer().collection(id).get().await?.display_name);
    /// # Ok(())
    /// # }
    /// ```
    pub fn collection(self, id: Uuid) -> CollectionHandler<'a> {
        CollectionHandler::new(self.core, id)
    }

    /// Searches collections.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), globus_transfer_client::Error> {
    /// use futures::TryStreamExt;
    ///
    /// let found: Vec<_> = client.transfer().search().text("tutorial").stream().try_collect().await?;
    /// println!("{} collections", found.len());
    /// # Ok(())
    /// # }
    /// ```
    pub fn search(self) -> Search<'a> {
        Search::new(self.core)
    }

    /// The account's bookmarks.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), globus_transfer_client::Error> {
    /// println!("{} bookmarks", client.transfer().bookmarks().list().await?.len());
    /// # Ok(())
    /// # }
    /// ```
    pub fn bookmarks(self) -> BookmarksHandler<'a> {
        BookmarksHandler::new(self.core)
    }

    /// Gets an id under which one task can be submitted: however often it is sent, there will be one task.
    /// Store it before [`submit_transfer`](Self::submit_transfer), and a crash in between can't duplicate the
    /// transfer.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, from: uuid::Uuid, to: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// use globus_transfer_client::TransferTask;
    ///
    /// let id = client.transfer().submission_id().await?;
    /// let task = TransferTask::new(from, to).submission_id(id).directory("/a/", "/b/");
    /// let first = client.transfer().submit_transfer(task.clone()).await?;
    /// let second = client.transfer().submit_transfer(task).await?;
    /// assert_eq!(first.task_id, second.task_id);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn submission_id(self) -> Result<Uuid> {
        submit::submission_id(self.core).await
    }

    /// Submits a transfer. A submission id is fetched first if the task has none.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] without items or with more than [`ITEM_LIMIT`] (see
    /// [`TransferTask::split`]); [`ErrorKind::ConsentRequired`], [`ErrorKind::PermissionDenied`],
    /// [`ErrorKind::NotFound`], [`ErrorKind::LimitExceeded`] with too many tasks in the queue.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, from: uuid::Uuid, to: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// use globus_transfer_client::{SyncLevel, TransferTask};
    ///
    /// let task = TransferTask::new(from, to).sync_level(SyncLevel::Checksum).directory("/a/", "/b/");
    /// let submitted = client.transfer().submit_transfer(task).await?;
    /// client.transfer().task(submitted.task_id).wait().send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn submit_transfer(self, task: TransferTask) -> Result<Submitted> {
        submit::submit_transfer(self.core, task).await
    }

    /// Submits a deletion. A submission id is fetched first if the task has none.
    ///
    /// # Errors
    /// As [`submit_transfer`](Self::submit_transfer).
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, collection: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// use globus_transfer_client::DeleteTask;
    ///
    /// let task = DeleteTask::new(collection).recursive(true).path("/2019-03/");
    /// let submitted = client.transfer().submit_delete(task).await?;
    /// println!("task {}", submitted.task_id);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn submit_delete(self, task: DeleteTask) -> Result<Submitted> {
        submit::submit_delete(self.core, task).await
    }

    /// One task.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// println!("{:?}", client.transfer().task(id).get().await?.status);
    /// # Ok(())
    /// # }
    /// ```
    pub fn task(self, id: Uuid) -> TaskHandler<'a> {
        TaskHandler::new(self.core, id)
    }

    /// Everyone's tasks, and pause rules, on the collections that the caller manages.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), globus_transfer_client::Error> {
    /// println!("{} collections", client.transfer().manager().monitored_collections().await?.len());
    /// # Ok(())
    /// # }
    /// ```
    pub fn manager(self) -> ManagerHandler<'a> {
        ManagerHandler::new(self.core)
    }

    /// Tunnels, which stream data between access points (a beta version of the service).
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), globus_transfer_client::Error> {
    /// println!("{}", client.transfer().tunnels().list().await?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn tunnels(self) -> TunnelsHandler<'a> {
        TunnelsHandler::new(self.core)
    }

    /// Lists the caller's tasks.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), globus_transfer_client::Error> {
    /// use futures::{StreamExt, TryStreamExt};
    ///
    /// let latest: Vec<_> = client.transfer().tasks().stream().take(10).try_collect().await?;
    /// println!("{} tasks", latest.len());
    /// # Ok(())
    /// # }
    /// ```
    pub fn tasks(self) -> Tasks<'a> {
        Tasks::new(self.core)
    }
}

/// Counts "not found" as success when an earlier attempt, whose response was lost, may have deleted the
/// object.
fn deleted<T>(outcome: Result<T>) -> Result<()> {
    match outcome {
        Err(error) if *error.kind() == ErrorKind::NotFound && error.may_have_been_done() => Ok(()),
        other => other.map(|_| ()),
    }
}

/// The response of Transfer to a change.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Changed {
    #[serde(default)]
    pub access_id: Option<String>,
}

/// A list that Transfer returns in one page.
#[derive(Debug, Deserialize)]
#[serde(bound = "T: serde::de::DeserializeOwned")]
pub(crate) struct DataList<T> {
    #[serde(rename = "DATA", deserialize_with = "lenient::items")]
    pub data: Vec<T>,
}
