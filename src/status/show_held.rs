//! Writes a held group, the group that needs attention, and the history to their records.

use super::model::{CurrentGroup, RecentGroup};
use super::record::Record;
use super::records::StatusRecords;
use super::rows::{detail_rows, held_rows};
use super::states::history_index;
use crate::domain::{GroupIdentity, HeldGroup, escape_json, listed};
use jiff::tz::TimeZone;

/// The records of each reason, with that of its remedy.
const REASONS: [(Record, Record); 6] = [
    (Record::HoldReason1, Record::HoldRemedy1),
    (Record::HoldReason2, Record::HoldRemedy2),
    (Record::HoldReason3, Record::HoldRemedy3),
    (Record::HoldReason4, Record::HoldRemedy4),
    (Record::HoldReason5, Record::HoldRemedy5),
    (Record::HoldReason6, Record::HoldRemedy6),
];

/// The records of each group of the history: name, end, result.
const HISTORY: [(Record, Record, Record); 8] = [
    (Record::HistoryGroup1, Record::HistoryAt1, Record::HistoryResult1),
    (Record::HistoryGroup2, Record::HistoryAt2, Record::HistoryResult2),
    (Record::HistoryGroup3, Record::HistoryAt3, Record::HistoryResult3),
    (Record::HistoryGroup4, Record::HistoryAt4, Record::HistoryResult4),
    (Record::HistoryGroup5, Record::HistoryAt5, Record::HistoryResult5),
    (Record::HistoryGroup6, Record::HistoryAt6, Record::HistoryResult6),
    (Record::HistoryGroup7, Record::HistoryAt7, Record::HistoryResult7),
    (Record::HistoryGroup8, Record::HistoryAt8, Record::HistoryResult8),
];

/// How many groups the history shows.
pub const HISTORY_LENGTH: u32 = 8;

/// Longest JSON of a held group, so that it fits HoldJson and the array limit of EPICS base 3.15 (16,384
/// bytes).
const JSON_MAX: usize = 15_999;

impl StatusRecords {
    /// Shows the held group, or that none is held.
    pub(super) fn show_held(&self, held: Option<&HeldGroup>) {
        let text = |record, text: fn(&HeldGroup) -> String| {
            self.set_text(record, &held.map(text).unwrap_or_default());
        };
        text(Record::PendingMsg, HeldGroup::pending);
        text(Record::HoldAsk, |held| held.question.clone());
        text(Record::HoldMonth, |held| held.group.year_month.clone());
        text(Record::HoldName, |held| held.group.person());
        text(Record::HoldEmail, |held| held.group.pi_email.clone());
        text(Record::HoldProposal, |held| held.group.proposal());
        text(Record::HoldPath, |held| held.directories.join(", "));
        text(Record::HoldGains, |held| listed(&held.gains));
        text(Record::HoldLoses, |held| listed(&held.loses));
        text(Record::HoldMails, HeldGroup::mails_line);
        self.show_other(held);
        let reasons = held.map(|held| held.reasons.as_slice()).unwrap_or_default();
        for (index, (reason, remedy)) in REASONS.into_iter().enumerate() {
            self.set_text(reason, reasons.get(index).map_or("", |its| &its.reason));
            self.set_text(remedy, reasons.get(index).map_or("", |its| &its.remedy));
        }
        self.set_count(Record::HoldCount, reasons.len() as u64);
        let rows = held_rows(reasons);
        self.set_rows(Record::HoldRows, &rows);
        self.set_rows(Record::HoldDetails, &held.map(detail_rows).unwrap_or_default());
        self.set_count(Record::HoldRowCount, rows.len() as u64);
        let json = held.and_then(|held| serde_json::to_string(held).ok()).unwrap_or_default();
        let json = escape_json(&json);
        self.set_text(Record::HoldJson, if json.len() <= JSON_MAX { &json } else { "" });
    }

    fn show_other(&self, held: Option<&HeldGroup>) {
        let other = held.and_then(|held| held.other.as_ref());
        self.set_text(Record::HoldOldIs, &other.map(|other| other.relation.to_string()).unwrap_or_default());
        let text = |of: fn(&GroupIdentity) -> String| other.map(|other| of(&other.group)).unwrap_or_default();
        self.set_text(Record::HoldOldMonth, &text(|group| group.year_month.clone()));
        self.set_text(Record::HoldOldName, &text(GroupIdentity::person));
        self.set_text(Record::HoldOldEmail, &text(|group| group.pi_email.clone()));
        self.set_text(Record::HoldOldProposal, &text(GroupIdentity::proposal));
        self.set_text(Record::HoldOldPath, other.map_or("", |other| &other.directory));
    }

    /// Shows the group that needs attention, and whether the accepted values and steps are of it.
    pub(super) fn show_current(&self, current: Option<&CurrentGroup>) {
        let name = current.map_or("", |current| &current.name);
        self.set_text(Record::Group, name);
        self.set_text(Record::GroupUtf8, name);
        self.set_state(Record::GroupServed, u16::from(current.is_some_and(|current| current.is_served)));
    }

    /// Shows the groups that were delivered last.
    pub(super) fn show_history(&self, recent: &[RecentGroup], zone: &TimeZone) {
        for (index, (name, at, result)) in HISTORY.into_iter().enumerate() {
            let group = recent.get(index);
            self.set_text(name, group.map_or("", |group| &group.name));
            let ended = group.and_then(|group| group.ended_at);
            let ended =
                ended.map(|at| at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string());
            self.set_text(at, &ended.unwrap_or_default());
            self.set_state(result, history_index(group.map(|group| group.result)));
        }
    }
}
