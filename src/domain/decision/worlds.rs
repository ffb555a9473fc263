//! Exhaustive search of small worlds: two and three tagging runs in all interleavings, each dead after any
//! put, with rests, restarts of the service, boots of the IOC and puts that post no monitor. Whatever the
//! schedule is, a set that is judged whole must be one group's.

use super::*;
use crate::domain::{Field, Reading};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const RUN_LIMIT: Duration = Duration::from_secs(60);

/// The tool's order.
const ORDER: [Field; 5] =
    [Field::PiLastName, Field::PiEmail, Field::ProposalNumber, Field::ProposalTitle, Field::YearMonth];

/// The values of one group, a letter for each field.
type Group = &'static str;

/// A tagging tool at work.
#[derive(Clone, Copy)]
struct Run {
    group: Group,
    /// Fields in the order of its puts
    order: &'static [usize],
}

/// What may happen between two puts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// The next put of a run
    Put(usize),
    /// A pause of `run_limit`: no run that has begun continues
    Rest,
    /// The service is killed. What follows is not seen until it starts again
    Kill,
    Start,
    /// The IOC is killed and comes back with all its values, or with those of the group before
    Boot {
        restored: bool,
    },
}

/// A beamline's PVs and the part of the service that decides.
#[derive(Clone)]
struct World {
    now: Timestamp,
    texts: BTreeMap<Field, String>,
    /// What the service knows; what the journal holds while it is down
    watched: Watched,
    state: DecisionState,
    /// Puts since the service went down
    missed: bool,
    down: bool,
    /// The records post no monitor for an unchanged value
    compares: bool,
    /// A fresh get sees the last of such puts
    gets: bool,
    unseen: BTreeMap<Field, Timestamp>,
    /// How many puts each run has made, and whether it may continue
    done: Vec<(usize, bool)>,
    history: Vec<Event>,
}

#[derive(Default, Debug)]
struct Count {
    worlds: u64,
    whole: u64,
    held: u64,
    wrong: u64,
    missed: u64,
    advice: u64,
    bad_advice: u64,
}

struct Search {
    fields: &'static [Field],
    before: Group,
    runs: Vec<Run>,
    /// How many of [`Event::Kill`] and [`Event::Boot`], and of [`Event::Rest`], one world may have
    disturbances: usize,
    rests: usize,
    longest: usize,
    compares: bool,
    gets: bool,
    count: Count,
    examples: Vec<String>,
}

impl World {
    fn new(fields: &[Field], before: Group, orders: Orders, runs: usize) -> World {
        let texts: BTreeMap<Field, String> =
            fields.iter().copied().zip(before.chars().map(String::from)).collect();
        let mut world = World {
            now: Timestamp::UNIX_EPOCH,
            texts: texts.clone(),
            watched: Watched { window: Window::at_rest(), ..Watched::default() },
            state: DecisionState { orders, whole: Some(UserInfo(texts)), ..DecisionState::default() },
            missed: false,
            down: false,
            compares: false,
            gets: false,
            unseen: BTreeMap::new(),
            done: vec![(0, true); runs],
            history: vec![],
        };
        world.read();
        world
    }

    fn pass(&mut self, time: Duration) {
        self.now += SignedDuration::try_from(time).unwrap();
    }

    /// The texts that a get reads now, and the puts that only a get sees.
    fn read(&mut self) {
        for (field, at) in std::mem::take(&mut self.unseen) {
            if self.gets {
                self.watched.window.put(Put {
                    field,
                    text: self.texts[&field].clone(),
                    at,
                    noticed: self.now,
                });
            }
        }
        let reading =
            |text: &String| Reading { text: text.clone(), time: None, invalid: false, possibly_cut: false };
        self.watched.readings =
            Readings(self.texts.iter().map(|(field, text)| (*field, reading(text))).collect());
    }

