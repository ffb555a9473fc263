use super::common::Common;
use super::deliveries::Deliveries;
use crate::delivery::DeliveryReport;
use crate::journal::{DeliveryRow, ExperimentRow, JournalError};
use crate::status::{HISTORY_LENGTH, RecentGroup};
use tokio::sync::watch;
use uuid::Uuid;

/// The group that the status records show, and the totals of the beamline's deliveries.
#[derive(Default)]
pub(super) struct DisplayedGroup {
    group: Option<ShownGroup>,
    totals: Totals,
    /// The groups that were delivered last, the newest first
    recent: Vec<RecentGroup>,
}

struct ShownGroup {
    row: ExperimentRow,
    report: DeliveryReport,
    last_delivery: Option<DeliveryRow>,
    /// The reports of its running delivery
    reports: Option<watch::Receiver<DeliveryReport>>,
}

/// Deliveries since the installation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub deliveries: u64,
    /// The failed ones among them
    pub failures: u64,
}

impl DisplayedGroup {
    /// Displays the experiment as its running delivery or the journal reports it.
    pub async fn show(
        &mut self,
        id: Uuid,
        common: &Common,
        deliveries: &Deliveries,
    ) -> Result<(), JournalError> {
        let journal = &common.journal;
        let Some(row) = journal.experiment(id).await? else { return Ok(()) };
        let reports = deliveries.report(id);
        let report = match &reports {
            Some(reports) => reports.borrow().clone(),
            None => common.deliverer.report_of(&row).await?,
        };
        let last_delivery = journal.last_delivery(id).await?;
        let (deliveries, failures) = journal.counts().await?;
        let count = |count| u64::try_from(count).unwrap_or_default();
        self.totals = Totals { deliveries: count(deliveries), failures: count(failures) };
        let recent = journal.recent_groups(HISTORY_LENGTH).await?;
        self.recent = recent.iter().map(|(delivery, row)| RecentGroup::new(delivery, row)).collect();
        self.group = Some(ShownGroup { row, report, last_delivery, reports });
        Ok(())
    }

    /// Waits until the running delivery has reported something new; for ever where none runs. Cancel-safe.
    pub async fn changed(&mut self) {
        if let Some(group) = &mut self.group
            && let Some(reports) = &mut group.reports
            && reports.changed().await.is_ok()
        {
            group.report = reports.borrow_and_update().clone();
            return;
        }
        std::future::pending().await
    }

    pub fn row(&self) -> Option<&ExperimentRow> {
        self.group.as_ref().map(|group| &group.row)
    }

    pub fn is(&self, id: Uuid) -> bool {
        self.row().is_some_and(|row| row.id == id)
    }

    pub fn report(&self) -> Option<&DeliveryReport> {
        self.group.as_ref().map(|group| &group.report)
    }

    pub fn last_delivery(&self) -> Option<&DeliveryRow> {
        self.group.as_ref().and_then(|group| group.last_delivery.as_ref())
    }

    pub fn recent(&self) -> &[RecentGroup] {
        &self.recent
    }

    pub fn totals(&self) -> Totals {
        self.totals
    }
}
