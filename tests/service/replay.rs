//! Random schedules of tagging runs on the C IOC: overlaps, slow and dead tools, other orders, kills of the
//! part of the service that decides, and kills of the IOC with and without restored records. The oracle knows
//! which values each run put, so it is right whatever the schedule is.
//!
//! Many lanes, each with PVs, a journal and a decider of its own, run side by side. `make replay
//! SCENARIOS=1000` runs more of them; REPLAY_SEED repeats a run as far as the operating system's scheduling
//! allows.

use crate::site::LIMIT;
use beamshare::config::Rules;
use beamshare::domain::decision::{self, Reason, Watched, Wholeness};
use beamshare::domain::{Field, UserInfo};
use beamshare::journal::Journal;
use beamshare::user_info::{Observation, Verdict, Watcher, judge, put_by_the_run};
use channel_access::{Context, TextChannel};
use jiff::tz::TimeZone;
use soft_ioc::{CaTest, Ioc};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

const LANES: usize = 16;
const SETTLE: Duration = Duration::from_millis(200);
const RUN_LIMIT: Duration = Duration::from_secs(2);

/// The tool's order.
const ORDER: [Field; 6] = [
    Field::PiFirstName,
    Field::PiLastName,
    Field::PiEmail,
    Field::ProposalNumber,
    Field::ProposalTitle,
    Field::YearMonth,
];

/// Numbers from a seed (xorshift).
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn new(seed: u64, stream: u64) -> Random {
        let mut random = Random((seed ^ stream.wrapping_mul(0x9E37_79B9_7F4A_7C15)) | 1);
        for _ in 0..8 {
            random.below(2);
        }
        random
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn millis(&mut self, limit: u64) -> Duration {
        Duration::from_millis(self.below(limit))
    }
}

type Group = BTreeMap<Field, String>;

/// A group of its own, which has some values in common with others.
fn group(number: u64, random: &mut Random) -> Group {
    [
        (Field::PiFirstName, ["Ana", "Bo", "Na"][random.below(3) as usize].to_owned()),
        (Field::PiLastName, format!("Li{}", char::from(b'a' + random.below(4) as u8))),
        (Field::PiEmail, format!("li{number}@example.org")),
        (Field::ProposalNumber, format!("7{number}")),
        (Field::ProposalTitle, ["Foam", "Wood", "Bone"][random.below(3) as usize].to_owned()),
        (Field::YearMonth, format!("2026-0{}", 3 + random.below(2))),
    ]
    .into()
}

/// What the decider of a lane has come to.
#[derive(Clone, Default)]
struct Decided {
    accepted: Vec<UserInfo>,
    /// Why the present set is held
    held: Option<Reason>,
    /// The present set
    info: UserInfo,
    rested: bool,
}

/// What a scenario has come to.
struct Ended {
    /// Why the runs were held at last
    held: Option<Reason>,
    /// No run was slower than the assumption allows
    in_time: bool,
    /// No run in an order of its own overlapped another run: the puts of one can complete a dead run of the
    /// known tool
    in_known_order: bool,
    /// How often the clean run had to be repeated
    taggings: u64,
}

struct Lane {
    number: usize,
    context: Context,
    channels: Arc<BTreeMap<Field, TextChannel>>,
    journal: PathBuf,
    decided: watch::Sender<Decided>,
    decider: Option<JoinHandle<()>>,
    /// All groups of which a put was made
    tagged: Arc<Mutex<Vec<Group>>>,
    random: Random,
    groups: u64,
}

fn pv(lane: usize, field: Field) -> String {
    format!("r{lane}:{}", field.key())
}

fn rules() -> Rules {
    Rules { settle: SETTLE, run_limit: RUN_LIMIT, ..Rules::default() }
}

