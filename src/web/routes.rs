//! The addresses of the page: what each answers.

use super::Source;
use super::history::{HistoryQuery, HistoryRow, HistoryView, search};
use super::page::{self, Page, value};
use super::view::{BeamlineView, Card};
use crate::domain::escape_json;
use crate::journal::{JournalError, StepRow};
use crate::log::{LogLine, lines_about};
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRef, Query, State};
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::stream::{self, Stream, StreamExt};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Live pages at one time; further ones are rejected with a request to retry later.
const MOST_LIVE: usize = 48;

/// Searches of the history at one time; further ones wait.
const MOST_SEARCHES: usize = 2;

/// How often a live page gets the time, by which it knows that the connection works.
const TICK: Duration = Duration::from_secs(2);

/// How long after a delivery's end its last log lines are written.
const LOG_TAIL: Duration = Duration::from_secs(2);

/// The beamlines of a server, and its limits.
#[derive(Clone)]
pub(super) struct Site {
    sources: Arc<Vec<Source>>,
    live: Arc<Semaphore>,
    searches: Arc<Semaphore>,
}

impl FromRef<Site> for Arc<Vec<Source>> {
    fn from_ref(site: &Site) -> Self {
        site.sources.clone()
    }
}

pub(super) fn router(sources: Arc<Vec<Source>>) -> Router {
    let site = Site {
        sources,
        live: Arc::new(Semaphore::new(MOST_LIVE)),
        searches: Arc::new(Semaphore::new(MOST_SEARCHES)),
    };
    let asset = |kind: &'static str, text: &'static str| {
        get(move || async move { ([(header::CONTENT_TYPE, kind)], text) })
    };
    Router::new()
        .route("/", get(status_page))
        .route("/history", get(history_page))
        .route("/delivery", get(delivery_page))
        .route("/events", get(events))
        .route("/api/status", get(api_status))
        .route("/api/history", get(api_history))
        .route("/api/delivery", get(api_delivery))
        .route("/healthz", get(health))
        .route("/style.css", asset("text/css; charset=utf-8", include_str!("pages/style.css")))
        .route("/live.js", asset("text/javascript; charset=utf-8", include_str!("pages/live.js")))
        .route("/icon.svg", asset("image/svg+xml", include_str!("pages/icon.svg")))
        .fallback(|| async { (StatusCode::NOT_FOUND, "there is no such page; begin at /\n") })
        .with_state(site)
}

type Sources = State<Arc<Vec<Source>>>;

fn views(sources: &[Source]) -> Vec<BeamlineView> {
    sources.iter().map(BeamlineView::of).collect()
}

/// The beamlines on the page: those that need a person first, otherwise in the order of the command line.
fn cards(sources: &[Source]) -> Vec<Card> {
    let mut cards: Vec<Card> = views(sources).into_iter().map(Card::of).collect();
    cards.sort_by_key(Card::urgency);
    cards
}

async fn status_page(State(sources): Sources) -> Response {
    page::render(Page::Status, minijinja::context! { cards => value(cards(&sources)) })
}

/// The beamlines of the page as they change, and the time every two seconds.
async fn events(State(site): State<Site>) -> Response {
    let Ok(permit) = site.live.clone().try_acquire_owned() else {
        let message = "too many live pages are open; this one asks again\n";
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "10")], message).into_response();
    };
    Sse::new(live(site.sources, permit)).into_response()
}

fn live(
    sources: Arc<Vec<Source>>,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let ticks = tokio::time::interval(TICK);
    let receivers: Vec<_> = sources.iter().map(|source| source.published.clone()).collect();
    let state = (ticks, receivers, String::new(), permit);
    let events = stream::unfold(state, move |(mut ticks, mut receivers, mut shown, permit)| {
        let sources = sources.clone();
        async move {
            loop {
                let changed = receivers.iter_mut().map(|receiver| Box::pin(receiver.changed()));
                let is_tick = tokio::select! {
                    _ = ticks.tick() => true,
                    (changed, ..) = futures::future::select_all(changed) => match changed {
                        Ok(()) => false,
                        // The service has ended.
                        Err(_) => return None,
                    },
                };
                let now = page::fragment(&cards(&sources));
                let event = if now != shown {
                    shown.clone_from(&now);
                    Event::default().event("page").data(now)
                } else if is_tick {
                    Event::default().event("tick").data(page::clock(&sources))
                } else {
                    continue;
                };
                return Some((Ok(event), (ticks, receivers, shown, permit)));
            }
        }
    });
    events.boxed()
}

