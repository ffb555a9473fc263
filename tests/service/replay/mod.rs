//! Random schedules of tagging runs, replayed on the C IOC with the whole program: overlaps, slow and dead
//! tools, one tool or two, other orders, kills of the service, and kills of the IOC with and without restored
//! and processed records. The oracle knows what each run put, and looks at what the program did: access
//! rules, messages, directories and journal.
//!
//! Many beamlines, each with PVs, records and settings of its own, run side by side in one IOC and in a few
//! processes of `beamshare run`. `make replay SCENARIOS=1000` runs more of them; REPLAY_SEED repeats a run as
//! far as the operating system's scheduling allows.

mod lane;
mod oracle;
mod tools;

use beamshare::domain::Field;
use channel_access::{Context, TextChannel};
use futures::future;
use globus_simulator::{App, Collection, Seed, Simulator};
use lane::{Ended, Lane, UNOBSERVED, collection, pv};
use soft_ioc::{CaTest, Ioc, repository};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use tokio::sync::watch;
use tools::{RUN_LIMIT, Random, TOOLS};
use uuid::Uuid;

/// Beamlines of one process of `beamshare run`.
const LANES: usize = 8;

/// A process of `beamshare run`.
struct Service {
    number: usize,
    settings: Vec<PathBuf>,
    environment: Vec<(&'static str, String)>,
    folder: PathBuf,
    process: Option<Child>,
    starts: u32,
    random: Random,
}

impl Service {
    fn start(&mut self) {
        self.starts += 1;
        let log =
            File::create(self.folder.join(format!("service{}-{}.log", self.number, self.starts))).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_beamshare"));
        command
            .args(["--log-level", "info", "run"])
            .args(&self.settings)
            .envs(self.environment.clone())
            .stderr(log);
        self.process = Some(command.spawn().unwrap());
    }

