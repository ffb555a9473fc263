//! A settings file that only moves data: the pairs of `[[sync]]`, without user groups and status records.

use super::error::DaemonError;
use super::syncs::{Overview, Syncs};
use crate::config::{Changes, Config, ConfigError, ConfigWatcher, Purpose};
use crate::domain::{StepStatus, YearMonth};
use crate::journal::{Journal, RunLock};
use crate::settings;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often to check whether a new month has begun, and to retry pairs that could not be started.
const CHECK_EVERY: Duration = Duration::from_secs(10);

/// Moves the data of one file.
pub(super) struct DataOnly {
    config: Arc<Config>,
    journal: Journal,
    syncs: Syncs,
    changes: Option<Changes>,
    /// The month whose pairs are active
    month: Option<YearMonth>,
    /// What was logged last
    logged: Option<(StepStatus, String)>,
    /// No other service moves this data meanwhile
    _lock: RunLock,
}

impl DataOnly {
    /// Prepares the pairs; none of them runs yet.
    pub async fn start(config: Config, files: Option<&ConfigWatcher>) -> Result<DataOnly, DaemonError> {
        let config = Arc::new(config);
        let journal = Journal::open(&config.journal.path).await?;
        let lock = journal.lock_service("beamshare run")?;
        let syncs = Syncs::new(&config, &journal).await.map_err(DaemonError::Sync)?;
        let changes = files.map(|files| files.watch(&config, settings::CHECKS));
        let changes = changes.and_then(|changes| changes.inspect_err(|error| tracing::warn!("{error}")).ok());
        Ok(DataOnly { config, journal, syncs, changes, month: None, logged: None, _lock: lock })
    }

    /// Moves data until `stopped` ends; each change of `reload` reads the settings again. Tasks continue at
    /// Globus afterwards.
    pub async fn serve(mut self, mut stopped: watch::Receiver<()>, mut reload: watch::Receiver<()>) {
        tracing::info!(pairs = self.config.sync.len(), "moving data; these settings serve no user groups");
        self.syncs.pause(false);
        let mut clock = tokio::time::interval(CHECK_EVERY);
        loop {
            tokio::select! {
                _ = clock.tick() => {}
                _ = self.syncs.next() => {}
                change = super::beamline::next_edit(&mut self.changes) => self.configure(change).await,
                Ok(()) = reload.changed() => {
                    let change = settings::load(&self.config.file);
                    self.configure(change).await;
                }
                _ = stopped.changed() => break,
            }
            self.refresh().await;
        }
        self.syncs.break_off().await;
        self.journal.close().await;
    }

    /// Starts what is due, and logs how the pairs are doing where that has changed.
    async fn refresh(&mut self) {
        let month =
            YearMonth::from(jiff::ZonedDateTime::now().with_time_zone(self.config.beamline.zone()).date());
        if self.month.replace(month) != Some(month) {
            self.syncs.look_again();
        }
        if let Err(error) = self.syncs.refresh_pairs(None).await {
            tracing::error!("{error}");
        }
        let Some(Overview { status, message, .. }) = self.syncs.overview() else { return };
        if self.logged.as_ref() != Some(&(status, message.clone())) && !message.is_empty() {
            tracing::info!(status = ?status, "{message}");
            self.logged = Some((status, message));
        }
    }

    /// Applies edited settings. An invalid edit changes nothing.
    async fn configure(&mut self, change: Result<Config, ConfigError>) {
        let applied = match change {
            Ok(config) => self.apply(config).await,
            Err(error) => Err(error.to_string()),
        };
        match applied {
            Ok(()) => tracing::info!("the edited settings are in force"),
            Err(error) => {
                tracing::error!("the edit was rejected; the previous settings stay in force: {error}");
            }
        }
    }

    async fn apply(&mut self, config: Config) -> Result<(), String> {
        if config.purpose != Purpose::DataOnly {
            return Err("serving user groups from now on needs a restart of the service".to_owned());
        }
        if config.journal.path != self.config.journal.path {
            return Err("another [journal] path needs a restart of the service".to_owned());
        }
        let config = Arc::new(config);
        self.syncs.configure(&config, &self.journal).await.map_err(|error| error.to_string())?;
        self.config = config;
        Ok(())
    }
}
