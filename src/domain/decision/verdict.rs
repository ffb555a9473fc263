use super::explanation::{Explained, explain};
use super::order::Order;
use super::put::{Gap, Put, Unobserved, Window};
use super::{DecisionState, Hold, Watched};
use crate::domain::experiment::quoted;
use crate::domain::{Field, UserInfo};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;
use std::time::Duration;

/// Whether the PVs show one whole tagging run.
#[derive(Clone, Debug, PartialEq)]
pub enum Wholeness {
    /// One run put all of these fields with their present values
    Whole {
        /// What the run has put. A configured field that is not among them holds a value of some other time
        fields: BTreeSet<Field>,
        /// The order of the run, to be learnt
        order: Option<Order>,
    },
    /// It can't be told, or they do not
    NotWhole(NotWhole),
}

impl Wholeness {
    /// All fields belong together by other proof than their puts, e.g. a signature.
    pub fn of_all(watched: &Watched) -> Wholeness {
        Wholeness::Whole { fields: watched.readings.0.keys().copied().collect(), order: None }
    }
}

/// What keeps the PVs from being one whole tagging run.
#[derive(Clone, Debug, PartialEq)]
pub struct NotWhole {
    /// What is wrong
    pub reason: Reason,
    /// What releases it
    pub remedy: Remedy,
    /// An order that may turn out to be a tool's: see [`super::Orders::propose`]
    pub candidate: Option<Order>,
}

/// Which put does not fit, or is missing.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// Puts may have been missed
    Unobserved(Option<Unobserved>),
    /// A tagging has not put all fields
    Missing {
        /// When the tagging began
        since: Timestamp,
        /// What it has put
        put: Vec<Field>,
        /// What it has not put
        missing: Vec<Field>,
    },
    /// Two puts belong to two taggings that overlap, or one of them to none
    Overlap {
        /// The earlier put
        first: Put,
        /// The later put
        second: Put,
    },
    /// Each field was put once, but in no order that the tools of this beamline are known for
    UnknownOrder {
        /// When the tagging began
        since: Timestamp,
    },
}

/// Which tagging releases a set that is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Another tagging of the same group at any time
    TagAgain,
    /// Another tagging of the same group after this time, if nothing is put before
    TagAgainAfter(Timestamp),
}

/// Judges whether the PVs show one whole tagging run.
pub fn judge(watched: &Watched, state: &DecisionState, run_limit: Duration) -> Wholeness {
    let case = Case::new(watched, state, run_limit);
    match case.wholeness() {
        Some(whole) => whole,
        None => {
            let (reason, candidate) = case.reason();
            Wholeness::NotWhole(NotWhole { remedy: case.remedy(&reason), reason, candidate })
        }
    }
}

#[derive(Clone)]
struct Case<'a> {
    window: &'a Window,
    present: UserInfo,
    configured: BTreeSet<Field>,
    known: Vec<&'a Order>,
    state: &'a DecisionState,
    run_limit: Duration,
}

