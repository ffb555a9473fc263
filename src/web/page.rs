//! The pages as HTML.

use super::Source;
use super::history::HistoryRow;
use super::view::Card;
use crate::domain::escape;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, context};
use serde::Serialize;
use std::sync::LazyLock;

/// A page of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    Status,
    History,
    Delivery,
    Failure,
}

impl Page {
    fn template(self) -> &'static str {
        match self {
            Page::Status => "status.html",
            Page::History => "history.html",
            Page::Delivery => "delivery.html",
            Page::Failure => "failure.html",
        }
    }

    /// The entry of the navigation that it belongs to.
    fn section(self) -> &'static str {
        match self {
            Page::Status => "status",
            Page::History | Page::Delivery => "history",
            Page::Failure => "",
        }
    }
}

/// A document as a value of the templates.
pub(super) fn value(document: impl Serialize) -> Value {
    Value::from(Serde(document))
}

const TEMPLATES: [(&str, &str); 6] = [
    ("base.html", include_str!("pages/base.html")),
    ("cards.html", include_str!("pages/cards.html")),
    ("status.html", include_str!("pages/status.html")),
    ("history.html", include_str!("pages/history.html")),
    ("delivery.html", include_str!("pages/delivery.html")),
    ("failure.html", include_str!("pages/failure.html")),
];

static PAGES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    // Texts of others are shown with control and invisible characters as escapes, as everywhere else.
    environment.set_formatter(|output, state, value| match value.as_str() {
        Some(text) if !value.is_safe() => {
            minijinja::escape_formatter(output, state, &Value::from(escape(text).as_ref()))
        }
        _ => minijinja::escape_formatter(output, state, value),
    });
    environment.add_global("version", env!("CARGO_PKG_VERSION"));
    environment.add_global("host", crate::host::name());
    for (name, source) in TEMPLATES {
        if let Err(error) = environment.add_template(name, source) {
            tracing::error!("the web page's {name}: {error:#}; a fault of beamshare, please report");
        }
    }
    environment
});

/// A page of the template, with these values.
pub(super) fn render(page: Page, values: Value) -> Response {
    match rendered(page.template(), context! { section => page.section(), ..values }) {
        Ok(html) => ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response(),
        Err(message) => (StatusCode::INTERNAL_SERVER_ERROR, message).into_response(),
    }
}

/// The beamlines of the page, which a live page replaces.
pub(super) fn fragment(cards: &[Card]) -> String {
    rendered("cards.html", context! { cards => value(cards) }).unwrap_or_else(|message| message.to_owned())
}

fn rendered(template: &str, values: Value) -> Result<String, &'static str> {
    let html = PAGES.get_template(template).and_then(|template| template.render(values));
    html.map_err(|error| {
        tracing::error!("the web page can't be made: {error:#}; a fault of beamshare, please report");
        "this page can't be made; the log of the service says why"
    })
}

/// The time of day at the facility of the first beamline.
pub(super) fn clock(sources: &[Source]) -> String {
    let zone = sources.first().map_or(TimeZone::UTC, Source::zone);
    local(Timestamp::now(), &zone, "%H:%M:%S")
}

/// A time on the facility's clocks.
pub(super) fn local(time: Timestamp, zone: &TimeZone, format: &str) -> String {
    time.to_zoned_datetime(zone.clone()).strftime(format).to_string()
}

/// A beamline to choose in the search.
pub(super) fn beamline_choice(source: &Source) -> Value {
    let model = &source.published.borrow().status;
    context! { name => model.beamline.as_str(), prefix => model.prefix.as_str() }
}

/// A delivery with its times as people read them.
pub(super) fn delivery_row(row: &HistoryRow, zone: &TimeZone) -> Value {
    let took = row.duration_s.map(|seconds| format!("{seconds:.1} s")).unwrap_or_default();
    context! { began => local(row.started_at, zone, "%Y-%m-%d %H:%M:%S"), took, ..value(row) }
}

#[cfg(test)]
mod tests {
    use super::super::view::tests::beamline_of;
    use super::super::view::{BeamlineView, Condition};
    use super::*;
    use crate::status::{BeamlineStatus, StatusModel};

    const HOSTILE: &str = "<script>alert(1)</script>\"' onload=x \u{202e}gpj.exe";

    fn hostile() -> StatusModel {
        let mut model = beamline_of(HOSTILE);
        (model.beamline, model.prefix) = (HOSTILE.to_owned(), HOSTILE.to_owned());
        if let Some(group) = &mut model.group {
            group.data_link = "javascript:alert(1)".to_owned();
        }
        model
    }

    #[test]
    fn hostile_texts_stay_texts() {
        for status in BeamlineStatus::ALL {
            let model = StatusModel { status, ..hostile() };
            for held in [model.held.clone(), None] {
                let view = BeamlineView {
                    condition: Condition::Serving,
                    served_by: Some(HOSTILE.to_owned()),
                    records_missing: 0,
                    names_hidden: false,
                    model: StatusModel { held, ..model.clone() },
                };
                let html = fragment(&[Card::of(view)]);
                assert!(html.contains("&lt;script&gt;"), "{html}");
                assert!(!html.contains("<script") && !html.contains('\u{202e}'), "{html}");
                assert!(!html.contains("href=\"javascript:"), "{html}");
                assert!(!html.contains("\" onload"), "{html}");
            }
        }
    }

    #[test]
    fn every_template_is_valid() {
        for (name, _) in TEMPLATES {
            assert!(PAGES.get_template(name).is_ok(), "{name}");
        }
    }
}
