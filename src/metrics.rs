//! The metrics for Prometheus: the state of each beamline as numbers, without names, addresses or paths.

use crate::status::{BeamlineStatus, GroupStatus, Lease, Published, STEP_STATES, StatusModel};
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::AtomicU64;

/// The content type of [`text`].
pub const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

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

/// A number of a beamline: name, help, and its value; `None` where it is not known.
type Column = (&'static str, &'static str, fn(&StatusModel) -> Option<f64>);

const GAUGES: [Column; 10] = [
    ("running", "1 while a delivery runs (Run)", |model| Some(f64::from(u8::from(model.running)))),
    ("users_to_share", "People to share the data with (UsersTotal)", |model| {
        of_group(model, |group| group.users_total)
    }),
    ("users_shared", "People who have access (UsersShared)", |model| {
        of_group(model, |group| group.users_shared)
    }),
    ("emails_sent", "Messages of this experiment that the mail server took (EmailsSent)", |model| {
        of_group(model, |group| group.emails_sent)
    }),
    ("emails_failed", "Messages refused for good (EmailsFailed)", |model| {
        of_group(model, |group| group.emails_failed)
    }),
    ("last_duration_seconds", "Duration of the last delivery (LastDuration)", |model| {
        Some(model.last_run?.duration_s)
    }),
    ("sync_files", "Files moved by the running transfer (SyncFiles)", |model| {
        Some(model.data.as_ref()?.files as f64)
    }),
    ("sync_files_to_move", "Files to move (SyncFilesTotal)", |model| {
        Some(model.data.as_ref()?.files_total as f64)
    }),
    ("sync_bytes", "Bytes moved by the running transfer (SyncBytes)", |model| {
        Some(model.data.as_ref()?.bytes as f64)
    }),
    ("sync_faults", "Faults of the running transfer (SyncFaults)", |model| {
        Some(model.data.as_ref()?.faults as f64)
    }),
];

fn of_group(model: &StatusModel, number: fn(&GroupStatus) -> u32) -> Option<f64> {
    model.group.as_ref().map(|group| number(group).into())
}

/// A number that only grows: name, help, value.
type Total = (&'static str, &'static str, fn(&Published) -> u64);

const COUNTERS: [Total; 3] = [
    ("deliveries", "Deliveries since the installation (RunCount)", |published| published.status.deliveries),
    ("deliveries_failed", "Failed deliveries (ErrorCount)", |published| published.status.deliveries_failed),
    (
        "heartbeats",
        "Heartbeats, one a second while the service of the beamline works (Heartbeat)",
        |published| published.beats,
    ),
];

/// The metrics of these beamlines in the OpenMetrics text format.
///
/// Of a beamline that another process serves, only that is reported.
///
/// # Errors
/// None in practice: only those of writing a text to memory.
pub fn text(beamlines: &[Published]) -> Result<String, std::fmt::Error> {
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
    let gauges: Vec<Family<Beamline, Number>> =
        GAUGES.iter().map(|(name, help, _)| family(&mut registry, name, help)).collect();
    let counters: Vec<Family<Beamline, Counter>> =
        COUNTERS.iter().map(|(name, help, _)| family(&mut registry, name, help)).collect();

    for published in beamlines {
        let model = &published.status;
        let beamline = || model.beamline.clone();
        let name = || Beamline { beamline: beamline() };
        let held = published.lease == Lease::Held;
        lease.get_or_create(&name()).set(held.into());
        missing.get_or_create(&name()).set(i64::try_from(published.missing).unwrap_or(i64::MAX));
        if !held {
            continue;
        }
        for state in BeamlineStatus::ALL {
            let label = State { beamline: beamline(), state: state.to_string() };
            status.get_or_create(&label).set((state == model.status).into());
        }
        for entry in &model.steps {
            for (state, label) in STEP_STATES {
                let label =
                    StepState { beamline: beamline(), step: entry.step.to_string(), state: label.to_owned() };
                steps.get_or_create(&label).set((state == entry.status).into());
            }
        }
        if let Some(last) = &model.last_run {
            last_run.get_or_create(&name()).set(last.ended_at.as_duration().as_secs_f64());
        }
        for (family, (_, _, value)) in gauges.iter().zip(GAUGES) {
            if let Some(value) = value(model) {
                family.get_or_create(&name()).set(value);
            }
        }
        for (family, (_, _, value)) in counters.iter().zip(COUNTERS) {
            family.get_or_create(&name()).inc_by(value(published));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{STEPS, StepStatus};
    use crate::status::{DataStatus, LastRun, StepEntry};
    use jiff::Timestamp;
    use jiff::tz::TimeZone;
    use std::collections::BTreeSet;

    /// The names of the metrics of a beamline that has all of them.
    fn names() -> BTreeSet<String> {
        let steps = STEPS.iter().map(|rule| StepEntry {
            step: rule.step,
            status: StepStatus::Done,
            message: String::new(),
        });
        let status = StatusModel {
            group: Some(GroupStatus::default()),
            data: Some(DataStatus::default()),
            last_run: Some(LastRun { ended_at: Timestamp::UNIX_EPOCH, duration_s: 1.5 }),
            steps: steps.collect(),
            ..StatusModel::new("2-BM", "2bmb:Share:", TimeZone::UTC)
        };
        let text = text(&[Published { lease: Lease::Held, ..Published::new(status) }]).unwrap();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        samples.map(|line| line.split(['{', ' ']).next().unwrap().to_owned()).collect()
    }

    /// The words of a text that begin as metrics do.
    fn used(text: &str) -> BTreeSet<String> {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        words.filter(|word| word.starts_with("beamshare_")).map(str::to_owned).collect()
    }

    #[test]
    fn the_alert_rules_and_the_dashboard_use_metrics_that_exist() {
        let names = names();
        for (file, text, at_least) in [
            ("beamshare.rules.yml", include_str!("../packaging/prometheus/beamshare.rules.yml"), 9),
            ("beamshare.json", include_str!("../packaging/grafana/beamshare.json"), 16),
        ] {
            let used = used(text);
            let unknown: Vec<_> = used.difference(&names).collect();
            assert!(unknown.is_empty(), "{file} uses {unknown:?}; there are {names:?}");
            assert!(used.len() >= at_least, "{file} uses only {used:?}");
        }
        let dashboard = used(include_str!("../packaging/grafana/beamshare.json"));
        let unshown: Vec<_> = names.difference(&dashboard).collect();
        assert!(unshown.is_empty(), "the dashboard does not show {unshown:?}");
    }

    #[test]
    fn states_in_alerts_and_the_dashboard_exist() {
        let states: BTreeSet<String> = BeamlineStatus::ALL.iter().map(ToString::to_string).collect();
        for text in [
            include_str!("../packaging/prometheus/beamshare.rules.yml"),
            include_str!("../packaging/grafana/beamshare.json"),
        ] {
            let text = text.replace("\\\"", "\"");
            for (at, _) in text.match_indices("beamshare_status{") {
                let labels = text[at..].split('}').next().unwrap();
                if let Some((_, state)) = labels.split_once("state=\"") {
                    assert!(states.contains(state.split('"').next().unwrap()), "{labels}");
                }
            }
        }
    }
}
