//! Globus Timers: transfers that Globus itself starts on a schedule.

mod new_timer;
mod timer;

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::core::Core;
use crate::error::{ErrorKind, Result};
use crate::http::Call;
use crate::lenient;
use crate::service::Service;

pub use new_timer::NewTimer;
pub use timer::{Timer, TimerStatus};

/// The calls of Globus Timers; see [`GlobusClient::timers`](crate::GlobusClient::timers).
#[derive(Clone, Copy)]
pub struct TimersHandler<'a> {
    core: &'a Core,
}

impl<'a> TimersHandler<'a> {
    pub(crate) fn new(core: &'a Core) -> Self {
        Self { core }
    }

    /// Creates a timer.
    ///
    /// # Errors
    /// [`ErrorKind::ConsentRequired`] when a mapped collection needs the consent `data_access` beneath Timers
    /// and Transfer; [`ErrorKind::InvalidRequest`] for a schedule that Timers doesn't take.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, from: uuid::Uuid, to: uuid::Uuid)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// use std::time::Duration;
    ///
    /// use globus_transfer_client::{SyncLevel, TransferTask};
    /// use globus_transfer_client::timers::NewTimer;
    ///
    /// let task = TransferTask::new(from, to).sync_level(SyncLevel::Mtime).directory("/raw/", "/raw/");
    /// let nightly = NewTimer::every(Duration::from_secs(24 * 3600), task).name("nightly");
    /// let timer = client.timers().create(nightly).await?;
    /// println!("{} runs next at {:?}", timer.id, timer.next_run);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn create(self, timer: NewTimer) -> Result<Timer> {
        #[derive(Deserialize)]
        struct Answer {
            timer: Timer,
        }
        let operation = match &timer.name {
            Some(name) => format!("create the timer '{name}'"),
            None => "create a timer".to_owned(),
        };
        let call =
            Call::post(self.url(&["v2", "timer"])?, operation, &json!({ "timer": timer.document()? }))?;
        Ok(self.core.call::<Answer>(&Service::timers(), call).await?.timer)
    }

    /// Creates a timer by the older job document, which also starts other actions than transfers.
    pub async fn create_job(self, document: &Map<String, Value>) -> Result<Timer> {
        let call = Call::post(self.jobs()?, "create a timer job", document)?;
        self.core.call(&Service::timers(), call).await
    }

    /// All timers of the caller.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient) -> Result<(), globus_transfer_client::Error> {
    /// for timer in client.timers().list().await? {
    ///     println!("{} {:?} {} runs", timer.id, timer.status, timer.runs);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn list(self) -> Result<Vec<Timer>> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(deserialize_with = "lenient::items")]
            jobs: Vec<Timer>,
        }
        let call = Call::get(self.jobs()?, "list the timers");
        Ok(self.core.call::<Answer>(&Service::timers(), call).await?.jobs)
    }

    /// One timer.
    pub async fn get(self, id: Uuid) -> Result<Timer> {
        let call = Call::get(self.url(&["jobs", &id.to_string()])?, format!("get timer {id}"));
        self.core.call(&Service::timers(), call).await
    }

    /// Changes fields of a timer, such as `name`.
    pub async fn update(self, id: Uuid, changes: &Map<String, Value>) -> Result<Timer> {
        let url = self.url(&["jobs", &id.to_string()])?;
        let call = Call::new(Method::PATCH, url, format!("change timer {id}")).json(changes)?.idempotent();
        self.core.call(&Service::timers(), call).await
    }

    /// Pauses a timer until it is resumed. Transfers that it has started go on.
    pub async fn pause(self, id: Uuid) -> Result<()> {
        let url = self.url(&["jobs", &id.to_string(), "pause"])?;
        let call = Call::new(Method::POST, url, format!("pause timer {id}")).idempotent();
        self.core.call::<Value>(&Service::timers(), call).await.map(|_| ())
    }

    /// Resumes a paused timer. `update_credentials` replaces its credentials by those of this call; without a
    /// choice, Timers does so when the timer was paused for missing consents or sessions.
    pub async fn resume(self, id: Uuid, update_credentials: Option<bool>) -> Result<()> {
        let url = self.url(&["jobs", &id.to_string(), "resume"])?;
        let document =
            update_credentials.map_or_else(|| json!({}), |update| json!({ "update_credentials": update }));
        let call = Call::post(url, format!("resume timer {id}"), &document)?;
        self.core.call::<Value>(&Service::timers(), call).await.map(|_| ())
    }

    /// Deletes a timer. When the response to a first attempt was lost and there is no timer any more, it is
    /// deleted.
    pub async fn delete(self, id: Uuid) -> Result<()> {
        let call = Call::delete(self.url(&["jobs", &id.to_string()])?, format!("delete timer {id}"));
        match self.core.call::<Value>(&Service::timers(), call).await {
            Err(error) if *error.kind() == ErrorKind::NotFound && error.may_have_been_done() => Ok(()),
            other => other.map(|_| ()),
        }
    }

    fn url(self, segments: &[&str]) -> Result<url::Url> {
        self.core.endpoint(&Service::timers(), segments)
    }

    /// The list of jobs, which needs the slash at its end: Timers redirects without it.
    fn jobs(self) -> Result<url::Url> {
        let mut url = self.url(&["jobs"])?;
        let path = format!("{}/", url.path());
        url.set_path(&path);
        Ok(url)
    }
}
