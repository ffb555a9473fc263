//! The records of db/beamshare.db: the one place of the program that knows their names and types.

use crate::domain::Step;
use std::fmt;

/// What a record is for, and so how beamshare treats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// One of a few states: mbbi. Written by beamshare.
    State,
    /// A text: waveform of CHAR. Written by beamshare.
    Text,
    /// A whole number: longin. Written by beamshare.
    Count,
    /// A number with a unit: ai. Written by beamshare.
    Number,
    /// `Run`: bo, a status of beamshare and a command of the operator.
    Run,
    /// bo, 1 for a moment: a command of the operator, put back to 0 by beamshare or by the IOC.
    Momentary,
    /// bo: a setting of the operator, kept by the IOC and only read by beamshare.
    Level,
    /// Who serves the records: waveform of CHAR. Written to claim them, and by nobody who has not claimed
    /// them.
    Lease,
    /// Computed in the IOC, neither read nor written by beamshare.
    Ioc,
}

macro_rules! records {
    ($($(#[$doc:meta])* $name:ident: $kind:ident, $rtype:literal;)*) => {
        /// A status record. Its name is the variant's, after the prefix.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Record {
            $($(#[$doc])* $name,)*
        }

        impl Record {
            /// All records, in the order of db/beamshare.db.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name after the prefix: `Status` of `2bmb:Share:Status`.
            pub fn suffix(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// What the record is for.
            pub fn kind(self) -> RecordKind {
                match self {
                    $(Self::$name => RecordKind::$kind,)*
                }
            }

            /// EPICS's type of the record (RTYP).
            pub fn record_type(self) -> &'static str {
                match self {
                    $(Self::$name => $rtype,)*
                }
            }
        }
    };
}

records! {
    /// `BeamlineStatus`.
    Status: State, "mbbi";
    /// One sentence: what is happening, or what is wrong and what to do.
    StatusMsg: Text, "waveform";
    /// StatusMsg in rows, broken between words.
    StatusRows: Text, "waveform";
    /// What waits for Approve or Run: for whom, where, and all that is held against it. Empty where nothing
    /// does.
    PendingMsg: Text, "waveform";
    /// Index of View.
    ViewIndex: Ioc, "calcout";
    /// Status, or Stopped while beamshare does not run.
    View: Ioc, "mbbi";
    /// The group that needs attention: the held one, or the one in the PVs that is or was served.
    Group: Text, "waveform";
    /// The same in UTF-8, for displays that show it.
    GroupUtf8: Text, "waveform";
    /// Whether the accepted values, the steps and the counts are those of Group.
    GroupServed: State, "mbbi";
    /// Last name of the accepted experiment's principal investigator in UTF-8.
    LastNameUtf8: Text, "waveform";
    /// What the operator is asked, in one line.
    HoldAsk: Text, "waveform";
    /// How many reasons there are.
    HoldCount: Count, "longin";
    /// Reason 1.
    HoldReason1: Text, "waveform";
    /// What ends reason 1.
    HoldRemedy1: Text, "waveform";
    /// Reason 2.
    HoldReason2: Text, "waveform";
    /// What ends reason 2.
    HoldRemedy2: Text, "waveform";
    /// Reason 3.
    HoldReason3: Text, "waveform";
    /// What ends reason 3.
    HoldRemedy3: Text, "waveform";
    /// Reason 4.
    HoldReason4: Text, "waveform";
    /// What ends reason 4.
    HoldRemedy4: Text, "waveform";
    /// Reason 5.
    HoldReason5: Text, "waveform";
    /// What ends reason 5.
    HoldRemedy5: Text, "waveform";
    /// Reason 6.
    HoldReason6: Text, "waveform";
    /// What ends reason 6.
    HoldRemedy6: Text, "waveform";
    /// Year and month of the held group.
    HoldMonth: Text, "waveform";
    /// Its principal investigator, with first name and institution.
    HoldName: Text, "waveform";
    /// The address of its principal investigator.
    HoldEmail: Text, "waveform";
    /// Its proposal's number and title.
    HoldProposal: Text, "waveform";
    /// Its directories.
    HoldPath: Text, "waveform";
    /// What the other group has to do with it. Empty where there is none.
    HoldOldIs: Text, "waveform";
    /// Year and month of the other group.
    HoldOldMonth: Text, "waveform";
    /// Its principal investigator, with first name and institution.
    HoldOldName: Text, "waveform";
    /// The address of its principal investigator.
    HoldOldEmail: Text, "waveform";
    /// Its proposal's number and title.
    HoldOldProposal: Text, "waveform";
    /// Its directory.
    HoldOldPath: Text, "waveform";
    /// Who gains access.
    HoldGains: Text, "waveform";
    /// Who loses access.
    HoldLoses: Text, "waveform";
    /// What is mailed, and to whom.
    HoldMails: Text, "waveform";
    /// The reasons and remedies in rows: see the module `rows`.
    HoldRows: Text, "waveform";
    /// The groups, who gains and loses access and what is mailed, likewise in rows.
    HoldDetails: Text, "waveform";
    /// How many rows of HoldRows are in use.
    HoldRowCount: Count, "longin";
    /// The held group as JSON in UTF-8, for programs.
    HoldJson: Text, "waveform";
    /// Group 1 of the last ones, the newest first.
    HistoryGroup1: Text, "waveform";
    /// The local time at which its last delivery ended.
    HistoryAt1: Text, "waveform";
    /// How it ended.
    HistoryResult1: State, "mbbi";
    /// Group 2 of the last ones, the newest first.
    HistoryGroup2: Text, "waveform";
    /// The local time at which its last delivery ended.
    HistoryAt2: Text, "waveform";
    /// How it ended.
    HistoryResult2: State, "mbbi";
    /// Group 3 of the last ones, the newest first.
    HistoryGroup3: Text, "waveform";
    /// The local time at which its last delivery ended.
    HistoryAt3: Text, "waveform";
    /// How it ended.
    HistoryResult3: State, "mbbi";
    /// Group 4 of the last ones, the newest first.
    HistoryGroup4: Text, "waveform";
    /// The local time at which its last delivery ended.
    HistoryAt4: Text, "waveform";
    /// How it ended.
    HistoryResult4: State, "mbbi";
    /// Group 5 of the last ones, the newest first.
    HistoryGroup5: Text, "waveform";
    /// The local time at which its last delivery ended.
    HistoryAt5: Text, "waveform";
    /// How it ended.
    HistoryResult5: State, "mbbi";
    /// Group 6 of the last ones, the newest first.
    HistoryGroup6: Text, "waveform";
    /// The local time at which its last delivery ended.
    HistoryAt6: Text, "waveform";
    /// How it ended.
    HistoryResult6: State, "mbbi";
    /// Group 7 of the last ones, the newest first.
    HistoryGroup7: Text, "waveform";
    /// The local time at which its last delivery ended.
    HistoryAt7: Text, "waveform";
    /// How it ended.
    HistoryResult7: State, "mbbi";
    /// Group 8 of the last ones, the newest first.
    HistoryGroup8: Text, "waveform";
    /// The local time at which its last delivery ended.
    HistoryAt8: Text, "waveform";
    /// How it ended.
    HistoryResult8: State, "mbbi";
    /// 1 while a delivery runs; an operator's 1 runs it again.
    Run: Run, "bo";
    /// Deliver when the user info changes.
    Auto: Level, "bo";
    /// Go on though something was held.
    Approve: Momentary, "bo";
    /// End the running delivery.
    Abort: Momentary, "bo";
    /// Mail everyone again.
    Resend: Momentary, "bo";
    /// Begin nothing new until it is 0 again.
    Pause: Level, "bo";
    /// Year and month of the accepted experiment, `2026-03`.
    YearMonth: Text, "waveform";
    /// Last name of its principal investigator.
    LastName: Text, "waveform";
    /// E-mail address of its principal investigator.
    Email: Text, "waveform";
    /// Its proposal number.
    Proposal: Text, "waveform";
    /// Its directory.
    Path: Text, "waveform";
    /// The link that the users get.
    DataLink: Text, "waveform";
    /// State of the directories on this machine and on hosts.
    DirsSts: State, "mbbi";
    /// Host, path, count or error.
    DirsMsg: Text, "waveform";
    /// The same in rows.
    DirsRows: Text, "waveform";
    /// State of the directory on the Globus collection.
    GlobusSts: State, "mbbi";
    /// Collection, path or error.
    GlobusMsg: Text, "waveform";
    /// The same in rows.
    GlobusRows: Text, "waveform";
    /// State of the access rules.
    ShareSts: State, "mbbi";
    /// Who, or error.
    ShareMsg: Text, "waveform";
    /// The same in rows.
    ShareRows: Text, "waveform";
    /// State of the messages.
    EmailSts: State, "mbbi";
    /// Recipients, or error.
    EmailMsg: Text, "waveform";
    /// The same in rows.
    EmailRows: Text, "waveform";
    /// State of the data's transfer.
    SyncSts: State, "mbbi";
    /// What moves, or error.
    SyncMsg: Text, "waveform";
    /// The same in rows.
    SyncRows: Text, "waveform";
    /// People whom the experiment is to be shared with.
    UsersTotal: Count, "longin";
    /// People whom it is shared with.
    UsersShared: Count, "longin";
    /// Messages that a mail server has taken.
    EmailsSent: Count, "longin";
    /// Messages refused for good.
    EmailsFailed: Count, "longin";
    /// Deliveries since the service was installed.
    RunCount: Count, "longin";
    /// Failed ones among them.
    ErrorCount: Count, "longin";
    /// Date and time of the last delivery's end, local.
    LastRun: Text, "waveform";
    /// How long it took, in seconds.
    LastDuration: Number, "ai";
    /// Counts up each second while beamshare lives.
    Heartbeat: Count, "longin";
    /// Seconds since Heartbeat changed.
    HeartbeatAge: Ioc, "calcout";
    /// Whether Heartbeat changed within 10 s.
    Alive: Ioc, "bi";
    /// Version of beamshare.
    Version: Text, "waveform";
    /// Host that beamshare runs on.
    Host: Text, "waveform";
    /// Identity of the journal, and the number of its last delivery.
    JournalMark: Text, "waveform";
    /// The process that serves these records, where several beamshares run: see the module `lease`.
    LeaseHolder: Lease, "waveform";
    /// Files moved.
    SyncFiles: Count, "longin";
    /// Files to move.
    SyncFilesTotal: Count, "longin";
    /// Bytes moved.
    SyncBytes: Number, "ai";
    /// Speed, in MB/s.
    SyncRate: Number, "ai";
    /// Faults that the transfer reported.
    SyncFaults: Count, "longin";
    /// Globus's id of the running transfer.
    SyncTask: Text, "waveform";
}

impl Record {
    /// The record with a step's state; the delivery as a whole has Status.
    pub fn step_status(step: Step) -> Option<Self> {
        match step {
            Step::Dirs => Some(Self::DirsSts),
            Step::Globus => Some(Self::GlobusSts),
            Step::Share => Some(Self::ShareSts),
            Step::Email => Some(Self::EmailSts),
            Step::Sync => Some(Self::SyncSts),
            Step::Delivery => None,
        }
    }

    /// The record with a step's message; the delivery as a whole has StatusMsg.
    pub fn step_message(step: Step) -> Option<Self> {
        match step {
            Step::Dirs => Some(Self::DirsMsg),
            Step::Globus => Some(Self::GlobusMsg),
            Step::Share => Some(Self::ShareMsg),
            Step::Email => Some(Self::EmailMsg),
            Step::Sync => Some(Self::SyncMsg),
            Step::Delivery => None,
        }
    }

    /// The record with a step's message in rows.
    pub fn step_rows(step: Step) -> Option<Self> {
        match step {
            Step::Dirs => Some(Self::DirsRows),
            Step::Globus => Some(Self::GlobusRows),
            Step::Share => Some(Self::ShareRows),
            Step::Email => Some(Self::EmailRows),
            Step::Sync => Some(Self::SyncRows),
            Step::Delivery => None,
        }
    }

    /// Whether the text is written in UTF-8: an address or a link, which would be another one in ASCII, and
    /// texts for programs and for displays that show UTF-8.
    pub fn is_utf8(self) -> bool {
        matches!(
            self,
            Self::Email
                | Self::DataLink
                | Self::LastNameUtf8
                | Self::GroupUtf8
                | Self::HoldEmail
                | Self::HoldOldEmail
                | Self::HoldJson
        )
    }

    /// Whether beamshare writes the record's value.
    pub fn is_shown(self) -> bool {
        matches!(
            self.kind(),
            RecordKind::State | RecordKind::Text | RecordKind::Count | RecordKind::Number | RecordKind::Run
        )
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.suffix())
    }
}
