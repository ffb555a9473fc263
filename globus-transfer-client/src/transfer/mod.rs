//! Globus Transfer: collections, directories, access rules and tasks.

mod access;
mod directories;
mod ls;

use serde::Deserialize;
use uuid::Uuid;

use crate::client::Core;

pub use access::{
    ACCESS_RULE_LIMIT, AccessRule, AccessRules, AccessRulesHandler, CreateAccessRule, Permissions, PrincipalType,
    UpdateAccessRule,
};
pub use directories::{Made, MadeDirectory, MakeAllParents, Mkdir};
pub use ls::{FileEntry, Listing, Ls};

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

    /// Makes one directory; its parent must exist.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), Box<dyn std::error::Error>> {
    /// use globus_transfer_client::ErrorKind;
    ///
    /// let collection = "313ce13e-b597-5858-ae13-29e46fea26e6".parse()?;
    /// match client.transfer().mkdir(collection, "/2026-03/").send().await {
    ///     Err(error) if *error.kind() == ErrorKind::Exists => println!("it was there"),
    ///     other => other?,
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn mkdir(self, collection: Uuid, path: impl Into<String>) -> Mkdir<'a> {
        Mkdir::new(self.core, collection, path.into())
    }

    /// Makes a directory and those above it that are missing. One request when only the last is missing or nothing is.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), Box<dyn std::error::Error>> {
    /// let collection = "313ce13e-b597-5858-ae13-29e46fea26e6".parse()?;
    /// for step in client.transfer().make_all_parents(collection, "/2026-03/Li/").send().await? {
    ///     println!("{}: {:?}", step.path, step.made);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn make_all_parents(self, collection: Uuid, path: impl Into<String>) -> MakeAllParents<'a> {
        MakeAllParents::new(self.core, collection, path.into())
    }

    /// Who may read and write what on a guest collection.
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
}

/// What Transfer answers to a change.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Changed {
    #[serde(default)]
    pub access_id: Option<String>,
}

/// What Transfer answers with a list that comes whole.
#[derive(Debug, Deserialize)]
pub(crate) struct DataList<T> {
    #[serde(rename = "DATA")]
    pub data: Vec<T>,
}