/// What the service does with the user info, up to the plan of a delivery.
async fn decide(
    context: Context,
    pvs: BTreeMap<Field, String>,
    journal: PathBuf,
    decided: watch::Sender<Decided>,
) {
    let (rules, journal) = (rules(), Journal::open(&journal).await.unwrap());
    let earlier = journal.decision_state().await.unwrap().watched;
    let mut watcher = Watcher::start(&context, &pvs, &rules, earlier).unwrap();
    let observation = watcher.observation();
    loop {
        let now = observation.borrow_and_update().clone();
        match now {
            Observation::Waiting(_) => decided.send_modify(|decided| decided.rested = false),
            Observation::Settling(watched) => {
                decided.send_modify(|decided| decided.rested = false);
                journal.set_watched(&watched).await.unwrap();
            }
            Observation::Settled(watched) => settled(&watched, &rules, &journal, &decided).await,
        }
        observation.changed().await.unwrap();
    }
}

async fn settled(watched: &Watched, rules: &Rules, journal: &Journal, decided: &watch::Sender<Decided>) {
    let mut state = journal.decision_state().await.unwrap();
    let wholeness = decision::judge(watched, &state, rules.run_limit());
    let info = put_by_the_run(watched, &wholeness).user_info();
    let known = decided.borrow().accepted.contains(&info);
    let verdict = judge(watched, &wholeness, &state, known, rules, &TimeZone::UTC);
    let held = match &wholeness {
        Wholeness::Whole { .. } => None,
        Wholeness::NotWhole(not_whole) => Some(not_whole.reason.clone()),
    };
    state.conclude(watched, wholeness);
    let accepted = matches!(&verdict, Verdict::Group { holds, .. } if holds.is_empty());
    if accepted || state.baseline.is_none() {
        state.baseline = Some(watched.readings.clone());
    }
    journal.set_decision_state(&state).await.unwrap();
    decided.send_modify(|decided| {
        decided.info = watched.readings.user_info();
        if accepted && !known {
            decided.accepted.push(info);
        }
        (decided.held, decided.rested) = (held, watched.window.rested);
    });
}

impl Lane {
    async fn new(number: usize, context: &Context, folder: &std::path::Path, seed: u64) -> Lane {
        let channel = |field: &Field| (*field, TextChannel::new(context, &pv(number, *field)).unwrap());
        let mut lane = Lane {
            number,
            context: context.clone(),
            channels: Arc::new(ORDER.iter().map(channel).collect()),
            journal: folder.join(format!("lane{number}.sqlite")),
            decided: watch::Sender::new(Decided::default()),
            decider: None,
            tagged: Arc::default(),
            random: Random::new(seed, number as u64 + 1),
            groups: 0,
        };
        lane.start();
        lane
    }

    fn start(&mut self) {
        self.decided.send_modify(|decided| decided.rested = false);
        let pvs = ORDER.into_iter().map(|field| (field, pv(self.number, field))).collect();
        let decider = decide(self.context.clone(), pvs, self.journal.clone(), self.decided.clone());
        self.decider = Some(tokio::spawn(decider));
    }

    /// As `kill -9`: what is not in the journal is gone.
    fn kill(&mut self) {
        self.decider.take().expect("a decider runs").abort();
    }

    async fn until(&self, what: &str, wanted: impl Fn(&Decided) -> bool) {
        let mut decided = self.decided.subscribe();
        if tokio::time::timeout(LIMIT, decided.wait_for(|decided| wanted(decided))).await.is_err() {
            let decided = self.decided.borrow();
            panic!("lane {}: {what}; held: {:?}, rested: {}", self.number, decided.held, decided.rested);
        }
    }

    fn new_group(&mut self) -> Group {
        self.groups += 1;
        let group = group(self.number as u64 * 100_000 + self.groups, &mut self.random);
        self.tagged.lock().unwrap().push(group.clone());
        group
    }

