//! A local Globus for tests and demos: Auth, Transfer, Connect Server, Groups and Timers on real directories,
//! with faults on request.
//!
//! The official `globus-sdk` and `globus-cli` work against it unmodified, as does any client that can be told
//! the services' addresses.
//!
//! ```
//! use globus_simulator::{Account, App, Collection, Fault, Seed, Simulator};
//! use uuid::Uuid;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let root = tempfile::tempdir()?;
//! let service = Uuid::new_v4();
//! let share = Uuid::new_v4();
//! let simulator = Simulator::builder()
//!     .root(root.path())
//!     .seed(
//!         Seed::default()
//!             .account(Account::new("ada@example.org", "Ada Lovelace"))
//!             .app(App::service(service, "secret"))
//!             .collection(Collection::guest(share, "Beamline data", "data", &service.to_string())),
//!     )
//!     .start()
//!     .await?;
//! simulator.fault(Fault::answer("mkdir", 503).nth(2));
//! println!("Auth {} Transfer {}", simulator.auth_url(), simulator.transfer_url());
//! assert_eq!(simulator.count("mkdir"), 0);
//! # Ok(())
//! # }
//! ```

#![recursion_limit = "256"] // the endpoint document has over a hundred fields

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::Url;
use uuid::Uuid;

mod admin;
mod auth;
mod compare;
mod faults;
mod gcs;
mod groups;
mod reply;
mod routes;
mod sandbox;
mod seed;
mod server;
mod signing;
mod state;
mod time;
mod timers;
mod tls;
mod transfer;
mod world;

pub use compare::{Comparison, compare};
pub use faults::{Action, Fault};
pub use seed::{Account, App, Collection, GivenToken, Group, Kind, Limits, Role, Rule, Seed, Server};
pub use state::{Notification, Request};

use state::World;

/// Why a simulator could not start or carry out a call of its own interface.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address can't be listened on.
    #[error("cannot listen on {address}: {source}; choose another address with --listen")]
    Listen {
        /// The address that was asked for.
        address: String,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A directory of a collection can't be made or opened.
    #[error("cannot make or open the directory {directory}: {source}")]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The certificates for HTTPS can't be made.
    #[error("cannot make the certificates for HTTPS: {0}")]
    Tls(String),
    /// A sign-in by [`Simulator::sign_in`] didn't work.
    #[error("the sign-in can't go on: {0}")]
    SignIn(String),
    /// A transcript can't be read.
    #[error("the transcript is wrong: {0}")]
    Transcript(String),
    /// The seed contradicts itself.
    #[error("the seed is wrong: {0}")]
    Seed(String),
}

/// The settings of a simulator before it starts.
#[derive(Debug, Clone)]
pub struct Builder {
    listen: String,
    root: Option<PathBuf>,
    seed: Seed,
    https: bool,
}

impl Builder {
    /// The address to listen on; `127.0.0.1:0`, a free port, by default.
    #[must_use]
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.listen = address.into();
        self
    }

    /// The directory in which the seed's relative directories lie; the current one by default.
    #[must_use]
    pub fn root(mut self, directory: impl AsRef<Path>) -> Self {
        self.root = Some(directory.as_ref().to_owned());
        self
    }

    /// The initial state.
    #[must_use]
    pub fn seed(mut self, seed: Seed) -> Self {
        self.seed = seed;
        self
    }

    /// Serves the manager API of each Connect Server over HTTPS on a port of its own, as the official tools
    /// require; their clients must trust [`Simulator::authority`]. By default it is served over plain HTTP
    /// below `/gcs/{id}`.
    #[must_use]
    pub fn https(mut self) -> Self {
        self.https = true;
        self
    }

    /// Starts it on the current tokio runtime; it is ready for requests when this returns.
    ///
    /// # Errors
    /// When the address is taken, a directory can't be made, or the seed contradicts itself.
    pub async fn start(self) -> Result<Simulator, Error> {
        let root = self.root.unwrap_or_else(|| PathBuf::from("."));
        let mut state = world::build(&self.seed, &root)?;
        let listen = |source| Error::Listen { address: self.listen.clone(), source };
        let listener = TcpListener::bind(&self.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let url =
            Url::parse(&format!("http://{address}")).map_err(|error| listen(io::Error::other(error)))?;
        let tls = self.https.then(|| tls::make(address.ip())).transpose()?;
        let mut managers = Vec::new();
        for server in state.servers.values_mut() {
            server.url = match &tls {
                None => format!("http://{address}/gcs/{}", server.id),
                Some(_) => {
                    let own = TcpListener::bind((address.ip(), 0)).await.map_err(listen)?;
                    let url = format!("https://{}", own.local_addr().map_err(listen)?);
                    managers.push((own, server.id));
                    url
                }
            };
        }
        let world = World::new(format!("http://{address}"), state);
        let mut servers = JoinSet::new();
        servers.spawn(server::serve(listener, routes::router(&world), None));
        for (own, id) in managers {
            let acceptor = tls.as_ref().map(|tls| tls.acceptor.clone());
            servers.spawn(server::serve(own, routes::manager(&world, id), acceptor));
        }
        let authority = tls.map(|tls| tls.authority);
        Ok(Simulator { url, address, world, servers, authority })
    }
}

