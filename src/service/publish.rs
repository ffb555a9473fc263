//! The state of the beamline as the records, the metrics and the web page show it.

use super::beamline::{Beamline, Shown};
use super::situation::Situation;
use super::syncs::Overview;
use crate::domain::{Field, STEPS, Step, StepStatus};
use crate::journal::DeliveryState;
use crate::status::{BeamlineStatus, DataStatus, GroupStatus, LastRun, StatusModel, StepEntry};
use crate::user_info::Release;
use crate::web;
use jiff::Timestamp;

impl Beamline {
    /// Publishes the state: to the status records, the metrics and the web page.
    pub(super) fn publish(&self) {
        // Otherwise the records are another process's.
        let is_ours = self.serves || self.journal_lost;
        self.published.send_modify(|published| {
            if is_ours {
                published.status = self.model(published.status.last_run);
                self.records.show(&published.status);
            }
            published.lease = self.records.lease().borrow().clone();
            published.missing = self.records.missing().len();
        });
    }

    /// What the web server reads of this beamline.
    pub(super) fn web_source(&self) -> web::Source {
        let (published, endpoint) = (self.published.subscribe(), self.endpoint.subscribe());
        web::Source { published, endpoint, journal: self.journal.clone() }
    }

    /// Shows that the service is stopped.
    pub(super) fn publish_shutdown(&self) {
        self.records.show_stopped(self.deliveries.any());
    }

    /// The state of the beamline, worked out anew from what is so. `last_run` is the last delivery that has
    /// ended so far.
    fn model(&self, last_run: Option<LastRun>) -> StatusModel {
        let (status, message) = self.status();
        let refused = self.resend_refused.as_ref().filter(|refused| refused.ends_at > Timestamp::now());
        let trouble = self.config_trouble.as_ref();
        let notes = [
            self.space_low.clone(),
            trouble.map(|trouble| format!("Edit of the configuration not in force: {trouble}")),
            refused.map(ToString::to_string),
        ];
        // From the press on, so that a script that waits for the end doesn't take the look at the places for
        // it.
        let pressed = matches!(self.situation, Situation::Planning { pressed: true });
        let last = self.shown.as_ref().and_then(|shown| shown.last.as_ref());
        let last = last.and_then(|last| {
            let ended_at = last.ended_at?;
            Some(LastRun { ended_at, duration_s: ended_at.duration_since(last.started_at).as_secs_f64() })
        });
        let overview = self.syncs.overview();
        StatusModel {
            status,
            message,
            notes: notes.into_iter().flatten().collect(),
            running: self.deliveries.any() || pressed,
            auto: self.auto,
            paused: self.paused,
            held: match &self.situation {
                Situation::Held(held) => Some(held.group.clone()),
                _ => None,
            },
            group: self.shown.as_ref().map(group_status),
            steps: self.steps(overview.as_ref()),
            data: overview.as_ref().map(DataStatus::from),
            last_run: last.or(last_run),
            deliveries: u64::try_from(self.counts.0).unwrap_or_default(),
            deliveries_failed: u64::try_from(self.counts.1).unwrap_or_default(),
            ..StatusModel::new(
                &self.config.beamline.name,
                &self.config.epics.prefix,
                self.config.beamline.zone(),
            )
        }
    }

    /// The steps of the delivery on the screen, and of the transfers.
    fn steps(&self, overview: Option<&Overview>) -> Vec<StepEntry> {
        let reported = |step| self.shown.as_ref().and_then(|shown| shown.report.steps.get(&step)).cloned();
        let of_delivery = STEPS.iter().filter(|rule| rule.has_records).map(|rule| {
            // A delivery that has not looked yet says nothing of its steps.
            let (status, message) = reported(rule.step).unwrap_or_default();
            StepEntry { step: rule.step, status, message }
        });
        let (status, message) = sync_step(overview, reported(Step::Sync));
        of_delivery.chain([StepEntry { step: Step::Sync, status, message }]).collect()
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
}

/// The state of the transfers, with what a delivery makes of the copies.
fn sync_step(overview: Option<&Overview>, copies: Option<(StepStatus, String)>) -> (StepStatus, String) {
    let Some(overview) = overview else { return (StepStatus::Skipped, "not configured".to_owned()) };
    let (status, message) = match copies {
        Some((StepStatus::Failed, message)) => {
            (StepStatus::Failed, format!("{message}; {}", overview.message))
        }
        Some((StepStatus::Running, message)) if overview.status != StepStatus::Failed => {
            (StepStatus::Running, format!("{message}; {}", overview.message))
        }
        _ => (overview.status, overview.message.clone()),
    };
    (status, message.trim_end_matches("; ").to_owned())
}

fn group_status(shown: &Shown) -> GroupStatus {
    let (experiment, report) = (&shown.row.experiment, &shown.report);
    GroupStatus {
        year_month: experiment.year_month.to_string(),
        pi_last_name: experiment.pi_last_name.to_string(),
        pi_email: experiment.pi_email.to_string(),
        proposal_number: experiment.details.get(&Field::ProposalNumber).cloned().unwrap_or_default(),
        path: report.path.clone(),
        data_link: report.data_link.clone(),
        users_total: report.users_total,
        users_shared: report.users_shared,
        emails_sent: report.emails_sent,
        emails_failed: report.emails_failed,
    }
}

impl From<&Overview> for DataStatus {
    fn from(overview: &Overview) -> DataStatus {
        DataStatus {
            files: overview.files,
            files_total: overview.files_total,
            bytes: overview.bytes,
            bytes_total: overview.bytes_total,
            bytes_per_second: overview.rate,
            faults: overview.faults,
            task: overview.task,
        }
    }
}
