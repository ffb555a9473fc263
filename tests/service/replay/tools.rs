//! Tagging tools that do what tools at beamlines do: overlap, pause, die, and put in other orders.

pub use crate::support::random::Random;
use beamshare::domain::Field;
use channel_access::TextChannel;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// `[rules] run_limit` of the replay.
pub const RUN_LIMIT: Duration = Duration::from_secs(2);

/// The order of each tool.
pub const TOOLS: [[Field; 6]; 2] = [
    [
        Field::PiFirstName,
        Field::PiLastName,
        Field::PiEmail,
        Field::ProposalNumber,
        Field::ProposalTitle,
        Field::YearMonth,
    ],
    [
        Field::PiEmail,
        Field::PiFirstName,
        Field::PiLastName,
        Field::YearMonth,
        Field::ProposalTitle,
        Field::ProposalNumber,
    ],
];

/// What one tagging puts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group(pub BTreeMap<Field, String>);

impl Group {
    /// A group with a name, an address and a proposal of its own; first name, title and month are those of
    /// many.
    pub fn new(number: u64, random: &mut Random) -> Group {
        let name: String =
            (0..5).map(|place| char::from(b'a' + (number / 26_u64.pow(place) % 26) as u8)).collect();
        Group(
            [
                (Field::PiFirstName, ["Ana", "Bo", "Na"][random.below(3) as usize].to_owned()),
                (Field::PiLastName, format!("L{name}")),
                (Field::PiEmail, format!("pi{number}@example.org")),
                (Field::ProposalNumber, format!("7{number}")),
                (Field::ProposalTitle, ["Foam", "Wood", "Bone"][random.below(3) as usize].to_owned()),
                (Field::YearMonth, format!("2026-0{}", 3 + random.below(2))),
            ]
            .into(),
        )
    }

    /// Takes some values of another group: its directory, its address, its proposal.
    pub fn resemble(&mut self, other: &Group, random: &mut Random) {
        for fields in
            [&[Field::PiLastName, Field::YearMonth][..], &[Field::PiEmail], &[Field::ProposalNumber]]
        {
            if random.percent(20) {
                self.0.extend(fields.iter().map(|field| (*field, other.get(*field).to_owned())));
            }
        }
    }

    pub fn get(&self, field: Field) -> &str {
        &self.0[&field]
    }
}

/// A run of a tool.
pub struct ToolRun {
    pub group: Group,
    pub order: Vec<Field>,
    /// Before each put, at most; in milliseconds
    pause: u64,
    random: Random,
}

/// What has become of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// All that it had to put was put
    Complete,
    /// It died
    Dead,
    /// A put came later than the assumption allows, for which nothing is promised
    Late,
}

impl ToolRun {
    /// As a tool tags when nothing goes wrong.
    pub fn clean(group: Group, tool: usize) -> ToolRun {
        ToolRun { group, order: TOOLS[tool].to_vec(), pause: 0, random: Random::new(1, 0) }
    }

    /// Perhaps slow, perhaps in another order, perhaps dead after some puts.
    pub fn random(group: Group, tool: usize, random: &mut Random) -> ToolRun {
        let mut order = TOOLS[tool].to_vec();
        if random.percent(10) {
            random.shuffle(&mut order);
        }
        if random.percent(50) {
            order.truncate(1 + random.below(5) as usize);
        }
        let pause = if random.percent(15) { 900 } else { 80 };
        ToolRun { group, order, pause, random: Random::new(random.below(u64::MAX), 0) }
    }

    /// Whether it is the run of a tool, or the beginning of one.
    pub fn is_in_known_order(&self, tools: usize) -> bool {
        TOOLS[..tools].iter().any(|order| order.starts_with(&self.order))
    }

    /// Puts. `completed` gets the group when the last of its fields is put. A tool that can't put in time
    /// dies, as one does that lost its connection.
    pub async fn put(
        mut self,
        channels: Arc<BTreeMap<Field, TextChannel>>,
        completed: Arc<Mutex<Vec<Group>>>,
    ) -> RunEnd {
        let mut last = Instant::now();
        for number in 0..self.order.len() {
            if self.pause > 0 {
                tokio::time::sleep(self.random.millis(self.pause)).await;
            }
            if number > 0 && last.elapsed() > RUN_LIMIT / 2 {
                return RunEnd::Dead;
            }
            if number + 1 == TOOLS[0].len() {
                completed.lock().unwrap().push(self.group.clone());
            }
            let (began, field) = (Instant::now(), self.order[number]);
            let put = channels[&field].put(self.group.get(field), RUN_LIMIT / 4).await;
            if number > 0 && last.elapsed() > RUN_LIMIT {
                return RunEnd::Late;
            }
            if put.is_err() {
                return RunEnd::Dead;
            }
            last = began;
        }
        RunEnd::Complete
    }
}
