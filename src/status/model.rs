//! The state of a beamline's service: computed once after each event, and read by the records, the metrics
//! and the web page.

use super::lease::Lease;
use super::states::{BeamlineStatus, step_label};
use crate::domain::{GroupIdentity, HeldGroup, Step, StepStatus};
use crate::journal::{DeliveryRow, DeliveryState, ExperimentRow};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// A service without a heartbeat for this long has stopped. The IOC's watchdog and the lease have the same
/// limit.
pub const HEART_LIMIT: Duration = Duration::from_secs(10);

/// The state of a beamline. The JSON of `/api/status` consists of these fields (docs/web.md): none is renamed
/// or removed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatusModel {
    /// The beamline's name
    pub beamline: String,
    /// The prefix of its records, unique in a process
    pub prefix: String,
    /// The state
    pub status: BeamlineStatus,
    /// One sentence: what happens, or what is wrong and what to do
    pub message: String,
    /// Further problems, a sentence each
    pub notes: Vec<String>,
    /// Whether the service itself can't work, e.g. without its journal; `message` says why
    pub in_trouble: bool,
    /// Whether a delivery runs
    pub running: bool,
    /// The switch Auto; `None` before the IOC has reported it
    pub auto: Option<bool>,
    /// The switch Pause
    pub paused: bool,
    /// The group that waits for an operator
    pub held: Option<HeldGroup>,
    /// The group that needs attention: the held one, or the one in the PVs that is or was served
    #[serde(skip)]
    pub current: Option<CurrentGroup>,
    /// The groups that were delivered last, the newest first
    #[serde(skip)]
    pub recent: Vec<RecentGroup>,
    /// The group that was accepted last
    pub group: Option<GroupStatus>,
    /// The steps of its delivery, in their order
    pub steps: Vec<StepEntry>,
    /// The data that moves; `None` without `[[sync]]`
    pub data: Option<DataStatus>,
    /// The last delivery that ended
    pub last_run: Option<LastRun>,
    /// Deliveries since the installation
    pub deliveries: u64,
    /// Failed ones among them
    pub deliveries_failed: u64,
    /// The facility's time zone
    #[serde(skip)]
    pub zone: TimeZone,
}

/// The group that needs attention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentGroup {
    /// `2026-03 Li`
    pub name: String,
    /// Whether it is the group that was accepted last, so that the steps are of it
    pub is_served: bool,
}

/// A group that was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentGroup {
    /// `2026-03 Li, proposal 1234`
    pub name: String,
    /// How its last delivery ended
    pub result: DeliveryState,
    /// When it ended
    pub ended_at: Option<Timestamp>,
}

/// A group that was accepted.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GroupStatus {
    /// Year and month, `2026-03`
    pub year_month: String,
    /// Last name of the principal investigator
    pub pi_last_name: String,
    /// Address of the principal investigator
    pub pi_email: String,
    /// Number of the proposal; may be empty
    pub proposal_number: String,
    /// The first directory
    pub path: String,
    /// The link that the users get
    pub data_link: String,
    /// People whom the data is to be shared with
    pub users_total: u32,
    /// People whom it is shared with
    pub users_shared: u32,
    /// Messages that the mail server took
    pub emails_sent: u32,
    /// Messages refused for good
    pub emails_failed: u32,
}

/// A step of the delivery.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepEntry {
    /// The step
    pub step: Step,
    /// Its state, as the record labels it
    #[serde(serialize_with = "label")]
    pub status: StepStatus,
    /// What happens, or the error
    pub message: String,
}

/// The data that moves.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DataStatus {
    /// Files moved by the running transfers
    pub files: u64,
    /// Files to move
    pub files_total: u64,
    /// Bytes moved
    pub bytes: u64,
    /// Bytes of the files to move
    pub bytes_total: u64,
    /// Bytes a second
    pub bytes_per_second: u64,
    /// Faults that the transfers reported
    pub faults: u64,
    /// Globus's id of the running task
    pub task: Option<Uuid>,
}

/// The last delivery that ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LastRun {
    /// When it ended
    pub ended_at: Timestamp,
    /// How long it took, in seconds
    pub duration_s: f64,
}

impl RecentGroup {
    /// A group with its last delivery.
    pub fn new(delivery: &DeliveryRow, row: &ExperimentRow) -> RecentGroup {
        let group = GroupIdentity::from(delivery.experiment_then.as_ref().unwrap_or(&row.experiment));
        let name = match group.proposal_number.as_str() {
            "" => format!("{} ({})", group.name(), group.pi_email),
            number => format!("{}, proposal {number}", group.name()),
        };
        RecentGroup { name, result: delivery.state, ended_at: delivery.ended_at }
    }
}

impl StatusModel {
    /// A beamline of which nothing is known yet.
    pub fn new(beamline: &str, prefix: &str, zone: TimeZone) -> StatusModel {
        StatusModel {
            beamline: beamline.to_owned(),
            prefix: prefix.to_owned(),
            status: BeamlineStatus::Waiting,
            message: "Connecting to the user-info PVs".to_owned(),
            notes: vec![],
            in_trouble: false,
            running: false,
            auto: None,
            paused: false,
            held: None,
            current: None,
            recent: vec![],
            group: None,
            steps: vec![],
            data: None,
            last_run: None,
            deliveries: 0,
            deliveries_failed: 0,
            zone,
        }
    }
}

fn label<S: Serializer>(status: &StepStatus, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(step_label(*status))
}

/// A beamline as its service publishes it, at least once a second.
#[derive(Clone, Debug)]
pub struct Published {
    /// The state; of a beamline that another process serves, as it was last served here
    pub status: StatusModel,
    /// Whether this process serves the records
    pub lease: Lease,
    /// How many status records no IOC serves
    pub missing: usize,
    /// The count of heartbeats, one a second
    pub beats: u64,
    /// When the last one was
    pub beaten_at: Instant,
}

impl Published {
    /// A beamline whose service has just started.
    pub fn new(status: StatusModel) -> Published {
        Published { status, lease: Lease::default(), missing: 0, beats: 0, beaten_at: Instant::now() }
    }

    /// Counts a heartbeat.
    pub fn beat(&mut self) {
        self.beats += 1;
        self.beaten_at = Instant::now();
    }

    /// Whether the service of the beamline works: its last heartbeat is recent.
    pub fn is_alive(&self) -> bool {
        self.beaten_at.elapsed() < HEART_LIMIT
    }
}
