//! A sign-in whose code comes back to this machine by itself: the browser returns to a server on loopback.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use url::Url;

use super::authorization_code::CodeFlow;
use super::sign_in::{PendingSignIn, SignIn};
use crate::error::{Error, ErrorKind, Result};
use crate::http::Transport;

/// A browser that connects and sends no request is dropped after this time.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

const DONE: &str = "<!doctype html><meta charset=utf-8><title>Signed in</title>\
                    <p>You can close this page and return to the program.";
const OTHER: &str =
    "<!doctype html><meta charset=utf-8><title>Not found</title><p>This page finishes a sign-in only.";

/// A sign-in that waits for the browser to return; see
/// [`AuthHandler::sign_in_on_loopback`](crate::auth::AuthHandler::sign_in_on_loopback).
#[derive(Debug)]
pub struct LoopbackSignIn {
    pending: PendingSignIn,
    listener: TcpListener,
    address: Url,
}

impl LoopbackSignIn {
    pub(super) async fn start(
        mut flow: CodeFlow,
        transport: &Arc<Transport>,
        auth_url: &Url,
    ) -> Result<Self> {
        let failed = |why: String| Error::local(ErrorKind::Network, "wait for the browser on loopback", why);
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(|error| failed(error.to_string()))?;
        let port = listener.local_addr().map_err(|error| failed(error.to_string()))?.port();
        // By its name: Globus Auth accepts any port of `localhost` for native applications.
        let address: Url = format!("http://localhost:{port}/")
            .parse()
            .map_err(|error: url::ParseError| failed(error.to_string()))?;
        flow.redirect = Some(address.clone());
        Ok(Self { pending: flow.start(transport, auth_url)?, listener, address })
    }

    /// The page that the person opens, in a browser on this machine.
    ///
    /// ```no_run
    /// # use globus_transfer_client::*;
    /// # fn example(pending: LoopbackSignIn) {
    /// println!("open {}", pending.url());
    /// # }
    /// ```
    pub fn url(&self) -> &Url {
        self.pending.url()
    }

    /// Waits until the browser returns, and exchanges its code for tokens. Wrap it into a time limit: it
    /// waits as long as the person takes.
    ///
    /// # Errors
    /// [`ErrorKind::AuthenticationFailed`] when the person declined.
    ///
    /// ```no_run
    /// # async fn example(client: globus_transfer_client::GlobusClient, app:
    /// globus_transfer_client::NativeApp)
    /// # -> Result<(), globus_transfer_client::Error> {
    /// let pending = client.auth().sign_in_on_loopback(&app).await?;
    /// println!("open {}", pending.url());
    /// let sign_in = pending.finish().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn finish(self) -> Result<SignIn> {
        let Self { pending, listener, address } = self;
        let (send, mut receive) = mpsc::channel(1);
        let state = Arc::from(pending.state.secret().as_str());
        let returned = tokio::select! {
            returned = receive.recv() => returned,
            never = serve(listener, Page { address, state, returned: send }) => match never {},
        };
        match returned {
            Some(returned) => pending.finish(&returned).await,
            None => {
                Err(Error::local(ErrorKind::Network, "wait for the browser on loopback", "the server ended"))
            }
        }
    }
}

/// The page to which the browser returns.
#[derive(Clone)]
struct Page {
    address: Url,
    /// The `state` of this sign-in. Other programs and web pages can send requests to the port, too.
    state: Arc<str>,
    /// Gets the address with which the browser returned.
    returned: mpsc::Sender<String>,
}

/// Answers the browser, and sends on the address of each request that ends this sign-in.
async fn serve(listener: TcpListener, page: Page) -> Infallible {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, for example.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let page = page.clone();
        let answer = service_fn(move |request| answer(request, page.clone()));
        tokio::spawn(async move {
            let served = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(REQUEST_TIMEOUT)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), answer)
                .await;
            if let Err(error) = served {
                tracing::debug!("a connection on loopback failed: {error}");
            }
        });
    }
}

async fn answer(request: Request<Incoming>, page: Page) -> Result<Response<Full<Bytes>>, Infallible> {
    let Page { mut address, state, returned } = page;
    address.set_query(request.uri().query());
    let ends = address.query_pairs().any(|(key, _)| key == "code" || key == "error");
    let is_ours = address.query_pairs().any(|(key, value)| key == "state" && value == *state);
    let is_return = request.uri().path() == "/" && ends && is_ours;
    if is_return {
        // A second return of the same sign-in is of no use.
        let _ = returned.try_send(address.into());
    }
    let mut response = Response::new(Full::from(if is_return { DONE } else { OTHER }));
    if !is_return {
        *response.status_mut() = hyper::StatusCode::NOT_FOUND;
    }
    response
        .headers_mut()
        .insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("text/html; charset=utf-8"));
    Ok(response)
}
