//! Alarms of records: severity and status.

use std::fmt;

/// Severity of a record's alarm. A value of severity `Invalid` must not be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // EPICS's own four
pub enum Severity {
    #[default]
    None,
    Minor,
    Major,
    Invalid,
}

impl Severity {
    pub(crate) fn from_code(code: u16) -> Self {
        match code {
            0 => Self::None,
            1 => Self::Minor,
            2 => Self::Major,
            _ => Self::Invalid,
        }
    }
}

impl fmt::Display for Severity {
    /// EPICS's name: `NO_ALARM`, `MINOR`, `MAJOR`, `INVALID`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "NO_ALARM",
            Self::Minor => "MINOR",
            Self::Major => "MAJOR",
            Self::Invalid => "INVALID",
        })
    }
}

/// Reason of a record's alarm: EPICS's status code, displayed by its name (`UDF`, `COMM`, …).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlarmStatus(pub u16);

impl AlarmStatus {
    /// The record has never been given a value.
    pub const UDF: Self = Self(17);
}

/// `epicsAlarmConditionStrings` of EPICS base, by their codes.
const STATUS_NAMES: [&str; 22] = [
    "NO_ALARM",
    "READ",
    "WRITE",
    "HIHI",
    "HIGH",
    "LOLO",
    "LOW",
    "STATE",
    "COS",
    "COMM",
    "TIMEOUT",
    "HWLIMIT",
    "CALC",
    "SCAN",
    "LINK",
    "SOFT",
    "BAD_SUB",
    "UDF",
    "DISABLE",
    "SIMM",
    "READ_ACCESS",
    "WRITE_ACCESS",
];

impl fmt::Display for AlarmStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match STATUS_NAMES.get(usize::from(self.0)) {
            Some(name) => f.write_str(name),
            None => write!(f, "status {}", self.0),
        }
    }
}
