//! The progress of a delivery's units: written to the journal, then published in the report that people see.

use super::report::DeliveryReport;
use crate::domain::{Step, StepStatus, Unit};
use crate::journal::{Allowance, Journal, JournalError, JournalRecord, NewStep};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use tokio::sync::watch;

/// The status and message of each unit of a step.
pub(super) type Units = BTreeMap<Unit, (StepStatus, String)>;

pub(super) struct Progress {
    journal: Journal,
    delivery: i64,
    units: Mutex<BTreeMap<Step, Units>>,
    report: watch::Sender<DeliveryReport>,
}

impl Progress {
    pub fn new(journal: Journal, delivery: i64, report: watch::Sender<DeliveryReport>) -> Progress {
        Progress { journal, delivery, units: Mutex::default(), report }
    }

    /// Declares the units of a step, so that the step is not done before the last of them.
    pub fn expect(&self, step: Step, units: impl IntoIterator<Item = Unit>) {
        let mut all = self.lock();
        let of_step = all.entry(step).or_default();
        for unit in units {
            of_step.entry(unit).or_insert((StepStatus::Pending, String::new()));
        }
        let (status, message) = summary(of_step);
        self.publish(step, status, message);
    }

    /// Writes a unit's status to the journal, in one commit with the records that belong to it, and then to
    /// the report.
    pub async fn note(
        &self,
        step: Step,
        unit: &Unit,
        status: StepStatus,
        attempts: u32,
        message: &str,
        with: &[JournalRecord<'_>],
    ) -> Result<(), JournalError> {
        let mut records = Vec::with_capacity(with.len() + 1);
        records.extend_from_slice(with);
        records.push(JournalRecord::Step(NewStep {
            delivery: self.delivery,
            step,
            unit,
            status,
            attempts,
            message,
        }));
        self.journal.record(&records).await?;
        self.show(step, unit, status, message);
        Ok(())
    }

    /// The same with the rows of new messages, if the limit per hour leaves room for `new` of them.
    pub async fn note_messages(
        &self,
        (step, unit, status, attempts, message): (Step, &Unit, StepStatus, u32, &str),
        with: &[JournalRecord<'_>],
        new: u32,
        per_hour: u32,
    ) -> Result<Result<(), Allowance>, JournalError> {
        let mut records = with.to_vec();
        records.push(JournalRecord::Step(NewStep {
            delivery: self.delivery,
            step,
            unit,
            status,
            attempts,
            message,
        }));
        let written = self.journal.record_messages(&records, new, per_hour).await?;
        if written.is_ok() {
            self.show(step, unit, status, message);
        }
        Ok(written)
    }

    /// Shows a unit's status without journalling it, e.g. while it is paused.
    pub fn show(&self, step: Step, unit: &Unit, status: StepStatus, message: &str) {
        let mut all = self.lock();
        let units = all.entry(step).or_default();
        units.insert(unit.clone(), (status, message.to_owned()));
        let (status, message) = summary(units);
        self.publish(step, status, message);
    }

    pub fn has_failed(&self, step: Step) -> bool {
        self.lock().get(&step).is_some_and(|units| summary(units).0 == StepStatus::Failed)
    }

    /// The steps of which a unit has failed.
    pub fn failed_steps(&self) -> BTreeSet<Step> {
        let all = self.lock();
        let has_failed = |units: &Units| units.values().any(|(status, _)| *status == StepStatus::Failed);
        all.iter().filter(|(_, units)| has_failed(units)).map(|(step, _)| *step).collect()
    }

    /// Changes another part of the report, such as a count.
    pub fn change(&self, change: impl FnOnce(&mut DeliveryReport)) {
        self.report.send_modify(change);
    }

    fn publish(&self, step: Step, status: StepStatus, message: String) {
        self.report.send_modify(|report| {
            report.steps.insert(step, (status, message));
            report.message = report.sentence();
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Step, Units>> {
        self.units.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A step's status and message, from its units; the worst come first.
pub(super) fn summary(units: &Units) -> (StepStatus, String) {
    use StepStatus::{Done, Failed, Pending, Running, Skipped};
    let any = |wanted: StepStatus| units.values().any(|(status, _)| *status == wanted);
    let status = if any(Running) || (any(Pending) && any(Done)) {
        Running
    } else if any(Failed) {
        Failed
    } else if any(Pending) {
        Pending
    } else if any(Done) {
        Done
    } else {
        Skipped
    };
    let mut shown: Vec<_> = units.iter().filter(|(_, (_, message))| !message.is_empty()).collect();
    shown.sort_by_key(|(_, (status, _))| match status {
        Failed => 0,
        Running => 1,
        Pending => 2,
        // People who can't be reached and optional hooks that failed come before the many that succeeded: a
        // record cuts the end.
        Skipped => 3,
        Done => 4,
    });
    let message = shown.into_iter().map(|(unit, (_, message))| match unit {
        Unit::GlobusDirectory => message.clone(),
        _ => format!("{unit}: {message}"),
    });
    let message = message.collect::<Vec<_>>();
    (status, message.join("; "))
}