    /// One to three tagging runs at once, some of them dead or slow, and perhaps a kill; then a rest and a
    /// clean run. `has_ioc` says when the IOC runs for the rest of the scenario.
    async fn scenario(&mut self, mut has_ioc: watch::Receiver<bool>) -> Ended {
        // A put that has not been noticed yet must not let the rest before it pass for the one after it.
        self.decided.send_modify(|decided| decided.rested = false);
        let count = 1 + self.random.below(3);
        let mut runs = vec![];
        let mut in_known_order = true;
        let mut group = self.new_group();
        for _ in 0..count {
            if self.random.percent(75) {
                group = self.new_group();
            }
            let mut order = ORDER.to_vec();
            if self.random.percent(10) {
                (1..order.len())
                    .rev()
                    .for_each(|last| order.swap(last, self.random.below(last as u64 + 1) as usize));
                in_known_order &= count == 1;
            }
            if self.random.percent(50) {
                order.truncate(1 + self.random.below(5) as usize);
            }
            let random = Random::new(self.random.below(u64::MAX), 0);
            runs.push(tokio::spawn(tag(self.channels.clone(), group.clone(), order, random)));
        }
        if self.random.percent(25) {
            tokio::time::sleep(self.random.millis(700)).await;
            self.kill();
            tokio::time::sleep(self.random.millis(300)).await;
            self.start();
        }
        let mut in_time = true;
        for run in runs {
            in_time &= run.await.unwrap();
        }
        has_ioc.wait_for(|has_ioc| *has_ioc).await.unwrap();
        self.until("no rest after the runs", |decided| decided.rested).await;
        let held = self.decided.borrow().held.clone();
        Ended { held, in_time, in_known_order, taggings: self.clean_run().await }
    }

    /// A clean run is accepted whatever was before; after a boot of the IOC, once that has been noticed.
    /// Returns how often it had to be repeated.
    async fn clean_run(&mut self) -> u64 {
        let clean = self.new_group();
        let info = UserInfo(clean.clone());
        let mut taggings = 0;
        while !self.decided.borrow().accepted.contains(&info) {
            if tag(self.channels.clone(), clean.clone(), ORDER.to_vec(), Random(0)).await {
                taggings += 1;
                let is_done = |decided: &Decided| decided.accepted.contains(&info) || decided.info == info;
                self.until("a clean run is not noticed", is_done).await;
            }
            self.until("no rest after the clean run", |decided| decided.rested).await;
        }
        taggings
    }

    /// Forgets what was checked.
    fn forget(&self) {
        self.decided
            .send_modify(|decided| drop(decided.accepted.drain(..decided.accepted.len().saturating_sub(1))));
    }

    /// The accepted sets that no run has put.
    fn wrong(&self) -> Vec<UserInfo> {
        let tagged = self.tagged.lock().unwrap();
        let is_right = |info: &UserInfo| {
            let is_of = |group: &Group| info.0.iter().all(|(field, text)| group.get(field) == Some(text));
            Field::REQUIRED.iter().all(|field| info.0.contains_key(field)) && tagged.iter().any(is_of)
        };
        self.decided.borrow().accepted.iter().filter(|info| !is_right(info)).cloned().collect()
    }
}

/// A tagging run. Returns whether it never paused for as long as `RUN_LIMIT`: beyond that nothing is
/// promised. A tool that can't put in time dies, as one that lost its connection does; a clean run that dies
/// was none.
async fn tag(
    channels: Arc<BTreeMap<Field, TextChannel>>,
    group: Group,
    order: Vec<Field>,
    mut random: Random,
) -> bool {
    let mut last = Instant::now();
    let is_clean = random.0 == 0;
    for (number, field) in order.into_iter().enumerate() {
        if !is_clean {
            let pause = if random.percent(10) { 600 } else { 60 };
            tokio::time::sleep(random.millis(pause)).await;
        }
        if number > 0 && last.elapsed() > RUN_LIMIT / 2 {
            return !is_clean;
        }
        let began = Instant::now();
        let put = channels[&field].put(&group[&field], RUN_LIMIT / 4).await;
        if number > 0 && last.elapsed() > RUN_LIMIT {
            return false;
        }
        if put.is_err() {
            return !is_clean;
        }
        last = began;
    }
    true
}

