//! What the status records say: worked out anew after each event from what is so, never kept beside it.

use super::beamline::{Beamline, Shown};
use super::situation::Situation;
use crate::domain::{Field, STEPS, Step, StepStatus};
use crate::journal::DeliveryState;
use crate::status::{BeamlineStatus, Record};
use crate::user_info::Release;
use jiff::Timestamp;

impl Beamline {
    /// Brings the status records up to date.
    pub(super) fn publish(&self) {
        if !self.serves && !self.journal_lost {
            return; // the records are another beamshare's
        }
        let (status, mut message) = self.status();
        // Who and what come first: the record may cut the rest.
        if let Some(low) = &self.space_low {
            message += &format!(" | {low}");
        }
        if let Some(trouble) = &self.config_trouble {
            message += &format!(" | Edit of the configuration not in force: {trouble}");
        }
        if let Some(refused) =
            self.resend_refused.as_ref().filter(|refused| refused.ends_at > Timestamp::now())
        {
            message += &format!(" | {refused}");
        }
        self.records.set_text(Record::StatusMsg, &message);
        let pending = match &self.situation {
            Situation::Held(held) => held.pending(),
            _ => String::new(),
        };
        self.records.set_text(Record::PendingMsg, &pending);
        self.records.set_count(Record::RunCount, u64::try_from(self.counts.0).unwrap_or_default());
        self.records.set_count(Record::ErrorCount, u64::try_from(self.counts.1).unwrap_or_default());
        self.publish_sync();
        if let Some(shown) = &self.shown {
            self.publish_delivery(shown);
        } else {
            for step in steps_with_records() {
                self.records.set_step(step, StepStatus::Pending, "");
            }
        }
        let last_run =
            self.shown.as_ref().and_then(|shown| shown.last.as_ref()).and_then(|last| last.ended_at);
        self.facts.send_modify(|facts| facts.last_run = last_run.or(facts.last_run));
        // Last, since they are written after what was set before them.
        self.records.set_status(status);
        // From the press on, so that whoever waits for the end doesn't take the look at the places for it.
        let pressed = matches!(self.situation, Situation::Planning { pressed: true });
        self.records.set_run(self.deliveries.any() || pressed);
    }

    /// The data that moves, and what a delivery makes of the copies.
    fn publish_sync(&self) {
        let copies = self.shown.as_ref().and_then(|shown| shown.report.steps.get(&Step::Sync));
        let copies = copies.filter(|(status, _)| matches!(status, StepStatus::Failed | StepStatus::Running));
        let Some(overview) = self.syncs.overview() else {
            self.records.set_step(Step::Sync, StepStatus::Skipped, "not configured");
            return;
        };
        let (status, message) = match copies {
            Some((StepStatus::Failed, message)) => {
                (StepStatus::Failed, format!("{message}; {}", overview.message))
            }
            Some((status, message)) if overview.status != StepStatus::Failed => {
                (*status, format!("{message}; {}", overview.message))
            }
            _ => (overview.status, overview.message.clone()),
        };
        self.records.set_step(Step::Sync, status, message.trim_end_matches("; "));
        self.records.set_count(Record::SyncFiles, overview.files);
        self.records.set_count(Record::SyncFilesTotal, overview.files_total);
        self.records.set_number(Record::SyncBytes, overview.bytes as f64);
        self.records.set_number(Record::SyncRate, overview.rate as f64 / 1e6);
        self.records.set_count(Record::SyncFaults, overview.faults);
        self.records
            .set_text(Record::SyncTask, &overview.task.map(|task| task.to_string()).unwrap_or_default());
    }

    /// What to say when the service is stopped: the IOC's watchdog says the rest.
    pub(super) fn publish_shutdown(&self) {
        let goes_on =
            if self.deliveries.any() { "; it goes on with the delivery when it is started" } else { "" };
        self.records.set_text(Record::StatusMsg, &format!("beamshare was stopped{goes_on}"));
        if self.deliveries.any() {
            self.records.set_status(BeamlineStatus::Waiting);
        }
        self.records.set_run(false);
    }

