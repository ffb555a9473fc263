use crate::config::Config;
use crate::journal::JournalMark;
use crate::status::{
    Lease, OperatorCommand, OperatorCommands, Published, Record, StatusModel, StatusRecords,
};
use channel_access::{CaError, Context, TextChannel};
use std::time::Duration;
use tokio::sync::watch;

/// How long the IOC may take to confirm the last values, or to give the lease back.
const RELEASE_LIMIT: Duration = Duration::from_secs(2);

/// How long the IOC may take to answer a read.
const READ_LIMIT: Duration = Duration::from_secs(2);

/// The records of the beamline in the IOC: the status, the operator's commands, and the lease. The metrics
/// and the web page show the same state.
pub(super) struct BeamlineRecords {
    records: StatusRecords,
    commands: OperatorCommands,
    /// Whether this process or another one serves the records
    lease: watch::Receiver<Lease>,
    /// The record with the journal's mark, to be read before anything is served
    mark: TextChannel,
    /// The state for the metrics and the web page
    published: watch::Sender<Published>,
}

/// An event of the records.
pub(super) enum RecordsEvent {
    /// The lease was gained or lost
    Lease,
    Command(OperatorCommand),
}

impl BeamlineRecords {
    /// Connects to the records of the prefix.
    pub fn connect(context: &Context, config: &Config) -> Result<BeamlineRecords, CaError> {
        let prefix = &config.epics.prefix;
        let (records, commands) = StatusRecords::new(context, prefix)?;
        let mark = TextChannel::new(context, &records.pv(Record::JournalMark))?;
        let model = StatusModel::new(&config.beamline.name, prefix, config.beamline.zone());
        let published = watch::Sender::new(Published::new(model));
        Ok(BeamlineRecords { lease: records.lease(), records, commands, mark, published })
    }

    /// Connects to the records of another prefix, and returns the former ones. The caller releases those when
    /// nothing is delivered for them any more.
    pub fn reconnect(&mut self, context: &Context, prefix: &str) -> Result<FormerRecords, CaError> {
        let (records, commands) = StatusRecords::new(context, prefix)?;
        self.mark = TextChannel::new(context, &records.pv(Record::JournalMark))?;
        self.lease = records.lease();
        self.commands = commands;
        Ok(FormerRecords(std::mem::replace(&mut self.records, records)))
    }

    /// The next event. Cancel-safe.
    pub async fn next(&mut self) -> RecordsEvent {
        tokio::select! {
            Ok(()) = self.lease.changed() => RecordsEvent::Lease,
            Some(command) = self.commands.next() => RecordsEvent::Command(command),
            else => std::future::pending().await,
        }
    }

    /// Whether this process serves the records.
    pub fn has_lease(&mut self) -> bool {
        *self.lease.borrow_and_update() == Lease::Held
    }

    /// The state as the metrics and the web page read it.
    pub fn published(&self) -> watch::Receiver<Published> {
        self.published.subscribe()
    }

    /// Sets the records that never change.
    pub fn publish_program(&self) {
        self.records.set_text(Record::Version, env!("CARGO_PKG_VERSION"));
        self.records.set_text(Record::Host, &crate::host::name());
    }

    /// The mark of the journal that was served with these records last, if the record is readable.
    pub async fn journal_mark(&self) -> Option<JournalMark> {
        let read = self.mark.get(READ_LIMIT).await;
        read.inspect_err(|error| tracing::warn!("{error}")).ok()?.text.parse().ok()
    }

    /// Keeps the journal's mark in the IOC.
    pub fn publish_mark(&self, mark: Option<JournalMark>) {
        if let Some(mark) = mark {
            self.records.set_text(Record::JournalMark, &mark.to_string());
        }
    }

    pub fn beat(&self) {
        self.records.beat();
        self.published.send_modify(Published::beat);
    }

    /// Publishes the state. `None`: the records are another process's, so they and the last state stay as
    /// they are.
    pub fn publish(&self, model: Option<StatusModel>) {
        self.published.send_modify(|published| {
            if let Some(model) = model {
                let last_run = model.last_run.or(published.status.last_run);
                published.status = StatusModel { last_run, ..model };
                self.records.show(&published.status);
            }
            published.lease = self.lease.borrow().clone();
            published.missing = self.records.missing().len();
        });
    }

    /// Shows that the service was stopped. With `resumes`, it continues a delivery when it is started again.
    pub fn show_stopped(&self, resumes: bool) {
        self.records.show_stopped(resumes);
    }

    /// Waits until the IOC has confirmed the last values.
    pub async fn flush(&self) {
        if let Err(not_displayed) = self.records.flush(RELEASE_LIMIT).await {
            tracing::debug!("{not_displayed}");
        }
    }

    /// Gives the lease back.
    pub async fn release(&self) {
        self.records.release(RELEASE_LIMIT).await;
    }
}

/// The records of a prefix that is not in force any more.
pub(super) struct FormerRecords(StatusRecords);

impl FormerRecords {
    /// Gives their lease back.
    pub async fn release(self) {
        self.0.release(RELEASE_LIMIT).await;
    }
}
