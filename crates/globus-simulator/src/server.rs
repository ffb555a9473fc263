//! The HTTP server. In front of every route, a gate logs the request, limits the rate, and applies faults.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::Body;
use axum::extract::{OriginalUri, Request, State as Shared};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::auth::bearer_text;
use crate::faults::{Action, TaskOrder};
use crate::gcs::GcsError;
use crate::reply::{AuthError, CALL, Call, TransferError, request_id};
use crate::state::{Request as Logged, World};
use crate::timers::TimersError;

/// Marks a response whose connection is to be closed instead.
#[derive(Clone, Copy)]
struct Cut;

/// A route with its name in the request log and in faults.
pub(crate) fn named(
    world: &Arc<World>,
    name: &'static str,
    routes: MethodRouter<Arc<World>>,
) -> MethodRouter<Arc<World>> {
    routes.layer(from_fn_with_state((world.clone(), name), gate))
}

/// Of a path that the services don't have.
pub(crate) async fn unknown(Shared(world): Shared<Arc<World>>, request: Request) -> Response {
    let number = log(&world, "unknown", &request);
    finish(&world, number, StatusCode::NOT_FOUND);
    refuse(asked(&request).path(), StatusCode::NOT_FOUND, None)
}

/// Of a path that the services have, by a method that it doesn't take.
pub(crate) async fn wrong_method(Shared(world): Shared<Arc<World>>, request: Request) -> Response {
    let number = log(&world, "unknown", &request);
    finish(&world, number, StatusCode::METHOD_NOT_ALLOWED);
    refuse(asked(&request).path(), StatusCode::METHOD_NOT_ALLOWED, None)
}

/// What the client asked for: inside of a nested router, `uri()` has lost its first part.
fn asked(request: &Request) -> &Uri {
    request.extensions().get::<OriginalUri>().map_or_else(|| request.uri(), |original| &original.0)
}

fn log(world: &World, name: &str, request: &Request) -> u64 {
    let mut state = world.state();
    state.requests += 1;
    let number = state.requests;
    let path = asked(request).path_and_query().map_or_else(String::new, |path| path.as_str().to_owned());
    // Without the query, which carries the code of a sign-in.
    tracing::debug!(call = name, method = %request.method(), path = asked(request).path(), "request");
    state.log.push(Logged {
        number,
        call: name.to_owned(),
        method: request.method().to_string(),
        path,
        status: None,
    });
    number
}

fn finish(world: &World, number: u64, status: StatusCode) {
    let mut state = world.state();
    // Near the end, as a rule; and not there when the log was cleared meanwhile.
    if let Some(logged) = state.log.iter_mut().rev().find(|logged| logged.number == number) {
        logged.status = Some(status.as_u16());
    }
}

async fn gate(
    Shared((world, name)): Shared<(Arc<World>, &'static str)>,
    mut request: Request,
    next: Next,
) -> Response {
    let number = log(&world, name, &request);
    let path = asked(&request).path().to_owned();
    let call =
        Call { request_id: request_id(), resource: path.strip_prefix("/v0.10").unwrap_or(&path).to_owned() };
    let due = world.state().faults.due(name);
    let mut cut_after = false;
    match due {
        Some(Action::Answer { status, code, retry_after, body }) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            finish(&world, number, status);
            let mut response = match body {
                Some(Value::String(text)) => (status, text).into_response(),
                Some(document) => (status, Json(document)).into_response(),
                None => CALL.sync_scope(call, || refuse(&path, status, code.as_deref())),
            };
            if let Some(seconds) = retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            return response;
        }
        Some(Action::Hang { seconds: None }) => std::future::pending::<()>().await,
        Some(Action::Hang { seconds: Some(s) }) => {
            tokio::time::sleep(Duration::from_secs(s)).await;
        }
        Some(Action::CutBefore) => return cut(),
        Some(Action::CutAfter) => cut_after = true,
        Some(Action::TaskFail { code }) => {
            request.extensions_mut().insert(TaskOrder::Fail(code));
        }
        Some(Action::TaskStall) => {
            request.extensions_mut().insert(TaskOrder::Stall);
        }
        Some(Action::TaskPause { message }) => {
            request.extensions_mut().insert(TaskOrder::Pause(message));
        }
        Some(Action::TaskInactive) => {
            request.extensions_mut().insert(TaskOrder::Inactive);
        }
        None => {}
    }
    if let Some(seconds) = too_fast(&world, &request) {
        finish(&world, number, StatusCode::TOO_MANY_REQUESTS);
        let mut response = CALL.sync_scope(call, || refuse(&path, StatusCode::TOO_MANY_REQUESTS, None));
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        return response;
    }
    let response = CALL.scope(call, next.run(request)).await;
    if cut_after {
        return cut();
    }
    finish(&world, number, response.status());
    response
}

