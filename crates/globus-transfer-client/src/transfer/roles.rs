//! Roles: the accounts and groups that manage a collection.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{DataList, PrincipalType};
use crate::core::Core;
use crate::error::Result;
use crate::http::Call;
use crate::lenient;

/// One role on a collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Role {
    /// The id; `None` for a role that the collection's host implies.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub id: Option<Uuid>,
    /// The kind of principal: an identity or a group.
    pub principal_type: PrincipalType,
    /// The id of the identity or group.
    pub principal: String,
    /// `administrator`, `access_manager`, `activity_manager` or `activity_monitor`.
    pub role: String,
    /// Fields that this version doesn't know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The roles on one collection; see [`CollectionHandler::roles`](super::CollectionHandler::roles).
#[derive(Clone, Copy)]
pub struct RolesHandler<'a> {
    core: &'a Core,
    collection: Uuid,
}

impl<'a> RolesHandler<'a> {
    pub(super) fn new(core: &'a Core, collection: Uuid) -> Self {
        Self { core, collection }
    }

    /// Lists all roles for its administrators, and their own roles for other callers.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// let roles = client.transfer().collection(id).roles().list().await?;
    /// let managers = roles.iter().filter(|role| role.role == "access_manager").count();
    /// println!("{managers} accounts may share it");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn list(self) -> Result<Vec<Role>> {
        let id = self.collection.to_string();
        let url = self.core.transfer_endpoint(&["endpoint", &id, "role_list"])?;
        let call = Call::get(url, format!("list the roles on collection {id}"));
        let list: DataList<Role> = self.core.transfer(call).await?;
        Ok(list.data)
    }

    /// Gets a role.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid, role: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// println!("{}", client.transfer().collection(id).roles().get(role).await?.role);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get(self, role: Uuid) -> Result<Role> {
        let (id, role) = (self.collection.to_string(), role.to_string());
        let url = self.core.transfer_endpoint(&["endpoint", &id, "role", &role])?;
        self.core.transfer(Call::get(url, format!("get the role {role} on collection {id}"))).await
    }

    /// Gives a Globus group a role: all its members then have it.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid, staff: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// client.transfer().collection(id).roles().create_for_group(staff, "activity_monitor").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn create_for_group(self, group: Uuid, role: &str) -> Result<Role> {
        self.create_for(PrincipalType::Group, group, role).await
    }

    /// Gives an identity a role, such as `access_manager`.
    ///
    /// # Errors
    /// [`Exists`](crate::ErrorKind::Exists) when it has the role already;
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied).
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid, ada: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// client.transfer().collection(id).roles().create(ada, "access_manager").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn create(self, identity: Uuid, role: &str) -> Result<Role> {
        self.create_for(PrincipalType::Identity, identity, role).await
    }

    async fn create_for(self, principal_type: PrincipalType, principal: Uuid, role: &str) -> Result<Role> {
        let id = self.collection.to_string();
        let url = self.core.transfer_endpoint(&["endpoint", &id, "role"])?;
        let document = json!({ "DATA_TYPE": "role", "principal_type": principal_type, "principal": principal, "role": role });
        // A second attempt finds the role, and the service says so.
        let call =
            Call::post(url, format!("give {principal} the role {role} on collection {id}"), &document)?
                .idempotent();
        self.core.transfer(call).await
    }

    /// Deletes a role.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound), [`PermissionDenied`](crate::ErrorKind::PermissionDenied).
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid, role: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// client.transfer().collection(id).roles().delete(role).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn delete(self, role: Uuid) -> Result<()> {
        let (id, role) = (self.collection.to_string(), role.to_string());
        let url = self.core.transfer_endpoint(&["endpoint", &id, "role", &role])?;
        let call = Call::delete(url, format!("delete the role {role} on collection {id}"));
        super::deleted(self.core.transfer::<Value>(call).await)
    }
}
