//! What the user-info PVs were seen to do: the puts, in their order, and what could not be seen.

use crate::domain::decision::{Gap, Put, Watched, Window};
use crate::domain::{Field, Reading, Readings};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// How many times of a PV's puts are remembered, to recognize a put that a get and a monitor both show.
const TIMES: usize = 16;

/// By how much a PV's time must go back to show that its IOC's clock was set back: a get can overtake a
/// monitor.
const CLOCK_STEP: SignedDuration = SignedDuration::from_secs(1);

/// How much later than it happened a put can be noticed.
const LONGEST_DELAY: SignedDuration = SignedDuration::from_secs(30);

/// How long the difference of two clocks is believed. In this time it changes by a fraction of a second where
/// an IOC's clock is not synchronized.
const OFFSET_LIFE: SignedDuration = SignedDuration::from_hours(1);

/// How a reading was obtained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The IOC sent it
    Monitor,
    /// It was asked for
    Get,
}

/// Follows the PVs of one beamline.
pub struct Observer {
    fields: BTreeSet<Field>,
    /// What the journal kept, until the PVs have been read for the first time
    earlier: Option<Watched>,
    seen: BTreeMap<Field, Seen>,
    /// `None` until all PVs have been read
    window: Option<Window>,
    /// By how much this host's clock is ahead of each IOC's: the smallest difference that was seen, since
    /// monitors can be late, never early; and since when it holds
    offsets: BTreeMap<String, (SignedDuration, Timestamp)>,
    clock: HostClock,
    /// When the last put or gap was noticed
    last_activity: Timestamp,
}

/// One PV.
struct Seen {
    reading: Reading,
    /// IOC times of its last puts
    times: VecDeque<Timestamp>,
    /// The text of the last monitor, and since when gets read another one
    monitored: Option<String>,
    ahead_since: Option<Instant>,
    /// Its IOC has been disconnected since
    disconnected: bool,
}

/// This host's time, which is not set while the process runs.
struct HostClock {
    started: Instant,
    at: Timestamp,
}

impl HostClock {
    fn now(&self) -> Timestamp {
        self.at + SignedDuration::try_from(self.started.elapsed()).unwrap_or_default()
    }
}

impl Observer {
    /// Begins with nothing read.
    pub fn new(fields: BTreeSet<Field>, earlier: Option<Watched>) -> Observer {
        let clock = HostClock { started: Instant::now(), at: Timestamp::now() };
        let (seen, offsets, last_activity) = (BTreeMap::new(), BTreeMap::new(), clock.now());
        Observer { fields, earlier, seen, window: None, offsets, clock, last_activity }
    }

    /// The PVs and their puts; `None` until all have been read.
    pub fn watched(&self) -> Option<Watched> {
        Some(Watched { readings: self.readings(), window: self.window.clone()? })
    }

    fn readings(&self) -> Readings {
        Readings(self.seen.iter().map(|(field, seen)| (*field, seen.reading.clone())).collect())
    }

    /// Lets time pass on this host's clock.
    #[cfg(test)]
    pub fn advance(&mut self, by: SignedDuration) {
        self.clock.at += by;
    }

    /// Takes a reading of a PV on this IOC. Returns whether it shows a put that was not known.
    pub fn read(&mut self, field: Field, reading: Reading, ioc: &str, source: Source) -> bool {
        let now = self.clock.now();
        let Some(seen) = self.seen.get_mut(&field) else {
            self.seen.insert(field, Seen::new(reading.clone(), source));
            self.put_time(&reading, ioc, now);
            self.begin_if_all_are_read();
            return true;
        };
        if std::mem::take(&mut seen.disconnected) && !seen.is_unchanged(&reading) {
            // Put by a tool, or restored by a boot of the IOC.
            *seen = Seen::new(reading.clone(), source);
            self.put_time(&reading, ioc, now);
            self.gap(Gap::Disconnected);
            return true;
        }
        let set_back = source == Source::Monitor && seen.is_set_back(&reading);
        if !seen.take(&reading, source) {
            return false;
        }
        if set_back {
            self.offsets.remove(ioc);
        }
        let at = self.put_time(&reading, ioc, now);
        let Some(window) = &mut self.window else { return true };
        if set_back && !window.rested {
            *window = Window::unobserved(Gap::ClockStepped, now);
        }
        window.put(Put { field, text: reading.text, at, noticed: now });
        // Not `at`: where an IOC's clock falls behind, that would be earlier than the put.
        self.last_activity = now;
        true
    }

    /// When a record was put, by this host's clock.
    fn put_time(&mut self, reading: &Reading, ioc: &str, now: Timestamp) -> Timestamp {
        let Some(time) = reading.time else { return now };
        let difference = now.duration_since(time);
        let (offset, since) = self.offsets.entry(ioc.to_owned()).or_insert((difference, now));
        if difference < *offset || now.duration_since(*since) > OFFSET_LIFE {
            (*offset, *since) = (difference, now);
        }
        let at = time.checked_add(*offset).unwrap_or(now);
        // A record with a time source of its own says nothing about when it was put.
        if now.duration_since(at).abs() <= LONGEST_DELAY { at } else { now }
    }

