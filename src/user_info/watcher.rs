//! Rules 1 to 3: the user-info PVs are connected, have been quiet, and read the same by a fresh get.

use super::observer::{Observer, Source};
use crate::config::Rules;
use crate::domain::decision::{Gap, Watched};
use crate::domain::{Field, Reading, Readings};
use channel_access::{CaError, Context, Severity, Text, TextChannel, TextEvent};
use futures::stream::{self, AbortHandle, BoxStream, SelectAll, StreamExt};
use futures::{FutureExt, future};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Limit for the fresh get of a PV that is connected.
const GET_LIMIT: Duration = Duration::from_secs(5);

/// How often settled PVs are read again at least: puts of the same value may post no monitor.
const LONGEST_RECHECK: Duration = Duration::from_secs(10);

/// While a tool puts, the PVs are read again in each pause of this length, and at least every second.
const PAUSE: Duration = Duration::from_millis(250);
const READ_EVERY: Duration = Duration::from_secs(1);

/// How long a monitor may be later than a get that reads another text.
const MONITOR_LIMIT: Duration = Duration::from_secs(3);

/// A delay of this task beyond which monitors may have been lost.
const STALL: Duration = Duration::from_secs(5);

/// The state of the user-info PVs.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// Some PV can't be read: which, and what to do
    Waiting(String),
    /// All are connected; some were put a moment ago
    Settling(Watched),
    /// All are connected and quiet, and read the same by a fresh get
    Settled(Watched),
}

/// Watches the user-info PVs of a beamline until it is dropped.
pub struct Watcher {
    observation: watch::Receiver<Observation>,
    task: tokio::task::JoinHandle<()>,
}

impl Watcher {
    /// Connects to the PVs. `earlier` is what the journal kept of them: where nothing was put since, it is
    /// continued.
    ///
    /// # Errors
    /// A name that can't be a PV's.
    pub fn start(
        context: &Context,
        pvs: &BTreeMap<Field, String>,
        rules: &Rules,
        earlier: Option<Watched>,
    ) -> Result<Watcher, CaError> {
        let observer = Observer::new(pvs.keys().copied().collect(), earlier);
        let state = State {
            monitors: Monitors::new(context, pvs)?,
            observer,
            troubles: pvs.iter().map(|(field, pv)| (*field, not_found(pv))).collect(),
            settle: rules.settle,
            run_limit: rules.run_limit(),
        };
        let (sender, observation) =
            watch::channel(Observation::Waiting(state.complaint().unwrap_or_default()));
        Ok(Watcher { observation, task: tokio::spawn(state.watch(sender)) })
    }

