use crate::domain::Field;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How many orders are remembered; the one that was used longest ago is dropped first.
const MAX_ORDERS: usize = 6;

/// The order in which a tool puts its fields, each once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The fields in the order of the puts
    pub puts: Vec<Field>,
    /// Configured fields that the tool never puts. Their values are of some other time, so they are treated
    /// as not set
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub leaves_out: BTreeSet<Field>,
}

impl Order {
    /// An order of all of `configured`, or of some of them; `None` if a field is put twice or is not
    /// configured.
    pub fn new(puts: Vec<Field>, configured: &BTreeSet<Field>) -> Option<Order> {
        let fields: BTreeSet<Field> = puts.iter().copied().collect();
        (fields.len() == puts.len() && fields.is_subset(configured))
            .then(|| Order { puts, leaves_out: configured - &fields })
    }

    fn is_of(&self, configured: &BTreeSet<Field>) -> bool {
        let fields: BTreeSet<Field> = self.puts.iter().copied().collect();
        &fields | &self.leaves_out == *configured
    }

    fn begins_with(&self, other: &Order) -> bool {
        self.puts.len() > other.puts.len() && self.puts.starts_with(&other.puts)
    }
}

/// The orders of a beamline's tools, learnt from their runs.
///
/// The first order is learnt from the first whole run. Another one is known once it was seen twice: two tools
/// that die can put each field once in what looks like an order of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Orders {
    /// Known, the one used last first
    known: Vec<Order>,
    /// Seen in one window, which began at this time
    candidates: Vec<(Order, Timestamp)>,
}

impl Orders {
    /// Orders that are known beforehand.
    pub fn of(known: Vec<Order>) -> Orders {
        Orders { known, candidates: vec![] }
    }

    /// The known orders of exactly these configured fields.
    pub fn known(&self, configured: &BTreeSet<Field>) -> Vec<&Order> {
        self.known.iter().filter(|order| order.is_of(configured)).collect()
    }

    /// Whether the order was seen in an earlier window than the one that began at `seen`.
    pub(super) fn was_seen_before(&self, order: &Order, seen: Timestamp) -> bool {
        self.candidates.iter().any(|(candidate, earlier)| candidate == order && *earlier < seen)
    }

    /// Remembers the order of a whole run.
    pub fn learn(&mut self, order: Order) {
        self.candidates.retain(|(candidate, _)| *candidate != order);
        // What looked like an order of its own was the beginning of this one.
        self.known.retain(|other| *other != order && !order.begins_with(other));
        self.known.insert(0, order);
        self.known.truncate(MAX_ORDERS);
    }

    /// Remembers an order that was seen in the window that began at `seen`, e.g. of a run that leaves out
    /// fields and that an operator has approved. Seen in two windows, it is known. The beginning of a known
    /// order is never learnt: a tool that died there would pass.
    pub fn propose(&mut self, order: Order, seen: Timestamp) {
        if self.known.iter().any(|known| *known == order || known.begins_with(&order)) {
            return;
        }
        if self.was_seen_before(&order, seen) {
            self.learn(order);
        } else if !self.candidates.iter().any(|(candidate, _)| *candidate == order) {
            self.candidates.insert(0, (order, seen));
            self.candidates.truncate(MAX_ORDERS);
        }
    }
}
