//! `make bench`: what beamshare costs, as a separate process between real parts on loopback: a C soft IOC,
//! the Globus simulator, two sshds, an SMTP server. Prints a table.

#[path = "../../tests/support/mod.rs"]
mod support;

mod service;

use beamshare::status::Record;
use channel_access::{Channel, ChannelOptions, Context, Event, TextChannel};
use comfy_table::{Table, presets};
use service::{HOSTS, Peers, RECIPIENTS, SETTLE, Service};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use support::ioc::{CaTest, repository};

/// How often each figure is taken; the middle one counts.
const TIMES: usize = 11;
/// Channels of the figure for Channel Access.
const CHANNELS: usize = 5000;
const LIMIT: Duration = Duration::from_secs(30);

fn main() {
    // `cargo test --all-targets` asks every bench to run once, quickly.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let ca = CaTest::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("tokio");
    runtime.block_on(measure(&ca));
}

async fn measure(ca: &CaTest) {
    let many: String =
        (0..CHANNELS).map(|n| format!("record(longin, \"bench:{n}\") {{ field(VAL, \"{n}\") }}\n")).collect();
    let many = ca.file("many.db", &many);
    let (share, user_info) = (repository("db/beamshare.db"), repository("db/user_info_tomoscan.db"));
    let _ioc = ca.ioc(&[(&share, "P=bench:"), (&user_info, "P=bench:"), (&many, "")]);
    let peers = Peers::start().await;

    let mut starts = Vec::new();
    let mut service = None;
    for _ in 0..TIMES {
        drop(service.take());
        let context = Context::new().expect("Channel Access");
        let status = Screen::new(&context, Record::Status).await;
        let begin = Instant::now();
        service = Some(Service::start(&peers, ca));
        status.until("Settling").await;
        starts.push(begin.elapsed());
        status.until("Idle").await;
    }
    let service = service.expect("at least one start");
    let idle = service.memory().now;

    let context = Context::new().expect("Channel Access");
    let status = Screen::new(&context, Record::Status).await;
    let tool = Tool::new(&context);
    let (mut latencies, mut first, mut requests) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    let cpu_before = service.cpu();
    for n in 0..TIMES {
        peers.globus.clear_requests();
        status.forget();
        let last_put = tool.tag(n).await;
        status.until("Settling").await;
        let ended = status.until("Done").await;
        latencies.push(ended.duration_since(last_put).saturating_sub(SETTLE));
        requests = peers.globus.counts();
        if n == 0 {
            first = requests.clone();
        }
    }
    let cpu = (service.cpu() - cpu_before) / u32::try_from(TIMES).expect("few");
    let memory = service.memory();
    let messages = peers.mail.received().len();
    assert_eq!(messages, 2 * TIMES, "the PI and the contact were mailed each time");

    let epics = first_values(&context).await;
    let cpu_idle = service.cpu();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let cpu_idle = (service.cpu() - cpu_idle) / 10;

    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["", "measured", "spread", "to reach"]);
    let milliseconds = |duration: Duration| format!("{:.0} ms", duration.as_secs_f64() * 1e3);
    let mut add = |what: String, value: String, spread: String, goal: &str| {
        table.add_row([what, value, spread, goal.to_owned()]);
    };
    let (middle, spread) = summary(&mut latencies);
    add("last put to Status Done, less settle".into(), milliseconds(middle), spread, "< 150 ms");
    let (middle, spread) = summary(&mut starts);
    add("start of the process to its first monitors".into(), milliseconds(middle), spread, "");
    add(
        "HTTP requests of a delivery".into(),
        total(&requests),
        kinds(&requests),
        "one identities, one access_list",
    );
    add("  of the first one".into(), total(&first), kinds(&first), "");
    add("CPU of a delivery".into(), milliseconds(cpu), String::new(), "");
    add(
        "CPU when idle, each second".into(),
        format!("{:.1} ms", cpu_idle.as_secs_f64() * 1e3),
        String::new(),
        "",
    );
    let megabytes = |kilobytes: u64| format!("{:.1} MB", kilobytes as f64 / 1024.0);
    add("RSS idle, before the first delivery".into(), megabytes(idle), String::new(), "< 25 MB");
    add("  after the last".into(), megabytes(memory.now), String::new(), "< 25 MB");
    add("  private of it".into(), megabytes(memory.private), String::new(), "");
    add("  at its peak".into(), megabytes(memory.peak), String::new(), "");
    let what = format!("first values of {CHANNELS} channels (src/epics)");
    add(what, milliseconds(epics), String::new(), "");

    println!("{}", service::machine());
    println!(
        "{TIMES} deliveries, each: {RECIPIENTS} recipients, {HOSTS} SSH hosts, 2 directories, 2 messages \
         over SMTP; settle {SETTLE:?}.\nMiddle values; the spread is from the smallest to the largest.\n"
    );
    for line in table.lines() {
        println!("{}", line.trim_end());
    }
}

