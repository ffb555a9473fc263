//! Globus Timers: transfers that run once at a time, or again and again.

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::{get, post};
use uuid::Uuid;

mod api;
mod document;
mod reply;
mod run;
mod schedule;

pub(crate) use reply::TimersError;

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
