//! What was done for an experiment, out of the journal.

use super::hooks;
use super::people::SCHEDULE;
use super::progress::{Units, summary};
use super::run::Options;
use super::share::Shared;
use super::{Deliverer, DeliveryReport};
use crate::domain::{EmailAddress, RelativePath, Step, StepStatus};
use crate::journal::{
    AccessState, DeliveryState, ExperimentRow, JournalError, MessageKind, MessageState, StepRow, Unreachable,
};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

impl Deliverer {
    /// The report as the experiment's last deliveries left it, e.g. to show it after a restart. Nothing is looked at but
    /// the journal.
    pub async fn report_of(&self, row: &ExperimentRow) -> Result<DeliveryReport, JournalError> {
        // A configuration that has changed since can lack what its path needs; the first path is in the journal.
        let paths = self.paths(&row.experiment).unwrap_or_else(|_| vec![row.path.clone()]);
        let mut report = self.recall(row, &paths).await?;
        let last = self.journal.last_delivery(row.id).await?;
        report.message = match last.map(|last| (last.state, last.error)) {
            Some((DeliveryState::Done, _)) => report.done_sentence(),
            Some((DeliveryState::Running, _)) => "The delivery was interrupted and is to go on".to_owned(),
            Some((_, error)) => error,
            None => String::new(),
        };
        Ok(report)
    }

    /// The report with which a delivery begins: what it is to make true is pending, the rest as it was.
    pub async fn report_before(&self, id: Uuid, options: &Options) -> Result<DeliveryReport, JournalError> {
        let Some(row) = self.journal.experiment(id).await? else { return Ok(DeliveryReport::default()) };
        let paths = self.paths(&row.experiment).unwrap_or_else(|_| vec![row.path.clone()]);
        let mut report = self.recall(&row, &paths).await?;
        for (step, shown) in &mut report.steps {
            if self.has(*step) && options.only.as_ref().is_none_or(|only| only.contains(step)) {
                *shown = (StepStatus::Pending, String::new());
            }
        }
        report.emails_failed = 0;
        if options.resend {
            report.emails_sent = 0;
        }
        report.message = "Delivering".to_owned();
        Ok(report)
    }

    async fn recall(&self, row: &ExperimentRow, paths: &[RelativePath]) -> Result<DeliveryReport, JournalError> {
        let people = self.people(row).await?;
        let recipients = self.recipients(&people);
        // Places and people of before tell nothing any more, but a failure that is nobody's alone does.
        let is_hook = |row: &StepRow| {
            self.config.hooks.iter().any(|hook| hook.step() == row.step && hooks::unit(hook) == row.unit)
        };
        let shown = |row: &StepRow| match row.step {
            _ if row.unit.starts_with(hooks::UNIT) => is_hook(row),
            Step::Dirs => self.places.iter().any(|place| place.name() == row.unit),
            Step::Globus => true,
            Step::Share => {
                people.readers.iter().any(|person| person.email.username() == row.unit)
                    || (row.unit == SCHEDULE && self.serves_everyone())
                    || (row.status == StepStatus::Failed && !is_person(&row.unit))
            }
            Step::Email => {
                recipients.iter().any(|(_, recipient)| recipient.username() == row.unit)
                    || (row.status != StepStatus::Done && !is_person(&row.unit))
            }
            Step::Sync => self.copies.iter().any(|copy| copy.is_about(&row.unit)),
            Step::Delivery => false,
        };
        let mut units: BTreeMap<Step, Units> = BTreeMap::new();
        for step in self.journal.steps_of(row.id).await? {
            if shown(&step) {
                units.entry(step.step).or_default().insert(step.unit, (step.status, step.message));
            }
        }
        for step in [Step::Share, Step::Email] {
            // Only where something was done: a step that has yet to begin is pending.
            if let Some(units) = units.get_mut(&step) {
                for Unreachable { name, reason } in &people.unreachable {
                    units.insert(name.clone(), (StepStatus::Skipped, reason.clone()));
                }
            }
        }
        let steps = [Step::Dirs, Step::Globus, Step::Share, Step::Email, Step::Sync].map(|step| {
            let shown = match units.get(&step) {
                _ if !self.has(step) => (StepStatus::Skipped, "not configured".to_owned()),
                // A copy that has yet to arrive beside one that has.
                Some(units) if step == Step::Sync => match summary(units) {
                    (StepStatus::Running, message) => (StepStatus::Pending, message),
                    ended => ended,
                },
                Some(units) => summary(units),
                None => (StepStatus::Pending, String::new()),
            };
            (step, shown)
        });
        // It is there for its hooks alone.
        let whole = self.has(Step::Delivery).then(|| (Step::Delivery, units.get(&Step::Delivery)));
        let whole = whole.map(|(step, units)| (step, units.map(summary).unwrap_or_default()));
        let messages = self.journal.messages(row.id).await?;
        // One each of every kind: resendings count once.
        let mailed: BTreeSet<_> = messages
            .iter()
            .filter(|message| message.state == MessageState::Sent && !matches!(message.kind, MessageKind::PiChange(_)))
            .filter(|message| {
                recipients.iter().any(|(to, recipient)| message.addressee == *to && message.recipient == *recipient)
            })
            .map(|message| (message.kind.to_string(), message.addressee.username(), message.recipient.username()))
            .collect();
        let emails_sent = mailed.len() as u32;
        let refused = units.get(&Step::Email).into_iter().flatten();
        let refused =
            refused.filter(|(unit, (status, _))| *status == StepStatus::Failed && !unit.starts_with(hooks::UNIT));
        let users_shared = match &self.collection {
            Some(collection) => self.shared_with(row, &Shared::first(collection, paths)).await?.len() as u32,
            None => 0,
        };
        Ok(DeliveryReport {
            users_total: people.readers.len() as u32,
            users_shared,
            emails_sent,
            emails_failed: refused.count() as u32,
            path: paths[0].to_string(),
            data_link: self.data_link(&paths[0]),
            message: String::new(),
            steps: steps.into_iter().chain(whole).collect(),
        })
    }

    /// Those of the experiment's people who have access to all these directories.
    pub(super) async fn shared_with(
        &self,
        row: &ExperimentRow,
        shared: &Shared<'_>,
    ) -> Result<Vec<EmailAddress>, JournalError> {
        let collection = shared.collection;
        let access = self.journal.access(row.id).await?;
        let can_read = |email: &EmailAddress, path: &String| {
            access.iter().any(|row| {
                row.email == *email
                    && row.path == *path
                    && row.collection == collection.settings().collection
                    && row.state == AccessState::Granted
            })
        };
        let paths: Vec<_> = shared.paths.iter().map(|path| collection.path(path)).collect();
        let people = self.people(row).await?.readers.into_iter().map(|person| person.email);
        Ok(people.filter(|email| paths.iter().all(|path| can_read(email, path))).collect())
    }
}

/// Units are named after people by their address alone.
fn is_person(unit: &str) -> bool {
    unit.parse::<EmailAddress>().is_ok()
}
