//! Creating collections on a server.

use futures::TryStreamExt;
use reqwest::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{ConnectServer, ManagedCollection, UserCredential};
use crate::error::{Error, ErrorKind, Result};
use crate::http::Call;
use crate::path;

/// A collection to create; see [`ConnectServer::create_mapped`].
#[must_use = "call `send`"]
pub struct CreateCollection<'a> {
    server: ConnectServer<'a>,
    operation: String,
    path: String,
    fields: Map<String, Value>,
}

impl<'a> CreateCollection<'a> {
    pub(super) fn mapped(server: ConnectServer<'a>, gateway: Uuid, path: &str, display_name: &str) -> Self {
        let operation = format!("create the mapped collection '{display_name}' on storage gateway {gateway}");
        let own =
            json!({"collection_type": "mapped", "storage_gateway_id": gateway, "display_name": display_name});
        Self::new(server, operation, path, own)
    }

    fn new(server: ConnectServer<'a>, operation: String, path: &str, own: Value) -> Self {
        let fields = match own {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        Self { server, operation, path: path.to_owned(), fields }
    }

    /// Sets any field of the collection document, such as `info_link` or `contact_email`.
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// Creates it.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) when the directory doesn't exist;
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied);
    /// [`ConsentRequired`](crate::ErrorKind::ConsentRequired) by a person whose sign-in lacks the scopes.
    pub async fn send(mut self) -> Result<ManagedCollection> {
        self.fields.insert("collection_base_path".to_owned(), path::directory(&self.path)?.into());
        self.fields.entry("DATA_TYPE").or_insert_with(|| "collection#1.0.0".into());
        let url = self.server.url(&["collections"])?;
        let call = Call::new(Method::POST, url, self.operation).json(&self.fields)?;
        self.server.one(call, "collection").await
    }
}

/// A guest collection to create; see [`ConnectServer::create_guest`].
#[must_use = "call `send`"]
pub struct CreateManagedGuest<'a> {
    mapped: Uuid,
    local_account: Option<String>,
    create: CreateCollection<'a>,
}

impl<'a> CreateManagedGuest<'a> {
    pub(super) fn new(server: ConnectServer<'a>, mapped: Uuid, path: &str, display_name: &str) -> Self {
        let operation = format!("create the guest collection '{display_name}' on collection {mapped}");
        let own =
            json!({"collection_type": "guest", "mapped_collection_id": mapped, "display_name": display_name});
        Self { mapped, local_account: None, create: CreateCollection::new(server, operation, path, own) }
    }

    /// Sets the description.
    pub fn description(self, text: impl Into<String>) -> Self {
        self.field("description", text.into())
    }

    /// Sets the organization.
    pub fn organization(self, name: impl Into<String>) -> Self {
        self.field("organization", name.into())
    }

    /// Sets whether others can find it; true by default.
    pub fn public(self, public: bool) -> Self {
        self.field("public", public)
    }

    /// Sets the keywords, which a search finds.
    pub fn keywords(self, words: &[&str]) -> Self {
        self.field("keywords", words.to_vec())
    }

    /// Uses this user credential. Without one, the caller's own on the storage gateway is used, or created.
    pub fn user_credential(self, id: Uuid) -> Self {
        self.field("user_credential_id", id.to_string())
    }

    /// Uses the user credential for this local account, for a caller who has several.
    pub fn local_account(mut self, username: impl Into<String>) -> Self {
        self.local_account = Some(username.into());
        self
    }

    /// Sets any field of the collection document, such as `info_link` or `contact_email`.
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.create = self.create.field(name, value);
        self
    }

    /// Creates it. Two calls before, unless a user credential is given: one for the mapped collection, one
    /// for the caller's user credentials on its storage gateway; a third creates a credential where there is
    /// none.
    ///
    /// # Errors
    /// As [`CreateCollection::send`], and [`Conflict`](crate::ErrorKind::Conflict) when several credentials
    /// fit.
    pub async fn send(mut self) -> Result<ManagedCollection> {
        if !self.create.fields.contains_key("user_credential_id") {
            let credential = self.find_credential().await?;
            self = self.user_credential(credential);
        }
        self.create.send().await
    }

    async fn find_credential(&self) -> Result<Uuid> {
        let server = &self.create.server;
        let refused = |kind: ErrorKind, why: String| Error::local(kind, self.create.operation.as_str(), why);
        let gateway = server.collection(self.mapped).await?.storage_gateway_id.ok_or_else(|| {
            refused(ErrorKind::InvalidResponse, "the mapped collection has no storage gateway".to_owned())
        })?;
        let mine: Vec<UserCredential> = server.user_credentials().on(gateway).stream().try_collect().await?;
        let wanted = self.local_account.as_deref();
        let fitting: Vec<&UserCredential> =
            mine.iter().filter(|one| wanted.is_none() || one.username.as_deref() == wanted).collect();
        match fitting.as_slice() {
            [one] => Ok(one.id),
            [] => {
                let mut new = server.create_user_credential(gateway);
                if let Some(username) = wanted {
                    new = new.username(username);
                }
                Ok(new.send().await?.id)
            }
            several => {
                let names: Vec<&str> = several.iter().filter_map(|one| one.username.as_deref()).collect();
                Err(refused(
                    ErrorKind::Conflict,
                    format!(
                        "the account has {} user credentials there ({})",
                        several.len(),
                        names.join(", ")
                    ),
                ))
            }
        }
    }
}