/// The middle, and from where to where.
fn summary(durations: &mut [Duration]) -> (Duration, String) {
    durations.sort();
    let ms = |n: usize| durations[n].as_secs_f64() * 1e3;
    (durations[durations.len() / 2], format!("{:.0} to {:.0}", ms(0), ms(durations.len() - 1)))
}

fn total(requests: &BTreeMap<String, u64>) -> String {
    requests.values().sum::<u64>().to_string()
}

fn kinds(requests: &BTreeMap<String, u64>) -> String {
    requests.iter().map(|(call, count)| format!("{count} {call}")).collect::<Vec<_>>().join(", ")
}

/// From the request for the channels to the last one's first value.
async fn first_values(context: &Context) -> Duration {
    let begin = Instant::now();
    let channels: Vec<Channel> =
        (0..CHANNELS).map(|n| context.channel(&format!("bench:{n}")).expect("a channel")).collect();
    for channel in &channels {
        while !matches!(channel.next().await, Event::Sample(_)) {}
    }
    begin.elapsed()
}

/// A status record, followed by its monitor.
struct Screen(Channel);

impl Screen {
    async fn new(context: &Context, record: Record) -> Screen {
        let channel = context
            .open(
                &format!("bench:Share:{record}"),
                ChannelOptions { enum_labels: true, ..ChannelOptions::default() },
            )
            .expect("a channel");
        channel.connected(LIMIT).await.expect("the IOC answers");
        Screen(channel)
    }

    /// Drops what has arrived so far.
    fn forget(&self) {
        use futures::FutureExt;
        while self.0.next().now_or_never().is_some() {}
    }

    /// Waits for this value; when it arrived.
    async fn until(&self, wanted: &str) -> Instant {
        let mut last = String::new();
        let arrived = async {
            loop {
                if let Event::Sample(sample) = self.0.next().await {
                    last = sample.value.to_string();
                    if last == format!("'{wanted}'") {
                        return Instant::now();
                    }
                }
            }
        };
        match tokio::time::timeout(LIMIT, arrived).await {
            Ok(instant) => instant,
            Err(_) => panic!("{} does not come to {wanted}; it reads {last}", self.0.name()),
        }
    }
}

/// The tagging tool.
struct Tool([TextChannel; 10]);

impl Tool {
    fn new(context: &Context) -> Tool {
        Tool(
            service::TOOL
                .map(|name| TextChannel::new(context, &format!("bench:TomoScan:{name}")).expect("a channel")),
        )
    }

    /// Puts the n-th group, one PV after the other; when the last put was taken.
    async fn tag(&self, n: usize) -> Instant {
        let values = [
            "Ana".to_owned(),
            format!("Garcia{}", char::from(b'a' + u8::try_from(n % 26).expect("a letter"))),
            "Universitat Pompeu Fabra".to_owned(),
            format!("ana{n}@upf.example"),
            format!("3012{n}"),
            format!("2026-03-01T08:00:{n:02}"),
            format!("7100{n}"),
            "Bone under load".to_owned(),
            "2026-03".to_owned(),
            format!("28987{n}"),
        ];
        for (channel, value) in self.0.iter().zip(&values) {
            channel.put(value, LIMIT).await.expect("the IOC takes the put");
        }
        Instant::now()
    }
}
