use crate::domain::{Field, UserInfo};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What one user-info PV said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Its text
    pub text: String,
    /// The IOC's time of the last put: EPICS records take it anew at each processing, also when the value stays the same,
    /// which tells a PV that the tagging tool has put again from one that it has not reached yet
    pub time: Option<Timestamp>,
    /// It has an alarm of severity INVALID (a record that was never put says so, too)
    pub invalid: bool,
    /// It is a DBR_STRING as long as those can be: the record may have cut it
    pub possibly_cut: bool,
    /// Where the value was found when the IOC came back: the time that the PV had before. An IOC that restores its records
    /// at boot gives all of them a new time, though nobody has put them
    #[serde(skip)]
    pub time_before_boot: Option<Timestamp>,
}

/// What all configured user-info PVs said at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Readings(pub BTreeMap<Field, Reading>);

impl Readings {
    /// The texts alone.
    pub fn user_info(&self) -> UserInfo {
        UserInfo(self.0.iter().map(|(field, reading)| (*field, reading.text.clone())).collect())
    }

    /// Whether both hold the same texts, whenever they were put.
    pub fn same_texts(&self, other: &Readings) -> bool {
        self.user_info() == other.user_info()
    }

    /// Whether the field's PV was put after it was read for `reference`.
    pub fn put_since(&self, reference: &Readings, field: Field) -> bool {
        let time = |readings: &Readings| readings.0.get(&field).and_then(|reading| reading.time);
        time(self) > time(reference)
    }

    /// Moves the times of this earlier set on to those that an IOC has given the records at its boot, where they were not
    /// put since: `readings` is the set as it is now. Whether there was anything to move.
    pub fn follow_boot(&mut self, readings: &Readings) -> bool {
        let mut moved = false;
        for (field, earlier) in &mut self.0 {
            let Some(now) = readings.0.get(field) else { continue };
            let Some(before_boot) = now.time_before_boot else { continue };
            if earlier.time.is_none_or(|time| before_boot <= time) && earlier.time != now.time {
                earlier.time = now.time;
                moved = true;
            }
        }
        moved
    }
}
