//! Where `tracing`'s lines go: to the terminal (standard error, so that results can be piped), and to a file
//! a day.
//!
//! A line says when, how serious, and in which beamline, experiment and step: these come from the spans
//! around it, so no call has to repeat them. Secrets can't get here: their types don't print them. Texts of
//! others (PVs, file names, servers' replies) are escaped here, so that they can't add a line or control a
//! terminal.

mod recent;

pub use recent::{LogLine, lines_about};

use crate::config;
use crate::domain::{escape, escape_json};
use crate::files::check_own_folder;
use std::fmt;
use std::io::IsTerminal;
use std::path::PathBuf;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_appender::non_blocking::WorkerGuard;
use tracing_appender::rolling::{InitError, Rotation};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::{DefaultFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// Daily files kept; older ones are removed.
const FILES_KEPT: usize = 90;

/// Writes what is still under way when it is dropped: hold it until the program ends.
#[must_use]
pub struct LogGuard {
    _file: Option<WorkerGuard>,
}

/// Why no log can be kept.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is none
    #[error("{filter:?} is no log filter like \"info\" or \"info,beamshare=debug\": {reason}")]
    Filter {
        /// As it was given
        filter: String,
        /// What is wrong with it
        reason: String,
    },
    /// The folder can't be written
    #[error("can't keep a log in {}: {source}; make the folder writable, or change [log] \
             folder", folder.display())]
    Folder {
        /// The folder
        folder: PathBuf,
        /// What came back
        source: InitError,
    },
    /// Others could put links in the place of the log's files
    #[error("can't keep a log in {}: it {source}", folder.display())]
    Exposed {
        /// The folder
        folder: PathBuf,
        /// What is wrong with it
        source: std::io::Error,
    },
    /// There is one already in this process
    #[error("the log was started twice: {0}")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Starts the log of this process. `level` stands above the configuration's; without either it is `info`.
///
/// # Errors
/// A filter that is none, a folder that can't be written.
pub fn start(settings: &config::Log, level: Option<&str>) -> Result<LogGuard, LogError> {
    let filter = level.or(settings.level.as_deref()).unwrap_or("info");
    let filter = config::log_filter(filter)
        .map_err(|reason| LogError::Filter { filter: filter.to_owned(), reason })?;
    let colours =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let terminal = lines(settings.json, colours, std::io::stderr);
    let (file, guard) = match &settings.folder {
        None => (None, None),
        Some(folder) => {
            if folder.exists() {
                let exposed = |source| LogError::Exposed { folder: folder.clone(), source };
                check_own_folder(folder).map_err(|error| exposed(error.into()))?;
            }
            let appender = tracing_appender::rolling::Builder::new()
                .rotation(Rotation::DAILY)
                .filename_prefix("beamshare")
                .filename_suffix("log")
                .max_log_files(FILES_KEPT)
                .build(folder)
                .map_err(|source| LogError::Folder { folder: folder.clone(), source })?;
            let (writer, guard) = tracing_appender::non_blocking(appender);
            (Some(lines(settings.json, false, writer)), Some(guard))
        }
    };
    tracing_subscriber::registry().with(terminal).with(file).with(recent::Recent).with(filter).try_init()?;
    Ok(LogGuard { _file: guard })
}

/// A layer that writes a line an event, for people or as JSON.
fn lines<S, W>(json: bool, colours: bool, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_ansi(colours).with_writer(writer);
    if json {
        let layer = layer.json().flatten_event(true).with_current_span(false).with_span_list(true);
        layer.map_event_format(JsonLine).boxed()
    } else {
        layer.fmt_fields(SpanFields).event_format(Line).boxed()
    }
}

/// `2026-03-02 09:14:07.250 INFO  2-BM 2026-03/Li dirs: made  host=detector`
struct Line;

impl<S> FormatEvent<S, SpanFields> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, SpanFields>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = *event.metadata().level();
        let (dim, bold, colour, off) = if line.has_ansi_escapes() {
            ("\x1b[2m", "\x1b[1m", colour_of(level), "\x1b[0m")
        } else {
            ("", "", "", "")
        };
        let now = jiff::ZonedDateTime::now().strftime("%Y-%m-%d %H:%M:%S%.3f");
        write!(line, "{dim}{now}{off} {colour}{level:<5}{off} ")?;
        let spans = context.event_scope().into_iter().flat_map(|scope| scope.from_root());
        let mut where_we_are = String::new();
        for span in spans {
            if let Some(fields) = span.extensions().get::<FormattedFields<SpanFields>>()
                && !fields.is_empty()
            {
                let blank = if where_we_are.is_empty() { "" } else { " " };
                where_we_are += &format!("{blank}{fields}");
            }
        }
        if !where_we_are.is_empty() {
            write!(line, "{bold}{where_we_are}{off}: ")?;
        }
        // Our own lines explain themselves; of a library's it matters whose they are.
        let target = event.metadata().target();
        if !target.starts_with("beamshare") {
            write!(line, "{dim}{target}:{off} ")?;
        }
        let mut fields = String::new();
        DefaultFields::new().format_fields(Writer::new(&mut fields), event)?;
        writeln!(line, "{}", escape(&fields))
    }
}