/// The records of all lanes with these texts, processed at boot.
fn records(texts: &BTreeMap<(usize, Field), String>) -> String {
    let mut records = String::new();
    for lane in 0..LANES {
        for field in ORDER {
            let text = texts.get(&(lane, field)).map_or("Unknown", String::as_str);
            let fields = format!("field(VAL, \"{text}\") field(PINI, \"YES\") field(MPST, \"Always\")");
            writeln!(records, "record(stringout, \"{}\") {{ {fields} }}", pv(lane, field)).unwrap();
        }
    }
    records
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_schedules_accept_nothing_that_no_run_put() {
    let test = CaTest::new();
    let (scenarios, seed) = (setting("REPLAY_SCENARIOS", 48), setting("REPLAY_SEED", 20_261_124));
    println!("{scenarios} scenarios, REPLAY_SEED={seed}");
    let mut random = Random::new(seed, 0);
    let folder = tempfile::tempdir().unwrap();
    let mut ioc: Option<Ioc> = Some(test.ioc_with_records(&records(&BTreeMap::new())));
    let context = Context::new().unwrap();
    let mut lanes = vec![];
    for number in 0..LANES {
        lanes.push(Lane::new(number, &context, folder.path(), seed).await);
    }
    for lane in &mut lanes {
        lane.until("no rest at the first start", |decided| decided.rested).await;
        // The first whole run teaches the tool's order.
        lane.clean_run().await;
    }
    let (mut reasons, mut done, mut late, mut boots) = (BTreeMap::<String, u64>::new(), 0, 0, 0);
    let (mut unknown, mut unknown_wrong) = (0, 0);
    while done < scenarios {
        let boot = (done > 0 && random.percent(30)).then(|| (random.millis(800), random.percent(60)));
        let (booted, has_ioc) = watch::channel(boot.is_none());
        let scenario = |mut lane: Lane| {
            let has_ioc = has_ioc.clone();
            async move {
                let ended = lane.scenario(has_ioc).await;
                (lane, ended)
            }
        };
        let running: Vec<_> = lanes.drain(..).map(|lane| tokio::spawn(scenario(lane))).collect();
        if let Some((after, restored)) = boot {
            boots += 1;
            tokio::time::sleep(after).await;
            let texts = if restored { texts(&context).await } else { BTreeMap::new() };
            ioc.take().expect("an IOC runs").kill();
            ioc = Some(tokio::task::block_in_place(|| test.ioc_with_records(&records(&texts))));
            booted.send_replace(true);
        }
        for lane in running {
            let (lane, Ended { held, in_time, in_known_order, taggings }) = lane.await.unwrap();
            let wrong = lane.wrong();
            let is_promised = in_time && in_known_order;
            assert!(wrong.is_empty() || !is_promised, "lane {}: {wrong:?}; REPLAY_SEED={seed}", lane.number);
            unknown += u64::from(!in_known_order);
            unknown_wrong += wrong.len();
            assert!(
                taggings == 1 || boot.is_some(),
                "lane {}: a clean run is held; REPLAY_SEED={seed}",
                lane.number
            );
            late += u64::from(!in_time);
            let reason = held.map_or("not held".to_owned(), |reason| format!("{reason:?}"));
            let reason = reason.split([' ', '(']).next().unwrap_or_default().to_owned();
            *reasons.entry(reason).or_default() += 1;
            lane.forget();
            lanes.push(lane);
        }
        done += LANES as u64;
    }
    drop(ioc);
    println!("{done} scenarios with {boots} boots of the IOC: 0 wrong, all clean runs accepted");
    println!(
        "the runs before them by reason of the hold: {reasons:?}; {late} slower than the assumption allows"
    );
    println!(
        "{unknown} with overlapping runs in an unknown order, for which nothing is promised: \
         {unknown_wrong} wrong"
    );
}

/// What autosave would restore: the records as they are now, while tools put.
async fn texts(context: &Context) -> BTreeMap<(usize, Field), String> {
    let mut texts = BTreeMap::new();
    for lane in 0..LANES {
        for field in ORDER {
            let channel = TextChannel::new(context, &pv(lane, field)).unwrap();
            if let Ok(text) = channel.get(LIMIT).await {
                texts.insert((lane, field), text.text);
            }
        }
    }
    texts
}
