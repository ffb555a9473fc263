//! Creating directories.

use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::http::Call;
use crate::path;

/// Whether a call created the object that it asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Creation {
    /// This call created it.
    Created,
    /// It existed before.
    Existed,
    /// It exists, and an earlier attempt of this call, whose response was lost, may have created it.
    Unclear,
}

/// A directory that [`CreateDirAll`] tried to create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CreatedDirectory {
    /// Its path.
    pub path: String,
    /// Whether this call created it.
    pub creation: Creation,
}

/// A directory to create; see [`TransferHandler::mkdir`](super::TransferHandler::mkdir).
#[must_use = "nothing is sent until `send` is awaited"]
pub struct Mkdir<'a> {
    core: &'a Core,
    collection: Uuid,
    path: String,
    local_user: Option<String>,
}

impl<'a> Mkdir<'a> {
    pub(super) fn new(core: &'a Core, collection: Uuid, path: String) -> Self {
        Self { core, collection, path, local_user: None }
    }

    /// Sets the local account to use on a mapped collection where the identity maps to several.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// client.transfer().mkdir(collection, "/2026-03/").local_user("tomo").send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn local_user(mut self, user: impl Into<String>) -> Self {
        self.local_user = Some(user.into());
        self
    }

    /// Creates the directory.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`] when something of this name exists; after a lost response that may be the
    /// directory that this very call created ([`Error::may_have_been_done`]). [`ErrorKind::NotFound`] when
    /// the parent is missing; [`ErrorKind::PermissionDenied`]; [`ErrorKind::EndpointError`].
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// client.transfer().mkdir(collection, "/2026-03/").send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send(self) -> Result<()> {
        make(self.core, self.collection, &self.path, self.local_user.as_deref()).await
    }
}

/// A directory to create together with its missing parents; see
/// [`TransferHandler::create_dir_all`](super::TransferHandler::create_dir_all).
#[must_use = "nothing is sent until `send` is awaited"]
pub struct CreateDirAll<'a> {
    core: &'a Core,
    collection: Uuid,
    path: String,
    below: Option<String>,
    local_user: Option<String>,
}

impl<'a> CreateDirAll<'a> {
    pub(super) fn new(core: &'a Core, collection: Uuid, path: String) -> Self {
        Self { core, collection, path, below: None, local_user: None }
    }

    /// Creates directories only below this one, which must exist: when the storage isn't mounted, nothing is
    /// created in the empty mount point above it.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// client.transfer().create_dir_all(collection, "/data/2026-03/Li/").below("/data/").send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn below(mut self, top: impl Into<String>) -> Self {
        self.below = Some(top.into());
        self
    }

    /// Sets the local account to use on a mapped collection where the identity maps to several.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// client.transfer().create_dir_all(collection, "/2026-03/Li/").local_user("tomo").send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn local_user(mut self, user: impl Into<String>) -> Self {
        self.local_user = Some(user.into());
        self
    }

    /// Creates the missing directories. Returns each directory that had to be tried, the topmost first: the
    /// last one is the directory itself, and directories above the first one exist.
    ///
    /// # Errors
    /// As [`Mkdir::send`], without [`ErrorKind::Exists`]; [`ErrorKind::InvalidRequest`] for a path with `..`
    /// in it or one that isn't below the given top. Directories created before the error stay.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let steps = client.transfer().create_dir_all(collection, "/2026-03/Li/").send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send(self) -> Result<Vec<CreatedDirectory>> {
        let paths = self.paths()?;
        let mut done = Vec::new();
        // Upwards until a directory exists or can be created: mostly only the last one is missing, or none
        // is.
        let mut at = paths.len();
        while at > 0 {
            at -= 1;
            match self.make(&paths[at]).await {
                Ok(made) => {
                    done.push(made);
                    break;
                }
                Err(error) if at > 0 && may_lack_parent(&error) => {}
                Err(error) => return Err(error),
            }
        }
        for path in &paths[at + usize::from(!paths.is_empty())..] {
            done.push(self.make(path).await?);
        }
        Ok(done)
    }

    async fn make(&self, path: &str) -> Result<CreatedDirectory> {
        let creation = match make(self.core, self.collection, path, self.local_user.as_deref()).await {
            Ok(()) => Creation::Created,
            Err(error) if *error.kind() == ErrorKind::Exists && error.may_have_been_done() => {
                Creation::Unclear
            }
            Err(error) if *error.kind() == ErrorKind::Exists => Creation::Existed,
            Err(error) => return Err(error),
        };
        Ok(CreatedDirectory { path: path.to_owned(), creation })
    }

    fn paths(&self) -> Result<Vec<String>> {
        let mut paths = path::directory_and_parents(&self.path)?;
        if let Some(below) = &self.below {
            let top = path::directory(below)?;
            let whole = path::directory(&self.path)?;
            if !whole.starts_with(&top) {
                return Err(Error::local(
                    ErrorKind::InvalidRequest,
                    format!("create {whole} on collection {}", self.collection),
                    format!("it is not below {top}"),
                ));
            }
            paths.retain(|path| path.len() > top.len());
        }
        Ok(paths)
    }
}

/// A missing parent has no error code of its own; endpoints report not found, or only that mkdir failed.
fn may_lack_parent(error: &Error) -> bool {
    *error.kind() == ErrorKind::NotFound && error.code() != Some("EndpointNotFound")
        || error.code() == Some("ExternalError.MkdirFailed")
}

async fn make(core: &Core, collection: Uuid, path: &str, local_user: Option<&str>) -> Result<()> {
    let id = collection.to_string();
    let url = core.transfer_endpoint(&["operation", "endpoint", &id, "mkdir"])?;
    let mut document = json!({ "DATA_TYPE": "mkdir", "path": path });
    if let Some(user) = local_user {
        document["local_user"] = user.into();
    }
    // A second attempt finds the directory, and the service says so: nothing is created twice.
    let call =
        Call::post(url, format!("create the directory {path} on collection {id}"), &document)?.idempotent();
    core.transfer::<Value>(call).await.map(|_| ())
}
