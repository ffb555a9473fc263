//! Globus Timers: transfers that run once at a time, or again and again.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use uuid::Uuid;

mod api;
mod document;
mod run;
mod schedule;

use crate::auth::{access_token, scope};
use crate::server::named;
use crate::state::timer::Timer;
use crate::state::{Caller, State, World};

/// Every route of Timers.
pub(crate) fn router(world: &Arc<World>) -> Router<Arc<World>> {
    let named = |name, route| named(world, name, route);
    let jobs = || named("timer_list", get(api::list)).merge(named("timer_create_job", post(api::create_job)));
    Router::new()
        .route("/v2/timer", named("timer_create", post(api::create)))
        .route("/jobs/", jobs())
        .route("/jobs", jobs())
        .route(
            "/jobs/{id}",
            named("timer_get", get(api::get))
                .merge(named("timer_update", axum::routing::patch(api::update)))
                .merge(named("timer_delete", axum::routing::delete(api::delete))),
        )
        .route("/jobs/{id}/pause", named("timer_pause", post(api::pause)))
        .route("/jobs/{id}/resume", named("timer_resume", post(api::resume)))
}

/// A call to Timers with a good token: what every handler starts from.
struct TimersSession {
    world: Arc<World>,
    caller: Caller,
}

impl FromRequestParts<Arc<World>> for TimersSession {
    type Rejection = TimersError;

    async fn from_request_parts(parts: &mut Parts, world: &Arc<World>) -> Result<Self, TimersError> {
        let state = world.state();
        let token = access_token(&state, &parts.headers).map_err(|refusal| {
            TimersError::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", refusal.message())
        })?;
        if !token.scopes.iter().any(|name| name == scope::TIMER) {
            let message = format!("The token does not have the scope {}", scope::TIMER);
            return Err(TimersError::new(StatusCode::FORBIDDEN, "FORBIDDEN", message));
        }
        // Timers calls Transfer by what the account allowed it beneath its own scope.
        let caller = Caller { through: vec![scope::TIMER.to_owned()], ..state.caller(&token) };
        drop(state);
        Ok(Self { world: world.clone(), caller })
    }
}

impl TimersSession {
    fn timer<'a>(&self, state: &'a State, id: &str) -> Result<&'a Timer, TimersError> {
        Uuid::parse_str(id)
            .ok()
            .and_then(|id| state.timers.get(&id))
            .filter(|timer| self.caller.set.contains(&timer.caller.identity))
            .ok_or_else(|| not_found(id))
    }

    fn timer_mut<'a>(&self, state: &'a mut State, id: &str) -> Result<&'a mut Timer, TimersError> {
        let found = self.timer(state, id)?.id;
        state.timers.get_mut(&found).ok_or_else(|| not_found(id))
    }
}

fn not_found(id: &str) -> TimersError {
    TimersError::new(StatusCode::NOT_FOUND, "NOT_FOUND", format!("No timer {id}"))
}

/// A refusal by Timers: `{"error": {code, detail, status}}`, or a list of what is wrong with a document.
#[derive(Debug, Clone)]
pub(crate) struct TimersError {
    status: StatusCode,
    body: Value,
}

impl TimersError {
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        let detail: String = detail.into();
        Self { status, body: json!({"error": {"code": code, "detail": detail, "status": status.as_u16()}}) }
    }

    /// The usual refusal for a status that a fault orders.
    pub fn usual(status: StatusCode, code: Option<&str>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self::new(status, code.unwrap_or("ERROR"), title)
    }

    /// One field of the document is missing or wrong.
    fn field(location: &[&str], message: impl Into<String>) -> Self {
        let location: Vec<&str> = std::iter::once("body").chain(location.iter().copied()).collect();
        let message: String = message.into();
        let detail = json!([{"loc": location, "msg": message, "type": "value_error"}]);
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, body: json!({"detail": detail}) }
    }

    /// A consent is missing, in the form of Globus Auth's requirements.
    fn requirements(document: Value) -> Self {
        Self { status: StatusCode::FORBIDDEN, body: document }
    }
}

impl IntoResponse for TimersError {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}
