//! How the units of a delivery (hosts, people, messages) stand: in the journal, and as the report that people see.

use super::DeliveryReport;
use super::dirs::GLOBUS;
use crate::domain::{Step, StepStatus};
use crate::journal::{Allowance, Journal, JournalError, NewStep, Record};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use tokio::sync::watch;

/// How each unit of a step stands, by the unit's name.
pub(super) type Units = BTreeMap<String, (StepStatus, String)>;

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

    /// Says which units a step has, so that the step isn't done before its last one.
    pub fn expect(&self, step: Step, units: impl IntoIterator<Item = String>) {
        let mut all = self.lock();
        let of_step = all.entry(step).or_default();
        for unit in units {
            of_step.entry(unit).or_insert((StepStatus::Pending, String::new()));
        }
        let (status, message) = summary(of_step);
        self.publish(step, status, message);
    }

    /// Notes how a unit stands in the journal, in one commit with what belongs to it, and then in the report.
    pub async fn note(
        &self,
        step: Step,
        unit: &str,
        status: StepStatus,
        attempts: u32,
        message: &str,
        with: &[Record<'_>],
    ) -> Result<(), JournalError> {
        let mut records = Vec::with_capacity(with.len() + 1);
        records.extend_from_slice(with);
        records.push(Record::Step(NewStep { delivery: self.delivery, step, unit, status, attempts, message }));
        self.journal.record(&records).await?;
        self.show(step, unit, status, message);
        Ok(())
    }

    /// The same with the rows of so many new messages, if the limit per hour allows them.
    pub async fn note_messages(
        &self,
        (step, unit, status, attempts, message): (Step, &str, StepStatus, u32, &str),
        with: &[Record<'_>],
        new: u32,
        per_hour: u32,
    ) -> Result<Result<(), Allowance>, JournalError> {
        let mut records = with.to_vec();
        records.push(Record::Step(NewStep { delivery: self.delivery, step, unit, status, attempts, message }));
        let written = self.journal.record_messages(&records, new, per_hour).await?;
        if written.is_ok() {
            self.show(step, unit, status, message);
        }
        Ok(written)
    }

    /// Shows how a unit stands without writing it down: it is waiting, or paused.
    pub fn show(&self, step: Step, unit: &str, status: StepStatus, message: &str) {
        let mut all = self.lock();
        let units = all.entry(step).or_default();
        units.insert(unit.to_owned(), (status, message.to_owned()));
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

    /// Changes something else in the report: counts, the link.
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

/// A step's status and message out of those of its units, the worst first.
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
    let mut told: Vec<_> = units.iter().filter(|(_, (_, message))| !message.is_empty()).collect();
    told.sort_by_key(|(_, (status, _))| match status {
        Failed => 0,
        Running => 1,
        Pending => 2,
        // Who can't be reached, and hooks that failed and are not required: before a record cuts the many that went well.
        Skipped => 3,
        Done => 4,
    });
    let message = told.into_iter().map(|(unit, (_, message))| match unit.as_str() {
        GLOBUS => message.clone(),
        _ => format!("{unit}: {message}"),
    });
    let message = message.collect::<Vec<_>>();
    (status, message.join("; "))
}

impl DeliveryReport {
    /// What goes on, also before the delivery has said anything.
    pub fn now(&self) -> &str {
        if self.message.is_empty() { "Delivering" } else { &self.message }
    }

    /// The one sentence that tells most.
    pub(super) fn sentence(&self) -> String {
        let first = |wanted: StepStatus| {
            self.steps.iter().find(|(_, (status, message))| *status == wanted && !message.is_empty())
        };
        if let Some((step, (_, message))) = first(StepStatus::Failed) {
            return format!("{step} failed: {message}");
        }
        if let Some((step, (_, message))) = first(StepStatus::Running) {
            return format!("{step}: {message}");
        }
        let is_true = |(step, (status, _)): (&Step, &(StepStatus, String))| match status {
            StepStatus::Done | StepStatus::Skipped => true,
            // A copy waits for its first files, not the delivery for the copy.
            StepStatus::Pending => *step == Step::Sync,
            _ => false,
        };
        if self.steps.iter().all(is_true) {
            return self.done_sentence();
        }
        "Delivering".to_owned()
    }

    pub(super) fn done_sentence(&self) -> String {
        let mut parts = vec![format!("{} is there", self.path)];
        if self.users_total > 0 {
            parts.push(format!("shared with {}", self.users_shared));
        }
        if self.emails_sent > 0 {
            parts.push(format!("{} mailed", self.emails_sent));
        }
        parts.join(", ")
    }
}
