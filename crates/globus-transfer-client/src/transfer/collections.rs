//! Collections: their documents, and creating and deleting guest collections.

use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::roles::RolesHandler;
use super::{DataList, PauseRule};
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::http::Call;
use crate::lenient;
use crate::paging::pages;
use crate::path;

/// A collection, or the endpoint that carries collections.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Collection {
    /// The id.
    pub id: Uuid,
    /// The name that people see.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub display_name: Option<String>,
    /// `GCSv5_mapped_collection`, `GCSv5_guest_collection`, `GCP_mapped_collection`, `GCP_guest_collection`,
    /// `GCSv5_endpoint`.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub entity_type: Option<String>,
    /// The identity that owns it.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub owner_id: Option<Uuid>,
    /// The owner as people see it.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub owner_string: Option<String>,
    /// A description.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub description: Option<String>,
    /// The organization.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub organization: Option<String>,
    /// Whether accounts without a permission can find it.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub public: bool,
    /// The directory in which the web app starts; `/~/` or `None` for the service's choice.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub default_directory: Option<String>,
    /// The mapped collection or endpoint that hosts a guest collection.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub host_endpoint_id: Option<Uuid>,
    /// The directory of the host that a guest collection shares.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub host_path: Option<String>,
    /// Whether it can have access rules.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub acl_available: bool,
    /// Whether the caller may change its access rules.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub acl_editable: bool,
    /// The caller's roles on it.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub my_effective_roles: Vec<String>,
    /// For Globus Connect Personal: whether it is running.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub gcp_connected: Option<bool>,
    /// For Globus Connect Personal: whether its owner paused it.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub gcp_paused: Option<bool>,
    /// The address of the Globus Connect Server that manages it.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub gcs_manager_url: Option<String>,
    /// Whether it is a high-assurance collection, for protected data.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub high_assurance: Option<bool>,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Collection {
    /// Whether it is a guest collection, which has access rules and asks for no `data_access` consent.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, id: uuid::Uuid) -> Result<()> {
    /// let collection = client.transfer().collection(id).get().await?;
    /// if !collection.is_guest() {
    ///     println!("only guest collections have access rules");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_guest(&self) -> bool {
        self.entity_type.as_deref().is_some_and(|kind| kind.ends_with("guest_collection"))
    }

    /// Whether its data needs the consent [`Scope::data_access`](crate::Scope::data_access): mapped
    /// collections of Globus Connect Server 5 that aren't high-assurance.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, id: uuid::Uuid) -> Result<()> {
    /// let collection = client.transfer().collection(id).get().await?;
    /// let mut service = ClientCredentials::new(uuid::Uuid::from_u128(1), "the secret");
    /// if collection.needs_data_access() {
    ///     service = service.data_access(collection.id);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn needs_data_access(&self) -> bool {
        self.entity_type.as_deref() == Some("GCSv5_mapped_collection") && self.high_assurance != Some(true)
    }
}

/// One collection; see [`TransferHandler::collection`](super::TransferHandler::collection).
#[derive(Clone, Copy)]
pub struct CollectionHandler<'a> {
    pub(super) core: &'a Core,
    pub(super) id: Uuid,
}

impl<'a> CollectionHandler<'a> {
    pub(super) fn new(core: &'a Core, id: Uuid) -> Self {
        Self { core, id }
    }

