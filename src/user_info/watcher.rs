//! Rules 1 to 3: the user-info PVs are connected, have been quiet, and read the same by a fresh get.

use crate::domain::{Field, Reading, Readings};
use channel_access::{CaError, Context, Severity, Text, TextChannel, TextEvent};
use futures::stream::{self, BoxStream, SelectAll, StreamExt};
use futures::{FutureExt, future};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Limit for the fresh get of a PV that is connected.
const GET_LIMIT: Duration = Duration::from_secs(5);

/// How often settled PVs are read again at least: puts of the same value bring no monitor.
const LONGEST_RECHECK: Duration = Duration::from_secs(10);

/// What the user-info PVs are doing.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// Some PV can't be read: which, and what to do
    Waiting(String),
    /// All are connected; some changed a moment ago
    Settling,
    /// All are connected and quiet, and read the same by a fresh get
    Settled(Readings),
}

/// Watches the user-info PVs of a beamline until it is dropped.
pub struct Watcher {
    observation: watch::Receiver<Observation>,
    task: tokio::task::JoinHandle<()>,
}

impl Watcher {
    /// Connects to the PVs; `settle` is how long they must have been quiet.
    ///
    /// # Errors
    /// A name that can't be a PV's.
    pub fn start(context: &Context, pvs: &BTreeMap<Field, String>, settle: Duration) -> Result<Watcher, CaError> {
        let channels = pvs
            .iter()
            .map(|(field, pv)| Ok((*field, Arc::new(TextChannel::new(context, pv)?))))
            .collect::<Result<BTreeMap<_, _>, CaError>>()?;
        let state = State::new(channels);
        let (sender, observation) = watch::channel(Observation::Waiting(state.complaint().unwrap_or_default()));
        Ok(Watcher { observation, task: tokio::spawn(state.watch(settle, sender)) })
    }

    /// The observation as it is now, to be awaited for changes. Only the newest is kept: an older one must not be acted on.
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
pub async fn read_once(context: &Context, pvs: &BTreeMap<Field, String>, limit: Duration) -> Result<Readings, CaError> {
    let channels = pvs
        .iter()
        .map(|(field, pv)| Ok((*field, Arc::new(TextChannel::new(context, pv)?))))
        .collect::<Result<BTreeMap<_, _>, CaError>>()?;
    get_all(&channels, limit).await
}

async fn get_all(channels: &BTreeMap<Field, Arc<TextChannel>>, limit: Duration) -> Result<Readings, CaError> {
    let gets = channels.iter().map(|(field, channel)| async move { Ok((*field, reading(channel.get(limit).await?))) });
    Ok(Readings(future::try_join_all(gets).await?.into_iter().collect()))
}

fn reading(text: Text) -> Reading {
    Reading {
        text: text.text,
        time: text.timestamp.and_then(|time| Timestamp::try_from(time).ok()),
        invalid: text.severity == Severity::Invalid,
        possibly_cut: text.possibly_cut,
        time_before_boot: None,
    }
}

struct State {
    channels: BTreeMap<Field, Arc<TextChannel>>,
    events: SelectAll<BoxStream<'static, (Field, TextEvent)>>,
    readings: Readings,
    /// PVs whose IOC has gone since they were read
    lost: BTreeSet<Field>,
    /// What was found when an IOC came back: the time then, and the time before
    found_again: BTreeMap<Field, (Option<Timestamp>, Timestamp)>,
    /// The PVs that can't be read now, and why
    troubles: BTreeMap<Field, String>,
    /// When the last put was noticed, and its time by the IOC's clock
    last_put: Option<(Instant, Timestamp)>,
}

impl State {
    fn new(channels: BTreeMap<Field, Arc<TextChannel>>) -> State {
        let events = stream::select_all(channels.iter().map(|(field, channel)| {
            let field = *field;
            stream::unfold(channel.clone(), move |channel| async move {
                let event = channel.next().await;
                Some(((field, event), channel))
            })
            .boxed()
        }));
        let troubles = channels.iter().map(|(field, channel)| (*field, not_found(channel.name()))).collect();
        State {
            channels,
            events,
            readings: Readings::default(),
            lost: BTreeSet::new(),
            found_again: BTreeMap::new(),
            troubles,
            last_put: None,
        }
    }

    /// Which PV is waited for; `None` when all can be read.
    fn complaint(&self) -> Option<String> {
        let (field, trouble) = self.troubles.first_key_value()?;
        Some(match self.troubles.len() {
            1 => format!("Waiting for the {field} PV: {trouble}"),
            n => format!("Waiting for {n} of {} user-info PVs, the {field}: {trouble}", self.channels.len()),
        })
    }

