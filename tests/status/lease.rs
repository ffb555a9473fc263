//! Several beamshares on the same records: one serves them.

use std::time::{Duration, Instant};

use beamshare::status::{BeamlineStatus, Lease, OperatorCommand, OperatorCommands, Record, StatusRecords};
use channel_access::{Context, Sample, TextChannel, Value};
use tokio::task::JoinHandle;

use crate::support::ioc::CaTest;
use crate::{LIMIT, beamshare_ioc, sample};

const PREFIX: &str = "test:Share:";

/// A beamshare, as far as its records are concerned: it beats, and says its number.
struct Service {
    board: StatusRecords,
    commands: OperatorCommands,
    heart: JoinHandle<()>,
}

impl Service {
    fn start(ca: &Context, number: u64) -> Service {
        let (board, commands) = StatusRecords::new(ca, PREFIX).unwrap();
        board.set_count(Record::RunCount, number);
        board.set_status(BeamlineStatus::Done);
        let beating = board.clone();
        let heart = tokio::spawn(async move {
            loop {
                beating.beat();
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        });
        Service { board, commands, heart }
    }

    fn lease(&self) -> Lease {
        self.board.lease().borrow().clone()
    }

    async fn wait(&self, what: &str, fits: impl Fn(&Lease) -> bool) {
        let mut lease = self.board.lease();
        let found = tokio::time::timeout(LIMIT * 2, lease.wait_for(|lease| fits(lease))).await;
        found.unwrap_or_else(|_| panic!("{what}: it is {:?}", self.lease())).unwrap();
    }

    async fn holds(&self) {
        self.wait("to hold the lease", |lease| *lease == Lease::Held).await;
    }

    async fn stands_by(&self) {
        self.wait("to stand by", |lease| matches!(lease, Lease::Foreign(_))).await;
    }

    /// As kill -9: nothing is given back, nothing is said any more.
    async fn kill(self) {
        self.heart.abort();
        let _ = self.heart.await;
    }
}

async fn text(ca: &Context, record: Record) -> String {
    TextChannel::new(ca, &format!("{PREFIX}{record}")).unwrap().get(LIMIT).await.unwrap().text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_three_that_start_in_the_same_instant_one_serves() {
    let test = CaTest::new();
    let _ioc = beamshare_ioc(&test);
    let ca = Context::new().unwrap();
    for round in 0..5 {
        let services: Vec<_> = (1..=3).map(|n| Service::start(&ca, n)).collect();
        let mut leases: Vec<_> = services.iter().map(|service| service.board.lease()).collect();
        let mut held_at_once = 0;
        // Until all have decided, and at every change on the way.
        let decided = async {
            loop {
                let now: Vec<Lease> =
                    leases.iter_mut().map(|lease| lease.borrow_and_update().clone()).collect();
                let held = now.iter().filter(|lease| **lease == Lease::Held).count();
                held_at_once = held_at_once.max(held);
                if held == 1 && now.iter().filter(|lease| matches!(lease, Lease::Foreign(_))).count() == 2 {
                    return;
                }
                futures::future::select_all(leases.iter_mut().map(|lease| Box::pin(lease.changed())))
                    .await
                    .0
                    .unwrap();
            }
        };
        tokio::time::timeout(LIMIT, decided).await.unwrap_or_else(|_| panic!("round {round}: nobody serves"));
        assert_eq!(held_at_once, 1, "round {round}");
        let holder = services.iter().position(|service| service.lease() == Lease::Held).unwrap();
        services[holder].board.flush(LIMIT).await.unwrap();
        assert_eq!(text(&ca, Record::RunCount).await, (holder + 1).to_string());
        // An orderly stop of all, the holder last, so that nobody takes it over.
        for (n, service) in services.iter().enumerate() {
            if n != holder {
                service.board.release(LIMIT).await;
            }
        }
        services[holder].board.release(LIMIT).await;
        assert_eq!(text(&ca, Record::LeaseHolder).await, "", "given back");
        for service in services {
            service.kill().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_touches_nothing_and_takes_over_when_the_first_has_ended() {
    let test = CaTest::new();
    let _ioc = beamshare_ioc(&test);
    let ca = Context::new().unwrap();
    let first = Service::start(&ca, 1);
    first.holds().await;
    first.board.flush(LIMIT).await.unwrap();
    let mut second = Service::start(&ca, 2);
    second.stands_by().await;
    let Lease::Foreign(who) = second.lease() else { panic!() };
    assert!(who.contains(&format!("process {}", std::process::id())), "{who}");
    assert!(second.board.flush(Duration::from_secs(2)).await.is_err(), "nothing of the second is shown");
    assert_eq!(text(&ca, Record::RunCount).await, "1");

    // A button is heard by the one that serves, and by it alone.
    let approve = ca.channel("test:Share:Approve").unwrap();
    approve.put(Value::Enum(vec![1]), LIMIT).await.unwrap();
    let mut first = first;
    let heard = async {
        loop {
            if first.commands.next().await.unwrap() == OperatorCommand::Approve {
                return;
            }
        }
    };
    tokio::time::timeout(LIMIT, heard).await.unwrap();

    // Killed: taken over when the heart has stood still for as long as the watchdog waits, and not before.
    let killed = Instant::now();
    first.kill().await;
    second.holds().await;
    assert!(killed.elapsed() >= Duration::from_secs(9), "{:?}", killed.elapsed());
    second.board.flush(LIMIT).await.unwrap();
    assert_eq!(text(&ca, Record::RunCount).await, "2");

    // Stopped in order: at once.
    let third = Service::start(&ca, 3);
    third.stands_by().await;
    let stopped = Instant::now();
    second.board.release(LIMIT).await;
    third.holds().await;
    assert!(stopped.elapsed() < Duration::from_secs(8), "{:?}", stopped.elapsed());
    let unheard = std::iter::from_fn(|| futures::FutureExt::now_or_never(second.commands.next()).flatten());
    assert!(
        !unheard.collect::<Vec<_>>().contains(&OperatorCommand::Approve),
        "the second heard what was not for it"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_the_ioc_leaves_the_lease_where_it_was() {
    let test = CaTest::new();
    let ioc = beamshare_ioc(&test);
    let ca = Context::new().unwrap();
    let first = Service::start(&ca, 1);
    first.holds().await;
    let second = Service::start(&ca, 2);
    second.stands_by().await;
    let (mut first_lease, second_lease) = (first.board.lease(), second.board.lease());
    first_lease.borrow_and_update();
    ioc.kill();
    let _ioc = beamshare_ioc(&test);
    // The IOC's records are empty now; the first writes its name again, the second leaves it the time for
    // that.
    let holder = ca.channel("test:Share:LeaseHolder").unwrap();
    sample(&holder, |s| matches!(&s.value, Value::Char(bytes) if bytes.first().is_some_and(|b| *b != 0)))
        .await;
    first.board.flush(LIMIT).await.unwrap();
    assert_eq!(text(&ca, Record::RunCount).await, "1");
    second.stands_by().await;
    assert_eq!(
        *second_lease.borrow(),
        Lease::Foreign(match second.lease() {
            Lease::Foreign(who) => who,
            _ => panic!(),
        })
    );
    assert!(!first_lease.has_changed().unwrap(), "it kept the lease all the time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_somebody_writes_over_the_holders_is_put_right() {
    let test = CaTest::new();
    let _ioc = beamshare_ioc(&test);
    let ca = Context::new().unwrap();
    let first = Service::start(&ca, 1);
    first.holds().await;
    let mine = text(&ca, Record::LeaseHolder).await;
    let holder = ca.channel("test:Share:LeaseHolder").unwrap();
    for stray in ["somebody", ""] {
        let mut lease = first.board.lease();
        lease.borrow_and_update();
        holder.put(Value::chars(stray), LIMIT).await.unwrap();
        // In doubt it serves nothing.
        tokio::time::timeout(LIMIT, lease.wait_for(|lease| *lease != Lease::Held)).await.unwrap().unwrap();
        first.holds().await;
        assert_eq!(text(&ca, Record::LeaseHolder).await, mine);
    }
}

/// A process of this machine that is known to have ended need not be waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_is_known_to_be_dead_is_followed_at_once() {
    let test = CaTest::new();
    let _ioc = beamshare_ioc(&test);
    let ca = Context::new().unwrap();
    let first = Service::start(&ca, 1);
    first.holds().await;
    let name = text(&ca, Record::LeaseHolder).await;
    first.kill().await;
    // The same name with a process number that no Linux gives (beyond its largest limit, 2^22).
    let dead = name.replace(&format!(":{}:", std::process::id()), ":4194999:");
    let holder = ca.channel("test:Share:LeaseHolder").unwrap();
    holder.put(Value::chars(&dead), LIMIT).await.unwrap();
    let began = Instant::now();
    let second = Service::start(&ca, 2);
    second.holds().await;
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

/// A rival that had seen the lease free a moment before, and writes its name as late as a claim may: the last
/// writer has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_is_overwritten_before_it_has_stood_is_none() {
    let test = CaTest::new();
    let _ioc = beamshare_ioc(&test);
    let ca = Context::new().unwrap();
    let holder = ca.channel("test:Share:LeaseHolder").unwrap();
    holder.get(LIMIT).await.unwrap();
    let rival = "elsewhere:1:2.3.4:5";
    loop {
        let service = Service::start(&ca, 1);
        let mut lease = service.board.lease();
        let held = tokio::spawn(async move { lease.wait_for(|lease| *lease == Lease::Held).await.map(drop) });
        let claimed =
            |s: &Sample| matches!(&s.value, Value::Char(bytes) if bytes.first().is_some_and(|b| *b != 0));
        sample(&holder, claimed).await;
        let claim = Instant::now();
        tokio::time::sleep(Duration::from_millis(300)).await;
        let held_early = held.is_finished();
        holder.put(Value::chars(rival), LIMIT).await.unwrap();
        if claim.elapsed() > Duration::from_millis(500) && !held_early {
            // This machine was too slow to be a rival in time: once more.
            service.kill().await;
            holder.put(Value::chars(""), LIMIT).await.unwrap();
            sample(&holder, |s| !claimed(s)).await;
            continue;
        }
        assert!(!held_early, "it took a claim for the lease");
        service.stands_by().await;
        assert!(!held.is_finished(), "it took a lost claim for the lease");
        assert_eq!(service.lease(), Lease::Foreign("elsewhere (process 1)".to_owned()));
        assert_eq!(text(&ca, Record::LeaseHolder).await, rival);
        return;
    }
}
