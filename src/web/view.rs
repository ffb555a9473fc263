//! What the page and the API say of a beamline, with or without names.

use super::Source;
use crate::domain::decision::Release;
use crate::domain::{GroupIdentity, HeldGroup};
use crate::status::{BeamlineStatus, GroupStatus, Lease, Published, StatusModel};
use serde::Serialize;

/// How the service of a beamline stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Condition {
    /// It serves the beamline.
    Serving,
    /// Another process serves it, and this one would take over.
    Standby,
    /// No IOC serves the status records, so operators see nothing and nothing new begins.
    Unreachable,
    /// The service itself is in trouble, e.g. without its journal.
    Trouble,
    /// It has stopped working: its heart does not beat.
    Stopped,
}

impl Condition {
    fn of(published: &Published) -> Condition {
        match &published.lease {
            _ if !published.is_alive() => Condition::Stopped,
            _ if published.status.in_trouble => Condition::Trouble,
            Lease::Foreign(_) => Condition::Standby,
            Lease::Held if published.missing == 0 => Condition::Serving,
            Lease::Held | Lease::Seeking => Condition::Unreachable,
        }
    }

    /// Whether a monitor should be content.
    pub fn is_healthy(self) -> bool {
        matches!(self, Condition::Serving | Condition::Standby)
    }
}

/// A beamline in `/api/status` (docs/web.md): no field is renamed or removed.
#[derive(Clone, Debug, Serialize)]
pub(super) struct BeamlineView {
    pub condition: Condition,
    /// The process that serves the beamline in place of this one
    pub served_by: Option<String>,
    /// How many status records no IOC serves
    pub records_missing: usize,
    /// Whether names, addresses, directories and messages are left out
    pub names_hidden: bool,
    #[serde(flatten)]
    pub model: StatusModel,
}

impl BeamlineView {
    pub fn of(source: &Source) -> BeamlineView {
        let published = source.published.borrow().clone();
        let names_hidden = !source.shows_names();
        let condition = Condition::of(&published);
        let served_by = match published.lease {
            Lease::Foreign(owner) => Some(owner),
            _ => None,
        };
        let model = if names_hidden { without_names(published.status) } else { published.status };
        BeamlineView { condition, served_by, records_missing: published.missing, names_hidden, model }
    }
}

/// The same without names, addresses, directories, and texts that can contain them.
fn without_names(model: StatusModel) -> StatusModel {
    let message = match model.status {
        BeamlineStatus::Idle => "No user group is tagged",
        BeamlineStatus::Waiting => "Waiting for the user info",
        BeamlineStatus::Settling => "The user info has changed",
        BeamlineStatus::Approval => "A group waits for the operator",
        BeamlineStatus::Running => "A group is served",
        BeamlineStatus::Done => "The group is served",
        BeamlineStatus::Failed => "Failed; the control room's screen shows why",
        BeamlineStatus::Paused => "Paused",
    };
    let mut steps = model.steps;
    steps.iter_mut().for_each(|entry| entry.message.clear());
    StatusModel {
        message: message.to_owned(),
        notes: vec![],
        held: model.held.map(held_without_names),
        group: model.group.map(|group| GroupStatus {
            year_month: group.year_month,
            proposal_number: group.proposal_number,
            users_total: group.users_total,
            users_shared: group.users_shared,
            emails_sent: group.emails_sent,
            emails_failed: group.emails_failed,
            ..GroupStatus::default()
        }),
        steps,
        ..model
    }
}

fn held_without_names(held: HeldGroup) -> HeldGroup {
    let question = match held.release {
        Release::Run => "Serve this group? Run or Approve",
        Release::Approve => {
            "Serve this group? Approve only if everything on the control room's screen is right"
        }
        Release::TagAgain => "This group can't be approved. Tag it again",
    };
    let GroupIdentity { year_month, proposal_number, .. } = held.group;
    HeldGroup {
        question: question.to_owned(),
        release: held.release,
        group: GroupIdentity { year_month, proposal_number, ..GroupIdentity::default() },
        other: None,
        directories: vec![],
        gains: vec![],
        loses: vec![],
        reasons: vec![],
        mails: vec![],
    }
}

/// A beamline on the page.
#[derive(Debug, Serialize)]
pub(super) struct Card {
    #[serde(flatten)]
    view: BeamlineView,
    /// The state as a person reads it from afar
    headline: &'static str,
    /// The colour of the state: `ok`, `busy`, `act`, `bad`, `rest`, `old`
    tone: &'static str,
    /// Whether the group is what the state is about; otherwise it is the one that was served last
    group_is_present: bool,
    /// Moved data in percent
    percent: Option<u64>,
    data_text: String,
    last_run_text: String,
}

impl Card {
    pub fn of(view: BeamlineView) -> Card {
        let model = &view.model;
        let (headline, tone) = headline(view.condition, model.status);
        let group_is_present =
            model.held.is_none() && model.current.as_ref().is_some_and(|current| current.is_served);
        let (mut percent, mut data_text) = (None, String::new());
        if let Some(data) = &model.data {
            let (part, whole) = match data.bytes_total {
                0 => (data.files, data.files_total),
                total => (data.bytes, total),
            };
            percent = (whole > 0).then(|| u64::min(100, (part as f64 / whole as f64 * 100.0) as u64));
            data_text = format!("{} of {} files, {}", data.files, data.files_total, bytes(data.bytes));
            if data.bytes_total > 0 {
                data_text += &format!(" of {}", bytes(data.bytes_total));
            }
            if data.bytes_per_second > 0 {
                data_text += &format!(", {}/s", bytes(data.bytes_per_second));
            }
            if data.faults > 0 {
                data_text += &format!(", {} faults", data.faults);
            }
        }
        let last_run_text = model.last_run.map_or("none yet".to_owned(), |last| {
            let ended = last.ended_at.to_zoned_datetime(model.zone.clone());
            format!("{}, {:.1} s", ended.strftime("%Y-%m-%d %H:%M"), last.duration_s)
        });
        Card { headline, tone, group_is_present, percent, data_text, last_run_text, view }
    }

