use crate::domain::Field;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// More puts than this without a rest are no tagging: the window starts anew as unobserved.
const MAX_PUTS: usize = 200;

/// One put to a user-info PV, with the same value as before or another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Put {
    /// The PV that was put
    pub field: Field,
    /// Its text after the put
    pub text: String,
    /// When it was put, by this host's clock: derived from the IOC's time. Puts are ordered by it
    pub at: Timestamp,
    /// When it was noticed. A fresh get notices puts that posted no monitor, later than they happened
    pub noticed: Timestamp,
}

impl Put {
    /// The time since an earlier put: the shorter one of both clocks, since a run that may still continue
    /// must not be taken for a dead one.
    pub(super) fn pause_since(&self, earlier: &Put) -> Duration {
        let put = self.at.duration_since(earlier.at);
        let noticed = self.noticed.duration_since(earlier.noticed);
        positive(put.min(noticed))
    }
}

pub(super) fn positive(duration: SignedDuration) -> Duration {
    Duration::try_from(duration).unwrap_or_default()
}

/// Why puts may have happened that nobody saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gap {
    /// The service was not running
    Started,
    /// The connection to an IOC was lost, or the IOC booted
    Disconnected,
    /// Monitors were lost, or an IOC sent none for a value that changed
    MonitorsLost,
    /// This process did not run for a while
    Stalled,
    /// The clock of an IOC was set back
    ClockStepped,
    /// More puts without a rest than are kept
    TooManyPuts,
}

/// The moment from which on all puts are known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unobserved {
    /// Why not before
    pub gap: Gap,
    /// From when on
    pub until: Timestamp,
}

/// The puts since the last rest, i.e. since a pause of `run_limit`, in which every run has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The window does not begin with a rest: runs may have been under way
    pub unobserved: Option<Unobserved>,
    /// The puts, in their order
    pub puts: Vec<Put>,
    /// Nothing was put for `run_limit`, so the next put begins another window. The puts are kept until then:
    /// they say what the present values are worth
    pub rested: bool,
}

impl Window {
    /// A window without puts after a rest.
    pub fn at_rest() -> Window {
        Window { rested: true, ..Window::default() }
    }

    /// A window before which puts may have been missed.
    pub fn unobserved(gap: Gap, until: Timestamp) -> Window {
        Window { unobserved: Some(Unobserved { gap, until }), ..Window::default() }
    }

    /// Adds a put. One that was noticed late is put in its place.
    pub fn put(&mut self, put: Put) {
        if self.rested {
            *self = Window::default();
        }
        if self.puts.len() >= MAX_PUTS {
            *self = Window::unobserved(Gap::TooManyPuts, put.noticed);
        }
        let place = self.puts.iter().rposition(|earlier| earlier.at <= put.at).map_or(0, |index| index + 1);
        self.puts.insert(place, put);
    }

    /// When the window can be at rest: `run_limit` after the last put and after the gap.
    pub fn rests_at(&self, run_limit: Duration) -> Option<Timestamp> {
        let puts = self.puts.iter().map(|put| put.noticed.max(put.at));
        let last = puts.chain(self.unobserved.map(|unobserved| unobserved.until)).max()?;
        SignedDuration::try_from(run_limit).ok().and_then(|limit| last.checked_add(limit).ok())
    }

    /// Continues a window of an earlier process, after which nothing was put. Its clock says nothing about
    /// this one's, so all pauses are counted from now.
    pub fn continue_at(mut self, now: Timestamp) -> Window {
        if !self.rested {
            for put in &mut self.puts {
                put.noticed = now;
            }
            if let Some(unobserved) = &mut self.unobserved {
                unobserved.until = now;
            }
        }
        self
    }
}
