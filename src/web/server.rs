//! One server: its connections, their limits, and what applies to every request.

use super::Source;
use super::routes;
use crate::status::Published;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, body};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Connections at one time; further ones wait.
const MOST_CONNECTIONS: usize = 64;

/// Time for a client to send a request's head, also for the next one on the same connection.
const HEAD_LIMIT: Duration = Duration::from_secs(10);

/// Time for answering a request, not counting the transfer of the answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// The longest head of a request, in bytes.
const HEAD_MAX: usize = 16 << 10;

/// The headers of every answer. Nothing is loaded from elsewhere, embedded elsewhere, or kept by a browser.
const HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

/// Serves the pages of some beamlines and the metrics of some at an address until it is dropped.
pub(super) async fn serve_or_log(listen: SocketAddr, pages: Vec<Source>, metrics: Vec<Source>) {
    let key = if pages.is_empty() { "[metrics] listen" } else { "[web] listen" };
    let shows_names = pages.iter().any(|source| source.endpoint.borrow().web.names);
    if shows_names && !listen.ip().is_loopback() {
        tracing::warn!(
            "the page at {listen} shows names and addresses to everyone who can reach it. Listen at \
             127.0.0.1 behind the facility's web proxy, or set [web] names = false"
        );
    }
    if let Err(error) = serve(listen, router(pages, metrics)).await {
        tracing::error!("can't serve http://{listen}/: {error}; give {key} another address");
    }
}

async fn serve(listen: SocketAddr, router: Router) -> std::io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    tracing::info!("serving http://{}/", listener.local_addr()?);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MOST_CONNECTIONS => match accepted {
                Ok((stream, _)) => drop(connections.spawn(answer(stream, router.clone()))),
                Err(error) => {
                    // One connection failed, or there are too many open files; the next one may succeed.
                    tracing::debug!("a connection was not accepted: {error}");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// The requests of one connection.
async fn answer(stream: TcpStream, router: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = connection.await {
        tracing::debug!("a connection ended: {error}");
    }
}

fn router(pages: Vec<Source>, metrics: Vec<Source>) -> Router {
    let metrics = Router::new().route("/metrics", get(serve_metrics)).with_state(Arc::new(metrics));
    let router = if pages.is_empty() {
        metrics.fallback(|| async { (StatusCode::NOT_FOUND, "beamshare's metrics are at /metrics\n") })
    } else {
        let pages = Arc::new(pages);
        let with_pages = metrics.merge(routes::router(pages.clone()));
        with_pages.layer(middleware::from_fn_with_state(pages, check_host))
    };
    router.layer(middleware::from_fn(guard))
}

async fn serve_metrics(State(sources): State<Arc<Vec<Source>>>) -> Response {
    let published: Vec<Published> = sources.iter().map(|source| source.published.borrow().clone()).collect();
    match crate::metrics::text(&published) {
        Ok(text) => ([(header::CONTENT_TYPE, crate::metrics::FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// Refuses what is not a read, limits the time of an answer, and adds the headers of every answer.
async fn guard(request: Request, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let mut response = if is_read {
        let late = || (StatusCode::SERVICE_UNAVAILABLE, "no answer in time; try again\n").into_response();
        tokio::time::timeout(ANSWER_LIMIT, next.run(request)).await.unwrap_or_else(|_| late())
    } else {
        let allowed = [(header::ALLOW, "GET, HEAD")];
        (StatusCode::METHOD_NOT_ALLOWED, allowed, body::Body::from("this server is read-only\n"))
            .into_response()
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Refuses requests under a name that is not this server's. A foreign page could otherwise have its own name
/// resolve to this address, and read the answers (DNS rebinding).
async fn check_host(State(sources): State<Arc<Vec<Source>>>, request: Request, next: Next) -> Response {
    let host = host_of(request.headers(), request.uri());
    let is_known = host.as_ref().is_some_and(|host| {
        host.parse::<IpAddr>().is_ok()
            || host.eq_ignore_ascii_case("localhost")
            || host.eq_ignore_ascii_case(&crate::host::name())
            || sources.iter().any(|source| {
                source.endpoint.borrow().web.hosts.iter().any(|known| known.eq_ignore_ascii_case(host))
            })
    });
    if is_known {
        return next.run(request).await;
    }
    let message =
        "this server is not known by that name; add the name to [web] hosts, or use its IP address\n";
    (StatusCode::MISDIRECTED_REQUEST, message).into_response()
}

/// The host that a request names, without port and brackets.
fn host_of(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let named = match uri.authority() {
        Some(authority) => authority.as_str(),
        None => headers.get(header::HOST)?.to_str().ok()?,
    };
    let authority: axum::http::uri::Authority = named.parse().ok()?;
    Some(authority.host().trim_matches(['[', ']']).trim_end_matches('.').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_request_is_its_name_alone() {
        for (header, host) in [
            ("localhost:8020", Some("localhost")),
            ("[::1]:8020", Some("::1")),
            ("127.0.0.1", Some("127.0.0.1")),
            ("beamshare.example.org.", Some("beamshare.example.org")),
            ("a b", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, header.parse().unwrap());
            assert_eq!(host_of(&headers, &Uri::from_static("/")).as_deref(), host, "{header}");
        }
        assert_eq!(host_of(&HeaderMap::new(), &Uri::from_static("/")), None);
        let absolute = Uri::from_static("http://evil.example/api/status");
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "localhost".parse().unwrap());
        assert_eq!(host_of(&headers, &absolute).as_deref(), Some("evil.example"));
    }
}