    /// The observation as it is now, to be awaited for changes. Only the newest is kept: an older one must
    /// not be acted on.
    pub fn observation(&mut self) -> &mut watch::Receiver<Observation> {
        &mut self.observation
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads all PVs once, without waiting for them to be quiet: for commands that a person gives.
///
/// # Errors
/// The first PV that can't be read within `limit`.
pub async fn read_once(
    context: &Context,
    pvs: &BTreeMap<Field, String>,
    limit: Duration,
) -> Result<Readings, CaError> {
    let channel = |(field, pv): (&Field, &String)| Ok((*field, Arc::new(TextChannel::new(context, pv)?)));
    get_all(&pvs.iter().map(channel).collect::<Result<Vec<_>, CaError>>()?, limit).await
}

async fn get_all(channels: &[(Field, Arc<TextChannel>)], limit: Duration) -> Result<Readings, CaError> {
    let gets = channels
        .iter()
        .map(|(field, channel)| async move { Ok((*field, reading(channel.get(limit).await?))) });
    Ok(Readings(future::try_join_all(gets).await?.into_iter().collect()))
}

fn reading(text: Text) -> Reading {
    Reading {
        text: text.text,
        time: text.timestamp.and_then(|time| Timestamp::try_from(time).ok()),
        invalid: text.severity == Severity::Invalid,
        possibly_cut: text.possibly_cut,
    }
}

/// The channels of the PVs, and their events in the order in which they arrived.
struct Monitors {
    context: Context,
    channels: BTreeMap<Field, (Arc<TextChannel>, AbortHandle)>,
    events: SelectAll<BoxStream<'static, (Field, TextEvent)>>,
}

impl Monitors {
    fn new(context: &Context, pvs: &BTreeMap<Field, String>) -> Result<Monitors, CaError> {
        let mut monitors =
            Monitors { context: context.clone(), channels: BTreeMap::new(), events: SelectAll::new() };
        for (field, pv) in pvs {
            monitors.subscribe(*field, pv)?;
        }
        Ok(monitors)
    }

    /// Subscribes to the PV; a former subscription ends.
    fn subscribe(&mut self, field: Field, pv: &str) -> Result<(), CaError> {
        let channel = Arc::new(TextChannel::new(&self.context, pv)?);
        let events = stream::unfold(channel.clone(), move |channel| async move {
            let event = channel.next().await;
            Some(((field, event), channel))
        });
        let (events, handle) = stream::abortable(events);
        if let Some((_, former)) = self.channels.insert(field, (channel, handle)) {
            former.abort();
        }
        self.events.push(events.boxed());
        Ok(())
    }

    fn name(&self, field: Field) -> String {
        self.channels.get(&field).map(|(channel, _)| channel.name().to_owned()).unwrap_or_default()
    }

    /// The IOC of the PV, as host and port.
    fn host(&self, field: Field) -> String {
        let connection = self.channels.get(&field).and_then(|(channel, _)| channel.connection());
        connection.map(|connection| connection.host).unwrap_or_default()
    }

    fn channels(&self) -> Vec<(Field, Arc<TextChannel>)> {
        self.channels.iter().map(|(field, (channel, _))| (*field, channel.clone())).collect()
    }
}

struct State {
    monitors: Monitors,
    observer: Observer,
    /// The PVs that can't be read now, and why
    troubles: BTreeMap<Field, String>,
    settle: Duration,
    run_limit: Duration,
}

impl State {
    /// Which PV is waited for; `None` when all can be read.
    fn complaint(&self) -> Option<String> {
        let (field, trouble) = self.troubles.first_key_value()?;
        Some(match self.troubles.len() {
            1 => format!("Waiting for the {field} PV: {trouble}"),
            n => format!(
                "Waiting for {n} of {} user-info PVs, the {field}: {trouble}",
                self.monitors.channels.len()
            ),
        })
    }

    async fn watch(mut self, observation: watch::Sender<Observation>) {
        let recheck = self.settle.clamp(Duration::from_secs(1), LONGEST_RECHECK);
        let (mut last_check, mut next_check) = (Instant::now(), Instant::now() + PAUSE);
        loop {
            let (settled, trouble) = tokio::select! {
                Some((field, event)) = self.monitors.events.next() => {
                    self.observe_stall(next_check);
                    self.note(field, event);
                    next_check = (Instant::now() + PAUSE).min(last_check.max(Instant::now() - READ_EVERY) + READ_EVERY);
                    (false, None)
                }
                () = tokio::time::sleep_until(next_check) => {
                    self.observe_stall(next_check);
                    let checked = if self.troubles.is_empty() { self.check().await } else { Ok(None) };
                    last_check = Instant::now();
                    let (wait, result) = match checked {
                        Ok(None) => (recheck, (true, None)),
                        Ok(Some(wait)) => (wait.clamp(PAUSE, READ_EVERY), (false, None)),
                        Err(error) => (READ_EVERY, (false, Some(error.to_string()))),
                    };
                    next_check = last_check + wait;
                    result
                }
            };
            let now = match (trouble.or_else(|| self.complaint()), self.observer.watched()) {
                (Some(complaint), _) => Observation::Waiting(complaint),
                (None, Some(watched)) if settled => Observation::Settled(watched),
                (None, Some(watched)) => Observation::Settling(watched),
                (None, None) => Observation::Waiting("Reading the user-info PVs".to_owned()),
            };
            observation.send_if_modified(|before| {
                let modified = *before != now;
                *before = now;
                modified
            });
        }
    }

    /// Where this task did not run in time, monitors may have been lost.
    fn observe_stall(&mut self, expected: Instant) {
        if Instant::now().saturating_duration_since(expected) > STALL {
            self.observer.gap(Gap::Stalled);
        }
    }

    fn note(&mut self, field: Field, event: TextEvent) {
        match event {
            TextEvent::Text(text) => {
                self.troubles.remove(&field);
                self.observer.read(field, reading(text), &self.monitors.host(field), Source::Monitor);
            }
            // A text usually follows, but some servers send none after they were frozen: then a get reads it.
            TextEvent::Connected(_) => drop(self.troubles.remove(&field)),
            TextEvent::Disconnected => {
                let name = self.monitors.name(field);
                self.troubles.insert(field, format!("the IOC of {name} is disconnected"));
                self.observer.disconnected(field);
            }
            TextEvent::TextsLost => self.observer.gap(Gap::MonitorsLost),
            TextEvent::Unreadable(error) => drop(self.troubles.insert(field, error.to_string())),
        }
    }

    /// Reads all PVs again. `None`: they have been quiet; otherwise how long to wait until they can be.
    ///
    /// A put of the value that a record already holds may post no monitor, but it changes the record's time:
    /// the get finds it.
    async fn check(&mut self) -> Result<Option<Duration>, CaError> {
        let fresh = get_all(&self.monitors.channels(), GET_LIMIT).await?;
        // Monitors that came before the get are in the queue by now.
        while let Some(Some((field, event))) = self.monitors.events.next().now_or_never() {
            self.note(field, event);
        }
        let mut news = !self.troubles.is_empty();
        for (field, reading) in fresh.0 {
            news |= self.observer.read(field, reading, &self.monitors.host(field), Source::Get);
        }
        for field in self.observer.without_monitor(MONITOR_LIMIT) {
            let pv = self.monitors.name(field);
            tracing::warn!("{pv} reads a text for which its IOC has sent no monitor; subscribing again");
            self.monitors.subscribe(field, &pv)?;
            self.observer.gap(Gap::MonitorsLost);
        }
        if news {
            return Ok(Some(PAUSE));
        }
        self.observer.rest_after(self.run_limit);
        let quiet = SignedDuration::try_from(self.settle).unwrap_or(SignedDuration::MAX);
        Ok(self.observer.quiet_in(quiet))
    }
}

fn not_found(pv: &str) -> String {
    format!("no IOC answers for {pv}; check its name, its IOC and EPICS_CA_ADDR_LIST")
}
