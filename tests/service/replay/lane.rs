//! One beamline of the replay: its PVs, its settings, its tools, and what its screen and its journal say.

use super::oracle::Oracle;
use super::tools::{Group, RUN_LIMIT, Random, RunEnd, TOOLS, ToolRun};
use crate::support::settings;
use beamshare::domain::Field;
use beamshare::domain::decision::{Reason, Wholeness, judge};
use beamshare::journal::Journal;
use beamshare::status::Record;
use channel_access::{Context, TextChannel};
use futures::future;
use globus_simulator::Simulator;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use uuid::Uuid;

/// For whatever is waited for. Machines that compile beside the replay stand still for a minute.
const LIMIT: Duration = Duration::from_secs(200);

/// How often the clean run may be repeated before it counts as missed for good.
const MOST_TAGGINGS: u32 = 4;

/// The message of all lanes: what it says of the group, on one line.
const MESSAGE: &str = "{{ pi_first_name }} {{ pi_last_name }} {{ pi_email }} {{ proposal_number }} \
                       {{ proposal_title }} {{ year_month }}\n{{ data_link }}\n";

pub struct Lane {
    pub number: usize,
    pub folder: PathBuf,
    pub oracle: Oracle,
    channels: Arc<BTreeMap<Field, TextChannel>>,
    status: TextChannel,
    message: TextChannel,
    journal: Journal,
    random: Random,
    /// How many of [`TOOLS`] are in use here
    tools: usize,
    groups: u64,
    last_group: Group,
}

/// What a scenario has come to.
pub struct Ended {
    /// Why the runs were held at last, or what the screen said
    pub outcome: String,
    /// Nothing happened for which nothing is promised
    pub is_promised: bool,
    /// Why the clean run was held, each time that it was
    pub clean_holds: Vec<String>,
}

pub fn pv(lane: usize, field: Field) -> String {
    format!("r{lane}:{}", field.key())
}

/// The collection of a lane.
pub fn collection(lane: usize) -> Uuid {
    Uuid::from_u128(0x1a_0000 + lane as u128)
}

fn write_settings(folder: &Path, lane: usize, globus: &Simulator, service: Uuid) {
    for directory in ["analysis", "globus"] {
        std::fs::create_dir_all(folder.join(directory)).unwrap();
    }
    settings::write_files(folder, MESSAGE);
    let pvs: String =
        TOOLS[0].iter().map(|field| format!("{} = \"{}\"\n", field.key(), pv(lane, *field))).collect();
    let rules = format!(
        "[[directories.on]]\nname = \"analysis\"\ntop = \"analysis\"\n\
         [rules]\nsettle = \"200ms\"\nrun_limit = \"{}s\"\n\
         new_groups_per_hour = 100000\nmessages_per_hour = 100000\n",
        RUN_LIMIT.as_secs()
    );
    let texts = [
        settings::base(&format!("r{lane}:Share:"), &pvs, "{{ year_month }}/{{ pi_last_name }}"),
        rules,
        settings::globus(globus, collection(lane), service, "top = \"/\"\npermissions = \"r\"\n"),
        settings::email("subject = \"Data of {{ year_month }}\"\n"),
        settings::JOURNAL.to_owned(),
    ];
    std::fs::write(folder.join("beamshare.toml"), texts.concat()).unwrap();
}

impl Lane {
    pub async fn new(
        number: usize,
        context: &Context,
        folder: PathBuf,
        globus: &Simulator,
        service: Uuid,
        seed: u64,
    ) -> Lane {
        write_settings(&folder, number, globus, service);
        let channel = |field: &Field| (*field, TextChannel::new(context, &pv(number, *field)).unwrap());
        let record =
            |record: Record| TextChannel::new(context, &format!("r{number}:Share:{record}")).unwrap();
        let mut random = Random::new(seed, number as u64 + 1);
        let last_group = Group::new(number as u64 * 100_000, &mut random);
        Lane {
            number,
            oracle: Oracle::new(collection(number)),
            channels: Arc::new(TOOLS[0].iter().map(channel).collect()),
            status: record(Record::Status),
            message: record(Record::StatusMsg),
            journal: Journal::open(&folder.join("journal.sqlite")).await.unwrap(),
            random,
            tools: 1 + number % 2,
            groups: 0,
            last_group,
            folder,
        }
    }

    /// The tools' orders are learnt from clean runs.
    pub async fn teach(&mut self) {
        for tool in 0..self.tools {
            self.rest().await;
            self.clean_run(tool).await;
        }
    }

    fn new_group(&mut self) -> Group {
        self.groups += 1;
        Group::new(self.number as u64 * 100_000 + self.groups, &mut self.random)
    }

    /// One to three tagging runs at once. `has_ioc` says when the IOC runs for the rest of the scenario.
    /// Returns whether nothing happened for which nothing is promised.
    pub async fn runs(&mut self, mut has_ioc: watch::Receiver<bool>) -> bool {
        let count = 1 + self.random.below(3);
        let (mut runs, mut in_known_order) = (vec![], true);
        for number in 0..count {
            if number == 0 || self.random.percent(75) {
                let before = self.last_group.clone();
                self.last_group = self.new_group();
                self.last_group.resemble(&before, &mut self.random);
            }
            let tool = self.random.below(self.tools as u64) as usize;
            let run = ToolRun::random(self.last_group.clone(), tool, &mut self.random);
            in_known_order &= count == 1 || run.is_in_known_order(self.tools);
            let begins = self.random.millis(400);
            let put = run.put(self.channels.clone(), self.oracle.completed.clone());
            runs.push(tokio::spawn(async move {
                tokio::time::sleep(begins).await;
                put.await
            }));
        }
        let ends = future::join_all(runs).await;
        has_ioc.wait_for(|has_ioc| *has_ioc).await.unwrap();
        in_known_order && ends.into_iter().all(|end| end.unwrap() != RunEnd::Late)
    }