    /// The state and its sentence.
    pub(super) fn status(&self) -> (BeamlineStatus, String) {
        // What needs an operator comes before what runs for another group.
        if let Situation::Held(held) = &self.situation {
            let press = match held.release() {
                Release::Run => "Run or Approve?",
                Release::Approve => "Approve?",
                Release::TagAgain => "Tag again:",
            };
            return (BeamlineStatus::Approval, format!("{press} {}", held.message()));
        }
        if let Some(shown) = self.shown.as_ref().filter(|shown| self.deliveries.is_running(shown.row.id)) {
            let status = if self.paused { BeamlineStatus::Paused } else { BeamlineStatus::Running };
            return (status, format!("{}: {}", shown.row.experiment, shown.report.now()));
        }
        match &self.situation {
            Situation::Waiting(reason) | Situation::Invalid(reason) => {
                (BeamlineStatus::Waiting, reason.clone())
            }
            Situation::Settling => {
                (BeamlineStatus::Settling, "The user info has changed; waiting until it is quiet".to_owned())
            }
            Situation::Planning { .. } if self.config.schedule.is_some() => (
                BeamlineStatus::Settling,
                "Looking whether they are on the schedule, and the directories are free".to_owned(),
            ),
            Situation::Planning { .. } => {
                (BeamlineStatus::Settling, "Looking whether the directories are free".to_owned())
            }
            Situation::Nobody { .. } if self.paused => {
                (BeamlineStatus::Paused, "Paused: set Pause to Go".to_owned())
            }
            Situation::Nobody { tag_after: None } => {
                (BeamlineStatus::Idle, "No user group is tagged".to_owned())
            }
            Situation::Nobody { tag_after: Some(time) } => {
                let time = time.to_zoned(self.config.beamline.zone()).strftime("%H:%M:%S").to_string();
                let message = format!(
                    "No user group is tagged yet. Tag after {time}: earlier puts may have been missed"
                );
                (BeamlineStatus::Idle, message)
            }
            Situation::Trouble(trouble) => (BeamlineStatus::Failed, trouble.clone()),
            Situation::Held(_) | Situation::Served(_) => self.last_outcome(),
        }
    }

    /// How the last delivery of the group in the PVs has ended.
    fn last_outcome(&self) -> (BeamlineStatus, String) {
        let Some(shown) = &self.shown else { return (BeamlineStatus::Idle, String::new()) };
        let name = &shown.row.experiment;
        match shown.last.as_ref().map(|last| (last.state, last.error.as_str())) {
            Some((DeliveryState::Failed | DeliveryState::Held, error)) => {
                (BeamlineStatus::Failed, format!("{name}: {error}. When it is mended, press Run"))
            }
            Some((DeliveryState::Aborted, _)) => {
                (BeamlineStatus::Failed, format!("{name}: aborted by the operator; press Run to go on"))
            }
            Some((DeliveryState::Running, _)) => {
                (BeamlineStatus::Waiting, format!("{name}: delivered by another process"))
            }
            Some((DeliveryState::Done, _)) => {
                (BeamlineStatus::Done, format!("{name}: {}", shown.report.message))
            }
            None => (BeamlineStatus::Idle, format!("{name}: accepted, not delivered; press Run")),
        }
    }

    fn publish_delivery(&self, shown: &Shown) {
        let (experiment, report) = (&shown.row.experiment, &shown.report);
        self.records.set_text(Record::YearMonth, &experiment.year_month.to_string());
        self.records.set_text(Record::LastName, experiment.pi_last_name.as_str());
        self.records.set_text(Record::Email, experiment.pi_email.as_str());
        let proposal = experiment.details.get(&Field::ProposalNumber);
        self.records.set_text(Record::Proposal, proposal.map_or("", String::as_str));
        self.records.set_text(Record::Path, &report.path);
        self.records.set_text(Record::DataLink, &report.data_link);
        for step in steps_with_records() {
            // A delivery that has not looked yet says nothing of its steps.
            let (status, message) = report.steps.get(&step).cloned().unwrap_or_default();
            self.records.set_step(step, status, &message);
        }
        self.records.set_count(Record::UsersTotal, report.users_total.into());
        self.records.set_count(Record::UsersShared, report.users_shared.into());
        self.records.set_count(Record::EmailsSent, report.emails_sent.into());
        self.records.set_count(Record::EmailsFailed, report.emails_failed.into());
        if let Some((last, ended)) = shown.last.as_ref().and_then(|last| Some((last, last.ended_at?))) {
            let local = ended.to_zoned(self.config.beamline.zone());
            self.records.set_text(Record::LastRun, &local.strftime("%Y-%m-%d %H:%M:%S").to_string());
            self.records
                .set_number(Record::LastDuration, ended.duration_since(last.started_at).as_secs_f64());
        }
    }
}

/// The steps whose records show a delivery; those of the transfers show the pairs.
fn steps_with_records() -> impl Iterator<Item = Step> {
    STEPS.iter().filter(|rule| rule.has_records).map(|rule| rule.step)
}
