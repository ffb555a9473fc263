//! A Prometheus endpoint: what the status records say, for who watches many beamlines at once.
//!
//! The numbers are taken from the [`StatusRecords`] at each scrape, so they can't differ from the records.
//! Nobody's name, address or path is among them.

use crate::status::{BeamlineStatus, Lease, Record, STEP_STATES, StatusRecords};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What a scrape is answered with.
const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How long a client may take to say what it wants.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);

/// Scrapes at one time; more wait.
const MOST_CONNECTIONS: usize = 16;

/// What is told of a beamline.
#[derive(Clone)]
pub struct Facts {
    /// Its name, the label `beamline`
    pub beamline: String,
    /// Its records
    pub records: StatusRecords,
    /// When the last delivery ended
    pub last_run: Option<Timestamp>,
    /// `[metrics] listen`, as it is now
    pub listen: Option<SocketAddr>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Beamline {
    beamline: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct State {
    beamline: String,
    state: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StepState {
    beamline: String,
    step: String,
    state: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Build {
    version: String,
}

type Number = Gauge<f64, AtomicU64>;

const STEPS: [(Record, &str); 5] = [
    (Record::DirsSts, "dirs"),
    (Record::GlobusSts, "globus"),
    (Record::ShareSts, "share"),
    (Record::EmailSts, "email"),
    (Record::SyncSts, "sync"),
];

/// Numbers that are what their record says: name, help, record, unit.
const NUMBERS: [(&str, &str, Record); 10] = [
    ("running", "1 while a delivery runs (Run)", Record::Run),
    ("users_to_share", "People to share the data with (UsersTotal)", Record::UsersTotal),
    ("users_shared", "People who have access (UsersShared)", Record::UsersShared),
    (
        "emails_sent",
        "Messages that the mail server took for this experiment (EmailsSent)",
        Record::EmailsSent,
    ),
    ("emails_failed", "Messages refused for good (EmailsFailed)", Record::EmailsFailed),
    ("last_duration_seconds", "Duration of the last delivery (LastDuration)", Record::LastDuration),
    ("sync_files", "Files moved by the running transfer (SyncFiles)", Record::SyncFiles),
    ("sync_files_to_move", "Files to move (SyncFilesTotal)", Record::SyncFilesTotal),
    ("sync_bytes", "Bytes moved by the running transfer (SyncBytes)", Record::SyncBytes),
    ("sync_faults", "Faults of the running transfer (SyncFaults)", Record::SyncFaults),
];

/// What only grows.
const COUNTERS: [(&str, &str, Record); 3] = [
    ("deliveries", "Deliveries since the installation (RunCount)", Record::RunCount),
    ("deliveries_failed", "Failed deliveries (ErrorCount)", Record::ErrorCount),
    ("heartbeats", "Beats of the heart, one a second while beamshare lives (Heartbeat)", Record::Heartbeat),
];

/// The numbers of these beamlines, in the OpenMetrics text format.
///
/// Of a beamline that another beamshare serves, only that is told.
///
/// # Errors
/// None in practice: only what a text in memory can refuse.
pub fn text(beamlines: &[Facts]) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix("beamshare");
    let build: Family<Build, Gauge> = family(&mut registry, "build_info", "Version of beamshare");
    build.get_or_create(&Build { version: env!("CARGO_PKG_VERSION").to_owned() }).set(1);
    let lease: Family<Beamline, Gauge> = family(
        &mut registry,
        "lease_held",
        "1 where this beamshare serves the records, 0 where it stands by",
    );
    let missing: Family<Beamline, Gauge> =
        family(&mut registry, "records_missing", "Status records that no IOC serves at present");
    let status: Family<State, Gauge> = family(&mut registry, "status", "1 for the state that Status says");
    let steps: Family<StepState, Gauge> =
        family(&mut registry, "step_status", "1 for the state of each step");
    let last_run: Family<Beamline, Number> = Family::default();
    registry.register_with_unit(
        "last_run",
        "When the last delivery ended (LastRun)",
        Unit::Seconds,
        last_run.clone(),
    );
    let numbers: Vec<Family<Beamline, Number>> =
        NUMBERS.iter().map(|(name, help, _)| family(&mut registry, name, help)).collect();
    let counters: Vec<Family<Beamline, Counter>> =
        COUNTERS.iter().map(|(name, help, _)| family(&mut registry, name, help)).collect();

    for facts in beamlines {
        let name = || Beamline { beamline: facts.beamline.clone() };
        let held = *facts.records.lease().borrow() == Lease::Held;
        lease.get_or_create(&name()).set(held.into());
        missing.get_or_create(&name()).set(i64::try_from(facts.records.missing().len()).unwrap_or(i64::MAX));
        if !held {
            continue;
        }
        let number = |record| facts.records.number(record);
        if let Some(now) = number(Record::Status) {
            for state in BeamlineStatus::ALL {
                let label = State { beamline: facts.beamline.clone(), state: state.to_string() };
                status.get_or_create(&label).set((f64::from(state as u16) == now).into());
            }
        }
        for (record, step) in STEPS {
            let Some(now) = number(record) else { continue };
            for (index, (_, state)) in STEP_STATES.iter().enumerate() {
                let (beamline, step, state) = (facts.beamline.clone(), step.to_owned(), (*state).to_owned());
                steps.get_or_create(&StepState { beamline, step, state }).set((index as f64 == now).into());
            }
        }
        if let Some(ended) = facts.last_run {
            last_run.get_or_create(&name()).set(ended.as_duration().as_secs_f64());
        }
        for (family, (_, _, record)) in numbers.iter().zip(NUMBERS) {
            if let Some(now) = number(record) {
                family.get_or_create(&name()).set(now);
            }
        }
        for (family, (_, _, record)) in counters.iter().zip(COUNTERS) {
            if let Some(now) = number(record) {
                family.get_or_create(&name()).inc_by(now as u64);
            }
        }
    }
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

fn family<L, M>(registry: &mut Registry, name: &str, help: &str) -> Family<L, M>
where
    L: Clone + std::fmt::Debug + std::hash::Hash + Eq + EncodeLabelSet + Send + Sync + 'static,
    M: Default + std::fmt::Debug + EncodeMetric + TypedMetric + Send + Sync + 'static,
{
    let family = Family::default();
    registry.register(name, help, family.clone());
    family
}

/// Answers scrapes at the addresses that the beamlines' settings name now, until it is dropped. Metrics are
/// less important than deliveries: where an address can't be used, that is logged and the rest goes on.
pub async fn serve_all(mut beamlines: Vec<watch::Receiver<Facts>>) {
    let mut endpoints: BTreeMap<SocketAddr, (Vec<usize>, JoinSet<()>)> = BTreeMap::new();
    loop {
        let mut wanted: BTreeMap<SocketAddr, Vec<usize>> = BTreeMap::new();
        for (number, facts) in beamlines.iter_mut().enumerate() {
            if let Some(listen) = facts.borrow_and_update().listen {
                wanted.entry(listen).or_default().push(number);
            }
        }
        let stale = |listen: &SocketAddr, whose: &Vec<usize>| wanted.get(listen) != Some(whose);
        for (_, (_, mut endpoint)) in endpoints.extract_if(.., |listen, (whose, _)| stale(listen, whose)) {
            // Its address is free when it has ended.
            endpoint.shutdown().await;
        }
        for (listen, whose) in wanted {
            endpoints.entry(listen).or_insert_with(|| {
                let facts = whose.iter().map(|number| beamlines[*number].clone()).collect();
                let mut endpoint = JoinSet::new();
                endpoint.spawn(serve_or_log(listen, facts));
                (whose, endpoint)
            });
        }
        let changes = beamlines.iter_mut().map(|facts| Box::pin(facts.changed()));
        // An error is a beamline that has ended, and all end together.
        if futures::future::select_all(changes).await.0.is_err() {
            return;
        }
    }
}

async fn serve_or_log(listen: SocketAddr, facts: Vec<watch::Receiver<Facts>>) {
    if let Err(error) = serve(listen, facts).await {
        tracing::error!("no metrics at {listen}: {error}; give [metrics] listen another address");
    }
}

/// Answers scrapes of `http://LISTEN/metrics` until it is dropped.
///
/// # Errors
/// The address can't be listened on.
async fn serve(listen: SocketAddr, beamlines: Vec<watch::Receiver<Facts>>) -> std::io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    tracing::info!("metrics at http://{}/metrics", listener.local_addr()?);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MOST_CONNECTIONS => match accepted {
                Ok((stream, _)) => drop(connections.spawn(answer(stream, beamlines.clone()))),
                Err(error) => {
                    // Of one connection, or too many open files: nothing to end for.
                    tracing::debug!("a scrape was not accepted: {error}");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One request, of a client that may be slow or silent.
async fn answer(stream: TcpStream, beamlines: Vec<watch::Receiver<Facts>>) {
    let service = service_fn(async |request: Request<Incoming>| {
        let facts: Vec<Facts> = beamlines.iter().map(|beamline| beamline.borrow().clone()).collect();
        let (status, body) = match (request.uri().path(), text(&facts)) {
            ("/metrics", Ok(text)) => (StatusCode::OK, text),
            ("/metrics", Err(error)) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
            _ => (StatusCode::NOT_FOUND, "beamshare's metrics are at /metrics\n".to_owned()),
        };
        let format = if status == StatusCode::OK { FORMAT } else { "text/plain; charset=utf-8" };
        Response::builder().status(status).header(CONTENT_TYPE, format).body(Full::new(Bytes::from(body)))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_LIMIT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(REQUEST_LIMIT * 2, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!("a scrape failed: {error}"),
        Err(_) => tracing::debug!("a scrape took too long"),
    }
}