    fn put(&mut self, field: Field, text: &str) {
        self.pass(Duration::from_millis(100));
        let unchanged = self.texts.insert(field, text.to_owned()).is_some_and(|before| before == text);
        if self.down {
            self.missed = true;
        } else if self.compares && unchanged {
            self.unseen.insert(field, self.now);
        } else {
            self.unseen.remove(&field);
            self.watched.window.put(Put { field, text: text.to_owned(), at: self.now, noticed: self.now });
        }
    }

    /// What the service decides, and what it learns by that.
    fn judge(&mut self) -> Wholeness {
        self.read();
        let wholeness = judge(&self.watched, &self.state, RUN_LIMIT);
        self.state.conclude(&self.watched, wholeness.clone());
        wholeness
    }

    fn apply(&mut self, event: Event, search: &Search) {
        self.history.push(event);
        match event {
            Event::Put(number) => {
                let run = search.runs[number];
                let place = run.order[self.done[number].0];
                self.done[number].0 += 1;
                self.put(search.fields[place], &run.group[place..=place]);
            }
            Event::Rest => {
                self.pass(RUN_LIMIT);
                if !self.down {
                    self.read();
                    self.watched.window.rested = true;
                }
                for (done, may_continue) in &mut self.done {
                    *may_continue &= *done == 0;
                }
            }
            Event::Kill => {
                self.read();
                self.down = true;
                self.missed = false;
            }
            Event::Start => {
                self.down = false;
                self.watched.window = if self.missed {
                    Window::unobserved(Gap::Started, self.now)
                } else {
                    std::mem::take(&mut self.watched.window).continue_at(self.now)
                };
            }
            Event::Boot { restored } => {
                if !restored {
                    let before = search.fields.iter().copied().zip(search.before.chars().map(String::from));
                    self.texts = before.collect();
                }
                self.unseen.clear();
                self.missed = true;
                self.watched.window = Window::unobserved(Gap::Disconnected, self.now);
            }
        }
    }
}

impl Search {
    fn new(runs: Vec<Run>, fields: &'static [Field], before: Group) -> Search {
        let (count, longest) = (Count::default(), usize::MAX);
        let (compares, gets) = (false, false);
        Search {
            fields,
            before,
            runs,
            disturbances: 0,
            rests: 0,
            longest,
            compares,
            gets,
            count,
            examples: vec![],
        }
    }

    fn groups(&self) -> impl Iterator<Item = Group> {
        std::iter::once(self.before).chain(self.runs.iter().map(|run| run.group))
    }

    /// All worlds that begin with this one.
    fn explore(&mut self, world: &World) {
        let made = |event: fn(&Event) -> bool| world.history.iter().filter(|its| event(its)).count();
        let mut events = vec![];
        let puts = made(|event| matches!(event, Event::Put(_)));
        if puts < self.longest {
            for (number, run) in self.runs.iter().enumerate() {
                let (done, may_continue) = world.done[number];
                if may_continue && done < run.order.len() {
                    events.push(Event::Put(number));
                }
            }
        }
        if puts > 0
            && world.history.last() != Some(&Event::Rest)
            && made(|event| *event == Event::Rest) < self.rests
        {
            events.push(Event::Rest);
        }
        if world.down {
            events.push(Event::Start);
        } else if made(|event| matches!(event, Event::Kill | Event::Boot { .. })) < self.disturbances {
            events.push(Event::Kill);
        }
        if made(|event| matches!(event, Event::Kill | Event::Boot { .. })) < self.disturbances {
            events.extend([true, false].map(|restored| Event::Boot { restored }));
        }
        for event in events {
            let mut next = world.clone();
            next.apply(event, self);
            if self.compares {
                // The next put may come before a get does.
                self.explore(&next);
            }
            if !next.down {
                self.check(&mut next);
            }
            self.explore(&next);
        }
    }

