//! Roles on the endpoint and on its collections.

use futures::stream::BoxStream;
use serde_json::json;
use uuid::Uuid;

use super::{ConnectServer, ManagedRole};
use crate::error::Result;
use crate::http::Call;

impl<'a> ConnectServer<'a> {
    /// Lists the roles on a collection, or on the endpoint without one: those of everybody for
    /// administrators, and the caller's own for others.
    pub fn roles(&self, collection: Option<Uuid>) -> BoxStream<'a, Result<ManagedRole>> {
        let mut query = vec![("include", "all_roles".to_owned())];
        query.extend(collection.map(|id| ("collection_id", id.to_string())));
        let operation = match collection {
            Some(id) => format!("list the roles on collection {id}"),
            None => format!("list the roles on the endpoint {}", self.endpoint),
        };
        self.clone().list("roles", query, operation)
    }

    /// One role.
    pub async fn role(&self, id: Uuid) -> Result<ManagedRole> {
        let call = Call::get(self.url(&["roles", &id.to_string()])?, format!("get role {id}"));
        self.one(call, "role").await
    }

    /// Gives an identity a role on a collection, or on the endpoint without one.
    ///
    /// # Errors
    /// [`Conflict`](crate::ErrorKind::Conflict) when it has the role.
    pub async fn create_role(
        &self,
        collection: Option<Uuid>,
        identity: Uuid,
        role: &str,
    ) -> Result<ManagedRole> {
        self.create_role_for(collection, &format!("urn:globus:auth:identity:{identity}"), role).await
    }

    /// Like [`create_role`](Self::create_role), for a group.
    pub async fn create_group_role(
        &self,
        collection: Option<Uuid>,
        group: Uuid,
        role: &str,
    ) -> Result<ManagedRole> {
        self.create_role_for(collection, &format!("urn:globus:auth:group:{group}"), role).await
    }

    async fn create_role_for(
        &self,
        collection: Option<Uuid>,
        principal: &str,
        role: &str,
    ) -> Result<ManagedRole> {
        let mut document = json!({"DATA_TYPE": "role#1.0.0", "principal": principal, "role": role});
        if let Some(id) = collection {
            document["collection"] = json!(id);
        }
        let call = Call::post(self.url(&["roles"])?, format!("give {principal} the role {role}"), &document)?;
        self.one(call, "role").await
    }

    /// Deletes a role.
    pub async fn delete_role(&self, id: Uuid) -> Result<()> {
        self.delete("roles", id, &format!("delete role {id}")).await
    }
}