/// A JSON object a line, without invisible characters.
struct JsonLine<F>(F);

impl<S, N, F> FormatEvent<S, N> for JsonLine<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut document = String::new();
        self.0.format_event(context, Writer::new(&mut document), event)?;
        line.write_str(&escape_json(&document))
    }
}

fn colour_of(level: tracing::Level) -> &'static str {
    match level {
        tracing::Level::ERROR => "\x1b[31m",
        tracing::Level::WARN => "\x1b[33m",
        tracing::Level::INFO => "\x1b[32m",
        _ => "\x1b[34m",
    }
}

/// Of spans: `beamline`, `experiment` and `step` as they are, other fields with their names.
struct SpanFields;

impl<'w> FormatFields<'w> for SpanFields {
    fn format_fields<R: tracing_subscriber::field::RecordFields>(
        &self,
        writer: Writer<'w>,
        fields: R,
    ) -> fmt::Result {
        let mut values = SpanValues { writer, first: true, result: Ok(()) };
        fields.record(&mut values);
        values.result
    }
}

struct SpanValues<'w> {
    writer: Writer<'w>,
    first: bool,
    result: fmt::Result,
}

impl SpanValues<'_> {
    fn write(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let blank = if std::mem::take(&mut self.first) { "" } else { " " };
        self.result = self.result.and_then(|()| match field.name() {
            "beamline" | "experiment" | "step" => write!(self.writer, "{blank}{value}"),
            name => write!(self.writer, "{blank}{name}={value}"),
        });
    }
}

impl Visit for SpanValues<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.write(field, format_args!("{}", escape(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.write(field, format_args!("{}", escape(&format!("{value:?}"))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn log(json: bool) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = tracing_subscriber::registry().with(lines(json, false, move || writer.clone()));
        tracing::subscriber::with_default(subscriber, || {
            let beamline = tracing::info_span!("beamline", beamline = "2-BM").entered();
            let experiment = tracing::info_span!("delivery", experiment = %"2026-03/Li\x1b[2J", number = 7);
            let step = tracing::info_span!(parent: &experiment, "step", step = "dirs");
            step.in_scope(|| tracing::warn!(host = "detector", "no answer"));
            drop(beamline);
            tracing::info!("started");
        });
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_says_where_it_is_from() {
        let log = log(false);
        let lines: Vec<&str> = log.lines().collect();
        assert!(
            lines[0].ends_with(r#" WARN  2-BM 2026-03/Li\u{1b}[2J number=7 dirs: no answer host="detector""#),
            "{log}"
        );
        assert!(lines[1].ends_with(" INFO  started"), "{log}");
        let time = lines[0].get(..19).unwrap();
        assert!(jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", time).is_ok(), "{time}");
    }

    #[test]
    fn texts_of_others_add_no_line_and_hide_nothing() {
        for json in [false, true] {
            let kept = Kept::default();
            let writer = kept.clone();
            let subscriber = tracing_subscriber::registry().with(lines(json, false, move || writer.clone()));
            tracing::subscriber::with_default(subscriber, || {
                let name = "scan\n2026-03-02 09:14:07.250 INFO  shared\u{1b}[2J\u{9b}2J\u{202e}5h";
                let span = tracing::info_span!("delivery", experiment = name, path = %name, debug = ?name);
                span.in_scope(|| tracing::warn!(name, display = %name, debug = ?name, "{name} is not sent"));
            });
            let log = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
            assert_eq!(log.lines().count(), 1, "{log}");
            let hidden = |c: char| c != '\n' && (c.is_control() || crate::domain::is_invisible(c));
            assert!(!log.contains(hidden), "{log:?}");
        }
    }

    #[test]
    fn json_says_the_same() {
        let log = log(true);
        let line: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
        assert_eq!(
            (&line["level"], &line["message"], &line["host"]),
            (&"WARN".into(), &"no answer".into(), &"detector".into())
        );
        let spans = line["spans"].as_array().unwrap();
        let said = |key: &str| spans.iter().find_map(|span| span.get(key).and_then(|value| value.as_str()));
        assert_eq!((said("beamline"), said("step")), (Some("2-BM"), Some("dirs")));
    }
}