/// A document of the API.
fn document(status: StatusCode, document: &impl Serialize) -> Response {
    match serde_json::to_string_pretty(document) {
        Ok(text) => {
            let text = escape_json(&text).into_owned() + "\n";
            (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn failure(status: StatusCode, message: &str) -> Response {
    document(status, &json!({ "error": message }))
}

async fn api_status(State(sources): Sources) -> Response {
    let answer = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "host": crate::host::name(),
        "time": Timestamp::now(),
        "beamlines": views(&sources),
    });
    document(StatusCode::OK, &answer)
}

/// 200 where every beamline is served by this process or another one, 503 otherwise.
async fn health(State(sources): Sources) -> Response {
    let views = views(&sources);
    let is_healthy = views.iter().all(|view| view.condition.is_healthy());
    let beamlines: Vec<_> = views
        .iter()
        .map(|view| json!({ "beamline": view.model.beamline, "condition": view.condition }))
        .collect();
    let (status, word) =
        if is_healthy { (StatusCode::OK, "ok") } else { (StatusCode::SERVICE_UNAVAILABLE, "failing") };
    document(status, &json!({ "status": word, "beamlines": beamlines }))
}

/// The beamline with this prefix or name; the first one where none is asked for.
fn find<'s>(sources: &'s [Source], beamline: &str) -> Option<&'s Source> {
    let is_it = |source: &&Source| {
        let model = &source.published.borrow().status;
        beamline.is_empty() || model.prefix == beamline || model.beamline == beamline
    };
    sources.iter().find(is_it)
}

/// Why a request has no answer.
enum NoAnswer {
    BadQuery,
    NoBeamline,
    NoDelivery,
    Journal(JournalError),
}

impl From<JournalError> for NoAnswer {
    fn from(error: JournalError) -> NoAnswer {
        NoAnswer::Journal(error)
    }
}

impl From<QueryRejection> for NoAnswer {
    fn from(_: QueryRejection) -> NoAnswer {
        NoAnswer::BadQuery
    }
}

impl NoAnswer {
    fn told(&self) -> (StatusCode, &'static str) {
        match self {
            NoAnswer::BadQuery => (
                StatusCode::BAD_REQUEST,
                "the query can't be read: number, before and limit are whole numbers",
            ),
            NoAnswer::NoBeamline => {
                (StatusCode::NOT_FOUND, "no beamline of this server has that prefix or name")
            }
            NoAnswer::NoDelivery => (StatusCode::NOT_FOUND, "the history has no delivery with that number"),
            NoAnswer::Journal(error) => {
                // Its text names files of the machine, which are for the log.
                tracing::warn!("the history can't be shown: {error}");
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the history can't be read; the log of the service says why",
                )
            }
        }
    }

    fn page(&self) -> Response {
        let (status, message) = self.told();
        let mut response = page::render(Page::Failure, minijinja::context! { message });
        *response.status_mut() = status;
        response
    }

    fn document(&self) -> Response {
        let (status, message) = self.told();
        failure(status, message)
    }
}

/// The query of a request, or why it can't be read.
type Asked<T> = Result<Query<T>, QueryRejection>;

async fn history(site: &Site, asked: Asked<HistoryQuery>) -> Result<(HistoryQuery, HistoryView), NoAnswer> {
    let Query(query) = asked?;
    let source = find(&site.sources, &query.beamline).ok_or(NoAnswer::NoBeamline)?;
    // Never closed, so there is always a permit at last.
    let _permit = site.searches.acquire().await;
    let found = search(source, &query).await?;
    Ok((query, found))
}

async fn api_history(State(site): State<Site>, asked: Asked<HistoryQuery>) -> Response {
    match history(&site, asked).await {
        Ok((_, found)) => document(StatusCode::OK, &found),
        Err(no_answer) => no_answer.document(),
    }
}

