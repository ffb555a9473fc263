//! A scheduling service on loopback: answers by path, and remembers what it was asked.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

pub const RUNS: &str = "run/getAllRuns";
pub const SCHEDULED: &str = "schedule/findByRunNameAndScheduleName/2026-1/2-BM-A,B";
pub const ACTIVITIES: &str = "activity/findByRunNameAndBeamlineId/2026-1/2-BM-A,B";

/// "2bm" and "s3cret:pass", as `requests` and curl send them.
const CREDENTIALS: &str = "Basic MmJtOnMzY3JldDpwYXNz";
pub const USER: &str = "2bm";
pub const PASSWORD: &str = "s3cret:pass";

/// How the service answers.
#[derive(Clone)]
pub enum Reply {
    Json(Value),
    Status(u16, &'static str),
    /// Status with a header
    With(u16, &'static str, &'static str),
    /// No answer at all: half an hour, for whoever waits
    Stall,
    /// The head, half of the body, then nothing
    StallInBody,
}

#[derive(Default)]
struct Shared {
    replies: Mutex<HashMap<String, VecDeque<Reply>>>,
    asked: Mutex<Vec<String>>,
}

pub struct Server {
    pub url: String,
    shared: Arc<Shared>,
}

impl Server {
    /// A service that knows nothing: 404 everywhere.
    pub fn start() -> Server {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a listener for tokio");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let shared = Arc::new(Shared::default());
        let app = Router::new().fallback(answer).with_state(shared.clone());
        // A thread of its own, so that tests with and without a runtime can use it; it ends with the test's
        // process.
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                axum::serve(listener, app).await.expect("the service runs");
            });
        });
        Server { url, shared }
    }

    /// A service with run 2026-1 and these activities on its schedule.
    pub fn with(activities: Value) -> Server {
        let server = Server::start();
        server.answers(RUNS, Reply::Json(all_runs()));
        server.answers(
            SCHEDULED,
            Reply::Json(json!([{ "scheduleName": "2-BM-A,B", "activities": activities }])),
        );
        server
    }

    /// From now on.
    pub fn answers(&self, path: &str, reply: Reply) {
        self.answers_in_turn(path, [reply]);
    }

    /// One after the other; the last one stays.
    pub fn answers_in_turn(&self, path: &str, replies: impl IntoIterator<Item = Reply>) {
        self.shared.replies.lock().unwrap().insert(path.to_owned(), replies.into_iter().collect());
    }

    /// The paths that it was asked for since the last time, in order.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.asked.lock().unwrap())
    }
}

async fn answer(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Response {
    let Some(path) = uri.path().strip_prefix("/beamline-scheduling/sched-api/").map(str::to_owned) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    shared.asked.lock().unwrap().push(path.clone());
    if headers.get(header::AUTHORIZATION).is_none_or(|given| given != CREDENTIALS) {
        return (StatusCode::UNAUTHORIZED, r#"{"error":"Unauthorized"}"#).into_response();
    }
    let reply = {
        let mut replies = shared.replies.lock().unwrap();
        let queue = replies.entry(path).or_default();
        if queue.len() > 1 { queue.pop_front() } else { queue.front().cloned() }
    };
    match reply {
        None => (StatusCode::NOT_FOUND, "no such thing").into_response(),
        Some(Reply::Json(json)) => axum::Json(json).into_response(),
        Some(Reply::Status(status, body)) => (StatusCode::from_u16(status).unwrap(), body).into_response(),
        Some(Reply::With(status, name, value)) => {
            (StatusCode::from_u16(status).unwrap(), [(name, value)]).into_response()
        }
        Some(Reply::Stall) => std::future::pending().await,
        Some(Reply::StallInBody) => {
            let half = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"[{\"runName\":"))]);
            Body::from_stream(half.chain(stream::pending())).into_response()
        }
    }
}

/// Runs as the service lists them: neither in order nor written alike.
pub fn all_runs() -> Value {
    json!([
        { "runId": 2, "runName": "2026-2", "startTime": "2026-06-02T08:00:00-05:00", "endTime": "2026-08-20T08:00:00-0500" },
        { "runId": 0, "runName": "2025-3", "startTime": "2025-10-01T08:00:00-0500", "endTime": "2025-12-18T08:00:00-06" },
        { "runId": 1, "runName": "2026-1", "startTime": "2026-02-03T08:00:00-06", "endTime": "2026-04-22T08:00:00-0500" },
    ])
}

/// An activity with everything the service says of one.
pub fn activity(number: Value, start: &str, end: &str, experimenters: Value) -> Value {
    json!({
        "activityId": 4711, "activityName": null, "activityType": { "activityTypeName": "GUP" },
        "startTime": start, "endTime": end, "experimentId": 250_031,
        "beamtime": {
            "beamtimeId": 9, "grantedShifts": 9, "scheduledShifts": 12,
            "proposal": {
                "gupId": number, "proposalTitle": "Pores in\r\nshells ", "proprietaryFlag": "N", "mailInFlag": "Y",
                "submittedDate": "2025-10-31T00:00:00-0500",
                "proposalType": { "typeId": "GUP", "display": "General User Proposal" },
                "experimenters": experimenters,
            },
        },
    })
}

/// Someone on a proposal.
pub fn person(first: &str, last: &str, email: Value, pi: &str) -> Value {
    json!({ "gupExperimenterId": 1, "firstName": first, "lastName": last, "institution": "UPF", "badge": "302211",
            "email": email, "piFlag": pi })
}