    /// The order on the page: what needs a person comes first.
    pub fn urgency(&self) -> u8 {
        match self.tone {
            "bad" => 0,
            "act" => 1,
            "old" => 2,
            "busy" => 3,
            "ok" => 4,
            _ => 5,
        }
    }
}

fn headline(condition: Condition, status: BeamlineStatus) -> (&'static str, &'static str) {
    match (condition, status) {
        (Condition::Stopped, _) => ("Stopped", "old"),
        (Condition::Standby, _) => ("Standby", "rest"),
        (Condition::Unreachable, _) => ("IOC unreachable", "old"),
        (Condition::Trouble, _) => ("In trouble", "bad"),
        (_, BeamlineStatus::Idle) => ("Idle", "rest"),
        (_, BeamlineStatus::Waiting) => ("Waiting", "act"),
        (_, BeamlineStatus::Settling) => ("Settling", "busy"),
        (_, BeamlineStatus::Approval) => ("Held", "act"),
        (_, BeamlineStatus::Running) => ("Delivering", "busy"),
        (_, BeamlineStatus::Done) => ("Delivered", "ok"),
        (_, BeamlineStatus::Failed) => ("Failed", "bad"),
        (_, BeamlineStatus::Paused) => ("Paused", "act"),
    }
}

/// An amount of data as people read it.
fn bytes(number: u64) -> String {
    let mut value = number as f64;
    for unit in ["B", "kB", "MB", "GB", "TB"] {
        if value < 1000.0 || unit == "TB" {
            let decimals = usize::from(unit != "B" && value < 100.0);
            return format!("{value:.decimals$} {unit}");
        }
        value /= 1000.0;
    }
    unreachable!("the last unit takes every value")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::{HoldReason, OtherGroup, PlannedMail, Relation, Step, StepStatus};
    use crate::status::StepEntry;
    use jiff::tz::TimeZone;

    /// A beamline with this text in every place that can hold one.
    pub fn beamline_of(text: &str) -> StatusModel {
        let text = || text.to_owned();
        let identity = || GroupIdentity {
            year_month: "2026-03".to_owned(),
            pi_last_name: text(),
            pi_first_name: text(),
            pi_email: text(),
            pi_institution: text(),
            proposal_number: "71001".to_owned(),
            proposal_title: text(),
        };
        StatusModel {
            status: BeamlineStatus::Approval,
            message: text(),
            notes: vec![text()],
            held: Some(HeldGroup {
                question: text(),
                release: Release::Approve,
                group: identity(),
                other: Some(OtherGroup {
                    relation: Relation::AcceptedBefore,
                    group: identity(),
                    directory: text(),
                }),
                directories: vec![text()],
                gains: vec![text()],
                loses: vec![text()],
                reasons: vec![HoldReason { reason: text(), remedy: text(), release: Release::Approve }],
                mails: vec![PlannedMail { about: text(), recipients: vec![text()] }],
            }),
            group: Some(GroupStatus {
                pi_last_name: text(),
                pi_email: text(),
                path: text(),
                data_link: text(),
                year_month: "2026-03".to_owned(),
                ..GroupStatus::default()
            }),
            steps: vec![StepEntry { step: Step::Share, status: StepStatus::Done, message: text() }],
            ..StatusModel::new("2-BM", "2bmb:Share:", TimeZone::UTC)
        }
    }

    #[test]
    fn without_names_no_text_has_one() {
        let json = serde_json::to_string(&without_names(beamline_of("Garcia ana@upf.example"))).unwrap();
        assert!(!json.contains("Garcia") && !json.contains("ana@"), "{json}");
        assert!(json.contains("2026-03") && json.contains("\"status\":\"Approval\""), "{json}");
    }

    #[test]
    fn a_heart_that_stands_still_is_not_healthy() {
        let mut published = Published { lease: Lease::Held, ..Published::new(beamline_of("x")) };
        assert_eq!(Condition::of(&published), Condition::Serving);
        published.missing = 3;
        assert_eq!(Condition::of(&published), Condition::Unreachable);
        published.lease = Lease::Foreign("other (process 7)".to_owned());
        assert_eq!(Condition::of(&published), Condition::Standby);
        published.status.in_trouble = true;
        assert_eq!(Condition::of(&published), Condition::Trouble);
        published.beaten_at -= crate::status::HEART_LIMIT;
        assert_eq!(Condition::of(&published), Condition::Stopped);
        assert!(!Condition::Stopped.is_healthy() && Condition::Standby.is_healthy());
    }

    #[test]
    fn amounts_of_data_are_short() {
        let texts = [0, 999, 1500, 123_456_789, 5_000_000_000_000_000].map(bytes);
        assert_eq!(texts, ["0 B", "999 B", "1.5 kB", "123 MB", "5000 TB"]);
    }
}