async fn history_page(State(site): State<Site>, asked: Asked<HistoryQuery>) -> Response {
    match history(&site, asked).await {
        Ok((query, found)) => {
            let beamlines: Vec<_> = site.sources.iter().map(page::beamline_choice).collect();
            let zone = find(&site.sources, &query.beamline).map_or(TimeZone::UTC, Source::zone);
            let deliveries: Vec<_> =
                found.deliveries.iter().map(|row| page::delivery_row(row, &zone)).collect();
            let found = value(&found);
            let is_later = query.before.is_some();
            page::render(
                Page::History,
                minijinja::context! { found, deliveries, beamlines, is_later, q => query.q },
            )
        }
        Err(no_answer) => no_answer.page(),
    }
}

/// The query of `/delivery` and `/api/delivery`.
#[derive(Clone, Debug, Deserialize)]
struct DeliveryQuery {
    #[serde(default)]
    beamline: String,
    number: i64,
}

/// A delivery in `/api/delivery` (docs/web.md): no field is renamed or removed.
#[derive(Debug, Serialize)]
struct DeliveryView {
    beamline: String,
    prefix: String,
    names_hidden: bool,
    #[serde(flatten)]
    row: HistoryRow,
    steps: Vec<StepView>,
    /// The lines that this process has logged about it
    log: Vec<LogLine>,
}

#[derive(Debug, Serialize)]
struct StepView {
    step: crate::domain::Step,
    unit: String,
    status: &'static str,
    attempts: i64,
    message: String,
    changed_at: Timestamp,
}

impl StepView {
    fn of(row: StepRow, names: bool) -> StepView {
        let named = |text: String| if names { text } else { String::new() };
        StepView {
            step: row.step,
            unit: named(row.unit.to_string()),
            status: crate::status::step_label(row.status),
            attempts: row.attempts,
            message: named(row.message),
            changed_at: row.changed_at,
        }
    }
}

async fn delivery(site: &Site, asked: Asked<DeliveryQuery>) -> Result<DeliveryView, NoAnswer> {
    let Query(query) = asked?;
    let source = find(&site.sources, &query.beamline).ok_or(NoAnswer::NoBeamline)?;
    let _permit = site.searches.acquire().await;
    let entry = source.journal.history_entry(query.number).await?.ok_or(NoAnswer::NoDelivery)?;
    let steps = source.journal.steps_in(query.number).await?;
    let names = source.shows_names();
    let published = source.published.borrow();
    let (beamline, prefix) = (published.status.beamline.clone(), published.status.prefix.clone());
    let end =
        entry.delivery.ended_at.and_then(|end| end.checked_add(LOG_TAIL).ok()).unwrap_or(Timestamp::MAX);
    let log = if names {
        lines_about(&beamline, &entry.experiment().to_string(), entry.delivery.started_at, end)
    } else {
        vec![]
    };
    let steps = steps.into_iter().map(|row| StepView::of(row, names)).collect();
    let row = HistoryRow::of(&entry, names);
    Ok(DeliveryView { beamline, prefix, names_hidden: !names, row, steps, log })
}

async fn api_delivery(State(site): State<Site>, asked: Asked<DeliveryQuery>) -> Response {
    match delivery(&site, asked).await {
        Ok(view) => document(StatusCode::OK, &view),
        Err(no_answer) => no_answer.document(),
    }
}

async fn delivery_page(State(site): State<Site>, asked: Asked<DeliveryQuery>) -> Response {
    match delivery(&site, asked).await {
        Ok(view) => {
            let zone = find(&site.sources, &view.prefix).map_or(TimeZone::UTC, Source::zone);
            let local = |time| page::local(time, &zone, "%H:%M:%S%.3f");
            let steps: Vec<_> = view
                .steps
                .iter()
                .map(|step| minijinja::context! { time => local(step.changed_at), ..value(step) })
                .collect();
            let log: Vec<_> = view
                .log
                .iter()
                .map(|line| minijinja::context! { time => local(line.time), ..value(line) })
                .collect();
            let row = page::delivery_row(&view.row, &zone);
            let delivery = value(&view);
            page::render(Page::Delivery, minijinja::context! { delivery, row, steps, log })
        }
        Err(no_answer) => no_answer.page(),
    }
}