fn cut() -> Response {
    let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
    response.extensions_mut().insert(Cut);
    response
}

/// Seconds to wait, if this token exceeds the rate limit.
fn too_fast(world: &World, request: &Request) -> Option<u64> {
    let mut state = world.state();
    let most = state.limits.requests_per_second? as usize;
    let token = bearer_text(request.headers())?.to_owned();
    let now = Instant::now();
    let recent = state.recent.entry(token).or_default();
    while recent.front().is_some_and(|at| now.duration_since(*at) >= Duration::from_secs(1)) {
        recent.pop_front();
    }
    if recent.len() >= most {
        return Some(1);
    }
    recent.push_back(now);
    None
}

/// Transfer's usual code and words for a status.
fn usual(status: StatusCode) -> (&'static str, &'static str) {
    match status.as_u16() {
        400 => ("BadRequest", "Bad request"),
        401 => ("ClientError.AuthenticationFailed", "Token is not active"),
        403 => ("PermissionDenied", "You do not have permission for this operation"),
        404 => ("ClientError.NotFound", "Resource not found"),
        405 => ("ClientError.MethodNotAllowed", "The method is not allowed for this resource"),
        409 => ("Conflict", "The request conflicts with the state of the resource"),
        429 => ("TooManyRequests", "Too many requests, try again later"),
        502 => ("EndpointError", "The endpoint did not answer"),
        503 => ("ServiceUnavailable", "The service is unavailable, try again later"),
        _ => ("ServiceError", "Internal error"),
    }
}

/// An error document in the format of the service that the path belongs to; with the service's usual code
/// when none is given.
fn refuse(path: &str, status: StatusCode, code: Option<&str>) -> Response {
    let (usual, message) = usual(status);
    if path.starts_with("/v0.10") || path.starts_with("/v2/bookmarks") {
        return TransferError::new(status, code.unwrap_or(usual), message).into_response();
    }
    if path.starts_with("/gcs/") || path.starts_with("/api/") {
        return GcsError::usual(status, code).into_response();
    }
    if path.starts_with("/jobs") || path == "/v2/timer" {
        return TimersError::usual(status, code).into_response();
    }
    if let Some(code) = code {
        return AuthError::oauth(status, code, message).into_response();
    }
    if path == "/v2/oauth2/token" && status == StatusCode::UNAUTHORIZED {
        return AuthError::oauth(status, "invalid_client", "Invalid client credentials").into_response();
    }
    let title = status.canonical_reason().unwrap_or("Error");
    let code = title.to_ascii_uppercase().replace([' ', '-'], "_");
    AuthError::new(status, &code, title, message).into_response()
}

/// Serves until the future is dropped, over TLS where given; open connections end with it.
pub(crate) async fn serve(listener: TcpListener, router: axum::Router, tls: Option<TlsAcceptor>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let _ = stream.set_nodelay(true);
                    let router = router.clone();
                    match tls.clone() {
                        Some(tls) => connections.spawn(async move {
                            match tls.accept(stream).await {
                                Ok(stream) => connection(TokioIo::new(stream), router).await,
                                Err(error) => tracing::debug!(%error, "no TLS"),
                            }
                        }),
                        None => connections.spawn(connection(TokioIo::new(stream), router)),
                    };
                }
                Err(error) => {
                    // Out of file descriptors, for example: wait instead of spinning.
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection<S>(stream: TokioIo<S>, router: axum::Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(move |request: hyper::Request<_>| {
        let router = router.clone();
        async move {
            let response = match router.oneshot(request.map(Body::new)).await {
                Ok(response) => response,
                Err(infallible) => match infallible {},
            };
            // hyper closes the connection without an answer when the service fails.
            if response.extensions().get::<Cut>().is_some() {
                return Err(std::io::Error::other("cut by order of a fault"));
            }
            Ok::<_, std::io::Error>(response)
        }
    });
    let served = hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await;
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended");
    }
}