impl<'a> Case<'a> {
    fn new(watched: &'a Watched, state: &'a DecisionState, run_limit: Duration) -> Case<'a> {
        let configured: BTreeSet<Field> = watched.readings.0.keys().copied().collect();
        let known = state.orders.known(&configured);
        let present = watched.readings.user_info();
        Case { window: &watched.window, present, configured, known, state, run_limit }
    }

    fn wholeness(&self) -> Option<Wholeness> {
        let tail = self.tail();
        let explained = explain(self.window, &self.known, &self.present, self.run_limit);
        if let Explained::Whole(fields) = explained {
            let order = tail.filter(|tail| self.known.contains(&tail));
            return Some(Wholeness::Whole { fields, order });
        }
        // These very values were put by one run, whatever happened since.
        if let Some(whole) = &self.state.whole
            && whole.0.keys().all(|field| self.configured.contains(field))
            && whole.0.iter().all(|(field, text)| self.present.0.get(field) == Some(text))
        {
            return Some(Wholeness::Whole { fields: whole.0.keys().copied().collect(), order: None });
        }
        if let Explained::Unexplained(_) = explained
            && let Some(tail) = tail
            && self.may_be_learnt(&tail)
        {
            let orders: Vec<&Order> = self.known.iter().copied().chain([&tail]).collect();
            if let Explained::Whole(fields) = explain(self.window, &orders, &self.present, self.run_limit) {
                let order = self.is_repeated(&tail, 1).then_some(tail);
                return Some(Wholeness::Whole { fields, order });
            }
        }
        None
    }

    /// The order of the last puts, if they are one of each field.
    fn tail(&self) -> Option<Order> {
        let puts = &self.window.puts;
        let last = puts.get(puts.len().checked_sub(self.configured.len())?..)?;
        Order::new(last.iter().map(|put| put.field).collect(), &self.configured)
    }

    /// Whether an order that no known tool has may be one of its own. The first one may; later ones must be
    /// seen twice, since two known tools that die can put each field once.
    fn may_be_learnt(&self, tail: &Order) -> bool {
        let Some(first) = self.window.puts.first() else { return false };
        self.window.unobserved.is_none()
            && (self.known.is_empty()
                || self.state.orders.was_seen_before(tail, first.at)
                || self.is_repeated(tail, 2))
    }

    /// Whether the window is nothing but this order, at least `times` times.
    fn is_repeated(&self, order: &Order, times: usize) -> bool {
        let puts: Vec<Field> = self.window.puts.iter().map(|put| put.field).collect();
        puts.len() >= times * order.puts.len()
            && puts.chunks(order.puts.len()).all(|chunk| *chunk == order.puts[..])
    }

    /// Whether a run begins with this put. A window after a rest begins with one, whatever the order is.
    fn begins_run(&self, put: &Put) -> bool {
        let first = self.window.puts.first().filter(|_| self.window.unobserved.is_none());
        first.is_some_and(|first| first.field == put.field)
            || self.known.iter().any(|order| order.puts.first() == Some(&put.field))
    }

    /// The puts before the run that began last, and those since.
    fn last_run(&self) -> (&[Put], &[Put]) {
        let puts = &self.window.puts;
        puts.split_at(puts.iter().rposition(|put| self.begins_run(put)).unwrap_or(0))
    }

    fn reason(&self) -> (Reason, Option<Order>) {
        let (earlier, recent) = self.last_run();
        let Some(began) = recent.first() else { return (Reason::Unobserved(self.window.unobserved), None) };
        if self.window.unobserved.is_some() && !self.begins_run(began) {
            return (Reason::Unobserved(self.window.unobserved), None);
        }
        if let Some(order) = self.single_run()
            && order.leaves_out.is_empty()
            && !self.known.contains(&&order)
        {
            let since = self.window.puts.first().unwrap_or(began).at;
            return (Reason::UnknownOrder { since }, Some(order));
        }
        let put: Vec<Field> = recent.iter().map(|put| put.field).collect();
        for (index, second) in recent.iter().enumerate() {
            if let Some(first) = recent[..index].iter().find(|first| first.field == second.field) {
                return (Reason::Overlap { first: first.clone(), second: second.clone() }, None);
            }
        }
        let missing: Vec<Field> =
            self.configured.iter().copied().filter(|field| !put.contains(field)).collect();
        if !missing.is_empty() {
            return (Reason::Missing { since: began.at, put, missing }, self.order_that_leaves_out());
        }
        if self.window.unobserved.is_some() {
            return (Reason::Unobserved(self.window.unobserved), None);
        }
        match earlier.iter().rfind(|put| put.field == began.field).or(earlier.last()) {
            Some(first) => (Reason::Overlap { first: first.clone(), second: began.clone() }, None),
            None => (Reason::UnknownOrder { since: began.at }, Order::new(put, &self.configured)),
        }
    }

    /// The order of all puts of a window that began with a rest, if no field was put twice: perhaps one run
    /// of a tool that is not known. It may begin with any field, so [`Case::last_run`] can't tell where it
    /// began.
    fn single_run(&self) -> Option<Order> {
        let puts = self.window.puts.iter().map(|put| put.field).collect();
        Order::new(puts, &self.configured).filter(|_| self.window.unobserved.is_none())
    }

    /// The order of a run that has put only some fields, if an operator who approves it may teach it: from a
    /// rest on, and with all that says whose data it is.
    fn order_that_leaves_out(&self) -> Option<Order> {
        let names_owner = [Field::REQUIRED.as_slice(), &[Field::ProposalNumber]].concat();
        self.single_run().filter(|order| names_owner.iter().all(|field| !order.leaves_out.contains(field)))
    }

    /// Tries another tagging of the same group right now, by any of the tools. Where that is not enough, a
    /// rest is.
    fn remedy(&self, reason: &Reason) -> Remedy {
        let Some(rests_at) = self.window.rests_at(self.run_limit).filter(|_| !self.window.rested) else {
            return Remedy::TagAgain;
        };
        let orders = match reason {
            Reason::Missing { .. } if !self.known.is_empty() => {
                self.known.iter().map(|its| its.puts.clone()).collect()
            }
            Reason::Missing { .. } | Reason::UnknownOrder { .. } => vec![self.likely_order()],
            Reason::Unobserved(_) | Reason::Overlap { .. } => return Remedy::TagAgainAfter(rests_at),
        };
        // Otherwise the last puts are of several runs, so which group will be tagged again is not known.
        let (_, recent) = self.last_run();
        let is_beginning =
            |order: &Vec<Field>| order.iter().take(recent.len()).eq(recent.iter().map(|put| &put.field));
        if orders.iter().any(is_beginning) && orders.iter().all(|order| self.is_whole_after(order)) {
            Remedy::TagAgain
        } else {
            Remedy::TagAgainAfter(rests_at)
        }
    }

    /// Whether the set would be whole if the group of the last run were tagged again now in this order.
    fn is_whole_after(&self, order: &[Field]) -> bool {
        let (_, recent) = self.last_run();
        let (mut window, mut present) = (self.window.clone(), self.present.clone());
        let puts = window.puts.iter().map(|put| put.at.max(put.noticed));
        let now = puts.chain(window.unobserved.map(|unobserved| unobserved.until)).max().unwrap_or_default();
        for (field, step) in order.iter().zip(1..) {
            if !recent.iter().any(|put| put.field == *field) {
                present.0.insert(*field, "\0put by the next tagging".to_owned());
            }
            let (at, text) =
                (now + SignedDuration::from_millis(step), present.0.get(field).cloned().unwrap_or_default());
            window.put(Put { field: *field, text, at, noticed: at });
        }
        Case { window: &window, present, ..self.clone() }.wholeness().is_some()
    }

    /// The order of the fields that were put, then the others.
    fn likely_order(&self) -> Vec<Field> {
        let mut order = vec![];
        for field in self.window.puts.iter().map(|put| put.field).chain(self.configured.iter().copied()) {
            if !order.contains(&field) {
                order.push(field);
            }
        }
        order
    }
}

