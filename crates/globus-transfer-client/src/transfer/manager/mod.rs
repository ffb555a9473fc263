//! What the administrators of a collection see and do: everyone's tasks, and pause rules ("advanced
//! collection management"). The calls need the role `activity_monitor` or `activity_manager`.

mod actions;
mod tasks;

use serde_json::Value;
use uuid::Uuid;

use super::{AccessRules, Collection, DataList, NewPauseRule, PauseRule, deleted};
use crate::core::Core;
use crate::error::Result;
use crate::http::Call;

pub use actions::AdminCancel;
pub use tasks::{ManagedTaskHandler, ManagedTasks};

/// The calls of an activity manager; see [`TransferHandler::manager`](super::TransferHandler::manager).
#[derive(Clone, Copy)]
pub struct ManagerHandler<'a> {
    core: &'a Core,
}

impl<'a> ManagerHandler<'a> {
    pub(super) fn new(core: &'a Core) -> Self {
        Self { core }
    }

    /// Lists the collections that the caller monitors or manages.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), globus_transfer_client::Error> {
    /// for collection in client.transfer().manager().monitored_collections().await? {
    ///     println!("{}", collection.id);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn monitored_collections(self) -> Result<Vec<Collection>> {
        self.list(&["monitored_endpoints"], "list the monitored collections").await
    }

    /// Lists the guest collections that a mapped collection hosts.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, host: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// println!("{}", client.transfer().manager().hosted_collections(host).await?.len());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn hosted_collections(self, host: Uuid) -> Result<Vec<Collection>> {
        let operation = format!("list the collections hosted by {host}");
        self.list(&["endpoint", &host.to_string(), "hosted_endpoint_list"], &operation).await
    }

    /// Gets a collection that the caller manages, which may be hidden from others.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// println!("{:?}", client.transfer().manager().collection(id).await?.display_name);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn collection(self, id: Uuid) -> Result<Collection> {
        let url = self.url(&["endpoint", &id.to_string()])?;
        self.core.transfer(Call::get(url, format!("get the managed collection {id}"))).await
    }

    /// Lists the access rules of a collection that the caller manages.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// println!("{} rules", client.transfer().manager().access_rules(id).await?.used());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn access_rules(self, collection: Uuid) -> Result<AccessRules> {
        let operation = format!("list the access rules of the managed collection {collection}");
        let rules = self.list(&["endpoint", &collection.to_string(), "access_list"], &operation).await?;
        Ok(AccessRules { rules })
    }

    /// Lists everyone's tasks on the caller's collections.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), globus_transfer_client::Error> {
    /// use futures::TryStreamExt;
    /// use globus_transfer_client::TaskStatus;
    ///
    /// let mut tasks = client.transfer().manager().tasks().status(&[TaskStatus::Active]).stream();
    /// while let Some(task) = tasks.try_next().await? {
    ///     println!("{} of {:?}", task.task_id, task.owner_id);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn tasks(self) -> ManagedTasks<'a> {
        ManagedTasks::new(self.core)
    }

    /// Another account's task on one of the caller's collections.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, id: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// println!("{:?}", client.transfer().manager().task(id).get().await?.status);
    /// # Ok(())
    /// # }
    /// ```
    pub fn task(self, id: Uuid) -> ManagedTaskHandler<'a> {
        ManagedTaskHandler::new(self.core, id)
    }

    /// Lists the pause rules that the caller may see, of one collection or of all.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), globus_transfer_client::Error> {
    /// for rule in client.transfer().manager().pause_rules(None).await? {
    ///     println!("{}", rule.message.unwrap_or_default());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn pause_rules(self, collection: Option<Uuid>) -> Result<Vec<PauseRule>> {
        let call = Call::get(self.url(&["pause_rule_list"])?, "list the pause rules")
            .query_if("filter_endpoint", collection.map(|id| id.to_string()));
        Ok(self.core.transfer::<DataList<PauseRule>>(call).await?.data)
    }

    /// Gets a pause rule.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, rule: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// println!("{:?}", client.transfer().manager().pause_rule(rule).await?.start_time);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn pause_rule(self, rule: Uuid) -> Result<PauseRule> {
        let url = self.url(&["pause_rule", &rule.to_string()])?;
        self.core.transfer(Call::get(url, format!("get the pause rule {rule}"))).await
    }

    /// Creates a pause rule on a collection.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, collection: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// use globus_transfer_client::transfer::NewPauseRule;
    ///
    /// let rule = NewPauseRule::new("The storage is down until 14:00");
    /// client.transfer().manager().create_pause_rule(collection, rule).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn create_pause_rule(self, collection: Uuid, mut rule: NewPauseRule) -> Result<PauseRule> {
        rule.endpoint_id = Some(collection);
        let operation = format!("create a pause rule on collection {collection}");
        self.core.transfer(Call::post(self.url(&["pause_rule"])?, operation, &rule)?).await
    }

    /// Replaces the settings of a pause rule.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, rule: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// use globus_transfer_client::transfer::NewPauseRule;
    ///
    /// client.transfer().manager().update_pause_rule(rule, &NewPauseRule::new("until 16:00")).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn update_pause_rule(self, rule: Uuid, settings: &NewPauseRule) -> Result<PauseRule> {
        let url = self.url(&["pause_rule", &rule.to_string()])?;
        self.core.transfer(Call::put(url, format!("change the pause rule {rule}"), settings)?).await
    }

    /// Deletes a pause rule: the paused tasks continue.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, rule: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// client.transfer().manager().delete_pause_rule(rule).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn delete_pause_rule(self, rule: Uuid) -> Result<()> {
        let url = self.url(&["pause_rule", &rule.to_string()])?;
        deleted(self.core.transfer::<Value>(Call::delete(url, format!("delete the pause rule {rule}"))).await)
    }

    async fn list<T: serde::de::DeserializeOwned>(
        self,
        segments: &[&str],
        operation: &str,
    ) -> Result<Vec<T>> {
        let call = Call::get(self.url(segments)?, operation);
        Ok(self.core.transfer::<DataList<T>>(call).await?.data)
    }

    fn url(&self, below: &[&str]) -> Result<url::Url> {
        self.core.transfer_endpoint(&[&["endpoint_manager"], below].concat())
    }
}
