//! The report of an experiment's deliveries, from the journal.

use super::deliverer::Deliverer;
use super::execute::Options;
use super::progress::{Units, summary};
use super::report::DeliveryReport;
use super::shared::Shared;
use crate::domain::{EmailAddress, RelativePath, STEPS, Step, StepStatus, Unit};
use crate::journal::{
    AccessRow, AccessState, DeliveryState, ExperimentRow, GrantReason, JournalError, MessageKind,
    MessageState, StepRow, Unreachable,
};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

impl Deliverer {
    /// The report as the experiment's last deliveries left it, e.g. after a restart. Reads only the journal.
    pub async fn report_of(&self, row: &ExperimentRow) -> Result<DeliveryReport, JournalError> {
        // The settings may have changed so that the path can't be made; the journal has the first one.
        let paths = self.paths_or_first(row).await?;
        let mut report = self.read_report(row, &paths).await?;
        let last = self.journal.last_delivery(row.id).await?;
        if last.as_ref().is_none_or(|last| last.state != DeliveryState::Running) {
            // What has ended only in part waits for the next delivery.
            for (status, _) in report.steps.values_mut().filter(|(status, _)| *status == StepStatus::Running)
            {
                *status = StepStatus::Pending;
            }
        }
        report.message = match last.map(|last| (last.state, last.error)) {
            Some((DeliveryState::Done, _)) => report.done_sentence(),
            Some((DeliveryState::Running, _)) => "The delivery was interrupted and is to go on".to_owned(),
            Some((_, error)) => error,
            None => String::new(),
        };
        Ok(report)
    }

    async fn paths_or_first(&self, row: &ExperimentRow) -> Result<Vec<RelativePath>, JournalError> {
        let kept = self.kept_claims(row).await?;
        Ok(self.accepted_paths(row, kept.as_deref()).unwrap_or_else(|_| vec![row.path.clone()]))
    }