    /// Gets its document.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when no collection has this id, or the caller may not see it.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// let collection = client.transfer().collection(id).get().await?;
    /// println!("{:?}, guest: {}", collection.display_name, collection.is_guest());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get(self) -> Result<Collection> {
        let url = self.url(&[])?;
        self.core.transfer(Call::get(url, self.operation("get"))).await
    }

    /// Its roles: the accounts and groups that manage it.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// for role in client.transfer().collection(id).roles().list().await? {
    ///     println!("{} {}", role.principal, role.role);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn roles(self) -> RolesHandler<'a> {
        RolesHandler::new(self.core, self.id)
    }

    /// Lists the guest collections on this mapped collection that the caller manages.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// for guest in client.transfer().collection(id).my_guest_collections().await? {
    ///     println!("{}", guest.id);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn my_guest_collections(self) -> Result<Vec<Collection>> {
        let url = self.url(&["my_shared_endpoint_list"])?;
        let call = Call::get(url, self.operation("list the guest collections of"));
        let response: DataList<Collection> = self.core.transfer(call).await?;
        Ok(response.data)
    }

    /// Creates a guest collection that shares one directory of this collection.
    ///
    /// Transfer creates those on Globus Connect Personal; on Globus Connect Server they are created with its
    /// manager API.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// let guest = client.transfer().collection(id).create_guest("/data/", "Our data").send().await?;
    /// println!("created {guest}");
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_guest(
        self,
        path: impl Into<String>,
        display_name: impl Into<String>,
    ) -> CreateGuestCollection<'a> {
        CreateGuestCollection {
            host: self,
            path: path.into(),
            display_name: display_name.into(),
            fields: Map::new(),
        }
    }

    /// All guest collections on this mapped collection, for its administrators; pages are fetched as they are
    /// needed.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// use futures::TryStreamExt;
    ///
    /// let mut guests = client.transfer().collection(id).guest_collections();
    /// while let Some(guest) = guests.try_next().await? {
    ///     println!("{}", guest.id);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn guest_collections(self) -> BoxStream<'a, Result<Collection>> {
        #[derive(Deserialize)]
        struct Page {
            // The official documents spell the list in lower case, unlike those of other lists.
            #[serde(alias = "DATA", deserialize_with = "lenient::items")]
            shared_endpoints: Vec<Collection>,
            #[serde(default, deserialize_with = "lenient::or_default")]
            next_token: Option<String>,
        }
        pages(None::<String>, move |token| async move {
            let url = self.url(&["shared_endpoint_list"])?;
            let call =
                Call::get(url, self.operation("list all guest collections of")).query_if("next_token", token);
            let page: Page = self.core.transfer(call).await?;
            Ok((page.shared_endpoints, page.next_token.map(Some)))
        })
    }

    /// Lists the pause rules that apply to the caller's tasks on this collection.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// for rule in client.transfer().collection(id).my_pause_rules().await? {
    ///     println!("{}", rule.message.unwrap_or_default());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn my_pause_rules(self) -> Result<Vec<PauseRule>> {
        let call =
            Call::get(self.url(&["my_effective_pause_rule_list"])?, self.operation("list my pause rules of"));
        Ok(self.core.transfer::<DataList<PauseRule>>(call).await?.data)
    }

    /// Lists the servers of an endpoint of Globus Connect Server 4, which is no longer supported by Globus.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// println!("{} servers", client.transfer().collection(id).servers().await?.len());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn servers(self) -> Result<Vec<Value>> {
        let call = Call::get(self.url(&["server_list"])?, self.operation("list the servers of"));
        Ok(self.core.transfer::<DataList<Value>>(call).await?.data)
    }

    /// Gets one server of an endpoint; see [`CollectionHandler::servers`].
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// println!("{}", client.transfer().collection(id).server(12).await?["hostname"]);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn server(self, server: u64) -> Result<Value> {
        let url = self.url(&["server", &server.to_string()])?;
        self.core.transfer(Call::get(url, self.operation("get a server of"))).await
    }

    /// Deletes it with its access rules; the data stays.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; [`ErrorKind::PermissionDenied`] without the role administrator.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// client.transfer().collection(id).delete().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn delete(self) -> Result<()> {
        let call = Call::delete(self.url(&[])?, self.operation("delete"));
        super::deleted(self.core.transfer::<Value>(call).await)
    }

    pub(super) fn url(&self, below: &[&str]) -> Result<url::Url> {
        let id = self.id.to_string();
        let mut segments = vec!["endpoint", id.as_str()];
        segments.extend(below);
        self.core.transfer_endpoint(&segments)
    }

    pub(super) fn operation(&self, verb: &str) -> String {
        format!("{verb} collection {}", self.id)
    }
}

/// A guest collection to create; see [`CollectionHandler::create_guest`].
#[must_use = "nothing is sent until `send` is awaited"]
pub struct CreateGuestCollection<'a> {
    host: CollectionHandler<'a>,
    path: String,
    display_name: String,
    fields: Map<String, Value>,
}

impl CreateGuestCollection<'_> {
    /// Sets the description.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, id: uuid::Uuid) -> Result<()> {
    /// let guest = client.transfer().collection(id).create_guest("/data/", "Our data").description("scans of 2026");
    /// # Ok(())
    /// # }
    /// ```
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.fields.insert("description".to_owned(), text.into().into());
        self
    }

    /// Sets the organization.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, id: uuid::Uuid) -> Result<()> {
    /// let guest = client.transfer().collection(id).create_guest("/data/", "Our data").organization("The facility");
    /// # Ok(())
    /// # }
    /// ```
    pub fn organization(mut self, name: impl Into<String>) -> Self {
        self.fields.insert("organization".to_owned(), name.into().into());
        self
    }

    /// Creates it and returns its id. Not retried when the response is lost, since that would create a second
    /// one.
    ///
    /// # Errors
    /// [`ErrorKind::PermissionDenied`], [`ErrorKind::NotFound`]; [`Error::may_have_been_done`] when it should
    /// be looked for before trying again.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, id: uuid::Uuid) -> Result<()> {
    /// let guest = client.transfer().collection(id).create_guest("/data/", "Our data").send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send(self) -> Result<Uuid> {
        let operation =
            format!("create the guest collection '{}' on collection {}", self.display_name, self.host.id);
        let mut document = json!({
            "DATA_TYPE": "shared_endpoint",
            "host_endpoint": self.host.id,
            "host_path": path::directory(&self.path)?,
            "display_name": self.display_name,
        });
        if let Some(fields) = document.as_object_mut() {
            fields.extend(self.fields);
        }
        let url = self.host.core.transfer_endpoint(&["shared_endpoint"])?;
        let call = Call::post(url, operation.as_str(), &document)?;
        let response: Value = self.host.core.transfer(call).await?;
        response["id"]
            .as_str()
            .and_then(|id| id.parse().ok())
            .ok_or_else(|| Error::local(ErrorKind::InvalidResponse, operation, "the response has no id"))
    }
}