    /// Waits until the service has seen nothing being put for the run limit, and says what it has come to.
    pub async fn outcome(&mut self) -> String {
        self.rest().await;
        let is_final = |status: &str| !["Settling", "Running"].contains(&status);
        let status = self.wait(&self.status, "no final state", is_final).await;
        if status != "Approval" {
            return status;
        }
        let state = self.journal.decision_state().await.unwrap();
        let watched = state.watched.clone().unwrap_or_default();
        hold(&judge(&watched, &state, RUN_LIMIT)).to_owned()
    }

    /// After a rest, a tool tags a group whole. It must be delivered. Returns why it was held before that.
    pub async fn clean_run(&mut self, tool: usize) -> Vec<String> {
        let group = self.new_group();
        let email = group.get(Field::PiEmail).to_owned();
        let mut holds = vec![];
        for _ in 0..MOST_TAGGINGS {
            let run = ToolRun::clean(group.clone(), tool);
            if run.put(self.channels.clone(), self.oracle.completed.clone()).await == RunEnd::Complete {
                let is_delivered = |text: &str| text.contains(&email) && text.contains("is there");
                let is_noticed = |text: &str| {
                    is_delivered(text) || (text.contains(&email) && text.contains("whole tagging"))
                };
                if is_delivered(&self.wait(&self.message, "a clean run is not noticed", is_noticed).await) {
                    let is_done = |status: &str| status == "Done";
                    self.wait(&self.status, "a clean run is not delivered", is_done).await;
                    return holds;
                }
                let state = self.journal.decision_state().await.unwrap();
                let watched = state.watched.clone().unwrap_or_default();
                holds.push(hold(&judge(&watched, &state, RUN_LIMIT)).to_owned());
            }
            self.rest().await;
        }
        panic!("lane {}: {email} is held after {MOST_TAGGINGS} taggings: {holds:?}", self.number);
    }

    /// Any of the lane's tools.
    pub fn any_tool(&mut self) -> usize {
        self.random.below(self.tools as u64) as usize
    }

    /// Waits until the journal has what the PVs say now, and that nothing was put for the run limit.
    async fn rest(&self) {
        let limit = Instant::now() + LIMIT;
        while !self.is_at_rest().await {
            assert!(Instant::now() < limit, "lane {}: no rest\n{}", self.number, self.said().await);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn is_at_rest(&self) -> bool {
        let Some(watched) = self.journal.decision_state().await.unwrap().watched else { return false };
        let gets =
            self.channels.iter().map(|(field, channel)| async { (*field, channel.get(RUN_LIMIT).await) });
        let fresh = future::join_all(gets).await;
        watched.window.rested
            && fresh.into_iter().all(|(field, text)| {
                let Ok(text) = text else { return false };
                let time = text.timestamp.and_then(|time| Timestamp::try_from(time).ok());
                watched
                    .readings
                    .0
                    .get(&field)
                    .is_some_and(|known| known.text == text.text && known.time == time)
            })
    }

    async fn wait(&self, channel: &TextChannel, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let limit = Instant::now() + LIMIT;
        loop {
            if let Ok(text) = channel.get(RUN_LIMIT).await
                && wanted(&text.text)
            {
                return text.text;
            }
            assert!(Instant::now() < limit, "lane {}: {what}\n{}", self.number, self.said().await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn said(&self) -> String {
        let get = async |channel: &TextChannel| {
            channel.get(RUN_LIMIT).await.map_or_else(|error| error.to_string(), |text| text.text)
        };
        format!("{}: {}", get(&self.status).await, get(&self.message).await)
    }

    /// What the program has done for this lane that no run has asked for, if that was not known yet.
    pub async fn new_faults(&mut self, globus: &Simulator) -> Vec<String> {
        let experiments = self.journal.experiments().await.unwrap();
        self.oracle.new_faults(&self.folder, globus, &experiments)
    }

    /// Waits until everybody who was accepted has one message for each experiment, and access.
    pub async fn assert_all_delivered(&self, globus: &Simulator) -> usize {
        let experiments = self.journal.experiments().await.unwrap();
        let limit = Instant::now() + LIMIT;
        loop {
            let missing = self.oracle.undelivered(&self.folder, globus, &experiments);
            if missing.is_empty() {
                return experiments.len();
            }
            assert!(Instant::now() < limit, "lane {}: {missing:?}", self.number);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Why a set is held that has this wholeness.
fn hold(wholeness: &Wholeness) -> &'static str {
    match wholeness {
        Wholeness::Whole { .. } => "Whole, held for its directory or its PI",
        Wholeness::NotWhole(not_whole) => match not_whole.reason {
            Reason::Unobserved(_) => UNOBSERVED,
            Reason::Missing { .. } => "Missing",
            Reason::Overlap { .. } => "Overlap",
            Reason::UnknownOrder { .. } => "UnknownOrder",
        },
    }
}

/// The service may have missed puts, and knows it.
pub const UNOBSERVED: &str = "Unobserved";
