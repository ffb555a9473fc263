//! The newest log lines in memory, for the page of a delivery.

use super::escape;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{DefaultFields, Writer};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Lines kept, of all beamlines together.
const LINES_KEPT: usize = 5000;

/// The longest line kept, in characters; the rest is cut.
const LINE_MAX: usize = 2000;

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// When it was written
    pub time: Timestamp,
    /// `INFO`, `WARN`, `ERROR`, `DEBUG` or `TRACE`
    pub level: String,
    /// The beamline and the experiment that it is about; empty where it is about none
    #[serde(skip)]
    pub about: (String, String),
    /// The text, escaped
    pub text: String,
}

static RECENT: Mutex<VecDeque<LogLine>> = Mutex::new(VecDeque::new());

/// The lines about an experiment of a beamline between two times, oldest first. Only this process's own lines
/// are known, and of those the newest.
pub fn lines_about(beamline: &str, experiment: &str, from: Timestamp, to: Timestamp) -> Vec<LogLine> {
    let recent = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
    let matches = |line: &&LogLine| {
        (from..=to).contains(&line.time) && line.about.0 == beamline && line.about.1 == experiment
    };
    recent.iter().filter(matches).cloned().collect()
}

/// Keeps the newest lines.
pub(super) struct Recent;

/// The fields of a span that tell what its lines are about.
#[derive(Default)]
struct About {
    beamline: Option<String>,
    experiment: Option<String>,
}

impl Visit for About {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "beamline" => self.beamline = Some(value.to_owned()),
            "experiment" => self.experiment = Some(value.to_owned()),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recent {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut about = About::default();
        attributes.record(&mut about);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(about);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut of_event = About::default();
        event.record(&mut of_event);
        let (mut beamline, mut experiment) = (of_event.beamline, of_event.experiment);
        // From the innermost span outwards.
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(about) = span.extensions().get::<About>() {
                beamline = beamline.or_else(|| about.beamline.clone());
                experiment = experiment.or_else(|| about.experiment.clone());
            }
        }
        let mut text = String::new();
        if DefaultFields::new().format_fields(Writer::new(&mut text), event).is_err() {
            return;
        }
        let line = LogLine {
            time: Timestamp::now(),
            level: event.metadata().level().to_string(),
            about: (beamline.unwrap_or_default(), experiment.unwrap_or_default()),
            text: escape(&text).chars().take(LINE_MAX).collect(),
        };
        let mut recent = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == LINES_KEPT {
            recent.pop_front();
        }
        recent.push_back(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn lines_are_found_by_what_they_are_about() {
        let start = Timestamp::now();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(Recent), || {
            let _beamline = tracing::info_span!("beamline", beamline = "2-BM").entered();
            tracing::info!("about the beamline");
            tracing::info_span!("delivery", experiment = "2026-03/Li").in_scope(|| {
                tracing::warn!(host = "detector", "no\nanswer \u{202e}");
            });
            tracing::info!(experiment = "2026-03/Li", "named by the event");
        });
        let lines = |experiment, from| lines_about("2-BM", experiment, from, Timestamp::MAX);
        let texts: Vec<_> =
            lines("2026-03/Li", start).into_iter().map(|line| (line.level, line.text)).collect();
        assert_eq!(texts[0], ("WARN".to_owned(), r#"no\nanswer \u{202e} host="detector""#.to_owned()));
        assert!(texts[1].1.starts_with("named by the event"), "{texts:?}");
        assert_eq!(texts.len(), 2);
        assert_eq!(lines("", start)[0].text, "about the beamline");
        assert_eq!(lines("2026-03/Li", Timestamp::now()), []);
        assert_eq!(lines_about("32-ID", "2026-03/Li", start, Timestamp::MAX), []);
    }

    #[test]
    fn old_and_long_lines_are_cut() {
        let start = Timestamp::now();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(Recent), || {
            for number in 0..=LINES_KEPT {
                tracing::info!(beamline = "flood", experiment = "x", "{number} {}", "y".repeat(3000));
            }
        });
        let lines = lines_about("flood", "x", start, Timestamp::MAX);
        assert!(lines.len() <= LINES_KEPT && !lines[0].text.starts_with("0 "));
        assert!(lines.iter().all(|line| line.text.chars().count() == LINE_MAX));
    }
}
