//! Writes the model to the records.

use super::model::{GroupStatus, StatusModel};
use super::record::Record;
use super::records::StatusRecords;
use super::rows::message_rows;
use super::states::BeamlineStatus;
use crate::domain::HeldGroup;

impl StatusRecords {
    /// Shows this state in the records. Records about which it says nothing stay as they are.
    pub fn show(&self, model: &StatusModel) {
        // The state's sentence comes first: the record may cut the rest.
        let message = std::iter::once(&model.message).chain(&model.notes).map(String::as_str);
        let message = message.collect::<Vec<_>>().join(" | ");
        self.set_text(Record::StatusMsg, &message);
        // The list of a held group has its reasons, so the rows say for whom it is.
        let rows = model.held.as_ref().map_or(message, HeldGroup::introduction);
        self.set_rows(Record::StatusRows, &message_rows(&rows));
        self.show_held(model.held.as_ref());
        self.show_current(model.current.as_ref());
        self.show_history(&model.recent, &model.zone);
        self.set_count(Record::RunCount, model.deliveries);
        self.set_count(Record::ErrorCount, model.deliveries_failed);
        for entry in &model.steps {
            self.set_step(entry.step, entry.status, &entry.message);
        }
        if let Some(data) = &model.data {
            self.set_count(Record::SyncFiles, data.files);
            self.set_count(Record::SyncFilesTotal, data.files_total);
            self.set_number(Record::SyncBytes, data.bytes as f64);
            self.set_number(Record::SyncRate, data.bytes_per_second as f64 / 1e6);
            self.set_count(Record::SyncFaults, data.faults);
            self.set_text(Record::SyncTask, &data.task.map(|task| task.to_string()).unwrap_or_default());
        }
        if let Some(group) = &model.group {
            self.show_group(group);
        }
        if let Some(last) = &model.last_run {
            let local = last.ended_at.to_zoned_datetime(model.zone.clone());
            self.set_text(Record::LastRun, &local.strftime("%Y-%m-%d %H:%M:%S").to_string());
            self.set_number(Record::LastDuration, last.duration_s);
        }
        // Last, since they are written after what was set before them.
        self.set_status(model.status);
        self.set_run(model.running);
    }

    fn show_group(&self, group: &GroupStatus) {
        let texts = [
            (Record::YearMonth, &group.year_month),
            (Record::LastName, &group.pi_last_name),
            (Record::LastNameUtf8, &group.pi_last_name),
            (Record::Email, &group.pi_email),
            (Record::Proposal, &group.proposal_number),
            (Record::Path, &group.path),
            (Record::DataLink, &group.data_link),
        ];
        for (record, text) in texts {
            self.set_text(record, text);
        }
        self.set_count(Record::UsersTotal, group.users_total.into());
        self.set_count(Record::UsersShared, group.users_shared.into());
        self.set_count(Record::EmailsSent, group.emails_sent.into());
        self.set_count(Record::EmailsFailed, group.emails_failed.into());
    }

    /// Shows that the service was stopped; the IOC's watchdog shows the rest. With `resumes`, it continues a
    /// delivery when it is started again.
    pub fn show_stopped(&self, resumes: bool) {
        let continues = if resumes { "; it continues the delivery when it is started" } else { "" };
        let message = format!("beamshare was stopped{continues}");
        self.set_rows(Record::StatusRows, &message_rows(&message));
        self.set_text(Record::StatusMsg, &message);
        if resumes {
            self.set_status(BeamlineStatus::Waiting);
        }
        self.set_run(false);
    }
}
