//! Changing a collection: its description, its subscription.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::CollectionHandler;
use crate::error::Result;
use crate::http::Call;

/// Changes to a collection; see [`CollectionHandler::update`].
#[must_use = "nothing is sent until `send` is awaited"]
pub struct UpdateCollection<'a> {
    collection: CollectionHandler<'a>,
    fields: Map<String, Value>,
}

impl<'a> UpdateCollection<'a> {
    pub(super) fn new(collection: CollectionHandler<'a>) -> Self {
        Self { collection, fields: Map::new() }
    }

    /// Sets the name for people.
    ///
    /// ```no_run
    /// # fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid) {
    /// let update = client.transfer().collection(id).update().display_name("Beamline 2-BM data");
    /// # }
    /// ```
    pub fn display_name(self, name: impl Into<String>) -> Self {
        self.field("display_name", name.into())
    }

    /// Sets the description.
    ///
    /// ```no_run
    /// # fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid) {
    /// let update = client.transfer().collection(id).update().description("Scans since 2026");
    /// # }
    /// ```
    pub fn description(self, text: impl Into<String>) -> Self {
        self.field("description", text.into())
    }

    /// Sets the organization.
    ///
    /// ```no_run
    /// # fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid) {
    /// let update = client.transfer().collection(id).update().organization("The facility");
    /// # }
    /// ```
    pub fn organization(self, name: impl Into<String>) -> Self {
        self.field("organization", name.into())
    }

    /// Sets the contact for people who use the collection.
    ///
    /// ```no_run
    /// # fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid) {
    /// let update = client.transfer().collection(id).update().contact("data@example.org", Some("https://example.org/"));
    /// # }
    /// ```
    pub fn contact(self, email: impl Into<String>, info_link: Option<&str>) -> Self {
        let update = self.field("contact_email", email.into());
        match info_link {
            Some(link) => update.field("info_link", link),
            None => update,
        }
    }

    /// Sets the keywords by which a search finds it.
    ///
    /// ```no_run
    /// # fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid) {
    /// let update = client.transfer().collection(id).update().keywords(&["tomography", "2-BM"]);
    /// # }
    /// ```
    pub fn keywords(self, words: &[&str]) -> Self {
        self.field("keywords", words.join(","))
    }

    /// Sets whether accounts without a permission can find it.
    ///
    /// ```no_run
    /// # fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid) {
    /// let update = client.transfer().collection(id).update().public(false);
    /// # }
    /// ```
    pub fn public(self, public: bool) -> Self {
        self.field("public", public)
    }

    /// Sets the directory in which the web app starts.
    ///
    /// ```no_run
    /// # fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid) {
    /// let update = client.transfer().collection(id).update().default_directory("/2026-03/");
    /// # }
    /// ```
    pub fn default_directory(self, path: impl Into<String>) -> Self {
        self.field("default_directory", path.into())
    }

    /// Sets any other field of the endpoint document, such as `user_message` or `force_encryption`.
    ///
    /// ```no_run
    /// # fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid) {
    /// let update = client.transfer().collection(id).update().field("force_encryption", true);
    /// # }
    /// ```
    pub fn field(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.fields.insert(name.into(), value.into());
        self
    }

    /// Sends the changes. Fields that weren't set stay as they are.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound), [`PermissionDenied`](crate::ErrorKind::PermissionDenied).
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// client.transfer().collection(id).update().description("Scans since 2026").send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send(mut self) -> Result<()> {
        self.fields.insert("DATA_TYPE".to_owned(), "endpoint".into());
        let collection = self.collection;
        let call = Call::put(collection.url(&[])?, collection.operation("change"), &self.fields)?;
        collection.core.transfer::<Value>(call).await.map(|_| ())
    }
}

impl<'a> CollectionHandler<'a> {
    /// Changes its description and settings.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// client.transfer().collection(id).update().keywords(&["tomography"]).send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn update(self) -> UpdateCollection<'a> {
        UpdateCollection::new(self)
    }

    /// Sets the subscription of a mapped collection on Globus Connect Personal; `None` removes it.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid, subscription: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// client.transfer().collection(id).set_subscription(Some(subscription)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn set_subscription(self, subscription: Option<Uuid>) -> Result<()> {
        let document = json!({ "subscription_id": subscription });
        let call =
            Call::put(self.url(&["subscription"])?, self.operation("set the subscription of"), &document)?;
        self.core.transfer::<Value>(call).await.map(|_| ())
    }

    /// Sets the subscription to the default one of the account.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// client.transfer().collection(id).set_default_subscription().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn set_default_subscription(self) -> Result<()> {
        let document = json!({ "subscription_id": "DEFAULT" });
        let call =
            Call::put(self.url(&["subscription"])?, self.operation("set the subscription of"), &document)?;
        self.core.transfer::<Value>(call).await.map(|_| ())
    }

    /// Sets whether the subscription's administrator has verified a collection on Globus Connect Personal.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// client.transfer().collection(id).set_admin_verified(true).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn set_admin_verified(self, verified: bool) -> Result<()> {
        let document = json!({ "subscription_admin_verified": verified });
        let url = self.url(&["subscription_admin_verified"])?;
        let call = Call::put(url, self.operation("set the verification of"), &document)?;
        self.core.transfer::<Value>(call).await.map(|_| ())
    }
}
