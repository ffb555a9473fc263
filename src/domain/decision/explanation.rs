//! All ways to assign the puts of a window to runs.
//!
//! A state is the runs that may still continue, after some of the puts. Each put moves every state to one
//! state for each run that may have put it. What a run has put matters only in so far as it is the present
//! text, and complete runs matter only by the fields that they vouch for, so most states are equal and are
//! merged. If there are still too many, the answer is that nothing is certain.

use super::order::Order;
use super::put::{Put, Window, positive};
use crate::domain::{Field, UserInfo};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Beyond this many states the search ends without a result. Runs of ten fields that overlap need some
/// dozens.
const MAX_STATES: usize = 2_000;

/// How many runs are taken to be under way where nobody has observed.
const MAX_UNSEEN_RUNS: u8 = 2;

/// What the explanations of a window have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Explained {
    /// All of them contain a complete run whose values are the present ones; these fields belong to it in all
    /// of them
    Whole(BTreeSet<Field>),
    /// Some do and some do not, or there are too many to tell
    Ambiguous,
    /// None does
    Partial,
    /// No explanation exists: this put (an index) fits into no run
    Unexplained(usize),
}

/// A run that may continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Open {
    /// Index of its order
    order: usize,
    /// How many fields it has put, unseen ones included
    done: usize,
    /// All of its values are the present ones, and its beginning was seen
    present: bool,
    /// Index of its last put
    last: usize,
}

/// One explanation so far, without the times of its last puts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    /// Order, fields done and whether all values are the present ones, sorted
    open: Vec<(usize, usize, bool)>,
    /// Fields of a complete run whose values are the present ones, as bits
    vouched: u16,
    /// Runs whose beginning was not seen
    unseen: u8,
}

type States = BTreeMap<State, Vec<usize>>;

/// Explains the puts of `window` by `orders`; `present` are the texts of the PVs now.
pub(super) fn explain(
    window: &Window,
    orders: &[&Order],
    present: &UserInfo,
    run_limit: Duration,
) -> Explained {
    let search = Search { puts: &window.puts, orders, present, run_limit };
    let empty = State { open: vec![], vouched: 0, unseen: 0 };
    let mut states: States = [(empty, vec![])].into();
    for (index, put) in window.puts.iter().enumerate() {
        let unseen_possible = window.unobserved.is_some_and(|unobserved| {
            positive(put.noticed.min(put.at).duration_since(unobserved.until)) < run_limit
        });
        let mut next = States::new();
        for (state, last) in &states {
            search.advance(state, last, index, unseen_possible, &mut next);
        }
        if next.is_empty() {
            return Explained::Unexplained(index);
        }
        if next.len() > MAX_STATES {
            return Explained::Ambiguous;
        }
        states = next;
    }
    if states.keys().all(|state| state.vouched == 0) {
        return Explained::Partial;
    }
    // A state without a vouching run leaves no common field.
    let common = states.keys().fold(u16::MAX, |common, state| common & state.vouched);
    let fields: BTreeSet<Field> = orders
        .iter()
        .flat_map(|order| &order.puts)
        .copied()
        .filter(|field| common & bit(*field) != 0)
        .collect();
    if fields.is_empty() { Explained::Ambiguous } else { Explained::Whole(fields) }
}

struct Search<'a> {
    puts: &'a [Put],
    orders: &'a [&'a Order],
    present: &'a UserInfo,
    run_limit: Duration,
}

impl Search<'_> {
    /// Adds to `next` every state that the put of this index can lead to.
    fn advance(&self, state: &State, last: &[usize], index: usize, unseen_possible: bool, next: &mut States) {
        let put = &self.puts[index];
        let is_present = self.present.0.get(&put.field) == Some(&put.text);
        let open: Vec<Open> =
            state.open.iter().zip(last).map(Open::new).filter(|run| self.is_alive(run, put)).collect();
        for (number, run) in open.iter().enumerate() {
            let is_next = self.orders[run.order].puts.get(run.done) == Some(&put.field);
            let is_repeated = number > 0 && open[number - 1].is_like(run);
            if is_next && !is_repeated {
                let mut rest = open.clone();
                rest.remove(number);
                let run =
                    Open { done: run.done + 1, present: run.present && is_present, last: index, ..*run };
                self.add(state, rest, run, next);
            }
        }
        for (order, its) in self.orders.iter().enumerate() {
            let Some(place) = its.puts.iter().position(|field| *field == put.field) else { continue };
            if place == 0 {
                self.add(
                    state,
                    open.clone(),
                    Open { order, done: 1, present: is_present, last: index },
                    next,
                );
            } else if unseen_possible && state.unseen < MAX_UNSEEN_RUNS {
                let state = State { unseen: state.unseen + 1, ..state.clone() };
                self.add(
                    &state,
                    open.clone(),
                    Open { order, done: place + 1, present: false, last: index },
                    next,
                );
            }
        }
    }

    /// A run that has paused for the limit puts no more.
    fn is_alive(&self, run: &Open, put: &Put) -> bool {
        put.pause_since(&self.puts[run.last]) < self.run_limit
    }

    fn add(&self, state: &State, mut open: Vec<Open>, run: Open, next: &mut States) {
        let mut vouched = state.vouched;
        let order = self.orders[run.order];
        if run.done < order.puts.len() {
            open.push(run);
            open.sort();
        } else if run.present {
            // Not the fields of several runs together: values that belong together were put by one run.
            let fields = order.puts.iter().fold(0_u16, |fields, field| fields | bit(*field));
            if fields.count_ones() > vouched.count_ones() {
                vouched = fields;
            }
        }
        let last: Vec<usize> = open.iter().map(|run| run.last).collect();
        let open = open.iter().map(|run| (run.order, run.done, run.present)).collect();
        let state = State { open, vouched, unseen: state.unseen };
        match next.get_mut(&state) {
            // The later one may continue for longer: more explanations, never fewer.
            Some(merged) => {
                merged.iter_mut().zip(last).for_each(|(merged, last)| *merged = (*merged).max(last))
            }
            None => drop(next.insert(state, last)),
        }
    }
}

impl Open {
    fn new(((order, done, present), last): (&(usize, usize, bool), &usize)) -> Open {
        Open { order: *order, done: *done, present: *present, last: *last }
    }

    /// Whether both may continue in the same way; the later one of such runs may do so for longer.
    fn is_like(&self, other: &Open) -> bool {
        (self.order, self.done, self.present) == (other.order, other.done, other.present)
    }
}

fn bit(field: Field) -> u16 {
    1 << (field as u16)
}
