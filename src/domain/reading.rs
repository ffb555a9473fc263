use crate::domain::{Field, UserInfo};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One user-info PV as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// The text
    pub text: String,
    /// When the record last processed, by the IOC's clock. EPICS records take the time anew at each put, also
    /// when the value stays the same, so a new time means another put
    pub time: Option<Timestamp>,
    /// The record has an alarm of severity INVALID, as one that was never put
    pub invalid: bool,
    /// The text fills its record, so its end may be missing
    pub possibly_cut: bool,
}

/// All configured user-info PVs as they were read at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Readings(pub BTreeMap<Field, Reading>);

impl Readings {
    /// The texts alone.
    pub fn user_info(&self) -> UserInfo {
        UserInfo(self.0.iter().map(|(field, reading)| (*field, reading.text.clone())).collect())
    }

    /// Whether both contain the same texts, whenever they were put.
    pub fn same_texts(&self, other: &Readings) -> bool {
        self.user_info() == other.user_info()
    }
}
