//! Edits of the configuration while the service runs.

use super::super::common::Common;
use super::Beamline;
use crate::config::{Changes, Config, ConfigError};
use crate::journal::JournalError;
use crate::web::Endpoint;

impl Beamline {
    /// Applies an edited configuration. A broken one changes only the message.
    pub(super) async fn configure(&mut self, edit: Result<Config, ConfigError>) -> Result<(), JournalError> {
        let applied = match edit {
            Ok(config) => self.apply(config).await,
            Err(error) => Err(error.to_string()),
        };
        // The watcher may be another one now.
        self.decision.observe_again();
        if let Err(error) = applied {
            tracing::error!(
                "the edit of the configuration is rejected, and the previous settings stay in force: {error}"
            );
            self.notices.set_config_error(Some(error));
            return Ok(());
        }
        tracing::info!("the edited configuration is in force");
        self.notices.set_config_error(None);
        self.deliveries.restart(&self.common.deliverer);
        if !self.serves {
            return Ok(());
        }
        self.judge_again().await?;
        self.refresh_syncs().await
    }

    async fn apply(&mut self, config: Config) -> Result<(), String> {
        let journal = self.common.journal.clone();
        if config.purpose != self.common.config.purpose {
            return Err("settings without [epics] need a restart of the service".to_owned());
        }
        if config.journal.path != self.common.config.journal.path {
            return Err("another [journal] path needs a restart of the service".to_owned());
        }
        let new = Common::new(config, journal.clone()).map_err(|error| error.to_string())?;
        let (config, former) = (&new.config, self.common.config.clone());
        let timing = |config: &Config| (config.rules.settle, config.rules.run_limit());
        if config.epics.user_info != former.epics.user_info || timing(config) != timing(&former) {
            let earlier = journal.decision_state().await.map_err(|error| error.to_string())?.watched;
            self.decision.reconnect(&self.context, config, earlier).map_err(|error| error.to_string())?;
        }
        if config.epics.prefix != former.epics.prefix {
            let former = self.records.reconnect(&self.context, &config.epics.prefix);
            let former = former.map_err(|error| error.to_string())?;
            // Nothing is delivered between the lease of the former records and that of the new ones.
            let broken_off = self.lease_changed().await;
            former.release().await;
            self.common.auto = None;
            broken_off.map_err(|error| error.to_string())?;
        }
        self.syncs.configure(config, &journal).await.map_err(|error| error.to_string())?;
        self.endpoint.send_replace(Endpoint::of(config));
        self.common = Common { auto: self.common.auto, paused: self.common.paused, ..new };
        Ok(())
    }
}

/// The next edit of the configuration; waits for ever where its files can't be watched. Cancel-safe.
pub(in super::super) async fn next_edit(changes: &mut Option<Changes>) -> Result<Config, ConfigError> {
    match changes {
        Some(changes) => changes.next().await,
        None => std::future::pending().await,
    }
}
