//! Edits of the configuration, while the service runs.

use super::beamline::Beamline;
use crate::config::{Config, ConfigError};
use crate::delivery::Deliverer;
use crate::journal::JournalError;
use crate::status::StatusRecords;
use crate::user_info::Watcher;
use crate::web::Endpoint;
use std::sync::Arc;
use std::time::Duration;

/// How long the lease of records that are served no more may take to be given back.
const RELEASE_LIMIT: Duration = Duration::from_secs(2);

impl Beamline {
    /// Takes over an edited configuration. A broken one changes nothing but the message.
    pub(super) async fn configure(
        &mut self,
        change: Result<Config, ConfigError>,
    ) -> Result<(), JournalError> {
        let taken = match change {
            Ok(config) => self.take_over(config).await,
            Err(error) => Err(error.to_string()),
        };
        match taken {
            Ok(()) => {
                tracing::info!("the edited configuration is in force");
                self.config_trouble = None;
                self.deliveries.restart(&self.deliverer);
                self.judge_again().await?;
                self.refresh_syncs().await?;
            }
            Err(error) => {
                tracing::error!(
                    "the edit of the configuration is not in force, the settings before it are: {error}"
                );
                self.config_trouble = Some(error);
            }
        }
        Ok(())
    }

    async fn take_over(&mut self, config: Config) -> Result<(), String> {
        if config.journal.path != self.config.journal.path {
            return Err("another [journal] path needs a restart of the service".to_owned());
        }
        let config = Arc::new(config);
        let deliverer =
            Deliverer::new(config.clone(), self.journal.clone()).map_err(|error| error.to_string())?;
        let timing = |config: &Config| (config.rules.settle, config.rules.run_limit());
        if config.epics.user_info != self.config.epics.user_info || timing(&config) != timing(&self.config) {
            let earlier = self.journal.decision_state().await.map_err(|error| error.to_string())?.watched;
            self.watcher = Watcher::start(&self.context, &config.epics.user_info, &config.rules, earlier)
                .map_err(|error| error.to_string())?;
            self.watched = None;
        }
        if config.epics.prefix != self.config.epics.prefix {
            let (records, commands) =
                StatusRecords::new(&self.context, &config.epics.prefix).map_err(|error| error.to_string())?;
            // Nothing is delivered between the lease of the old records and that of the new ones.
            self.lease = records.lease();
            let lost = self.lease_changed().await;
            std::mem::replace(&mut self.records, records).release(RELEASE_LIMIT).await;
            self.commands = commands;
            self.auto = None;
            lost.map_err(|error| error.to_string())?;
        }
        self.syncs.configure(&config, &self.journal).await.map_err(|error| error.to_string())?;
        self.deliverer = Arc::new(deliverer);
        self.endpoint.send_replace(Endpoint::of(&config));
        self.config = config;
        Ok(())
    }
}
