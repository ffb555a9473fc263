//! What was done for an experiment, out of the journal.

use super::progress::{Units, summary};
use super::run::Options;
use super::{Deliverer, DeliveryReport, Step, StepStatus};
use crate::experiment::{EmailAddress, RelativePath};
use crate::journal::{AccessState, DeliveryState, ExperimentRow, JournalError, MessageState, StepRow};
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};

impl Deliverer {
    /// The report as the experiment's last deliveries left it, e.g. to show it after a restart. Nothing is looked at but
    /// the journal.
    pub async fn report_of(&self, row: &ExperimentRow) -> Result<DeliveryReport, JournalError> {
        // A configuration that has changed since can lack what its path needs; the first path is in the journal.
        let paths = self.paths(&row.experiment).unwrap_or_else(|_| vec![row.path.clone()]);
        let mut report = self.recall(row, &paths).await?;
        let last = self.journal.deliveries_of(row.id).await?.into_iter().next();
        report.message = match last.map(|last| (last.state, last.error)) {
            Some((DeliveryState::Done, _)) => report.done_sentence(),
            Some((DeliveryState::Running, _)) => "The delivery was interrupted and is to go on".to_owned(),
            Some((_, error)) => error,
            None => String::new(),
        };
        Ok(report)
    }

    /// The report with which a delivery begins: what it is to make true is pending, the rest as it was.
    pub(super) async fn report_before(
        &self,
        row: &ExperimentRow,
        paths: &[RelativePath],
        options: &Options,
    ) -> Result<DeliveryReport, JournalError> {
        let mut report = self.recall(row, paths).await?;
        for (step, shown) in &mut report.steps {
            if self.has(*step) && options.only.as_ref().is_none_or(|only| only.contains(step)) {
                *shown = (StepStatus::Pending, String::new());
            }
        }
        report.emails_failed = 0;
        if options.resend {
            report.emails_sent = 0;
        }
        report.message = format!("Delivering to {}", row.experiment);
        Ok(report)
    }

    async fn recall(&self, row: &ExperimentRow, paths: &[RelativePath]) -> Result<DeliveryReport, JournalError> {
        let experiment = &row.experiment;
        let people = self.people(experiment);
        let recipients = self.recipients(experiment);
        // Places and people of before tell nothing any more, but a failure that is nobody's alone does.
        let shown = |row: &StepRow| match row.step {
            Step::Dirs => self.places.iter().any(|place| place.name() == row.unit),
            Step::Globus => true,
            Step::Share => {
                people.iter().any(|(email, _)| email.username() == row.unit)
                    || (row.status == StepStatus::Failed && !is_person(&row.unit))
            }
            Step::Email => {
                recipients.iter().any(|recipient| recipient.username() == row.unit)
                    || (row.status != StepStatus::Done && !is_person(&row.unit))
            }
            Step::Sync => false,
        };
        let mut units: BTreeMap<Step, Units> = BTreeMap::new();
        for step in self.journal.steps_of(row.id).await? {
            if shown(&step) {
                units.entry(step.step).or_default().insert(step.unit, (step.status, step.message));
            }
        }
        let steps = [Step::Dirs, Step::Globus, Step::Share, Step::Email, Step::Sync].map(|step| {
            let shown = match units.get(&step) {
                _ if !self.has(step) => (StepStatus::Skipped, "not configured".to_owned()),
                Some(units) => summary(units),
                None => (StepStatus::Pending, String::new()),
            };
            (step, shown)
        });
        let messages = self.journal.messages(row.id).await?;
        let mailed: BTreeSet<_> = messages
            .iter()
            .filter(|message| message.addressee == experiment.pi_email && message.state == MessageState::Sent)
            .map(|message| message.recipient.username())
            .collect();
        let refused =
            units.get(&Step::Email).into_iter().flatten().filter(|(_, (status, _))| *status == StepStatus::Failed);
        Ok(DeliveryReport {
            users_total: people.len() as u32,
            users_shared: self.shared_with(row, paths).await?.len() as u32,
            emails_sent: mailed.len() as u32,
            emails_failed: refused.count() as u32,
            path: paths[0].to_string(),
            data_link: self.data_link(&paths[0]),
            message: String::new(),
            steps: BTreeMap::from(steps),
        })
    }

    /// Those of the experiment's people who have access to all its directories.
    pub(super) async fn shared_with(
        &self,
        row: &ExperimentRow,
        paths: &[RelativePath],
    ) -> Result<Vec<EmailAddress>, JournalError> {
        let Some(collection) = &self.collection else { return Ok(vec![]) };
        let access = self.journal.access(row.id).await?;
        let can_read = |email: &EmailAddress, path: &String| {
            access.iter().any(|row| {
                row.email == *email
                    && row.path == *path
                    && row.collection == collection.settings().collection
                    && row.state == AccessState::Granted
            })
        };
        let paths: Vec<_> = paths.iter().map(|path| collection.path(path)).collect();
        let people = self.people(&row.experiment).into_iter().map(|(email, _)| email);
        Ok(people.filter(|email| paths.iter().all(|path| can_read(email, path))).collect())
    }

    /// The facility's time zone.
    pub(super) fn time_zone(&self) -> TimeZone {
        let named = self.config.beamline.time_zone.as_deref().and_then(|name| TimeZone::get(name).ok());
        named.unwrap_or_else(TimeZone::system)
    }
}

/// Units are named after people by their address alone.
fn is_person(unit: &str) -> bool {
    unit.parse::<EmailAddress>().is_ok()
}