    /// The report with which a delivery begins: its steps are pending, the others as they were.
    pub async fn report_before(&self, id: Uuid, options: &Options) -> Result<DeliveryReport, JournalError> {
        let Some(row) = self.journal.experiment(id).await? else { return Ok(DeliveryReport::default()) };
        let paths = self.paths_or_first(&row).await?;
        let mut report = self.read_report(&row, &paths).await?;
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

    async fn read_report(
        &self,
        row: &ExperimentRow,
        paths: &[RelativePath],
    ) -> Result<DeliveryReport, JournalError> {
        let people = self.people(row).await?;
        let recipients = self.recipients(&people);
        let shared = self.collection.as_ref().map(|collection| Shared::first(collection, paths));
        let shared_with = match &shared {
            Some(shared) => self.shared_with(row, shared).await?,
            None => vec![],
        };
        // People of the schedule to whom a command gave access by hand (`share --schedule`).
        let by_hand = match &shared {
            Some(shared) => {
                self.with_access(row, shared, |row| row.ours && row.reason == GrantReason::Scheduled).await?
            }
            None => BTreeSet::new(),
        };
        // Units of earlier settings and people are left out, but a failure that is nobody's own is shown.
        let is_hook = |step: Step, name: &str| {
            self.config.hooks.iter().any(|hook| hook.step() == step && hook.name() == name)
        };
        let is_shown = |row: &StepRow| match (&row.unit, row.step) {
            (Unit::Hook(name), step) => is_hook(step, name),
            (Unit::Place(name), _) => self.places.iter().any(|place| place.name() == name),
            (_, Step::Globus) => true,
            (Unit::Replica(pair, _), _) => self.replicas.iter().any(|replica| replica.pair() == pair),
            (Unit::Person(email), _) if by_hand.contains(&email.username()) => true,
            (Unit::Person(email), Step::Share) => people.readers.iter().any(|person| person.email == *email),
            (Unit::Person(email), _) => recipients.iter().any(|(_, recipient)| recipient == email),
            (Unit::Schedule, Step::Share) if self.serves_everyone() => true,
            (_, Step::Share) => row.status == StepStatus::Failed,
            (_, Step::Email) => row.status != StepStatus::Done,
            (_, Step::Dirs | Step::Sync | Step::Delivery) => false,
        };
        let messages = self.journal.messages(row.id).await?;
        let was_mailed = |unit: &Unit| {
            let mut data = messages.iter().filter(|message| message.kind == MessageKind::Data);
            data.any(|message| {
                message.state == MessageState::Sent && *unit == Unit::Person(message.recipient.clone())
            })
        };
        let mut units: BTreeMap<Step, Units> = BTreeMap::new();
        for mut step in self.journal.steps_of(row.id).await? {
            if step.step == Step::Email && step.status == StepStatus::Pending && was_mailed(&step.unit) {
                (step.status, step.message) = (StepStatus::Done, String::new());
            }
            if is_shown(&step) {
                units.entry(step.step).or_default().insert(step.unit, (step.status, step.message));
            }
        }
        for step in [Step::Share, Step::Email] {
            // Only where something was done: a step that has yet to begin is pending.
            if let Some(units) = units.get_mut(&step) {
                for Unreachable { name, reason } in &people.unreachable {
                    units.insert(Unit::Unreachable(name.clone()), (StepStatus::Skipped, reason.clone()));
                }
            }
        }
        let steps = STEPS.iter().map(|rule| rule.step).filter(|step| *step != Step::Delivery).map(|step| {
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
        // The delivery as a whole has only hooks.
        let whole = self.has(Step::Delivery).then(|| (Step::Delivery, units.get(&Step::Delivery)));
        let whole = whole.map(|(step, units)| (step, units.map(summary).unwrap_or_default()));
        // One each of every kind: resendings count once.
        let mailed: BTreeSet<_> = messages
            .iter()
            .filter(|message| {
                message.state == MessageState::Sent && !matches!(message.kind, MessageKind::PiChange(_))
            })
            .filter(|message| {
                recipients
                    .iter()
                    .any(|(to, recipient)| message.addressee == *to && message.recipient == *recipient)
                    || by_hand.contains(&message.recipient.username())
            })
            .map(|message| {
                (message.kind.to_string(), message.addressee.username(), message.recipient.username())
            })
            .collect();
        let emails_sent = mailed.len() as u32;
        let refused = units.get(&Step::Email).into_iter().flatten();
        let refused = refused.filter(|(unit, (status, _))| *status == StepStatus::Failed && !unit.is_hook());
        let readers = people.readers.iter().map(|person| person.email.username()).collect::<BTreeSet<_>>();
        let readers_shared = shared_with.iter().map(EmailAddress::username).collect::<BTreeSet<_>>();
        Ok(DeliveryReport {
            users_total: readers.union(&by_hand).count() as u32,
            users_shared: readers_shared.union(&by_hand).count() as u32,
            emails_sent,
            emails_failed: refused.count() as u32,
            path: paths[0].to_string(),
            data_link: self.data_link(&paths[0]),
            message: String::new(),
            steps: steps.chain(whole).collect(),
        })
    }

    /// The experiment's people who have access to all these directories.
    pub(super) async fn shared_with(
        &self,
        row: &ExperimentRow,
        shared: &Shared<'_>,
    ) -> Result<Vec<EmailAddress>, JournalError> {
        let with_access = self.with_access(row, shared, |_| true).await?;
        let people = self.people(row).await?.readers.into_iter().map(|person| person.email);
        Ok(people.filter(|email| with_access.contains(&email.username())).collect())
    }

    /// The usernames of those who have access to all these directories, by rows that count.
    async fn with_access(
        &self,
        row: &ExperimentRow,
        shared: &Shared<'_>,
        counts: impl Fn(&AccessRow) -> bool,
    ) -> Result<BTreeSet<String>, JournalError> {
        let collection = shared.collection;
        let mut granted = self.journal.access(row.id).await?;
        granted.retain(|row| {
            row.state == AccessState::Granted
                && row.collection == collection.settings().collection
                && counts(row)
        });
        let paths: Vec<_> = shared.paths.iter().map(|path| collection.path(path)).collect();
        let has = |email: &EmailAddress, path: &String| {
            granted.iter().any(|row| row.email == *email && row.path == *path)
        };
        let people = granted.iter().map(|row| &row.email);
        Ok(people
            .filter(|email| paths.iter().all(|path| has(email, path)))
            .map(EmailAddress::username)
            .collect())
    }
}