/// A running simulator; it stops when this is dropped.
#[derive(Debug)]
pub struct Simulator {
    url: Url,
    address: SocketAddr,
    world: Arc<World>,
    servers: JoinSet<()>,
    authority: Option<String>,
}

impl Simulator {
    /// Starts describing a simulator.
    #[must_use]
    pub fn builder() -> Builder {
        Builder { listen: "127.0.0.1:0".to_owned(), root: None, seed: Seed::default(), https: false }
    }

    /// The base of all services, with the slash at the end that `GLOBUS_SDK_SERVICE_URL_AUTH` needs.
    #[must_use]
    pub fn url(&self) -> Url {
        self.url.clone()
    }

    /// Stands for `https://auth.globus.org`.
    #[must_use]
    pub fn auth_url(&self) -> Url {
        self.url.clone()
    }

    /// Stands for `https://transfer.api.globus.org/v0.10`.
    #[must_use]
    pub fn transfer_url(&self) -> Url {
        let mut url = self.url.clone();
        url.set_path("/v0.10");
        url
    }

    /// The base of a Connect Server's manager API, as endpoint documents name it: the API is below `/api`.
    #[must_use]
    pub fn gcs_url(&self, server: Uuid) -> Option<Url> {
        self.world.state().servers.get(&server).and_then(|server| server.url.parse().ok())
    }

    /// The Connect Server that a collection is on; none for Globus Connect Personal.
    #[must_use]
    pub fn server_of(&self, collection: Uuid) -> Option<Uuid> {
        self.world.state().collections.get(&collection).and_then(|of| of.server)
    }

    /// The certificate authority that clients of [`Builder::https`] must trust, PEM.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Injects a fault.
    pub fn fault(&self, fault: Fault) {
        self.world.state().faults.add(fault);
    }

    /// Removes all faults. Calls that hang already keep hanging.
    pub fn clear_faults(&self) {
        self.world.state().faults.0.clear();
    }

    /// All requests so far, or since the log was cleared.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.world.state().log.clone()
    }

    /// How many requests of a call came in, by its name, such as `mkdir`.
    #[must_use]
    pub fn count(&self, call: &str) -> u64 {
        let state = self.world.state();
        state.log.iter().filter(|request| request.call == call).count() as u64
    }

    /// How many requests of each call came in.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<String, u64> {
        admin::counts(&self.world)
    }

    /// Empties the request log.
    pub fn clear_requests(&self) {
        self.world.state().log.clear();
    }

    /// Makes a token valid.
    ///
    /// # Errors
    /// When the account isn't there, or the scopes are unknown or of more than one service.
    pub fn give_token(&self, token: &GivenToken) -> Result<(), Error> {
        world::give_token(&mut self.world.state(), token)
    }

    /// What a person does with the link that an app prints: opens it, chooses the account, allows the app.
    /// The answer is the code to paste.
    ///
    /// # Errors
    /// When the link isn't one that the sign-in page takes, or there is no such account; says which.
    pub fn sign_in(&self, link: &str, username: &str) -> Result<String, Error> {
        auth::sign_in::allow(&self.world, link, username).map_err(Error::SignIn)
    }

    /// Every access token is expired from now on; refresh tokens stay good.
    pub fn expire_tokens(&self) {
        world::expire_tokens(&self.world);
    }

    /// The stored access rules of a collection, as the documents that the API shows; empty when there is
    /// none.
    #[must_use]
    pub fn rules(&self, collection: Uuid) -> Vec<serde_json::Value> {
        let state = self.world.state();
        state.collections.get(&collection).map(transfer::access::stored).unwrap_or_default()
    }

    /// The id of the identity with this username, if there is one by now.
    #[must_use]
    pub fn identity(&self, username: &str) -> Option<Uuid> {
        self.world.state().by_username(username).map(|identity| identity.id)
    }

    /// The documents of all tasks, oldest first.
    #[must_use]
    pub fn tasks(&self) -> Vec<serde_json::Value> {
        transfer::tasks::documents(&self.world)
    }

    /// Resumes every paused and inactive task.
    pub fn resume_tasks(&self) {
        transfer::tasks::resume(&self.world);
    }

    /// Changes pace and limits; tasks under way obey at once.
    pub fn change_limits(&self, change: impl FnOnce(&mut Limits)) {
        change(&mut self.world.state().limits);
    }

    /// Changes how many bytes a collection holds at most.
    pub fn set_quota(&self, collection: Uuid, quota: Option<u64>) {
        if let Some(found) = self.world.state().collections.get_mut(&collection) {
            found.quota = quota;
        }
    }

    /// The e-mails that Globus would have sent.
    #[must_use]
    pub fn notifications(&self) -> Vec<Notification> {
        self.world.state().notifications.clone()
    }

    /// Runs until the server ends, which it does only when the simulator is dropped.
    pub async fn run(&mut self) {
        self.servers.join_next().await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.world.closing.send_replace(true);
        self.servers.abort_all();
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("base", &self.base).finish_non_exhaustive()
    }
}
