//! Making directories.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::http::Call;
use crate::path;
use crate::signin::Service;

/// How a directory came to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// This call made it.
    New,
    /// It was there before.
    Existed,
    /// It is there, and an earlier attempt of this call, whose answer was lost, may have made it.
    Unclear,
}

/// A directory that [`MakeAllParents`] had to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MadeDirectory {
    /// Its path.
    pub path: String,
    /// How it came to be there.
    pub made: Made,
}

/// A directory to make; see [`TransferHandler::mkdir`](super::TransferHandler::mkdir).
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

    /// The local account to use on a mapped collection where the identity maps to several.
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

    /// Makes it.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`] when something of this name is there; after a lost answer that may be the directory that
    /// this very call made ([`Error::may_have_been_done`]). [`ErrorKind::NotFound`] when the parent is missing;
    /// [`ErrorKind::PermissionDenied`]; [`ErrorKind::EndpointTrouble`].
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

/// A directory to make together with those above it; see
/// [`TransferHandler::make_all_parents`](super::TransferHandler::make_all_parents).
pub struct MakeAllParents<'a> {
    core: &'a Core,
    collection: Uuid,
    path: String,
    below: Option<String>,
    local_user: Option<String>,
}

impl<'a> MakeAllParents<'a> {
    pub(super) fn new(core: &'a Core, collection: Uuid, path: String) -> Self {
        Self { core, collection, path, below: None, local_user: None }
    }

    /// Makes directories only below this one, which must exist: when the storage isn't mounted, nothing is made in the
    /// empty mount point above.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// client.transfer().make_all_parents(collection, "/data/2026-03/Li/").below("/data/").send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn below(mut self, top: impl Into<String>) -> Self {
        self.below = Some(top.into());
        self
    }

    /// The local account to use on a mapped collection where the identity maps to several.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// client.transfer().make_all_parents(collection, "/2026-03/Li/").local_user("tomo").send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn local_user(mut self, user: impl Into<String>) -> Self {
        self.local_user = Some(user.into());
        self
    }

    /// Makes what is missing, and tells of each directory that it had to try, the topmost first: the last one is always
    /// the directory itself, and directories above the first one exist.
    ///
    /// # Errors
    /// As [`Mkdir::send`], without [`ErrorKind::Exists`]; [`ErrorKind::InvalidRequest`] for a path with `..` in it or
    /// one that isn't below the given top. What was made before the error stays.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, collection: uuid::Uuid, id: uuid::Uuid) -> Result<()> {
    /// let steps = client.transfer().make_all_parents(collection, "/2026-03/Li/").send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send(self) -> Result<Vec<MadeDirectory>> {
        let paths = self.paths()?;
        let mut done = Vec::new();
        // Upwards until something exists or can be made: mostly only the last directory is missing, or none is.
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

    async fn make(&self, path: &str) -> Result<MadeDirectory> {
        let made = match make(self.core, self.collection, path, self.local_user.as_deref()).await {
            Ok(()) => Made::New,
            Err(error) if *error.kind() == ErrorKind::Exists && error.may_have_been_done() => Made::Unclear,
            Err(error) if *error.kind() == ErrorKind::Exists => Made::Existed,
            Err(error) => return Err(error),
        };
        Ok(MadeDirectory { path: path.to_owned(), made })
    }

    fn paths(&self) -> Result<Vec<String>> {
        let mut paths = path::directory_and_parents(&self.path)?;
        if let Some(below) = &self.below {
            let top = path::directory(below)?;
            let whole = path::directory(&self.path)?;
            if !whole.starts_with(&top) {
                return Err(Error::local(
                    ErrorKind::InvalidRequest,
                    format!("make {whole} on collection {}", self.collection),
                    format!("it is not below {top}"),
                ));
            }
            paths.retain(|path| path.len() > top.len());
        }
        Ok(paths)
    }
}

/// A missing parent has no error code of its own; endpoints say it as not found, or only that making it failed.
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
    // A second time the directory is there, and the service says so: nothing is doubled.
    let call = Call::post(url, format!("make the directory {path} on collection {id}"), &document)?.harmless();
    core.call::<Value>(Service::Transfer, call).await.map(|_| ())
}