    /// `kill -9`.
    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Kills the process after a while, and starts it again after another one.
    async fn restart(mut self, is_killed: bool) -> Service {
        if is_killed {
            tokio::time::sleep(self.random.millis(1500)).await;
            self.kill();
            tokio::time::sleep(self.random.millis(400)).await;
            self.start();
        }
        self
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What has been counted.
#[derive(Default)]
struct Figures {
    scenarios: u64,
    boots: u64,
    kills: u64,
    outcomes: BTreeMap<String, u64>,
    /// Scenarios with runs that were slower than the assumption allows, or overlapped in an unknown order,
    /// and what was wrong in them
    unpromised: u64,
    unpromised_wrong: Vec<String>,
    wrong: Vec<String>,
    /// Why clean runs were held, though nothing was killed after they began
    missed: Vec<String>,
    /// Clean runs that were held since the machine was too slow for the service to observe them, which it
    /// noticed
    stalled: u64,
}

/// The records of all lanes: those of db/beamshare.db come from the file, the user info has these texts.
fn records(lanes: usize, texts: &BTreeMap<(usize, Field), String>, processed: bool) -> String {
    let mut records = String::new();
    let pini = if processed { "YES" } else { "NO" };
    for lane in 0..lanes {
        for field in TOOLS[0] {
            let text = texts.get(&(lane, field)).map_or("Unknown", String::as_str);
            let fields = format!("field(VAL, \"{text}\") field(PINI, \"{pini}\") field(MPST, \"Always\")");
            writeln!(records, "record(stringout, \"{}\") {{ {fields} }}", pv(lane, field)).unwrap();
        }
    }
    records
}

/// What autosave would restore: the records as they are now, while tools put.
async fn texts(context: &Context, lanes: usize) -> BTreeMap<(usize, Field), String> {
    let gets =
        (0..lanes).flat_map(|lane| TOOLS[0].map(|field| (lane, field))).map(|(lane, field)| async move {
            let text = TextChannel::new(context, &pv(lane, field)).unwrap().get(RUN_LIMIT).await;
            text.ok().map(|text| ((lane, field), text.text))
        });
    future::join_all(gets).await.into_iter().flatten().collect()
}

/// The parts that all lanes share.
struct Replay {
    test: CaTest,
    context: Context,
    globus: Simulator,
    ioc: Option<Ioc>,
    services: Vec<Service>,
    lanes: Vec<Lane>,
    random: Random,
    figures: Figures,
}

impl Replay {
    async fn start(folder: &Path, services: usize, seed: u64) -> Replay {
        let test = CaTest::new();
        let app = Uuid::new_v4();
        let mut world = Seed::default().app(App::service(app, "a secret"));
        for lane in 0..services * LANES {
            let directory = format!("lane{lane}/globus");
            world =
                world.collection(Collection::guest(collection(lane), "Data", directory, &app.to_string()));
        }
        let globus = Simulator::builder().root(folder).seed(world).start().await.unwrap();
        let context = Context::new().unwrap();
        let mut replay = Replay {
            context,
            globus,
            ioc: None,
            services: vec![],
            lanes: vec![],
            random: Random::new(seed, 0),
            figures: Figures::default(),
            test,
        };
        replay.start_ioc(&records(services * LANES, &BTreeMap::new(), true), services * LANES);
        for number in 0..services {
            let mut settings = vec![];
            for lane in number * LANES..(number + 1) * LANES {
                let folder = folder.join(format!("lane{lane}"));
                settings.push(folder.join("beamshare.toml"));
                replay.lanes.push(Lane::new(lane, &replay.context, folder, &replay.globus, app, seed).await);
            }
            let mut service = Service {
                number,
                settings,
                environment: replay.test.environment().to_vec(),
                folder: folder.to_owned(),
                process: None,
                starts: 0,
                random: Random::new(seed, 1_000 + number as u64),
            };
            service.start();
            replay.services.push(service);
        }
        future::join_all(replay.lanes.iter_mut().map(Lane::teach)).await;
        replay
    }

    fn start_ioc(&mut self, records: &str, lanes: usize) {
        let (users, status) = (self.test.file("users.db", records), repository("db/beamshare.db"));
        let prefixes: Vec<String> = (0..lanes).map(|lane| format!("P=r{lane}:")).collect();
        let mut databases = vec![(users.as_path(), "")];
        databases.extend(prefixes.iter().map(|prefix| (status.as_path(), prefix.as_str())));
        self.ioc = Some(tokio::task::block_in_place(|| self.test.ioc(&databases)));
    }

    /// Kills the IOC of all lanes after a while, and starts it again.
    async fn boot_ioc(&mut self, lanes: usize) {
        self.figures.boots += 1;
        tokio::time::sleep(self.random.millis(1200)).await;
        let texts = if self.random.percent(60) { texts(&self.context, lanes).await } else { BTreeMap::new() };
        let records = records(lanes, &texts, self.random.percent(60));
        self.ioc.take().expect("an IOC runs").kill();
        self.start_ioc(&records, lanes);
    }

    /// Kills some of the services, perhaps, while something else goes on. Returns which.
    fn disturb(&mut self, percent: u64) -> (Vec<bool>, Vec<tokio::task::JoinHandle<Service>>) {
        let killed: Vec<bool> = self.services.iter().map(|_| self.random.percent(percent)).collect();
        self.figures.kills += killed.iter().filter(|killed| **killed).count() as u64;
        let services = self.services.drain(..).zip(&killed);
        let restarts = services.map(|(service, killed)| tokio::spawn(service.restart(*killed))).collect();
        (killed, restarts)
    }

    /// One scenario on each lane: runs, a rest, and a clean run.
    async fn round(&mut self) {
        let boots = self.figures.scenarios > 0 && self.random.percent(30);
        let (has_ioc, ioc) = watch::channel(!boots);
        let lanes = std::mem::take(&mut self.lanes);
        let count = lanes.len();
        let runs = lanes.into_iter().map(|mut lane| {
            let ioc = ioc.clone();
            tokio::spawn(async move {
                let is_promised = lane.runs(ioc).await;
                (lane, is_promised)
            })
        });
        let runs: Vec<_> = runs.collect();
        let (_, restarts) = self.disturb(25);
        if boots {
            self.boot_ioc(count).await;
            has_ioc.send_replace(true);
        }
        self.services = future::join_all(restarts).await.into_iter().map(Result::unwrap).collect();
        let mut ran = vec![];
        for run in runs {
            let (mut lane, is_promised) = run.await.unwrap();
            ran.push(tokio::spawn(async move {
                let outcome = lane.outcome().await;
                (lane, is_promised, outcome)
            }));
        }
        let ran: Vec<_> = future::join_all(ran).await.into_iter().map(Result::unwrap).collect();
        let (killed, restarts) = self.disturb(15);
        let clean: Vec<_> = ran
            .into_iter()
            .map(|(mut lane, is_promised, outcome)| {
                tokio::spawn(async move {
                    let tool = lane.any_tool();
                    let clean_holds = lane.clean_run(tool).await;
                    (lane, Ended { outcome, is_promised, clean_holds })
                })
            })
            .collect();
        self.services = future::join_all(restarts).await.into_iter().map(Result::unwrap).collect();
        for clean in clean {
            let (mut lane, ended) = clean.await.unwrap();
            self.figures.scenarios += 1;
            let faults = lane.new_faults(&self.globus).await;
            let faults = faults.into_iter().map(|fault| format!("lane {}: {fault}", lane.number));
            if ended.is_promised {
                self.figures.wrong.extend(faults);
            } else {
                self.figures.unpromised += 1;
                self.figures.unpromised_wrong.extend(faults);
            }
            if !killed[lane.number / LANES] {
                let (stalled, missed): (Vec<_>, Vec<_>) =
                    ended.clean_holds.into_iter().partition(|hold| hold == UNOBSERVED);
                self.figures.stalled += stalled.len() as u64;
                self.figures.missed.extend(missed);
            }
            *self.figures.outcomes.entry(ended.outcome).or_default() += 1;
            self.lanes.push(lane);
        }
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_schedules_share_and_mail_nothing_that_no_run_put() {
    let (scenarios, seed) = (setting("REPLAY_SCENARIOS", 16), setting("REPLAY_SEED", 192));
    let folder = tempfile::tempdir().unwrap();
    let services = if scenarios > 100 { 3 } else { 1 };
    println!("{scenarios} scenarios, REPLAY_SEED={seed}");
    let began = std::time::Instant::now();
    let mut replay = Replay::start(folder.path(), services, seed).await;
    while replay.figures.scenarios < scenarios {
        replay.round().await;
        let Figures { wrong, missed, .. } = &replay.figures;
        assert!(wrong.is_empty(), "{wrong:#?}; REPLAY_SEED={seed}");
        assert!(missed.is_empty(), "clean runs are held: {missed:?}; REPLAY_SEED={seed}");
        if replay.figures.scenarios % 120 == 0 {
            println!("{} scenarios after {:.0} s", replay.figures.scenarios, began.elapsed().as_secs_f64());
        }
    }
    let mut delivered = 0;
    for lane in &replay.lanes {
        delivered += lane.assert_all_delivered(&replay.globus).await;
    }
    let Figures { scenarios, boots, kills, outcomes, unpromised, unpromised_wrong, stalled, .. } =
        &replay.figures;
    println!(
        "{scenarios} scenarios in {:.0} s with {boots} boots of the IOC and {kills} kills of a service: 0 \
         wrong rules, messages, directories or acceptances, 0 clean runs held ({stalled} for a stall of the \
         machine); {delivered} experiments delivered, each with one message",
        began.elapsed().as_secs_f64()
    );
    println!("what the runs before them came to: {outcomes:?}");
    println!(
        "{unpromised} scenarios for which nothing is promised: {} wrong {unpromised_wrong:?}",
        unpromised_wrong.len()
    );
}