impl NotWhole {
    /// The hold that follows from it, times in this zone.
    pub fn hold(&self, zone: &TimeZone) -> Hold {
        let tag_again = match self.remedy {
            Remedy::TagAgain => "Tag the group again".to_owned(),
            Remedy::TagAgainAfter(time) => format!("Tag the group again after {}", clock(time, zone)),
        };
        Hold::approve(
            format!("Not one whole tagging: {}", self.reason.sentence(zone)),
            format!("{tag_again}, or Approve if every value is right"),
        )
    }
}

impl Reason {
    fn sentence(&self, zone: &TimeZone) -> String {
        match self {
            Reason::Unobserved(None) => "the service did not see these values being put".to_owned(),
            Reason::Unobserved(Some(Unobserved { gap, until })) => {
                let event = match gap {
                    Gap::Started => "the service started",
                    Gap::Disconnected => "the connection to the IOC was restored",
                    Gap::MonitorsLost => "lost monitors were replaced",
                    Gap::Stalled => "the service resumed after a stall",
                    Gap::ClockStepped => "the clock of the IOC was set back",
                    Gap::TooManyPuts => "too many puts were seen",
                };
                format!("{event} at {}, and earlier puts may have been missed", clock(*until, zone))
            }
            Reason::Missing { since, put, missing } if put.len() <= missing.len() => {
                format!("the tagging of {} has put only {}", clock(*since, zone), list(put))
            }
            Reason::Missing { since, missing, .. } => {
                format!("the tagging of {} has not put {}", clock(*since, zone), list(missing))
            }
            Reason::Overlap { first, second } if first.field == second.field => format!(
                "the {} was put twice, as {} at {} and as {} at {}",
                first.field,
                quoted(&first.text),
                clock(first.at, zone),
                quoted(&second.text),
                clock(second.at, zone)
            ),
            Reason::Overlap { first, second } => format!(
                "the {} {} of {} and the {} {} of {} do not fit one tagging",
                first.field,
                quoted(&first.text),
                clock(first.at, zone),
                second.field,
                quoted(&second.text),
                clock(second.at, zone)
            ),
            Reason::UnknownOrder { since } => {
                format!("the fields were put in an unknown order at {}", clock(*since, zone))
            }
        }
    }
}

/// The time of day, to the second.
fn clock(time: Timestamp, zone: &TimeZone) -> String {
    time.to_zoned_datetime(zone.clone()).strftime("%H:%M:%S").to_string()
}

fn list(fields: &[Field]) -> String {
    fields.iter().map(|field| format!("the {field}")).collect::<Vec<_>>().join(", ")
}