    fn check(&mut self, world: &mut World) {
        self.count.worlds += 1;
        let verdict = world.judge();
        match verdict {
            Wholeness::Whole { fields, .. } => {
                self.count.whole += 1;
                let is_of = |group: Group| {
                    let values = self.fields.iter().zip(group.chars().map(String::from));
                    values
                        .into_iter()
                        .all(|(field, text)| !fields.contains(field) || world.texts[field] == text)
                };
                if !self.groups().any(is_of) {
                    self.count.wrong += 1;
                    self.example("wrong", world);
                }
            }
            Wholeness::NotWhole(not_whole) => {
                self.count.held += 1;
                if self.must_be_whole(world) {
                    self.count.missed += 1;
                    self.example("a whole run is held", world);
                }
                self.follow(&not_whole, world);
            }
        }
    }

    /// Whether a whole run has just ended that nobody may hold: after a rest, after whole runs, or after a
    /// dead run of the same group, which is tagged again.
    fn must_be_whole(&self, world: &World) -> bool {
        let since_rest = world.history.rsplit(|event| *event == Event::Rest).next().unwrap_or_default();
        let mut puts: Vec<usize> = vec![];
        for event in since_rest {
            let Event::Put(run) = event else { return false };
            puts.push(*run);
        }
        let runs: Vec<&[usize]> = puts.chunk_by(|one, other| one == other).collect();
        let Some((last, earlier)) = runs.split_last() else { return false };
        let whole = |run: &&[usize]| run.len() == self.runs[run[0]].order.len();
        let again = |run: &&[usize]| {
            let (run, last) = (self.runs[run[0]], self.runs[last[0]]);
            run.group == last.group && run.order == last.order
        };
        whole(last) && earlier.iter().all(|run| whole(run) || again(run))
    }

    /// Does what the screen advises: the group that was put last is tagged again.
    fn follow(&mut self, not_whole: &NotWhole, world: &World) {
        let mut world = world.clone();
        let Some(Event::Put(last)) = world.history.iter().rfind(|event| matches!(event, Event::Put(_)))
        else {
            return;
        };
        let run = self.runs[*last];
        self.count.advice += 1;
        if let Remedy::TagAgainAfter(time) = not_whole.remedy {
            world.now = time;
            world.watched.window.rested = true;
        }
        for place in run.order {
            world.put(self.fields[*place], &run.group[*place..=*place]);
        }
        match world.judge() {
            Wholeness::Whole { fields, .. } if fields.len() == self.fields.len() => {}
            _ => {
                self.count.bad_advice += 1;
                self.example(&format!("{:?} does not help", not_whole.remedy), &world);
            }
        }
    }

    fn example(&mut self, what: &str, world: &World) {
        if self.examples.len() < 5 {
            let groups: Vec<Group> = self.groups().collect();
            self.examples.push(format!(
                "{what}: groups {groups:?}, {:?}, reads {:?}",
                world.history,
                world.texts.values()
            ));
        }
    }

    /// Explores all worlds. None may be wrong, no clean run held, and what the screen advises must help.
    fn run(self, orders: &Orders) {
        let (count, examples) = self.result(orders);
        let faults = (count.wrong, count.missed, count.bad_advice);
        assert_eq!(faults, (0, 0, 0), "{count:?}\n{}", examples.join("\n"));
    }

    fn result(mut self, orders: &Orders) -> (Count, Vec<String>) {
        let world = World::new(self.fields, self.before, orders.clone(), self.runs.len());
        self.explore(&World { compares: self.compares, gets: self.gets, ..world });
        println!("{:?}", self.count);
        (self.count, self.examples)
    }
}

const FIRST: &[usize] = &[0, 1, 2, 3, 4];

fn known(orders: &[&[usize]]) -> Orders {
    let all = BTreeSet::from(ORDER);
    let order =
        |order: &&[usize]| Order::new(order.iter().map(|place| ORDER[*place]).collect(), &all).unwrap();
    Orders::of(orders.iter().map(order).collect())
}