    async fn watch(mut self, settle: Duration, observation: watch::Sender<Observation>) {
        let recheck = settle.clamp(Duration::from_secs(1), LONGEST_RECHECK);
        let mut next_check = Instant::now() + settle;
        loop {
            let readable = self.troubles.is_empty();
            let (settled, trouble) = tokio::select! {
                Some((field, event)) = self.events.next() => {
                    self.note(field, event);
                    next_check = Instant::now() + settle;
                    (false, None)
                }
                () = tokio::time::sleep_until(next_check), if readable => {
                    match self.confirm(settle).await {
                        Ok(Confirmed::Quiet) => {
                            next_check = Instant::now() + recheck;
                            (true, None)
                        }
                        Ok(Confirmed::QuietAt(then)) => {
                            next_check = then;
                            (false, None)
                        }
                        Err(error) => {
                            next_check = Instant::now() + settle;
                            (false, Some(error.to_string()))
                        }
                    }
                }
            };
            let now = match trouble.or_else(|| self.complaint()) {
                Some(complaint) => Observation::Waiting(complaint),
                None if settled => Observation::Settled(self.readings.clone()),
                None => Observation::Settling,
            };
            observation.send_if_modified(|before| {
                let modified = *before != now;
                *before = now;
                modified
            });
        }
    }

    fn note(&mut self, field: Field, event: TextEvent) {
        match event {
            TextEvent::Text(text) => {
                self.troubles.remove(&field);
                let mut reading = reading(text);
                if self.lost.remove(&field) {
                    self.find_again(field, &reading);
                }
                self.tell_boot(field, &mut reading);
                self.readings.0.insert(field, reading);
                self.last_put = newest(&self.readings).map(|time| (Instant::now(), time));
            }
            TextEvent::Connected(_) => {}
            TextEvent::Disconnected => {
                let name = self.channels.get(&field).map_or("", |channel| channel.name());
                self.troubles.insert(field, format!("the IOC of {name} has gone"));
                if self.readings.0.contains_key(&field) {
                    self.lost.insert(field);
                }
            }
            TextEvent::Unreadable(error) => {
                self.troubles.insert(field, error.to_string());
            }
        }
    }

    /// The first value after an IOC came back: a time that has moved meanwhile says nothing about who moved it.
    fn find_again(&mut self, field: Field, reading: &Reading) {
        let Some(before) = self.readings.0.get(&field) else { return };
        if before.time != reading.time {
            let before = before.time_before_boot.or(before.time).unwrap_or(Timestamp::MIN);
            self.found_again.insert(field, (reading.time, before));
        }
    }

    /// Marks a value that still is the one that was found when its IOC came back.
    fn tell_boot(&self, field: Field, reading: &mut Reading) {
        if let Some((_, before)) = self.found_again.get(&field).filter(|(found, _)| *found == reading.time) {
            reading.time_before_boot = Some(*before);
        }
    }

    /// Reads all PVs again, and works out whether they have been quiet.
    ///
    /// A put of the value that a record has already brings no monitor, but it moves the record's time: the get finds it, and
    /// by the distance to the last monitor's time, on the IOC's clock, how long ago it was.
    async fn confirm(&mut self, settle: Duration) -> Result<Confirmed, CaError> {
        let mut fresh = get_all(&self.channels, GET_LIMIT).await?;
        let now = Instant::now();
        // A PV's monitors and gets arrive in order, so a change that came before the get is in the queue by now.
        let mut noted = false;
        while let Some(Some((field, event))) = self.events.next().now_or_never() {
            self.note(field, event);
            noted = true;
        }
        if noted || !fresh.same_texts(&self.readings) {
            return Ok(Confirmed::QuietAt(now + settle));
        }
        if let (Some(newest), Some((seen, then))) = (newest(&fresh), self.last_put)
            && newest > then
        {
            let later = Duration::try_from(newest.duration_since(then)).unwrap_or_default();
            self.last_put = Some(((seen + later).min(now), newest));
        }
        for (field, reading) in &mut fresh.0 {
            self.tell_boot(*field, reading);
        }
        self.readings = fresh;
        let quiet_at = self.last_put.map_or(now, |(seen, _)| seen + settle);
        Ok(if quiet_at <= now { Confirmed::Quiet } else { Confirmed::QuietAt(quiet_at) })
    }
}

enum Confirmed {
    Quiet,
    /// Not yet: the earliest moment at which they can be
    QuietAt(Instant),
}

/// When the last of them was put, by the IOC's clock.
fn newest(readings: &Readings) -> Option<Timestamp> {
    readings.0.values().filter_map(|reading| reading.time).max()
}

fn not_found(pv: &str) -> String {
    format!("no IOC answers for {pv}; check its name, its IOC and EPICS_CA_ADDR_LIST")
}
