//! What goes wrong, one event after the other, in an order that the seed gives.

use crate::groups;
use crate::server::{RUNS, Reply, SCHEDULED};
use crate::support::random::Random;
use crate::world::{ARCHIVE, World};
use beamshare::status::Record;
use globus_simulator::Fault;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::RwLock;

/// The calls to Globus that beamshare makes.
const CALLS: [&str; 13] = [
    "token",
    "identities",
    "ls",
    "mkdir",
    "access_list",
    "access_create",
    "access_delete",
    "endpoint",
    "submission_id",
    "transfer",
    "task_get",
    "task_successful_transfers",
    "delete",
];

/// How far a clock is set, in seconds.
const STEPS: [i64; 6] = [-86_400, -3600, -30, 30, 3600, 86_400];

pub struct Trouble<'w> {
    world: &'w RwLock<World>,
    random: Random,
    groups: u64,
    /// The file that fills the journal's disk
    filler: Option<PathBuf>,
    /// Each event with its time
    log: File,
    /// How often each thing happened
    pub counts: BTreeMap<String, u64>,
    /// Ends of the service that it should not have come to
    pub violations: Vec<String>,
}

impl<'w> Trouble<'w> {
    pub fn new(world: &'w RwLock<World>, log: File, random: Random, groups: u64) -> Trouble<'w> {
        Trouble { world, log, random, groups, filler: None, counts: BTreeMap::new(), violations: vec![] }
    }

    fn count(&mut self, what: impl Into<String>) {
        let what = what.into();
        let _ = writeln!(self.log, "{} {what}", jiff::Timestamp::now());
        *self.counts.entry(what).or_default() += 1;
    }

    /// The next event, and a pause.
    pub async fn event(&mut self) {
        match self.random.below(100) {
            0..34 => self.globus().await,
            34..48 => self.mail().await,
            48..54 => self.schedule().await,
            54..60 => self.ssh().await,
            60..67 => self.kill_service().await,
            67..71 => self.terminate().await,
            71..74 => {
                self.count("SIGHUP to the service");
                self.world.read().await.signal(Signal::HUP);
            }
            74..78 => self.kill_ioc().await,
            78..85 => self.step_clock().await,
            85..90 => self.disk().await,
            90..93 => self.quota().await,
            _ => self.operator().await,
        }
        self.restart_if_ended().await;
        let pause = self.random.millis(1500);
        tokio::time::sleep(pause).await;
    }

    async fn globus(&mut self) {
        let call = *self.random.pick(&CALLS);
        let (what, fault) = match self.random.below(12) {
            0 => ("500", Fault::answer(call, 500)),
            1 => ("503", Fault::answer(call, 503).times(3)),
            2 => ("429", Fault::answer(call, 429).retry_after(1)),
            3 => ("403", Fault::answer(call, 403)),
            4 => ("HTML", Fault::answer(call, 502).body(json!("<html>Bad Gateway</html>"))),
            5 => ("cut JSON with 200", Fault::answer(call, 200).body(json!("{\"DATA_TYPE\": \"acc"))),
            6 => ("hang", Fault::hang(call)),
            7 => ("late answer", Fault::delay(call, 3)),
            8 | 9 => ("connection cut before", Fault::cut_before(call)),
            _ => ("answer lost", Fault::cut_after(call)),
        };
        let (what, fault) = match (call, self.random.below(4)) {
            ("transfer", 0) => ("task failed", Fault::task_fail(call, "PERMISSION_DENIED")),
            ("transfer", 1) => ("task paused", Fault::task_pause(call, "for a moment")),
            _ => (what, fault),
        };
        self.count(format!("Globus: {what}"));
        let world = self.world.read().await;
        world.globus.fault(fault);
        if self.random.percent(20) {
            world.globus.resume_tasks();
            world.globus.clear_faults();
        }
        if self.random.percent(5) {
            world.globus.expire_tokens();
            drop(world);
            self.count("Globus: all tokens expired");
        }
    }

    async fn mail(&mut self) {
        let modes = [
            ("mail server: slow", json!({"slow": 1})),
            ("mail server: slower than the limit", json!({"slow": 5})),
            ("mail server: no answer to the text", json!({"mute": true})),
            ("mail server: connection cut after the text", json!({"cut": true})),
            ("mail server: away", json!({"away": true})),
            ("mail server: 451 at MAIL", json!({"answers": {"MAIL": "451 4.3.2 later"}})),
            ("mail server: 452 at the text", json!({"answers": {"DATA": "452 4.3.1 no space"}})),
            ("mail server: hangs at RCPT", json!({"hang_at": "RCPT"})),
            ("mail server: sound", json!({})),
            ("mail server: sound", json!({})),
            ("mail server: sound", json!({})),
        ];
        let (what, mode): &(&str, Value) = self.random.pick(&modes);
        self.count(*what);
        self.world.read().await.smtp.change(mode);
    }

    async fn schedule(&mut self) {
        let world = self.world.read().await;
        let (what, reply) = match self.random.below(6) {
            0 => ("schedule: 503", Reply::Status(503, "down")),
            1 => ("schedule: HTML", Reply::Status(200, "<html>Sign in</html>")),
            2 => ("schedule: no answer", Reply::Stall),
            3 => ("schedule: half an answer", Reply::StallInBody),
            _ => {
                groups::answer(&world.schedule, self.groups);
                drop(world);
                return self.count("schedule: sound");
            }
        };
        let path = *self.random.pick(&[RUNS, SCHEDULED]);
        world.schedule.answers(path, reply);
        drop(world);
        self.count(what);
    }

    async fn ssh(&mut self) {
        let world = self.world.read().await;
        if self.random.percent(50) {
            world.proxy.stop_after(self.random.below(5000));
            drop(world);
            self.count("SSH host: hangs");
        } else {
            world.proxy.go_on();
            world.sshd.end_sessions();
            drop(world);
            self.count("SSH host: all connections cut");
        }
    }

    async fn kill_service(&mut self) {
        self.count("kill -9 of the service");
        let mut world = self.world.write().await;
        world.signal(Signal::KILL);
        world.service_ended().await;
        tokio::time::sleep(self.random.millis(800)).await;
        world.start_service();
    }

    async fn terminate(&mut self) {
        self.count("SIGTERM to the service");
        let mut world = self.world.write().await;
        world.signal(Signal::TERM);
        let status = world.service_ended().await;
        // Before its handlers are there, the signal ends it as any process.
        if !status.success()
            && std::os::unix::process::ExitStatusExt::signal(&status).is_none()
            && self.filler.is_none()
        {
            self.violations.push(format!("SIGTERM: the service ended with {status}"));
        }
        world.start_service();
    }

    /// A full disk at the start ends the service, and systemd starts it again.
    async fn restart_if_ended(&mut self) {
        let mut world = self.world.write().await;
        let Some(status) = world.has_ended() else { return };
        if status.code() != Some(1) {
            self.violations.push(format!("the service ended by itself with {status}"));
        }
        world.start_service();
        drop(world);
        self.count("restarts after an end by itself");
    }

    async fn kill_ioc(&mut self) {
        let restore = self.random.percent(60);
        self.count(if restore {
            "kill -9 of the IOC, PVs restored"
        } else {
            "kill -9 of the IOC, PVs empty"
        });
        let mut world = self.world.write().await;
        world.kill_ioc();
        tokio::time::sleep(self.random.millis(1500)).await;
        world.start_ioc(restore);
    }

    async fn step_clock(&mut self) {
        let step = if self.random.percent(30) { 0 } else { *self.random.pick(&STEPS) };
        let of_ioc = self.random.percent(40);
        self.count(if of_ioc { "clock of the IOC set" } else { "clock of the service set" });
        let world = self.world.read().await;
        if of_ioc { &world.ioc_clock } else { &world.service_clock }.set(step);
    }

    async fn disk(&mut self) {
        let world = self.world.read().await;
        let Some(disk) = &world.disk else { return };
        if let Some(filler) = self.filler.take() {
            std::fs::remove_file(filler).unwrap();
            return;
        }
        self.filler = Some(disk.fill());
        drop(world);
        self.count("disk of the journal full");
        let time = self.random.millis(3000);
        tokio::time::sleep(time).await;
        if let Some(filler) = self.filler.take() {
            std::fs::remove_file(filler).unwrap();
        }
    }

    async fn quota(&mut self) {
        let full = self.random.percent(50);
        self.world.read().await.globus.set_quota(ARCHIVE, full.then_some(0));
        self.count(if full { "archive full" } else { "archive has room" });
    }

    async fn operator(&mut self) {
        let presses =
            [(Record::Run, 1), (Record::Run, 1), (Record::Pause, 1), (Record::Pause, 0), (Record::Abort, 1)];
        let (record, value) = *self.random.pick(&presses);
        self.count(format!("operator: {record} {value}"));
        self.world.read().await.press(record, value).await;
    }

    /// Ends all trouble, and restarts the service in good order.
    pub async fn heal(&mut self) {
        let mut world = self.world.write().await;
        world.globus.clear_faults();
        world.globus.resume_tasks();
        world.globus.set_quota(ARCHIVE, None);
        world.smtp.change(&json!({}));
        groups::answer(&world.schedule, self.groups);
        world.proxy.go_on();
        world.service_clock.set(0);
        world.ioc_clock.set(0);
        if let Some(filler) = self.filler.take() {
            std::fs::remove_file(filler).unwrap();
        }
        world.press(Record::Pause, 0).await;
        world.signal(Signal::TERM);
        let _ = tokio::time::timeout(Duration::from_secs(90), world.service_ended()).await;
        world.start_service();
    }
}