/// Values of two groups after `aaaam`: all different, or equal to those before or to each other's in some
/// fields.
const PAIRS: [(Group, Group); 7] = [
    ("bbbbm", "bbbbm"),
    ("bbbbm", "ccccm"),
    ("abbbm", "ccccm"),
    ("bbbbm", "bcccm"),
    ("bbbbn", "cbccm"),
    ("abbbm", "acccm"),
    ("bbabm", "ccacm"),
];

/// Set by `make worlds`: explores all of them instead of those that fit into an ordinary test run.
const LARGE: Option<&str> = option_env!("BEAMSHARE_WORLDS");

/// These of the pairs, or all of them.
fn pairs(some: &[usize]) -> Vec<(Group, Group)> {
    let all = 0..PAIRS.len();
    all.filter(|number| LARGE.is_some() || some.contains(number)).map(|number| PAIRS[number]).collect()
}

#[test]
fn two_runs() {
    for (b, c) in PAIRS {
        for orders in [known(&[FIRST]), Orders::default()] {
            let runs = [b, c].map(|group| Run { group, order: FIRST });
            let search = Search { rests: 2, ..Search::new(runs.to_vec(), &ORDER, "aaaam") };
            search.run(&orders);
        }
    }
}

#[test]
fn two_tools() {
    const SECOND: &[usize] = &[2, 0, 1, 4, 3];
    for (b, c) in PAIRS {
        let runs = vec![Run { group: b, order: FIRST }, Run { group: c, order: SECOND }];
        let search = Search { rests: 2, ..Search::new(runs, &ORDER, "aaaam") };
        search.run(&known(&[FIRST, SECOND]));
    }
}

/// Where one tool begins with the field with which the other one ends, the last put of a whole run may also
/// be the first one of another run. That is always held, and never wrong.
#[test]
fn two_tools_that_no_sequence_of_puts_can_tell_apart() {
    const REVERSED: &[usize] = &[4, 3, 2, 1, 0];
    for (b, c) in PAIRS {
        let runs = vec![Run { group: b, order: FIRST }, Run { group: c, order: REVERSED }];
        let search = Search { rests: 1, ..Search::new(runs, &ORDER, "aaaam") };
        let (count, examples) = search.result(&known(&[FIRST, REVERSED]));
        assert_eq!(count.wrong, 0, "{count:?}\n{}", examples.join("\n"));
    }
}

#[test]
fn restarts_and_boots() {
    for (b, c) in pairs(&[2, 3]) {
        let runs = [b, c].map(|group| Run { group, order: FIRST });
        let search = Search {
            disturbances: 1,
            longest: if LARGE.is_some() { 10 } else { 8 },
            ..Search::new(runs.to_vec(), &ORDER, "aaaam")
        };
        search.run(&known(&[FIRST]));
    }
}

#[test]
fn three_runs() {
    for (b, c, d) in [("bbbbm", "ccccm", "ddddm"), ("abbbm", "ccbcm", "bcccn"), ("bbbbm", "bbbbm", "ccccm")] {
        for orders in [known(&[FIRST]), Orders::default()] {
            let runs = [b, c, d].map(|group| Run { group, order: FIRST });
            let search = Search {
                longest: if LARGE.is_some() { 11 } else { 8 },
                ..Search::new(runs.to_vec(), &ORDER, "aaaam")
            };
            search.run(&orders);
        }
    }
}

/// Records that post no monitor for an unchanged value, and gets in some of the pauses: a put that another
/// one to the same PV hides before the next get can't be seen. Few worlds are wrong by that; MPST "Always"
/// ends it.
#[test]
fn records_that_compare() {
    let runs = ["abbbn", "ccccn"].map(|group| Run { group, order: FIRST });
    let search =
        |gets| Search { compares: true, gets, longest: 7, ..Search::new(runs.to_vec(), &ORDER, "aaaam") };
    let [(without, _), (with, _)] = [false, true].map(|gets| search(gets).result(&known(&[FIRST])));
    assert!(
        with.wrong > 0 && with.wrong < without.wrong && with.wrong * 500 < with.worlds,
        "{without:?} {with:?}"
    );
}
