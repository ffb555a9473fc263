//! The state of the beamline as the records, the metrics and the web page show it: computed after each event
//! from the views of the service's parts.

use super::common::Common;
use super::decision::BeamlineState;
use super::deliveries::Deliveries;
use super::displayed_group::DisplayedGroup;
use super::syncs::Overview;
use crate::delivery::DeliveryReport;
use crate::domain::{Field, GroupIdentity, STEPS, Step, StepStatus};
use crate::journal::{DeliveryState, ExperimentRow};
use crate::status::{BeamlineStatus, CurrentGroup, DataStatus, GroupStatus, LastRun, StatusModel, StepEntry};
use crate::user_info::Release;

/// The views of the parts of a beamline's service.
pub(super) struct View<'a> {
    pub common: &'a Common,
    pub state: &'a BeamlineState,
    pub deliveries: &'a Deliveries,
    pub displayed: &'a DisplayedGroup,
    /// The pairs of `[[sync]]`, if any
    pub syncs: Option<Overview>,
    /// Further sentences for the operator
    pub notices: Vec<String>,
}

impl View<'_> {
    /// The state of the beamline.
    pub fn model(self) -> StatusModel {
        let (status, message) = self.status();
        // From the press on, so that a client that waits for the end does not take the planning for it.
        let is_pressed = matches!(self.state, BeamlineState::Planning { pressed: true });
        let group = self.displayed.row().zip(self.displayed.report());
        let config = &self.common.config;
        StatusModel {
            status,
            message,
            in_trouble: matches!(self.state, BeamlineState::Trouble(_)),
            running: self.deliveries.any() || is_pressed,
            auto: self.common.auto,
            paused: self.common.paused,
            held: match self.state {
                BeamlineState::Held(held) => Some(held.group.clone()),
                _ => None,
            },
            current: self.current_group(),
            recent: self.displayed.recent().to_vec(),
            group: group.map(|(row, report)| group_status(row, report)),
            steps: self.steps(),
            data: self.syncs.as_ref().map(DataStatus::from),
            last_run: self.last_run(),
            deliveries: self.displayed.totals().deliveries,
            deliveries_failed: self.displayed.totals().failures,
            notes: self.notices,
            ..StatusModel::new(&config.beamline.name, &config.epics.prefix, config.beamline.zone())
        }
    }

    /// The group that needs attention: the held one, that of the running delivery, or the served one in the
    /// PVs.
    fn current_group(&self) -> Option<CurrentGroup> {
        let served = self.displayed.row();
        let experiment = match self.state {
            BeamlineState::Held(held) => &held.experiment,
            BeamlineState::Served(id) => &served.filter(|row| row.id == *id)?.experiment,
            _ => &served.filter(|row| self.deliveries.is_running(row.id))?.experiment,
        };
        let is_served = served.is_some_and(|row| row.experiment == *experiment);
        Some(CurrentGroup { name: GroupIdentity::from(experiment).name(), is_served })
    }

    /// The state and its sentence.
    pub fn status(&self) -> (BeamlineStatus, String) {
        // A group that waits for an operator comes before another one's delivery.
        if let BeamlineState::Held(held) = self.state {
            let press = match held.release() {
                Release::Run => "Run or Approve?",
                Release::Approve => "Approve?",
                Release::TagAgain => "Tag again:",
            };
            return (BeamlineStatus::Approval, format!("{press} {}", held.message()));
        }
        if let (Some(row), Some(report)) = (self.displayed.row(), self.displayed.report())
            && self.deliveries.is_running(row.id)
        {
            let status = if self.common.paused { BeamlineStatus::Paused } else { BeamlineStatus::Running };
            return (status, format!("{}: {}", row.experiment, report.now()));
        }
        match self.state {
            BeamlineState::Waiting(reason) | BeamlineState::Invalid(reason) => {
                (BeamlineStatus::Waiting, reason.clone())
            }
            BeamlineState::Settling => {
                (BeamlineStatus::Settling, "The user info has changed; waiting until it is quiet".to_owned())
            }
            BeamlineState::Planning { .. } if self.common.config.schedule.is_some() => (
                BeamlineStatus::Settling,
                "Looking whether they are on the schedule, and the directories are free".to_owned(),
            ),
            BeamlineState::Planning { .. } => {
                (BeamlineStatus::Settling, "Looking whether the directories are free".to_owned())
            }
            BeamlineState::Nobody { .. } if self.common.paused => {
                (BeamlineStatus::Paused, "Paused: set Pause to Go".to_owned())
            }
            BeamlineState::Nobody { tag_after: None } => {
                (BeamlineStatus::Idle, "No user group is tagged".to_owned())
            }
            BeamlineState::Nobody { tag_after: Some(time) } => {
                let time = time
                    .to_zoned_datetime(self.common.config.beamline.zone())
                    .strftime("%H:%M:%S")
                    .to_string();
                let message = format!(
                    "No user group is tagged yet. Tag after {time}: earlier puts may have been missed"
                );
                (BeamlineStatus::Idle, message)
            }
            BeamlineState::Restored(reason) => (BeamlineStatus::Approval, format!("Approve? {reason}")),
            BeamlineState::Trouble(trouble) => (BeamlineStatus::Failed, trouble.clone()),
            BeamlineState::Held(_) | BeamlineState::Served(_) | BeamlineState::ServedByHand(_) => {
                self.last_outcome()
            }
        }
    }

    /// The end of the last delivery of the displayed group.
    fn last_outcome(&self) -> (BeamlineStatus, String) {
        let (Some(row), Some(report)) = (self.displayed.row(), self.displayed.report()) else {
            return (BeamlineStatus::Idle, String::new());
        };
        let name = &row.experiment;
        match self.displayed.last_delivery().map(|last| (last.state, last.error.as_str())) {
            Some((DeliveryState::Failed | DeliveryState::Held, error)) => {
                (BeamlineStatus::Failed, format!("{name}: {error}. When it is mended, press Run"))
            }
            Some((DeliveryState::Aborted, _)) => {
                (BeamlineStatus::Failed, format!("{name}: aborted by the operator; press Run to go on"))
            }
            Some((DeliveryState::Running, _)) => {
                (BeamlineStatus::Waiting, format!("{name}: delivered by another process"))
            }
            Some((DeliveryState::Done, _)) => (BeamlineStatus::Done, format!("{name}: {}", report.message)),
            None => (BeamlineStatus::Idle, format!("{name}: accepted, not delivered; press Run")),
        }
    }

    fn last_run(&self) -> Option<LastRun> {
        let last = self.displayed.last_delivery()?;
        let ended_at = last.ended_at?;
        Some(LastRun { ended_at, duration_s: ended_at.duration_since(last.started_at).as_secs_f64() })
    }

    /// The steps of the displayed group's delivery, and the transfers.
    fn steps(&self) -> Vec<StepEntry> {
        let reported = |step| self.displayed.report().and_then(|report| report.steps.get(&step)).cloned();
        let of_delivery = STEPS.iter().filter(|rule| rule.has_records).map(|rule| {
            // A step is pending until the delivery has inspected it.
            let (status, message) = reported(rule.step).unwrap_or_default();
            StepEntry { step: rule.step, status, message }
        });
        let (status, message) = sync_step(self.syncs.as_ref(), reported(Step::Sync));
        of_delivery.chain([StepEntry { step: Step::Sync, status, message }]).collect()
    }
}

/// The state of the transfers, together with the replicas of a delivery.
fn sync_step(overview: Option<&Overview>, replicas: Option<(StepStatus, String)>) -> (StepStatus, String) {
    let Some(overview) = overview else { return (StepStatus::Skipped, "not configured".to_owned()) };
    let (status, message) = match replicas {
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

fn group_status(row: &ExperimentRow, report: &DeliveryReport) -> GroupStatus {
    let experiment = &row.experiment;
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