    fn begin_if_all_are_read(&mut self) {
        if self.window.is_some() || self.seen.len() < self.fields.len() {
            return;
        }
        let (readings, now) = (self.readings(), self.clock.now());
        let user_info = readings.user_info();
        self.window = Some(match self.earlier.take() {
            Some(earlier) if nothing_was_put_between(&earlier.readings, &readings) => {
                earlier.window.continue_at(now)
            }
            // The very first start, with records that nobody has put since their IOC's boot.
            None if self.fields.iter().all(|field| user_info.get(*field).is_none()) => Window::at_rest(),
            _ => Window::unobserved(Gap::Started, now),
        });
        self.last_activity = now;
    }

    /// Puts may have been missed until now.
    pub fn gap(&mut self, gap: Gap) {
        if self.window.is_some() {
            self.last_activity = self.clock.now();
            self.window = Some(Window::unobserved(gap, self.last_activity));
        }
    }

    /// The IOC of this PV can't be reached. What it says when it is back may have been put meanwhile.
    pub fn disconnected(&mut self, field: Field) {
        if let Some(seen) = self.seen.get_mut(&field) {
            seen.disconnected = true;
        }
    }

    /// The PVs whose gets have read another text than their last monitor for longer than this.
    pub fn without_monitor(&mut self, limit: Duration) -> Vec<Field> {
        let late = |seen: &mut Seen| seen.ahead_since.take_if(|since| since.elapsed() > limit).is_some();
        self.seen.iter_mut().filter_map(|(field, seen)| late(seen).then_some(*field)).collect()
    }

    /// Ends the window if nothing was put for `run_limit`. To be called after a get that has shown nothing
    /// new.
    pub fn rest_after(&mut self, run_limit: Duration) {
        let now = self.clock.now();
        if let Some(window) = &mut self.window
            && window.rests_at(run_limit).is_none_or(|time| time <= now)
        {
            window.rested = true;
        }
    }

    /// How long until nothing was put for `settle`; `None`: it is so.
    pub fn quiet_in(&self, settle: SignedDuration) -> Option<Duration> {
        let quiet = self.clock.now().duration_since(self.last_activity);
        Duration::try_from(settle - quiet).ok().filter(|wait| !wait.is_zero())
    }
}

impl Seen {
    fn new(reading: Reading, source: Source) -> Seen {
        let monitored = (source == Source::Monitor).then(|| reading.text.clone());
        Seen {
            times: reading.time.into_iter().collect(),
            reading,
            monitored,
            ahead_since: None,
            disconnected: false,
        }
    }

    /// Whether a reading after a disconnection shows that nothing happened meanwhile. A record without a time
    /// was never put since its IOC booted, which says nothing.
    fn is_unchanged(&self, reading: &Reading) -> bool {
        reading.time.is_some() && reading.time == self.reading.time && reading.text == self.reading.text
    }

    /// Whether the clock of the IOC was set back before this put.
    fn is_set_back(&self, reading: &Reading) -> bool {
        let (Some(time), Some(newest)) = (reading.time, self.reading.time) else { return false };
        newest.duration_since(time) > CLOCK_STEP && !self.times.contains(&time)
    }

    /// Takes another reading. Returns whether it shows a put that was not known.
    fn take(&mut self, reading: &Reading, source: Source) -> bool {
        match source {
            Source::Monitor => (self.monitored, self.ahead_since) = (Some(reading.text.clone()), None),
            Source::Get if self.monitored.as_ref() == Some(&reading.text) => self.ahead_since = None,
            Source::Get => _ = self.ahead_since.get_or_insert_with(Instant::now),
        }
        let same_text = reading.text == self.reading.text;
        let is_earlier = reading.time.is_some() && reading.time < self.reading.time;
        let is_known = match reading.time {
            Some(time) => self.times.contains(&time) && (is_earlier || same_text),
            None => source == Source::Get && same_text,
        };
        // A get and a monitor can overtake each other. Then the later one shows an earlier put.
        let is_overtaken = is_earlier
            && (is_known
                || match source {
                    Source::Monitor => !self.is_set_back(reading),
                    Source::Get => !same_text,
                });
        if !is_overtaken {
            self.reading = reading.clone();
        }
        if let (false, Some(time)) = (is_known, reading.time) {
            self.times.push_front(time);
            self.times.truncate(TIMES);
        }
        !is_known
    }
}

/// Whether the PVs are as they were: same texts, put at the same times by the IOC's clock. A record without a
/// time was never put since its IOC booted, which says nothing.
fn nothing_was_put_between(earlier: &Readings, now: &Readings) -> bool {
    let same = |(before, after): (&Reading, &Reading)| {
        before.time.is_some() && before.time == after.time && before.text == after.text
    };
    earlier.0.keys().eq(now.0.keys()) && earlier.0.values().zip(now.0.values()).all(same)
}
