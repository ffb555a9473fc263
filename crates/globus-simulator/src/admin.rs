//! The admin interface below `/_simulator`: tests in other processes inject faults and read the request log.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::faults::Fault;
use crate::seed::GivenToken;
use crate::state::World;
use crate::transfer::access;
use crate::world;

pub(crate) fn router() -> Router<Arc<World>> {
    Router::new()
        .route("/requests", get(requests).delete(clear_requests))
        .route("/faults", get(faults).post(order).delete(clear_faults))
        .route("/tokens", post(give_token))
        .route("/tokens/expire", post(expire_tokens))
        .route("/sign_in", post(sign_in))
        .route("/notifications", get(notifications))
        .route("/tasks", get(tasks))
        .route("/tasks/resume", post(resume_tasks))
        .route("/collections/{id}/rules", get(rules))
}

/// How many requests of each call came in.
pub(crate) fn counts(world: &World) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for request in &world.state().log {
        *counts.entry(request.call.clone()).or_insert(0) += 1;
    }
    counts
}

async fn requests(Shared(world): Shared<Arc<World>>) -> Json<Value> {
    let counts = counts(&world);
    let state = world.state();
    Json(json!({"total": state.log.len(), "counts": counts, "requests": state.log}))
}

async fn clear_requests(Shared(world): Shared<Arc<World>>) -> StatusCode {
    world.state().log.clear();
    StatusCode::NO_CONTENT
}

async fn faults(Shared(world): Shared<Arc<World>>) -> Json<Value> {
    Json(json!({"faults": world.state().faults.0}))
}

/// One fault, or a list of them.
async fn order(Shared(world): Shared<Arc<World>>, body: String) -> Response {
    let read = serde_json::from_str::<Vec<Fault>>(&body)
        .or_else(|_| serde_json::from_str::<Fault>(&body).map(|fault| vec![fault]));
    match read {
        Ok(faults) => {
            let mut state = world.state();
            for fault in faults {
                state.faults.add(fault);
            }
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, format!("not a fault: {error}\n")).into_response(),
    }
}

async fn clear_faults(Shared(world): Shared<Arc<World>>) -> StatusCode {
    world.state().faults.0.clear();
    StatusCode::NO_CONTENT
}

/// Makes a token valid, as a seed's `tokens` do.
async fn give_token(Shared(world): Shared<Arc<World>>, body: String) -> Response {
    let given = match serde_json::from_str::<GivenToken>(&body) {
        Ok(given) => given,
        Err(error) => {
            return (StatusCode::BAD_REQUEST, format!("not a token: {error}\n")).into_response();
        }
    };
    match world::give_token(&mut world.state(), &given) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    }
}

#[derive(serde::Deserialize)]
struct SignIn {
    link: String,
    username: String,
}

/// A person at the sign-in page, for tests without a browser: the link that an app printed, and who signs in.
async fn sign_in(Shared(world): Shared<Arc<World>>, body: String) -> Response {
    let done = serde_json::from_str::<SignIn>(&body)
        .map_err(|error| error.to_string())
        .and_then(|wanted| crate::auth::sign_in::allow(&world, &wanted.link, &wanted.username));
    match done {
        Ok(code) => Json(json!({"code": code})).into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    }
}

/// Every access token is expired from now on; refresh tokens stay good.
async fn expire_tokens(Shared(world): Shared<Arc<World>>) -> StatusCode {
    world::expire_tokens(&world);
    StatusCode::NO_CONTENT
}

/// Resumes every paused and inactive task.
async fn resume_tasks(Shared(world): Shared<Arc<World>>) -> StatusCode {
    crate::transfer::tasks::resume(&world);
    StatusCode::NO_CONTENT
}

async fn notifications(Shared(world): Shared<Arc<World>>) -> Json<Value> {
    Json(json!({"notifications": world.state().notifications}))
}

/// The documents of all tasks of all owners, oldest first.
async fn tasks(Shared(world): Shared<Arc<World>>) -> Json<Value> {
    Json(json!({"tasks": crate::transfer::tasks::documents(&world)}))
}

/// The stored access rules of a collection, without asking for a token.
async fn rules(Shared(world): Shared<Arc<World>>, Path(id): Path<uuid::Uuid>) -> Response {
    let state = world.state();
    match state.collections.get(&id) {
        Some(found) => Json(json!({
            "rules": access::stored(found)
        }))
        .into_response(),
        None => (StatusCode::NOT_FOUND, format!("no collection {id}\n")).into_response(),
    }
}
