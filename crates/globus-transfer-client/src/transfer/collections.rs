//! Collections: what they are, and making and deleting guest collections.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::DataList;
use super::roles::RolesHandler;
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::http::Call;
use crate::lenient;
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
    /// Whether those without a permission can find it.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub public: bool,
    /// Where people start; `/~/` or none for the service's choice.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub default_directory: Option<String>,
    /// The mapped collection or endpoint that a guest collection is a part of.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub host_endpoint_id: Option<Uuid>,
    /// The directory of the host that a guest collection shows.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub host_path: Option<String>,
    /// Whether it has access rules.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub acl_available: bool,
    /// Whether the caller may change its access rules.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub acl_editable: bool,
    /// The caller's roles on it.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub my_effective_roles: Vec<String>,
    /// For Globus Connect Personal: whether it is connected now.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub gcp_connected: Option<bool>,
    /// For Globus Connect Personal: whether its owner paused it.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub gcp_paused: Option<bool>,
    /// The address of the Globus Connect Server that manages it.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub gcs_manager_url: Option<String>,
    /// Whether it is for data under special protection.
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

    /// Whether its data needs the consent [`Scope::data_access`](crate::Scope::data_access): mapped collections of
    /// Globus Connect Server 5 that aren't high-assurance.
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
    core: &'a Core,
    id: Uuid,
}

impl<'a> CollectionHandler<'a> {
    pub(super) fn new(core: &'a Core, id: Uuid) -> Self {
        Self { core, id }
    }

    /// What it is.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none of this id, or the caller may not see it.
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
        self.core.transfer(Call::get(url, self.about("look at"))).await
    }

    /// Who manages it.
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

    /// The guest collections on this mapped collection that the caller manages.
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
        let call = Call::get(url, self.about("list the guest collections of"));
        let answer: DataList<Collection> = self.core.transfer(call).await?;
        Ok(answer.data)
    }

    /// A guest collection that shows one directory of this collection, to be made.
    ///
    /// Transfer makes those on Globus Connect Personal; a Globus Connect Server makes its own by its manager service.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// let guest = client.transfer().collection(id).create_guest("/data/", "Our data").send().await?;
    /// println!("made {guest}");
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_guest(self, path: impl Into<String>, display_name: impl Into<String>) -> CreateGuestCollection<'a> {
        CreateGuestCollection { host: self, path: path.into(), display_name: display_name.into(), fields: Map::new() }
    }

    /// Deletes it, with its access rules; the data stays.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; [`ErrorKind::PermissionDenied`] for those who don't administer it.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// client.transfer().collection(id).delete().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn delete(self) -> Result<()> {
        let call = Call::delete(self.url(&[])?, self.about("delete"));
        super::deleted(self.core.transfer::<Value>(call).await)
    }

    fn url(&self, below: &[&str]) -> Result<url::Url> {
        let id = self.id.to_string();
        let mut segments = vec!["endpoint", id.as_str()];
        segments.extend(below);
        self.core.transfer_endpoint(&segments)
    }

    fn about(&self, verb: &str) -> String {
        format!("{verb} collection {}", self.id)
    }
}

/// A guest collection to make; see [`CollectionHandler::create_guest`].
pub struct CreateGuestCollection<'a> {
    host: CollectionHandler<'a>,
    path: String,
    display_name: String,
    fields: Map<String, Value>,
}

impl CreateGuestCollection<'_> {
    /// A description for people.
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

    /// The organization that stands behind it.
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

    /// Makes it, and gives its id. Never repeated when the answer is lost: a second collection would be made.
    ///
    /// # Errors
    /// [`ErrorKind::PermissionDenied`], [`ErrorKind::NotFound`]; [`Error::may_have_been_done`] says whether to look for
    /// it before trying again.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # async fn example(client: GlobusClient, id: uuid::Uuid) -> Result<()> {
    /// let guest = client.transfer().collection(id).create_guest("/data/", "Our data").send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send(self) -> Result<Uuid> {
        let tried = format!("make the guest collection '{}' on collection {}", self.display_name, self.host.id);
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
        let call = Call::post(url, tried.as_str(), &document)?;
        let answer: Value = self.host.core.transfer(call).await?;
        answer["id"]
            .as_str()
            .and_then(|id| id.parse().ok())
            .ok_or_else(|| Error::local(ErrorKind::InvalidResponse, tried, "the answer has no id"))
    }
}
